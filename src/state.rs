//! What is installed: installations, their claims and results (CNAB Claims 1.0.0), outputs and inventory, and the bundles
//! they came from, by digest. In a directory of one user's, or, for a team, in the cluster.
//!
//! A claim is written before its action begins and a result when it has ended, so a run that was killed leaves a claim
//! without a result: the next command sees that and finishes. What is about to be applied is written down before it is.
//! No credential and no value marked `writeOnly` is ever stored.

mod directory;
mod cluster;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cluster::{self as target_cluster, ConnectOptions, Unconfigured};
use crate::digest::Digest;
use crate::document;
use crate::fetch::{self, Fetched};
use crate::grant::recorded::RecordedObject;
use crate::grant::spec::GrantSpec;
use crate::kubernetes::rbac::IdentityRecord;
use crate::targets::{Inventory, Ledger, Place, Recorded};

use cluster::Cluster;
use directory::Directory;

/// The state, wherever it is.
#[derive(Clone)]
pub struct State(Store);

#[derive(Clone)]
enum Store {
    Cluster(Cluster),
    Directory(Directory),
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
    /// Where the objects are.
    #[serde(flatten)]
    pub place: Place,
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
    pub terms: GrantSpec,
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
    pub terms: GrantSpec,
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

/// Nobody else can act on the installation while this is held. It ends with the process, however that ends: at once in a
/// directory, and in a cluster soon after.
pub struct Lock(Held);

enum Held {
    Directory(#[expect(dead_code, reason = "held, not read")] directory::Lock),
    Lease(cluster::Lease),
}

/// Who holds an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Who it is, in their own words. Hostile where others can write the state.
    pub who: String,
    /// Since when (RFC 3339), in their own words too.
    pub since: String,
    /// Whether the run should have said by now that it goes on, and has not.
    #[serde(default)]
    pub is_overdue: bool,
}

/// Why the state could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A bundle could not be kept.
    #[error("the bundle could not be kept")]
    Bundle(#[from] fetch::FetchError),
    /// The cluster refused, or cannot be reached.
    #[error("the state in the cluster")]
    Cluster(#[from] target_cluster::Error),
    /// A record in the cluster is not what was written.
    #[error("the record `{record}` cannot be used: {why}")]
    Corrupt {
        /// The record.
        record: String,
        /// What is wrong with it.
        why: String,
    },
    /// The database refused.
    #[error("the state database")]
    Database(#[from] rusqlite::Error),
    /// A stored document has the wrong shape.
    #[error("the state holds a record that cannot be read")]
    Document(#[from] document::Invalid),
    /// A file or directory of the state.
    #[error("{}", .0.display())]
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
        /// What became of it.
        why: String,
    },
    /// There is no such installation.
    #[error("there is no installation `{0}`")]
    Missing(String),
    /// The database was written by a newer version.
    #[error("the state database has version {0}, and this program knows {known}", known = directory::VERSION)]
    Newer(i64),
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
    #[error("the state is in the cluster")]
    Unconfigured(#[from] Unconfigured),
    /// The part of the program that talks to the cluster is gone.
    #[error("the state in the cluster cannot be reached any more")]
    Unreachable,
}

fn held_by(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| format!(": {holder}"))
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overdue = if self.is_overdue { ", and has not been heard of lately" } else { "" };
        write!(f, "{} since {}{overdue}", document::visible(&self.who), document::visible(&self.since))
    }
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

    /// Its objects, the first recorded first, with the permits that come of being recorded.
    pub fn recorded(&self) -> Vec<RecordedObject> {
        let inventory: Inventory = self.inventory.iter().cloned().collect();
        inventory.iter().map(|recorded| RecordedObject::read_back(recorded.object.clone())).collect()
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
        Directory::open(directory).map(|directory| Self(Store::Directory(directory)))
    }

    /// Opens the state in a cluster: of the installations in one namespace, by default the context's. `who` is what others
    /// are told about who holds an installation. Sends nothing.
    ///
    /// # Ambient Authority
    /// As for [`Server::connect`](crate::cluster::Server::connect).
    ///
    /// # Errors
    /// [`StateError::Unconfigured`] where no cluster is configured.
    pub fn connect(options: &ConnectOptions, namespace: Option<&str>, who: &str) -> Result<Self, StateError> {
        Cluster::connect(options, namespace, who).map(|cluster| Self(Store::Cluster(cluster)))
    }

    /// The same state, for installations of another namespace. A directory has all namespaces.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        match &self.0 {
            Store::Cluster(cluster) => Self(Store::Cluster(cluster.within(namespace))),
            Store::Directory(_) => self.clone(),
        }
    }

    /// The namespace that installations of this state are in. None: of a directory, any.
    pub fn namespace(&self) -> Option<&str> {
        match &self.0 {
            Store::Cluster(cluster) => Some(cluster.namespace()),
            Store::Directory(_) => None,
        }
    }

    /// Keeps everybody else from acting on an installation.
    ///
    /// # Errors
    /// [`StateError::Locked`] when somebody else does.
    pub fn lock(&self, name: &str) -> Result<Lock, StateError> {
        Ok(Lock(match &self.0 {
            Store::Cluster(cluster) => Held::Lease(cluster.lock(name)?),
            Store::Directory(directory) => Held::Directory(directory.lock(name)?),
        }))
    }

    /// Who acts on an installation at this moment, or was cut off and still holds it.
    ///
    /// # Errors
    /// [`StateError`] when that cannot be found out.
    pub fn holder(&self, name: &str) -> Result<Option<Holder>, StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.holder(name),
            Store::Directory(directory) => directory.holder(name),
        }
    }

    /// Ends the hold that somebody has, and no other.
    ///
    /// # Errors
    /// [`StateError::Locked`] when it is another hold by now, and in a directory always: there a hold ends with its process
    /// and in no other way.
    pub fn unlock(&self, name: &str, holder: &Holder) -> Result<(), StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.unlock(name, holder),
            Store::Directory(_) => {
                Err(StateError::Locked { name: name.into(), holder: Some(Box::new(holder.clone())) })
            }
        }
    }

    /// All installations of the state, by name.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be read.
    pub fn list(&self) -> Result<Vec<Installation>, StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.list(Some(cluster.namespace())),
            Store::Directory(directory) => directory.list(),
        }
    }

    /// All installations in all namespaces, by name.
    ///
    /// # Errors
    /// [`StateError`] when they cannot be read.
    pub fn list_all(&self) -> Result<Vec<Installation>, StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.list(None),
            Store::Directory(directory) => directory.list(),
        }
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
    /// [`StateError`] when the state cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<Installation>, StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.find(name),
            Store::Directory(directory) => directory.find(name),
        }
    }

    /// The tracked actions of an installation, oldest first.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn history(&self, name: &str) -> Result<Vec<Revision>, StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.history(name),
            Store::Directory(directory) => directory.history(name),
        }
    }

    /// The current outputs of an installation: of each, the last value.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn outputs(&self, name: &str) -> Result<BTreeMap<String, Value>, StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.outputs(name),
            Store::Directory(directory) => directory.outputs(name),
        }
    }

    /// Keeps a bundle by its digest, with its signatures. A cluster keeps none that is too large for it: what needs it
    /// later says so.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written.
    pub async fn keep(&self, fetched: &Fetched) -> Result<(), StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.keep(fetched).await,
            Store::Directory(directory) => directory.keep(fetched).await,
        }
    }

    /// Reads a bundle that is kept, and checks all of it again. `origin` is where it came from, as it was typed: trust is
    /// decided by that, not by where the copy is.
    ///
    /// # Errors
    /// [`StateError::Bundle`] when it is not there any more, or not what its digest says.
    pub async fn load(&self, digest: Digest, origin: &str) -> Result<Fetched, StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.load(digest, origin).await,
            Store::Directory(directory) => directory.load(digest, origin).await,
        }
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
        match &self.0 {
            Store::Cluster(cluster) => cluster.within(namespace).begin(name, settings, claim),
            Store::Directory(directory) => directory.begin(name, namespace, settings, claim),
        }
    }

    /// Writes down how an action ended.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written.
    pub fn finish(&self, claim: &Claim, ending: &Ending<'_>) -> Result<(), StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.finish(claim, ending),
            Store::Directory(directory) => directory.finish(claim, ending),
        }
    }

    /// Writes down that an identity is about to be made for a run of this installation.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written; the identity must not be made then.
    pub fn identify(&self, name: &str, minted: &IdentityRecord) -> Result<(), StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.identify(minted),
            Store::Directory(directory) => directory.identify(name, minted),
        }
    }

    /// The identities that runs of this installation left behind, or of all installations.
    ///
    /// # Errors
    /// [`StateError`] when they cannot be read.
    pub fn identities(&self, name: Option<&str>) -> Result<Vec<IdentityRecord>, StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.identities(name),
            Store::Directory(directory) => directory.identities(name),
        }
    }

    /// An identity is gone.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written.
    pub fn forget_identity(&self, minted: &IdentityRecord) -> Result<(), StateError> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.forget_identity(minted),
            Store::Directory(directory) => directory.forget_identity(minted),
        }
    }

    /// Where a run of this installation writes down what it does to its target.
    pub fn ledger(&self, name: &str) -> Box<dyn Ledger> {
        match &self.0 {
            Store::Cluster(cluster) => cluster.ledger(name),
            Store::Directory(directory) => directory.ledger(name),
        }
    }
}

impl Lock {
    /// Comes back when the installation is no longer held, and says why. In a directory that never happens.
    pub async fn lost(&self) -> StateError {
        match &self.0 {
            Held::Directory(_) => std::future::pending().await,
            Held::Lease(lease) => lease.lost().await,
        }
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

/// A new id of a claim, result or revision.
pub fn ulid() -> String {
    ulid::Ulid::generate().to_string()
}

/// The time, as claims have it (RFC 3339).
#[expect(clippy::disallowed_methods, reason = "claims say when they were made")]
pub fn timestamp() -> String {
    jiff::Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_default().to_string()
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
