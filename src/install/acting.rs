//! The acting pass: the same steps for real, written down before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::ScopedIdentity;
use crate::grant::recorded;
use crate::host::watch::Watcher;
use crate::host::work::{Pass, Work};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::is_ready_once_there;
use crate::state::{Claim, ClaimResult, Lock, StateError};

use super::planning::Planned;
use super::run::Run;
use super::{Error, Outcome, claim, removal};

/// What came of an action, and the outputs that may be stored.
type Acted = (Outcome, BTreeMap<String, Value>);

impl Run<'_> {
    /// Does what was planned, and records it. The identity that it is done with is gone before it is recorded as done:
    /// whoever kills the run before has the next one finish it.
    pub(super) async fn act_and_record(
        &self,
        planned: Planned,
        lock: Option<&Lock>,
        identity: Option<&ScopedIdentity>,
    ) -> Result<Outcome, Error> {
        let begun =
            if self.responsibilities.stateless { Ok(None) } else { self.record(&planned).await.map(Some) };
        let ended = match begun {
            Ok(claim) => Ok((claim, self.act_until_stopped(planned, lock).await)),
            Err(error) => Err(error),
        };
        if let Some(identity) = identity {
            self.remove(identity).await?;
        }
        let (claim, acted) = ended?;
        if let Some(claim) = claim {
            self.conclude(&claim, &acted)?;
        }
        acted.map(|(outcome, _)| outcome)
    }

    async fn act_until_stopped(&self, planned: Planned, lock: Option<&Lock>) -> Result<Acted, Error> {
        tokio::select! {
            acted = self.act(planned) => acted,
            () = self.environment.cancellation.canceled() => Err(Error::Canceled),
            error = lost(lock) => Err(error.into()),
        }
    }

    /// Writes down how the action ended.
    fn conclude(&self, claim: &Claim, acted: &Result<Acted, Error>) -> Result<(), Error> {
        let result = match acted {
            Ok((_, outputs)) => ClaimResult { status: "succeeded", message: None, outputs },
            Err(error) => ClaimResult {
                status: error.status(),
                message: Some(error.summary()),
                outputs: &BTreeMap::new(),
            },
        };
        Ok(self.environment.state.finish(claim, &result)?)
    }

    /// Writes down that the action begins, with all that is needed to finish or undo it.
    async fn record(&self, planned: &Planned) -> Result<Claim, Error> {
        let state = self.environment.state;
        if let Some(granted) = &self.decided.granted {
            state.keep(granted.verified().fetched()).await?;
        }
        let settings = self.settings();
        let claim = claim::document(self, &settings, &planned.plan).await;
        state.begin(&self.operation.name, &self.operation.namespace, &settings, &claim)?;
        Ok(claim)
    }

    /// The acting pass, what the runtime removes after it, and the waiting. The answer's second part are the outputs that
    /// may be stored.
    async fn act(&self, planned: Planned) -> Result<Acted, Error> {
        let Planned { plan, ran, removals, kept, all_rights: rights, .. } = planned;
        // The steps of the component alone: what is removed after it is not compared, and may be gone already.
        let Work { target, kinds, changes, steps, answers, .. } = ran.work;
        target.sweep()?;
        let seen =
            changes.into_values().filter_map(|row| Some((row.object.to_string(), row.before?))).collect();
        let pass = Pass::acting(steps, &answers, self.environment.state.ledger(&self.operation.name));
        let watcher: Arc<dyn Watcher> = self.environment.approver.clone();
        let work = Work { answers, ..self.work(target, kinds, pass, seen, watcher) };
        let mut ran = self.pass(work).await?;
        removal::carry_out(&mut ran.work, removals).await?;
        self.let_go(&mut ran.work, &kept)?;
        await_ready(&mut ran.work).await?;
        let outputs = self.complete_outputs(ran.outputs)?;
        let (write_only, stored) = self.split_outputs(&outputs);
        let outcome = Outcome { plan, outputs, write_only, log: ran.log, denials: ran.denials, kept, rights };
        Ok((outcome, stored))
    }

    /// What an uninstall leaves in place is nobody's any more.
    fn let_go(&self, work: &mut Work, kept: &[ObjectRef]) -> Result<(), Error> {
        if let Pass::Acting { ledger, .. } = &mut work.pass
            && self.responsibilities.remove
        {
            kept.iter().try_for_each(|object| ledger.removed(object))?;
        }
        Ok(())
    }
}

/// Waits for everything that the run applied.
async fn await_ready(work: &mut Work) -> Result<(), Error> {
    if !work.waiting.enabled {
        return Ok(());
    }
    let applied: BTreeSet<ObjectRef> =
        work.writes().filter(|(step, _)| !step.delete).map(|(step, _)| step.object.clone()).collect();
    let left: Vec<_> = applied
        .into_iter()
        .filter(|object| work.inventory.find(object).is_some() && !is_ready_once_there(object))
        .map(recorded::wait)
        .collect();
    work.await_ready(left, work.waiting.until).await?;
    let unready = work.unready().await;
    if unready.is_empty() { Ok(()) } else { Err(Error::Unready(unready)) }
}

/// Why the installation is no longer held, when that is so: nothing more may be done with it then.
async fn lost(lock: Option<&Lock>) -> StateError {
    match lock {
        Some(lock) => lock.lost().await,
        None => std::future::pending().await,
    }
}
