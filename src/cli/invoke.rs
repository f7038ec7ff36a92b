//! `carnet invoke`.

use crate::operations::invoke::invoke;

use super::Context;
use super::act::{self, ChangeArgs, InstalledArgs};
use super::exit::{self, Code};

/// Carry out an action that the bundle brings
///
/// The bundle that is kept of the installation is verified again. Where the state is in a cluster, what is granted, and
/// where the bundle is from, is asked for again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carnet invoke guestbook dev.carnet.guestbook.backup --param backup-name=monday")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = act::installation)]
    name: String,
    /// The action
    #[arg(value_name = "ACTION")]
    action: String,
    #[command(flatten)]
    installed: InstalledArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let request = args.change.on(args.installed.request(&args.name)?);
    let outcome = act::carry_out(&args.installed.home, context, async |services| {
        invoke(&args.action, &request, services).await
    })?;
    act::report(&outcome, &context.ui)?;
    Ok(exit::DONE)
}
