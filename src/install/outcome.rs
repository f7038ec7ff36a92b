//! The outcome of an action.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::host::progress::LogEntry;
use crate::kubernetes::object::ObjectRef;
use crate::plan::{Plan, Proposed};

/// The most warnings that are recorded.
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
}

impl Outcome {
    /// The plan that was carried out.
    pub fn plan(&self) -> &Plan {
        self.proposed.plan()
    }

    /// Warnings of the server, as they are recorded. None: there are none.
    pub(super) fn warnings(&self) -> Option<String> {
        let said: Vec<_> = self.plan().warnings().take(MAX_RECORDED).collect();
        (!said.is_empty()).then(|| format!("the server warns: {}", said.join("; ")))
    }
}
