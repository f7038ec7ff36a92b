//! The acting pass: the steps of the plan, and no others, each written down before and after it is done.

mod apply;
mod remove;
mod replace;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::grant::{Delete, Get, Granted, Permitted, Wait};
use crate::host::GuestError;
use crate::host::progress::Unready;
use crate::host::told::CallError;
use crate::host::wait::{Awaited, TimedOut};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::is_ready_once_there;
use crate::plan::trace::Step;
use crate::targets::{self, Change, Ledger};

use super::script::{Departure, Follower, Script};
use super::site::Site;
use super::{Item, steps_of};

pub use remove::Removal;

/// An acting pass.
pub struct Acting {
    site: Site,
    follower: Follower,
    /// Objects that are as they are to be, by what they are called: nothing is sent for them.
    settled: BTreeSet<String>,
    /// Objects as they were when the run was planned, by what they are called.
    seen: BTreeMap<String, Value>,
    ledger: Box<dyn Ledger>,
    /// What was applied, and may be waited for.
    applied: BTreeMap<ObjectRef, Permitted<Wait>>,
    /// What was not ready when the last waiting ended.
    late: Vec<TimedOut>,
    /// What was removed and is still there.
    going: Vec<Awaited>,
}

impl Acting {
    /// A pass that follows a script. `seen` are the objects as they were when it was planned.
    pub fn new(site: Site, script: Script, seen: BTreeMap<String, Value>, ledger: Box<dyn Ledger>) -> Self {
        Self {
            site,
            settled: script.settled(),
            follower: Follower::new(script),
            seen,
            ledger,
            applied: BTreeMap::new(),
            late: Vec::new(),
            going: Vec::new(),
        }
    }

    /// Checks that the component took all steps of the plan.
    ///
    /// # Errors
    /// [`Departure`] when the plan has more.
    pub(super) fn finished(&self) -> Result<(), Departure> {
        self.follower.finished()
    }

    /// Waits for everything that was applied; gives what is not ready in time.
    ///
    /// # Errors
    /// When the target cannot be read.
    pub async fn await_applied(&mut self) -> Result<Vec<Unready>, targets::Error> {
        if !self.site.waiting().enabled {
            return Ok(Vec::new());
        }
        let applied = std::mem::take(&mut self.applied).into_iter();
        let is_meant =
            |object: &ObjectRef| self.site.inventory().find(object).is_some() && !is_ready_once_there(object);
        let permits = applied.filter(|(object, _)| is_meant(object)).map(|(_, permit)| permit).collect();
        self.await_ready(permits, self.site.waiting().until).await?;
        Ok(self.unready().await)
    }

    /// What was not ready when the last waiting ended, and what hinders it: for the operator alone.
    pub async fn unready(&mut self) -> Vec<Unready> {
        let late = std::mem::take(&mut self.late);
        self.site.waiter(self.site.waiting().until).explained(late).await
    }

    /// Forgets objects that are not the installation's any more: gone, somebody else's by now, or left to themselves.
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

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    pub(super) fn site_mut(&mut self) -> &mut Site {
        &mut self.site
    }

    pub(super) async fn get(&mut self, permit: &Permitted<Get>) -> Result<Option<Value>, targets::Error> {
        self.site.get(permit).await
    }

    /// Applies objects. All of them are in the record before the first goes out.
    pub(super) async fn apply(
        &mut self,
        items: Vec<Item>,
        granted: &Granted,
    ) -> Result<Vec<Change>, CallError> {
        let changes = self.follower.take(steps_of(&items))?;
        self.let_go_first(&items).await?;
        self.send_all(&items, granted).await?;
        // A component is told what it was told when the run was planned: it has to do the same again.
        Ok(changes)
    }

    /// Removes objects.
    pub(super) async fn delete(&mut self, permits: Vec<Permitted<Delete>>) -> Result<(), CallError> {
        self.follower.take(permits.iter().map(|permit| Step::delete(permit.0.clone())))?;
        let removal = |permit: Permitted<Delete>| {
            let seen = self.seen.get(&permit.0.to_string()).cloned();
            Removal { permit, seen }
        };
        let removals = permits.into_iter().map(removal).collect();
        Ok(self.remove(removals, |_| false).await?)
    }

    /// Waits until objects are ready.
    pub(super) async fn wait(
        &mut self,
        permits: Vec<Permitted<Wait>>,
        limit: Duration,
        granted: &Granted,
    ) -> Result<(), CallError> {
        let waiting = self.site.waiting();
        if !waiting.enabled {
            return Ok(());
        }
        self.await_ready(permits, waiting.at_most(limit)).await?;
        self.check_late(granted)
    }

    /// Waits until every object is ready, one of them never will be, or the time is over. Those that are not are late.
    async fn await_ready(
        &mut self,
        permits: Vec<Permitted<Wait>>,
        until: Instant,
    ) -> Result<(), targets::Error> {
        let awaited = permits.into_iter().map(Awaited::Ready).collect();
        self.late = self.site.waiter(until).settle(awaited).await?;
        Ok(())
    }

    fn check_late(&self, granted: &Granted) -> Result<(), CallError> {
        if self.late.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = self.late.iter().map(|late| described(late.row(), granted)).collect();
        Err(CallError::Guest(GuestError::Timeout(format!("not ready: {}", rows.join("; ")))))
    }
}

/// What an object says of itself is for a component that may read it; of the others it learns only that they are not
/// ready. Pods and events of theirs are none of its business.
fn described(row: &Unready, granted: &Granted) -> String {
    let why = match (granted.get(row.object.clone()), row.failed) {
        (Ok(_), _) => &*row.why,
        (Err(_), true) => "it failed",
        (Err(_), false) => "it is not ready",
    };
    format!("{}: {why}", row.object)
}
