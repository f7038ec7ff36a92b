//! What is installed: installations, their claims and results (CNAB Claims 1.0.0), outputs and inventory, in SQLite, and
//! the bundles they came from, by digest.
//!
//! A claim is written before its action begins and a result when it has ended, so a run that was killed leaves a claim
//! without a result: the next command sees that and finishes. What is about to be applied is written down before it is.
//! No credential and no value marked `writeOnly` is ever stored.

mod schema;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capability::object::ObjectRef;
use crate::digest::Digest;
use crate::document;
use crate::fetch::{self, Fetched};
use crate::grant::terms::Terms;
use crate::reference::{Layout, Reference};
use crate::target::{self, Inventory, Ledger, Recorded};

/// The state of one user.
pub struct State {
    directory: PathBuf,
    database: Arc<Mutex<Connection>>,
}

/// An installation, as its last run left it.
#[derive(Debug, Clone, PartialEq)]
pub struct Installation {
    /// The name, unique in the state.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// Where its objects are.
    pub settings: Settings,
    /// The last modifying claim and its result.
    pub last: Option<Revision>,
    /// Its objects.
    pub inventory: Vec<Recorded>,
}

/// What an installation keeps between runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// `dir:PATH`, absolute, or `kube`.
    pub target: String,
    /// The address of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The kubeconfig and context of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Whether Secrets are written to a directory with their values.
    #[serde(default)]
    pub plain_secrets: bool,
    /// The digest of the bundle.
    pub bundle: Digest,
    /// The bundle's name and version, for people.
    pub bundle_name: String,
    /// The bundle's version.
    pub bundle_version: String,
    /// Where it came from, as it was typed.
    pub reference: String,
    /// The rule of the trust policy that admitted it; none where it ran unsigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The names of the keys that count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// What was granted.
    pub terms: Terms,
    /// Guards that the operator lowered, as flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangers: Vec<String>,
}

/// One tracked action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The claim's id, a ULID.
    pub claim: String,
    /// The revision, a ULID.
    pub revision: String,
    /// When the action began (RFC 3339).
    pub created: String,
    /// The action.
    pub action: String,
    /// The bundle's name and version.
    pub bundle: String,
    /// The digest of the bundle.
    pub digest: Digest,
    /// The result status of CNAB Claims; `unknown` where the run was interrupted.
    pub result: String,
    /// The result's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The parameters, without those that are `writeOnly`.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Whether the action could change the installation.
    #[serde(default)]
    pub modifies: bool,
    /// Where the bundle came from, as it was typed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// The names of `writeOnly` parameters that had a value: what it was is stored nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_parameters: Vec<String>,
    /// What was granted.
    #[serde(skip)]
    pub terms: Terms,
    /// Guards that the operator lowered, as flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangers: Vec<String>,
}

/// A claim, before its action begins.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The id, a ULID.
    pub id: String,
    /// The claim document (CNAB Claims 1.0.0, 400).
    pub document: Value,
    /// Whether the action may change the installation.
    pub modifies: bool,
}

/// What became of a claim.
#[derive(Debug, Clone)]
pub struct Ending<'a> {
    /// `succeeded` or `failed`.
    pub status: &'a str,
    /// For people.
    pub message: Option<String>,
    /// Outputs that may be stored.
    pub outputs: &'a BTreeMap<String, Value>,
}

/// Nobody else can act on the installation while this is held. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// Why the state could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A bundle could not be kept.
    #[error("the bundle could not be kept")]
    Bundle(#[from] fetch::FetchError),
    /// The database refused.
    #[error("the state database")]
    Database(#[from] rusqlite::Error),
    /// A stored document has the wrong shape.
    #[error("the state database holds a record that cannot be read")]
    Document(#[from] document::Invalid),
    /// A file or directory of the state.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] std::io::Error),
    /// Another run holds the installation.
    #[error("another run of `{0}` is in progress")]
    Locked(String),
    /// There is no such installation.
    #[error("there is no installation `{0}`")]
    Missing(String),
    /// The database was written by a newer version.
    #[error("the state database has version {0}, and this program knows {known}", known = schema::VERSION)]
    Newer(i64),
}

impl Installation {
    /// Whether the last modifying action was an uninstall that succeeded.
    pub fn is_deleted(&self) -> bool {
        self.last.as_ref().is_none_or(|last| last.action == "uninstall" && last.result == "succeeded")
    }

    /// Whether the last modifying action left something that can be upgraded.
    pub fn is_installed(&self) -> bool {
        !self.is_deleted() && self.last.as_ref().is_some_and(|last| last.result == "succeeded")
    }

    /// Whether the last run was cut off.
    pub fn is_interrupted(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.result == "unknown")
    }
}

impl State {
    /// Opens the state in a directory, and makes it where there is none. The directory is for its user alone: the state
    /// says what was granted, and bundles in it are run.
    ///
    /// # Ambient Authority
    /// The path is the operator's own word (`--state`).
    ///
    /// # Errors
    /// [`StateError`] when it cannot be used.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let io = |error| StateError::Io(directory.to_owned(), error);
        private_directory(directory).map_err(io)?;
        for folder in ["bundles", "locks"] {
            private_directory(&directory.join(folder)).map_err(io)?;
        }
        let connection = Connection::open(directory.join("state.db"))?;
        schema::prepare(&connection)?;
        Ok(Self { directory: directory.to_owned(), database: Arc::new(Mutex::new(connection)) })
    }

    /// Keeps everybody else from acting on an installation.
    ///
    /// # Errors
    /// [`StateError::Locked`] when somebody else does.
    #[expect(clippy::disallowed_methods, reason = "an advisory lock needs a file of the operating system")]
    pub fn lock(&self, name: &str) -> Result<Lock, StateError> {
        let path = self.directory.join("locks").join(Digest::of(name.as_bytes()).hex());
        let io = |error| StateError::Io(path.clone(), error);
        let file = File::create(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(StateError::Locked(name.into())),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// All installations, by name.
    ///
    /// # Errors
    /// [`StateError`] when the database cannot be read.
    pub fn list(&self) -> Result<Vec<Installation>, StateError> {
        let names: Vec<String> = {
            let database = self.database();
            let mut query = database.prepare("select name from installations order by name")?;
            query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        names.iter().map(|name| self.get(name)).collect()
    }

    /// An installation.
    ///
    /// # Errors
    /// [`StateError::Missing`] when there is none of this name.
    pub fn get(&self, name: &str) -> Result<Installation, StateError> {
        self.find(name)?.ok_or_else(|| StateError::Missing(name.into()))
    }

    /// An installation, if there is one of this name.
    ///
    /// # Errors
    /// [`StateError`] when the database cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<Installation>, StateError> {
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
    ///
    /// # Errors
    /// [`StateError`] when the database cannot be read.
    pub fn history(&self, name: &str) -> Result<Vec<Revision>, StateError> {
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
    ///
    /// # Errors
    /// [`StateError`] when the database cannot be read.
    pub fn outputs(&self, name: &str) -> Result<BTreeMap<String, Value>, StateError> {
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
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written.
    pub fn keep(&self, fetched: &Fetched) -> Result<(), StateError> {
        let place = self.bundle_directory(fetched.digest());
        let io = |error| StateError::Io(place.clone(), error);
        private_directory(&place).map_err(io)?;
        Ok(fetched.save(&open_directory(&place).map_err(io)?)?)
    }

    /// Reads a bundle that is kept, and checks all of it again. `origin` is where it came from, as it was typed: trust is
    /// decided by that, not by where the copy is.
    ///
    /// # Errors
    /// [`StateError::Bundle`] when it is not there any more, or not what its digest says.
    pub fn load(&self, digest: Digest, origin: &str) -> Result<Fetched, StateError> {
        let place = self.bundle_directory(digest);
        let directory = open_directory(&place).map_err(|error| StateError::Io(place.clone(), error))?;
        let origin = match origin.parse() {
            Ok(elsewhere @ (Reference::Archive(_) | Reference::Registry(_))) => elsewhere,
            _ => Reference::Layout(Layout { directory: place, tag: None, digest: Some(digest) }),
        };
        Ok(fetch::load(&directory, digest, origin)?)
    }

    /// Writes down that an action begins. Claims that never ended are settled first: their runs were cut off.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written; the action must not begin then.
    pub fn begin(
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
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written.
    pub fn finish(&self, claim: &Claim, ending: &Ending<'_>) -> Result<(), StateError> {
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

    /// Where a run of this installation writes down what it does to its target.
    pub fn ledger(&self, name: &str) -> Box<dyn Ledger> {
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
        self.directory.join("bundles").join(digest.hex())
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revision {
    fn read(
        claim: &str,
        status: Option<String>,
        message: Option<String>,
        modifies: bool,
    ) -> Result<Self, StateError> {
        let claim = document::json(claim.as_bytes())?;
        let text =
            |pointer: &str| claim.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let parameters = claim.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
        let digest = text("/custom/dev.carnet.run/bundle").parse();
        let run = |member: &str| claim.pointer("/custom/dev.carnet.run")?.get(member).cloned();
        Ok(Self {
            claim: text("/id"),
            revision: text("/revision"),
            created: text("/created"),
            action: text("/action"),
            bundle: format!("{} {}", text("/bundle/name"), text("/bundle/version")),
            digest: digest.unwrap_or_else(|_| Digest::of(b"")),
            result: status.unwrap_or_else(|| "unknown".into()),
            message,
            parameters: parameters.into_iter().collect(),
            modifies,
            reference: text("/bundleReference"),
            secret_parameters: part(run("secretParameters"))?,
            terms: part(run("terms"))?,
            dangers: part(run("dangers"))?,
        })
    }
}

fn part<T: Default + for<'de> Deserialize<'de>>(value: Option<Value>) -> Result<T, StateError> {
    Ok(value.map(document::typed).transpose()?.map(|(read, _)| read).unwrap_or_default())
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
            let mut merged = Inventory(old.and_then(|old| read(&old).ok()).into_iter().collect());
            merged.record(std::slice::from_ref(new));
            for recorded in &merged.0 {
                let text = serde_json::to_string(recorded).unwrap_or_default();
                write.execute(schema::RECORD, params![self.name, key, text])?;
            }
        }
        write.commit()
    }
}

impl Ledger for Journal {
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), target::Error> {
        self.write(objects).map_err(|error| target::Error::Ledger(error.to_string()))
    }

    fn applied(&mut self, object: &Recorded) -> Result<(), target::Error> {
        self.write(std::slice::from_ref(object)).map_err(|error| target::Error::Ledger(error.to_string()))
    }

    fn removed(&mut self, object: &ObjectRef) -> Result<(), target::Error> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let done = database.execute(schema::FORGET, params![self.name, key(object)]);
        done.map(drop).map_err(|error| target::Error::Ledger(error.to_string()))
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

/// A new id of a claim, result or revision.
pub fn ulid() -> String {
    ulid::Ulid::generate().to_string()
}

/// The time, as claims have it (RFC 3339).
#[expect(clippy::disallowed_methods, reason = "claims say when they were made")]
pub fn timestamp() -> String {
    jiff::Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_default().to_string()
}

#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
fn open_directory(path: &Path) -> std::io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
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
