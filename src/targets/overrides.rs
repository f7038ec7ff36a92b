//! Overrides of the guards against conflicts, adoption and replacement.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The guards against conflicts, adoption and replacement that the operator overrides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overrides {
    /// Overwrite fields of our objects that other managers own.
    pub force_conflicts: bool,
    /// Take over objects that this installation did not make.
    pub take_ownership: bool,
    /// Replace objects whose immutable fields would change: remove and create them anew.
    #[serde(default)]
    pub replace: bool,
}

impl Overrides {
    /// Whether fields of others are taken over.
    pub(super) fn forces(self) -> bool {
        self.force_conflicts || self.take_ownership
    }
}
