//! The sections of a page about the powers of a plan's objects, and about the readers of credentials.

use std::cmp::Reverse;

use crate::capability::severity::Severity;
use crate::cli::ui::{Page, Tone, Words, mixed};
use crate::plan::powers::{CredentialReader, Power};
use crate::plan::{Flow, Plan};
use crate::targets::Change;

/// The page's list of what is examined. The behaviour of images at run time is not.
const LOOKED_FOR: &str = "privileges on nodes, rights of service accounts, roles and bindings, webhooks and policies, \
                          images, ways in from outside";

/// The section about powers. Those of low severity are counted, unless details are wanted or they are new.
pub(super) fn section(page: &mut Page, plan: &Plan) {
    if !plan.changes.iter().any(|row| row.action != Change::Delete) {
        return;
    }
    page.heading("Powers: what it will be able to do");
    let is_verbose = page.is_verbose();
    let mut rows: Vec<_> = plan.powers.iter().filter(|power| is_verbose || is_shown(power)).collect();
    rows.sort_by_key(|power| (Reverse(power.new), Reverse(power.severity)));
    let rows: Vec<_> =
        rows.into_iter().map(|power| (tone(power.severity), word(power), text(power))).collect();
    let hidden = plan.powers.len() - rows.len();
    page.rows(rows);
    if hidden > 0 {
        let (what, them) = if hidden == 1 { ("power", "it") } else { ("powers", "them") };
        page.line("  ", Tone::Quiet, mixed!("{hidden} {what} of low severity (-v shows {them})"));
    }
    if plan.powers.is_empty() {
        page.line("  ", Tone::Plain, mixed!("Nothing was found. Looked at: {LOOKED_FOR}."));
    }
    for power in &plan.powers_gone {
        page.line("  ", Tone::Good, mixed!("no longer: {} {}", power.object, power.what));
    }
}

/// Where credentials go, and on to whom.
pub(super) fn credentials(page: &mut Page, flows: &[Flow]) {
    for flow in flows {
        page.heading(mixed!("The credential {} goes into", flow.name));
        for place in &flow.into {
            page.line("  ", Tone::Caution, Words::mixed(place));
        }
        if !flow.readers.is_empty() {
            page.line("  ", Tone::Plain, "and from there to");
        }
        for reader in &flow.readers {
            page.line("    ", Tone::Plain, Words::mixed(told(reader, page.is_verbose())));
        }
    }
}

fn is_shown(power: &Power) -> bool {
    power.severity > Severity::Low || power.new
}

fn word(power: &Power) -> Words {
    if power.new { mixed!("new, {}", power.severity) } else { power.severity.word().into() }
}

fn text(power: &Power) -> Words {
    mixed!("{} {}", power.object, power.what)
}

fn told(reader: &CredentialReader, is_verbose: bool) -> String {
    let whole = reader.image.as_deref().unwrap_or_default();
    let image = whole.split_once('@').filter(|_| !is_verbose).map_or(whole, |(name, _)| name);
    let image = if image.is_empty() { String::new() } else { format!(" (image {image})") };
    format!("{}: {}{image}", reader.object, reader.how)
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical | Severity::High => Tone::Danger,
        Severity::Medium => Tone::Caution,
        Severity::Low => Tone::Quiet,
    }
}
