//! What the runtime removes by itself, by the inventory: the last applied first, in an order that lets everything go.

use serde_json::Value;

use crate::cluster::{self, concurrent};
use crate::grant::recorded;
use crate::host::remove::Doomed;
use crate::host::work::{ObjectChange, Work};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::order::RemovalWave;
use crate::targets::credentials::Placements;
use crate::targets::{self, Change, Marks};

use super::Error;

/// An object that the runtime removes.
pub(super) struct Removal {
    pub(super) object: ObjectRef,
    /// The object as it is. None: it is gone already, or somebody else's by now, and will only be forgotten.
    pub(super) found: Option<Value>,
}

impl Removal {
    /// Its row in the plan.
    pub(super) fn row(&self) -> Option<ObjectChange> {
        Some(ObjectChange {
            object: self.object.clone(),
            change: Change::Delete,
            before: Some(self.found.clone()?),
            after: None,
            placements: Placements::new(),
            marks: Marks::default(),
            immutable: Vec::new(),
        })
    }

    fn doomed(self) -> Doomed {
        Doomed { permit: recorded::delete(self.object), seen: self.found }
    }
}

/// Looks at what is to be removed.
pub(super) async fn plan(work: &mut Work, objects: Vec<ObjectRef>) -> Result<Vec<Removal>, Error> {
    for object in &objects {
        // A custom resource whose definition is gone is gone with it.
        work.target.learn(object, &mut work.kinds).await.or_else(gone)?;
    }
    let Work { target, kinds, inventory, overrides, .. } = &*work;
    let look = |object: ObjectRef| async move {
        let found = target.get(&recorded::get(object.clone()), kinds).await.or_else(gone)?;
        let found = found.filter(|found| target.may_remove(&object, found, inventory, *overrides));
        Ok::<_, targets::Error>(Removal { object, found })
    };
    Ok(concurrent::collect(objects.into_iter().map(look).collect()).await?)
}

/// Removes what was planned, and waits until it is gone.
pub(super) async fn carry_out(work: &mut Work, mut removals: Vec<Removal>) -> Result<(), Error> {
    removals.sort_by_key(|removal| RemovalWave::of(&removal.object));
    let mut rest = removals.into_iter().peekable();
    while let Some(wave) = rest.peek().map(|removal| RemovalWave::of(&removal.object)) {
        let mut together = Vec::new();
        while let Some(removal) = rest.next_if(|removal| RemovalWave::of(&removal.object) == wave) {
            together.push(removal);
        }
        remove(work, together).await?;
        await_gone(work).await?;
    }
    await_gone(work).await
}

async fn remove(work: &mut Work, removals: Vec<Removal>) -> Result<(), Error> {
    let (there, gone): (Vec<_>, Vec<_>) = removals.into_iter().partition(|removal| removal.found.is_some());
    work.forget(gone.into_iter().map(|removal| removal.object))?;
    let doomed = there.into_iter().map(Removal::doomed).collect();
    Ok(work.remove(doomed, is_over).await?)
}

async fn await_gone(work: &mut Work) -> Result<(), Error> {
    let left = work.await_gone().await?;
    if left.is_empty() { Ok(()) } else { Err(Error::Held(left)) }
}

fn gone<T: Default>(error: targets::Error) -> Result<T, targets::Error> {
    match error {
        targets::Error::Cluster(cluster::Error::NoKind { .. }) => Ok(T::default()),
        error => Err(error),
    }
}

/// What belongs to somebody else by now stays with them, and what has no kind any more is gone with it.
fn is_over(error: &targets::Error) -> bool {
    matches!(error, targets::Error::Foreign { .. } | targets::Error::Cluster(cluster::Error::NoKind { .. }))
}
