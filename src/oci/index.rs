//! Turns the bytes of an OCI index or Docker manifest list into its entries, and entries into such bytes.
//!
//! Entries are kept as they are there: those of others are written as they came, whatever else they hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::media_type::{OCI_INDEX, is_index};
use super::{Descriptor, DocumentMembers, Malformed, OciError};
use crate::document;

/// The most entries that are read of a list of referrers. Each is a blob to open, so without it a few megabytes would
/// cost hours.
pub const MAX_ENTRIES: usize = 1000;

/// An index: a list of manifests, and of other indexes.
pub struct ImageIndex(DocumentMembers);

impl ImageIndex {
    /// Reads an index.
    ///
    /// # Errors
    /// [`Malformed`] for everything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let members = DocumentMembers::parse(bytes)?;
        members.check_index()?;
        match members.optional_text("mediaType")? {
            Some(other) if !is_index(&other) => return Err(Malformed::MediaType(other)),
            _ => {}
        }
        members.items("manifests")?;
        Ok(Self(members))
    }

    /// The entries, each with its bytes unchanged.
    pub fn entries(&self) -> &[Value] {
        self.0.items("manifests").map_or(&[], Vec::as_slice)
    }

    /// Remarks.
    ///
    /// # Errors
    /// [`Malformed::Member`] for anything but texts.
    pub fn annotations(&self) -> Result<BTreeMap<String, String>, Malformed> {
        self.0.texts("annotations")
    }
}

/// The entries of a list of referrers. Its name is for errors.
pub(super) fn list(bytes: &[u8], name: &'static str) -> Result<Vec<Value>, OciError> {
    let entries = documents(bytes, name)?;
    if entries.len() > MAX_ENTRIES { Err(OciError::TooMany(name)) } else { Ok(entries) }
}

/// The entries of an OCI index that lists documents for their own sake, such as `index.json`: as many as its bytes hold.
/// Who opens them says how many of them, or how much.
pub(super) fn documents(bytes: &[u8], name: &'static str) -> Result<Vec<Value>, OciError> {
    let index = ImageIndex::parse(bytes).map_err(|error| match error {
        Malformed::Document(source) => OciError::Document { name, source },
        _ => OciError::Form(name),
    })?;
    if index.0.get("mediaType").is_some_and(|found| found != OCI_INDEX) {
        return Err(OciError::Form(name));
    }
    Ok(index.0.into_items("manifests"))
}

/// The bytes of an OCI index of these entries: of a list, not of an image, so their order and form are ours.
pub(super) fn write_list(entries: &[Value]) -> Vec<u8> {
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    document::written(&index).into_bytes()
}

/// The descriptors of those entries that are described well enough to be read. Others may follow rules of their own.
pub(super) fn readable(entries: &[Value]) -> impl Iterator<Item = Descriptor> {
    entries.iter().filter_map(|entry| Descriptor::parse(entry).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::media_type::{DOCKER_LIST, OCI_MANIFEST};
    use super::*;

    fn entry(bytes: &[u8]) -> Value {
        Descriptor::of(OCI_MANIFEST, bytes).to_value()
    }

    proptest! {
        #[test]
        fn a_list_that_is_written_is_read(
            blobs in proptest::collection::vec((".{0,8}", proptest::collection::vec(any::<u8>(), 0..8)), 0..6),
        ) {
            let entries: Vec<_> = blobs.iter().map(|(kind, bytes)| Descriptor::of(kind, bytes)).collect();
            let values: Vec<_> = entries.iter().map(Descriptor::to_value).collect();
            let bytes = write_list(&values);
            prop_assert_eq!(&list(&bytes, "it").unwrap(), &values);
            prop_assert_eq!(readable(&values).collect::<Vec<_>>(), entries);
            let index = ImageIndex::parse(&bytes).unwrap();
            prop_assert_eq!(write_list(index.entries()), bytes);
        }
    }

    #[test]
    fn entries_are_kept_as_they_came() {
        let mut odd = entry(b"a");
        odd["platform"] = json!({"os": "plan9"});
        let bytes = write_list(&[odd.clone(), json!("no descriptor")]);
        assert_eq!(list(&bytes, "it").unwrap(), [odd, json!("no descriptor")]);
        assert_eq!(readable(&list(&bytes, "it").unwrap()).count(), 1);
    }

    #[test]
    fn an_index_may_hold_an_index_and_be_a_docker_list() {
        let inner = Descriptor::of(OCI_INDEX, b"{}").to_value();
        let index = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [inner],
            "annotations": {"a": "b"}});
        let read = ImageIndex::parse(index.to_string().as_bytes()).unwrap();
        assert_eq!((read.entries(), &*read.annotations().unwrap()["a"]), (&[inner][..], "b"));
        assert!(matches!(list(index.to_string().as_bytes(), "it"), Err(OciError::Form("it"))));
    }

    #[test]
    fn a_list_is_an_oci_index_of_so_many_entries_and_nothing_else() {
        let refused = |change: fn(&mut Value)| {
            let mut index = json!({"schemaVersion": 2, "manifests": []});
            change(&mut index);
            list(index.to_string().as_bytes(), "it")
        };
        assert!(refused(|_| {}).is_ok());
        assert!(matches!(refused(|it| it["schemaVersion"] = 1.into()), Err(OciError::Form("it"))));
        assert!(matches!(refused(|it| it["mediaType"] = json!(null)), Err(OciError::Form("it"))));
        assert!(matches!(refused(|it| it["config"] = json!({})), Err(OciError::Form("it"))));
        assert!(matches!(refused(|it| it["manifests"] = json!({})), Err(OciError::Form("it"))));
        assert!(matches!(list(b"[]", "it"), Err(OciError::Form("it"))));
        assert!(matches!(list(b"", "it"), Err(OciError::Document { name: "it", .. })));
        assert!(list(&write_list(&vec![json!({}); MAX_ENTRIES]), "it").is_ok());
        let long = write_list(&vec![json!({}); MAX_ENTRIES + 1]);
        assert!(matches!(list(&long, "it"), Err(OciError::TooMany("it"))));
    }
}
