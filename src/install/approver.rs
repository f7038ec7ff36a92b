//! The approver, who confirms a plan before anything is written, and the decisions that are shown with it.

use std::pin::Pin;

use crate::host::progress::{LogEntry, Observer, Unready};
use crate::plan::Plan;
use crate::verify::TrustDecision;

/// The answer of an approver, which may take its time: a person, or another service, is asked. Nothing else of the run
/// goes on meanwhile, and stopping the run ends the waiting.
pub type Answer<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Confirms or rejects a plan, and observes the run.
pub trait Approver: Observer {
    /// Whether the plan may be carried out. Nothing has been written yet.
    fn confirm<'a>(&'a self, plan: &'a Plan, decision: &'a Decision) -> Answer<'a>;
}

/// Decisions that preceded the plan.
#[derive(Debug, Clone)]
pub struct Decision {
    /// How the bundle was admitted.
    pub trust: Option<TrustDecision>,
    /// Granted requests, a rule a line.
    pub granted: Vec<String>,
    /// Whether the grant of the last run was carried over to a new bundle.
    pub carried_over: bool,
    /// Whether the change is confirmed whatever the plan says, so that nobody is to be asked.
    pub confirmed: bool,
    /// Warnings: inputs that were ignored, and why.
    pub warnings: Vec<String>,
}

/// Asks nobody: approves plans that were confirmed beforehand, and no others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unattended;

impl Observer for Unattended {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &LogEntry) {}
}

impl Approver for Unattended {
    fn confirm<'a>(&'a self, plan: &'a Plan, decision: &'a Decision) -> Answer<'a> {
        Box::pin(std::future::ready(decision.confirmed || plan.is_empty()))
    }
}
