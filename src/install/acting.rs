//! From the plan to its outcome: consent, an identity, and the acting pass, the same steps for real, written down
//! before and after.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::claim::ResultStatus;
use crate::cluster::ScopedIdentity;
use crate::grant::Denied;
use crate::host::pass::{Acting, UnderWay};
use crate::host::progress::{LeftObject, Observer};
use crate::kubernetes::object::ObjectRef;
use crate::plan::Confirmed;
use crate::state::{InstallationLock, NewClaim, NewResult, RecordedFiles, StateError};
use crate::verify::Approved;

use super::cleanup::Cleanup;
use super::planning::{PlannedRun, Rehearsal};
use super::removal::PlannedRemoval;
use super::run::{Ran, Run};
use super::{Environment, Error, Outcome, claim, removal};

/// The outcome of an action, and the outputs that may be stored.
type Acted = (Outcome, BTreeMap<String, Value>);

impl Run<'_> {
    /// Asks the approver. A run that is stopped waits for no answer.
    pub(super) async fn ask(&self, planned: &PlannedRun, approved: Approved) -> Result<Confirmed, Error> {
        let Environment { approver, cancellation, .. } = self.environment;
        let is_confirmed = tokio::select! {
            answer = approver.confirm(planned.plan(), &self.decided.decision) => answer,
            () = cancellation.canceled() => return Err(Error::Canceled),
        };
        planned.proposed.confirm(approved, |_| is_confirmed).ok_or(Error::Declined)
    }

    /// Carries out the plan. In a cluster the run has an identity of its own, unless nothing is written or the operator
    /// chose their own.
    pub(super) async fn carry_out(
        &self,
        mut planned: PlannedRun,
        confirmed: &Confirmed,
        lock: Option<&InstallationLock>,
    ) -> Result<Outcome, Error> {
        if let Some(right) = lock.and_then(InstallationLock::write_right) {
            planned.target_mut().write_under(right);
        }
        self.remove_leftovers(planned.target()).await?;
        let identity = self.identity(&mut planned, confirmed, lock)?;
        if let Some(identity) = &identity
            && let Err(error) = self.make(identity, &planned).await
        {
            self.remove(identity).await?;
            return Err(error);
        }
        self.act_and_record(planned, confirmed, lock, identity.as_deref()).await
    }

    /// Carries out the plan, and records the result. The run's identity is removed before success is recorded, so that
    /// the next command finishes a run that was killed in between.
    async fn act_and_record(
        &self,
        planned: PlannedRun,
        confirmed: &Confirmed,
        lock: Option<&InstallationLock>,
        identity: Option<&ScopedIdentity>,
    ) -> Result<Outcome, Error> {
        let begun = if self.responsibilities.stateless {
            Ok(None)
        } else {
            self.record(&planned, confirmed).await.map(Some)
        };
        let ended = match begun {
            Ok(claim) => Ok((claim, self.act_until_stopped(planned, confirmed, lock).await)),
            Err(error) => Err(error),
        };
        if let Some(identity) = identity {
            self.remove(identity).await?;
        }
        let (claim, acted) = ended?;
        if let Some(claim) = claim {
            let concluded = self.conclude(&claim, &acted);
            // Who lost the hold cannot write how it ended, and knows better than that why.
            if !matches!(acted, Err(Error::Displaced { .. })) {
                concluded?;
            }
        }
        acted.map(|(outcome, _)| outcome)
    }

    async fn act_until_stopped(
        &self,
        planned: PlannedRun,
        confirmed: &Confirmed,
        lock: Option<&InstallationLock>,
    ) -> Result<Acted, Error> {
        let under_way = UnderWay::default();
        let acted = tokio::select! {
            acted = self.act(planned, confirmed, &under_way) => acted,
            () = self.environment.cancellation.canceled() => Err(Error::Canceled),
            error = lost(lock) => Err(error.into()),
        };
        acted.map_err(|error| match error {
            Error::State(source @ StateError::Lost { .. }) => self.displaced(source, &under_way),
            error => error,
        })
    }

    /// The error of a run that lost its hold. What it has sent as the caller nobody refuses when it arrives.
    fn displaced(&self, source: StateError, under_way: &UnderWay) -> Error {
        let objects = under_way.objects();
        if objects.is_empty() || !self.operation.acts_as_caller() {
            return source.into();
        }
        Error::Displaced { source, under_way: objects.iter().map(ToString::to_string).collect() }
    }

    /// Writes down how the action ended.
    fn conclude(&self, claim: &NewClaim, acted: &Result<Acted, Error>) -> Result<(), Error> {
        let result = match acted {
            Ok((outcome, outputs)) => NewResult {
                status: ResultStatus::Succeeded,
                message: outcome.message(),
                outputs,
                stamp: None,
            },
            Err(error) => NewResult {
                status: error.status(),
                message: Some(error.summary()),
                outputs: &BTreeMap::new(),
                stamp: None,
            },
        };
        Ok(self.environment.state.finish(claim, &result)?)
    }

    /// Records that the action begins, with all that is needed to finish or undo it.
    async fn record(&self, planned: &PlannedRun, confirmed: &Confirmed) -> Result<NewClaim, Error> {
        let state = self.environment.state;
        if let Some(granted) = self.actor.granted() {
            state.keep(granted.verified().fetched()).await?;
        }
        let settings = self.settings();
        let credentials = &self.decided.credentials;
        let files = RecordedFiles::of(&planned.rehearsal.files, |text| credentials.occur_in(text));
        let claim = claim::document(self, &settings, (planned.plan(), confirmed.approved_by()), &files).await;
        state.begin(&self.operation.name, &self.operation.namespace, &settings, &claim)?;
        Ok(claim)
    }

    /// Runs the acting pass, then the runtime's removals, then the wait for readiness. The second part of the result
    /// are the outputs that may be stored.
    async fn act(
        &self,
        planned: PlannedRun,
        confirmed: &Confirmed,
        under_way: &UnderWay,
    ) -> Result<Acted, Error> {
        let PlannedRun { mut proposed, to_approve, rehearsal, cleanup, .. } = planned;
        let Rehearsal { site, trace, script, files } = rehearsal;
        let Cleanup { removals, kept, swept, kept_credentials, by_hand, .. } = cleanup;
        site.target().sweep()?;
        let observer: Arc<dyn Observer> = self.environment.approver.clone();
        let site = site.again(self.waiting_for(proposed.plan()), observer);
        let ledger = self.marking(self.environment.state.ledger(&self.operation.name));
        let acting = Acting::new(confirmed, site, script, trace.into_seen(), ledger).showing(under_way);
        let Ran { pass: mut acting, ended } = self.pass(acting, files).await?;
        let gone = [kept.clone(), swept].concat();
        let left = self.clean_up(&mut acting, removals, &gone).await?;
        let unready = acting.await_applied().await?;
        if !unready.is_empty() {
            return Err(Error::Unready(unready));
        }
        proposed.warned(&acting.site().target().take_warnings());
        let refused = ended.failed.iter().map(ToString::to_string);
        proposed.carried_out(|object, planned| acting.done().change(object, planned), refused);
        let outputs = self.complete_outputs(ended.outputs)?;
        let (write_only, stored) = self.split_outputs(&outputs);
        let denials = ended.denied.iter().map(Denied::explained).collect();
        let kept = [kept, kept_credentials].concat();
        let outcome = Outcome {
            proposed,
            outputs,
            write_only,
            log: ended.log,
            denials,
            kept,
            by_hand,
            left,
            to_approve,
            examined: None,
            dependencies: Vec::new(),
        };
        Ok((outcome, stored))
    }

    /// Removes what the runtime is to remove. After an uninstall nothing is on record that may be there.
    async fn clean_up(
        &self,
        acting: &mut Acting,
        removals: Vec<PlannedRemoval>,
        kept: &[ObjectRef],
    ) -> Result<Vec<LeftObject>, Error> {
        let left = removal::carry_out(acting, removals).await?;
        if !self.removes_everything() {
            return Ok(left);
        }
        // Objects that an uninstall leaves in place no longer belong to the installation.
        acting.forget(kept.iter().cloned())?;
        acting.site().target().release(acting.site().inventory())?;
        if left.iter().any(|left| left.stays) { Err(Error::Left(left)) } else { Ok(left) }
    }
}

/// The error when the lock on the installation was lost: nothing more may be written then.
async fn lost(lock: Option<&InstallationLock>) -> StateError {
    match lock {
        Some(lock) => lock.lost().await,
        None => std::future::pending().await,
    }
}
