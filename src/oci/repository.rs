//! A repository turns descriptors and tags into blobs, wherever these are.
//!
//! Fetching, signing and copying work on any kind of repository. There is one kind so far, a layout in a directory; a
//! registry, an archive and a store are others to come, each with the same few verbs.

use super::{BlobStream, Descriptor, Layout, OciError};
use crate::digest::Digest;

/// A collection of blobs, manifests and tags.
#[non_exhaustive]
pub enum Repository {
    /// A directory in the OCI image layout.
    Layout(Layout),
}

impl Repository {
    /// The descriptor at `tag`, whatever it is.
    ///
    /// # Errors
    /// [`OciError`] when the repository cannot tell.
    pub async fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, OciError> {
        match self {
            Self::Layout(layout) => layout.tagged(tag),
        }
    }

    /// The documents that the repository lists by itself, tagged or not.
    pub(super) fn listed(&self) -> Vec<Descriptor> {
        match self {
            Self::Layout(layout) => layout.descriptors().collect(),
        }
    }

    /// Manifests that may be signatures in cosign's classic form, where a list of a repository says so by itself.
    pub fn saved_signatures(&self) -> Vec<Descriptor> {
        match self {
            Self::Layout(layout) => layout.saved_signatures(),
        }
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`OciError::Absent`], and when the repository cannot be read.
    pub async fn stream(&self, blob: &Descriptor) -> Result<BlobStream, OciError> {
        match self {
            Self::Layout(layout) => layout.stream(blob).await,
        }
    }

    /// All bytes of a blob that has no more than `limit`.
    ///
    /// # Errors
    /// [`OciError::TooLong`], [`OciError::Absent`], and the faults of a blob.
    pub async fn read(&self, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, OciError> {
        match self {
            Self::Layout(layout) => layout.read(blob, limit).await,
        }
    }

    /// Stores a blob as it comes in.
    ///
    /// # Errors
    /// [`OciError`] when it is not the one that it should be, and when it cannot be written. Nothing of it stays then.
    pub async fn receive(&self, blob: BlobStream) -> Result<(), OciError> {
        match self {
            Self::Layout(layout) => layout.receive(blob).await,
        }
    }

    /// Stores a blob that is in memory.
    ///
    /// # Errors
    /// [`OciError`] when it cannot be written.
    pub async fn add(&self, bytes: &[u8]) -> Result<Digest, OciError> {
        match self {
            Self::Layout(layout) => layout.add(bytes).await,
        }
    }

    /// Points `tag` at the blob of `descriptor`, in the place of its earlier one.
    ///
    /// # Errors
    /// [`OciError`] when it cannot be written.
    pub async fn tag(&mut self, tag: &str, descriptor: &Descriptor) -> Result<(), OciError> {
        match self {
            Self::Layout(layout) => layout.tag(tag, descriptor),
        }
        Ok(())
    }

    /// Commits a change of the repository: from here on at the latest, others see the added blobs and tags.
    ///
    /// # Errors
    /// [`OciError`] when it cannot be written.
    pub async fn finish(&self) -> Result<(), OciError> {
        match self {
            Self::Layout(layout) => layout.write().await,
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
