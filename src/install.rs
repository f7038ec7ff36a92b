//! The story: from a verified bundle to a recorded installation.
//!
//! [`act`] is all of it, for every action: decide, plan, ask, and carry out the plan. Nothing is recorded before the
//! plan is confirmed, and nothing is done that is not recorded first.

mod failure;
mod approver;
mod approval;
mod environment;
mod options;
mod examined;
mod operation;
mod outcome;
mod responsibilities;
mod decide;
mod actor;
mod run;
mod claim;
mod powers;
mod approving;
mod removal;
mod ledger;
mod claims;
mod by_hand;
mod examining;
mod cleanup;
mod planning;
mod acting;
mod identity;

use crate::state::Installation;
use crate::targets::Target;
use crate::verify::Verified;

pub use approval::Approvals;
pub use approver::{Answer, Approver, Decision, Unattended};
pub use environment::{Cancellation, Environment};
pub use examined::{ChangedInput, Examined, ObjectReason};
pub use failure::{Error, MAX_SAID};
pub use identity::{goes_beyond, identity_record, remove_identity, required_rights};
pub use operation::{Mode, Operation};
pub use options::{ChangeOptions, Identity, TIMEOUT};
pub use outcome::Outcome;

use actor::Actor;
use decide::decide;
use responsibilities::Responsibilities;
use run::Run;

/// Carries out an action of a bundle, whatever it is: decides, plans, asks, records the intent, carries out the plan,
/// and records the outcome.
///
/// # Errors
/// [`Error`], by stage. Once anything was done, the installation is recorded as failed and can be finished or undone.
pub async fn act(
    verified: Option<Verified>,
    target: Target,
    operation: Operation,
    environment: &Environment<'_>,
    mode: Mode,
) -> Result<Outcome, Error> {
    let lock = if mode == Mode::Act { Some(environment.state.lock(&operation.name)?) } else { None };
    let earlier = environment.state.find(&operation.name)?;
    operation.check(earlier.as_ref(), mode)?;
    let responsibilities = Responsibilities::of(verified.as_ref(), &operation)?;
    let (granted, decided) = decide(verified, &operation, earlier.as_ref(), &responsibilities, mode)?;
    let actor = Actor::of(granted, &responsibilities, environment).await?;

    let earlier = earlier.as_ref();
    let record = operation.record(earlier, mode);
    let run =
        Run { operation: &operation, environment, earlier, responsibilities, decided, actor, record, mode };
    let planned = run.plan(target).await.map_err(|error| operation.stale(error))?;
    // Invariant: what is applied is what was planned, or it stops.
    if let Some(saved) = &operation.plan {
        let departures = saved.departures(planned.plan());
        if !departures.is_empty() {
            return Err(Error::Stale { departures, again: saved.again() });
        }
    }
    // Where nothing is wrong, nothing is put right, and there is no revision of that.
    let is_well = || earlier.is_some_and(Installation::is_installed) && planned.plan().is_empty();
    if mode != Mode::Act || operation.options.waits_for_changes_only && is_well() {
        return Ok(planned.into_outcome());
    }
    // Invariant: whoever acts does not say yes alone where the policy wants somebody else's.
    let approved = operation.approvals.check(&planned.to_approve)?;
    if operation.goes_back {
        operation.approvals.check(&run.way_back(planned.plan())).map_err(Error::WayBack)?;
    }
    let confirmed = run.ask(&planned, approved).await?;
    run.carry_out(planned, &confirmed, lock.as_ref()).await
}

#[cfg(test)]
mod tests;
