//! `carnet uninstall`.

use crate::operations::Request;
use crate::operations::uninstall::uninstall;

use super::Context;
use super::act::{self, ChangeArgs, HomeArgs, InputArgs, UnsignedArgs};
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
    home: HomeArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsigned: UnsignedArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let request = Request {
        inputs: args.inputs.read()?,
        is_unsigned: args.unsigned.dangerous_unsigned,
        change: args.change.options(),
        ..args.home.request(&args.name)?
    };
    let outcome = act::carry_out(&args.home, context, async |services| uninstall(&request, services).await)?;
    act::report(&outcome, &context.ui)?;
    Ok(exit::DONE)
}
