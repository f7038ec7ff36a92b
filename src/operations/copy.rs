//! Copies a bundle from one place to another, with its images, signatures and all else that belongs to it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::digest::Digest;
use crate::fetch::{FetchError, Fetched, Located, locate};
use crate::oci::file::make_directory;
use crate::oci::registry::{Registry, RegistryClient};
use crate::oci::{Absent, CopyObserver, Layout, OciError, Repository, copy_graph};
use crate::reference::{LayoutReference, Reference};

use super::{Document, Error};

/// A bundle that was copied.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    /// Where it is now.
    pub reference: String,
    /// The digest of its index, which is the same there.
    pub digest: Digest,
    /// Blobs and documents that were copied.
    pub copied: usize,
    /// Bytes of these.
    pub bytes: u64,
    /// Blobs and documents that were there before.
    pub present: usize,
    /// Images that are in neither place, by name. Only layouts may lack some.
    pub missing: Vec<String>,
}

impl Document for Copied {
    const KIND: &'static str = "Copy";
}

/// Copies a bundle. No byte of it changes on the way: no digest, and no signature. It is not verified, as nothing of it
/// runs; whoever uses it verifies it where it is then.
///
/// # Errors
/// [`Error::Fetch`] when it cannot be found, read or written, and [`Error::NotACopy`] where nothing can be copied to.
pub async fn copy(
    from: &Reference,
    to: &Reference,
    registries: &Arc<RegistryClient>,
    observer: &Arc<dyn CopyObserver>,
) -> Result<Copied, Error> {
    let located = locate(from, registries).await?;
    let found = located.index.digest;
    if let Some(expected) = to.digest().filter(|expected| *expected != found) {
        return Err(FetchError::OtherDigest { tag: located.tag.unwrap_or_default(), expected, found }.into());
    }
    let fetched = located.fetched().await?;
    let Located { repository, tag, index, .. } = located;
    let mut target = open(to, registries).await?;
    let absent = match &target {
        Repository::Registry(_) => {
            fill_in(&fetched, &mut target, registries, observer).await?;
            Absent::Refused
        }
        Repository::Layout(_) => Absent::LeftOut,
    };
    let sum =
        copy_graph(&index, &repository, &mut target, absent, observer).await.map_err(FetchError::from)?;
    let wanted = match to {
        Reference::Layout(layout) => layout.tag.clone().or(tag),
        Reference::Registry(place) => place.tag.clone(),
        _ => tag,
    };
    if let Some(tag) = &wanted {
        target.tag(tag, &index).await.map_err(FetchError::from)?;
    }
    target.finish().await.map_err(FetchError::from)?;
    let reference = tagged(to, wanted, index.digest).to_string();
    Ok(Copied {
        reference,
        digest: index.digest,
        copied: sum.copied,
        bytes: sum.bytes,
        present: sum.present,
        missing: named(&fetched, &sum.absent),
    })
}

/// Copies the images that a layout lacks from where the bundle names them: a registry takes no index before all that
/// it names.
async fn fill_in(
    fetched: &Fetched,
    target: &mut Repository,
    registries: &Arc<RegistryClient>,
    observer: &Arc<dyn CopyObserver>,
) -> Result<(), Error> {
    for name in fetched.absent_images() {
        let Some(image) = fetched.bundle().images().get(name) else { continue };
        let failed = |why: String| Error::NoImage { name: name.clone(), image: image.image.clone(), why };
        let Ok(Reference::Registry(place)) = image.image.parse() else {
            return Err(failed("its name says no registry".into()));
        };
        let copied = async {
            let registry = Registry::to_read(registries, &place.host, &place.repository)?;
            let root = registry.described(image.digest).await?.ok_or(OciError::Absent(image.digest))?;
            copy_graph(&root, &Repository::Registry(registry), target, Absent::Refused, observer).await
        };
        copied.await.map_err(|error: OciError| failed(error.to_string()))?;
    }
    Ok(())
}

/// The names of the images with these digests.
fn named(fetched: &Fetched, digests: &[Digest]) -> Vec<String> {
    let images = fetched.bundle().images().iter();
    images.filter(|(_, image)| digests.contains(&image.digest)).map(|(name, _)| name.clone()).collect()
}

/// The repository to write. A layout is made where there is none.
async fn open(to: &Reference, registries: &Arc<RegistryClient>) -> Result<Repository, Error> {
    let directory = match to {
        Reference::Registry(place) => {
            let registry = Registry::to_write(registries, &place.host, &place.repository);
            return Ok(Repository::Registry(
                registry.map_err(|error| FetchError::from(OciError::from(error)))?,
            ));
        }
        Reference::Layout(layout) => &layout.directory,
        Reference::Path(path) => path,
        Reference::Archive(_) => return Err(Error::NotACopy(to.to_string())),
    };
    let opened = make_directory(directory).map_err(|source| {
        FetchError::from(OciError::System { name: directory.display().to_string(), source })
    })?;
    Ok(Repository::Layout(Layout::open_or_new(opened).await.map_err(FetchError::from)?))
}

/// The place where the bundle is now, by its tag, or by its digest where it has none.
fn tagged(to: &Reference, tag: Option<String>, digest: Digest) -> Reference {
    let pinned = tag.is_none().then_some(digest);
    match to.clone() {
        Reference::Layout(LayoutReference { directory, .. }) | Reference::Path(directory) => {
            Reference::Layout(LayoutReference { directory, tag, digest: pinned })
        }
        other => other,
    }
}
