//! `carnet test`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::operations::test::{Bench, TestReport, test};

use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, mixed};
use super::{Context, inputs};

/// Test a source directory by the cases in its `carnet.test.yaml`
///
/// Each case installs the bundle into a directory that is gone afterwards, with the parameters and grants that it names, and
/// compares objects, outputs or the error with what it expects. Nothing of yours is touched. Exits with 1 when a case fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet test
  carnet test web -o json")]
pub(super) struct Args {
    /// The source directory, which holds `carnet.yaml` and `carnet.test.yaml`
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let (scratch, now) = (inputs::scratch(), inputs::now());
    let (cache, compiler) = (inputs::cache(), Some(inputs::this_program()?));
    let bench = Bench { scratch, now, cache, compiler, listener: Arc::new(context.ui.clone()) };
    let report = context.wait(test(&args.directory, &bench))?;
    context.ui.report(&report)?;
    let (failed, all) = (report.failed(), report.cases.len());
    context.ui.status(format_args!("Passed: {}. Failed: {failed}.", all - failed));
    Ok(if failed == 0 { exit::DONE } else { exit::ERROR })
}

impl Report for TestReport {
    fn show(&self, page: &mut Page) {
        for case in &self.cases {
            if case.differences.is_empty() {
                page.line("", Tone::Good, mixed!("passed  {}", case.name));
            } else {
                page.line("", Tone::Danger, mixed!("FAILED  {}", case.name));
            }
            for difference in &case.differences {
                page.line("  ", Tone::Plain, mixed!("{difference}"));
            }
        }
    }
}
