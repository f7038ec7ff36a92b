//! Keeps what came from registries, by digest, for all runs of a user: what is there is not sent again, and neither is what
//! came of a blob before a connection broke.
//!
//! A store is a help, and never the truth. Bytes are hashed again whenever they leave it, what was damaged is removed, and
//! a run goes on without a store that cannot be read or written.
//!
//! ```text
//! blobs/sha256/HEX   a whole blob
//! partial/HEX        what came of one so far; whoever adds to it holds its lock
//! answers/HEX        what a registry said of a tag or of a list, for those who ask no registry
//! ```

use std::io;
use std::sync::Arc;

use cap_std::fs::{Dir, File};

mod upkeep;
mod answers;
mod partial;

pub use upkeep::{Kept, Removed};

pub(super) use partial::{Begun, Partial, is_of_disk};
use upkeep::Taken;

use super::file::{self, blocking, chunks};
use super::listing::{BLOBS, path};
use super::{BlobStream, Descriptor, OciError};
use crate::digest::Digest;

/// Where what came of blobs so far is, and what registries said.
const PARTIAL: &str = "partial";
const ANSWERS: &str = "answers";

/// A place for blobs that came from registries.
pub struct Store {
    directory: Arc<Dir>,
    /// How many bytes it may take.
    limit: u64,
    taken: Taken,
}

impl Store {
    /// Opens a store of at most `limit` bytes, and makes it where there is none.
    ///
    /// # Errors
    /// [`OciError::System`] when it cannot be made.
    pub fn open(directory: Dir, limit: u64) -> Result<Self, OciError> {
        for folder in [BLOBS, PARTIAL, ANSWERS] {
            directory.create_dir_all(folder).map_err(OciError::system(folder))?;
        }
        Ok(Self { directory: Arc::new(directory), limit, taken: Taken::new(limit) })
    }

    /// How many bytes it may take.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The bytes of a blob, if one of this size is there.
    pub(super) async fn stream(&self, blob: &Descriptor) -> Result<Option<BlobStream>, OciError> {
        let (directory, name, size) = (Arc::clone(&self.directory), path(blob.digest), blob.size);
        let opened = blocking(move || {
            let Some(file) = found(file::open(&directory, &name))? else { return Ok(None) };
            let length = file.metadata().map_err(OciError::system(&*name))?.len();
            touch(&file);
            Ok((length == size).then_some(file))
        });
        let Some(file) = opened.await? else { return Ok(None) };
        // One byte more than there should be tells a file that is too long.
        Ok(Some(BlobStream::new(blob, chunks(file, path(blob.digest), blob.size.saturating_add(1)))))
    }

    /// Whether a blob is there whole. All of it is read for that, and one that was damaged is removed.
    pub(super) async fn holds(&self, blob: &Descriptor) -> Result<bool, OciError> {
        let Some(stream) = self.stream(blob).await? else { return Ok(false) };
        let holds = stream.holds().await?;
        if !holds {
            let (directory, name) = (Arc::clone(&self.directory), path(blob.digest));
            blocking(move || found(directory.remove_file(&name).map_err(OciError::system(name)))).await?;
        }
        Ok(holds)
    }

    /// Puts a blob that is there into another directory of the same disk, where it takes no room of its own. Says whether
    /// that could be done; its bytes are for the caller to check.
    pub(super) fn lend(&self, blob: &Descriptor, to: &Dir, name: &str) -> bool {
        let lent = || -> io::Result<()> {
            let own = path(blob.digest);
            self.directory.open(&own)?.sync_all()?;
            let temporary = file::temporary(name);
            self.directory.hard_link(&own, to, &temporary)?;
            to.rename(&temporary, to, name).inspect_err(|_| drop(to.remove_file(&temporary)))
        };
        lent().is_ok()
    }
}

/// The file of a blob of which not all is there.
fn partial_path(digest: Digest) -> String {
    format!("{PARTIAL}/{}", digest.hex())
}

/// What was found, if anything was.
fn found<T>(result: Result<T, OciError>) -> Result<Option<T>, OciError> {
    match result {
        Err(OciError::System { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Notes that a file was of use: what was not for the longest time goes first.
#[cfg(unix)]
fn touch(file: &File) {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    // Who may read it alone does not say when.
    let _ = rustix::fs::futimens(file, &times);
}

#[cfg(not(unix))]
fn touch(_: &File) {}

#[cfg(test)]
mod tests;
