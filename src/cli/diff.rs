//! `carnet diff`.

use crate::operations::diff::{Difference, diff};
use crate::targets::Change;

use super::Context;
use super::act::{self, AnywhereArgs, InstalledArgs, diff_lines};
use super::exit::Code;
use super::findings;
use super::ui::{Page, Report, mixed};

/// Show how the target differs from what was installed
///
/// Makes the plan of the last action once more, from the bundle and inputs that are recorded, and compares it with what
/// is there: the fields that the installation set, and what others hold beside them. Changes nothing. Values of Secrets are never shown, and those that hold credentials are not compared.
///
/// Where the state is in a cluster, what is granted, and where the bundle is from, is asked for again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet diff web
  carnet diff web --exit-code")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = act::installation)]
    name: String,
    /// Exit with 3 when anything differs
    #[arg(long)]
    exit_code: bool,
    /// Let `--exit-code` count what others hold in the objects
    #[arg(long)]
    foreign: bool,
    #[command(flatten)]
    anywhere: AnywhereArgs,
    #[command(flatten)]
    installed: InstalledArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let installed =
        args.installed.in_namespace(args.anywhere.home(&args.name, &args.installed.home, context)?);
    let request = installed.request(&args.name)?;
    let difference =
        act::carry_out(&installed.home, context, async |services| diff(&request, services).await)?;
    context.ui.long_report(&difference)?;
    let differs = !difference.changes.is_empty() || !difference.findings.is_as_installed();
    Ok(act::pending(args.exit_code, differs || args.foreign && difference.findings.has_foreign()))
}

impl Report for Difference {
    fn show(&self, page: &mut Page) {
        for row in &self.changes {
            let what = match row.action {
                Change::Create => "is missing",
                Change::Delete => "should not be there",
                Change::Replace | Change::Update | Change::Unchanged => "differs",
            };
            page.heading(mixed!("{} {what}", row.object));
            // The difference leads from what is there to what was installed.
            diff_lines(page, row.diff.as_deref().unwrap_or_default());
        }
        findings::show(page, &self.findings, self.changes.is_empty());
    }
}
