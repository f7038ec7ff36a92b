//! Turns a source directory into a signed bundle.
//!
//! [`build()`] writes the bundle into an OCI layout, [`sign()`] adds a signature to it, [`init()`] makes a directory to
//! start from. Nothing here is needed to run a bundle.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::bundle::{self, Fault, component, index::IndexError};
use crate::fetch::FetchError;
use crate::oci::OciError;
use crate::oci::file::open_directory;
use crate::signature::KeyError;
use crate::text::CommandLine;
use crate::{capability, document};

mod source;
mod places;
mod init;
mod directory;
mod lint;
mod cases;
mod watch;
mod build;
mod sign;

pub use build::{BuildPlace, Built, build, build_to};
pub use cases::{Case, CasesSpec, Expected, cases};
pub use init::{Begun, Language, init};
pub use lint::{bundle_faults, component_faults, request_faults, source_faults};
pub use sign::{Signed, sign};
pub use source::SourceSpec;
pub use watch::{Snapshot, is_there, snapshot};

/// Why a bundle was not built or signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorError {
    /// The bundle breaks a rule.
    #[error("the bundle is not valid")]
    Bundle(#[from] bundle::InvalidBundle),
    /// The component breaks a rule.
    #[error("the component cannot be used")]
    Component(#[from] component::InvalidComponent),
    /// A document cannot be read or written.
    #[error("a document is not valid")]
    Document(#[from] document::InvalidDocument),
    /// The file is a core module without what it takes to become a component.
    #[error("the core module cannot be made a component: {0}")]
    Encode(String),
    /// The source, or the bundle that would be made of it, breaks rules.
    #[error("the source directory has {} fault{}", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Faults(Vec<Fault>),
    /// The bundle to sign cannot be fetched.
    #[error("the files cannot be used")]
    Fetch(#[from] FetchError),
    /// The index cannot be written.
    #[error("the index cannot be written")]
    Index(#[from] IndexError),
    /// The key cannot be used.
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
    /// The component is not there: it was not built yet.
    #[error("the component `{}` is not there", .file.display())]
    NoComponent {
        /// Its file.
        file: PathBuf,
        /// The build command, as far as the files beside `carnet.yaml` tell.
        build: Option<CommandLine>,
    },
    /// A directory to start from would overwrite something.
    #[error("`{}` is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The layout or the source cannot be read or written.
    #[error("the files cannot be used")]
    Oci(#[from] OciError),
    /// The requests break a rule.
    #[error("the requests cannot be used")]
    Requests(#[from] capability::InvalidRequests),
    /// The system did not let us read or write.
    #[error("cannot access `{}`", .name.display())]
    System {
        /// The file or directory.
        name: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The tag cannot be one of a bundle.
    #[error("`{0}` cannot be the tag of a bundle")]
    Tag(String),
    /// The component imports an interface that the host does not provide.
    #[error("the component imports what carnet does not provide: {}", list(.0))]
    Unprovided(Vec<String>),
    /// The component imports an interface that no request covers.
    #[error("the component imports what `requests` does not ask for: {}", list(.0))]
    Unrequested(Vec<String>),
}

/// Opens a directory that a person named, and makes it where it is not there.
fn create_directory(path: &Path) -> io::Result<Dir> {
    #[expect(clippy::disallowed_methods, reason = "the place was named by the person who called us")]
    Dir::create_ambient_dir_all(path, cap_std::ambient_authority())?;
    open_directory(path)
}

impl AuthorError {
    fn system(name: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { name: name.to_owned(), source }
    }
}

fn list<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}
