//! What applying an object would do to it: created, updated, unchanged, replaced.
//!
//! Both targets answer with it, and a plan records it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kubernetes::difference::{overlaid, without_bookkeeping};

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is not there yet.
    Create,
    /// It is removed.
    Delete,
    /// It is removed and made anew, since it cannot be changed.
    Replace,
    /// It is there, as it is to be.
    Unchanged,
    /// It is there, otherwise.
    Update,
}

/// How it is found out what applying an object would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRunMode {
    /// By having the server do all but store it. For a run that somebody is asked about.
    DryRun,
    /// The same for a plan that nothing follows: whoever may only read gets what can be told from that.
    DryRunIfAllowed,
    /// By reading what is there; the server tries out only what would change. For a run that was confirmed beforehand.
    Reads,
}

/// What is to be known of a change beside what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// The object is there and belongs to nobody; it becomes this installation's.
    pub adopts: bool,
    /// The server did not try it out, so that what would be is only what was sent over what is there.
    pub not_dry_run: Option<NotDryRun>,
}

/// Why the server did not try something out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotDryRun {
    /// The caller may read the object, and not change it.
    Forbidden,
    /// The namespace or the definition of the kind is not there yet.
    Impossible,
}

/// What applying an object would do. Its content is not in `Debug`, for it may be a Secret.
#[derive(Clone, PartialEq)]
pub struct Preview {
    /// What would happen.
    pub change: Change,
    /// The object as it is.
    pub before: Option<Value>,
    /// The object as it would be.
    pub after: Value,
    /// What else is to be known.
    pub marks: Marks,
    /// The fields that stay as they were created, where it has to be replaced for them.
    pub immutable: Vec<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Replace => "replace",
            Self::Unchanged => "unchanged",
            Self::Update => "update",
        })
    }
}

impl Preview {
    /// What makes `after` of `before`.
    pub fn of(before: Option<Value>, after: Value) -> Self {
        let change = match &before {
            None => Change::Create,
            Some(before) if without_bookkeeping(before) == without_bookkeeping(&after) => Change::Unchanged,
            Some(_) => Change::Update,
        };
        Self { change, before, after, marks: Marks::default(), immutable: Vec::new() }
    }

    /// What makes `body` anew of `before`, because of these fields. What the new one will have beside that, the server
    /// says only when the old one is gone.
    pub fn replacing(before: Value, body: &Value, immutable: Vec<String>) -> Self {
        let after = overlaid(&before, body);
        Self { change: Change::Replace, before: Some(before), after, marks: Marks::default(), immutable }
    }

    /// What was done, without a word about content.
    pub fn done(change: Change) -> Self {
        Self { change, before: None, after: Value::Null, marks: Marks::default(), immutable: Vec::new() }
    }
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preview")
            .field("change", &self.change)
            .field("marks", &self.marks)
            .finish_non_exhaustive()
    }
}
