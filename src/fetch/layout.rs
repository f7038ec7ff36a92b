//! Turns a directory in the OCI image layout into blobs that are what their names say, and blobs into such a directory.
//!
//! The directory is reached through a handle, so no name and no link inside it leads out of it. Names of files come from
//! digests alone, never from what somebody wrote into a document.

use std::io::{self, Read as _, Write as _};

use cap_std::fs::{Dir, OpenOptions};
use serde_json::{Value, json};

use super::FetchError;
use crate::bundle::index::{DOCKER_LIST, Descriptor, OCI_INDEX};
use crate::digest::Digest;
use crate::document;

/// The longest OCI manifest or index that is read, in bytes: what registries accept.
pub(crate) const MAX_MANIFEST: u64 = 4 << 20;

/// The most entries that are read of `index.json` and of a list of signatures. Each is a file to open, so without it a
/// few megabytes would cost hours.
pub(crate) const MAX_ENTRIES: usize = 1000;

const INDEX: &str = "index.json";
const LAYOUT: &str = "oci-layout";
const BLOBS: &str = "blobs/sha256";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An OCI image layout.
pub(crate) struct Layout {
    directory: Dir,
    /// The entries of `index.json` as they are there: those of others are kept as they wrote them.
    entries: Vec<Value>,
}

impl Layout {
    /// Opens a layout.
    pub(crate) fn open(directory: Dir) -> Result<Self, FetchError> {
        let document = |name, limit| {
            let bytes = read(&directory, name, limit)?;
            document::json(&bytes).map_err(|source| FetchError::Document { name, source })
        };
        if document(LAYOUT, 1024)?.get("imageLayoutVersion").and_then(Value::as_str) != Some("1.0.0") {
            return Err(FetchError::Version);
        }
        let entries = manifests(document(INDEX, MAX_MANIFEST)?, "`index.json`")?;
        Ok(Self { directory, entries })
    }

    /// Opens a layout, or begins one where there is none, or where somebody who began one was cut off.
    pub(crate) fn open_or_new(directory: Dir) -> Result<Self, FetchError> {
        if directory.exists(INDEX) {
            Self::open(directory)
        } else {
            Ok(Self { directory, entries: Vec::new() })
        }
    }

    /// Writes down that `tag` is the blob of `descriptor`, and forgets what it was before.
    pub(crate) fn tag(&mut self, tag: &str, descriptor: &Descriptor) {
        self.entries.retain(|entry| tag_in(entry) != Some(tag));
        let mut entry = wire(descriptor);
        entry["annotations"][REF_NAME] = tag.into();
        self.entries.push(entry);
    }

    /// The descriptor that a reference names, and its tag.
    pub(crate) fn resolve(
        &self,
        tag: Option<&str>,
        digest: Option<Digest>,
    ) -> Result<(Option<String>, Descriptor), FetchError> {
        let Some(tag) = tag else { return self.untagged(digest) };
        let tagged: Vec<&Value> = self.entries.iter().filter(|entry| tag_in(entry) == Some(tag)).collect();
        let entry = match tagged[..] {
            [] => return Err(FetchError::Tag { tag: tag.into(), tags: self.tags() }),
            [entry] => entry,
            _ => return Err(FetchError::Ambiguous(vec![tag.into()])),
        };
        if !is_index(entry) {
            return Err(FetchError::NotABundle(document::visible(tag)));
        }
        let found = Descriptor::parse(entry)?;
        match digest {
            Some(expected) if expected != found.digest => {
                Err(FetchError::OtherDigest { tag: tag.into(), expected, found: found.digest })
            }
            _ => Ok((Some(tag.into()), plain(found))),
        }
    }

    /// The descriptor at `tag`, whatever it is.
    pub(crate) fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, FetchError> {
        let mut tagged = self.entries.iter().filter(|entry| tag_in(entry) == Some(tag));
        let found = tagged.next().map(Descriptor::parse).transpose()?;
        if tagged.next().is_some() {
            Err(FetchError::Ambiguous(vec![tag.into()]))
        } else {
            Ok(found.map(plain))
        }
    }

    /// The entries of `index.json` that are described well enough to be read.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        self.entries.iter().filter_map(|entry| Descriptor::parse(entry).ok())
    }

    /// Reads a blob, and makes sure that it is the one described and no longer than `limit`.
    pub(crate) fn blob(&self, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, FetchError> {
        if blob.size > limit {
            return Err(FetchError::TooLong { what: blob.digest.to_string(), limit });
        }
        let other_size = || FetchError::Size { digest: blob.digest, expected: blob.size };
        let bytes = read(&self.directory, &path(blob.digest), blob.size).map_err(|error| match error {
            FetchError::System { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                FetchError::Absent(blob.digest)
            }
            FetchError::TooLong { .. } => other_size(),
            error => error,
        })?;
        if u64::try_from(bytes.len()) != Ok(blob.size) {
            return Err(other_size());
        }
        blob.digest.check(&bytes)?;
        Ok(bytes)
    }

    /// Stores a blob under its digest.
    pub(crate) fn add(&self, bytes: &[u8]) -> Result<Digest, FetchError> {
        let digest = Digest::of(bytes);
        self.directory.create_dir_all(BLOBS).map_err(system(BLOBS))?;
        write(&self.directory, &path(digest), bytes)?;
        Ok(digest)
    }

    /// Writes what makes the blobs a layout. Until then a new one is none, and an old one is as it was. `index.json` is
    /// last: where it is, all of it is.
    pub(crate) fn write(&self) -> Result<(), FetchError> {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.entries });
        write(&self.directory, LAYOUT, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        write(&self.directory, INDEX, document::sorted(&index).to_string().as_bytes())
    }

    /// The one bundle of the layout, or the one with this digest.
    fn untagged(&self, digest: Option<Digest>) -> Result<(Option<String>, Descriptor), FetchError> {
        let mut found: Option<(Option<String>, Descriptor)> = None;
        for entry in self.entries.iter().filter(|entry| is_index(entry)) {
            // What cannot be read cannot be what is asked for; entries of others may follow rules of theirs.
            let Ok(descriptor) = Descriptor::parse(entry) else { continue };
            let is_wanted = match digest {
                Some(digest) => descriptor.digest == digest,
                None => self.is_bundle(&descriptor)?,
            };
            match &found {
                _ if !is_wanted => {}
                Some((_, other)) if other.digest != descriptor.digest => {
                    return Err(FetchError::Ambiguous(self.tags()));
                }
                Some(_) => {}
                None => found = Some((tag_in(entry).map(Into::into), plain(descriptor))),
            }
        }
        found.ok_or_else(|| digest.map_or(FetchError::Empty, FetchError::Absent))
    }

    /// Whether an index calls itself one of CNAB, as opposed to one of an image for several platforms.
    fn is_bundle(&self, index: &Descriptor) -> Result<bool, FetchError> {
        let value = document::json(&self.blob(index, MAX_MANIFEST)?).ok();
        let annotation =
            value.as_ref().and_then(|value| value.pointer("/annotations/org.opencontainers.artifactType"));
        Ok(annotation.is_some_and(|found| found == "application/vnd.cnab.manifest.v1"))
    }

    /// The tags of what may be bundles.
    fn tags(&self) -> Vec<String> {
        let indexes = self.entries.iter().filter(|entry| is_index(entry));
        let mut tags: Vec<String> = indexes.filter_map(tag_in).map(Into::into).collect();
        tags.sort();
        tags
    }
}

/// The list in an index, each entry as it is there.
pub(crate) fn manifests(index: Value, what: &'static str) -> Result<Vec<Value>, FetchError> {
    let Value::Object(mut members) = index else { return Err(FetchError::Form(what)) };
    let is_index = members.get("schemaVersion").and_then(Value::as_u64) == Some(2)
        && members.get("mediaType").is_none_or(|found| found == OCI_INDEX)
        && !members.contains_key("config")
        && !members.contains_key("layers");
    match members.remove("manifests") {
        Some(Value::Array(entries)) if is_index && entries.len() <= MAX_ENTRIES => Ok(entries),
        Some(Value::Array(_)) if is_index => Err(FetchError::TooMany(what)),
        _ => Err(FetchError::Form(what)),
    }
}

/// A descriptor as it stands in an index.
pub(crate) fn wire(descriptor: &Descriptor) -> Value {
    let mut value = json!({
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    });
    if !descriptor.annotations.is_empty() {
        value["annotations"] = json!(descriptor.annotations);
    }
    if let Some(artifact_type) = &descriptor.artifact_type {
        value["artifactType"] = json!(artifact_type);
    }
    value
}

/// The tag for a version: `+`, which tags do not have, becomes `_`.
pub(crate) fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// Where tools without the referrers API keep the list of what refers to a digest (OCI distribution 1.1).
pub(crate) fn fallback_tag(digest: Digest) -> String {
    format!("sha256-{}", digest.hex())
}

/// A descriptor without what one layout says about it, so that the same bundle is the same wherever it comes from.
fn plain(descriptor: Descriptor) -> Descriptor {
    Descriptor { annotations: Default::default(), artifact_type: None, ..descriptor }
}

fn tag_in(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(REF_NAME)?.as_str()
}

/// Whether an entry is an index, and not the list of what refers to another one.
fn is_index(entry: &Value) -> bool {
    let media_type = entry.get("mediaType").and_then(Value::as_str);
    media_type.is_some_and(|found| [OCI_INDEX, DOCKER_LIST].contains(&found))
        && !tag_in(entry).is_some_and(|tag| tag.starts_with("sha256-"))
}

fn path(digest: Digest) -> String {
    format!("{BLOBS}/{}", digest.hex())
}

fn system(name: &str) -> impl Fn(io::Error) -> FetchError {
    move |source| FetchError::System { name: name.to_owned(), source }
}

/// Reads a plain file of at most `limit` bytes. Anything else is not even opened: opening a pipe would wait for ever.
pub(crate) fn read(directory: &Dir, name: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
    if !directory.symlink_metadata(name).map_err(system(name))?.is_file() {
        return Err(FetchError::NotAFile(name.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = directory.open(name).map_err(system(name))?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(system(name))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        Ok(bytes)
    } else {
        Err(FetchError::TooLong { what: format!("`{name}`"), limit })
    }
}

/// Writes a file that is there whole or not at all.
pub(crate) fn write(directory: &Dir, name: &str, bytes: &[u8]) -> Result<(), FetchError> {
    // A name of its own keeps two writers of one blob apart. It need not be a secret: the cryptographic generator would
    // take 40 ms to gather entropy before its first byte.
    let temporary = format!("{name}.{}", ulid::Ulid::generate());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let written = directory.open_with(&temporary, &options).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        directory.rename(&temporary, directory, name)
    });
    written.map_err(|error| {
        // What is left is of no use to anybody, and the error that counts is the first one.
        drop(directory.remove_file(&temporary));
        system(name)(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::open_directory;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes a folder")]
    fn a_layout_whose_writer_was_cut_off_is_begun_again() {
        let home = tempfile::tempdir().unwrap();
        let directory = || open_directory(home.path()).unwrap();
        let written = Layout::open_or_new(directory()).unwrap();
        written.add(b"a blob").unwrap();
        written.write().unwrap();
        // Of what is written, this comes last.
        directory().remove_file(INDEX).unwrap();
        Layout::open_or_new(directory()).unwrap().write().unwrap();
        Layout::open(directory()).unwrap();
    }
}
