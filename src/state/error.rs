//! Why the state could not be used, on either backend.

use std::path::PathBuf;

use crate::cluster::{self, Unconfigured};
use crate::digest::Digest;
use crate::document;
use crate::fetch;

use super::holder::Holder;

/// Why the state could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A bundle could not be kept.
    #[error("the bundle could not be kept")]
    Bundle(#[from] fetch::FetchError),
    /// The cluster refused, or cannot be reached.
    #[error("the state in the cluster cannot be used")]
    Cluster(#[from] cluster::Error),
    /// A record in the cluster is not what was written.
    #[error("the record `{record}` cannot be used: {why}")]
    Corrupt {
        /// The record.
        record: String,
        /// The fault of the record.
        why: String,
    },
    /// The database cannot be used.
    #[error("the state database `{}` cannot be used", .path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// The reason.
        #[source]
        fault: DatabaseFault,
    },
    /// A stored document has the wrong shape.
    #[error("the state holds a record that cannot be read")]
    Document(#[from] document::InvalidDocument),
    /// Others can write there.
    #[error("others can write to `{}`, so what it says is not yours alone", .0.display())]
    Exposed(PathBuf),
    /// It belongs to somebody else.
    #[error("`{}` belongs to another user, so what it says is not yours", .0.display())]
    Foreign(PathBuf),
    /// A file or directory of the state.
    #[error("the state cannot use {}", .0.display())]
    Io(PathBuf, #[source] std::io::Error),
    /// Another run holds the installation.
    #[error("another run of `{name}` is in progress{}", held_by(.holder.as_deref()))]
    Locked {
        /// The installation.
        name: String,
        /// Whose run it is, if they say so.
        holder: Option<Box<Holder>>,
    },
    /// Somebody else has taken over the installation while this run went on.
    #[error("the run no longer holds `{name}`: {why}")]
    Lost {
        /// The installation.
        name: String,
        /// How the lock was lost.
        why: String,
    },
    /// There is no such installation.
    #[error("there is no installation `{0}`")]
    Missing(String),
    /// The database was written by a newer version.
    #[error("the state database `{}` has version {found}, and this program knows {known}", .path.display())]
    Newer {
        /// Its file.
        path: PathBuf,
        /// The version that it has.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The bundle is not kept.
    #[error("the state does not hold the bundle {0}")]
    NoBundle(Digest),
    /// Nothing can be written to the state.
    #[error("the state in `{}` can be read, and not be written", .0.display())]
    ReadOnly(PathBuf, #[source] std::io::Error),
    /// Others can put another directory in its place.
    #[error(
        "others can put another directory in the place of `{}`, since they can write to `{}`",
        .state.display(), .exposed.display()
    )]
    Replaceable {
        /// The state directory.
        state: PathBuf,
        /// The directory above it that is open to all.
        exposed: PathBuf,
    },
    /// A record is larger than what a cluster should be asked to hold.
    #[error("{what} has more than the {max} bytes that are kept in a cluster")]
    TooLarge {
        /// Which record.
        what: String,
        /// The most bytes.
        max: usize,
    },
    /// No cluster is configured.
    #[error("the state is in the cluster, and no cluster can be asked")]
    Unconfigured(#[from] Unconfigured),
    /// The part of the program that talks to the cluster is gone.
    #[error("the state in the cluster cannot be reached any more")]
    Unreachable,
}

/// A fault that keeps the database of a state directory from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseFault {
    /// Somebody else uses it.
    #[error("another program is using it")]
    Busy,
    /// It is there, and cannot be opened.
    #[error("it cannot be opened")]
    CannotOpen,
    /// Its bytes are not what was written.
    #[error("it is damaged")]
    Damaged,
    /// The disk failed.
    #[error("its disk cannot be read or written")]
    Failed,
    /// It is no database, or has other tables.
    #[error("it is no state database of carnet's")]
    Foreign,
    /// There is no more room.
    #[error("its disk is full")]
    Full,
    /// Anything else.
    #[error("SQLite fails with its code {0}")]
    Other(i32),
    /// It cannot be written.
    #[error("it cannot be written")]
    ReadOnly,
}

impl StateError {
    /// Whether the fault is that of one record, so that others may be readable.
    pub fn is_of_a_record(&self) -> bool {
        use cluster::Error::{Response, TooLong};
        matches!(self, Self::Corrupt { .. } | Self::Document(_) | Self::Cluster(Response { .. } | TooLong))
    }
}

fn held_by(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| format!(": {holder}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A spoiled record hides no other, and a state that cannot be read at all is no spoiled record.
    #[test]
    fn a_fault_of_one_record_is_told_from_one_of_the_state() {
        let document = document::json(b"{").unwrap_err();
        let corrupt = StateError::Corrupt { record: "carnet.web".into(), why: "it is empty".into() };
        for fault in [corrupt, document.into(), cluster::Error::TooLong.into()] {
            assert!(fault.is_of_a_record(), "{fault}");
        }
        let io = std::io::Error::other("gone");
        for fault in [
            StateError::Io("/state".into(), io),
            StateError::Missing("web".into()),
            StateError::Unreachable,
            StateError::Database { path: "/state/state.db".into(), fault: DatabaseFault::Damaged },
        ] {
            assert!(!fault.is_of_a_record(), "{fault}");
        }
    }

    #[test]
    fn who_holds_an_installation_is_told_as_far_as_they_say_so() {
        let locked = |holder: Option<Holder>| {
            StateError::Locked { name: "web".into(), holder: holder.map(Box::new) }.to_string()
        };
        assert_eq!(locked(None), "another run of `web` is in progress");
        let holder =
            Holder { who: "a\u{1b}[2Jb".into(), since: "2026-01-01T00:00:00Z".into(), is_overdue: true };
        assert_eq!(
            locked(Some(holder)),
            "another run of `web` is in progress: a\\u{1b}[2Jb since 2026-01-01T00:00:00Z, and has not been heard of lately"
        );
    }
}
