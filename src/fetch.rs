//! Fetches the bundle of a reference, and checks every byte against its digest.
//!
//! Nothing else is known after this stage: not who made the bundle, nor whether it may run. A tag is resolved here,
//! once; from then on only the digest counts. Received bytes are kept as they came and never serialized again, so a
//! signature over the digest survives every copy.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cap_std::fs::Dir;

use crate::bundle::component::{self, Component, InvalidComponent};
use crate::bundle::index::{self, BundleIndex};
use crate::bundle::{Bundle, Fault};
use crate::digest::Digest;
use crate::oci::media_type::BYTES;
use crate::oci::registry::RegistryClient;
use crate::oci::{Descriptor, EMPTY_BLOB, Layout, MAX_DOCUMENT, OciError, Repository, Store};
use crate::reference::{Reference, RegistryReference};
use crate::signature::{self, Evidence};

mod error;
mod entry;
mod place;
mod versions;
mod destination;

pub use destination::open_to_write;
pub use error::FetchError;
pub use place::{Located, locate, tags};
pub use versions::{TaggedVersion, carried, published};

use error::system;

/// The most bytes that the OCI manifests of all images may have together. A bundle could name thousands of them, and
/// all are held in memory.
const MAX_IMAGES: u64 = 32 << 20;

/// A bundle whose bytes match their digests.
///
/// ```compile_fail
/// let fetched = carnet::fetch::Fetched { ..todo!() };
/// ```
pub struct Fetched {
    reference: Reference,
    /// The tag that `index.json` has for the bundle.
    tag: Option<String>,
    index: Descriptor,
    index_bytes: Vec<u8>,
    bundle: Bundle,
    component: ComponentBytes,
    /// Whatever else was read: config manifest, `bundle.json`, OCI manifests of component and images.
    blobs: BTreeMap<Digest, Vec<u8>>,
    signatures: Vec<Evidence>,
    absent_images: Vec<String>,
    warnings: Vec<Fault>,
    /// Where its blobs are kept, if it came from a registry.
    store: Option<Arc<Store>>,
}

/// A component's bytes, and what was read from them.
struct ComponentBytes {
    bytes: Bytes,
    digest: Digest,
    read: OnceLock<Result<Component, InvalidComponent>>,
}

impl ComponentBytes {
    /// A container image in the place of a component: nothing of it is read but its manifest, and nothing ever runs.
    fn opaque(image: &Descriptor, manifest: Vec<u8>) -> Self {
        let read = OnceLock::from(Err(InvalidComponent::Opaque));
        Self { bytes: manifest.into(), digest: image.digest, read }
    }
}

/// Fetches a bundle.
///
/// # Errors
/// [`FetchError`] with the part that is missing, changed, too large or not understood.
pub async fn fetch(reference: &Reference, registries: &Arc<RegistryClient>) -> Result<Fetched, FetchError> {
    locate(reference, registries).await?.fetched().await
}

/// Reads a bundle that [`Fetched::save`] wrote, and checks all of it again. `origin` is where it came from when it was
/// saved: the trust policy goes by that, not by where the copy is.
///
/// # Errors
/// [`FetchError`] as for [`fetch`].
pub async fn load(from: &Dir, digest: Digest, origin: Reference) -> Result<Fetched, FetchError> {
    let layout = Layout::open(from.try_clone().map_err(system("."))?).await?;
    let repository = Repository::Layout(layout);
    let (tag, index) = entry::resolve(&repository, None, Some(digest)).await?;
    whole(&repository, origin, tag, index).await
}

impl Fetched {
    /// Where the bundle is. For a path, what was found there.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The digest of the bundle's index, which names everything else.
    pub fn digest(&self) -> Digest {
        self.index.digest
    }

    /// The index.
    pub fn index_bytes(&self) -> &[u8] {
        &self.index_bytes
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The component, which is read when it is first asked for: what its binary says is of no use before somebody wants
    /// to know, and a signature is over its digest.
    ///
    /// # Errors
    /// [`InvalidComponent`] when it is none, or takes too much to look at.
    pub fn component(&self) -> Result<&Component, &InvalidComponent> {
        self.component.read.get_or_init(|| Component::read(self.component.bytes.clone())).as_ref()
    }

    /// Whether the program of the bundle is a container image: it can be carried, and is never run.
    pub fn is_opaque(&self) -> bool {
        matches!(self.component.read.get(), Some(Err(InvalidComponent::Opaque)))
    }

    /// The bytes of the component; of a container image those of its manifest.
    pub fn component_bytes(&self) -> &[u8] {
        &self.component.bytes
    }

    /// The digest of these bytes.
    pub fn component_digest(&self) -> Digest {
        self.component.digest
    }

    /// Candidates for signatures of the bundle, readable or not, in the order of their digests. None of them was
    /// checked.
    pub fn signatures(&self) -> &[Evidence] {
        &self.signatures
    }

    /// The names of the images whose OCI manifest is not there. Where it is, its bytes were checked.
    pub fn absent_images(&self) -> &[String] {
        &self.absent_images
    }

    /// Where the images are, beside a copy of the bundle at a registry: reference in the bundle to reference there, by digest.
    /// Nothing where no registry has it, since an image is pulled from one.
    pub fn relocation_map(&self, copy: &Reference) -> Option<BTreeMap<String, String>> {
        let Reference::Registry(RegistryReference { host, repository, .. }) = copy else { return None };
        // It was read before, and names what the bundle names.
        let index = BundleIndex::parse(&self.index_bytes).ok()?;
        Some(index::relocation_map(&index, &self.bundle, &format!("{host}/{repository}")))
    }

    /// Faults that do not make the bundle unusable.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The descriptor of the index, by which another document names it.
    pub(crate) fn descriptor(&self) -> &Descriptor {
        &self.index
    }

    /// Writes the bundle with its signatures into an OCI layout in `into`: every byte as it came, each file whole or
    /// not at all, and `index.json` last. Bundles that are there already stay, but for one with the same tag.
    ///
    /// # Errors
    /// [`FetchError`] when `into` is something else than a layout or empty, or cannot be written.
    pub async fn save(&self, into: &Dir) -> Result<(), FetchError> {
        let layout = Layout::open_or_new(into.try_clone().map_err(system("."))?).await?;
        let layout = layout.sharing(self.store.clone());
        let mut repository = Repository::Layout(layout);
        for bytes in self.blobs.values() {
            repository.add(BYTES, bytes).await?;
        }
        for bytes in [EMPTY_BLOB, self.component_bytes(), &self.index_bytes] {
            repository.add(BYTES, bytes).await?;
        }
        signature::save(&self.signatures, self.digest(), &mut repository).await?;
        let version = || index::tag_of(&self.bundle.version().to_string());
        repository.tag(&self.tag.clone().unwrap_or_else(version), &self.index).await?;
        Ok(repository.finish().await?)
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("digest", &self.index.digest).finish_non_exhaustive()
    }
}

/// The bundle with this index, after every byte of it was checked.
async fn whole(
    repository: &Repository,
    reference: Reference,
    tag: Option<String>,
    index: Descriptor,
) -> Result<Fetched, FetchError> {
    let mut kept = KeptBlobs { repository, blobs: BTreeMap::new() };
    let index_bytes = repository.read(&index, MAX_DOCUMENT).await?;
    let children = BundleIndex::parse(&index_bytes)?;
    let config = index::config_of(children.config(), &kept.read(children.config(), MAX_DOCUMENT).await?)?;
    let (bundle, warnings) = Bundle::parse_published(&kept.read(&config, MAX_DOCUMENT).await?)?;
    children.check(&bundle)?;

    let manifest = kept.read(children.invocation(), MAX_DOCUMENT).await?;
    let component = if index::is_container_image(children.invocation(), &manifest)? {
        ComponentBytes::opaque(children.invocation(), manifest)
    } else {
        let (wasm_config, layer) = index::component_of(children.invocation(), &manifest)?;
        kept.read(&wasm_config, MAX_DOCUMENT).await?;
        let limit = u64::try_from(component::MAX_COMPONENT).unwrap_or(u64::MAX);
        let bytes = repository.read(&layer, limit).await?.into();
        ComponentBytes { bytes, digest: layer.digest, read: OnceLock::new() }
    };

    let absent_images = match repository {
        Repository::Archive(_) | Repository::Layout(_) => kept.images(&children).await?,
        // A registry takes no index before all that it names, and whoever installs needs no image.
        Repository::Registry(_) => Vec::new(),
    };
    Ok(Fetched {
        reference,
        tag,
        signatures: signature::gather(repository, index.digest).await?,
        index,
        index_bytes,
        bundle,
        component,
        blobs: kept.blobs,
        absent_images,
        warnings,
        store: repository.store().cloned(),
    })
}

/// Reads blobs, and keeps them to be stored with the bundle.
struct KeptBlobs<'a> {
    repository: &'a Repository,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl KeptBlobs<'_> {
    async fn read(&mut self, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, OciError> {
        let bytes = self.repository.read(blob, limit).await?;
        self.blobs.insert(blob.digest, bytes.clone());
        Ok(bytes)
    }

    /// Reads the OCI manifests of the images that are there, and gives the names of the others.
    async fn images(&mut self, index: &BundleIndex) -> Result<Vec<String>, OciError> {
        let (mut absent, mut left) = (Vec::new(), MAX_IMAGES);
        for (name, image) in index.components() {
            match self.read(image, left.min(MAX_DOCUMENT)).await {
                Ok(_) => left = left.saturating_sub(image.size),
                Err(OciError::Absent(_)) => absent.push(name.clone()),
                Err(error) => return Err(error),
            }
        }
        Ok(absent)
    }
}

#[cfg(test)]
pub(crate) mod tests;
