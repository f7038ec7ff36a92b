//! The words that may stand in a place of a command line: names of installations, their revisions, outputs, actions and
//! parameters, and tags of a layout.
//!
//! The scripts that `carnet completion` prints ask the program itself, with the line as it was typed so far; nobody types
//! this. Whatever goes wrong, there is nothing to offer. What is offered goes into a shell, and others may have written it:
//! only words that mean nothing to a shell are.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory as _, Parser as _};

use crate::bundle::Bundle;
use crate::cluster::contexts;
use crate::fetch;
use crate::oci::registry::RegistryClient;
use crate::reference::Reference;
use crate::state::State;

use super::super::act::HomeArgs;
use super::super::asked::Asked;
use super::super::lint::names;
use super::super::schema::all;
use super::super::ui::Ui;
use super::super::{Cli, Context, Global, exit, runtime};

/// The first argument of a program that is asked for words.
pub(super) const COMPLETE: &str = "complete-words";

/// The most words that are offered: as many as a person can look through.
const MAX_WORDS: usize = 500;

/// Prints the words, if the arguments ask for them.
pub(in crate::cli) fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let [_, verb, words @ ..] = arguments else { return None };
    if verb != COMPLETE {
        return None;
    }
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let found = candidates(&words).unwrap_or_default();
    let lines: String = found.into_iter().take(MAX_WORDS).map(|word| word + "\n").collect();
    let StateArgs { global, .. } = StateArgs::try_parse_from(["carnet"]).ok()?;
    // A shell that takes no more has enough.
    drop(Ui::new(&global).script(lines.as_bytes()));
    Some(exit::DONE.into())
}

/// The words that may stand in the place of the last one.
fn candidates(words: &[String]) -> Option<Vec<String>> {
    let (current, before) = words.split_last()?;
    let line = Line::read(before)?;
    let found = match line.place(before.last().map(String::as_str), current)? {
        Place::Positional("NAME") => line.installations()?,
        Place::Positional("REVISION") => line.revisions()?,
        Place::Positional("OUTPUT") => line.outputs()?,
        Place::Positional("ACTION") => line.bundle()?.actions().keys().cloned().collect(),
        Place::Positional("REF" | "DIR|REF|FILE" | "SRC" | "DST") | Place::Value("bundle" | "to") => {
            tags(current).into_iter().flatten().chain(places(current, &["layout:", "archive:"])).collect()
        }
        Place::Positional("KIND") => all().iter().map(|kind| kind.kind.to_owned()).collect(),
        Place::Value("kind") => names(),
        Place::Value("target") => {
            std::iter::once("kube".to_owned()).chain(places(current, &["dir:"])).collect()
        }
        Place::Value("namespace") => line.namespaces()?,
        Place::Value("context") => contexts(line.flags.get("kubeconfig").map(PathBuf::from)),
        Place::Value("param") if !current.contains('=') => {
            line.bundle()?.parameters().keys().map(|name| format!("{name}=")).collect()
        }
        _ => return None,
    };
    Some(found.into_iter().filter(|word| word.starts_with(current.as_str()) && is_plain(word)).collect())
}

/// Whether a word means nothing to any shell.
fn is_plain(word: &str) -> bool {
    !word.starts_with('-') && word.chars().all(|c| c.is_ascii_alphanumeric() || "-._:/@+=".contains(c))
}

/// The text in the place that is asked about.
enum Place<'a> {
    /// A positional argument, by what the help calls it.
    Positional(&'a str),
    /// The value of a flag, by its name.
    Value(&'a str),
}

/// A command line as far as it was typed, taken apart by what the verb knows.
struct Line {
    verb: Command,
    positional: Vec<String>,
    flags: BTreeMap<String, String>,
}

impl Line {
    /// None: there is no such verb.
    fn read(words: &[String]) -> Option<Self> {
        let mut verb = Cli::command();
        verb.build();
        let (mut positional, mut flags) = (Vec::new(), BTreeMap::new());
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if let Some(below) = verb.find_subcommand(word).filter(|_| positional.is_empty()).cloned() {
                verb = below;
            } else if let Some((flag, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
                flags.insert(flag.trim_start_matches('-').to_owned(), value.to_owned());
            } else if let Some(flag) = flag_with_value(&verb, word) {
                let name = long_name(flag).to_owned();
                if let Some(value) = words.next() {
                    flags.insert(name, value.clone());
                }
            } else if !word.starts_with('-') || word == "-" {
                positional.push(word.clone());
            }
        }
        let is_whole = verb.get_subcommands().next().is_none();
        is_whole.then_some(Self { verb, positional, flags })
    }

    /// The text in the place after these words.
    fn place(&self, previous: Option<&str>, current: &str) -> Option<Place<'_>> {
        if let Some(flag) = previous.and_then(|word| flag_with_value(&self.verb, word)) {
            return Some(Place::Value(long_name(flag)));
        }
        if current.starts_with('-') {
            return None;
        }
        let argument = self.verb.get_positionals().nth(self.positional.len())?;
        Some(Place::Positional(argument.get_value_names()?.first()?.as_str()))
    }

    /// The verb as it would be asked what is installed.
    fn asked(&self) -> Option<(Context, HomeArgs)> {
        let mut words = vec!["carnet".to_owned()];
        for flag in ["state", "namespace", "kubeconfig", "context", "as"] {
            words.extend(self.flags.get(flag).map(|value| format!("--{flag}={value}")));
        }
        let StateArgs { global, home } = StateArgs::try_parse_from(words).ok()?;
        let asked = Asked::default();
        Some((Context { ui: Ui::new(&global), global, asked }, home))
    }

    fn state(&self) -> Option<State> {
        let (context, home) = self.asked()?;
        home.state(&context).ok()
    }

    fn name(&self) -> Option<&str> {
        self.positional.first().map(String::as_str)
    }

    fn installations(&self) -> Option<Vec<String>> {
        let readable = self.state()?.readable(false).ok()?.readable;
        Some(readable.into_iter().filter(|it| !it.is_deleted()).map(|it| it.name).collect())
    }

    fn namespaces(&self) -> Option<Vec<String>> {
        let readable = self.state()?.readable(true).ok()?.readable;
        let namespaces: BTreeSet<_> = readable.into_iter().map(|it| it.namespace).collect();
        Some(namespaces.into_iter().collect())
    }

    fn revisions(&self) -> Option<Vec<String>> {
        let revisions = self.state()?.revisions(self.name()?).ok()?.readable;
        Some(revisions.into_iter().rev().map(|it| it.revision).collect())
    }

    fn outputs(&self) -> Option<Vec<String>> {
        Some(self.state()?.outputs(self.name()?).ok()?.into_keys().collect())
    }

    /// The bundle that is named, or else the one that is kept of the installation. Nothing of it is run.
    fn bundle(&self) -> Option<Bundle> {
        let named = self.positional.get(1).and_then(|reference| reference.parse::<Reference>().ok());
        let fetched = match named.filter(|_| self.takes_reference()) {
            // Nobody wants a registry to be asked while he types.
            Some(reference) if !reference.is_local() => return None,
            Some(reference) => {
                let nobody = RegistryClient::anonymous();
                runtime().ok()?.block_on(fetch::fetch(&reference, &nobody)).ok()?
            }
            None => {
                let state = self.state()?;
                let settings = state.get(self.name()?).ok()?.settings;
                runtime().ok()?.block_on(state.load(settings.bundle, &settings.reference)).ok()?
            }
        };
        Some(fetched.bundle().clone())
    }

    fn takes_reference(&self) -> bool {
        let second = self.verb.get_positionals().nth(1).and_then(Arg::get_value_names);
        second.is_some_and(|names| names.iter().any(|name| name == "REF"))
    }
}

/// The flags that say which state is asked.
#[derive(clap::Parser)]
struct StateArgs {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    home: HomeArgs,
}

fn long_name(flag: &Arg) -> &str {
    flag.get_long().unwrap_or_else(|| flag.get_id().as_str())
}

/// The flag that a word is, if its value is the next word.
fn flag_with_value<'a>(verb: &'a Command, word: &str) -> Option<&'a Arg> {
    let is_it = |flag: &&Arg| match word.strip_prefix("--") {
        Some(long) => flag.get_long() == Some(long),
        None => {
            word.starts_with('-')
                && flag.get_short().is_some_and(|short| word.ends_with(short) && word.len() > 1)
        }
    };
    verb.get_arguments()
        .filter(|flag| !flag.is_positional())
        .find(is_it)
        .filter(|it| it.get_action().takes_values())
}

/// Candidates behind a scheme: directories, and files where it takes one. Of what is hidden nothing is offered.
fn places(current: &str, schemes: &[&str]) -> Vec<String> {
    let Some(scheme) = schemes.iter().find(|scheme| current.starts_with(**scheme)) else {
        return schemes.iter().map(|scheme| (*scheme).to_owned()).collect();
    };
    let typed = current.get(scheme.len()..).unwrap_or_default();
    let folder = typed.rfind('/').and_then(|at| typed.get(..=at)).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "who types the path may read it")]
    let entries =
        std::fs::read_dir(if folder.is_empty() { "." } else { folder }).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        #[expect(clippy::disallowed_methods, reason = "who types the path may read it")]
        let is_directory = entry.path().is_dir();
        let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
        let end = if is_directory && *scheme != "layout:" { "/" } else { "" };
        (is_directory || *scheme == "archive:").then(|| format!("{scheme}{folder}{name}{end}"))
    });
    let mut found: Vec<_> = named.collect();
    found.sort();
    found
}

/// The tags of the layout or archive that is typed before the last `:`.
fn tags(current: &str) -> Option<Vec<String>> {
    let (place, _) = current.rsplit_once(':')?;
    let reference: Reference = place.parse().ok()?;
    let tags = runtime().ok()?.block_on(fetch::tags(&reference)).ok()?;
    Some(tags.into_iter().map(|tag| format!("{place}:{tag}")).collect())
}
