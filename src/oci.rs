//! Reads and writes OCI blobs: bytes whose digests are checked, wherever they are stored.
//!
//! This is the ground that everything stands on that travels as OCI artifacts: [`Descriptor`], [`Manifest`],
//! [`ImageIndex`] and lists of [`referrers`], and the [`Repository`] that has them. Nothing here knows what an artifact
//! is for. Documents are small and read whole, within a bound; other blobs are [streams](BlobStream), so that copying
//! one never holds it. Whatever comes from a repository is checked against the digest and the size that it was asked
//! for by, and there is no way around that: a [`BlobStream`] is all that a repository gives out.

use std::io;

use crate::digest::{self, Digest};
use crate::document;

pub mod media_type;
mod texts;
mod descriptor;
mod members;
mod manifest;
mod index;
mod blob;
pub(crate) mod file;
mod listing;
mod store;
mod layout;
mod archive;
pub mod registry;
mod repository;
pub mod referrers;
mod graph;

pub use archive::{Archive, ArchiveFault};
pub use blob::{BlobStream, CopyObserver};
pub use descriptor::{Descriptor, EMPTY_BLOB};
pub use graph::{Absent, CopySum, copy_graph};
pub use index::{ImageIndex, MAX_ENTRIES};
pub use layout::Layout;
pub use listing::{LayoutEntry, Listing};
pub use manifest::Manifest;
pub use members::DocumentMembers;
pub use repository::{Repository, copy};
pub use store::{Kept, Removed, Store};

/// The longest OCI manifest or index that is read, in bytes: the size that registries must accept.
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// Why an OCI document is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A digest of an algorithm that is not read.
    #[error("it is named by its {0} digest, and only sha256 is read: copy it by a program that names it so")]
    Algorithm(&'static str),
    /// The bytes are not those that were asked for.
    #[error(transparent)]
    Bytes(#[from] digest::Mismatch),
    /// The text is not a JSON document that is read at all.
    #[error("the document cannot be read")]
    Document(#[from] document::InvalidDocument),
    /// A document has another media type than it must have.
    #[error("the media type is `{}`", document::visible(.0))]
    MediaType(String),
    /// A member is missing or has the wrong type.
    #[error("the member `{}` is missing or of the wrong type", document::visible(.0))]
    Member(String),
    /// A document is a manifest and an index at once, and readers would disagree about which.
    #[error("the document has `manifests` beside `config` or `layers`")]
    Mixed,
    /// The document is of another version.
    #[error("`schemaVersion` is not 2")]
    SchemaVersion,
    /// The number of bytes is not the one that was promised.
    #[error("{actual} bytes came where {expected} were promised")]
    Size {
        /// The promised number.
        expected: u64,
        /// The actual one.
        actual: u64,
    },
}

/// Why a blob or a document cannot be read from a repository, or written to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// A blob is not there.
    #[error("{0} is not there")]
    Absent(Digest),
    /// One tag names several blobs.
    #[error("the tag `{}` is there several times", document::visible(.0))]
    Ambiguous(String),
    /// An archive is refused.
    #[error("`{}` cannot be used as an archive", document::visible(.name))]
    Archive {
        /// The file.
        name: String,
        /// The fault.
        source: ArchiveFault,
    },
    /// A blob was changed or cut.
    #[error("a blob is not the one that its name says")]
    Digest(#[from] digest::Mismatch),
    /// A file of the layout itself, or a list, cannot be read.
    #[error("{name} cannot be read as JSON")]
    Document {
        /// The file.
        name: &'static str,
        /// The mistake.
        source: document::InvalidDocument,
    },
    /// A list does not have the form of one.
    #[error("{0} is not an OCI index")]
    Form(&'static str),
    /// A document breaks a rule.
    #[error("an OCI document is not valid")]
    Malformed(#[from] Malformed),
    /// Something that should be a plain file is a link, a directory or a device.
    #[error("`{0}` is not a plain file")]
    NotAFile(String),
    /// A link that leads out of the layout.
    #[error("`{0}` is a link that leads out of the layout: copy it with its links resolved (`cp -rL`)")]
    Outside(String),
    /// A registry could not be used.
    #[error(transparent)]
    Registry(#[from] registry::RegistryError),
    /// A blob has another size than was promised.
    #[error("the blob {digest} has more or fewer bytes than the {expected} that were promised")]
    Size {
        /// The blob.
        digest: Digest,
        /// The size that was promised.
        expected: u64,
    },
    /// The system did not let us read or write.
    #[error("cannot access `{name}`")]
    System {
        /// The file or directory.
        name: String,
        /// The system's reason.
        source: io::Error,
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
    #[error("{0} has more than the {MAX_ENTRIES} entries that are read")]
    TooMany(&'static str),
    /// A list does not keep what is added to it.
    #[error("{0} does not keep what is added to it: others may be writing it, so try again")]
    Unlisted(&'static str),
    /// The layout is of another version.
    #[error("the layout is not of version 1.0.0")]
    Version,
}

impl OciError {
    /// Whether nobody answered at all.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Registry(error) if error.is_silence())
    }

    fn system(name: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let name = name.into();
        move |source| Self::System { name, source }
    }
}

#[cfg(test)]
mod tests;
