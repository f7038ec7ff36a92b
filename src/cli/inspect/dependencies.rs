//! The part of the page that says what a bundle depends on.

use super::Row;
use crate::cli::ui::{Page, Tone, Words, mixed};
use crate::operations::inspect::{DependencySummary, Inspection};

impl Inspection {
    pub(super) fn dependencies(&self, page: &mut Page) {
        if self.dependencies.is_empty() && self.dependencies_fault.is_none() {
            return;
        }
        page.heading("What it depends on (each is installed before it, as an installation of its own)");
        page.rows(
            self.dependencies_fault.iter().map(|fault| (Tone::Danger, "UNUSABLE", Words::mixed(fault))),
        );
        page.rows(self.dependencies.iter().flat_map(dependency_rows));
    }
}

/// A dependency, with what is taken from it on the lines below.
fn dependency_rows(dependency: &DependencySummary) -> Vec<Row> {
    let DependencySummary { name, bundle, versions, prereleases, parameters } = dependency;
    let versions = if versions.is_empty() { "any version".into() } else { versions.join(" or ") };
    let prereleases = if *prereleases { ", also before its release" } else { "" };
    let mut rows = vec![(Tone::Plain, Words::mixed(name), mixed!("{bundle} ({versions}{prereleases})"))];
    rows.extend(parameters.iter().map(|taken| {
        (Tone::Plain, "".into(), mixed!("its output {} is the parameter {}", taken.output, taken.parameter))
    }));
    rows
}
