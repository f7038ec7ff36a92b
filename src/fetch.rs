//! Fetches the bundle of a reference, and checks every byte against its digest.
//!
//! Nothing else is known after this stage: not who made the bundle, nor whether it may run. A tag is resolved here,
//! once; from then on only the digest counts. Received bytes are kept as they came and never serialized again, so a
//! signature over the digest survives every copy.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cap_std::fs::Dir;

use crate::bundle::component::{self, Component, InvalidComponent};
use crate::bundle::index::{self, BundleIndex, IndexError, is_bundle_index};
use crate::bundle::{self, Bundle, Fault};
use crate::digest::Digest;
use crate::document;
use crate::oci::file::{make_directory, open_directory};
use crate::oci::media_type::{BYTES, is_index};
use crate::oci::registry::{Registry, RegistryClient};
use crate::oci::{Archive, Descriptor, EMPTY_BLOB, Layout, MAX_DOCUMENT, OciError, Repository};
use crate::reference::{ArchiveReference, LayoutReference, Reference, RegistryReference};
use crate::signature::{self, Evidence};

mod entry;

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

/// Why a bundle could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// More than one bundle fits the reference.
    #[error("there are several bundles: name one by its tag ({})", list(.0))]
    Ambiguous(Vec<String>),
    /// `bundle.json` breaks a rule.
    #[error("the bundle is not valid")]
    Bundle(#[from] bundle::InvalidBundle),
    /// The component breaks a rule.
    #[error("the bundle's component is not valid")]
    Component(#[from] InvalidComponent),
    /// The layout holds no bundle.
    #[error("the layout holds no bundle")]
    Empty,
    /// A document around the bundle breaks a rule.
    #[error("the documents around the bundle are not valid")]
    Index(#[from] IndexError),
    /// The layout lists no bundle of this digest.
    #[error("the layout has no bundle {0}")]
    NoDigest(Digest),
    /// The tag or digest names something that is no bundle.
    #[error("`{0}` is something else than a bundle")]
    NotABundle(String),
    /// The repository in a registry has nothing at this tag or digest.
    #[error(
        "`{0}` is not there: the registry has no such repository, or the repository no such tag or digest"
    )]
    NotThere(String),
    /// A blob or a document cannot be read or written, or is not what its digest says.
    #[error(transparent)]
    Oci(OciError),
    /// The tag names another digest than the reference.
    #[error("`{tag}` is {found} now, not {expected}")]
    OtherDigest {
        /// The tag.
        tag: String,
        /// The digest of the reference.
        expected: Digest,
        /// The digest that the tag names.
        found: Digest,
    },
    /// Nothing that carnet knows is there.
    #[error("`{}` is neither a layout (with `oci-layout`), an archive (`.tar`), nor a source directory (with `carnet.yaml`)", .0.display())]
    Place(PathBuf),
    /// There is a source directory, which has to be built first.
    #[error("`{}` is a source directory, which has to be built first", .0.display())]
    Source(PathBuf),
    /// The layout does not have the tag.
    #[error("the layout has no tag `{tag}`{}", known(.tags))]
    Tag {
        /// The tag.
        tag: String,
        /// The tags that it has.
        tags: Vec<String>,
    },
}

/// Mistakes in the documents around a bundle are reported as mistakes of the bundle.
impl From<OciError> for FetchError {
    fn from(error: OciError) -> Self {
        match error {
            OciError::Ambiguous(tag) => Self::Ambiguous(vec![tag]),
            OciError::Malformed(malformed) => Self::Index(malformed.into()),
            error => Self::Oci(error),
        }
    }
}

/// Fetches a bundle.
///
/// # Errors
/// [`FetchError`] with the part that is missing, changed, too large or not understood.
pub async fn fetch(reference: &Reference, registries: &Arc<RegistryClient>) -> Result<Fetched, FetchError> {
    locate(reference, registries).await?.fetched().await
}

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
    /// [`FetchError`] as for [`fetch`].
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

/// Opens the place of a reference to write a bundle there. A layout or archive is made where there is none; of a path,
/// whichever is there, else an archive where its name ends so.
///
/// # Ambient Authority
/// The path is the operator's own word.
///
/// # Errors
/// [`FetchError`] when something else is there, or it cannot be reached.
pub async fn open_to_write(
    reference: &Reference,
    registries: &Arc<RegistryClient>,
) -> Result<Repository, FetchError> {
    match reference {
        Reference::Archive(archive) => archive_to_write(&archive.file).await,
        Reference::Layout(layout) => layout_to_write(&layout.directory).await,
        Reference::Path(path) if is_archive(path) => archive_to_write(path).await,
        Reference::Path(path) => layout_to_write(path).await,
        Reference::Registry(place) => {
            let registry = Registry::to_write(registries, &place.host, &place.repository);
            Ok(Repository::Registry(registry.map_err(OciError::from)?))
        }
    }
}

async fn archive_to_write(file: &Path) -> Result<Repository, FetchError> {
    Ok(Repository::Archive(Archive::open_or_new(file).await?))
}

async fn layout_to_write(directory: &Path) -> Result<Repository, FetchError> {
    let opened = make_directory(directory).map_err(system(directory.display()))?;
    Ok(Repository::Layout(Layout::open_or_new(opened).await?))
}

/// Whether a path is that of a file, or would be.
fn is_archive(path: &Path) -> bool {
    match open_directory(path) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => true,
        Err(_) => path.extension().is_some_and(|ending| ending == "tar"),
    }
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
    match place {
        Reference::Archive(archive) => Ok(entry::tags(Archive::open(&archive.file).await?.listing())),
        Reference::Layout(LayoutReference { directory, .. }) => {
            let opened = open_directory(directory).map_err(system(directory.display()))?;
            Ok(entry::tags(Layout::open(opened).await?.listing()))
        }
        Reference::Path(_) | Reference::Registry(_) => Ok(Vec::new()),
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

fn system(name: impl fmt::Display) -> impl FnOnce(io::Error) -> FetchError {
    let name = name.to_string();
    move |source| FetchError::Oci(OciError::System { name, source })
}

fn list(tags: &[String]) -> String {
    tags.iter().map(|tag| format!("`{}`", document::visible(tag))).collect::<Vec<_>>().join(", ")
}

fn known(tags: &[String]) -> String {
    if tags.is_empty() { String::new() } else { format!(", but {}", list(tags)) }
}

#[cfg(test)]
pub(crate) mod tests;
