//! The state: records of installations, their claims and results (CNAB Claims 1.0.0), outputs and inventory, and the
//! bundles that they came from, by digest.
//!
//! It is a module since everything else of a run may be lost: whatever interrupts a run, these records are enough to
//! finish or undo it. A claim is written before its action begins and a result when it has ended, so a run that was
//! killed leaves a claim without a result, and the next command sees that. Objects are in the inventory before they are
//! applied. No credential and no value marked `writeOnly` is ever stored.
//!
//! There are two backends: a directory of one user's, and, for a team, records in the cluster.

mod holder;
mod error;
mod recorded_files;
mod claim;
mod installation;
mod origin;
mod directory;
mod cluster;
mod lock;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::cluster::ConnectOptions;
use crate::digest::Digest;
use crate::fetch::Fetched;
use crate::kubernetes::rbac::IdentityRecord;
use crate::targets::{Inventory, Ledger};

pub use claim::{IMPORTED, NewClaim, NewResult, RecordedClaim, RecordedResult, ResultStamp, timestamp, ulid};
pub use cluster::record_text;
pub use directory::{is_own, private_directory};
pub use error::{DatabaseFault, StateError};
pub use holder::Holder;
pub use installation::{
    Identities, Installation, InstallationSettings, Installations, MadeFor, RequiredInstallation, Revision,
    Revisions,
};
pub use lock::InstallationLock;
pub use recorded_files::{RecordedFile, RecordedFiles};

use cluster::ClusterState;
use directory::DirectoryState;
use installation::mark;

/// The state of installations, in either backend.
#[derive(Clone)]
pub struct State(Backend);

#[derive(Clone)]
enum Backend {
    Cluster(ClusterState),
    Directory(DirectoryState),
}

/// The place of the state, for people.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.fmt(f),
            Backend::Directory(directory) => directory.fmt(f),
        }
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
        DirectoryState::open(directory).map(|directory| Self(Backend::Directory(directory)))
    }

    /// Opens the state in a cluster: of the installations in one namespace, by default the context's. `who` is what
    /// others are told about who holds an installation. Sends nothing.
    ///
    /// # Ambient Authority
    /// As for [`Server::connect`](crate::cluster::Server::connect).
    ///
    /// # Errors
    /// [`StateError::Unconfigured`] where no cluster is configured.
    pub fn connect(options: &ConnectOptions, namespace: Option<&str>, who: &str) -> Result<Self, StateError> {
        ClusterState::connect(options, namespace, who).map(|cluster| Self(Backend::Cluster(cluster)))
    }

    /// Switches to the installations of another namespace. A directory has all namespaces.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        match &self.0 {
            Backend::Cluster(cluster) => Self(Backend::Cluster(cluster.within(namespace))),
            Backend::Directory(_) => self.clone(),
        }
    }

    /// The namespace that installations of this state are in. None: of a directory, any.
    pub fn namespace(&self) -> Option<&str> {
        match &self.0 {
            Backend::Cluster(cluster) => Some(cluster.namespace()),
            Backend::Directory(_) => None,
        }
    }

    /// Which installations were looked for, in words: those of this namespace, of the state's own, or of all.
    pub fn looked_at(&self, namespace: Option<&str>, all_namespaces: bool) -> String {
        match namespace.or(self.namespace()).filter(|_| !all_namespaces) {
            Some(namespace) => format!("{self}, namespace `{namespace}`"),
            None => format!("{self}, all namespaces"),
        }
    }

    /// Takes the lock of an installation, so that nobody else can act on it.
    ///
    /// # Errors
    /// [`StateError::Locked`] when somebody else does.
    pub fn lock(&self, name: &str) -> Result<InstallationLock, StateError> {
        Ok(match &self.0 {
            Backend::Cluster(cluster) => InstallationLock::from(cluster.lock(name)?),
            Backend::Directory(directory) => InstallationLock::from(directory.lock(name)?),
        })
    }

    /// An inventory of a record of this state that is about to be made.
    pub fn inventory_of(&self, record: &str) -> Inventory {
        match &self.0 {
            Backend::Cluster(_) => Inventory::default().marked(Some(mark(record, true))).shared(),
            Backend::Directory(_) => Inventory::default().marked(Some(mark(record, false))),
        }
    }

    /// The holder of an installation's lock: a run in progress, or one that was interrupted.
    ///
    /// # Errors
    /// [`StateError`] when that cannot be found out.
    pub fn holder(&self, name: &str) -> Result<Option<Holder>, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.holder(name),
            Backend::Directory(directory) => directory.holder(name),
        }
    }

    /// Breaks the lock of this holder, and no other. What the holder still has in mind is for [`fence`](Self::fence)
    /// and [`revoke`](Self::revoke) to stop.
    ///
    /// # Errors
    /// [`StateError::Locked`] when somebody else holds it by now, and in a directory always: there only its process
    /// releases a lock.
    pub fn unlock(&self, name: &str, holder: &Holder) -> Result<(), StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.unlock(name, holder),
            Backend::Directory(_) => {
                Err(StateError::Locked { name: name.into(), holder: Some(Box::new(holder.clone())) })
            }
        }
    }

    /// Takes the record of an installation from the run whose lock was broken: it writes nothing there any more.
    ///
    /// # Errors
    /// [`StateError`] when the record cannot be written.
    pub fn fence(&self, name: &str) -> Result<(), StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.fence(name),
            Backend::Directory(_) => Ok(()),
        }
    }

    /// Removes what the runs of an installation act as in the cluster, so that one whose lock was broken can write
    /// nothing more, whatever it still has in mind. The names of identities that could not be removed are the answer.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read or written.
    pub fn revoke(&self, name: &str) -> Result<Vec<String>, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.revoke(name),
            Backend::Directory(_) => Ok(Vec::new()),
        }
    }

    /// All installations of the state, by name.
    ///
    /// # Errors
    /// [`StateError`] when it, or one of its records, cannot be read.
    pub fn list(&self) -> Result<Vec<Installation>, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.list(Some(cluster.namespace()))?.whole(),
            Backend::Directory(directory) => directory.list(),
        }
    }

    /// All installations in all namespaces, by name.
    ///
    /// # Errors
    /// [`StateError`] when they cannot be read.
    pub fn list_all(&self) -> Result<Vec<Installation>, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.list(None)?.whole(),
            Backend::Directory(directory) => directory.list(),
        }
    }

    /// Installations of the state, or of all namespaces, as far as their records can be read. In a cluster others can
    /// write records, and a spoiled one hides no other.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn readable(&self, all_namespaces: bool) -> Result<Installations, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) if all_namespaces => cluster.list(None),
            Backend::Cluster(cluster) => cluster.list(Some(cluster.namespace())),
            Backend::Directory(directory) => {
                Ok(Installations { readable: directory.list()?, unreadable: Vec::new() })
            }
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
            Backend::Cluster(cluster) => cluster.find(name),
            Backend::Directory(directory) => directory.find(name),
        }
    }

    /// The tracked actions of an installation, oldest first.
    ///
    /// # Errors
    /// [`StateError`] when the state, or the record of one of them, cannot be read.
    pub fn history(&self, name: &str) -> Result<Vec<Revision>, StateError> {
        self.revisions(name)?.whole()
    }

    /// The tracked actions of an installation, as far as their records can be read: a spoiled one hides no other.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn revisions(&self, name: &str) -> Result<Revisions, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.revisions(name),
            Backend::Directory(directory) => directory.revisions(name),
        }
    }

    /// The current outputs of an installation: of each, the last value.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn outputs(&self, name: &str) -> Result<BTreeMap<String, Value>, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.outputs(name),
            Backend::Directory(directory) => directory.outputs(name),
        }
    }

    /// Keeps a bundle by its digest, with its signatures. A bundle that is too large for a cluster is not kept: a later
    /// action that needs it says so.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written.
    pub async fn keep(&self, fetched: &Fetched) -> Result<(), StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.keep(fetched).await,
            Backend::Directory(directory) => directory.keep(fetched).await,
        }
    }

    /// Reads a bundle that is kept, and checks all of it again. `origin` is where it came from, as it was typed: trust
    /// is decided by that, not by where the copy is.
    ///
    /// # Errors
    /// [`StateError::Bundle`] when it is not there any more, or not what its digest says.
    pub async fn load(&self, digest: Digest, origin: &str) -> Result<Fetched, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.load(digest, origin).await,
            Backend::Directory(directory) => directory.load(digest, origin).await,
        }
    }

    /// The claims of an installation, oldest first, with their results, as they are stored.
    ///
    /// # Errors
    /// [`StateError`] when they cannot be read.
    pub fn claims(&self, name: &str) -> Result<Vec<RecordedClaim>, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.claims(name),
            Backend::Directory(directory) => directory.claims(name),
        }
    }

    /// Records that an action begins. Claims without a result are closed first: their runs were interrupted.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written; the action must not begin then.
    pub fn begin(
        &self,
        name: &str,
        namespace: &str,
        settings: &InstallationSettings,
        claim: &NewClaim,
    ) -> Result<(), StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.within(namespace).begin(name, settings, claim),
            Backend::Directory(directory) => directory.begin(name, namespace, settings, claim),
        }
    }

    /// Records the result of an action.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written.
    pub fn finish(&self, claim: &NewClaim, result: &NewResult<'_>) -> Result<(), StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.finish(claim, result),
            Backend::Directory(directory) => directory.finish(claim, result),
        }
    }

    /// Records that an identity is about to be made for a run of this installation.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written; the identity must not be made then.
    pub fn identify(&self, name: &str, record: &IdentityRecord) -> Result<(), StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.identify(record),
            Backend::Directory(directory) => directory.identify(name, record),
        }
    }

    /// The identities that runs of this installation left behind, or of all installations.
    ///
    /// # Errors
    /// [`StateError`] when they cannot be read.
    pub fn identities(&self, name: Option<&str>) -> Result<Identities, StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.identities(name),
            Backend::Directory(directory) => directory.identities(name),
        }
    }

    /// An identity is gone.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be written.
    pub fn forget_identity(&self, record: &IdentityRecord) -> Result<(), StateError> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.forget_identity(record),
            Backend::Directory(directory) => directory.forget_identity(record),
        }
    }

    /// Where a run of this installation writes down what it does to its target.
    ///
    /// Objects entered here may be removed later, so nobody but a run can enter anything:
    /// ```compile_fail,E0624
    /// # fn forge(state: &carnet::state::State) {
    /// drop(state.ledger("web"));
    /// # }
    /// ```
    pub(crate) fn ledger(&self, name: &str) -> Box<dyn Ledger> {
        match &self.0 {
            Backend::Cluster(cluster) => cluster.ledger(name),
            Backend::Directory(directory) => directory.ledger(name),
        }
    }
}
