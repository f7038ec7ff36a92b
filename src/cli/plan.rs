//! `carnet plan`.

use crate::install;
use crate::operations::{self, ChangeOptions};
use crate::plan::{Plan, PlannedChange};
use crate::targets::{NotDryRun, Overrides, Take};

use super::Context;
use super::act::{self, BundleArgs, PowerArgs, Show, TakeArgs};
use super::exit::{Code, Failure};
use super::ui::{Page, Ui};

/// Show what an install or upgrade would change, and change nothing
///
/// Runs the component against the target in plan mode: reads are real, writes are only noted. It is the plan of an
/// upgrade where there is an installation of this name, else of an install.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet plan web layout:bundles/web --target dir:rendered -n prod --grants grants.yaml
  carnet plan web layout:bundles/web --target dir:rendered -n prod --grants grants.yaml --diff
  carnet plan web layout:bundles/web-1.1 -o json --exit-code")]
pub(super) struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Exit with 3 when anything would change
    #[arg(long)]
    exit_code: bool,
    /// What to show of each object: what changes, also the manifests of new ones (as -v does), or a line alone
    #[arg(long, value_name = "WHAT")]
    show: Option<Show>,
    /// Show all of it, changes and manifests; on a terminal a screen at a time (CARNET_PAGER, PAGER, else less)
    #[arg(long, conflicts_with = "show")]
    diff: bool,
    /// Show what overwriting the changes of others would do
    #[arg(long)]
    force_conflicts: bool,
    /// Show what taking over objects of others would do
    #[arg(long)]
    take_ownership: bool,
    #[command(flatten)]
    take: TakeArgs,
    /// Plan to remove and make anew what cannot be changed
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    powers: PowerArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let Args { force_conflicts, take_ownership, replace, .. } = *args;
    let mut request = args.bundle.request()?;
    request.installation.change = ChangeOptions {
        overrides: Overrides { force_conflicts, take_ownership, replace },
        refuse_powers: args.powers.refuse_powers,
        take: args.take.take.clone(),
        ..ChangeOptions::default()
    };
    let planned = act::carry_out(args.bundle.home(), context, async |services| {
        let outcome = operations::plan::plan(&request, services).await?;
        let demands = services.bundles.demands(&outcome.to_approve)?;
        Ok((outcome, demands))
    });
    let plan = match planned {
        Ok((outcome, demands)) => {
            demands.iter().for_each(|demand| {
                context.ui.warning(format_args!("before it is carried out, it has to be {demand}"))
            });
            outcome.proposed.into_plan()
        }
        Err(error) => return refused(&error, args, context).unwrap_or(Err(error)),
    };
    shown(&plan, args, &context.ui)?;
    warn(&plan, &request.installation.change, &context.ui);
    Ok(act::pending(args.exit_code, !plan.is_empty()))
}

/// Prints the plan.
fn shown(plan: &Plan, args: &Args, ui: &Ui) -> anyhow::Result<()> {
    if !ui.is_for_people() {
        return ui.report(plan);
    }
    let mut page = Page::new(ui.is_verbose());
    let usual = if args.diff { Show::Manifests } else { Show::by_default(ui.is_verbose()) };
    act::plan_page(&mut page, plan, args.show.unwrap_or(usual));
    if args.diff { ui.long_page(page) } else { ui.page(page) }
}

/// Warnings about the plan that its rows do not make obvious.
fn warn(plan: &Plan, change: &ChangeOptions, ui: &Ui) {
    let untried = plan.changes.iter().filter(|row| row.dry_run == Some(NotDryRun::Forbidden)).count();
    if untried > 0 {
        ui.warning(format_args!(
            "{untried} of the objects were not tried out: you may read them, and not change them. Their rows are what can \
             be told from that"
        ));
    }
    let is_left = |row: &&PlannedChange| row.adopts && !change.take.contains(&Take::of(&row.object));
    let adopted = plan.changes.iter().filter(is_left).count();
    if adopted > 0 && !change.overrides.take_ownership {
        ui.warning(format_args!(
            "{adopted} of the objects are there already and belong to nobody: a run takes them over only with \
             `--take-ownership`, or those that `--take OBJECT` names"
        ));
    }
    let held: usize = plan.conflicts(&change.take).iter().map(|held| held.fields.len()).sum();
    if held > 0 && !change.overrides.force_conflicts && !change.overrides.take_ownership {
        ui.warning(format_args!(
            "what belongs to others (fields: {held}) is taken over only with `--take FIELD|OBJECT` for each, or with \
             `--force-conflicts`"
        ));
    }
}

/// A plan that is refused for what it installs can be looked at all the same.
fn refused(error: &anyhow::Error, args: &Args, context: &Context) -> Option<anyhow::Result<Code>> {
    let operations::Error::Install(install::Error::Powers { plan, .. }) = error.downcast_ref()? else {
        return None;
    };
    let failure = Failure { hint: None, ..context.failure(error) };
    let shown = shown(plan, args, &context.ui);
    context.ui.explain(&failure);
    Some(shown.map(|()| failure.code))
}
