//! The acting pass: the steps of the plan, and no others, each written down before and after it is done.

mod done;
mod reached;
mod apply;
mod remove;
mod replace;
mod under_way;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::grant::{Delete, Get, Granted, Permitted, Wait};
use crate::host::GuestError;
use crate::host::progress::{LeftObject, Unready};
use crate::host::told::CallError;
use crate::host::wait::TimedOut;
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::kubernetes::readiness::is_ready_once_there;
use crate::plan::Confirmed;
use crate::plan::trace::Step;
use crate::targets::{self, Awaited, Change, Ledger};

use super::script::{Departure, Follower, Script};
use super::site::Site;
use super::{ApplyItem, steps_of};

use reached::CallProgress;

pub use done::Done;
pub use remove::ObjectRemoval;
pub use under_way::UnderWay;

/// An acting pass, which only a plan has that somebody said yes to:
/// ```compile_fail,E0061
/// # fn forge(site: carnet::host::pass::Site, script: carnet::host::pass::Script) {
/// let forged = carnet::host::pass::Acting::new(site, script, Default::default(), panic!());
/// # }
/// ```
/// ```compile_fail
/// let forged = carnet::host::pass::Acting { ..panic!() };
/// ```
pub struct Acting {
    site: Site,
    follower: Follower,
    /// Objects whose apply is a no-op: no request is sent for them.
    settled: BTreeSet<ObjectId>,
    /// Objects as they were when the run was planned.
    seen: BTreeMap<ObjectId, Value>,
    ledger: Box<dyn Ledger>,
    /// Applied objects, which may be waited for.
    applied: BTreeMap<ObjectRef, Permitted<Wait>>,
    /// Applied objects that their controller removes once they are done.
    passing: BTreeSet<ObjectId>,
    /// The kinds that each definition brings which this run applies, in each version.
    defined: BTreeMap<ObjectId, Vec<ObjectRef>>,
    /// Kinds whose definitions this run has changed, as `group/Kind`.
    redefined: BTreeSet<String>,
    /// Objects that were not ready when the last wait timed out.
    late: Vec<TimedOut>,
    /// Deleted objects that may still exist.
    going: Vec<Awaited>,
    /// The changes that were made.
    done: Box<Done>,
    /// How far the requests of the last call went.
    progress: Box<CallProgress>,
    under_way: UnderWay,
}

impl Acting {
    /// A pass that follows the script of a confirmed plan. `seen` are the objects as they were when it was planned.
    // Invariant: nothing is written before somebody said yes to the plan, and whoever else has to.
    pub fn new(
        _confirmed: &Confirmed,
        site: Site,
        script: Script,
        seen: BTreeMap<ObjectId, Value>,
        ledger: Box<dyn Ledger>,
    ) -> Self {
        Self {
            site,
            settled: script.settled(),
            follower: Follower::new(script),
            seen,
            ledger,
            applied: BTreeMap::new(),
            passing: BTreeSet::new(),
            defined: BTreeMap::new(),
            redefined: BTreeSet::new(),
            late: Vec::new(),
            going: Vec::new(),
            done: Box::default(),
            progress: Box::default(),
            under_way: UnderWay::default(),
        }
    }

    /// Shows which requests are under way, also when the pass is gone.
    #[must_use]
    pub fn showing(self, under_way: &UnderWay) -> Self {
        Self { under_way: under_way.clone(), ..self }
    }

    /// Checks that the component took all steps of the plan.
    ///
    /// # Errors
    /// [`Departure`] when the plan has more.
    pub(super) fn finished(&self) -> Result<(), Departure> {
        self.follower.finished()
    }

    /// Waits for all applied objects; returns those that are not ready in time.
    ///
    /// # Errors
    /// When the target cannot be read.
    pub async fn await_applied(&mut self) -> Result<Vec<Unready>, targets::Error> {
        if !self.site.waiting().waits.at_the_end() {
            return Ok(Vec::new());
        }
        let applied = std::mem::take(&mut self.applied).into_iter();
        let is_meant =
            |object: &ObjectRef| self.site.inventory().find(object).is_some() && !is_ready_once_there(object);
        let permits = applied.filter(|(object, _)| is_meant(object)).map(|(_, permit)| permit).collect();
        self.await_ready(permits, self.site.waiting().until).await?;
        Ok(self.unready().await)
    }

    /// Objects that were not ready when the last wait timed out, with a diagnosis: for the operator alone.
    pub async fn unready(&mut self) -> Vec<Unready> {
        let late = std::mem::take(&mut self.late);
        self.site.waiter(self.site.waiting().until).explained(late).await
    }

    /// Drops objects from the inventory that are gone, have another owner by now, or were left in place.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn forget(&mut self, objects: impl Iterator<Item = ObjectRef>) -> Result<(), targets::Error> {
        for object in objects {
            self.ledger.removed(&object)?;
            self.site.forget(&object);
        }
        Ok(())
    }

    /// The changes that were made.
    pub fn done(&self) -> &Done {
        &self.done
    }

    /// Takes the objects that were to be removed and were left in place.
    pub fn take_left(&mut self) -> Vec<LeftObject> {
        self.done.take_left()
    }

    /// The site that it works on.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The site that it works on, to learn more of.
    pub fn site_mut(&mut self) -> &mut Site {
        &mut self.site
    }

    pub(super) async fn get(&mut self, permit: &Permitted<Get>) -> Result<Option<Value>, targets::Error> {
        self.site.get(permit).await
    }

    /// Applies objects. All of them are in the inventory before the first request is sent.
    pub(super) async fn apply(
        &mut self,
        items: Vec<ApplyItem>,
        granted: &Granted,
    ) -> Result<Vec<Change>, CallError> {
        let changes = self.follower.take(steps_of(&items))?;
        let sent = self.send_call(&items, granted).await;
        let was_refused = matches!(&sent, Err(CallError::Target(_))) && self.progress.is_all_refused();
        self.follower.note(steps_of(&items).next(), sent, was_refused)?;
        // The component receives the results of the planning pass, so that it takes the same steps again.
        Ok(changes)
    }

    async fn send_call(&mut self, items: &[ApplyItem], granted: &Granted) -> Result<(), CallError> {
        self.let_go_first(items).await?;
        self.send_all(items, granted).await
    }

    /// Removes objects.
    pub(super) async fn delete(&mut self, permits: Vec<Permitted<Delete>>) -> Result<(), CallError> {
        let steps: Vec<_> = permits.iter().map(|permit| Step::delete(permit.0.clone())).collect();
        let first = steps.first().cloned();
        self.follower.take(steps.into_iter())?;
        let removal = |permit: Permitted<Delete>| {
            let seen = self.seen.get(&permit.0.id()).cloned();
            ObjectRemoval { permit, seen }
        };
        let removals = permits.into_iter().map(removal).collect();
        let removed = self.remove(removals, |_| false).await.map_err(CallError::from);
        self.follower.note(first, removed, false)
    }

    /// Waits until objects are ready.
    pub(super) async fn wait(
        &mut self,
        permits: Vec<Permitted<Wait>>,
        limit: Duration,
        granted: &Granted,
    ) -> Result<(), CallError> {
        let waiting = self.site.waiting();
        if !waiting.waits.between_steps() {
            return Ok(());
        }
        self.await_ready(permits, waiting.at_most(limit)).await?;
        self.check_late(granted)
    }

    /// Waits until every object is ready, one has failed for good, or the time is over. Those that are not ready are
    /// kept as late.
    async fn await_ready(
        &mut self,
        permits: Vec<Permitted<Wait>>,
        until: Instant,
    ) -> Result<(), targets::Error> {
        let awaited = permits.into_iter().map(|permit| self.ready(permit)).collect();
        self.late = self.site.waiter(until).settle(awaited).await?;
        Ok(())
    }

    fn ready(&self, permit: Permitted<Wait>) -> Awaited {
        let id = permit.0.id();
        if let Some(kinds) = self.defined.get(&id) {
            return Awaited::Served(permit, kinds.clone());
        }
        let removes_itself = self.passing.contains(&id);
        Awaited::Ready { permit, removes_itself }
    }

    fn check_late(&self, granted: &Granted) -> Result<(), CallError> {
        if self.late.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = self.late.iter().map(|late| described(late.row(), granted)).collect();
        Err(CallError::Guest(GuestError::Timeout(format!("not ready: {}", rows.join("; ")))))
    }
}

/// A component is told an object's status only if it may read the object; of others it learns only that they are not
/// ready. It never sees their pods and events.
fn described(row: &Unready, granted: &Granted) -> String {
    let why = match (granted.get(row.object.clone()), row.failed) {
        (Ok(_), _) => &*row.why,
        (Err(_), true) => "it failed",
        (Err(_), false) => "it is not ready",
    };
    format!("{}: {why}", row.object)
}
