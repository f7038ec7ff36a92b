//! The operator's decisions about objects of others, and about objects that cannot change.

use serde::{Deserialize, Serialize};

/// The operator's decisions about objects of others and objects that cannot change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overrides {
    /// Overwrite what somebody else changed in our objects.
    pub force_conflicts: bool,
    /// Take over objects that this installation did not make.
    pub take_ownership: bool,
    /// Remove and make anew what cannot be changed.
    #[serde(default)]
    pub replace: bool,
}

impl Overrides {
    /// Whether fields of others are taken over.
    pub(super) fn forces(self) -> bool {
        self.force_conflicts || self.take_ownership
    }
}
