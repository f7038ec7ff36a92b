//! Opens the database of a state directory: to write it, or, where that cannot be, to read what is there.
//!
//! It is a module since whoever uses the database should not have to think of its file: every error names it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use rusqlite::{Connection, OpenFlags};

use crate::state::StateError;
use crate::sync::Mutex;

use super::fault::Fault;
use super::private::{hide, private_file};
use super::schema;

/// The database, with its file.
pub(super) struct Database {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Database {
    /// Opens it, and makes it where there is none.
    pub(super) fn open(path: PathBuf) -> Result<Self, StateError> {
        let io = |error| StateError::Io(path.clone(), error);
        refuse_dangling(&path).map_err(io)?;
        private_file(&path)?;
        for file in [wal(&path), beside(&path, "-shm")] {
            hide(&file).map_err(|error| StateError::Io(file.clone(), error))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::opened(Connection::open_with_flags(&path, flags), path, schema::prepare)
    }

    /// Opens what is there, and writes nothing. Where nothing is there, it is empty.
    pub(super) fn open_to_read(path: PathBuf) -> Result<Self, StateError> {
        refuse_dangling(&path).map_err(|error| StateError::Io(path.clone(), error))?;
        let opened = match size(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Connection::open_in_memory(),
            Err(error) => return Err(StateError::Io(path, error)),
            Ok(_) => open_unchanged(&path),
        };
        Self::opened(opened, path, schema::prepare_to_read)
    }

    /// Does something with the database. Whatever goes wrong names its file.
    pub(super) fn using<T>(
        &self,
        act: impl FnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, StateError> {
        act(&mut self.locked()).map_err(|fault| fault.at(&self.path))
    }

    fn locked(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock()
    }

    fn opened(
        opened: rusqlite::Result<Connection>,
        path: PathBuf,
        prepare: impl FnOnce(&Connection) -> Result<(), Fault>,
    ) -> Result<Self, StateError> {
        let prepared = opened.map_err(Fault::from).and_then(|connection| {
            prepare(&connection)?;
            Ok(connection)
        });
        match prepared {
            Ok(connection) => Ok(Self { path, connection: Mutex::new(connection) }),
            Err(fault) => Err(fault.at(&path)),
        }
    }
}

/// Opens a database that cannot be written. To read one with changes beside it takes a file for readers; where there are
/// none, it is read as a file that nobody writes.
fn open_unchanged(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if size(&wal(path)).is_ok_and(|bytes| bytes > 0) {
        return Connection::open_with_flags(path, flags);
    }
    let name = format!("file:{}?immutable=1", in_uri(path));
    Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_URI)
}

/// A path as part of a URI.
fn in_uri(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes.fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                text.push(char::from(*byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}

/// The file with changes that are not yet in the database's own.
fn wal(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
fn size(path: &Path) -> io::Result<u64> {
    path.metadata().map(|metadata| metadata.len())
}

/// Refuses a link that leads nowhere: another database would begin at its other end, where a record was meant to be.
#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
fn refuse_dangling(path: &Path) -> io::Result<()> {
    if path.is_symlink() { path.metadata().map(drop) } else { Ok(()) }
}
