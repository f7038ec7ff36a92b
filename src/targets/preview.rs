//! Previews: whether an apply would create, update, replace or leave an object, and how it would look.
//!
//! Both targets answer with it, and a plan records it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kubernetes::difference::{overlaid, without_bookkeeping};

/// A change of an object.
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
    /// A dry run for a plan that nothing follows: whoever may only read gets the preview that reads allow.
    DryRunIfAllowed,
    /// By reading what is there; the server tries out only what would change. For a run that was confirmed beforehand.
    Reads,
}

/// Notes on a change.
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

/// The change that an apply would make. The object's content is not in `Debug`, for it may be a Secret.
#[derive(Clone, PartialEq)]
pub struct Preview {
    /// The change.
    pub change: Change,
    /// The object as it is.
    pub before: Option<Value>,
    /// The object as it would be.
    pub after: Value,
    /// Notes on it.
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
    /// The change from `before` to `after`.
    pub fn of(before: Option<Value>, after: Value) -> Self {
        let change = match &before {
            None => Change::Create,
            Some(before) if without_bookkeeping(before) == without_bookkeeping(&after) => Change::Unchanged,
            Some(_) => Change::Update,
        };
        Self { change, before, after, marks: Marks::default(), immutable: Vec::new() }
    }

    /// The replacement of `before` by `body`, because of these fields. The server adds to the new object only when the old one
    /// is gone.
    pub fn replacing(before: Value, body: &Value, immutable: Vec<String>) -> Self {
        let after = overlaid(&before, body);
        Self { change: Change::Replace, before: Some(before), after, marks: Marks::default(), immutable }
    }

    /// A change without a word about content.
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
