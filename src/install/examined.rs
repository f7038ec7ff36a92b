//! Findings of a comparison of an installation with what is there, beside the plan of its last action.
//!
//! A plan knows the fields that its objects set. It does not know of objects on record that no step of it is about, of what
//! others hold beside these fields, of objects that are not ready, or of inputs that changed since.

use schemars::JsonSchema;
use serde::Serialize;

use crate::digest::Digest;
use crate::kubernetes::object::ObjectRef;
use crate::plan::foreign::Foreign;

/// Findings of a comparison beside the plan.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// How many objects were looked at.
    pub looked_at: usize,
    /// Objects on record that are not there, and that no change of the plan is about.
    pub missing: Vec<ObjectRef>,
    /// Objects on record that are there, and that the plan did not compare: the target refuses the call that they are in.
    pub not_compared: Vec<ObjectRef>,
    /// Objects on record that may be there, or could not be looked at, and why.
    pub unknown: Vec<ObjectReason>,
    /// Objects that are there and not ready, and why.
    pub unready: Vec<ObjectReason>,
    /// The fields that others hold in the objects.
    pub foreign: Foreign,
    /// The operator's files that are not what they were.
    pub inputs: Vec<ChangedInput>,
}

/// An object, and something about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ObjectReason {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The reason, in a sentence.
    pub reason: String,
}

/// A file of the operator's that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedInput {
    /// The name by which the component knows it.
    pub name: String,
    /// The digest of what was installed. None: there was no such file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<Digest>,
    /// The digest of what is there. None: it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<Digest>,
    /// Whether what it held is recorded, so that it was compared with that. If not, differences may come from it.
    pub is_recorded: bool,
}
