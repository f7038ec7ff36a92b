//! `carnet uninstall`.

use crate::operations::uninstall::{uninstall, uninstall_with_dependencies};

use super::Context;
use super::act::{self, ChangeArgs, InstalledArgs};
use super::exit::{self, Code};

/// Remove an installation
///
/// Removes what its inventory names, last applied first. In a cluster, CustomResourceDefinitions, namespaces and
/// PersistentVolumeClaims stay unless `--delete` names them. What another installation needs stays until that is gone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet uninstall web
  carnet uninstall web --delete=pvcs --yes
  carnet uninstall web --with-dependencies")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = act::installation)]
    name: String,
    /// Remove also what was made for it and nobody else needs, after it and in reverse order
    #[arg(long)]
    with_dependencies: bool,
    #[command(flatten)]
    installed: InstalledArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let request = args.change.on(args.installed.request(&args.name)?);
    let outcome = act::carry_out(&args.installed.home, context, async |services| {
        if args.with_dependencies {
            uninstall_with_dependencies(&request, services).await
        } else {
            uninstall(&request, services).await
        }
    })?;
    act::report(&outcome, &context.ui)?;
    Ok(exit::DONE)
}
