//! Removes objects from a target concurrently, and waits until they are gone.
//!
//! An object is dropped from the inventory when it is gone, or when the server has accepted its deletion and the run
//! does not wait. Until then the next command knows of it.

use std::collections::HashSet;

use serde_json::Value;

use crate::cluster::{self, concurrent};
use crate::grant::{Delete, Permitted, after_delete};
use crate::host::progress::{LeftObject, Unready};
use crate::kubernetes::object::ObjectRef;
use crate::targets::{self, Awaited, Removed};

use super::Acting;

/// An object to remove.
pub struct ObjectRemoval {
    /// The permit to remove it.
    pub permit: Permitted<Delete>,
    /// The object as it was when its removal was planned.
    pub seen: Option<Value>,
}

impl Acting {
    /// Removes objects. Returns the first error. After one that is `tolerable`, the object is left in place instead, and
    /// named.
    ///
    /// # Errors
    /// When an object cannot be removed, or that cannot be written down.
    pub async fn remove(
        &mut self,
        removals: Vec<ObjectRemoval>,
        tolerable: fn(&targets::Error) -> bool,
    ) -> Result<(), targets::Error> {
        let Self { site, ledger, going, done, .. } = self;
        let waits = site.waiting().waits.between_steps();
        let known = &*site;
        let remove = |ObjectRemoval { permit, seen }: ObjectRemoval| async move {
            match known.delete(&permit, seen.as_ref()).await {
                Err(error) if tolerable(&error) => Ok((permit, Err(known.left(&error)))),
                // A custom resource is gone with its definition; a definition may also have dropped a version alone.
                Err(error) if is_no_kind(&error) && known.is_gone(&permit).await? => {
                    Ok((permit, Ok(Removed::Gone)))
                }
                removed => Ok((permit, Ok(removed?))),
            }
        };
        let mut gone = Vec::new();
        let mut note = |permit: Permitted<Delete>, removed| {
            match removed {
                Err((why, stays)) => {
                    done.left(LeftObject { object: permit.0.clone(), why, stays });
                    if stays {
                        return Ok(());
                    }
                }
                Ok(removed) => {
                    done.removed(&permit.0);
                    if let Removed::Going(uid) = removed
                        && waits
                    {
                        going.push(Awaited::Gone(after_delete(&permit), uid));
                        return Ok(());
                    }
                }
            }
            ledger.removed(&permit.0)?;
            gone.push(permit.into_inner().0);
            Ok(())
        };
        let removals = removals.into_iter().map(remove).collect();
        let removed = concurrent::for_each(removals, |_, (permit, removed)| note(permit, removed)).await;
        gone.iter().for_each(|object| site.forget(object));
        removed
    }

    /// Waits until all deleted objects are gone, or the time is over; returns those that still exist. A run that does
    /// not wait at the end lets them go by themselves.
    ///
    /// # Errors
    /// When the target cannot be read, or that something is gone cannot be written down.
    pub async fn await_gone(&mut self) -> Result<Vec<Unready>, targets::Error> {
        let going = std::mem::take(&mut self.going);
        if self.site.waiting().waits.at_the_end() {
            return self.await_these(going).await;
        }
        self.forget(going.iter().map(|it| it.object().clone()))?;
        Ok(Vec::new())
    }

    /// Waits until these objects are gone, where this run deleted them: one that is still being deleted cannot be
    /// created again.
    pub(super) async fn await_gone_of(
        &mut self,
        objects: &[ObjectRef],
    ) -> Result<Vec<Unready>, targets::Error> {
        let (meant, others) = parted(std::mem::take(&mut self.going), objects);
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
        let late: HashSet<_> = left.iter().map(|row| row.object.id()).collect();
        self.forget(objects.into_iter().filter(|object| !late.contains(&object.id())))?;
        Ok(left)
    }
}

fn is_no_kind(error: &targets::Error) -> bool {
    matches!(error, targets::Error::Cluster(cluster::Error::NoKind { .. }))
}

/// Divides these objects into those that are awaited and the rest.
fn parted(going: Vec<Awaited>, objects: &[ObjectRef]) -> (Vec<Awaited>, Vec<Awaited>) {
    let meant: HashSet<_> = objects.iter().map(ObjectRef::id).collect();
    going.into_iter().partition(|it| meant.contains(&it.object().id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::object::tests::ids_made;

    #[test]
    fn what_is_going_is_found_without_a_comparison_of_all_with_all() {
        let object = |at: usize| ObjectRef::new("v1", "ConfigMap", Some("prod"), format!("n{at}"));
        let going = |at| Awaited::Gone(after_delete(&Permitted::for_tests(Delete(object(at)))), None);
        let objects: Vec<_> = (0..20).map(object).collect();
        let made = ids_made(|| {
            let (meant, others) = parted((10..30).map(going).collect(), &objects);
            assert_eq!((meant.len(), others.len()), (10, 10));
            assert!(meant.iter().all(|it| objects.contains(it.object())));
        });
        assert_eq!(made, 40, "one for each of both");
    }
}
