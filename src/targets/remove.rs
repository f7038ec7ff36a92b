//! Removing: whose an object is decides whether it may go, and a directory has to be the one that it was.

use serde_json::Value;

use crate::grant::{Delete, Permitted};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;

use super::cluster::Cluster;
use super::ownership::{Ownership, is_recorded};
use super::{Error, Inventory, Overrides, Removed, Spared, Target};

impl Target {
    /// Why an object that was found may not be removed: it belongs to another installation by now, or to nobody, or is
    /// another object than the one that is recorded. None: it may.
    pub fn spares(
        &self,
        object: &ObjectRef,
        found: &Value,
        inventory: &Inventory,
        overrides: Overrides,
    ) -> Option<Spared> {
        let refused = match self {
            Self::Cluster(cluster) => check_removal(cluster, object, found, inventory, overrides).err(),
            // Otherwise the bytes of its file tell, when it is removed.
            Self::Directory(directory) => Some(directory.check_held(object, inventory, overrides).err()?),
        };
        Spared::of(refused.as_ref(), object, found, inventory)
    }

    /// Removes an object. One that is already gone is no error, nor is one that has another UID by now: it is another
    /// object. `seen` is the object as it was planned against; where it is still current, the removal is one request.
    ///
    /// # Errors
    /// [`Error`] when it may not be removed, or the target does not do it.
    pub async fn delete(
        &self,
        permit: &Permitted<Delete>,
        seen: Option<&Value>,
        inventory: &Inventory,
        kinds: &Kinds,
        overrides: Overrides,
    ) -> Result<Removed, Error> {
        match self {
            Self::Cluster(cluster) => {
                let is_ours = |found: &Value| {
                    check_removal(cluster, &permit.0, found, inventory, overrides)?;
                    Ok(is_recorded(&permit.0, found, inventory))
                };
                cluster.remove(permit, seen, kinds, is_ours).await
            }
            Self::Directory(directory) => {
                directory.prove().await?;
                directory.delete(permit, inventory, overrides)?;
                Ok(Removed::Gone)
            }
        }
    }

    /// Why an object that is recorded and was found is not this installation's any more. None: it is.
    pub fn lost(&self, object: &ObjectRef, found: &Value, inventory: &Inventory) -> Option<Error> {
        let overrides = Overrides::default();
        let refused = match self {
            Self::Cluster(cluster) => check_removal(cluster, object, found, inventory, overrides).err(),
            Self::Directory(directory) => directory.check_held(object, inventory, overrides).err(),
        };
        refused.filter(|refused| matches!(refused, Error::TakenOver { .. }))
    }

    /// Lets go of a directory, once nothing of an installation is there any more.
    ///
    /// # Errors
    /// [`Error::Io`] when that cannot be written down there.
    pub fn release(&self, inventory: &Inventory) -> Result<(), Error> {
        match self {
            Self::Cluster(_) => Ok(()),
            Self::Directory(directory) => directory.release(inventory),
        }
    }

    /// Checks before objects are removed that the target is where they were put. Of a directory that is another one by
    /// now, the absence of their files would tell nothing.
    ///
    /// # Errors
    /// [`Error::OtherDirectory`] when it is not.
    pub fn check_place(&self) -> Result<(), Error> {
        match self {
            Self::Cluster(_) => Ok(()),
            Self::Directory(directory) => directory.check_identity(),
        }
    }

    /// Removes temporary files of a run that was killed.
    ///
    /// # Errors
    /// [`Error::Io`] when a directory cannot be read.
    pub fn sweep(&self) -> Result<(), Error> {
        match self {
            Self::Cluster(_) => Ok(()),
            Self::Directory(directory) => directory.sweep(),
        }
    }
}

/// Checks that an object may be removed. One that is recorded must say itself that it is this installation's: the
/// record may have been written by others. One that is not is removed because a component may remove it by its grant;
/// it may belong to nobody.
fn check_removal(
    cluster: &Cluster,
    object: &ObjectRef,
    found: &Value,
    inventory: &Inventory,
    overrides: Overrides,
) -> Result<(), Error> {
    match Ownership::of(object, found, inventory, |owner| cluster.acts_for(owner)) {
        Ownership::Nobodys if inventory.find(object).is_none() => Ok(()),
        ownership => ownership.check(object, overrides),
    }
}
