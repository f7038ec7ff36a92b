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
    /// The database refused: its fault, in our words.
    #[error("the state database cannot be used: {0}")]
    Database(String),
    /// A stored document has the wrong shape.
    #[error("the state holds a record that cannot be read")]
    Document(#[from] document::InvalidDocument),
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
    #[error("the state database has version {found}, and this program knows {known}")]
    Newer {
        /// The version that it has.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The bundle is not kept.
    #[error("the state in the cluster does not hold the bundle {0}")]
    NoBundle(Digest),
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

impl StateError {
    /// Whether the fault is that of one record, so that others may be readable.
    pub fn is_of_a_record(&self) -> bool {
        use cluster::Error::{Response, TooLong};
        matches!(self, Self::Corrupt { .. } | Self::Document(_) | Self::Cluster(Response { .. } | TooLong))
    }
}

impl From<rusqlite::Error> for StateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(database_fault(&error))
    }
}

/// What is wrong with the database, and not how its library puts it.
pub(super) fn database_fault(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied,
        ReadOnly, SystemIoFailure,
    };
    let fault = match error.sqlite_error_code() {
        Some(DiskFull | SystemIoFailure) => "the disk is full, or cannot be read and written",
        Some(DatabaseBusy | DatabaseLocked) => "another program is using it",
        Some(DatabaseCorrupt | NotADatabase) => "it is damaged, or is something else",
        Some(CannotOpen | PermissionDenied | ReadOnly) => "it may not be opened or written",
        _ => return document::visible_line(&error.to_string()),
    };
    fault.into()
}

fn held_by(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| format!(": {holder}"))
}
