//! Where objects go: a Kubernetes cluster, or a directory of manifests.
//!
//! Every method that reaches outside takes a permit. A target knows what an installation has put there (its inventory)
//! and says so before it writes, through a [`Ledger`], so that nothing it leaves behind is ever unknown.

pub mod credentials;
mod awaited;
mod overrides;
mod take;
mod preview;
mod failure;
mod inventory;
mod protected;
mod ownership;
mod warning;
pub mod cluster;
pub mod directory;
mod place;
mod recorded_place;
mod prepared;
mod apply;
mod remove;
mod wait;

use std::sync::Arc;

use serde_json::Value;

use crate::cluster::WriteRight;
use crate::grant::recorded::RecordedObject;
use crate::grant::{Get, Permitted};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;

use self::cluster::Cluster;
use credentials::FoundAs;
use directory::Directory;

pub use self::cluster::{Followed, ListedObjects, Removed, Sight};
pub use awaited::Awaited;
pub use failure::{Error, Reached};
pub use inventory::{Inventory, Ledger, MadeBy, Recorded};
pub use overrides::Overrides;
pub use ownership::{Spared, is_own};
pub use place::{InvalidPlace, Place};
pub use prepared::Prepared;
pub use preview::{Change, DryRunMode, Marks, NotDryRun, Preview};
pub use protected::{Protected, check_replaceable};
pub use recorded_place::RecordedPlace;
pub use take::{InvalidTake, Take, overrides_of, untaken};
pub use warning::Warning;

/// An object that a record names, as it was looked for.
pub struct Looked {
    /// The object, in the version of its group in which it was found.
    pub recorded: RecordedObject,
    /// The findings, or why nobody could look.
    pub sight: Result<Sight, Error>,
}

/// A target.
pub enum Target {
    /// A Kubernetes cluster.
    Cluster(Box<Cluster>),
    /// A directory of manifests.
    Directory(Directory),
}

impl Target {
    /// Learns how the kind of an object is served, if only the target can know.
    ///
    /// # Errors
    /// [`Error::Cluster`] when the cluster does not serve it.
    pub async fn learn(&self, object: &ObjectRef, kinds: &mut Kinds) -> Result<(), Error> {
        self.learn_all(std::slice::from_ref(object), kinds).await
    }

    /// Learns how the kinds of several objects are served, at once.
    ///
    /// # Errors
    /// [`Error::Cluster`] when the cluster does not serve one of them.
    pub async fn learn_all(&self, objects: &[ObjectRef], kinds: &mut Kinds) -> Result<(), Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.learn(objects, kinds).await?),
            Self::Directory(_) => Ok(()),
        }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`Error`] when the target cannot be read.
    pub async fn get(&self, permit: &Permitted<Get>, kinds: &Kinds) -> Result<Option<Value>, Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.get(permit, kinds).await?),
            Self::Directory(directory) => directory.get(permit),
        }
    }

    /// Reads objects together, as far as that takes fewer requests than each by itself.
    pub async fn list(
        &self,
        permits: &[Permitted<Get>],
        kinds: &Kinds,
        inventory: &Inventory,
    ) -> ListedObjects {
        let objects: Vec<_> = permits.iter().map(|permit| &permit.0).collect();
        self.list_all(&objects, kinds, inventory).await
    }

    /// As [`list`](Self::list), of objects that may be applied, before it is tried what that would change.
    pub async fn list_before(
        &self,
        prepared: impl Iterator<Item = &Prepared>,
        kinds: &Kinds,
        inventory: &Inventory,
    ) -> ListedObjects {
        self.list_all(&prepared.map(Prepared::object).collect::<Vec<_>>(), kinds, inventory).await
    }

    async fn list_all(&self, objects: &[&ObjectRef], kinds: &Kinds, inventory: &Inventory) -> ListedObjects {
        match self {
            Self::Cluster(cluster) => cluster.list(objects, kinds, |it| inventory.find(it).is_some()).await,
            Self::Directory(_) => ListedObjects::default(),
        }
    }

    /// How an object was found that was written here, or by somebody else.
    pub fn found_as(&self, object: &ObjectRef, found: &Value, inventory: &Inventory) -> FoundAs {
        match self {
            Self::Cluster(_) => FoundAs::Managed,
            Self::Directory(directory) if directory.is_as_written(object, found, inventory) => {
                FoundAs::Written
            }
            Self::Directory(_) => FoundAs::Edited,
        }
    }

    /// Looks for objects that a record names, side by side, in whatever versions of their groups the target has them. How
    /// their kinds are served is learned on the way: one request for each group and version that is not known.
    ///
    /// # Errors
    /// [`Error`] when the target cannot tell how they are served.
    pub async fn look_all(
        &self,
        recorded: Vec<RecordedObject>,
        kinds: &mut Kinds,
    ) -> Result<Vec<Looked>, Error> {
        if let Self::Cluster(cluster) = self {
            return Ok(cluster.look_all(recorded, kinds).await?);
        }
        let mut looked = Vec::new();
        for recorded in recorded {
            let sight = self.get(&recorded.get(), kinds).await.map(Sight::of);
            looked.push(Looked { recorded, sight });
        }
        Ok(looked)
    }

    /// The identity of a directory.
    pub fn identity(&self) -> Option<String> {
        match self {
            Self::Cluster(_) => None,
            Self::Directory(directory) => Some(directory.identity().to_owned()),
        }
    }

    /// From here on, changes something only as long as this right is held.
    pub fn write_under(&mut self, right: Arc<dyn WriteRight>) {
        match self {
            Self::Cluster(cluster) => cluster.write_under(right),
            Self::Directory(directory) => directory.write_under(right),
        }
    }

    /// Warnings of the server since the last time. A directory warns about nothing.
    pub fn take_warnings(&self) -> Vec<Warning> {
        match self {
            Self::Cluster(cluster) => cluster.take_warnings(),
            Self::Directory(_) => Vec::new(),
        }
    }

    /// The address of a cluster.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Cluster(cluster) => Some(cluster.server().address()),
            Self::Directory(_) => None,
        }
    }

    /// How the target is written on the command line.
    pub fn describe(&self) -> String {
        match self {
            Self::Cluster(cluster) => format!("{} ({})", Place::cluster(), cluster.server().address()),
            Self::Directory(directory) => Place::directory(directory.path()).to_string(),
        }
    }
}
