//! The outcome of an action.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::host::progress::{LeftObject, LogEntry};
use crate::kubernetes::object::ObjectRef;
use crate::plan::{Plan, Proposed};
use crate::text::CommandLine;
use crate::verify::PlanToApprove;

use super::examined::Examined;

/// The most sentences of a kind that are recorded.
const MAX_RECORDED: usize = 20;

/// The outcome of an action that was carried out.
#[derive(Debug)]
pub struct Outcome {
    /// The plan that was carried out, with the rights that it takes.
    pub proposed: Proposed,
    /// The outputs that were set.
    pub outputs: BTreeMap<String, Value>,
    /// Outputs whose values must not be shown.
    pub write_only: BTreeSet<String>,
    /// The component's log.
    pub log: Vec<LogEntry>,
    /// Calls that were not permitted, explained for the operator.
    pub denials: Vec<String>,
    /// Objects that were left in place.
    pub kept: Vec<ObjectRef>,
    /// Commands that remove what an uninstall left in place: it is on record no longer.
    pub by_hand: Vec<CommandLine>,
    /// Objects that were to be removed and could not be, each with the reason.
    pub left: Vec<LeftObject>,
    /// The plan, as far as somebody else has to approve it.
    pub to_approve: PlanToApprove,
    /// The comparison with what is there, where that was asked for.
    pub examined: Option<Examined>,
    /// What was done to installations that it needs, or that were made for it, in that order.
    pub dependencies: Vec<Self>,
}

impl Outcome {
    /// The plan that was carried out.
    pub fn plan(&self) -> &Plan {
        self.proposed.plan()
    }

    /// Records beside success: what the target refused, what was left in place, and warnings of the server. None:
    /// there is nothing to say.
    pub(super) fn message(&self) -> Option<String> {
        let warnings: Vec<_> = self.plan().warnings().collect();
        let left: Vec<_> = self.left.iter().map(|left| format!("{}: {}", left.object, left.why)).collect();
        let parts = [
            ("the target refused", self.plan().refused.clone()),
            ("left in place", left),
            ("the server warns", warnings),
        ];
        let part = |(what, said): (&str, Vec<String>)| {
            let said: Vec<_> = said.into_iter().take(MAX_RECORDED).collect();
            (!said.is_empty()).then(|| format!("{what}: {}", said.join("; ")))
        };
        let parts: Vec<_> = parts.into_iter().filter_map(part).collect();
        (!parts.is_empty()).then(|| parts.join(". "))
    }
}
