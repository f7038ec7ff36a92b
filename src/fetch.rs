//! Turns a reference into a bundle whose every byte is what its digest says.
//!
//! Nothing else is known after this stage: not who made the bundle, nor whether it may run. A tag is resolved here, once;
//! from then on only the digest counts. What was received is kept as it came and is never written anew, so a signature
//! over the digest survives every copy.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::bundle::component::{self, Component};
use crate::bundle::index::{self, Descriptor, Index, IndexError};
use crate::bundle::lint::Fault;
use crate::bundle::{self, Bundle};
use crate::digest::{self, Digest};
use crate::document;
use crate::reference::{Layout as LayoutReference, Reference};

mod evidence;
pub(crate) mod layout;

pub(crate) use evidence::refer;
pub use evidence::{Content, Evidence};
use layout::{Layout, MAX_MANIFEST};

/// The most bytes that the OCI manifests of all images may have together. A bundle could name thousands of them, and all
/// are held in memory.
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
    component: Component,
    /// Whatever else was read: config manifest, `bundle.json`, OCI manifests of component and images.
    blobs: BTreeMap<Digest, Vec<u8>>,
    signatures: Vec<Evidence>,
    absent_images: Vec<String>,
    warnings: Vec<Fault>,
}

/// Why a bundle could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A blob is not there.
    #[error("the layout does not hold {0}")]
    Absent(Digest),
    /// More than one bundle fits the reference.
    #[error("there are several bundles: name one by its tag ({})", list(.0))]
    Ambiguous(Vec<String>),
    /// `bundle.json` breaks a rule.
    #[error("the bundle is not valid")]
    Bundle(#[from] bundle::Invalid),
    /// The component breaks a rule.
    #[error("the bundle's component is not valid")]
    Component(#[from] component::Invalid),
    /// A blob was changed or cut.
    #[error("a blob is not the one that its name says")]
    Digest(#[from] digest::Mismatch),
    /// A file of the layout itself cannot be read.
    #[error("{name} cannot be read as JSON")]
    Document {
        /// The file.
        name: &'static str,
        /// What is wrong with it.
        source: document::Invalid,
    },
    /// The layout holds no bundle.
    #[error("the layout holds no bundle")]
    Empty,
    /// A list does not have the form of one.
    #[error("{0} is not an OCI index")]
    Form(&'static str),
    /// A document around the bundle breaks a rule.
    #[error("the documents around the bundle are not valid")]
    Index(#[from] IndexError),
    /// The place cannot be read by this version.
    #[error("{0} cannot be read by this version: use a layout (`layout:DIR`)")]
    NotYet(&'static str),
    /// Something that should be a plain file is a link, a directory or a device.
    #[error("`{0}` is not a plain file")]
    NotAFile(String),
    /// What the tag names is no bundle.
    #[error("the layout has `{0}` for something that is not a bundle")]
    NotABundle(String),
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
    #[error("`{}` is neither a layout (with `oci-layout`) nor a source directory (with `carnet.yaml`)", .0.display())]
    Place(PathBuf),
    /// A blob has another size than was promised.
    #[error("the blob {digest} has more or fewer bytes than the {expected} that were promised")]
    Size {
        /// The blob.
        digest: Digest,
        /// The size that was promised.
        expected: u64,
    },
    /// There is a source directory, which has to be built first.
    #[error("`{}` is a source directory, which has to be built first", .0.display())]
    Source(PathBuf),
    /// The system did not let us read or write.
    #[error("cannot access `{name}`")]
    System {
        /// The file or directory.
        name: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The layout does not have the tag.
    #[error("the layout has no tag `{tag}`{}", known(.tags))]
    Tag {
        /// The tag.
        tag: String,
        /// The tags that it has.
        tags: Vec<String>,
    },
    /// Something is longer than is read.
    #[error("{what} has more than the {limit} bytes that are read")]
    TooLong {
        /// The file or blob.
        what: String,
        /// How much is read.
        limit: u64,
    },
    /// A list is longer than is read.
    #[error("{0} has more than the {max} entries that are read", max = layout::MAX_ENTRIES)]
    TooMany(&'static str),
    /// The layout is of another version.
    #[error("the layout is not of version 1.0.0")]
    Version,
}

/// Fetches a bundle.
///
/// # Errors
/// [`FetchError`] with what is missing, changed, too large or not understood.
pub fn fetch(reference: &Reference) -> Result<Fetched, FetchError> {
    match reference {
        Reference::Archive(_) => Err(FetchError::NotYet("archives")),
        Reference::Layout(layout) => fetch_layout(layout),
        Reference::Path(path) => fetch_layout(&found_at(path)?),
        Reference::Registry(_) => Err(FetchError::NotYet("registries")),
    }
}

/// Reads a bundle that [`Fetched::save`] wrote, and checks all of it again. `origin` is where it came from when it was
/// saved: the trust policy goes by that, not by where the copy is.
///
/// # Errors
/// [`FetchError`] as for [`fetch`].
pub fn load(from: &Dir, digest: Digest, origin: Reference) -> Result<Fetched, FetchError> {
    let directory = from.try_clone().map_err(|source| FetchError::System { name: ".".into(), source })?;
    let layout = Layout::open(directory)?;
    let (tag, index) = layout.resolve(None, Some(digest))?;
    whole(&layout, origin, tag, index)
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

    /// The component.
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// What may be signatures of the bundle, readable or not, in the order of their digests. None of them was checked.
    pub fn signatures(&self) -> &[Evidence] {
        &self.signatures
    }

    /// The names of the images whose OCI manifest is not there. Where it is, its bytes were checked.
    pub fn absent_images(&self) -> &[String] {
        &self.absent_images
    }

    /// What is wrong with the bundle without making it unusable.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// What the index is, as another document would name it.
    pub(crate) fn descriptor(&self) -> &Descriptor {
        &self.index
    }

    /// Writes the bundle with its signatures into an OCI layout in `into`: every byte as it came, each file whole or
    /// not at all, and `index.json` last. Bundles that are there already stay, but for one with the same tag.
    ///
    /// # Errors
    /// [`FetchError`] when `into` is something else than a layout or empty, or cannot be written.
    pub fn save(&self, into: &Dir) -> Result<(), FetchError> {
        let directory = into.try_clone().map_err(|source| FetchError::System { name: ".".into(), source })?;
        let mut layout = Layout::open_or_new(directory)?;
        for bytes in self.blobs.values() {
            layout.add(bytes)?;
        }
        layout.add(index::EMPTY_BLOB)?;
        layout.add(self.component.bytes())?;
        layout.add(&self.index_bytes)?;
        evidence::save(&self.signatures, self.digest(), &mut layout)?;
        let version = || layout::tag_of(&self.bundle.version().to_string());
        layout.tag(&self.tag.clone().unwrap_or_else(version), &self.index);
        layout.write()
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("digest", &self.index.digest).finish_non_exhaustive()
    }
}

/// Opens a directory that a person named. The one place where fetching and building reach the file system by a path;
/// everything else goes through the handle, which nothing inside the directory can lead out of.
pub(crate) fn open_directory(path: &Path) -> io::Result<Dir> {
    #[expect(clippy::disallowed_methods, reason = "the place was named by the person who called us")]
    Dir::open_ambient_dir(path, cap_std::ambient_authority())
}

/// What is at a path: only a layout can be fetched as it is.
fn found_at(path: &Path) -> Result<LayoutReference, FetchError> {
    let directory = match open_directory(path) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(FetchError::NotYet("archives"));
        }
        Err(source) => return Err(FetchError::System { name: path.display().to_string(), source }),
    };
    if directory.exists("oci-layout") {
        Ok(LayoutReference { directory: path.into(), tag: None, digest: None })
    } else if directory.exists("carnet.yaml") {
        Err(FetchError::Source(path.into()))
    } else {
        Err(FetchError::Place(path.into()))
    }
}

fn fetch_layout(reference: &LayoutReference) -> Result<Fetched, FetchError> {
    let system = |source| FetchError::System { name: reference.directory.display().to_string(), source };
    let layout = Layout::open(open_directory(&reference.directory).map_err(system)?)?;
    let (tag, index) = layout.resolve(reference.tag.as_deref(), reference.digest)?;
    whole(&layout, Reference::Layout(reference.clone()), tag, index)
}

/// The bundle with this index, after every byte of it was checked.
fn whole(
    layout: &Layout,
    reference: Reference,
    tag: Option<String>,
    index: Descriptor,
) -> Result<Fetched, FetchError> {
    let mut blobs = BTreeMap::new();
    let mut read = |blob: &Descriptor, limit| {
        let bytes = layout.blob(blob, limit)?;
        blobs.insert(blob.digest, bytes.clone());
        Ok::<_, FetchError>(bytes)
    };

    let index_bytes = layout.blob(&index, MAX_MANIFEST)?;
    let children = Index::parse(&index_bytes)?;
    let config = index::config_of(children.config(), &read(children.config(), MAX_MANIFEST)?)?;
    let (bundle, warnings) = Bundle::parse_published(&read(&config, MAX_MANIFEST)?)?;
    children.check(&bundle)?;

    let manifest = read(children.invocation(), MAX_MANIFEST)?;
    let (wasm_config, layer) = index::component_of(children.invocation(), &manifest)?;
    read(&wasm_config, MAX_MANIFEST)?;
    let limit = u64::try_from(component::MAX_COMPONENT).unwrap_or(u64::MAX);
    let component = Component::read(layout.blob(&layer, limit)?)?;

    let (mut absent_images, mut left) = (Vec::new(), MAX_IMAGES);
    for (name, image) in children.components() {
        match read(image, left.min(MAX_MANIFEST)) {
            Ok(_) => left = left.saturating_sub(image.size),
            Err(FetchError::Absent(_)) => absent_images.push(name.clone()),
            Err(error) => return Err(error),
        }
    }
    Ok(Fetched {
        reference,
        tag,
        signatures: evidence::gather(layout, index.digest)?,
        index,
        index_bytes,
        bundle,
        component,
        blobs,
        absent_images,
        warnings,
    })
}

fn list(tags: &[String]) -> String {
    tags.iter().map(|tag| format!("`{}`", document::visible(tag))).collect::<Vec<_>>().join(", ")
}

fn known(tags: &[String]) -> String {
    if tags.is_empty() { String::new() } else { format!(", but {}", list(tags)) }
}
