//! Errors of targets.

use std::path::PathBuf;

use crate::cluster::Error as ClusterError;

use super::credentials::{Misplaced, Unrecoverable};

/// Why an operation on a target failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster refused or cannot be reached.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A file that was changed by hand.
    #[error("{object} was changed by hand ({})", file.display())]
    Edited {
        /// Which object.
        object: String,
        /// Its file.
        file: PathBuf,
    },
    /// A manifest does not fit its kind. No value of it is told.
    #[error("{object} does not fit Kubernetes {version}: {}", faults.join("; "))]
    Fields {
        /// Which object.
        object: String,
        /// The version of Kubernetes.
        version: &'static str,
        /// Fields that the kind does not have, or that are of other types, by their places.
        faults: Vec<String>,
    },
    /// An object that this installation did not make.
    #[error("{object} is already there and belongs to {}", owner.as_deref().unwrap_or("nobody that is known"))]
    Foreign {
        /// Which object.
        object: String,
        /// The installation it belongs to, if it says so.
        owner: Option<String>,
    },
    /// An object that is to be made anew is not gone in time.
    #[error("{object} cannot be made anew: {why}")]
    Held {
        /// Which object.
        object: String,
        /// The reason why it is still there.
        why: String,
    },
    /// A file or directory that cannot be read or written.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] std::io::Error),
    /// An object that would have to be replaced, although its data would be lost.
    #[error("{object} cannot be changed in {}, and is never replaced, since what it holds would be lost", fields.join(", "))]
    Irreplaceable {
        /// Which object.
        object: String,
        /// The immutable fields.
        fields: Vec<String>,
    },
    /// The record of the run cannot be written.
    #[error("what the run does cannot be recorded: {0}")]
    Ledger(String),
    /// A credential stands where it may not.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// An object that was made ready for a target of the other kind. A run has one target, so this is a fault of ours.
    #[error("{0} was made ready for another target")]
    Misprepared(String),
    /// A directory in which an installation of this name is that another state has on record.
    #[error("{owner} is in `{}` already, as another state has it on record", path.display())]
    Namesake {
        /// The directory.
        path: PathBuf,
        /// The installation.
        owner: String,
    },
    /// A directory that is not the one that an installation wrote to, as where a file system is not mounted.
    #[error(
        "`{}` {}: nothing of it is removed or forgotten",
        path.display(),
        if *is_there { "is not the directory that was written to" } else { "is not there" }
    )]
    OtherDirectory {
        /// Its path.
        path: PathBuf,
        /// Whether a directory is there.
        is_there: bool,
    },
    /// A file that holds another object, whose kind differs in case alone.
    #[error("{object} cannot be there: its file holds {other}")]
    Shared {
        /// Which object.
        object: String,
        /// The object in the file.
        other: String,
    },
    /// An object that this installation made, and that one of the same name in another state has taken over.
    #[error("{object} is not this installation's any more: {owner} of another state has taken it over")]
    TakenOver {
        /// Which object.
        object: String,
        /// The installation that it belongs to by now.
        owner: String,
    },
    /// A file that is not an object.
    #[error("the file of {0} cannot be read: {1}")]
    Unreadable(String, String),
    /// A generated credential that cannot be found again.
    #[error(transparent)]
    Unrecoverable(#[from] Unrecoverable),
    /// An object was removed, and its replacement was refused.
    #[error("{0} was removed, and could not be made anew")]
    Unreplaced(String, #[source] Box<Self>),
}

/// How far the request that applies an object went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It was sent, and nobody knows what came of it.
    Lost,
    /// It was never sent.
    NotSent,
    /// The target refused it.
    Refused,
    /// The object was written.
    Written,
}

impl Error {
    /// Whether it is certain that the target has written nothing.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Cluster(error) => error.is_refusal(),
            Self::Edited { .. }
            | Self::Foreign { .. }
            | Self::Irreplaceable { .. }
            | Self::Misplaced(_)
            | Self::Namesake { .. }
            | Self::Shared { .. }
            | Self::TakenOver { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn held(object: String, why: &str) -> Self {
        Self::Held { object, why: why.to_owned() }
    }
}
