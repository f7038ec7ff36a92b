//! All that an operation may use, handed in by whoever asks, and what it has to say beside its result.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::Digest;
use crate::install::{Approver, Cancellation, Environment, Unattended};
use crate::state::{Revision, State};

use super::Bundles;

/// What an operation on installations works with.
pub struct Services<'a> {
    /// Where installations are recorded.
    pub state: &'a State,
    /// How bundles get here, and by whom they are judged.
    pub bundles: Bundles,
    /// Where compiled components are kept.
    pub cache: Option<PathBuf>,
    /// The one who is asked.
    pub approver: Arc<dyn Approver>,
    /// Stops a run.
    pub cancellation: Cancellation,
}

/// Hears what an operation has to say beside its result.
pub trait Listener: Send + Sync {
    /// Something that people want to know while it happens.
    fn told(&self, notice: &Notice);
}

/// Nobody listens.
impl Listener for Unattended {
    fn told(&self, _: &Notice) {}
}

/// Something that people want to know while it happens. As text, it is a sentence.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A source directory is built, since it is no bundle yet.
    Building(PathBuf),
    /// The bundle has a member that is ignored, or something else that is not as it should be.
    Ignored(String),
    /// A source directory has something that is not as it should be.
    Fault(String),
    /// The run acts with all rights of the caller.
    OwnIdentity,
    /// The installation goes back to a revision.
    Returning(Box<Revision>),
    /// The target cannot be asked how its objects are.
    Unasked(String),
    /// A run failed, and what it has done is undone.
    Undoing {
        /// The action.
        action: String,
        /// The installation.
        name: String,
    },
    /// A bundle is used although nobody vouches for it.
    Unsigned(Digest),
}

impl Services<'_> {
    /// What acting takes of it.
    pub(super) fn environment(&self) -> Environment<'_> {
        Environment {
            state: self.state,
            cache: self.cache.clone(),
            approver: Arc::clone(&self.approver),
            cancellation: self.cancellation.clone(),
        }
    }

    pub(super) fn tell(&self, notice: &Notice) {
        self.bundles.listener.told(notice);
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Building(directory) => write!(f, "Building `{}`.", directory.display()),
            Self::Ignored(what) => write!(f, "bundle.json: {what}"),
            Self::Fault(fault) => f.write_str(fault),
            Self::OwnIdentity => f.write_str("the run acts as you, with all your rights (--identity own)"),
            Self::Returning(revision) => {
                let Revision { revision, bundle, created, .. } = &**revision;
                write!(f, "Going back to revision {revision} ({bundle}, {created}).")
            }
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
