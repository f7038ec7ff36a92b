//! `carnet rollback`.

use crate::install::Mode;
use crate::state::{Installation, Revision};

use super::Context;
use super::acquire::UnsignedArgs;
use super::act::{self, Asked, ChangeArgs, HomeArgs, InputArgs};
use super::exit::{self, Code, Usage};
use super::inputs::consent::FileArgs;

/// Bring an installation back to an earlier revision
///
/// Applies the bundle, the parameters and the grant of a recorded revision once more, as a new revision. The bundle is
/// the one that is kept, and it is verified again. Credentials, and parameters that must not be stored, are asked for
/// again. Data is not brought back: what a run has done to it, only the bundle can undo.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet rollback web
  carnet history web
  carnet rollback web 01KB1V2M3N")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    /// Revision, or how it begins; else the last one that succeeded before the current one
    #[arg(value_name = "REVISION")]
    revision: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsigned: UnsignedArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let state = args.home.state(context)?;
    let installation = args.home.installation(&state, &args.name)?;
    let history = state.history(&args.name)?;
    let revision = match &args.revision {
        Some(start) => named(&history, start, &args.name)?,
        None => act::revision_before(&history, installation.last.as_ref())
            .ok_or_else(|| anyhow::anyhow!("`{}` has no earlier revision that succeeded", args.name))?,
    };
    act::check_parameters(&args.inputs, &revision.secret_parameters)?;
    context.ui.status(format_args!(
        "Going back to revision {} ({}, {}).",
        revision.revision, revision.bundle, revision.created
    ));
    let asked = Asked {
        action: action(&installation),
        name: &args.name,
        home: &args.home,
        reference: String::new(),
        consent: &args.files.consent(),
        inputs: &args.inputs,
        unsigned: args.unsigned,
        change: &args.change,
        mode: Mode::Act,
        settled: None,
    };
    let (outcome, _) = act::on_revision(asked, revision, context)?;
    act::report(&outcome, &context.ui)?;
    Ok(exit::DONE)
}

/// What is not there any more has to be installed.
fn action(installation: &Installation) -> &'static str {
    if installation.is_deleted() { "install" } else { "upgrade" }
}

fn named<'a>(history: &'a [Revision], start: &str, name: &str) -> anyhow::Result<&'a Revision> {
    let start = start.to_ascii_uppercase();
    let found: Vec<_> =
        history.iter().filter(|it| act::is_bundled(it) && it.revision.starts_with(&start)).collect();
    match found[..] {
        [revision] => Ok(revision),
        [] => Err(Usage::new(
            format!("`{name}` has no revision `{start}` that installed something"),
            format!("carnet history {name}"),
        )
        .into()),
        _ => Err(Usage::new(
            format!("several revisions of `{name}` begin with `{start}`"),
            format!("carnet history {name}"),
        )
        .into()),
    }
}
