//! `carnet rollback`.

use crate::operations::rollback::rollback;

use super::Context;
use super::act::{self, ChangeArgs, InstalledArgs};
use super::exit::{self, Code};

/// Bring an installation back to an earlier revision
///
/// Without a revision it goes back to what was there before the last install, upgrade or uninstall; what actions of the
/// bundle did in between is no change of that, and is not undone.
///
/// Applies the bundle, the parameters and the grant of a recorded revision once more, as a new revision. The bundle is
/// the one that is kept, and it is verified again. Credentials, and parameters that must not be stored, are asked for
/// again. Data is not brought back: what a run has done to it, only the bundle can undo.
///
/// Where the state is in a cluster, what is granted, and where the bundle is from, is asked for again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet rollback web
  carnet history web
  carnet rollback web 01KB1V2M3N")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = act::installation)]
    name: String,
    /// Revision, or how it begins; else the last one that succeeded before the last change
    #[arg(value_name = "REVISION")]
    revision: Option<String>,
    #[command(flatten)]
    installed: InstalledArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let request = args.change.on(args.installed.request(&args.name)?);
    let outcome = act::carry_out(&args.installed.home, context, async |services| {
        rollback(args.revision.as_deref(), &request, services).await
    })?;
    act::report(&outcome, &context.ui)?;
    Ok(exit::DONE)
}
