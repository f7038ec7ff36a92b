//! One power of one object: a row of the plan.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::severity::Severity;

/// One thing that an installed object will be able to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// How much harm it could do.
    pub severity: Severity,
    /// Which object.
    pub object: String,
    /// The power as a predicate, to be read after the object's name.
    pub what: String,
    /// The identifier of the rule that found it, for scripts.
    pub rule: String,
    /// Whether the object gains this power by the change. Always false for a new object.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new: bool,
}

impl Power {
    pub(super) fn key(&self) -> (&str, &str, &str) {
        (&self.object, &self.rule, &self.what)
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.severity, self.object, self.what)
    }
}
