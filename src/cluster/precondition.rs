//! Says which object a write is meant for, and in which version: the server refuses it for any other.

use serde::Serialize;
use serde_json::Value;

use crate::kubernetes::metadata;

/// The precondition of a write or a deletion: which object, and in which version. The default is any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Precondition {
    /// The UID that the server gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its resource version, where nothing in it may have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

impl Precondition {
    /// The precondition that an object is the one that was read; with `unchanged`, in exactly that version.
    pub fn of(object: &Value, unchanged: bool) -> Self {
        let resource_version = metadata::resource_version(object).filter(|_| unchanged);
        Self {
            uid: metadata::uid(object).map(str::to_owned),
            resource_version: resource_version.map(str::to_owned),
        }
    }
}
