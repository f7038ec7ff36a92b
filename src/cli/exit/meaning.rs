//! The meaning of the library's errors to whoever typed the command: which code, and what to do about it.

use std::error::Error;

use crate::document::visible;
use crate::host::progress::Unready;
use crate::install;
use crate::text::{CommandLine, counted};
use crate::verify::PolicyError;

use super::{
    Circumstance, Code, Detail, ERROR, NOT_TRUSTED, NoSet, Occupied, USAGE, Unasked, Untrusted, Usage,
};

mod bundles;
mod places;
mod runs;
mod operations;

use bundles::{of_component, of_fetch, of_manifests, of_oci, of_refusal, of_shortfall};
use operations::of_operation;
use places::{of_state, of_target};
use runs::{of_install, of_run};

/// The hint where there is nobody to ask.
const UNASKED: &str = "there is no terminal to ask on: add `--yes` to confirm the change";

/// An error's exit code, details and hint.
pub(super) struct Meaning {
    pub(super) code: Code,
    pub(super) details: Vec<Detail>,
    pub(super) unready: Vec<Unready>,
    pub(super) hint: Option<CommandLine>,
    pub(super) circumstance: Option<Circumstance>,
}

impl Meaning {
    fn hint(self, hint: impl Into<CommandLine>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn under(self, circumstance: Circumstance) -> Self {
        Self { circumstance: Some(circumstance), ..self }
    }

    fn details(mut self, details: &[String]) -> Self {
        self.details.extend(details.iter().map(|text| said(text)));
        self
    }

    /// The changes made before a run failed, a line each.
    fn done(mut self, done: &[String]) -> Self {
        self.details.extend(done.iter().take(install::MAX_SAID).map(|line| said(&format!("done: {line}"))));
        let more = done.len().saturating_sub(install::MAX_SAID);
        self.details.extend((more > 0).then(|| said(&format!("done: {}", counted(more, "more change")))));
        self
    }

    fn commands(self, lines: &[CommandLine]) -> Self {
        Self { details: lines.iter().cloned().map(Detail::Command).collect(), ..self }
    }

    /// The reasons why objects are not ready, a line each. The first `told` of them have their own status in the
    /// message already.
    fn unready(mut self, unready: &[Unready], told: usize) -> Self {
        for (at, row) in unready.iter().enumerate() {
            let own = (at >= told).then_some(&row.why);
            let lines =
                own.into_iter().chain(&row.reasons).map(|line| said(&format!("{}: {line}", row.object)));
            self.details.extend(lines);
        }
        Self { unready: unready.to_vec(), ..self }
    }
}

impl From<Code> for Meaning {
    fn from(code: Code) -> Self {
        Self { code, details: Vec::new(), unready: Vec::new(), hint: None, circumstance: None }
    }
}

/// The meaning of one error of a chain, if it is one of the library's stages.
pub(super) fn meaning(error: &(dyn Error + 'static)) -> Option<Meaning> {
    None.or_else(|| error.downcast_ref().and_then(of_operation))
        .or_else(|| error.downcast_ref().map(of_install))
        .or_else(|| error.downcast_ref().map(of_usage))
        .or_else(|| error.downcast_ref().map(of_refusal))
        .or_else(|| error.downcast_ref().map(|_: &PolicyError| NOT_TRUSTED.into()))
        .or_else(|| error.downcast_ref().map(|_: &Untrusted| NOT_TRUSTED.into()))
        .or_else(|| {
            error.downcast_ref().map(|_: &Occupied| {
                Meaning::from(ERROR).hint("name another file, or overwrite this one with `--force`")
            })
        })
        .or_else(|| error.downcast_ref().map(|none: &NoSet| Meaning::from(ERROR).hint(none.hint.clone())))
        .or_else(|| error.downcast_ref().map(of_manifests))
        .or_else(|| error.downcast_ref().map(|_: &Unasked| Meaning::from(ERROR).hint(UNASKED)))
        .or_else(|| error.downcast_ref().map(of_shortfall))
        .or_else(|| error.downcast_ref().map(of_state))
        .or_else(|| error.downcast_ref().map(of_fetch))
        .or_else(|| error.downcast_ref().map(of_oci))
        .or_else(|| error.downcast_ref().map(of_component))
        .or_else(|| error.downcast_ref().map(of_target))
        .or_else(|| error.downcast_ref().map(of_run))
}

fn of_usage(usage: &Usage) -> Meaning {
    Meaning { hint: usage.hint.clone(), ..USAGE.into() }
}

fn said(text: &str) -> Detail {
    Detail::Said(visible(text))
}

#[cfg(test)]
mod tests;
