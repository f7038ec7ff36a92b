//! Turns arguments into requests, and the results of operations into pages, documents and exit codes.
//!
//! One file per verb: `Args`, whose doc comment is the help, then `run`, then the page. Only this module prints, reads
//! the environment, listens for signals and finds its own files; the library is handed everything.

use std::ffi::OsString;
use std::io;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::oci::registry::{RegistryClient, RegistrySettings};
use crate::operations::{self, Bundles};

use asked::Asked;
use exit::Code;
use inputs::{StatePlace, Trust};
use ui::{Color, Format, Ui};
use verbs::{Verb, dispatch};

pub mod exit;
pub mod inputs;
pub mod manual;
pub mod ui;

mod act;
mod asked;
mod apply;
mod approve;
mod build;
mod compile;
mod copy;
mod findings;
mod dev;
mod diff;
mod doctor;
mod drift;
mod grant;
mod init;
mod history;
mod verify;
mod explain;
mod inspect;
mod install;
mod invoke;
mod key;
mod list;
mod misuse;
mod login;
mod cache;
mod outputs;
mod plan;
mod rbac;
mod rollback;
mod sets;
mod schema;
mod lint;
mod sign;
mod status;
mod test;
mod trust;
mod uninstall;
mod unlock;
mod claims;
mod version;
mod completion;
mod one_verb;
mod failure;
mod verbs;

/// Install bundles that you do not have to trust
///
/// A bundle's installer is a WebAssembly component that can do only what you grant. Look at a bundle before you decide:
/// what it can call is read from its binary, not from what its author says.
#[derive(Debug, Parser)]
#[command(name = "carnet", version, styles = STYLES, max_term_width = 100)]
#[command(after_help = "\
Where a bundle is (REF):
  registry.example/acme/web:1.2   in a registry, with a tag, a digest or both
  layout:DIR[:TAG][@DIGEST]       in an OCI image layout
  archive:FILE[:TAG][@DIGEST]     in an OCI image layout as one tar file
  ./PATH, /PATH                   source directory, layout or archive, whichever is there

Start with:
  carnet inspect layout:DIR       what a bundle can do, before anything runs")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags that every verb has.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Print a table for people, or exactly one document
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// Print no status messages
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Print details
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Keep the state of installations here: a directory, or `kube` for the cluster
    #[arg(long, global = true, value_name = "DIR", env = "CARNET_STATE", hide_env_values = true)]
    state: Option<String>,
    /// Decide by this trust policy
    #[arg(long, global = true, value_name = "FILE", env = "CARNET_TRUST", hide_env_values = true)]
    trust: Option<PathBuf>,
    /// Reach this registry without encryption (those on this machine are in any case)
    #[arg(long, global = true, value_name = "HOST", value_parser = inputs::registries::named)]
    plain_http: Vec<String>,
    /// Ask no registry: what came from one must be in the cache
    #[arg(long, global = true)]
    offline: bool,
}

/// All that a verb works with.
#[derive(Debug)]
pub struct Context {
    /// Where results and messages go.
    pub ui: Ui,
    global: Global,
    asked: Asked,
}

impl Context {
    /// Runs an asynchronous operation.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn wait<T>(
        &self,
        operation: impl Future<Output = Result<T, operations::Error>>,
    ) -> anyhow::Result<T> {
        Ok(runtime()?.block_on(operation)?)
    }

    /// The trust policy, and where it comes from.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn trust(&self) -> anyhow::Result<Trust> {
        inputs::trust(self.global.trust.as_deref())
    }

    /// The settings for registries.
    ///
    /// # Errors
    /// When the configuration, or a file that it names, cannot be read.
    pub fn registry_settings(&self) -> anyhow::Result<RegistrySettings> {
        inputs::registry_settings(&self.global.plain_http, self.global.offline)
    }

    /// The registries that references may name.
    pub fn registries(&self) -> Arc<RegistryClient> {
        let (plain, is_offline) = (self.global.plain_http.clone(), self.global.offline);
        RegistryClient::reading(move || {
            inputs::registry_settings(&plain, is_offline).map_err(|error| format!("{error:#}"))
        })
    }

    /// How bundles are fetched and verified.
    pub fn bundles(&self) -> Bundles {
        let unusable = |error| inputs::unreadable(error).into();
        Bundles {
            policy: self.trust().map(|trust| trust.policy).map_err(unusable),
            machine: inputs::machine_policy().map_err(unusable),
            now: inputs::now(),
            scratch: inputs::scratch(),
            registries: self.registries(),
            listener: Arc::new(self.ui.clone()),
        }
    }

    /// Where installations are recorded.
    ///
    /// # Errors
    /// When no place is named and there is no home directory either.
    pub fn state(&self) -> anyhow::Result<StatePlace> {
        inputs::state(self.global.state.as_deref())
    }
}

/// The colours of help. Meaning never depends on them.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

/// Runs the program with these arguments, the first of which is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(code) = compile::run(&arguments).or_else(|| completion::candidates::run(&arguments)) {
        return code;
    }
    let (cli, asked) = match parsed(&arguments) {
        Ok(parsed) => parsed,
        Err(error) => return misused(&error, &arguments).into(),
    };
    let context = Context { ui: Ui::new(&cli.global), global: cli.global, asked };
    let ended = dispatch(&cli.verb, &context).or_else(|error| failed(&error, &context));
    // A closed pipe is no failure: the reader has seen enough.
    ended.unwrap_or_else(|error| if is_closed_pipe(&error) { exit::DONE } else { exit::ERROR }).into()
}

/// Reads the arguments. The tree of all commands and flags is not made where one verb is enough, and not taken apart
/// afterwards: that takes a good part of the time in which a short command is done, and the process ends soon anyway.
fn parsed(arguments: &[OsString]) -> Result<(Cli, Asked), clap::Error> {
    let matches = match one_verb::matches(arguments) {
        Some(matches) => matches,
        None => ManuallyDrop::new(command()).try_get_matches_from_mut(arguments)?,
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))?;
    Ok((cli, Asked::of(&matches)))
}

/// A runtime for one command.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the program cannot wait for anything")
}

/// The command line as clap sees it, from which completions and the reference are made.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Says what went wrong, and with which code the program ends.
fn failed(error: &anyhow::Error, context: &Context) -> anyhow::Result<Code> {
    if is_closed_pipe(error) {
        return Ok(exit::DONE);
    }
    let failure = context.failure(error);
    context.ui.failure(&failure)?;
    Ok(failure.code)
}

/// Prints help that was asked for, or says what is wrong with the arguments.
fn misused(error: &clap::Error, arguments: &[OsString]) -> Code {
    let ui = Ui::plain(wanted_format(arguments));
    // If the output is closed, the exit code stays the same.
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            drop(error.print());
            return exit::DONE;
        }
        // Whoever types no verb wants to know which there are.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if ui.is_for_people() => drop(error.print()),
        _ => drop(ui.failure(&misuse::failure(error, arguments))),
    }
    exit::USAGE
}

/// The format that a command line asks for although it cannot be parsed.
fn wanted_format(arguments: &[OsString]) -> Format {
    let texts: Vec<_> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let asks = |format: &str| {
        let joined = [format!("-o{format}"), format!("-o={format}"), format!("--output={format}")];
        texts.iter().any(|text| joined.iter().any(|form| form == text))
            || texts.windows(2).any(|pair| ["-o", "--output"].contains(&pair[0]) && pair[1] == format)
    };
    match (asks("json"), asks("yaml")) {
        (true, _) => Format::Json,
        (_, true) => Format::Yaml,
        _ => Format::Table,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ui::Unwritten>().is_some_and(|error| error.0.kind() == io::ErrorKind::BrokenPipe)
}
