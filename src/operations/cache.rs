//! What is kept of registries for all runs: what there is, whether it is whole, and room for more.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::digest::Digest;
use crate::fetch::{FetchError, fetch};
use crate::oci::registry::RegistryClient;
use crate::oci::{OciError, Store};
use crate::reference::Reference;

use super::{Document, Error};

/// What is kept.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheContents {
    /// The directory.
    pub directory: String,
    /// How many bytes may be kept.
    pub limit: u64,
    /// How many are, but for those that an installation or a layout has as well.
    pub bytes: u64,
    /// The blobs, the last used ones first.
    pub items: Vec<CachedBlob>,
}

/// A blob that is kept.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CachedBlob {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes are there.
    pub size: u64,
    /// When it was last of use.
    #[schemars(with = "String")]
    pub used: Timestamp,
    /// Whether an installation or a layout has the same file, so that it takes no room of its own.
    pub shared: bool,
    /// Whether not all of it came yet.
    pub partial: bool,
}

/// Whether what is kept is whole.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheCheck {
    /// How many blobs were read.
    pub checked: usize,
    /// Those that were not what their digests say. They were removed, and are got again when they are needed.
    pub damaged: Vec<Digest>,
}

/// What was removed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheRemoval {
    /// How many blobs.
    pub blobs: usize,
    /// How many bytes are free now.
    pub bytes: u64,
}

/// A bundle that is kept, so that it can be used without its registry.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CachedBundle {
    /// Where it is.
    pub reference: String,
    /// The digest of its index.
    pub digest: Digest,
}

impl Document for CacheContents {
    const KIND: &'static str = "Cache";
}

impl Document for CacheCheck {
    const KIND: &'static str = "CacheCheck";
}

impl Document for CacheRemoval {
    const KIND: &'static str = "CacheRemoval";
}

impl Document for CachedBundle {
    const KIND: &'static str = "CachedBundle";
}

/// Lists what is kept.
///
/// # Errors
/// [`Error::Fetch`] when it cannot be read.
pub async fn list(store: &Store, directory: String) -> Result<CacheContents, Error> {
    let kept = store.list().await.map_err(unusable)?;
    let own = kept.iter().filter(|blob| !blob.is_shared).map(|blob| blob.size);
    let (bytes, limit) = (own.fold(0, u64::saturating_add), store.limit());
    let items = kept.iter().map(|blob| CachedBlob {
        digest: blob.digest,
        size: blob.size,
        used: Timestamp::try_from(blob.used).unwrap_or_default(),
        shared: blob.is_shared,
        partial: blob.is_partial,
    });
    Ok(CacheContents { directory, limit, bytes, items: items.collect() })
}

/// Reads all that is kept, and removes what was damaged.
///
/// # Errors
/// [`Error::Fetch`] when it cannot be read or removed.
pub async fn verify(store: &Store) -> Result<CacheCheck, Error> {
    let checked = store.list().await.map_err(unusable)?.iter().filter(|blob| !blob.is_partial).count();
    Ok(CacheCheck { checked, damaged: store.verify().await.map_err(unusable)? })
}

/// Removes what was not of use for the longest time, until so many bytes are left.
///
/// # Errors
/// [`Error::Fetch`] when it cannot be removed.
pub async fn prune(store: &Store, most: u64) -> Result<CacheRemoval, Error> {
    let removed = store.prune(most).await.map_err(unusable)?;
    Ok(CacheRemoval { blobs: removed.blobs, bytes: removed.bytes })
}

/// Removes all that is kept.
///
/// # Errors
/// [`Error::Fetch`] when it cannot be removed.
pub async fn clear(store: &Store) -> Result<CacheRemoval, Error> {
    let removed = store.clear().await.map_err(unusable)?;
    Ok(CacheRemoval { blobs: removed.blobs, bytes: removed.bytes })
}

/// Gets all of a bundle that an installation needs, which is kept on the way.
///
/// # Errors
/// [`Error::Fetch`] when it cannot be had.
pub async fn keep(reference: &Reference, registries: &Arc<RegistryClient>) -> Result<CachedBundle, Error> {
    let fetched = fetch(reference, registries).await?;
    Ok(CachedBundle { reference: fetched.reference().to_string(), digest: fetched.digest() })
}

fn unusable(error: OciError) -> Error {
    FetchError::from(error).into()
}
