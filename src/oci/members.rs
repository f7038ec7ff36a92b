//! Turns the JSON text of an OCI document into members that are read by type.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::texts::{optional_text, text, texts};
use super::{Descriptor, Malformed};
use crate::document;

/// The members of one JSON object. Unknown ones are ignored, as OCI demands of readers.
pub struct DocumentMembers(Map<String, Value>);

impl DocumentMembers {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Malformed::Document`], and [`Malformed::Member`] for anything but an object.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        match document::json(bytes)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(Malformed::Member(String::new())),
        }
    }

    /// A member, whatever it is.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// [`Malformed::Member`].
    pub fn text(&self, name: &str) -> Result<String, Malformed> {
        text(&self.0, name)
    }

    /// A text that may be left out.
    ///
    /// # Errors
    /// [`Malformed::Member`] for anything but text.
    pub fn optional_text(&self, name: &str) -> Result<Option<String>, Malformed> {
        optional_text(&self.0, name)
    }

    /// A map of texts; empty where it is left out.
    ///
    /// # Errors
    /// [`Malformed::Member`] for anything but a map of texts.
    pub fn texts(&self, name: &str) -> Result<BTreeMap<String, String>, Malformed> {
        texts(&self.0, name)
    }

    /// A descriptor that must be there.
    ///
    /// # Errors
    /// [`Malformed::Member`].
    pub fn descriptor(&self, name: &str) -> Result<Descriptor, Malformed> {
        Descriptor::read(self.get(name), name)
    }

    /// A list of descriptors that must be there.
    ///
    /// # Errors
    /// [`Malformed::Member`].
    pub fn descriptors(&self, name: &str) -> Result<Vec<Descriptor>, Malformed> {
        self.items(name)?.iter().map(|item| Descriptor::read(Some(item), name)).collect()
    }

    /// A list that must be there.
    pub(super) fn items(&self, name: &str) -> Result<&Vec<Value>, Malformed> {
        self.get(name).and_then(Value::as_array).ok_or_else(|| Malformed::Member(name.into()))
    }

    /// A list that was found to be there.
    pub(super) fn into_items(mut self, name: &str) -> Vec<Value> {
        match self.0.remove(name) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        }
    }

    /// Checks that this is a manifest of the version that is understood, and no index as well.
    ///
    /// # Errors
    /// [`Malformed::SchemaVersion`] and [`Malformed::Mixed`].
    pub fn check_manifest(&self) -> Result<(), Malformed> {
        self.check_version()?;
        if self.0.contains_key("manifests") { Err(Malformed::Mixed) } else { Ok(()) }
    }

    /// Checks that this is an index of the version that is understood, and no manifest as well.
    pub(super) fn check_index(&self) -> Result<(), Malformed> {
        self.check_version()?;
        let is_manifest = self.0.contains_key("config") || self.0.contains_key("layers");
        if is_manifest { Err(Malformed::Mixed) } else { Ok(()) }
    }

    fn check_version(&self) -> Result<(), Malformed> {
        let version = self.get("schemaVersion").and_then(Value::as_u64);
        if version == Some(2) { Ok(()) } else { Err(Malformed::SchemaVersion) }
    }
}
