//! Turns one tar file that holds an OCI image layout into blobs that are what their names say, and blobs into such a
//! file.
//!
//! It is read in place: one pass over the headers says where each blob is, and nothing is extracted. It is written
//! anew as a whole, under a name of its own until all of it is on the disk, and from the same bundles come the same bytes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::stream::{self, Stream};

mod fault;
mod header;
mod members;
mod spool;

pub use fault::ArchiveFault;

use header::{BLOCK, BLOCK_SIZE, Header, Kind};
use members::{Extent, Members};
use spool::Spool;

use super::file::{self, CHUNK, SharedFile, Unfinished, blocking};
use super::listing::{INDEX, LAYOUT, Listing, MAX_VERSION, VERSION, path};
use super::{BlobStream, Descriptor, MAX_DOCUMENT, OciError};
use crate::digest::Digest;

/// An archive: an OCI image layout as one tar file.
pub struct Archive {
    file: PathBuf,
    /// None where there is no file yet.
    read: Option<Read>,
    listing: Listing,
    spool: OnceLock<Arc<Spool>>,
}

/// An archive as it was when it was opened.
struct Read {
    file: SharedFile,
    members: Members,
}

impl Archive {
    /// Opens an archive.
    ///
    /// # Ambient Authority
    /// The path is the operator's own word.
    ///
    /// # Errors
    /// [`OciError::Archive`] with what is wrong with it, and [`OciError::NotAFile`] for pipes and directories.
    pub async fn open(file: &Path) -> Result<Self, OciError> {
        let name = file.to_owned();
        let (read, listing) = blocking(move || opened(&name)).await?;
        Ok(Self { file: file.to_owned(), read: Some(read), listing, spool: OnceLock::new() })
    }

    /// Opens an archive, or begins one where there is none. Nothing is written before it is finished.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_or_new(file: &Path) -> Result<Self, OciError> {
        match Self::open(file).await {
            Err(OciError::System { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Self {
                file: file.to_owned(),
                read: None,
                listing: Listing::default(),
                spool: OnceLock::new(),
            }),
            opened => opened,
        }
    }

    /// The entries of `index.json`.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The same, where nothing else of it is wanted.
    pub fn into_listing(self) -> Listing {
        self.listing
    }

    /// Points `tag` at the blob of `descriptor`, in the place of its earlier one.
    pub fn tag(&mut self, tag: &str, descriptor: &Descriptor) {
        self.listing.tag(tag, descriptor);
    }

    /// Lists the blob of `descriptor` without a tag, if nothing lists it yet.
    pub fn list(&mut self, descriptor: &Descriptor) {
        self.listing.list(descriptor);
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`OciError::Absent`].
    pub async fn stream(&self, blob: &Descriptor) -> Result<BlobStream, OciError> {
        let (file, extent) = self.place(blob.digest).ok_or(OciError::Absent(blob.digest))?;
        if extent.size != blob.size {
            return Err(OciError::Size { digest: blob.digest, expected: blob.size });
        }
        Ok(BlobStream::new(blob, pieces(file, extent, self.name())))
    }

    /// Takes a blob in. It is in the archive once that is [written](Self::write).
    ///
    /// # Errors
    /// [`OciError`] when it is not the one that it should be, and when it cannot be written.
    pub async fn receive(&self, mut blob: BlobStream) -> Result<(), OciError> {
        let (spool, digest) = (self.spool().await?, blob.digest());
        let extent = spool.place(blob.size()).ok_or(OciError::Size { digest, expected: blob.size() })?;
        let (mut at, name) = (extent.start, self.name());
        while let Some(pieces) = blob.next_pieces(CHUNK).await? {
            let (spool, name) = (Arc::clone(&spool), name.clone());
            at = blocking(move || spool.file.write_at(at, &pieces).map_err(OciError::system(name))).await?;
        }
        spool.enter(digest, extent);
        Ok(())
    }

    /// Takes a blob in that is in memory.
    ///
    /// # Errors
    /// [`OciError::System`] when it cannot be written.
    pub async fn add(&self, bytes: &[u8]) -> Result<Digest, OciError> {
        let blob = Descriptor::of("", bytes);
        let bytes = Bytes::copy_from_slice(bytes);
        self.receive(BlobStream::new(&blob, stream::iter([Ok(bytes)]))).await?;
        Ok(blob.digest)
    }

    /// Writes the archive: what it held, and what was added to it. Until then it is as it was, and so it stays when
    /// writing fails. What others added in the meantime stays, too.
    ///
    /// # Errors
    /// [`OciError`] when it cannot be written.
    pub async fn write(&self) -> Result<(), OciError> {
        let additions = self.listing.additions();
        if additions.is_empty() && self.spool.get().is_none() && self.read.is_some() {
            return Ok(());
        }
        let (file, spool) = (self.file.clone(), self.spool.get().cloned());
        let was_there = self.read.is_some();
        blocking(move || {
            let (folder, name) = file::home(&file).map_err(OciError::system(file.display().to_string()))?;
            // Held until the end: whoever writes at the same time adds to what we wrote, and we to what he did.
            let held = folder.open(".").map_err(OciError::system("."))?;
            file::lock(&held).map_err(OciError::system("."))?;
            file::remove_unfinished(&folder, |stem| stem == name)?;
            // One that was there and is gone is not begun anew.
            let (current, listing) = if was_there || folder.exists(&name) {
                let (read, listing) = opened(&file)?;
                (Some(read), listing)
            } else {
                (None, Listing::default())
            };
            let listing = listing.with(&additions);
            let written = Written { before: current.as_ref(), spool: spool.as_deref(), listing: &listing };
            let mut unfinished = Unfinished::like(&folder, &name)?;
            written.to(&mut unfinished)?;
            unfinished.finish()?;
            file::sync(&held).map_err(OciError::system("."))
        })
        .await
    }

    fn place(&self, digest: Digest) -> Option<(SharedFile, Extent)> {
        let spooled = self.spool.get().and_then(|spool| Some((spool.file.clone(), spool.get(digest)?)));
        spooled.or_else(|| {
            let read = self.read.as_ref()?;
            Some((read.file.clone(), read.members.get(&path(digest))?))
        })
    }

    async fn spool(&self) -> Result<Arc<Spool>, OciError> {
        if let Some(spool) = self.spool.get() {
            return Ok(Arc::clone(spool));
        }
        let (file, name) = (self.file.clone(), self.name());
        let made = blocking(move || file::nameless_beside(&file).map_err(OciError::system(name))).await?;
        Ok(Arc::clone(self.spool.get_or_init(|| Arc::new(Spool::new(made)))))
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }
}

/// Reads the headers of an archive, and what it lists.
fn opened(path: &Path) -> Result<(Read, Listing), OciError> {
    let refused = |source| OciError::Archive { name: path.display().to_string(), source };
    let mut file = file::open_named(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => OciError::NotAFile(path.display().to_string()),
        _ => OciError::system(path.display().to_string())(error),
    })?;
    let length = file.metadata().map_err(|error| refused(error.into()))?;
    if !length.is_file() {
        return Err(OciError::NotAFile(path.display().to_string()));
    }
    let members = Members::read(&mut file, length.len()).map_err(refused)?;
    let read = Read { file: SharedFile::new(file), members };
    let layout = read.document(LAYOUT, MAX_VERSION, path)?;
    let index = read.document(INDEX, MAX_DOCUMENT, path)?;
    let listing = Listing::read(&layout, &index)?;
    Ok((read, listing))
}

impl Read {
    /// The bytes of a file of the layout itself.
    fn document(&self, name: &'static str, limit: u64, path: &Path) -> Result<Bytes, OciError> {
        let refused = |source| OciError::Archive { name: path.display().to_string(), source };
        let Some(extent) = self.members.get(name) else {
            let is_thick = self.members.get("artifacts/layout/index.json").is_some();
            return Err(refused(if is_thick { ArchiveFault::Thick } else { ArchiveFault::NotALayout(name) }));
        };
        let length = usize::try_from(extent.size).ok().filter(|_| extent.size <= limit);
        let length = length.ok_or_else(|| OciError::TooLong { what: format!("`{name}`"), limit })?;
        self.file.read_at(extent.start, length).map_err(|error| refused(error.into()))
    }
}

/// The bytes of a member.
fn pieces(
    file: SharedFile,
    extent: Extent,
    name: String,
) -> impl Stream<Item = Result<Bytes, OciError>> + Send {
    stream::unfold(Some(extent), move |left| {
        let (file, name) = (file.clone(), name.clone());
        async move {
            let left = left.filter(|left| left.size > 0)?;
            let length = usize::try_from(left.size).map_or(CHUNK, |size| size.min(CHUNK));
            let read = blocking(move || file.read_at(left.start, length).map_err(OciError::system(name)));
            match read.await {
                Ok(piece) if piece.is_empty() => None,
                Ok(piece) => {
                    let passed = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                    let start = left.start.saturating_add(passed);
                    Some((Ok(piece), Some(Extent { start, size: left.size.saturating_sub(passed) })))
                }
                Err(error) => Some((Err(error), None)),
            }
        }
    })
}

/// An archive as it is going to be.
struct Written<'a> {
    before: Option<&'a Read>,
    spool: Option<&'a Spool>,
    listing: &'a Listing,
}

impl Written<'_> {
    /// Writes it. Who reads from the front finds what the rest is first, then the blobs by their digests.
    fn to(&self, file: &mut Unfinished) -> Result<(), OciError> {
        let index = self.listing.written_in_order();
        for (name, bytes) in [(LAYOUT, VERSION), (INDEX, &index)] {
            file.write(&Header::written(name, Kind::File, length(bytes)))?;
            file.write(bytes)?;
            fill(file, length(bytes))?;
        }
        for name in ["blobs/", "blobs/sha256/"] {
            file.write(&Header::written(name, Kind::Directory, 0))?;
        }
        for (name, (from, extent)) in self.members() {
            if name.len() > header::MAX_SHORT {
                let long = [name.as_bytes(), b"\0"].concat();
                file.write(&Header::written(header::LONG_NAME, Kind::LongName, length(&long)))?;
                file.write(&long)?;
                fill(file, length(&long))?;
            }
            file.write(&Header::written(&name, Kind::File, extent.size))?;
            copied(from, extent, file)?;
            fill(file, extent.size)?;
        }
        file.write(&[0; 2 * BLOCK])
    }

    /// Everything but the two files of the layout itself.
    fn members(&self) -> BTreeMap<String, (&SharedFile, Extent)> {
        let mut members = BTreeMap::new();
        if let Some(read) = self.before {
            let others = read.members.iter().filter(|(name, _)| ![LAYOUT, INDEX].contains(name));
            members.extend(others.map(|(name, extent)| (name.to_owned(), (&read.file, extent))));
        }
        if let Some(spool) = self.spool {
            members.extend(spool.all().into_iter().map(|(blob, extent)| (path(blob), (&spool.file, extent))));
        }
        members
    }
}

fn copied(from: &SharedFile, extent: Extent, to: &mut Unfinished) -> Result<(), OciError> {
    let mut left = extent;
    while left.size > 0 {
        let wanted = usize::try_from(left.size).map_or(CHUNK, |size| size.min(CHUNK));
        let piece = from.read_at(left.start, wanted).map_err(OciError::system("the archive"))?;
        if piece.is_empty() {
            return Err(OciError::system("the archive")(io::ErrorKind::UnexpectedEof.into()));
        }
        to.write(&piece)?;
        left = Extent { start: left.start + length(&piece), size: left.size - length(&piece) };
    }
    Ok(())
}

/// Fills a member up to whole blocks.
fn fill(file: &mut Unfinished, size: u64) -> Result<(), OciError> {
    let over = usize::try_from(size % BLOCK_SIZE).unwrap_or_default();
    if over == 0 { Ok(()) } else { file.write(&[0; BLOCK][over..]) }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
