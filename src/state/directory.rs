//! The state of one user: SQLite and OCI layouts in a directory.

mod schema;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::document;
use crate::fetch::{self, Fetched};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::IdentityRecord;
use crate::reference::{LayoutReference, Reference};
use crate::targets::{self, Inventory, Ledger, Recorded};

use super::{
    Claim, Ending, Holder, Installation, Revision, Settings, StateError, private_directory, timestamp, ulid,
};

pub(crate) use schema::VERSION;

/// The longest text of a lock file that is read, in bytes.
const MAX_HOLDER: u64 = 4096;

/// The state in a directory.
#[derive(Clone)]
pub(super) struct Directory {
    path: PathBuf,
    database: Arc<Mutex<Connection>>,
}

impl Directory {
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
        let connection = Connection::open(directory.join("state.db"))?;
        schema::prepare(&connection)?;
        Ok(Self { path: directory.to_owned(), database: Arc::new(Mutex::new(connection)) })
    }

    /// Keeps everybody else from acting on an installation.
    pub(super) fn lock(&self, name: &str) -> Result<Lock, StateError> {
        let file = self.lock_file(name)?;
        let io = |error| StateError::Io(self.path.join("locks"), error);
        match file.try_lock() {
            Ok(()) => Lock::taken(file).map_err(io),
            Err(TryLockError::WouldBlock) => {
                Err(StateError::Locked { name: name.into(), holder: Some(Box::new(holder_in(&file))) })
            }
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// Who acts on an installation at this moment.
    pub(super) fn holder(&self, name: &str) -> Result<Option<Holder>, StateError> {
        let file = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(holder_in(&file))),
            Err(TryLockError::Error(error)) => Err(StateError::Io(self.path.join("locks"), error)),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "an advisory lock needs a file of the operating system")]
    fn lock_file(&self, name: &str) -> Result<File, StateError> {
        let path = self.path.join("locks").join(Digest::of(name.as_bytes()).hex());
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        opened.map_err(|error| StateError::Io(path, error))
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

    /// Reads a bundle that is kept, and checks all of it again. `origin` is where it came from, as it was typed: trust is
    /// decided by that, not by where the copy is.
    pub(super) async fn load(&self, digest: Digest, origin: &str) -> Result<Fetched, StateError> {
        let place = self.bundle_directory(digest);
        let directory = open_directory(&place).map_err(|error| StateError::Io(place.clone(), error))?;
        let origin = match origin.parse() {
            Ok(elsewhere @ (Reference::Archive(_) | Reference::Registry(_))) => elsewhere,
            _ => Reference::Layout(LayoutReference { directory: place, tag: None, digest: Some(digest) }),
        };
        Ok(fetch::load(&directory, digest, origin).await?)
    }

    /// Writes down that an action begins. Claims that never ended are settled first: their runs were cut off.
    pub(super) fn begin(
        &self,
        name: &str,
        namespace: &str,
        settings: &Settings,
        claim: &Claim,
    ) -> Result<(), StateError> {
        let mut database = self.database();
        let write = database.transaction()?;
        write.execute(schema::SETTLE, params![ulid(), timestamp(), name])?;
        write.execute(schema::UPSERT, params![name, namespace, text(settings)?])?;
        write.execute(schema::CLAIM, params![claim.id, claim.document.to_string(), claim.modifies, name])?;
        Ok(write.commit()?)
    }

    /// Writes down how an action ended.
    pub(super) fn finish(&self, claim: &Claim, ending: &Ending<'_>) -> Result<(), StateError> {
        let result = ulid();
        let mut database = self.database();
        let write = database.transaction()?;
        write
            .execute(schema::RESULT, params![result, claim.id, timestamp(), ending.status, ending.message])?;
        for (output, value) in ending.outputs {
            let value = value.to_string();
            let digest = Digest::of(value.as_bytes()).to_string();
            write.execute(schema::OUTPUT, params![result, output, value, digest])?;
        }
        Ok(write.commit()?)
    }

    /// Writes down that an identity is about to be made.
    pub(super) fn identify(&self, name: &str, minted: &IdentityRecord) -> Result<(), StateError> {
        let document = text(minted)?;
        self.database().execute(schema::IDENTIFY, params![name, minted.name, document])?;
        Ok(())
    }

    /// The identities that are written down, of one installation or of all.
    pub(super) fn identities(&self, name: Option<&str>) -> Result<Vec<IdentityRecord>, StateError> {
        let database = self.database();
        let mut query = database.prepare(schema::IDENTITIES_OF)?;
        let rows = query.query_map([name], |row| row.get::<_, String>(0))?;
        rows.map(|row| read(&row?)).collect()
    }

    /// An identity is gone.
    pub(super) fn forget_identity(&self, minted: &IdentityRecord) -> Result<(), StateError> {
        self.database().execute(schema::FORGET_IDENTITY, [&minted.name])?;
        Ok(())
    }

    /// Where a run of this installation writes down what it does to its target.
    pub(super) fn ledger(&self, name: &str) -> Box<dyn Ledger> {
        Box::new(Journal { database: Arc::clone(&self.database), name: name.into() })
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
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lock file, locked.
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Says in the file whose lock it is.
    fn taken(mut file: File) -> std::io::Result<Self> {
        let who = format!("process {} of this machine", std::process::id());
        let holder = Holder { who, since: timestamp(), is_overdue: false };
        file.set_len(0)?;
        file.write_all(serde_json::to_string(&holder).unwrap_or_default().as_bytes())?;
        Ok(Self(file))
    }
}

/// What a lock file says. The lock itself does not depend on it.
fn holder_in(mut file: &File) -> Holder {
    let mut bytes = Vec::new();
    let taken = file.rewind().and_then(|()| file.take(MAX_HOLDER).read_to_end(&mut bytes));
    let text = taken.ok().and_then(|_| String::from_utf8(bytes).ok());
    text.and_then(|text| read(&text).ok()).unwrap_or_else(|| Holder {
        who: "a process of this machine".into(),
        since: "a moment ago".into(),
        is_overdue: false,
    })
}

/// The inventory of one installation, as a run changes it.
struct Journal {
    database: Arc<Mutex<Connection>>,
    name: String,
}

impl Journal {
    fn write(&self, objects: &[Recorded]) -> rusqlite::Result<()> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let write = database.transaction()?;
        for new in objects {
            let key = key(&new.object);
            let old: Option<String> =
                write.query_row(schema::RECORDED, params![self.name, key], |row| row.get(0)).optional()?;
            let mut merged: Inventory = old.and_then(|old| read(&old).ok()).into_iter().collect();
            merged.record(std::slice::from_ref(new));
            for recorded in merged.iter() {
                let text = serde_json::to_string(recorded).unwrap_or_default();
                write.execute(schema::RECORD, params![self.name, key, text])?;
            }
        }
        write.commit()
    }
}

impl Ledger for Journal {
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), targets::Error> {
        self.write(objects).map_err(|error| targets::Error::Ledger(error.to_string()))
    }

    fn applied(&mut self, object: &Recorded) -> Result<(), targets::Error> {
        self.write(std::slice::from_ref(object)).map_err(|error| targets::Error::Ledger(error.to_string()))
    }

    fn removed(&mut self, object: &ObjectRef) -> Result<(), targets::Error> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let done = database.execute(schema::FORGET, params![self.name, key(object)]);
        done.map(drop).map_err(|error| targets::Error::Ledger(error.to_string()))
    }
}

fn key(object: &ObjectRef) -> String {
    object.to_string()
}

fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, StateError> {
    Ok(document::typed(document::json(text.as_bytes())?)?.0)
}

fn text<T: Serialize>(value: &T) -> Result<String, StateError> {
    Ok(serde_json::to_string(value).map_err(document::Invalid::from)?)
}

#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
fn open_directory(path: &Path) -> std::io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}
