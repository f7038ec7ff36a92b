//! `carnet drift`.

use crate::operations::drift::{Drift, drift, fix};

use super::Context;
use super::act::{self, AnywhereArgs, ChangeArgs, InstalledArgs};
use super::exit::{self, Code};
use super::findings;
use super::ui::{Page, Report, Tone, Words, mixed};

/// Show which objects are no longer as they were installed, and put them back
///
/// Compares the fields that the installation set, and lists what others hold beside them, with what the objects can do by
/// it. Objects on record that are missing or not ready are named, and granted files that changed since: the comparison is
/// with what they held then. `carnet diff` shows the same with all lines. With `--fix`, the recorded bundle is applied once
/// more with the recorded inputs, and what others changed in its fields is overwritten; what they added stays, and files
/// that changed are not rolled out. Credentials are asked for again.
///
/// Where the state is in a cluster, what is granted, and where the bundle is from, is asked for again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet drift web --exit-code
  carnet drift web --fix -c credentials.yaml")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = act::installation)]
    name: String,
    /// Exit with 3 when anything has drifted
    #[arg(long, conflicts_with = "fix")]
    exit_code: bool,
    /// Let `--exit-code` count what others hold in the objects
    #[arg(long, conflicts_with = "fix")]
    foreign: bool,
    /// Put it back
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    anywhere: AnywhereArgs,
    #[command(flatten)]
    installed: InstalledArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let installed =
        args.installed.in_namespace(args.anywhere.home(&args.name, &args.installed.home, context)?);
    let request = args.change.on(installed.request(&args.name)?);
    if args.fix {
        let outcome =
            act::carry_out(&installed.home, context, async |services| fix(&request, services).await)?;
        if outcome.plan().is_empty() {
            context.ui.status("Nothing had to be put back.");
        }
        act::report(&outcome, &context.ui)?;
        return Ok(exit::DONE);
    }
    let drift = act::carry_out(&installed.home, context, async |services| drift(&request, services).await)?;
    context.ui.report(&drift)?;
    let has_drifted = !drift.objects.is_empty() || !drift.findings.is_as_installed();
    Ok(act::pending(args.exit_code, has_drifted || args.foreign && drift.findings.has_foreign()))
}

impl Report for Drift {
    fn show(&self, page: &mut Page) {
        for row in &self.objects {
            page.heading(mixed!("{} {}", row.state, row.object));
            for field in &row.fields {
                page.line("  ", Tone::Caution, Words::outside(field));
            }
        }
        findings::show(page, &self.findings, self.objects.is_empty());
    }
}
