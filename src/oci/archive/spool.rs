//! Blobs that go into an archive once all of it is known: in a file without a name, which is gone with its process.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::File;

use super::members::Extent;
use crate::digest::Digest;
use crate::sync::Mutex;

/// A file that several read or write at places of their own.
#[derive(Clone)]
pub(super) struct SharedFile(Arc<Mutex<File>>);

impl SharedFile {
    pub(super) fn new(file: File) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }

    /// So many bytes from a place on, or fewer at the end of the file.
    pub(super) fn read_at(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        let mut file = self.0.lock();
        file.seek(SeekFrom::Start(start))?;
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes.into())
    }

    /// Writes pieces from a place on, and gives the place after them.
    pub(super) fn write_at(&self, start: u64, pieces: &[Bytes]) -> io::Result<u64> {
        let mut file = self.0.lock();
        file.seek(SeekFrom::Start(start))?;
        pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        file.stream_position()
    }
}

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
