//! `carnet trust check`.

use crate::cli::Context;
use crate::cli::exit::{self, Code};
use crate::cli::inputs::{self, SYSTEM_TRUST};
use crate::cli::ui::{Page, Report, Tone, mixed};
use crate::operations::trust::{TrustCheck, check};
use crate::text::counted;

use super::show::deciding;

/// Check the trust policies that decide here
///
/// A policy that cannot be used, and a rule that nobody could meet now (as all its keys are over), end with the exit code
/// 10. Keys that end soon or that no rule lists are only told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet trust check
  carnet trust check --trust trust.yaml")]
pub(in crate::cli) struct Args {}

pub(super) fn run(_: &Args, context: &Context) -> anyhow::Result<Code> {
    let (file, policy) = deciding(context)?;
    let checked = check((&file, &policy), SYSTEM_TRUST, inputs::now());
    context.ui.report(&checked)?;
    Ok(if checked.has_faults() { exit::NOT_TRUSTED } else { exit::DONE })
}

impl Report for TrustCheck {
    fn show(&self, page: &mut Page) {
        for policy in &self.policies {
            let whose = if policy.is_machines { "The machine's policy" } else { "The policy" };
            page.heading(mixed!("{whose} in {}: {}", policy.file, counted(policy.rules, "rule")));
            page.rows(policy.remarks.iter().map(|remark| {
                let (tone, word) =
                    if remark.is_fault { (Tone::Danger, "FAULT") } else { (Tone::Caution, "note") };
                (tone, word, mixed!("{}", remark.what))
            }));
            if policy.remarks.is_empty() {
                page.line("  ", Tone::Good, "Each rule can be met, and no key ends soon.");
            }
        }
    }
}
