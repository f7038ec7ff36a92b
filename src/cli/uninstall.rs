//! `carnet uninstall`.

use crate::operations::uninstall::uninstall;

use super::Context;
use super::act::{self, ChangeArgs, InstalledArgs};
use super::exit::{self, Code};

/// Remove an installation
///
/// Removes what its inventory names, last applied first. In a cluster, CustomResourceDefinitions, namespaces and
/// PersistentVolumeClaims stay unless `--delete` names them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet uninstall web
  carnet uninstall web --delete=pvcs --yes")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    installed: InstalledArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let request = args.change.on(args.installed.request(&args.name)?);
    let outcome =
        act::carry_out(&args.installed.home, context, async |services| uninstall(&request, services).await)?;
    act::report(&outcome, &context.ui)?;
    Ok(exit::DONE)
}
