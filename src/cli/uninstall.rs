//! `carnet uninstall`.

use crate::install::Mode;

use super::Context;
use super::acquire::UnsignedArgs;
use super::act::{self, Asked, ChangeArgs, HomeArgs, InputArgs};
use super::exit::{self, Code};
use super::inputs::consent::ConsentArgs;

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
    let asked = Asked {
        action: "uninstall",
        name: &args.name,
        home: &args.home,
        reference: String::new(),
        consent: &ConsentArgs::default(),
        inputs: &args.inputs,
        unsigned: args.unsigned,
        change: &args.change,
        mode: Mode::Act,
        settled: None,
    };
    let (outcome, _) = act::on_installation(asked, context)?;
    act::report(&outcome, &context.ui)?;
    Ok(exit::DONE)
}
