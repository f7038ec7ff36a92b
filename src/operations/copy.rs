//! Copies a bundle from one place to another, with its images, signatures and all else that belongs to it.

mod carry;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::digest::Digest;
use crate::document;
use crate::fetch::{FetchError, Fetched, Located, locate, open_to_write};
use crate::oci::registry::{Registry, RegistryClient};
use crate::oci::{Absent, CopyObserver, OciError, Repository, copy_graph};
use crate::reference::{ArchiveReference, LayoutReference, Reference, RegistryReference};
use crate::text::CommandLine;

use super::{AbsentImage, Document, Error};

pub use carry::CarriedDependency;

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
    /// Images that are in neither place, by name. Only layouts and archives may lack some.
    pub missing: Vec<String>,
    /// The bundles that it depends on.
    pub dependencies: Vec<CarriedDependency>,
    /// Where the images are to be pulled from: beside the copy, else beside the original. None where neither is at a
    /// registry.
    #[serde(skip)]
    pub relocation_map: Option<BTreeMap<String, String>>,
}

impl Document for Copied {
    const KIND: &'static str = "Copy";
}

/// Whether the bundles go along that a bundle depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// The bundle goes alone.
    Alone,
    /// They go along into a layout or archive. In a registry each has its own repository, and nobody says which.
    Dependencies,
}

/// Copies a bundle. No byte of it changes on the way: no digest, and no signature. It is not verified, as nothing of it
/// runs; whoever uses it verifies it where it is then.
///
/// # Errors
/// [`Error::Fetch`] when it cannot be found, read or written, and [`Error::NoImages`].
pub async fn copy(
    from: &Reference,
    to: &Reference,
    carries: Carries,
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
    let mut target = open_to_write(to, registries).await?;
    let absent = match &target {
        Repository::Registry(_) => {
            fill_in(from, &fetched, &mut target, registries, observer).await?;
            Absent::Refused
        }
        _ => Absent::LeftOut,
    };
    let sum =
        copy_graph(&index, &repository, &mut target, absent, observer).await.map_err(FetchError::from)?;
    let wanted = wanted(to, tag);
    match &wanted {
        Some(tag) => target.tag(tag, &index).await.map_err(FetchError::from)?,
        None => target.list(&index),
    }
    let dependencies = carry::carry(&fetched, &mut target, carries, registries, observer).await?;
    target.finish().await.map_err(FetchError::from)?;
    let reference = tagged(to, &target, wanted, index.digest).to_string();
    Ok(Copied {
        reference,
        digest: index.digest,
        copied: sum.copied,
        bytes: sum.bytes,
        present: sum.present,
        missing: named(&fetched, &sum.absent),
        dependencies,
        relocation_map: fetched.relocation_map(to).or_else(|| fetched.relocation_map(fetched.reference())),
    })
}

/// The tag that a bundle gets: the one that is named, else, on this machine, the one that it had.
fn wanted(to: &Reference, had: Option<String>) -> Option<String> {
    match to {
        Reference::Archive(archive) => archive.tag.clone().or(had),
        Reference::Layout(layout) => layout.tag.clone().or(had),
        Reference::Registry(place) => place.tag.clone(),
        _ => had,
    }
}

/// Copies the images that a layout lacks from where the bundle names them: a registry takes no index before all that
/// it names.
async fn fill_in(
    from: &Reference,
    fetched: &Fetched,
    target: &mut Repository,
    registries: &Arc<RegistryClient>,
    observer: &Arc<dyn CopyObserver>,
) -> Result<(), Error> {
    let (mut absent, mut copy) = (Vec::new(), None);
    for name in fetched.absent_images() {
        let Some(image) = fetched.bundle().images().get(name) else { continue };
        let place = match image.image.parse() {
            Ok(Reference::Registry(place)) => {
                Ok(RegistryReference { tag: None, digest: Some(image.digest), ..place })
            }
            _ => Err("its name says no registry".to_owned()),
        };
        let copied = match &place {
            Ok(place) => image_from(place, target, registries, observer).await,
            Err(why) => Err(why.clone()),
        };
        let Err(why) = copied else { continue };
        absent.push(AbsentImage { name: name.clone(), image: image.image.clone(), why });
        copy = copy.or_else(|| by_other_means(&place.ok()?, from));
    }
    if absent.is_empty() {
        return Ok(());
    }
    Err(Error::NoImages { from: from.to_string(), images: absent, copy })
}

async fn image_from(
    place: &RegistryReference,
    target: &mut Repository,
    registries: &Arc<RegistryClient>,
    observer: &Arc<dyn CopyObserver>,
) -> Result<(), String> {
    let copied = async {
        let registry = Registry::to_read(registries, &place.host, &place.repository)?;
        let digest = place.digest.unwrap_or_default();
        let root = registry.described(digest).await?.ok_or(OciError::Absent(digest))?;
        copy_graph(&root, &Repository::Registry(registry), target, Absent::Refused, observer).await
    };
    copied.await.map(drop).map_err(|error: OciError| document::chain(&error))
}

/// The command that copies an image into the layout of a bundle, for somebody who can reach it.
fn by_other_means(image: &RegistryReference, from: &Reference) -> Option<CommandLine> {
    let (Reference::Layout(LayoutReference { directory, .. }) | Reference::Path(directory)) = from else {
        return None;
    };
    let line = CommandLine::of("oras copy --to-oci-layout").word(Reference::Registry(image.clone()));
    Some(line.word(directory.display()))
}

/// The names of the images with these digests.
fn named(fetched: &Fetched, digests: &[Digest]) -> Vec<String> {
    let images = fetched.bundle().images().iter();
    images.filter(|(_, image)| digests.contains(&image.digest)).map(|(name, _)| name.clone()).collect()
}

/// The place where the bundle is now, by its tag, or by its digest where it has none.
fn tagged(to: &Reference, target: &Repository, tag: Option<String>, digest: Digest) -> Reference {
    let digest = tag.is_none().then_some(digest);
    match (to.clone(), target) {
        (Reference::Path(file), Repository::Archive(_))
        | (Reference::Archive(ArchiveReference { file, .. }), _) => {
            Reference::Archive(ArchiveReference { file, tag, digest })
        }
        (Reference::Layout(LayoutReference { directory, .. }) | Reference::Path(directory), _) => {
            Reference::Layout(LayoutReference { directory, tag, digest })
        }
        (registry @ Reference::Registry(_), _) => registry,
    }
}
