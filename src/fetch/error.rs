//! Why a bundle could not be fetched, and what to do then.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::bundle;
use crate::bundle::component::InvalidComponent;
use crate::bundle::index::IndexError;
use crate::digest::Digest;
use crate::document;
use crate::oci::OciError;

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
    /// No bundle is in the layout or archive.
    #[error("no bundle is there")]
    Empty,
    /// A document around the bundle breaks a rule.
    #[error("the documents around the bundle are not valid")]
    Index(#[from] IndexError),
    /// No bundle of this digest is in the layout or archive.
    #[error("no bundle {0} is there")]
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
    /// The tag is not in the layout or archive.
    #[error("no tag `{tag}` is there{}", known(.tags))]
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

pub(super) fn system(name: impl fmt::Display) -> impl FnOnce(io::Error) -> FetchError {
    let name = name.to_string();
    move |source| FetchError::Oci(OciError::System { name, source })
}

fn list(tags: &[String]) -> String {
    tags.iter().map(|tag| format!("`{}`", document::visible(tag))).collect::<Vec<_>>().join(", ")
}

fn known(tags: &[String]) -> String {
    if tags.is_empty() { String::new() } else { format!(", but {}", list(tags)) }
}
