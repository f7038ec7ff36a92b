//! Turns a directory in the OCI image layout into blobs that are what their names say, and blobs into such a directory.
//!
//! The directory is reached through a handle, so no name and no link inside it leads out of it. Names of files come
//! from digests alone, never from what somebody wrote into a document.
//!
//! Files are read and written on the runtime's blocking threads, a chunk at a time: the one thread that runs a command
//! has other blobs under way, and neither a slow disk nor an `fsync` may hold them up.

use std::io::{self, Read as _};
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::{Dir, File};
use futures_util::stream::{self, Stream};
use serde_json::Value;

use super::file::{self, Unfinished};
use super::index::{list, readable, write_list};
use super::{BlobStream, Descriptor, MAX_DOCUMENT, Malformed, OciError};
use crate::digest::Digest;
use crate::document;

const INDEX: &str = "index.json";
const LAYOUT: &str = "oci-layout";
const BLOBS: &str = "blobs/sha256";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// How `cosign save` tells the entries of a layout apart, to which it gives no tags.
const KIND: &str = "kind";
const SIGNATURES: &str = "dev.cosignproject.cosign/sigs";

/// How many bytes are read or written at once: enough for a switch of threads not to count, and little beside what a
/// blob may have.
const CHUNK: usize = 256 << 10;

/// An OCI image layout.
pub struct Layout {
    directory: Arc<Dir>,
    /// The entries of `index.json` as they are there: those of others are kept as they wrote them.
    entries: Vec<Value>,
    /// The entries that were added, by tag. Others may write the layout at the same time.
    added: Vec<(String, Value)>,
}

/// An entry of `index.json`.
#[derive(Clone, Copy)]
pub struct LayoutEntry<'a>(&'a Value);

impl<'a> LayoutEntry<'a> {
    /// The tag.
    pub fn tag(self) -> Option<&'a str> {
        tag_in(self.0)
    }

    /// Whether it has this tag: by itself, or behind the repository that the entry was copied from.
    fn is_tagged(self, tag: &str) -> bool {
        self.tag().is_some_and(|name| name == tag)
    }

    fn is_tagged_elsewhere(self, tag: &str) -> bool {
        self.tag().and_then(tag_of_reference) == Some(tag)
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

impl Layout {
    /// Opens a layout.
    ///
    /// # Errors
    /// [`OciError`] when it is none.
    pub async fn open(directory: Dir) -> Result<Self, OciError> {
        let directory = Arc::new(directory);
        let here = Arc::clone(&directory);
        let entries = blocking(move || entries(&here)).await?;
        Ok(Self { directory, entries, added: Vec::new() })
    }

    /// Opens a layout, or creates one where there is none, or only an incomplete one of an interrupted process.
    ///
    /// # Errors
    /// [`OciError`] when something else is there.
    pub async fn open_or_new(directory: Dir) -> Result<Self, OciError> {
        if directory.exists(INDEX) {
            Self::open(directory).await
        } else {
            Ok(Self { directory: Arc::new(directory), entries: Vec::new(), added: Vec::new() })
        }
    }

    /// The entries of `index.json`.
    pub fn entries(&self) -> impl Iterator<Item = LayoutEntry<'_>> {
        self.entries.iter().map(LayoutEntry)
    }

    /// The entries of `index.json` that are described well enough to be read.
    pub fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        readable(&self.entries)
    }

    /// The entries with this tag. Some programs write the whole reference of what they copied, `HOST/REPOSITORY:TAG`;
    /// that counts where no entry has the tag alone.
    pub fn entries_at(&self, tag: &str) -> Vec<LayoutEntry<'_>> {
        let exact: Vec<_> = self.entries().filter(|entry| entry.is_tagged(tag)).collect();
        if exact.is_empty() {
            self.entries().filter(|entry| entry.is_tagged_elsewhere(tag)).collect()
        } else {
            exact
        }
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
    pub fn tag(&mut self, tag: &str, descriptor: &Descriptor) {
        self.entries.retain(|entry| tag_in(entry) != Some(tag));
        let mut entry = descriptor.to_value();
        entry["annotations"][REF_NAME] = tag.into();
        self.added.push((tag.to_owned(), entry.clone()));
        self.entries.push(entry);
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`OciError::Absent`], [`OciError::Outside`] for a link that leads out of the layout, and [`OciError::NotAFile`]
    /// for directories and devices.
    pub async fn stream(&self, blob: &Descriptor) -> Result<BlobStream, OciError> {
        let (directory, digest) = (Arc::clone(&self.directory), blob.digest);
        let opened = blocking(move || file::open_linked(&directory, &path(digest))).await;
        let file = opened.map_err(|error| match error {
            OciError::System { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                OciError::Absent(digest)
            }
            error => error,
        })?;
        // One byte more than there should be tells a file that is too long.
        Ok(BlobStream::new(blob, chunks(file, path(digest), blob.size.saturating_add(1))))
    }

    /// Whether a blob is there whole. It is read for that: one that was damaged is written anew.
    pub(super) async fn has(&self, blob: &Descriptor) -> Result<bool, OciError> {
        let mut stream = match self.stream(blob).await {
            Ok(stream) => stream,
            Err(OciError::Absent(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        loop {
            match stream.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(true),
                Err(OciError::Digest(_) | OciError::Size { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// All bytes of a blob that has no more than `limit`.
    ///
    /// # Errors
    /// [`OciError::TooLong`], [`OciError::Absent`], and the faults of a blob.
    pub async fn read(&self, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, OciError> {
        if blob.size > limit {
            return Err(OciError::TooLong { what: blob.digest.to_string(), limit });
        }
        self.stream(blob).await?.read(limit).await
    }

    /// Stores a blob as it comes in.
    ///
    /// # Errors
    /// [`OciError`] when it is not the one that it should be, and when it cannot be written. Nothing of it stays then.
    pub async fn receive(&self, mut blob: BlobStream) -> Result<(), OciError> {
        let mut file = self.begin(blob.digest()).await?;
        let (mut pieces, mut length) = (Vec::new(), 0);
        while let Some(piece) = blob.next().await? {
            length += piece.len();
            pieces.push(piece);
            if length >= CHUNK {
                file = append(file, std::mem::take(&mut pieces)).await?;
                length = 0;
            }
        }
        let file = append(file, pieces).await?;
        blocking(|| file.finish()).await
    }

    /// Stores a blob that is in memory.
    ///
    /// # Errors
    /// [`OciError::System`] when it cannot be written.
    pub async fn add(&self, bytes: &[u8]) -> Result<Digest, OciError> {
        let digest = Digest::of(bytes);
        let mut file = self.begin(digest).await?;
        for piece in bytes.chunks(CHUNK) {
            file = append(file, vec![Bytes::copy_from_slice(piece)]).await?;
        }
        blocking(|| file.finish()).await?;
        Ok(digest)
    }

    /// Commits the layout by writing its index. Until then a new layout does not exist, and an old one is unchanged.
    /// `index.json` is last: where it is, all of it is.
    ///
    /// # Errors
    /// [`OciError::System`] when it cannot be written.
    pub async fn write(&self) -> Result<(), OciError> {
        let (directory, added) = (Arc::clone(&self.directory), self.added.clone());
        blocking(move || {
            // Held until the end: whoever writes at the same time adds to what we wrote, and we to what he did.
            let held = directory.open(".").map_err(OciError::system("."))?;
            lock(&held).map_err(OciError::system("."))?;
            let mut all = if directory.exists(INDEX) { entries(&directory)? } else { Vec::new() };
            for (tag, entry) in added {
                all.retain(|entry| tag_in(entry) != Some(&tag));
                all.push(entry);
            }
            file::write(&directory, LAYOUT, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
            file::write(&directory, INDEX, &write_list(&all))?;
            drop(held);
            Ok(())
        })
        .await
    }

    async fn begin(&self, digest: Digest) -> Result<Unfinished, OciError> {
        let directory = Arc::clone(&self.directory);
        blocking(move || {
            directory.create_dir_all(BLOBS).map_err(OciError::system(BLOBS))?;
            Unfinished::new(&directory, &path(digest))
        })
        .await
    }
}

/// The entries of `index.json`, in a directory that is a layout.
fn entries(directory: &Dir) -> Result<Vec<Value>, OciError> {
    let layout = document::json(&file::read(directory, LAYOUT, 1024)?)
        .map_err(|source| OciError::Document { name: LAYOUT, source })?;
    if layout.get("imageLayoutVersion").and_then(Value::as_str) != Some("1.0.0") {
        return Err(OciError::Version);
    }
    list(&file::read(directory, INDEX, MAX_DOCUMENT)?, "`index.json`")
}

/// Waits until nobody else writes here, for as long as the handle is open.
#[cfg(unix)]
fn lock(directory: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(directory, rustix::fs::FlockOperation::LockExclusive)?)
}

#[cfg(not(unix))]
fn lock(_: &File) -> io::Result<()> {
    Ok(())
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

fn path(digest: Digest) -> String {
    format!("{BLOBS}/{}", digest.hex())
}

/// The bytes of a file, `left` of them at most.
fn chunks(file: File, name: String, left: u64) -> impl Stream<Item = Result<Bytes, OciError>> + Send {
    stream::unfold(Some((file, left)), move |state| {
        let name = name.clone();
        async move {
            let (file, left) = state?;
            match blocking(move || chunk(file, left).map_err(OciError::system(name))).await {
                Ok((_, chunk)) if chunk.is_empty() => None,
                Ok((file, chunk)) => {
                    let left = left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                    Some((Ok(chunk), Some((file, left))))
                }
                Err(error) => Some((Err(error), None)),
            }
        }
    })
}

fn chunk(mut file: File, left: u64) -> io::Result<(File, Bytes)> {
    let mut chunk = vec![0; usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))];
    let length = loop {
        match file.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    chunk.truncate(length);
    Ok((file, chunk.into()))
}

async fn append(mut file: Unfinished, pieces: Vec<Bytes>) -> Result<Unfinished, OciError> {
    blocking(move || {
        pieces.iter().try_for_each(|piece| file.write(piece))?;
        Ok(file)
    })
    .await
}

/// Runs a blocking call on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OciError> + Send + 'static,
) -> Result<T, OciError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| OciError::system("the layout")(io::Error::other(error)))?
}
