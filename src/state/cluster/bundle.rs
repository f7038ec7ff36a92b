//! Bundles in the cluster: the files of an OCI image layout, as one record.
//!
//! Whoever upgrades, undoes or invokes needs the bundle that somebody else has installed. A layout is made in a
//! directory that is gone afterwards, and read from one like it; its digests say whether it is what it was.

use std::path::PathBuf;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::fetch::{self, FetchError, Fetched};
use crate::state::{StateError, origin};

use super::encoding::{Lines, MAX_RECORD, RecordReader, UnreadableRecord};

/// The most files of a bundle. Without it a record could fill a directory with empty ones.
const MAX_FILES: usize = 5000;

const BLOBS: &str = "blobs/sha256";

/// A layout in a directory of its own, which is gone when this is.
pub(super) struct UnpackedBundle {
    #[expect(dead_code, reason = "held, not read")]
    home: tempfile::TempDir,
    directory: Dir,
}

/// A file of a bundle. The bytes of all follow the list.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    size: usize,
}

impl UnpackedBundle {
    /// An empty directory.
    pub(super) fn empty() -> Result<Self, StateError> {
        #[expect(clippy::disallowed_methods, reason = "bundles are read and written as files")]
        let home = tempfile::tempdir();
        let home = home.map_err(|error| StateError::Io(PathBuf::from("a temporary directory"), error))?;
        #[expect(clippy::disallowed_methods, reason = "the directory was made just now")]
        let directory = Dir::open_ambient_dir(home.path(), ambient_authority());
        let directory = directory.map_err(|error| StateError::Io(home.path().into(), error))?;
        Ok(Self { home, directory })
    }

    /// A bundle alone.
    pub(super) async fn of(fetched: &Fetched) -> Result<Self, StateError> {
        let layout = Self::empty()?;
        layout.add(fetched).await?;
        Ok(layout)
    }

    /// The files of a record. Only those that a layout consists of have names that are written.
    pub(super) fn fill(&self, content: &[u8]) -> Result<(), UnreadableRecord> {
        let mut reader = RecordReader::new(content);
        let entries: Vec<Entry> = reader.expect()?;
        if entries.len() > MAX_FILES {
            return Err(UnreadableRecord::Large);
        }
        self.directory.create_dir_all(BLOBS).map_err(UnreadableRecord::Files)?;
        for entry in &entries {
            let bytes = reader.bytes(entry.size)?;
            if !is_of_a_layout(&entry.name) {
                return Err(UnreadableRecord::Name);
            }
            self.directory.write(&entry.name, bytes).map_err(UnreadableRecord::Files)?;
        }
        Ok(())
    }

    /// Adds a bundle.
    pub(super) async fn add(&self, fetched: &Fetched) -> Result<(), FetchError> {
        fetched.save(&self.directory).await
    }

    /// The record of all files. None: they are more than a cluster keeps.
    pub(super) fn pack(&self) -> Result<Option<Vec<u8>>, StateError> {
        let io = |error| StateError::Io(PathBuf::from(BLOBS), error);
        let mut names = vec!["index.json".to_owned(), "oci-layout".to_owned()];
        for entry in self.directory.read_dir(BLOBS).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            names.push(format!("{BLOBS}/{}", name.to_string_lossy()));
        }
        names.sort();
        let (mut entries, mut files) = (Vec::new(), Vec::new());
        for name in names {
            let bytes = self.directory.read(&name).map_err(io)?;
            entries.push(Entry { name, size: bytes.len() });
            files.extend(bytes);
            if files.len() > MAX_RECORD {
                return Ok(None);
            }
        }
        let mut lines = Lines::default();
        lines.push(&entries).map_err(|_| StateError::Unreachable)?;
        Ok(Some([lines.bytes(), &files].concat()))
    }

    /// Reads a bundle, and checks all of it. Trust is decided by where it came from when it was kept.
    pub(super) async fn load(&self, digest: Digest, origin: &str) -> Result<Fetched, FetchError> {
        fetch::load(&self.directory, digest, origin::origin(origin, digest, None)).await
    }
}

fn is_of_a_layout(name: &str) -> bool {
    let blob = name.strip_prefix(BLOBS).and_then(|rest| rest.strip_prefix('/'));
    let is_hex = |text: &str| {
        text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    ["index.json", "oci-layout"].contains(&name) || blob.is_some_and(is_hex)
}
