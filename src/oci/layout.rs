//! Turns a directory in the OCI image layout into blobs that are what their names say, and blobs into such a directory.
//!
//! The directory is reached through a handle, so no name and no link inside it leads out of it. Names of files come
//! from digests alone, never from what somebody wrote into a document.
//!
//! Files are read and written on the runtime's blocking threads, a chunk at a time: the one thread that runs a command
//! has other blobs under way, and neither a slow disk nor an `fsync` may hold them up.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::Dir;

use super::file::{self, CHUNK, Unfinished, blocking, chunks};
use super::listing::{BLOBS, INDEX, LAYOUT, Listing, MAX_VERSION, VERSION, path};
use super::{BlobStream, Descriptor, MAX_DOCUMENT, OciError, Store};
use crate::digest::Digest;

/// An OCI image layout.
pub struct Layout {
    directory: Arc<Dir>,
    listing: Listing,
    /// What is in there need not be written once more.
    shared: Option<Arc<Store>>,
}

impl Layout {
    /// Opens a layout.
    ///
    /// # Errors
    /// [`OciError`] when it is none.
    pub async fn open(directory: Dir) -> Result<Self, OciError> {
        let directory = Arc::new(directory);
        let here = Arc::clone(&directory);
        let listing = blocking(move || listing(&here)).await?;
        Ok(Self { directory, listing, shared: None })
    }

    /// Opens a layout, or creates one where there is none, or only an incomplete one of an interrupted process.
    ///
    /// # Errors
    /// [`OciError`] when something else is there.
    pub async fn open_or_new(directory: Dir) -> Result<Self, OciError> {
        if directory.exists(INDEX) {
            Self::open(directory).await
        } else {
            Ok(Self { directory: Arc::new(directory), listing: Listing::default(), shared: None })
        }
    }

    /// The same, with a store whose blobs are in both where that can be.
    #[must_use]
    pub fn sharing(self, store: Option<Arc<Store>>) -> Self {
        Self { shared: store, ..self }
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

    /// Stores a blob as it comes in.
    ///
    /// # Errors
    /// [`OciError`] when it is not the one that it should be, and when it cannot be written. Nothing of it stays then.
    pub async fn receive(&self, mut blob: BlobStream) -> Result<(), OciError> {
        let mut file = self.begin(blob.digest()).await?;
        while let Some(pieces) = blob.next_pieces(CHUNK).await? {
            file = append(file, pieces).await?;
        }
        blocking(|| file.finish()).await
    }

    /// Has a blob of a store as well, without a copy where the disk lets it. Says whether it has. The store hashed it just
    /// now, or while it came.
    pub(super) async fn borrow(&self, blob: &Descriptor, store: &Arc<Store>) -> Result<bool, OciError> {
        let (directory, store, blob) = (Arc::clone(&self.directory), Arc::clone(store), blob.clone());
        blocking(move || {
            directory.create_dir_all(BLOBS).map_err(OciError::system(BLOBS))?;
            Ok(store.lend(&blob, &directory, &path(blob.digest)))
        })
        .await
    }

    /// Stores a blob that is in memory.
    ///
    /// # Errors
    /// [`OciError::System`] when it cannot be written.
    pub async fn add(&self, bytes: &[u8]) -> Result<Digest, OciError> {
        let digest = Digest::of(bytes);
        if let Some(store) = &self.shared {
            let blob = Descriptor::of("", bytes);
            if store.holds(&blob).await.unwrap_or(false) && self.borrow(&blob, store).await? {
                return Ok(digest);
            }
        }
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
        let (directory, added) = (Arc::clone(&self.directory), self.listing.additions());
        blocking(move || {
            // Held until the end: whoever writes at the same time adds to what we wrote, and we to what he did.
            let held = directory.open(".").map_err(OciError::system("."))?;
            file::lock(&held).map_err(OciError::system("."))?;
            let current = if directory.exists(INDEX) { listing(&directory)? } else { Listing::default() };
            // Of those who were cut off, half a blob stayed.
            if let Ok(blobs) = directory.open_dir(BLOBS) {
                file::remove_unfinished(&blobs, |stem| stem.len() == 64)?;
            }
            // The names of all blobs are on the disk before that of the index is.
            if let Ok(blobs) = directory.open(BLOBS) {
                file::sync(&blobs).map_err(OciError::system(BLOBS))?;
            }
            file::write(&directory, LAYOUT, VERSION)?;
            file::write(&directory, INDEX, &current.with(&added).written())?;
            file::sync(&held).map_err(OciError::system("."))
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

/// The index of a directory that is a layout.
fn listing(directory: &Dir) -> Result<Listing, OciError> {
    let layout = file::read(directory, LAYOUT, MAX_VERSION)?;
    Listing::read(&layout, &file::read(directory, INDEX, MAX_DOCUMENT)?)
}

async fn append(mut file: Unfinished, pieces: Vec<Bytes>) -> Result<Unfinished, OciError> {
    blocking(move || {
        pieces.iter().try_for_each(|piece| file.write(piece))?;
        Ok(file)
    })
    .await
}
