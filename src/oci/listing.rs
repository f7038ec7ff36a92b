//! Turns the index of an image layout into entries and tags, and tags into such an index.
//!
//! It is the same file in a directory and in an archive. Entries of others are kept as they wrote them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::index::{documents, readable, write_list};
use super::{Descriptor, Malformed, OciError};
use crate::digest::Digest;
use crate::document;

pub(super) const INDEX: &str = "index.json";
pub(super) const LAYOUT: &str = "oci-layout";
pub(super) const BLOBS: &str = "blobs/sha256";

/// The bytes of `oci-layout`, and how many of it are read.
pub(super) const VERSION: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
pub(super) const MAX_VERSION: u64 = 1024;

const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// How `cosign save` tells the entries of a layout apart, to which it gives no tags.
const KIND: &str = "kind";
const SIGNATURES: &str = "dev.cosignproject.cosign/sigs";

/// The entries of an `index.json`.
#[derive(Default)]
pub struct Listing {
    entries: Vec<Value>,
    /// Where the entries of each tag are: a layout may hold thousands, and is asked for several tags of each document.
    tags: BTreeMap<String, Vec<usize>>,
    /// The same for tags that stand behind a whole reference.
    behind: BTreeMap<String, Vec<usize>>,
    /// The entries that were added. Others may write the layout at the same time.
    added: Vec<AddedEntry>,
}

/// An entry that was added, by its tag where it has one.
pub(super) type AddedEntry = (Option<String>, Value);

/// An entry of `index.json`.
#[derive(Clone, Copy)]
pub struct LayoutEntry<'a>(&'a Value);

impl<'a> LayoutEntry<'a> {
    /// The tag.
    pub fn tag(self) -> Option<&'a str> {
        tag_in(self.0)
    }

    /// The media type.
    pub fn media_type(self) -> Option<&'a str> {
        self.0.get("mediaType").and_then(Value::as_str)
    }

    /// The descriptor, which entries of others may not be.
    ///
    /// # Errors
    /// [`Malformed::Member`].
    pub fn descriptor(self) -> Result<Descriptor, Malformed> {
        Descriptor::parse(self.0)
    }
}

impl Listing {
    /// Reads the two files of a layout.
    pub(super) fn read(layout: &[u8], index: &[u8]) -> Result<Self, OciError> {
        let layout = document::json(layout).map_err(|source| OciError::Document { name: LAYOUT, source })?;
        if layout.get("imageLayoutVersion").and_then(Value::as_str) != Some("1.0.0") {
            return Err(OciError::Version);
        }
        Ok(Self::of(documents(index, "`index.json`")?))
    }

    fn of(entries: Vec<Value>) -> Self {
        let mut listing = Self { entries, ..Self::default() };
        for (at, entry) in listing.entries.iter().enumerate() {
            let Some(tag) = tag_in(entry) else { continue };
            listing.tags.entry(tag.to_owned()).or_default().push(at);
            if let Some(behind) = tag_of_reference(tag) {
                listing.behind.entry(behind.to_owned()).or_default().push(at);
            }
        }
        listing
    }

    /// The entries.
    pub fn entries(&self) -> impl Iterator<Item = LayoutEntry<'_>> {
        self.entries.iter().map(LayoutEntry)
    }

    /// The entries that are described well enough to be read.
    pub fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        readable(&self.entries)
    }

    /// The entries with this tag. Some programs write the whole reference of what they copied, `HOST/REPOSITORY:TAG`;
    /// that counts where no entry has the tag alone.
    pub fn entries_at(&self, tag: &str) -> Vec<LayoutEntry<'_>> {
        let found = self.tags.get(tag).or_else(|| self.behind.get(tag));
        found.into_iter().flatten().filter_map(|at| self.entries.get(*at)).map(LayoutEntry).collect()
    }

    /// The entries that `cosign save` marked as signatures.
    pub fn saved_signatures(&self) -> Vec<Descriptor> {
        let is_marked =
            |descriptor: &Descriptor| descriptor.annotations.get(KIND).is_some_and(|it| it == SIGNATURES);
        self.descriptors().filter(is_marked).map(Descriptor::plain).collect()
    }

    /// The descriptor at `tag`, whatever it is.
    ///
    /// # Errors
    /// [`OciError::Ambiguous`], and [`OciError::Malformed`] for an entry that is no descriptor.
    pub fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, OciError> {
        let mut tagged = self.entries_at(tag).into_iter();
        let found = tagged.next().map(LayoutEntry::descriptor).transpose()?;
        if tagged.next().is_some() {
            Err(OciError::Ambiguous(tag.into()))
        } else {
            Ok(found.map(Descriptor::plain))
        }
    }

    /// Points `tag` at the blob of `descriptor`, in the place of its earlier one.
    pub(super) fn tag(&mut self, tag: &str, descriptor: &Descriptor) {
        let mut entry = descriptor.to_value();
        entry["annotations"][REF_NAME] = tag.into();
        self.add((Some(tag.to_owned()), entry));
    }

    /// Lists the blob of `descriptor` without a tag, if nothing lists it yet.
    pub(super) fn list(&mut self, descriptor: &Descriptor) {
        self.add((None, descriptor.to_value()));
    }

    fn add(&mut self, added: AddedEntry) {
        *self = std::mem::take(self).with(std::slice::from_ref(&added));
        self.added.push(added);
    }

    /// The additions, for a later reading of the same index.
    pub(super) fn additions(&self) -> Vec<AddedEntry> {
        self.added.clone()
    }

    /// The listing with these entries: in the place of those of the same tags, and without a tag where nothing lists the
    /// same blob.
    pub(super) fn with(self, added: &[AddedEntry]) -> Self {
        let mut entries = self.entries;
        for (tag, entry) in added {
            match tag {
                Some(tag) => entries.retain(|entry| tag_in(entry) != Some(tag)),
                None if entries.iter().any(|other| other.get("digest") == entry.get("digest")) => continue,
                None => {}
            }
            entries.push(entry.clone());
        }
        Self { added: self.added, ..Self::of(entries) }
    }

    /// The bytes of the index, in the order in which entries came.
    pub(super) fn written(&self) -> Vec<u8> {
        write_list(&self.entries)
    }

    /// The bytes of the index in an order that does not depend on who wrote what first.
    pub(super) fn written_in_order(&self) -> Vec<u8> {
        let mut entries = self.entries.clone();
        entries.sort_by_cached_key(|entry| (tag_in(entry).map(str::to_owned), entry.to_string()));
        write_list(&entries)
    }
}

fn tag_in(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(REF_NAME)?.as_str()
}

/// The tag in a whole reference: what follows the colon in its last segment.
fn tag_of_reference(name: &str) -> Option<&str> {
    let (before, last) = name.rsplit_once('/')?;
    let (_, tag) = last.split_once(':')?;
    Some(tag).filter(|_| !before.is_empty())
}

/// The file of a blob.
pub(super) fn path(digest: Digest) -> String {
    format!("{BLOBS}/{}", digest.hex())
}

#[cfg(test)]
mod tests {
    use super::super::media_type::OCI_INDEX;
    use super::*;

    #[test]
    fn what_has_no_tag_is_listed_once_and_stays_where_a_tag_lists_it() {
        let blob = Descriptor::of(OCI_INDEX, b"{}");
        let other = Descriptor::of(OCI_INDEX, b"{ }");
        let mut listing = Listing::default();
        listing.list(&blob);
        listing.list(&blob);
        listing.tag("1.0", &other);
        listing.list(&other);
        let found: Vec<_> = listing
            .entries()
            .map(|it| (it.descriptor().unwrap().digest, it.tag().map(str::to_owned)))
            .collect();
        assert_eq!(found, [(blob.digest, None), (other.digest, Some("1.0".to_owned()))]);
    }

    #[test]
    fn a_layout_may_say_more_than_is_read_and_hold_the_same_document_under_several_tags() {
        let layout = br#"{"imageLayoutVersion": "1.0.0", "created": {"by": "another tool"}}"#;
        let blob = Descriptor::of(OCI_INDEX, b"{}");
        let mut listing = Listing::read(layout, br#"{"schemaVersion": 2, "manifests": [], "x": 1}"#).unwrap();
        for tag in ["1.0", "latest", "registry.example/acme/web:1"] {
            listing.tag(tag, &blob);
        }
        let again = Listing::read(layout, &listing.written_in_order()).unwrap();
        for tag in ["1.0", "latest", "1", "registry.example/acme/web:1"] {
            assert_eq!(again.tagged(tag).unwrap(), Some(blob.clone()), "{tag}");
        }
        assert!(matches!(Listing::read(b"{}", b"{}"), Err(OciError::Version)));
    }
}
