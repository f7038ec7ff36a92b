//! `carnet plan`.

use crate::install::Mode;
use crate::target::Overrides;

use super::Context;
use super::act::{self, BundleArgs, ChangeArgs, PlanReport};
use super::exit::Code;

/// Show what an install or upgrade would change, and change nothing
///
/// Runs the component against the target in plan mode: reads are real, writes are only noted. It is the plan of an
/// upgrade where there is an installation of this name, else of an install.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet plan web layout:bundles/web --target dir:rendered -n prod --grants grants.yaml
  carnet plan web layout:bundles/web-1.1 -o json --exit-code")]
pub(super) struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Exit with 3 when anything would change
    #[arg(long)]
    exit_code: bool,
    /// Show what overwriting the changes of others would do
    #[arg(long)]
    force_conflicts: bool,
    /// Show what taking over objects of others would do
    #[arg(long)]
    take_ownership: bool,
    /// Plan to remove and make anew what cannot be changed
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let Args { force_conflicts, take_ownership, replace, .. } = *args;
    let change = ChangeArgs::overriding(Overrides { force_conflicts, take_ownership, replace });
    let (outcome, _) = act::on_bundle(None, &args.bundle, &change, Mode::Plan, context)?;
    context.ui.report(&PlanReport(&outcome.plan))?;
    Ok(act::pending(args.exit_code, !outcome.plan.is_empty()))
}
