//! `carnet invoke`.

use crate::install::Mode;

use super::Context;
use super::acquire::UnsignedArgs;
use super::act::{self, Asked, ChangeArgs, HomeArgs, InputArgs};
use super::exit::{self, Code};
use super::inputs::consent::ConsentArgs;

/// Carry out an action that the bundle brings
///
/// The bundle that is kept of the installation is verified again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carnet invoke guestbook dev.carnet.guestbook.backup --param backup-name=monday")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    /// The action
    #[arg(value_name = "ACTION")]
    action: String,
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsigned: UnsignedArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let asked = Asked {
        action: &args.action,
        name: &args.name,
        home: &args.home,
        reference: String::new(),
        consent: &args.consent,
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
