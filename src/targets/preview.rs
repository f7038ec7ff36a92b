//! Previews: whether an apply would create, update, replace or leave an object, and how it would look.
//!
//! Both targets answer with it, and a plan records it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cluster::FieldConflict;
use crate::kubernetes::difference::{is_same, overlaid};

/// A change of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is not there yet.
    Create,
    /// It is removed.
    Delete,
    /// It is removed and made anew, since it cannot be changed.
    Replace,
    /// A no-op: it is up to date.
    Unchanged,
    /// It exists and is changed.
    Update,
}

/// How the effect of an apply is previewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRunMode {
    /// By a server-side dry run of every object. For a run that an operator is asked to confirm.
    DryRun,
    /// By a dry run for a plan that is only shown. A caller without write access gets a preview from reads alone.
    DryRunIfAllowed,
    /// By a dry run as far as the server can judge the object yet: for one that refers to what the same run makes.
    DryRunIfPossible,
    /// By reading the objects; only those that would change get a dry run. For a run that was confirmed beforehand.
    Reads,
    /// By reading the objects; only those that are missing or would change get a dry run, if the caller may do that. For a
    /// comparison.
    ReadsIfAllowed,
}

impl Change {
    /// The change from `before` to `after`.
    pub fn between(before: Option<&Value>, after: &Value) -> Self {
        match before {
            None => Self::Create,
            Some(before) if is_same(before, after) => Self::Unchanged,
            Some(_) => Self::Update,
        }
    }
}

impl DryRunMode {
    /// Whether a caller who may not try a change out gets an estimate.
    pub(super) fn is_lenient(self) -> bool {
        matches!(self, Self::DryRunIfAllowed | Self::ReadsIfAllowed)
    }

    /// Whether a change that was foretold from reads needs no dry run.
    pub(super) fn trusts(self, foretold: Change) -> bool {
        match self {
            Self::DryRun | Self::DryRunIfAllowed | Self::DryRunIfPossible => false,
            Self::Reads => foretold != Change::Update,
            Self::ReadsIfAllowed => foretold == Change::Unchanged,
        }
    }
}

/// Notes on a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// The object exists without an owner; this installation adopts it.
    pub adopts: bool,
    /// It stays as it is, and only a dry run tells that: whoever makes the plan needs the right to try it out.
    pub in_doubt: bool,
    /// There was no dry run. The result is a local estimate: the body merged over the current object.
    pub not_dry_run: Option<NotDryRun>,
}

/// Why there was no dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NotDryRun {
    /// The caller may read the object, and not change it.
    Forbidden,
    /// The namespace or the definition of the kind does not exist yet.
    Impossible,
    /// Its fields are on record under another version of its kind, and the server cannot compare the two.
    OtherVersion,
    /// The run changes the definition of the kind before.
    Redefined,
    /// An object of its name is being deleted; it is made once that is gone.
    Terminating,
    /// There is no server, and the kind is not one of those whose fields are known here.
    Unchecked,
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
    /// The immutable fields for which the object has to be replaced.
    pub immutable: Vec<String>,
    /// The fields that other managers hold, and that would be taken over.
    pub conflicts: Vec<FieldConflict>,
}

impl NotDryRun {
    /// The reason in a sentence.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Forbidden => "you may read it, and not change it",
            Self::Impossible => "its namespace or the definition of its kind is not there yet",
            Self::OtherVersion => {
                "its fields are on record under another version of its kind, which is carried over first"
            }
            Self::Redefined => "the definition of its kind changes first",
            Self::Terminating => "the one of its name is being deleted, and has to be gone first",
            Self::Unchecked => {
                "it goes into a directory, and its kind is not one whose fields are known here"
            }
        }
    }
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
        let change = Change::between(before.as_ref(), &after);
        Self { before, after, ..Self::done(change) }
    }

    /// The replacement of `before` by `body`, because of these fields. The server's defaults for the new object are
    /// unknown until the old one is gone.
    pub fn replacing(before: Value, body: &Value, immutable: Vec<String>) -> Self {
        let after = overlaid(&before, body);
        Self {
            change: Change::Replace,
            before: Some(before),
            after,
            marks: Marks::default(),
            immutable,
            conflicts: Vec::new(),
        }
    }

    /// The object that takes the place of one that is being deleted. Nothing can be tried out on that one.
    pub fn succeeding(before: Value, body: &Value) -> Self {
        let marks = Marks { not_dry_run: Some(NotDryRun::Terminating), ..Marks::default() };
        let bare = Self::done(Change::Create);
        Self { before: Some(before), after: body.clone(), marks, ..bare }
    }

    /// A change without the object's content.
    pub fn done(change: Change) -> Self {
        Self {
            change,
            before: None,
            after: Value::Null,
            marks: Marks::default(),
            immutable: Vec::new(),
            conflicts: Vec::new(),
        }
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
