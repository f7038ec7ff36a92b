//! Blobs that go into an archive once all of it is known: in a file without a name, which is gone with its process.

use std::collections::BTreeMap;

use cap_std::fs::File;

use super::members::Extent;
use crate::digest::Digest;
use crate::oci::file::SharedFile;
use crate::sync::Mutex;

/// The blobs that were added to an archive.
pub(super) struct Spool {
    pub(super) file: SharedFile,
    blobs: Mutex<BTreeMap<Digest, Extent>>,
    end: Mutex<u64>,
}

impl Spool {
    pub(super) fn new(file: File) -> Self {
        Self { file: SharedFile::new(file), blobs: Mutex::default(), end: Mutex::new(0) }
    }

    /// Sets a place aside for a blob; none where its size is no size. What is not written takes no room on the disk.
    pub(super) fn place(&self, size: u64) -> Option<Extent> {
        let mut end = self.end.lock();
        let start = *end;
        *end = start.checked_add(size).filter(|end| i64::try_from(*end).is_ok())?;
        Some(Extent { start, size })
    }

    /// Enters a blob of which all bytes came, and were the right ones.
    pub(super) fn enter(&self, digest: Digest, extent: Extent) {
        self.blobs.lock().insert(digest, extent);
    }

    pub(super) fn get(&self, digest: Digest) -> Option<Extent> {
        self.blobs.lock().get(&digest).copied()
    }

    pub(super) fn all(&self) -> Vec<(Digest, Extent)> {
        self.blobs.lock().iter().map(|(digest, extent)| (*digest, *extent)).collect()
    }
}
