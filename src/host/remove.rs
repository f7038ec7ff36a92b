//! Removes objects from a target, many at once, and sees to it that they are gone.
//!
//! The ledger forgets an object when it is gone, or when the server has promised that it will be and nobody wants to wait:
//! until then the next command knows of it.

use serde_json::Value;

use crate::cluster::concurrent;
use crate::grant::{Delete, Permitted};
use crate::kubernetes::object::ObjectRef;
use crate::targets::{self, Removed};

use super::wait::{Awaited, Waiter};
use super::watch::Unready;
use super::work::{Pass, Work};

/// An object that is to go.
pub struct Doomed {
    /// The permit to remove it.
    pub permit: Permitted<Delete>,
    /// The object as it was when that was planned.
    pub seen: Option<Value>,
}

impl Work {
    /// Removes objects. Of what goes wrong, the first is told, unless it is `tolerable`: then the object is let go.
    ///
    /// # Errors
    /// When an object cannot be removed, or that cannot be written down.
    pub async fn remove(
        &mut self,
        doomed: Vec<Doomed>,
        tolerable: fn(&targets::Error) -> bool,
    ) -> Result<(), targets::Error> {
        let Self { target, inventory, kinds, overrides, pass, waiting, going, .. } = self;
        let (target, recorded, kinds, overrides) = (&*target, &*inventory, &*kinds, *overrides);
        let remove = |Doomed { permit, seen }: Doomed| async move {
            match target.delete(&permit, seen.as_ref(), recorded, kinds, overrides).await {
                Err(error) if tolerable(&error) => Ok((permit, Removed::Gone)),
                removed => Ok((permit, removed?)),
            }
        };
        let mut gone = Vec::new();
        let removed =
            concurrent::for_each(doomed.into_iter().map(remove).collect(), |_, (permit, removed)| {
                match removed {
                    Removed::Going(uid) if waiting.enabled => going.push(Awaited::Gone(permit, uid)),
                    Removed::Gone | Removed::Going(_) => {
                        forget(pass, &permit.0)?;
                        gone.push(permit.into_inner().0);
                    }
                }
                Ok(())
            })
            .await;
        gone.iter().for_each(|object| inventory.forget(object));
        removed
    }

    /// Forgets objects that are gone, or somebody else's by now.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn forget(&mut self, objects: impl Iterator<Item = ObjectRef>) -> Result<(), targets::Error> {
        for object in objects {
            forget(&mut self.pass, &object)?;
            self.inventory.forget(&object);
        }
        Ok(())
    }

    /// Waits until everything that was removed is gone, or the time is over; gives what is still there.
    ///
    /// # Errors
    /// When the target cannot be read, or that something is gone cannot be written down.
    pub async fn await_gone(&mut self) -> Result<Vec<Unready>, targets::Error> {
        let going = std::mem::take(&mut self.going);
        self.await_these(going).await
    }

    /// The same for some objects alone: one that is still going cannot be made anew.
    ///
    /// # Errors
    /// As for [`await_gone`](Self::await_gone).
    pub async fn await_gone_of(&mut self, objects: &[ObjectRef]) -> Result<Vec<Unready>, targets::Error> {
        let is_meant = |it: &Awaited| objects.iter().any(|object| object.key() == it.object().key());
        let (meant, others) = std::mem::take(&mut self.going).into_iter().partition(is_meant);
        self.going = others;
        self.await_these(meant).await
    }

    async fn await_these(&mut self, going: Vec<Awaited>) -> Result<Vec<Unready>, targets::Error> {
        if going.is_empty() {
            return Ok(Vec::new());
        }
        let objects: Vec<_> = going.iter().map(|it| it.object().clone()).collect();
        let Self { target, kinds, watcher, waiting, inventory, pass, .. } = self;
        let waiter = Waiter { target, kinds, watcher: &**watcher, until: waiting.until };
        let left: Vec<_> = waiter.settle(going).await?.iter().map(|late| late.row().clone()).collect();
        for object in objects.iter().filter(|object| !left.iter().any(|row| row.object == **object)) {
            forget(pass, object)?;
            inventory.forget(object);
        }
        Ok(left)
    }
}

fn forget(pass: &mut Pass, object: &ObjectRef) -> Result<(), targets::Error> {
    match pass {
        Pass::Acting { ledger, .. } => ledger.removed(object),
        Pass::Planning { .. } => Ok(()),
    }
}
