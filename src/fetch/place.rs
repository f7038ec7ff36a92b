//! Turns a reference into the place where a bundle is, and its tag into a digest, once.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::system;
use super::{FetchError, Fetched, entry, whole};
use crate::bundle::index::is_bundle_index;
use crate::oci::file::open_directory;
use crate::oci::media_type::is_index;
use crate::oci::registry::{Registry, RegistryClient};
use crate::oci::{Archive, Descriptor, Layout, Listing, MAX_DOCUMENT, OciError, Repository};
use crate::reference::{ArchiveReference, LayoutReference, Reference, RegistryReference};

/// A bundle that was found, and of which nothing but its index was looked at.
pub struct Located {
    /// Where it is.
    pub repository: Repository,
    /// The same, as it is recorded. For a path, what was found there.
    pub reference: Reference,
    /// The tag by which it is known there.
    pub tag: Option<String>,
    /// Its index.
    pub index: Descriptor,
}

impl Located {
    /// The bundle, after every byte of it was checked. What its tag meant was settled when it was found.
    ///
    /// # Errors
    /// [`FetchError`] as for [`fetch`](super::fetch).
    pub async fn fetched(&self) -> Result<Fetched, FetchError> {
        whole(&self.repository, self.reference.clone(), self.tag.clone(), self.index.clone()).await
    }
}

/// Finds a bundle, and resolves its tag.
///
/// # Errors
/// [`FetchError`] when there is none, or more than one.
pub async fn locate(reference: &Reference, registries: &Arc<RegistryClient>) -> Result<Located, FetchError> {
    match reference {
        Reference::Archive(archive) => in_archive(archive).await,
        Reference::Layout(layout) => in_layout(layout).await,
        Reference::Path(path) => match found_at(path)? {
            Reference::Archive(archive) => in_archive(&archive).await,
            Reference::Layout(layout) => in_layout(&layout).await,
            _ => Err(FetchError::Place(path.clone())),
        },
        Reference::Registry(place) => in_registry(place, registries).await,
    }
}

/// The layout or archive at a path. Nothing else can be fetched as it is.
fn found_at(path: &Path) -> Result<Reference, FetchError> {
    let directory = match open_directory(path) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Ok(Reference::Archive(ArchiveReference { file: path.into(), tag: None, digest: None }));
        }
        Err(error) => return Err(system(path.display())(error)),
    };
    if directory.exists("oci-layout") {
        Ok(Reference::Layout(LayoutReference { directory: path.into(), tag: None, digest: None }))
    } else if directory.exists("carnet.yaml") {
        Err(FetchError::Source(path.into()))
    } else {
        Err(FetchError::Place(path.into()))
    }
}

async fn in_archive(place: &ArchiveReference) -> Result<Located, FetchError> {
    let repository = Repository::Archive(Archive::open(&place.file).await?);
    let (tag, index) = entry::resolve(&repository, place.tag.as_deref(), place.digest).await?;
    Ok(Located { repository, reference: Reference::Archive(place.clone()), tag, index })
}

async fn in_layout(place: &LayoutReference) -> Result<Located, FetchError> {
    let directory = open_directory(&place.directory).map_err(system(place.directory.display()))?;
    let repository = Repository::Layout(Layout::open(directory).await?);
    let (tag, index) = entry::resolve(&repository, place.tag.as_deref(), place.digest).await?;
    Ok(Located { repository, reference: Reference::Layout(place.clone()), tag, index })
}

/// A digest decides alone: what a tag means by now does not matter then.
async fn in_registry(
    place: &RegistryReference,
    registries: &Arc<RegistryClient>,
) -> Result<Located, FetchError> {
    let registry = Registry::to_read(registries, &place.host, &place.repository).map_err(OciError::from)?;
    let reference = Reference::Registry(place.clone());
    let found = match (place.digest, &place.tag) {
        (Some(digest), _) => registry.described(digest).await?,
        (None, Some(tag)) => registry.tagged(tag).await?,
        (None, None) => None,
    };
    let index = found.ok_or_else(|| FetchError::NotThere(reference.to_string()))?;
    let repository = Repository::Registry(registry);
    let is_bundle =
        is_index(&index.media_type) && is_bundle_index(&repository.read(&index, MAX_DOCUMENT).await?);
    if !is_bundle {
        return Err(FetchError::NotABundle(reference.to_string()));
    }
    Ok(Located { repository, reference, tag: place.tag.clone(), index })
}

/// The tags of the bundles in a layout or archive. A registry is not asked, and a path has none to be named by.
///
/// # Ambient Authority
/// The path is the operator's own word.
///
/// # Errors
/// [`FetchError`] when it cannot be read.
pub async fn tags(place: &Reference) -> Result<Vec<String>, FetchError> {
    Ok(listing_of(place).await?.as_ref().map(entry::tags).unwrap_or_default())
}

/// What a layout or archive lists. None: it is neither.
pub(super) async fn listing_of(place: &Reference) -> Result<Option<Listing>, FetchError> {
    match place {
        Reference::Archive(archive) => Ok(Some(Archive::open(&archive.file).await?.into_listing())),
        Reference::Layout(LayoutReference { directory, .. }) => {
            let opened = open_directory(directory).map_err(system(directory.display()))?;
            Ok(Some(Layout::open(opened).await?.into_listing()))
        }
        Reference::Path(_) | Reference::Registry(_) => Ok(None),
    }
}
