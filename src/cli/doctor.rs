//! `carnet doctor`.

use crate::operations::doctor::{Diagnosis, DoctorRequest, Finding, doctor};

use super::Context;
use super::act::HomeArgs;
use super::exit::{self, Code};
use super::inputs;
use super::ui::{Page, Report, Tone, Words};

/// Check what carnet works with, and find what runs left behind
///
/// Looks at the state, the trust policy, the cache for compiled code and, where one is configured, the cluster: whether
/// it can be reached, whether you may make identities for runs there, and whether identities of earlier runs are left.
/// `--fix` removes those that no run can be using any more.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet doctor
  carnet doctor --fix")]
pub(super) struct Args {
    /// Remove what runs left behind
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let told = |error: anyhow::Error| format!("{error:#}");
    let opened = args.home.state(context).map_err(told);
    let request = DoctorRequest {
        fix: args.fix,
        state: opened.as_ref().map_err(Clone::clone),
        trust: context.trust().map(|trust| trust.file).map_err(told),
        cache: inputs::cache(),
        access: args.home.access()?,
        namespace: args.home.namespace().map(str::to_owned),
        now: inputs::now(),
    };
    let diagnosis = context.wait(async { Ok(doctor(&request).await) })?;
    context.ui.report(&diagnosis)?;
    Ok(if diagnosis.is_fine() { exit::DONE } else { exit::ERROR })
}

impl Report for Diagnosis {
    fn show(&self, page: &mut Page) {
        let rows: Vec<_> = self
            .checks
            .iter()
            .map(|check| {
                let tone = match check.state {
                    Finding::Error => Tone::Danger,
                    Finding::Ok => Tone::Good,
                    Finding::Warning => Tone::Caution,
                };
                (
                    tone,
                    check.what,
                    Words::mixed([std::slice::from_ref(&check.text), &check.details[..]].concat().join("; ")),
                )
            })
            .collect();
        page.rows(rows);
    }
}
