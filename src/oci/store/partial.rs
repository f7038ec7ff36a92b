//! A blob on its way into a store: what came of it stays when its run ends, and the next run goes on there.
//!
//! One run at a time adds to it, and whoever else wants the blob waits for that one. What stayed is not believed: the
//! digest is that of all bytes, and where they are the wrong ones, the blob is got once more from its start.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions};
use futures_util::stream::Stream;
use tokio::time::Instant;

use super::{PARTIAL, Store, Taken, found, partial_path};
use crate::digest::Digest;
use crate::oci::file::{self, CHUNK, SharedFile, blocking, chunks};
use crate::oci::listing::{BLOBS, path};
use crate::oci::{BlobStream, Descriptor, OciError};

/// How long another run that gets the same blob is left alone before its lock is tried again. To wait for it on a thread
/// would keep a run that is told to end from doing so.
const POLL: Duration = Duration::from_millis(20);

/// How long that one may get no further.
const PATIENCE: Duration = Duration::from_secs(45);

/// A longer blob is on the disk before it has its name. To get a shorter one again costs less than to wait for a disk: what
/// a power cut leaves of it has another digest.
const SYNCED: u64 = 1 << 20;

/// How a blob gets into a store.
pub(in crate::oci) enum Begun {
    /// Somebody else adds to it, and gets no further.
    Busy,
    /// Its bytes are to be added.
    Partial(Partial),
    /// It is longer than all that the store may hold.
    TooLong,
    /// It is there.
    Whole,
}

/// A blob of which not all is there. Nobody else adds to it.
pub(in crate::oci) struct Partial {
    directory: Arc<Dir>,
    file: SharedFile,
    digest: Digest,
    length: u64,
    taken: Taken,
}

impl Store {
    /// Begins a blob, or goes on with it, once nobody else does.
    pub(in crate::oci) async fn begin(&self, blob: &Descriptor) -> Result<Begun, OciError> {
        if blob.size > self.limit {
            return Ok(Begun::TooLong);
        }
        let mut seen = (0, Instant::now());
        loop {
            if self.holds(blob).await? {
                return Ok(Begun::Whole);
            }
            let (directory, digest, size) = (Arc::clone(&self.directory), blob.digest, blob.size);
            if let Some((file, length)) = blocking(move || taken(&directory, digest, size)).await? {
                // Whoever had the lock before may have brought it to its end since it was looked for.
                if self.holds(blob).await? {
                    drop(self.directory.remove_file(partial_path(digest)));
                    return Ok(Begun::Whole);
                }
                let (directory, taken) = (Arc::clone(&self.directory), self.taken.clone());
                return Ok(Begun::Partial(Partial { directory, file, digest, length, taken }));
            }
            let length = self.length_of_partial(blob.digest);
            if length != seen.0 {
                seen = (length, Instant::now());
            }
            if seen.1.elapsed() > PATIENCE {
                return Ok(Begun::Busy);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Store {
    fn length_of_partial(&self, digest: Digest) -> u64 {
        self.directory.metadata(partial_path(digest)).map_or(0, |partial| partial.len())
    }
}

/// The file of a blob, of which so many bytes are there; none while somebody else has it.
fn taken(directory: &Dir, digest: Digest, size: u64) -> Result<Option<(SharedFile, u64)>, OciError> {
    let name = partial_path(digest);
    let system = || OciError::system(&*name);
    let mut options = OpenOptions::new();
    let opened = directory.open_with(&name, options.read(true).write(true).create(true));
    let file = opened.map_err(system())?;
    if !file::is_free(&file) || !file::is_named(&file).map_err(system())? {
        return Ok(None);
    }
    let length = file.metadata().map_err(system())?.len();
    let file = SharedFile::new(file);
    if length <= size {
        return Ok(Some((file, length)));
    }
    file.clear().map_err(system())?;
    Ok(Some((file, 0)))
}

impl Partial {
    /// How many bytes are there.
    pub(in crate::oci) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes that are there.
    pub(in crate::oci) fn pieces(
        &self,
    ) -> Result<impl Stream<Item = Result<Bytes, OciError>> + Send + use<>, OciError> {
        let name = partial_path(self.digest);
        Ok(chunks(file::open(&self.directory, &name)?, name, self.length))
    }

    /// Adds what of the blob comes beyond the bytes that are there.
    pub(in crate::oci) async fn fill(&mut self, mut blob: BlobStream) -> Result<(), OciError> {
        let mut skip = self.length;
        loop {
            let (mut pieces, mut length) = (Vec::new(), 0);
            let more = loop {
                match blob.next().await {
                    Ok(Some(mut piece)) => {
                        let old = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
                        skip = skip.saturating_sub(u64::try_from(old).unwrap_or(u64::MAX));
                        drop(piece.split_to(old));
                        length += piece.len();
                        pieces.push(piece);
                        if length >= CHUNK {
                            break Ok(true);
                        }
                    }
                    Ok(None) => break Ok(false),
                    Err(error) => break Err(error),
                }
            };
            // What came before it broke need not come again.
            let (file, at, name) = (self.file.clone(), self.length, partial_path(self.digest));
            self.length =
                blocking(move || file.write_at(at, &pieces).map_err(OciError::system(name))).await?;
            if !more? {
                return Ok(());
            }
        }
    }

    /// Gives it its name, once all bytes of it are there and are the right ones.
    pub(in crate::oci) async fn finish(self) -> Result<(), OciError> {
        blocking(move || {
            let system = || OciError::system(partial_path(self.digest));
            let is_long = self.length > SYNCED;
            if is_long {
                self.file.sync().map_err(system())?;
            }
            let (from, to) = (partial_path(self.digest), path(self.digest));
            self.directory.rename(from, &self.directory, to).map_err(system())?;
            if is_long {
                let folder = self.directory.open(BLOBS).map_err(system())?;
                file::sync(&folder).map_err(system())?;
            }
            self.taken.add(&self.directory, self.length)
        })
        .await
    }

    /// Forgets the bytes that are there: they are others than they should be.
    pub(in crate::oci) fn restart(&mut self) -> Result<(), OciError> {
        self.length = 0;
        self.file.clear().map_err(OciError::system(partial_path(self.digest)))
    }

    /// Leaves nothing of it.
    pub(in crate::oci) fn discard(self) {
        drop(found(self.directory.remove_file(partial_path(self.digest)).map_err(OciError::system(PARTIAL))));
    }
}

/// Whether it is the store that failed, such as for a full disk, and a run can do without it.
pub(in crate::oci) fn is_of_disk(error: &OciError) -> bool {
    matches!(error, OciError::System { .. } | OciError::NotAFile(_))
}
