//! The events that an operation reports beside its result, and who receives them.

use std::fmt;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::document::visible;
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
    /// An installation stays that was made for one that goes, since others need it.
    DependencyKept {
        /// The installation.
        installation: String,
        /// Who needs it.
        by: Vec<String>,
    },
    /// A dependency is no longer one, and its installation stays.
    DependencyLeft {
        /// The dependency.
        dependency: String,
        /// The installation.
        installation: String,
    },
    /// A dependency is there already.
    DependencyThere {
        /// The dependency.
        dependency: String,
        /// The installation.
        installation: String,
        /// What it is of.
        bundle: String,
    },
    /// A dependency would be installed before what was planned.
    DependencyToCome {
        /// The dependency.
        dependency: String,
        /// The installation.
        installation: String,
    },
    /// A dependency is about to be installed or upgraded.
    DependencyWanted {
        /// The dependency.
        dependency: String,
        /// The installation.
        installation: String,
        /// Where its bundle is.
        reference: String,
    },
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
            Self::DependencyKept { installation, by } => {
                write!(f, "`{installation}` stays, since {} needs it", by.join(", "))
            }
            Self::DependencyLeft { dependency, installation } => {
                let dependency = visible(dependency);
                write!(f, "`{dependency}` is no dependency any more; its installation `{installation}` stays")
            }
            Self::DependencyThere { dependency, installation, bundle } => {
                let (dependency, bundle) = (visible(dependency), visible(bundle));
                write!(f, "The dependency `{dependency}` is there: {bundle}, installation `{installation}`.")
            }
            Self::DependencyToCome { dependency, installation } => {
                let dependency = visible(dependency);
                write!(
                    f,
                    "the dependency `{dependency}` is not there: `install` would make it first, as the installation \
                     `{installation}` with a plan of its own"
                )
            }
            Self::DependencyWanted { dependency, installation, reference } => {
                let (dependency, reference) = (visible(dependency), visible(reference));
                write!(f, "First the dependency `{dependency}`: {reference}, installation `{installation}`.")
            }
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
