//! Reads the [`Descriptor`] by which one OCI document refers to another, and writes it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Malformed;
use super::texts::{optional_text, text, texts};
use crate::digest::Digest;

/// The empty blob, which stands where a manifest must name something and has nothing to name.
pub const EMPTY_BLOB: &[u8] = b"{}";

/// A reference from one OCI document to another: by media type, digest and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The media type of the bytes.
    pub media_type: String,
    /// Their digest.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
    /// Remarks.
    pub annotations: BTreeMap<String, String>,
    /// The type of the artifact that an OCI manifest describes.
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Describes `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.into(),
            digest: Digest::of(bytes),
            size: size_of(bytes),
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }

    /// Reads a descriptor. Its `urls` and `data` are ignored: bytes come from where the document came from.
    ///
    /// # Errors
    /// [`Malformed::Member`] naming the member that is wrong.
    pub fn parse(value: &Value) -> Result<Self, Malformed> {
        Self::read(Some(value), "descriptor")
    }

    /// The descriptor as it stands in a document.
    pub fn to_value(&self) -> Value {
        let mut value = json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.size });
        if !self.annotations.is_empty() {
            value["annotations"] = json!(self.annotations);
        }
        if let Some(artifact_type) = &self.artifact_type {
            value["artifactType"] = json!(artifact_type);
        }
        value
    }

    /// The descriptor without members that belong to one list, such as annotations, so that descriptors of one blob are
    /// equal.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { annotations: BTreeMap::new(), artifact_type: None, ..self }
    }

    /// Whether both describe the same bytes as the same thing.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.media_type, self.digest, self.size) == (&other.media_type, other.digest, other.size)
    }

    /// Checks that `bytes` are the ones described.
    ///
    /// # Errors
    /// [`Malformed::Size`] and [`Malformed::Bytes`].
    pub fn check(&self, bytes: &[u8]) -> Result<(), Malformed> {
        if size_of(bytes) != self.size {
            return Err(Malformed::Size { expected: self.size, actual: size_of(bytes) });
        }
        Ok(self.digest.check(bytes)?)
    }

    /// Reads the descriptor that is the member `name` of some document.
    ///
    /// # Errors
    /// [`Malformed::Member`] naming the member that is wrong, `name` itself where it is no object.
    pub fn read(value: Option<&Value>, name: &str) -> Result<Self, Malformed> {
        let members = value.and_then(Value::as_object).ok_or_else(|| Malformed::Member(name.into()))?;
        let digest = text(members, "digest")?;
        let digest = digest.parse().map_err(|_| unread(&digest))?;
        let size = members.get("size").and_then(Value::as_u64);
        Ok(Self {
            media_type: text(members, "mediaType")?,
            digest,
            size: size.ok_or_else(|| Malformed::Member("size".into()))?,
            annotations: texts(members, "annotations")?,
            artifact_type: optional_text(members, "artifactType")?,
        })
    }
}

/// Why a digest is not read.
fn unread(digest: &str) -> Malformed {
    let other = ["sha512", "sha384", "blake3"]
        .into_iter()
        .find(|name| digest.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')));
    other.map_or_else(|| Malformed::Member("digest".into()), Malformed::Algorithm)
}

/// Lengths of data in memory always fit.
pub(super) fn size_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document;

    proptest! {
        #[test]
        fn what_is_printed_is_read(
            media_type in ".*",
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            size: u64,
            annotations in proptest::collection::btree_map(".*", ".*", 0..4),
            artifact_type in proptest::option::of(".*"),
        ) {
            let digest = Digest::of(&bytes);
            let descriptor = Descriptor { media_type, digest, size, annotations, artifact_type };
            let text = descriptor.to_value().to_string();
            let read = Descriptor::parse(&document::json(text.as_bytes()).unwrap()).unwrap();
            prop_assert_eq!(read.to_value(), descriptor.to_value());
            prop_assert_eq!(read, descriptor);
        }
    }

    #[test]
    fn members_that_are_missing_or_wrong_are_named() {
        let good = Descriptor::of("text/plain", b"x").to_value();
        for (name, value) in [
            ("mediaType", json!(null)),
            ("mediaType", json!(1)),
            ("digest", json!("sha256:00")),
            ("digest", json!("sha256:../../x")),
            ("size", json!(-1)),
            ("size", json!(1.5)),
            ("size", json!("1")),
            ("annotations", json!([])),
            ("annotations", json!({"a": 1})),
            ("artifactType", json!({})),
        ] {
            let mut bad = good.clone();
            bad[name] = value.clone();
            let error = Descriptor::parse(&bad).unwrap_err();
            assert!(matches!(&error, Malformed::Member(found) if found == name), "{name} {value}: {error}");
        }
        for name in ["mediaType", "digest", "size"] {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().remove(name);
            assert!(matches!(Descriptor::parse(&bad), Err(Malformed::Member(found)) if found == name));
        }
        assert!(matches!(Descriptor::parse(&json!([])), Err(Malformed::Member(_))));
    }

    #[test]
    fn bytes_that_a_descriptor_carries_or_points_to_are_ignored() {
        let mut value = Descriptor::of("text/plain", b"x").to_value();
        value["data"] = "eQ==".into();
        value["urls"] = json!(["https://evil.example/"]);
        assert_eq!(Descriptor::parse(&value).unwrap(), Descriptor::of("text/plain", b"x"));
    }

    #[test]
    fn size_and_digest_are_both_checked() {
        let descriptor = Descriptor::of("text/plain", b"abc");
        assert!(descriptor.check(b"abc").is_ok());
        assert!(matches!(descriptor.check(b"ab"), Err(Malformed::Size { expected: 3, actual: 2 })));
        assert!(matches!(descriptor.check(b"abcd"), Err(Malformed::Size { expected: 3, actual: 4 })));
        assert!(matches!(descriptor.check(b"abd"), Err(Malformed::Bytes(_))));
    }
}
