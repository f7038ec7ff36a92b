//! The page of what a comparison found beside changes: it says what was looked at, and never more than that is known.

use crate::capability::severity::Severity;
use crate::operations::examine::Findings;
use crate::text::counted;

use super::ui::{Page, Tone, Words, mixed};

/// Shows findings. `is_unchanged` says that no field that the installation set differs.
pub(super) fn show(page: &mut Page, findings: &Findings, is_unchanged: bool) {
    let Findings { looked_at, .. } = findings;
    if is_unchanged && findings.is_silent() {
        page.line("", Tone::Good, "Everything is as it was installed.");
        page.line(
            "",
            Tone::Quiet,
            mixed!("Looked at {}: what was set, and what others hold.", counted(*looked_at, "object")),
        );
        return;
    }
    if is_unchanged && findings.is_as_installed() {
        page.line(
            "",
            Tone::Plain,
            match looked_at {
                1 => "What was set is as it was installed, in the 1 object.".into(),
                more => mixed!("What was set is as it was installed, in all {more} objects."),
            },
        );
    }
    unfinished(page, findings);
    foreign(page, findings);
}

fn unfinished(page: &mut Page, findings: &Findings) {
    if let Some(last) = &findings.unfinished {
        let what = mixed!("The last action did not succeed: {} {}", last.action, last.result);
        page.line("", Tone::Danger, what);
    }
    for object in &findings.not_compared {
        page.heading(mixed!("not compared {object}: the target refuses the call that it is in"));
    }
    for (word, rows) in [("unknown", &findings.unknown), ("not ready", &findings.unready)] {
        for row in rows {
            page.heading(mixed!("{word} {}", row.object));
            page.line("  ", Tone::Caution, Words::outside(&row.reason));
        }
    }
    if !findings.refused.is_empty() {
        page.heading("The target refuses, and the component goes on without");
        for refused in &findings.refused {
            page.line("  ", Tone::Caution, Words::outside(refused));
        }
    }
    for input in &findings.inputs {
        page.heading(mixed!("changed file {}", input.name));
        let what = match (input.is, input.is_recorded) {
            (None, _) => "It cannot be read any more.",
            (Some(_), true) => {
                "It was compared with what it held when it was installed. `carnet upgrade` rolls it out."
            }
            (Some(_), false) => "What it held is not recorded: differences above may come from it.",
        };
        page.line("  ", Tone::Caution, what);
    }
}

fn foreign(page: &mut Page, findings: &Findings) {
    if findings.foreign.is_empty() {
        return;
    }
    page.heading("Held by others");
    for row in &findings.foreign {
        for field in &row.fields {
            page.line("  ", Tone::Caution, mixed!("{}: {field} ({})", row.object, row.manager));
        }
    }
    for power in &findings.foreign_powers {
        let tone = if power.severity >= Severity::High { Tone::Danger } else { Tone::Caution };
        page.line("  ", tone, Words::mixed(power));
    }
}
