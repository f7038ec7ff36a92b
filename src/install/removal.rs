//! Removal by the runtime: objects of the inventory, the last applied first, in waves.

use serde_json::Value;

use crate::cluster::{self, concurrent};
use crate::grant::recorded::RecordedObject;
use crate::host::pass::{self, Acting, Site};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::order::RemovalWave;
use crate::plan::trace::ObjectChange;
use crate::targets;

use super::Error;

/// An object that the runtime removes.
pub(super) struct PlannedRemoval {
    pub(super) recorded: RecordedObject,
    /// The current object. None: it is not there, or has another owner by now, and is dropped from the inventory after
    /// another look.
    pub(super) found: Option<Value>,
}

impl PlannedRemoval {
    /// Its row in the plan.
    pub(super) fn row(&self) -> Option<ObjectChange> {
        Some(ObjectChange::removal(self.recorded.object().clone(), self.found.clone()?))
    }

    fn wave(&self) -> RemovalWave {
        RemovalWave::of(self.recorded.object())
    }

    fn permitted(self) -> pass::ObjectRemoval {
        pass::ObjectRemoval { permit: self.recorded.delete(), seen: self.found }
    }
}

/// Reads the objects that are to be removed.
pub(super) async fn plan(
    site: &mut Site,
    objects: Vec<RecordedObject>,
) -> Result<Vec<PlannedRemoval>, Error> {
    let is_written =
        |object: &ObjectRef| site.inventory().find(object).is_some_and(|it| it.written.is_some());
    if objects.iter().any(|recorded| is_written(recorded.object())) {
        site.check_place()?;
    }
    for recorded in &objects {
        // A custom resource whose definition is gone is gone with it.
        site.learn(std::slice::from_ref(recorded.object())).await.or_else(gone)?;
    }
    let site = &*site;
    let listing = &site.list(&objects.iter().map(RecordedObject::get).collect::<Vec<_>>()).await;
    let look = |recorded: RecordedObject| async move {
        let found = match listing.told(recorded.object()) {
            Some(found) => found,
            None => site.get(&recorded.get()).await.or_else(spoiled).or_else(gone)?,
        };
        let found = found.filter(|found| site.may_remove(recorded.object(), found));
        Ok::<_, targets::Error>(PlannedRemoval { recorded, found })
    };
    Ok(concurrent::collect(objects.into_iter().map(look).collect()).await?)
}

/// Removes the planned objects, and waits until they are gone.
pub(super) async fn carry_out(acting: &mut Acting, mut removals: Vec<PlannedRemoval>) -> Result<(), Error> {
    removals.sort_by_key(PlannedRemoval::wave);
    let mut rest = removals.into_iter().peekable();
    let mut appeared = Vec::new();
    while let Some(wave) = rest.peek().map(PlannedRemoval::wave) {
        let mut together = Vec::new();
        while let Some(removal) = rest.next_if(|removal| removal.wave() == wave) {
            together.push(removal);
        }
        let (there, absent): (Vec<_>, Vec<_>) =
            together.into_iter().partition(|removal| removal.found.is_some());
        let permitted = there.into_iter().map(PlannedRemoval::permitted).collect();
        acting.remove(permitted, is_over).await?;
        await_gone(acting).await?;
        appeared.extend(forget(acting, absent).await?);
    }
    await_gone(acting).await?;
    if appeared.is_empty() { Ok(()) } else { Err(Error::Appeared(appeared)) }
}

/// Forgets objects that the plan did not find, after another look: a run that was to make them may have sent its last
/// requests when the plan was made already. Those that are there by now stay on record, and are the answer.
///
/// Invariant: whatever is interrupted leaves an installation that can be finished or undone.
async fn forget(acting: &mut Acting, absent: Vec<PlannedRemoval>) -> Result<Vec<String>, Error> {
    let recorded: Vec<_> = absent.into_iter().map(|removal| removal.recorded).collect();
    let (appeared, gone): (Vec<_>, Vec<_>) = {
        let site = acting.site();
        let look = |recorded: RecordedObject| async move {
            let found = site.get(&recorded.get()).await.or_else(gone)?;
            let is_there = found.is_some_and(|found| site.may_remove(recorded.object(), &found));
            Ok::<_, targets::Error>((is_there, recorded))
        };
        let looked = concurrent::collect(recorded.into_iter().map(look).collect()).await?;
        looked.into_iter().partition(|(is_there, _)| *is_there)
    };
    acting.forget(gone.into_iter().map(|(_, recorded)| recorded.object().clone()))?;
    Ok(appeared.iter().map(|(_, recorded)| recorded.object().to_string()).collect())
}

async fn await_gone(acting: &mut Acting) -> Result<(), Error> {
    let left = acting.await_gone().await?;
    if left.is_empty() { Ok(()) } else { Err(Error::Held(left)) }
}

/// A file that is no object any more is there all the same. Whether it may be removed is decided when its bytes are seen.
fn spoiled(error: targets::Error) -> Result<Option<Value>, targets::Error> {
    match error {
        targets::Error::Unreadable(..) => Ok(Some(Value::Null)),
        error => Err(error),
    }
}

fn gone<T: Default>(error: targets::Error) -> Result<T, targets::Error> {
    match error {
        targets::Error::Cluster(cluster::Error::NoKind { .. }) => Ok(T::default()),
        error => Err(error),
    }
}

/// Whether an error means that nothing is left to remove: the object has another owner by now, or its kind no longer
/// exists.
fn is_over(error: &targets::Error) -> bool {
    matches!(error, targets::Error::Foreign { .. } | targets::Error::Cluster(cluster::Error::NoKind { .. }))
}
