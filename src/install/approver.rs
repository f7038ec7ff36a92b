//! The one who is asked before anything is written, and what they are told beside the plan.

use crate::host::progress::{Entry, Observer, Unready};
use crate::plan::Plan;
use crate::verify::TrustDecision;

/// Sees the plan before anything is done, and the run while it goes on.
pub trait Approver: Observer {
    /// Whether to go on. Nothing has been written yet.
    fn confirm(&self, plan: &Plan, decision: &Decision) -> bool;
}

/// What was decided before the plan was made.
#[derive(Debug, Clone)]
pub struct Decision {
    /// How the bundle was admitted.
    pub trust: Option<TrustDecision>,
    /// What of the requests is granted, a rule a line.
    pub granted: Vec<String>,
    /// Whether the grant of the last run was carried over to a new bundle.
    pub carried_over: bool,
    /// Whether the change is confirmed whatever the plan says, so that nobody is to be asked.
    pub confirmed: bool,
    /// What was ignored, and why.
    pub warnings: Vec<String>,
}

/// Asks nobody: what was confirmed beforehand is done, and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unattended;

impl Observer for Unattended {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &Entry) {}
}

impl Approver for Unattended {
    fn confirm(&self, plan: &Plan, decision: &Decision) -> bool {
        decision.confirmed || plan.is_empty()
    }
}
