//! The events that an operation reports beside its result, and who receives them.

use std::fmt;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::host::progress::RunEvent;
use crate::install::Unattended;
use crate::state::Revision;

/// Receives the events that an operation reports beside its result.
pub trait Listener: Send + Sync {
    /// Reports an event.
    fn told(&self, notice: &Notice);
}

/// Ignores all events.
impl Listener for Unattended {
    fn told(&self, _: &Notice) {}
}

/// An event that people want to know of while it happens. Its text is a sentence.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A source directory is built, since it is no bundle yet.
    Building(PathBuf),
    /// A component is compiled, which takes a while and is done once on each machine.
    Compiling,
    /// Everything that a source directory asks for is granted.
    Development,
    /// A warning about the bundle, such as a member that is ignored.
    Ignored(String),
    /// The revision that is gone back to was made by a version of the program that did not record files.
    FilesNotRecorded,
    /// A warning about a source directory.
    Fault(String),
    /// The run acts with all rights of the caller.
    OwnIdentity,
    /// The installation goes back to a revision.
    Returning(Box<Revision>),
    /// The run waits for nothing, not even where the component asks for it.
    Unawaited,
    /// The target cannot be reached for the readiness of its objects.
    Unasked(String),
    /// A run failed, and what it has done is undone.
    Undoing {
        /// The action.
        action: String,
        /// The installation.
        name: String,
    },
    /// An unsigned bundle is used.
    Unsigned(Digest),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Building(directory) => write!(f, "Building `{}`.", directory.display()),
            Self::Compiling => RunEvent::Compiling.fmt(f),
            Self::Development => f.write_str("all that the bundle asks for is granted, whatever that is"),
            Self::Ignored(what) => write!(f, "bundle.json: {what}"),
            Self::FilesNotRecorded => {
                f.write_str("what files held at that revision is not recorded: they are read as they are now")
            }
            Self::Fault(fault) => f.write_str(fault),
            Self::OwnIdentity => f.write_str("the run acts as you, with all your rights"),
            Self::Returning(revision) => {
                let Revision { revision, bundle, created, .. } = &**revision;
                write!(f, "Going back to revision {revision} ({bundle}, {created}).")
            }
            Self::Unawaited => f.write_str(
                "the bundle's steps follow each other without the waits that it asks for in between",
            ),
            Self::Unasked(why) => write!(f, "the target cannot be asked: {why}"),
            Self::Undoing { action, name } => {
                write!(f, "the {action} of {name} failed; going back to what was there")
            }
            Self::Unsigned(digest) => {
                write!(f, "sha256:{} is used without a check of who signed it.", digest.short())
            }
        }
    }
}
