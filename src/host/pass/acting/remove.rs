//! Removes objects from a target concurrently, and waits until they are gone.
//!
//! An object is dropped from the inventory when it is gone, or when the server has accepted its deletion and the run
//! does not wait. Until then the next command knows of it.

use serde_json::Value;

use crate::cluster::concurrent;
use crate::grant::{Delete, Permitted};
use crate::host::progress::Unready;
use crate::host::wait::Awaited;
use crate::kubernetes::object::ObjectRef;
use crate::targets::{self, Removed};

use super::Acting;

/// An object to remove.
pub struct ObjectRemoval {
    /// The permit to remove it.
    pub permit: Permitted<Delete>,
    /// The object as it was when its removal was planned.
    pub seen: Option<Value>,
}

impl Acting {
    /// Removes objects. Returns the first error. After one that is `tolerable`, the object is dropped from the
    /// inventory instead.
    ///
    /// # Errors
    /// When an object cannot be removed, or that cannot be written down.
    pub async fn remove(
        &mut self,
        removals: Vec<ObjectRemoval>,
        tolerable: fn(&targets::Error) -> bool,
    ) -> Result<(), targets::Error> {
        let Self { site, ledger, going, .. } = self;
        let waits = site.waiting().enabled;
        let known = &*site;
        let remove = |ObjectRemoval { permit, seen }: ObjectRemoval| async move {
            match known.delete(&permit, seen.as_ref()).await {
                Err(error) if tolerable(&error) => Ok((permit, Removed::Gone)),
                removed => Ok((permit, removed?)),
            }
        };
        let mut gone = Vec::new();
        let removed =
            concurrent::for_each(removals.into_iter().map(remove).collect(), |_, (permit, removed)| {
                match removed {
                    Removed::Going(uid) if waits => going.push(Awaited::Gone(permit, uid)),
                    Removed::Gone | Removed::Going(_) => {
                        ledger.removed(&permit.0)?;
                        gone.push(permit.into_inner().0);
                    }
                }
                Ok(())
            })
            .await;
        gone.iter().for_each(|object| site.forget(object));
        removed
    }

    /// Waits until all deleted objects are gone, or the time is over; returns those that still exist.
    ///
    /// # Errors
    /// When the target cannot be read, or that something is gone cannot be written down.
    pub async fn await_gone(&mut self) -> Result<Vec<Unready>, targets::Error> {
        let going = std::mem::take(&mut self.going);
        self.await_these(going).await
    }

    /// Waits until these objects are gone, where this run deleted them: one that is still being deleted cannot be
    /// created again.
    pub(super) async fn await_gone_of(
        &mut self,
        objects: &[ObjectRef],
    ) -> Result<Vec<Unready>, targets::Error> {
        let is_meant = |it: &Awaited| objects.iter().any(|object| object.id() == it.object().id());
        let (meant, others) = std::mem::take(&mut self.going).into_iter().partition(is_meant);
        self.going = others;
        self.await_these(meant).await
    }

    async fn await_these(&mut self, going: Vec<Awaited>) -> Result<Vec<Unready>, targets::Error> {
        if going.is_empty() {
            return Ok(Vec::new());
        }
        let objects: Vec<_> = going.iter().map(|it| it.object().clone()).collect();
        let waiter = self.site.waiter(self.site.waiting().until);
        let left: Vec<_> = waiter.settle(going).await?.iter().map(|late| late.row().clone()).collect();
        let is_left = |object: &ObjectRef| left.iter().any(|row| row.object == *object);
        self.forget(objects.into_iter().filter(|object| !is_left(object)))?;
        Ok(left)
    }
}
