//! Plans and outcomes, as pages and as documents.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::ui::{Page, Report, Tone, Ui, Words, mixed};
use crate::install::Outcome;
use crate::operations::OutcomeDocument;
use crate::plan::{HeldFields, Plan, PlannedChange};
use crate::targets::{Change, NotDryRun};
use crate::text::YamlText;

use super::powers;

impl Report for Plan {
    fn show(&self, page: &mut Page) {
        plan_page(page, self, Show::by_default(page.is_verbose()));
    }
}

/// Prints the outcome of an action.
///
/// # Errors
/// When stdout takes no more.
pub(in crate::cli) fn report(outcome: &Outcome, ui: &Ui) -> anyhow::Result<()> {
    warn(outcome, ui);
    ui.report(outcome)
}

fn warn(outcome: &Outcome, ui: &Ui) {
    outcome.dependencies.iter().for_each(|dependency| warn(dependency, ui));
    for denial in &outcome.denials {
        ui.warning(format_args!("not permitted: {}", denial));
    }
}

impl Report for Outcome {
    fn show(&self, page: &mut Page) {
        // In the order in which it was done: what is removed goes before what it needed.
        let is_removal = self.plan().action == "uninstall";
        if !is_removal {
            self.dependencies.iter().for_each(|dependency| dependency.show(page));
        }
        let OutcomeDocument { name, left, refused, outputs, by_hand, .. } = OutcomeDocument::of(self);
        page.heading(mixed!("Done: {} in {}", action(self.plan(), Some(&name)), self.plan().target));
        page.line("  ", Tone::Good, Words::mixed(summary(self.plan())));
        for object in &self.kept {
            let how = match (object.is_secret(), by_hand.is_empty()) {
                (true, _) => "for the next installation of this name",
                (false, true) => "on record; an upgrade with `--delete` removes it",
                (false, false) => "nobody's any more",
            };
            page.line("  ", Tone::Caution, mixed!("kept: {object} ({how})"));
        }
        if !by_hand.is_empty() {
            page.line("  ", Tone::Plain, "What was kept is removed, with all that goes with it, by");
            by_hand.iter().for_each(|line| page.command(line));
        }
        for left in &left {
            let record = if left.stays { ", and still on record" } else { "" };
            page.line("  ", Tone::Caution, mixed!("left in place{record}: {}: {}", left.object, left.why));
        }
        refusals(page, &refused, "The target refused, and the component went on without");
        warnings(page, self.plan());
        show_outputs(page, &outputs);
        if is_removal {
            self.dependencies.iter().for_each(|dependency| dependency.show(page));
        }
    }
}

/// The target's refusals, as a section.
fn refusals(page: &mut Page, refused: &[String], heading: &'static str) {
    if !refused.is_empty() {
        page.heading(heading);
        for refused in refused {
            page.line("  ", Tone::Caution, Words::outside(refused));
        }
    }
}

/// Warnings of the server, as a section.
fn warnings(page: &mut Page, plan: &Plan) {
    let mut said = plan.warnings().peekable();
    if said.peek().is_some() {
        page.heading("The server warns");
        for warning in said {
            page.line("  ", Tone::Caution, Words::outside(warning));
        }
    }
}

/// How much of the objects of a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Show {
    /// Changes in objects that are there.
    Diff,
    /// That, and the manifests of objects that are made.
    Manifests,
    /// A line for each object.
    Summary,
}

impl Show {
    /// The choice where nothing else is said.
    pub(in crate::cli) fn by_default(is_verbose: bool) -> Self {
        if is_verbose { Self::Manifests } else { Self::Diff }
    }
}

/// The objects of a plan, a line each, then their powers, where credentials go and how often the host is called.
pub(in crate::cli) fn plan_page(page: &mut Page, plan: &Plan, show: Show) {
    page.heading(mixed!(
        "Plan: {} into {}, namespace {}",
        action(plan, None),
        plan.target,
        plan.installation.namespace
    ));
    page.rows(plan.changes.iter().map(changed_row).collect::<Vec<_>>());
    held(page, plan);
    if show != Show::Summary {
        differences(page, plan);
    }
    manifests(page, plan, show);
    refusals(page, &plan.refused, "The target refused, and the component goes on without");
    warnings(page, plan);
    sentences(page, "Rights that are handed on", &plan.escalations);
    sentences(page, "What this leaves, and what it cannot undo", &plan.cautions);
    powers::section(page, plan);
    powers::credentials(page, &plan.credentials);
    page.heading(Words::mixed(summary(plan)));
    page.line("  ", Tone::Quiet, mixed!("plan {}", plan.digest));
    if page.is_verbose() {
        for call in &plan.host_calls {
            page.line("  ", Tone::Quiet, mixed!("{} × {} {}", call.count, call.interface, call.function));
        }
    }
}

/// A change, as a row.
fn changed_row(row: &PlannedChange) -> (Tone, &'static str, Words) {
    let (tone, word) = word(row.action);
    let why = match row.immutable.as_slice() {
        [] => String::new(),
        fields => format!(" ({} cannot change)", fields.join(", ")),
    };
    (tone, word, mixed!("{}{why}{}", row.object, note(row)))
}

fn differences(page: &mut Page, plan: &Plan) {
    for (object, diff) in plan.changes.iter().filter_map(|row| Some((&row.object, row.diff.as_ref()?))) {
        page.heading(Words::mixed(object));
        diff_lines(page, diff);
    }
}

/// The manifests of what is made, or how to see them.
fn manifests(page: &mut Page, plan: &Plan, show: Show) {
    let made = plan.changes.iter().filter(|row| matches!(row.action, Change::Create | Change::Replace));
    let made: Vec<_> = made.filter_map(|row| Some((&row.object, row.manifest.as_ref()?))).collect();
    if show == Show::Manifests {
        for (object, manifest) in made {
            page.heading(mixed!("{object}, as it is made"));
            manifest_lines(page, manifest);
        }
    } else if !made.is_empty() {
        page.line("  ", Tone::Quiet, "(-v shows the manifests of what is made)");
    }
}

/// Sentences under a heading, where there are any.
fn sentences(page: &mut Page, heading: &'static str, said: &[String]) {
    if !said.is_empty() {
        page.heading(heading);
        for sentence in said {
            page.line("  ", Tone::Caution, Words::mixed(sentence));
        }
    }
}

/// The action, as people call it: a rollback is an upgrade for everything else.
fn action(plan: &Plan, of: Option<&str>) -> String {
    let of = of.map(|name| format!(" of {name}")).unwrap_or_default();
    match &plan.rollback_to {
        Some(_) => format!("rollback{of} to {} {}", plan.bundle.name, plan.bundle.version),
        None => format!("{}{of}", plan.action),
    }
}

/// The fields that belong to others, with whom.
fn held(page: &mut Page, plan: &Plan) {
    let held = plan.conflicts(&[]);
    if !held.is_empty() {
        page.heading("Belongs to others, and would be taken over");
    }
    for HeldFields { object, fields } in held {
        for field in fields {
            page.line("  ", Tone::Caution, mixed!("{object}: {} ({})", field.path, field.manager));
        }
    }
}

/// A note on a row of the plan, beside its action.
fn note(row: &PlannedChange) -> &'static str {
    match (row.adopts, row.dry_run) {
        (true, _) => " (it is there already and belongs to nobody: taken over)",
        (false, Some(NotDryRun::Forbidden)) => " (not tried out: you may not change it)",
        (false, Some(NotDryRun::Impossible)) => " (not tried out: what it needs comes with this plan)",
        (false, Some(NotDryRun::OtherVersion)) => " (not tried out: it moves to another version of its kind)",
        (false, Some(NotDryRun::Redefined)) => " (not tried out: the definition of its kind changes first)",
        (false, Some(NotDryRun::Terminating)) => " (once the one that is being deleted is gone)",
        (false, Some(NotDryRun::Unchecked)) => " (fields not checked: it is no kind of Kubernetes itself)",
        (false, None) => "",
    }
}

/// A difference, line by line.
pub(in crate::cli) fn diff_lines(page: &mut Page, diff: &str) {
    for line in diff.lines() {
        // A line that is wrapped is added or removed as a whole.
        let (tone, mark) = match line.as_bytes().first() {
            Some(b'+') => (Tone::Good, "+"),
            Some(b'-') => (Tone::Danger, "-"),
            Some(b'@') => (Tone::Quiet, " "),
            _ => (Tone::Plain, " "),
        };
        page.verbatim("  ", tone, line, mark);
    }
}

/// A document as lines of YAML.
pub(in crate::cli) fn manifest_lines(page: &mut Page, manifest: &Value) {
    let mut text = YamlText::default();
    text.document(manifest);
    for line in text.as_str().lines() {
        page.verbatim("  ", Tone::Plain, line, "");
    }
}

fn word(change: Change) -> (Tone, &'static str) {
    match change {
        Change::Create => (Tone::Good, "create"),
        Change::Delete => (Tone::Danger, "delete"),
        Change::Replace => (Tone::Danger, "replace"),
        Change::Unchanged => (Tone::Quiet, "unchanged"),
        Change::Update => (Tone::Caution, "update"),
    }
}

fn summary(plan: &Plan) -> String {
    let counts = [Change::Create, Change::Update, Change::Replace, Change::Delete, Change::Unchanged];
    let texts: Vec<_> = counts
        .into_iter()
        .map(|change| (plan.count(change), word(change).1))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if texts.is_empty() { "no objects".into() } else { texts.join(", ") }
}

/// The outputs of an installation, as a section.
pub(in crate::cli) fn show_outputs(page: &mut Page, outputs: &BTreeMap<String, Value>) {
    values(page, "Outputs", outputs);
}

/// The parameters of an installation, as a section.
pub(in crate::cli) fn show_parameters(page: &mut Page, parameters: &BTreeMap<String, Value>) {
    values(page, "Parameters", parameters);
}

fn values(page: &mut Page, heading: &'static str, values: &BTreeMap<String, Value>) {
    if !values.is_empty() {
        page.heading(heading);
        let row = |(name, value)| (Tone::Plain, Words::mixed(name), Words::outside(output_text(value)));
        page.rows(values.iter().map(row));
    }
}

/// An output as text: a text as it is, any other value as JSON.
pub(in crate::cli) fn output_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
