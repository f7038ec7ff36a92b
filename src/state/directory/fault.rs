//! Turns what SQLite says into what is wrong with a state database, in our words and with its file.
//!
//! It is a module since nothing else should see SQLite's errors: they name no file, and not what can be done.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::document::InvalidDocument;
use crate::state::{DatabaseFault, StateError};

/// The version of the tables.
pub(super) const VERSION: i64 = 3;

/// Why something could not be done with the database, before its file is named.
pub(super) enum Fault {
    Database(rusqlite::Error),
    /// It has this version, which is newer than the program's.
    Newer(i64),
    State(StateError),
}

impl Fault {
    /// The fault of the database in this file.
    pub(super) fn at(self, path: &Path) -> StateError {
        let path = path.to_owned();
        match self {
            Self::Database(error) => StateError::Database { path, fault: meaning(&error) },
            Self::Newer(found) => StateError::Newer { path, found, known: VERSION },
            Self::State(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<InvalidDocument> for Fault {
    fn from(error: InvalidDocument) -> Self {
        Self::State(error.into())
    }
}

/// An error that is none of SQLite's own comes from a table with other columns than ours.
fn meaning(error: &rusqlite::Error) -> DatabaseFault {
    let Some(code) = error.sqlite_error_code() else { return DatabaseFault::Foreign };
    match code {
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => DatabaseFault::CannotOpen,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            DatabaseFault::Busy
        }
        ErrorCode::DatabaseCorrupt => DatabaseFault::Damaged,
        ErrorCode::DiskFull => DatabaseFault::Full,
        ErrorCode::NotADatabase | ErrorCode::Unknown => DatabaseFault::Foreign,
        ErrorCode::ReadOnly => DatabaseFault::ReadOnly,
        ErrorCode::SystemIoFailure => DatabaseFault::Failed,
        _ => DatabaseFault::Other(error.sqlite_error().map_or(0, |error| error.extended_code)),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn each_fault_of_the_database_is_told_by_what_can_be_done_about_it() {
        let told = |code| meaning(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for (code, expected) in [
            (ffi::SQLITE_CANTOPEN, DatabaseFault::CannotOpen),
            (ffi::SQLITE_PERM, DatabaseFault::CannotOpen),
            (ffi::SQLITE_BUSY, DatabaseFault::Busy),
            (ffi::SQLITE_LOCKED, DatabaseFault::Busy),
            (ffi::SQLITE_PROTOCOL, DatabaseFault::Busy),
            (ffi::SQLITE_CORRUPT, DatabaseFault::Damaged),
            (ffi::SQLITE_FULL, DatabaseFault::Full),
            (ffi::SQLITE_NOTADB, DatabaseFault::Foreign),
            (ffi::SQLITE_READONLY, DatabaseFault::ReadOnly),
            (ffi::SQLITE_IOERR, DatabaseFault::Failed),
            (ffi::SQLITE_INTERNAL, DatabaseFault::Other(ffi::SQLITE_INTERNAL)),
        ] {
            assert_eq!(told(code), expected, "{code}");
        }
        assert_eq!(meaning(&rusqlite::Error::QueryReturnedNoRows), DatabaseFault::Foreign);
    }
}
