//! `carnet dev`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::operations::plan::plan;
use crate::operations::watch::{Snapshot, is_there, snapshot};
use crate::operations::{InstallRequest, InstallationRequest, TrustMode};
use crate::plan::Plan;
use crate::reference::Reference;

use super::Context;
use super::act::{self, InputArgs, Show, TargetArgs};
use super::exit::{Code, Failure, USAGE};
use super::ui::Page;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_millis(300);

/// Plan a source directory again whenever its files change
///
/// Shows what an installation of the directory as it is would change, with all that it asks for granted, and again as soon as
/// `carnet.yaml` or the component is another one. Nothing is changed. Ctrl-C ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carnet dev --target dir:out")]
pub(super) struct Args {
    /// The source directory
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Name of the installation
    #[arg(long, value_name = "NAME", default_value = "dev", value_parser = act::installation)]
    name: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    inputs: InputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    loop {
        let seen = snapshot(&args.directory);
        match planned(args, context) {
            Ok(plan) => shown(&plan, context)?,
            Err(error) => {
                let failure = Failure::of(&error);
                // Nothing that happens in the directory would change that.
                if failure.code == USAGE || !is_there(&args.directory) {
                    return Err(error);
                }
                context.ui.explain(&failure);
            }
        }
        context.ui.status(format_args!("Waiting for a change in `{}`.", args.directory.display()));
        await_change(&args.directory, &seen);
    }
}

fn planned(args: &Args, context: &Context) -> anyhow::Result<Plan> {
    let installation = InstallationRequest {
        inputs: args.inputs.given(),
        trust: TrustMode::DangerouslyUnsigned,
        ..args.target.home.request(&args.name)?
    };
    let request = InstallRequest {
        reference: Reference::Path(args.directory.clone()),
        destination: args.target.destination(),
        installation,
        for_development: true,
    };
    let outcome =
        act::carry_out(&args.target.home, context, async |services| plan(&request, services).await)?;
    Ok(outcome.proposed.into_plan())
}

fn shown(plan: &Plan, context: &Context) -> anyhow::Result<()> {
    if !context.ui.is_for_people() {
        return context.ui.document("Plan", plan);
    }
    let mut page = Page::new(context.ui.is_verbose());
    act::plan_page(&mut page, plan, Show::Manifests);
    context.ui.page(page)
}

/// Returns when the files are others, and are no longer being written.
fn await_change(directory: &Path, seen: &Snapshot) {
    let mut last = seen.clone();
    loop {
        std::thread::sleep(PAUSE);
        let now = snapshot(directory);
        if now == last && now != *seen {
            return;
        }
        last = now;
    }
}
