//! `carnet params` and `carnet credentials`: the user's own sets.

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::Serialize;

use crate::operations::Document;
use crate::operations::inspect::{Inspection, inspect};
use crate::reference::Reference;
use crate::text::CommandLine;

use super::Context;
use super::act::{Reply, ask};
use super::exit::{self, Code, NoSet};
use super::inputs::prompt::Stopped;
use super::inputs::sets::SetKind;
use super::inputs::{self, credentials, parameters};
use super::ui::{Page, Report, Tone, Words, mixed};

mod edit;
mod text;

use edit::edit;
use text::{Inputs, credential_set, parameter_set};

/// Keep values of parameters as sets, by name
///
/// `-p NAME` takes a set, where a path would have a `/` or an extension. Sets are files of your own, below the
/// configuration directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet params generate prod registry.example/acme/web:1.2
  carnet params edit prod
  carnet install web registry.example/acme/web:1.2 -p prod")]
pub(super) struct Params {
    #[command(subcommand)]
    verb: Verb,
}

/// Keep where credentials are found as sets, by name
///
/// `-c NAME` takes a set, where a path would have a `/` or an extension. Sets are files of your own, below the
/// configuration directory; the values need not be in them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet credentials generate prod registry.example/acme/web:1.2
  carnet credentials edit prod
  carnet install web registry.example/acme/web:1.2 -c prod")]
pub(super) struct Credentials {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Generate(Generate),
    /// List the sets that are there
    List,
    /// Show what a set is of, without the values in it
    Show(Named),
    /// Change a set in your editor, and keep it where it can be used
    Edit(Named),
    Delete(Delete),
}

/// Make a set of what a bundle takes, with its author's words
#[derive(Debug, clap::Args)]
struct Generate {
    /// Name of the set
    #[arg(value_name = "NAME")]
    set: String,
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Write over a set of this name
    #[arg(long)]
    force: bool,
}

/// A set.
#[derive(Debug, clap::Args)]
struct Named {
    /// Name of the set
    #[arg(value_name = "NAME")]
    set: String,
}

/// Remove a set
#[derive(Debug, clap::Args)]
struct Delete {
    /// Name of the set
    #[arg(value_name = "NAME")]
    set: String,
    /// Confirm it
    #[arg(short, long)]
    yes: bool,
}

/// The sets that are there.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SetList {
    /// Where they are.
    directory: String,
    /// Their names.
    items: Vec<String>,
}

/// A set, without the values in it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Set {
    /// Its name.
    name: String,
    /// Its file.
    file: String,
    /// Its content.
    items: Vec<SetItem>,
}

/// One value of a set, or where it comes from.
#[derive(Debug, Serialize, JsonSchema)]
struct SetItem {
    /// The parameter or credential.
    name: String,
    /// Where the value is; values themselves are not shown.
    source: String,
}

impl Document for SetList {
    const KIND: &'static str = "SetList";
}

impl Document for Set {
    const KIND: &'static str = "Set";
}

pub(super) fn run_params(args: &Params, context: &Context) -> anyhow::Result<Code> {
    run(SetKind::Parameters, &args.verb, context)
}

pub(super) fn run_credentials(args: &Credentials, context: &Context) -> anyhow::Result<Code> {
    run(SetKind::Credentials, &args.verb, context)
}

fn run(kind: SetKind, verb: &Verb, context: &Context) -> anyhow::Result<Code> {
    match verb {
        Verb::Generate(args) => generate(kind, args, context)?,
        Verb::List => {
            let directory = kind.directory()?.display().to_string();
            context.ui.report(&SetList { directory, items: kind.names()? })?;
        }
        Verb::Show(args) => context.ui.report(&shown(kind, &args.set)?)?,
        Verb::Edit(args) => edit(kind, &args.set, context)?,
        Verb::Delete(args) => return delete(kind, args, context),
    }
    Ok(exit::DONE)
}

fn generate(kind: SetKind, args: &Generate, context: &Context) -> anyhow::Result<()> {
    drop(kind.file(&args.set)?);
    let found = context.wait(inspect(&args.reference, &context.bundles()))?;
    let answers = if context.ui.is_quiet() { None } else { asked(kind, &found, context)? };
    let inputs = Inputs::of(&found);
    let text = match kind {
        SetKind::Parameters => parameter_set(&inputs, answers.as_deref().unwrap_or_default()),
        SetKind::Credentials => credential_set(&args.set, &inputs, answers.as_deref().unwrap_or_default()),
    };
    check(kind, &text)?;
    let file = kind.keep(&args.set, &text.into(), args.force)?;
    let edit = CommandLine::of("carnet").own(kind.folder()).own("edit").word(&args.set);
    context.ui.status(format_args!("Written: {}. Look at it, and change it: {edit}", file.display()));
    Ok(())
}

/// The answers of somebody at a terminal, one for each input of the bundle. None: nobody is there.
fn asked(kind: SetKind, found: &Inspection, context: &Context) -> anyhow::Result<Option<Vec<String>>> {
    let questions: Vec<_> = match kind {
        SetKind::Parameters => found.parameters.iter().map(text::of_parameter).collect(),
        SetKind::Credentials => text::of_credentials(&found.credentials),
    };
    let mut answers = Vec::new();
    for question in questions {
        match inputs::line(&question)? {
            Some(answer) => answers.push(answer),
            None => return Ok(None),
        }
    }
    context.ui.status(format_args!("{} answered.", answers.len()));
    Ok(Some(answers))
}

/// Whether a text can be used as a set.
fn check(kind: SetKind, text: &str) -> anyhow::Result<()> {
    match kind {
        SetKind::Parameters => parameters::check(text),
        SetKind::Credentials => credentials::check(text),
    }
}

fn there(kind: SetKind, name: &str) -> anyhow::Result<(std::path::PathBuf, String)> {
    let file = kind.file(name)?;
    let none = || {
        let message = format!("there is no set `{name}`: `{}` is not there", file.display());
        NoSet { message, hint: CommandLine::of("carnet").own(kind.folder()).own("list") }
    };
    let text = inputs::text_if_there(&file)?.ok_or_else(none)?;
    Ok((file, text))
}

fn shown(kind: SetKind, name: &str) -> anyhow::Result<Set> {
    let (file, text) = there(kind, name)?;
    let items = match kind {
        SetKind::Parameters => parameters::names(&text),
        SetKind::Credentials => credentials::sources(&text),
    };
    let items = items.with_context(|| format!("the set `{}` cannot be used", file.display()))?;
    let items = items.into_iter().map(|(name, source)| SetItem { name, source }).collect();
    Ok(Set { name: name.into(), file: file.display().to_string(), items })
}

fn delete(kind: SetKind, args: &Delete, context: &Context) -> anyhow::Result<Code> {
    let (file, _) = there(kind, &args.set)?;
    let reply = if args.yes { Reply::Yes } else { ask(&format!("Remove {}?", file.display())) };
    match reply {
        Reply::Yes => {
            inputs::remove(&file)?;
            context.ui.status(format_args!("Removed: {}", file.display()));
            Ok(exit::DONE)
        }
        Reply::No => Ok(exit::ERROR),
        Reply::Stopped => Err(Stopped.into()),
        Reply::Unasked => Err(exit::Unasked(format!("`{}` was not removed", file.display())).into()),
    }
}

impl Report for SetList {
    fn show(&self, page: &mut Page) {
        if self.items.is_empty() {
            page.line("", Tone::Quiet, mixed!("There are none in {}.", self.directory));
        }
        for name in &self.items {
            page.line("", Tone::Plain, mixed!("{name}"));
        }
    }
}

impl Report for Set {
    fn show(&self, page: &mut Page) {
        page.rows(
            self.items.iter().map(|it| (Tone::Plain, Words::mixed(&it.name), Words::mixed(&it.source))),
        );
    }
}
