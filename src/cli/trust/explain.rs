//! `carnet trust explain`.

use crate::cli::Context;
use crate::cli::exit::{self, Code};
use crate::cli::inputs::{self, SYSTEM_TRUST};
use crate::cli::ui::{Page, Report, Tone, Words, mixed};
use crate::operations::trust::{ExplainedPolicy, TrustExplanation, explain};
use crate::reference::Reference;
use crate::verify::{KeyStanding, Refusal, Unruled};

use super::show::deciding;

/// Say which rule decides about a bundle, why that one, and what it demands
///
/// Goes by the reference alone: nothing is fetched. The machine's policy is explained as well, since it has to agree. Where
/// nothing from there can be trusted, the exit code is 10. Whether a bundle is trusted says `carnet verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet trust explain registry.example/acme/web:1.2
  carnet trust explain layout:bundles/web --trust trust.yaml -o json")]
pub(in crate::cli) struct Args {
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let (file, policy) = deciding(context)?;
    let explained = explain(&args.reference, (&file, &policy), SYSTEM_TRUST, inputs::now());
    context.ui.report(&explained)?;
    if explained.can_be_trusted {
        return Ok(exit::DONE);
    }
    // The document tells everything, so the error is not a document of its own.
    if let Some(unruled) = explained.policies.iter().find(|it| it.says.rule.is_none() && !it.is_machines) {
        let (reference, place) = (explained.reference.clone(), unruled.says.place.clone());
        let refusal = Refusal::NoRule(Box::new(Unruled { reference, place, name: None }));
        context.ui.explain(&context.failure(&refusal.into()));
    }
    Ok(exit::NOT_TRUSTED)
}

impl Report for TrustExplanation {
    fn show(&self, page: &mut Page) {
        for policy in &self.policies {
            show_policy(page, policy);
        }
    }
}

fn show_policy(page: &mut Page, policy: &ExplainedPolicy) {
    let says = &policy.says;
    page.heading(if policy.is_machines {
        mixed!("The machine's policy in {}, which binds everybody", policy.file)
    } else {
        mixed!("The policy in {}", policy.file)
    });
    if let Some(rule) = &says.rule {
        let decides = match rule.r#match == says.place {
            true => mixed!("rule {}, which is about just this place", rule.r#match),
            false => mixed!("rule {}, the longest place that {} lies in", rule.r#match, says.place),
        };
        let signed = mixed!("{} of {}", rule.threshold, rule.any_of.join(", "));
        let mut rows = vec![
            (Tone::Plain, Words::from("decides"), decides),
            (Tone::Plain, "names".into(), mixed!("{}", rule.names.join(", "))),
            (Tone::Plain, "signed by".into(), signed),
        ];
        let refused =
            rule.refuse_powers.map(|severity| mixed!("of severity {severity} or worse are refused"));
        rows.extend(refused.map(|refused| (Tone::Plain, "powers".into(), refused)));
        if !says.passed_over.is_empty() {
            let others = mixed!("{}: shorter, so not asked", says.passed_over.join(", "));
            rows.push((Tone::Quiet, "other rules".into(), others));
        }
        rows.extend(says.keys.iter().map(key_row));
        page.rows(rows);
    }
    match &says.reason {
        None => page.line("  ", Tone::Good, "A bundle from there is trusted where it meets this."),
        Some(reason) => page.line("  ", Tone::Danger, mixed!("NOTHING from there is trusted: {reason}")),
    }
}

fn key_row(standing: &KeyStanding) -> (Tone, Words, Words) {
    let KeyStanding { key, reason, .. } = standing;
    let id: String = key.key_id.chars().take(12).collect();
    match reason {
        None => (Tone::Good, "key".into(), mixed!("{} ({id}) counts", key.name)),
        Some(reason) => (Tone::Danger, "key".into(), mixed!("{} ({id}) DOES NOT COUNT: {reason}", key.name)),
    }
}
