//! Who holds an installation, for the people who find it locked.
//!
//! It is text that a lock file or a Lease had, and is never what decides whether an installation is held.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::document;

/// Who holds an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Who it is, in their own words. Hostile where others can write the state.
    pub who: String,
    /// Since when (RFC 3339), in their own words too.
    pub since: String,
    /// Whether the run should have said by now that it goes on, and has not.
    #[serde(default)]
    pub is_overdue: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overdue = if self.is_overdue { ", and has not been heard of lately" } else { "" };
        write!(f, "{} since {}{overdue}", document::visible(&self.who), document::visible(&self.since))
    }
}
