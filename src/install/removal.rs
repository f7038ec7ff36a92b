//! Removal by the runtime: objects of the inventory, the last applied first, in waves.
//!
//! Invariant: nothing leaves the record while it may be there, and what is left in place is named.

use serde_json::Value;

use crate::grant::recorded::RecordedObject;
use crate::host::pass::{self, Acting, Site};
use crate::host::progress::LeftObject;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::order::RemovalWave;
use crate::plan::trace::ObjectChange;
use crate::targets::{self, Sight};

use super::Error;

/// An object that the runtime removes.
pub(super) struct PlannedRemoval {
    /// The object, in the version in which it was found.
    pub(super) recorded: RecordedObject,
    /// The current object. None: it is not there, and is dropped from the inventory after another look, or it is left.
    pub(super) found: Option<Value>,
    /// Why it is left in place, and whether it stays on record.
    spared: Option<(String, bool)>,
}

impl PlannedRemoval {
    /// The removal of an object that is there.
    pub(super) fn found(recorded: RecordedObject, found: Option<Value>) -> Self {
        Self { recorded, found, spared: None }
    }

    /// Its row in the plan.
    pub(super) fn row(&self) -> Option<ObjectChange> {
        Some(ObjectChange::removal(self.recorded.object().clone(), self.found.clone()?))
    }

    /// The object, if it is left in place.
    pub(super) fn left(&self) -> Option<LeftObject> {
        let (why, stays) = self.spared.clone()?;
        Some(LeftObject { object: self.recorded.object().clone(), why, stays })
    }

    fn of(site: &Site, recorded: RecordedObject, sight: Sight) -> Self {
        let (found, spared) = match sight {
            Sight::Absent => (None, None),
            Sight::Unknown(why) => (None, Some((format!("it may be there: {why}"), true))),
            Sight::There(found) => match site.spares(recorded.object(), &found) {
                None => (Some(found), None),
                Some(spared) => (None, Some((spared.to_string(), spared.stays()))),
            },
        };
        Self { recorded, found, spared }
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
    Ok(looked(site, objects).await?)
}

async fn looked(
    site: &mut Site,
    objects: Vec<RecordedObject>,
) -> Result<Vec<PlannedRemoval>, targets::Error> {
    let looked = site.look_all(objects).await?;
    let site = &*site;
    looked.into_iter().map(|it| Ok(PlannedRemoval::of(site, it.recorded, spoiled(it.sight)?))).collect()
}

/// Removes the planned objects, and waits until they are gone. Returns those that are left in place.
pub(super) async fn carry_out(
    acting: &mut Acting,
    removals: Vec<PlannedRemoval>,
) -> Result<Vec<LeftObject>, Error> {
    let (spared, mut removals): (Vec<_>, Vec<_>) =
        removals.into_iter().partition(|removal| removal.spared.is_some());
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
        acting.remove(permitted, is_foreign).await?;
        await_gone(acting).await?;
        appeared.extend(forget(acting, absent).await?);
    }
    await_gone(acting).await?;
    let mut left: Vec<_> = spared.iter().filter_map(PlannedRemoval::left).collect();
    acting.forget(left.iter().filter(|left| !left.stays).map(|left| left.object.clone()))?;
    left.extend(acting.take_left());
    if appeared.is_empty() { Ok(left) } else { Err(Error::Appeared(appeared)) }
}

/// Forgets objects that the plan did not find, after another look: a run that was to make them may have sent its last
/// requests when the plan was made already. Those that are there by now stay on record, and are the answer.
///
/// Invariant: whatever is interrupted leaves an installation that can be finished or undone.
async fn forget(acting: &mut Acting, absent: Vec<PlannedRemoval>) -> Result<Vec<String>, Error> {
    let recorded: Vec<_> = absent.into_iter().map(|removal| removal.recorded).collect();
    let looked = looked(acting.site_mut(), recorded).await?;
    let may_be_there =
        |it: &PlannedRemoval| it.found.is_some() || it.spared.as_ref().is_some_and(|(_, stays)| *stays);
    let (appeared, gone): (Vec<_>, Vec<_>) = looked.into_iter().partition(may_be_there);
    acting.forget(gone.into_iter().map(|removal| removal.recorded.object().clone()))?;
    Ok(appeared.iter().map(|removal| removal.recorded.object().to_string()).collect())
}

async fn await_gone(acting: &mut Acting) -> Result<(), Error> {
    let left = acting.await_gone().await?;
    if left.is_empty() { Ok(()) } else { Err(Error::Held(left)) }
}

/// A file that is no object any more is there all the same. Whether it may be removed is decided when its bytes are seen.
fn spoiled(sight: Result<Sight, targets::Error>) -> Result<Sight, targets::Error> {
    match sight {
        Err(targets::Error::Unreadable(..)) => Ok(Sight::There(Value::Null)),
        sight => sight,
    }
}

/// Whether an object has another owner by now, or none.
fn is_foreign(error: &targets::Error) -> bool {
    matches!(
        error,
        targets::Error::Foreign { .. } | targets::Error::TakenOver { .. } | targets::Error::Namesake { .. }
    )
}
