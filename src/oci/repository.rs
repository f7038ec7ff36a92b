//! A repository turns descriptors and tags into blobs, wherever these are.
//!
//! Fetching, signing and copying work on any kind of repository, by the same few verbs.

use std::sync::Arc;

use bytes::Bytes;

use super::registry::{Registry, Source};
use super::{Archive, BlobStream, CopyObserver, Descriptor, Layout, Listing, OciError, Store};
use crate::digest::Digest;

/// A collection of blobs, manifests and tags.
#[non_exhaustive]
pub enum Repository {
    /// The same in one tar file.
    Archive(Archive),
    /// A directory in the OCI image layout.
    Layout(Layout),
    /// A repository in a registry.
    Registry(Registry),
}

impl Repository {
    /// The descriptor at `tag`, whatever it is.
    ///
    /// # Errors
    /// [`OciError`] when the repository cannot tell.
    pub async fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, OciError> {
        match self {
            Self::Archive(archive) => archive.listing().tagged(tag),
            Self::Layout(layout) => layout.listing().tagged(tag),
            Self::Registry(registry) => registry.tagged(tag).await,
        }
    }

    /// Its own list of documents, tagged or not. A registry lists nothing.
    pub fn listing(&self) -> Option<&Listing> {
        match self {
            Self::Archive(archive) => Some(archive.listing()),
            Self::Layout(layout) => Some(layout.listing()),
            Self::Registry(_) => None,
        }
    }

    /// Where what is read of a registry is kept.
    pub(crate) fn store(&self) -> Option<&Arc<Store>> {
        match self {
            Self::Registry(registry) => registry.store(),
            Self::Archive(_) | Self::Layout(_) => None,
        }
    }

    /// Manifests that may be signatures in cosign's classic form, where a list of a repository says so by itself.
    pub fn saved_signatures(&self) -> Vec<Descriptor> {
        self.listing().map(Listing::saved_signatures).unwrap_or_default()
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`OciError::Absent`], and when the repository cannot be read.
    pub async fn stream(&self, blob: &Descriptor) -> Result<BlobStream, OciError> {
        match self {
            Self::Archive(archive) => archive.stream(blob).await,
            Self::Layout(layout) => layout.stream(blob).await,
            Self::Registry(registry) => registry.stream(blob).await,
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
    pub async fn receive(&self, blob: BlobStream) -> Result<(), OciError> {
        match self {
            Self::Archive(archive) => archive.receive(blob).await,
            Self::Layout(layout) => layout.receive(blob).await,
            Self::Registry(registry) => registry.receive(blob).await,
        }
    }

    /// Stores a blob or document that is in memory. A document comes after those that it names.
    ///
    /// # Errors
    /// [`OciError`] when it cannot be written.
    pub async fn add(&self, media_type: &str, bytes: &[u8]) -> Result<Digest, OciError> {
        match self {
            Self::Archive(archive) => archive.add(bytes).await,
            Self::Layout(layout) => layout.add(bytes).await,
            Self::Registry(registry) => {
                let blob = Descriptor::of(media_type, bytes);
                registry.add(&blob, Bytes::copy_from_slice(bytes)).await?;
                Ok(blob.digest)
            }
        }
    }

    /// Whether a blob or document is there whole. A registry is believed; of files all bytes are read, so that one
    /// that was damaged is written anew.
    ///
    /// # Errors
    /// [`OciError`] when the repository cannot tell.
    pub async fn has(&self, blob: &Descriptor) -> Result<bool, OciError> {
        if let Self::Registry(registry) = self {
            return registry.has(blob).await;
        }
        match self.stream(blob).await {
            Ok(stream) => stream.holds().await,
            Err(OciError::Absent(_) | OciError::Size { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores a blob of another repository, by as few copies as there can be, and tells an observer what comes.
    pub(super) async fn take(
        &self,
        blob: &Descriptor,
        from: &Self,
        observer: &Arc<dyn CopyObserver>,
    ) -> Result<(), OciError> {
        let Self::Registry(registry) = from else {
            return self.receive(from.stream(blob).await?.watched(observer)).await;
        };
        if matches!(self, Self::Registry(_)) {
            return self.receive(registry.passing(blob).await?.watched(observer)).await;
        }
        match registry.source(blob, Some(observer)).await? {
            Source::Registry(stream) => self.receive(stream).await,
            Source::Store(store, stream) => match self {
                Self::Layout(layout) if layout.borrow(blob, &store).await? => Ok(()),
                _ => self.receive(stream).await,
            },
        }
    }

    /// Has a registry take a blob from another of its repositories. Says whether it did.
    pub(super) async fn mount(&self, blob: &Descriptor, from: &Self) -> Result<bool, OciError> {
        match (self, from) {
            (Self::Registry(to), Self::Registry(from)) => to.mount(blob.digest, from).await,
            _ => Ok(false),
        }
    }

    /// Points `tag` at the blob of `descriptor`, in the place of its earlier one.
    ///
    /// # Errors
    /// [`OciError`] when it cannot be written.
    pub async fn tag(&mut self, tag: &str, descriptor: &Descriptor) -> Result<(), OciError> {
        match self {
            Self::Archive(archive) => archive.tag(tag, descriptor),
            Self::Layout(layout) => layout.tag(tag, descriptor),
            Self::Registry(registry) => registry.tag(tag, descriptor).await?,
        }
        Ok(())
    }

    /// Lists the blob of `descriptor` without a tag, so that it is found there. A registry finds whatever it holds.
    pub fn list(&mut self, descriptor: &Descriptor) {
        match self {
            Self::Archive(archive) => archive.list(descriptor),
            Self::Layout(layout) => layout.list(descriptor),
            Self::Registry(_) => {}
        }
    }

    /// Commits a change of the repository: from here on at the latest, others see the added blobs and tags.
    ///
    /// # Errors
    /// [`OciError`] when it cannot be written.
    pub async fn finish(&self) -> Result<(), OciError> {
        match self {
            Self::Archive(archive) => archive.write().await,
            Self::Layout(layout) => layout.write().await,
            Self::Registry(_) => Ok(()),
        }
    }
}

/// Copies a blob from one repository to another. It streams, so memory does not grow with it.
///
/// # Errors
/// [`OciError`] when its bytes do not match its digest, and when either repository fails. No part of it is kept then.
pub async fn copy(blob: &Descriptor, from: &Repository, to: &Repository) -> Result<(), OciError> {
    to.receive(from.stream(blob).await?).await
}
