//! The state of one user: SQLite and OCI image layouts in a directory.
//!
//! ```text
//! state.db          installations, claims, results, outputs, inventory, identities
//! bundles/HEX/      the bundle of that digest, an OCI image layout with its signatures
//! locks/HEX         one advisory lock for each installation
//! ```

mod private;
mod fault;
mod schema;
mod database;
mod file_lock;
mod inventory_writer;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::document::{self, chain};
use crate::fetch::{self, Fetched};
use crate::kubernetes::rbac::IdentityRecord;
use crate::targets::Ledger;

use super::{
    Holder, Identities, Installation, InstallationSettings, NewClaim, NewResult, RecordedClaim,
    RecordedResult, ResultStamp, Revisions, StateError, origin, timestamp, ulid,
};

use database::Database;
pub(super) use file_lock::FileLock;
use inventory_writer::DirectoryInventoryWriter;
pub use private::{is_own, private_directory};
use reader::Reader;

/// The state in a directory, with the connection to its database.
#[derive(Clone)]
pub(super) struct DirectoryState {
    path: PathBuf,
    database: Arc<Database>,
    /// Why it can be read alone.
    unwritable: Option<io::ErrorKind>,
}

impl fmt::Display for DirectoryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state in `{}`", self.path.display())
    }
}

impl DirectoryState {
    /// Opens the state in a directory, and makes it where there is none. The directory is for its user alone: the state
    /// says what was granted, and bundles in it are run. Where nothing can be written, it is opened to be read.
    ///
    /// # Ambient Authority
    /// The path is the operator's own word (`--state`).
    pub(super) fn open(directory: &Path) -> Result<Self, StateError> {
        let database = database_of(directory);
        if let Some(reason) = private::unwritable(directory).or_else(|| private::unwritable(&database)) {
            return Self::open_to_read(directory, reason);
        }
        match private_directory(directory) {
            Err(StateError::Io(_, error)) if private::is_lasting(error.kind()) => {
                return Self::open_to_read(directory, error.kind());
            }
            made => made?,
        }
        private::refuse_replaceable(directory)?;
        for folder in ["bundles", "locks"] {
            private_directory(&directory.join(folder))?;
        }
        let database = Arc::new(Database::open(database)?);
        Ok(Self { path: directory.to_owned(), database, unwritable: None })
    }

    /// Opens what is there, and writes nothing.
    fn open_to_read(directory: &Path, reason: io::ErrorKind) -> Result<Self, StateError> {
        let database = Arc::new(Database::open_to_read(database_of(directory))?);
        Ok(Self { path: directory.to_owned(), database, unwritable: Some(reason) })
    }

    fn writable(&self) -> Result<(), StateError> {
        match self.unwritable {
            Some(reason) => Err(StateError::ReadOnly(self.path.clone(), reason.into())),
            None => Ok(()),
        }
    }

    /// Takes the lock of an installation, so that nobody else can act on it.
    pub(super) fn lock(&self, name: &str) -> Result<FileLock, StateError> {
        self.writable()?;
        FileLock::take(&self.path.join("locks"), name)
    }

    /// The holder of an installation's lock.
    pub(super) fn holder(&self, name: &str) -> Result<Option<Holder>, StateError> {
        file_lock::holder(&self.path.join("locks"), name)
    }

    /// All installations, by name.
    pub(super) fn list(&self) -> Result<Vec<Installation>, StateError> {
        self.database.using(|database| {
            let mut query = database.prepare("select name from installations order by name")?;
            let names: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let mut reader = Reader::of(database)?;
            names.iter().filter_map(|name| reader.find(name).transpose()).collect()
        })
    }

    /// An installation, if there is one of this name.
    pub(super) fn find(&self, name: &str) -> Result<Option<Installation>, StateError> {
        self.database.using(|database| Reader::of(database)?.find(name))
    }

    /// The tracked actions of an installation, oldest first.
    pub(super) fn revisions(&self, name: &str) -> Result<Revisions, StateError> {
        self.database.using(|database| Reader::of(database)?.revisions(name))
    }

    /// The claims of an installation, oldest first, each with its last result.
    pub(super) fn claims(&self, name: &str) -> Result<Vec<RecordedClaim>, StateError> {
        self.database.using(|database| {
            let mut claims = database.prepare(schema::CLAIMS)?;
            let mut outputs = database.prepare("select name, value from outputs where result = ?1")?;
            let rows = claims.query_map([name], |row| {
                let stamp = |id| Ok::<_, rusqlite::Error>(ResultStamp { id, created: row.get(2)? });
                let result = row.get::<_, Option<String>>(1)?.map(stamp).transpose()?;
                let result = result.map(|stamp| {
                    Ok::<_, rusqlite::Error>(RecordedResult {
                        stamp,
                        status: row.get(3)?,
                        message: row.get(4)?,
                    })
                });
                Ok((row.get::<_, String>(0)?, result.transpose()?))
            })?;
            let mut recorded = Vec::new();
            for row in rows {
                let (document, result) = row?;
                let mut values = BTreeMap::new();
                if let Some(result) = &result {
                    let rows = outputs.query_map([&result.stamp.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    for row in rows {
                        let (output, value): (String, String) = row?;
                        values.insert(output, document::json(value.as_bytes())?);
                    }
                }
                let document = document::json(document.as_bytes())?;
                recorded.push(RecordedClaim { document, result, outputs: values });
            }
            Ok(recorded)
        })
    }

    /// The current outputs of an installation: of each, the last value.
    pub(super) fn outputs(&self, name: &str) -> Result<BTreeMap<String, Value>, StateError> {
        self.database.using(|database| {
            let mut query = database.prepare(schema::OUTPUTS)?;
            let rows =
                query.query_map([name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            let mut outputs = BTreeMap::new();
            for row in rows {
                let (output, value) = row?;
                outputs.insert(output, document::json(value.as_bytes())?);
            }
            Ok(outputs)
        })
    }

    /// Keeps a bundle by its digest, with its signatures.
    pub(super) async fn keep(&self, fetched: &Fetched) -> Result<(), StateError> {
        let place = self.bundle_directory(fetched.digest());
        let io = |error| StateError::Io(place.clone(), error);
        self.writable()?;
        private_directory(&place)?;
        Ok(fetched.save(&open_directory(&place).map_err(io)?).await?)
    }

    /// Reads a bundle that is kept, and checks all of it again. `origin` is where it came from, as it was typed: trust
    /// is decided by that, not by where the copy is.
    pub(super) async fn load(&self, digest: Digest, origin: &str) -> Result<Fetched, StateError> {
        let place = self.bundle_directory(digest);
        let directory = open_directory(&place).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StateError::NoBundle(digest),
            _ => StateError::Io(place.clone(), error),
        })?;
        Ok(fetch::load(&directory, digest, origin::origin(origin, digest, Some(&place))).await?)
    }

    /// Records that an action begins. Claims without a result are closed first: their runs were interrupted.
    pub(super) fn begin(
        &self,
        name: &str,
        namespace: &str,
        settings: &InstallationSettings,
        claim: &NewClaim,
    ) -> Result<(), StateError> {
        self.writable()?;
        self.database.using(|database| {
            let write = database.transaction()?;
            write.execute(schema::SETTLE, params![ulid(), timestamp(), name])?;
            write.execute(schema::UPSERT, params![name, namespace, text(settings)?])?;
            let document = claim.document.to_string();
            write.execute(schema::CLAIM, params![claim.id, document, claim.modifies, name])?;
            Ok(write.commit()?)
        })
    }

    /// Records the result of an action.
    pub(super) fn finish(&self, claim: &NewClaim, result: &NewResult<'_>) -> Result<(), StateError> {
        self.writable()?;
        let ResultStamp { id, created } = result.stamp.clone().unwrap_or_else(ResultStamp::now);
        self.database.using(|database| {
            let write = database.transaction()?;
            write.execute(
                schema::RESULT,
                params![id, claim.id, created, result.status.as_str(), result.message],
            )?;
            for (output, value) in result.outputs {
                let value = value.to_string();
                let digest = Digest::of(value.as_bytes()).to_string();
                write.execute(schema::OUTPUT, params![id, output, value, digest])?;
            }
            Ok(write.commit()?)
        })
    }

    /// Records that an identity is about to be made.
    pub(super) fn identify(&self, name: &str, record: &IdentityRecord) -> Result<(), StateError> {
        self.writable()?;
        self.database.using(|database| {
            database.execute(schema::IDENTIFY, params![name, record.name, text(record)?])?;
            Ok(())
        })
    }

    /// The recorded identities, of one installation or of all.
    pub(super) fn identities(&self, name: Option<&str>) -> Result<Identities, StateError> {
        let rows = self.database.using(|database| {
            let mut query = database.prepare(schema::IDENTITIES_OF)?;
            let rows =
                query.query_map([name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        Ok(Identities::of(rows.into_iter().map(|(name, document)| {
            read(&document)
                .map_err(|error: StateError| StateError::Corrupt { record: name, why: chain(&error) })
        })))
    }

    /// An identity is gone.
    pub(super) fn forget_identity(&self, record: &IdentityRecord) -> Result<(), StateError> {
        self.writable()?;
        self.database.using(|database| {
            database.execute(schema::FORGET_IDENTITY, [&record.name])?;
            Ok(())
        })
    }

    /// Where a run of this installation writes down what it does to its target.
    pub(super) fn ledger(&self, name: &str) -> Box<dyn Ledger> {
        Box::new(DirectoryInventoryWriter { database: Arc::clone(&self.database), name: name.into() })
    }

    fn bundle_directory(&self, digest: Digest) -> PathBuf {
        self.path.join("bundles").join(digest.hex())
    }
}

fn database_of(directory: &Path) -> PathBuf {
    directory.join("state.db")
}

/// A fault in the document of a claim, with the name of the claim.
fn of_claim(id: &str, error: StateError) -> StateError {
    match error {
        StateError::Document(fault) => {
            StateError::Corrupt { record: format!("claim {id}"), why: fault.to_string() }
        }
        other => other,
    }
}

fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, StateError> {
    Ok(document::typed(document::json(text.as_bytes())?)?.0)
}

fn text<T: Serialize>(value: &T) -> Result<String, StateError> {
    Ok(serde_json::to_string(value).map_err(document::InvalidDocument::from)?)
}

#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
fn open_directory(path: &Path) -> io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}
