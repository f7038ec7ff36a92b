//! The state of one user: SQLite and OCI image layouts in a directory.
//!
//! ```text
//! state.db          installations, claims, results, outputs, inventory, identities
//! bundles/HEX/      the bundle of that digest, an OCI image layout with its signatures
//! locks/HEX         one advisory lock for each installation
//! ```

mod schema;
mod file_lock;
mod inventory_writer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::document;
use crate::fetch::{self, Fetched};
use crate::kubernetes::rbac::IdentityRecord;
use crate::sync::Mutex;
use crate::targets::{Ledger, Recorded};

use super::{
    Claim, ClaimResult, Holder, Installation, InstallationSettings, Revision, StateError, origin, timestamp,
    ulid,
};

pub(super) use file_lock::FileLock;
use inventory_writer::DirectoryInventoryWriter;

/// The state in a directory, with the connection to its database.
#[derive(Clone)]
pub(super) struct DirectoryState {
    path: PathBuf,
    database: Arc<Mutex<Connection>>,
}

impl DirectoryState {
    /// Opens the state in a directory, and makes it where there is none. The directory is for its user alone: the state
    /// says what was granted, and bundles in it are run.
    ///
    /// # Ambient Authority
    /// The path is the operator's own word (`--state`).
    pub(super) fn open(directory: &Path) -> Result<Self, StateError> {
        let io = |error| StateError::Io(directory.to_owned(), error);
        private_directory(directory).map_err(io)?;
        for folder in ["bundles", "locks"] {
            private_directory(&directory.join(folder)).map_err(io)?;
        }
        let database = directory.join("state.db");
        refuse_dangling(&database).map_err(|error| StateError::Io(database.clone(), error))?;
        let connection = Connection::open(database)?;
        schema::prepare(&connection)?;
        Ok(Self { path: directory.to_owned(), database: Arc::new(Mutex::new(connection)) })
    }

    /// Takes the lock of an installation, so that nobody else can act on it.
    pub(super) fn lock(&self, name: &str) -> Result<FileLock, StateError> {
        FileLock::take(&self.path.join("locks"), name)
    }

    /// The holder of an installation's lock.
    pub(super) fn holder(&self, name: &str) -> Result<Option<Holder>, StateError> {
        file_lock::holder(&self.path.join("locks"), name)
    }

    /// All installations, by name.
    pub(super) fn list(&self) -> Result<Vec<Installation>, StateError> {
        let names: Vec<String> = {
            let database = self.database();
            let mut query = database.prepare("select name from installations order by name")?;
            query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        names.iter().filter_map(|name| self.find(name).transpose()).collect()
    }

    /// An installation, if there is one of this name.
    pub(super) fn find(&self, name: &str) -> Result<Option<Installation>, StateError> {
        let row: Option<(i64, String, String)> = self
            .database()
            .query_row("select id, namespace, settings from installations where name = ?1", [name], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((id, namespace, settings)) = row else { return Ok(None) };
        Ok(Some(Installation {
            name: name.into(),
            namespace,
            settings: read(&settings)?,
            last: self.history(name)?.into_iter().rev().find(|revision| revision.modifies),
            inventory: self.inventory(id)?,
            is_shared: false,
        }))
    }

    /// The tracked actions of an installation, oldest first.
    pub(super) fn history(&self, name: &str) -> Result<Vec<Revision>, StateError> {
        let database = self.database();
        let mut query = database.prepare(schema::HISTORY)?;
        let rows = query.query_map([name], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, Option<String>>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, bool>(3)?,
            ))
        })?;
        let mut revisions = Vec::new();
        for row in rows {
            let (claim, status, message, modifies) = row?;
            revisions.push(Revision::read(&claim, status, message, modifies)?);
        }
        Ok(revisions)
    }

    /// The current outputs of an installation: of each, the last value.
    pub(super) fn outputs(&self, name: &str) -> Result<BTreeMap<String, Value>, StateError> {
        let database = self.database();
        let mut query = database.prepare(schema::OUTPUTS)?;
        let rows = query.query_map([name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut outputs = BTreeMap::new();
        for row in rows {
            let (output, value) = row?;
            outputs.insert(output, document::json(value.as_bytes())?);
        }
        Ok(outputs)
    }

    /// Keeps a bundle by its digest, with its signatures.
    pub(super) async fn keep(&self, fetched: &Fetched) -> Result<(), StateError> {
        let place = self.bundle_directory(fetched.digest());
        let io = |error| StateError::Io(place.clone(), error);
        private_directory(&place).map_err(io)?;
        Ok(fetched.save(&open_directory(&place).map_err(io)?).await?)
    }

    /// Reads a bundle that is kept, and checks all of it again. `origin` is where it came from, as it was typed: trust
    /// is decided by that, not by where the copy is.
    pub(super) async fn load(&self, digest: Digest, origin: &str) -> Result<Fetched, StateError> {
        let place = self.bundle_directory(digest);
        let directory = open_directory(&place).map_err(|error| StateError::Io(place.clone(), error))?;
        Ok(fetch::load(&directory, digest, origin::origin(origin, digest, Some(&place))).await?)
    }

    /// Records that an action begins. Claims without a result are closed first: their runs were interrupted.
    pub(super) fn begin(
        &self,
        name: &str,
        namespace: &str,
        settings: &InstallationSettings,
        claim: &Claim,
    ) -> Result<(), StateError> {
        let mut database = self.database();
        let write = database.transaction()?;
        write.execute(schema::SETTLE, params![ulid(), timestamp(), name])?;
        write.execute(schema::UPSERT, params![name, namespace, text(settings)?])?;
        write.execute(schema::CLAIM, params![claim.id, claim.document.to_string(), claim.modifies, name])?;
        Ok(write.commit()?)
    }

    /// Records the result of an action.
    pub(super) fn finish(&self, claim: &Claim, result: &ClaimResult<'_>) -> Result<(), StateError> {
        let id = ulid();
        let mut database = self.database();
        let write = database.transaction()?;
        write.execute(schema::RESULT, params![id, claim.id, timestamp(), result.status, result.message])?;
        for (output, value) in result.outputs {
            let value = value.to_string();
            let digest = Digest::of(value.as_bytes()).to_string();
            write.execute(schema::OUTPUT, params![id, output, value, digest])?;
        }
        Ok(write.commit()?)
    }

    /// Records that an identity is about to be made.
    pub(super) fn identify(&self, name: &str, record: &IdentityRecord) -> Result<(), StateError> {
        let document = text(record)?;
        self.database().execute(schema::IDENTIFY, params![name, record.name, document])?;
        Ok(())
    }

    /// The recorded identities, of one installation or of all.
    pub(super) fn identities(&self, name: Option<&str>) -> Result<Vec<IdentityRecord>, StateError> {
        let database = self.database();
        let mut query = database.prepare(schema::IDENTITIES_OF)?;
        let rows = query.query_map([name], |row| row.get::<_, String>(0))?;
        rows.map(|row| read(&row?)).collect()
    }

    /// An identity is gone.
    pub(super) fn forget_identity(&self, record: &IdentityRecord) -> Result<(), StateError> {
        self.database().execute(schema::FORGET_IDENTITY, [&record.name])?;
        Ok(())
    }

    /// Where a run of this installation writes down what it does to its target.
    pub(super) fn ledger(&self, name: &str) -> Box<dyn Ledger> {
        Box::new(DirectoryInventoryWriter { database: Arc::clone(&self.database), name: name.into() })
    }

    fn inventory(&self, installation: i64) -> Result<Vec<Recorded>, StateError> {
        let database = self.database();
        let mut query =
            database.prepare("select recorded from inventory where installation = ?1 order by at")?;
        let rows = query.query_map([installation], |row| row.get::<_, String>(0))?;
        rows.map(|row| read(&row?)).collect()
    }

    fn bundle_directory(&self, digest: Digest) -> PathBuf {
        self.path.join("bundles").join(digest.hex())
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock()
    }
}

fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, StateError> {
    Ok(document::typed(document::json(text.as_bytes())?)?.0)
}

fn text<T: Serialize>(value: &T) -> Result<String, StateError> {
    Ok(serde_json::to_string(value).map_err(document::InvalidDocument::from)?)
}

#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
fn open_directory(path: &Path) -> std::io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}

/// Refuses a link that leads nowhere: another database would begin at its other end, where a record was meant to be.
#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
fn refuse_dangling(path: &Path) -> std::io::Result<()> {
    if path.is_symlink() { path.metadata().map(drop) } else { Ok(()) }
}

/// Makes a directory that only its user can enter.
///
/// # Errors
/// When it cannot be made.
#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
pub fn private_directory(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}
