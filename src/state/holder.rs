//! Who holds an installation, for the people who find it locked.
//!
//! It is text that a lock file or a Lease had, and is never what decides whether an installation is held.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document;

/// Who holds an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Its name, as it states it. Hostile where others can write the state.
    pub who: String,
    /// Since when (RFC 3339), as it states it too.
    pub since: String,
    /// Whether the run's lease has expired without being renewed.
    #[serde(default)]
    pub is_overdue: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overdue = if self.is_overdue { ", and has not been heard of lately" } else { "" };
        write!(f, "{} since {}{overdue}", document::visible(&self.who), document::visible(&self.since))
    }
}
