//! `carnet trust show`.

use crate::cli::Context;
use crate::cli::exit::{self, Code};
use crate::cli::inputs::SYSTEM_TRUST;
use crate::cli::ui::{Page, Report, Tone, Words, mixed};
use crate::operations::trust::Trust;
use crate::verify::{ApprovalRuleSummary, KeySummary, PolicySummary, Refusal, RuleSummary, TrustPolicy};

/// Show the trust policy that decides here, and where it is
///
/// Where there is none, the exit code is 10, as for a bundle that is not trusted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet trust show
  carnet trust show --trust trust.yaml")]
pub(in crate::cli) struct Args {}

pub(super) fn run(_: &Args, context: &Context) -> anyhow::Result<Code> {
    let (file, policy) = deciding(context)?;
    context.ui.report(&Trust::of((&file, &policy), SYSTEM_TRUST))?;
    Ok(exit::DONE)
}

/// The policy that decides here, and its file.
pub(super) fn deciding(context: &Context) -> anyhow::Result<(String, TrustPolicy)> {
    let found = context.trust()?;
    let Some(file) = found.file else { return Err(Refusal::NoPolicy(None).into()) };
    Ok((file.display().to_string(), found.policy))
}

impl Report for Trust {
    fn show(&self, page: &mut Page) {
        policy_rows(page, &format!("The policy in {}", self.file), &self.policy);
        if let Some(machine) = &self.machine {
            let title = format!("The machine's policy in {}, which has to agree as well", machine.file);
            policy_rows(page, &title, &machine.policy);
        }
    }
}

fn policy_rows(page: &mut Page, title: &str, policy: &PolicySummary) {
    page.heading(mixed!("{title}"));
    page.rows(policy.rules.iter().map(rule_row));
    page.heading("Its keys");
    page.rows(policy.keys.iter().map(key_row));
    if !policy.approvals.is_empty() {
        page.heading("Plans that others approve");
        page.rows(policy.approvals.iter().enumerate().map(approval_row));
    }
    if !policy.refused_digests.is_empty() {
        page.heading("Bundles that never run");
        for digest in &policy.refused_digests {
            page.line("  ", Tone::Danger, Words::mixed(digest));
        }
    }
}

fn rule_row(rule: &RuleSummary) -> (Tone, Words, Words) {
    let refused = rule.refuse_powers.map(|severity| format!("; powers of severity {severity} are refused"));
    let text = mixed!(
        "bundles named {}, signed by {} of {}{}",
        rule.names.join(", "),
        rule.threshold,
        rule.any_of.join(", "),
        refused.unwrap_or_default()
    );
    (Tone::Plain, Words::mixed(&rule.r#match), text)
}

fn approval_row((at, rule): (usize, &ApprovalRuleSummary)) -> (Tone, Words, Words) {
    let listed = |lead: &str, items: Vec<String>, between: &str| match items.is_empty() {
        true => String::new(),
        false => format!("{lead}{}", items.join(between)),
    };
    let approvers =
        rule.threshold.map(|threshold| format!("; approved by {threshold} of {}", rule.any_of.join(", ")));
    let targets = rule.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let text = mixed!(
        "{targets}, in {}{}{}{}",
        rule.namespaces.join(", "),
        listed("; where ", rule.when.clone(), " or "),
        approvers.unwrap_or_default(),
        listed("; without ", rule.forbid.iter().map(|it| it.words().to_owned()).collect(), ", ")
    );
    (Tone::Plain, Words::mixed(at + 1), text)
}

fn key_row(key: &KeySummary) -> (Tone, Words, Words) {
    let from = key.valid_from.as_ref().map(|time| format!(", from {time}")).unwrap_or_default();
    let until = key.valid_until.as_ref().map(|time| format!(", until {time}")).unwrap_or_default();
    let id: String = key.key_id.chars().take(12).collect();
    (Tone::Plain, Words::mixed(&key.name), mixed!("{id}{from}{until}"))
}
