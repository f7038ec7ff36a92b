//! What ended a run, or kept it from starting.

use crate::bundle::parameters::{ParameterError, ParameterFault};
use crate::cluster;
use crate::document::chain;
use crate::host::GuestError;
use crate::install;
use crate::plan::HeldFields;
use crate::plan::powers::{By, RefusedPowers};
use crate::run::RunError;
use crate::targets::{self, Take};
use crate::text::CommandLine;
use crate::verify::Unapproved;

use super::super::{
    Circumstance, Detail, ERROR, FAILED, LIMIT, NO_RIGHTS, NOT_GRANTED, NOT_READY, NOT_TRUSTED, STALE, USAGE,
};
use super::bundles::of_shortfall;
use super::places::{HELD, REPLACE, of_cluster, of_state, of_target};
use super::{Meaning, UNASKED, meaning, said};

/// The most powers that an error lists.
pub(super) const MAX_POWERS: usize = 50;

/// The hint where somebody else has to approve a plan.
const UNAPPROVED: &str = "the plan of an install or upgrade can be saved (`-o json`), approved, and carried out: carnet apply PLAN --approval FILE";

/// The hint where a rollback would need an approval.
const WAY_BACK: &str = "leave out `--rollback-on-failure`; what a failure leaves is undone by a plan of its own, once that is \
    approved";

/// The hint where a component trapped before anything was done.
const TRAPPED: &str = "nothing was done: the fault is in the bundle, for its author to mend";

pub(super) fn of_install(error: &install::Error) -> Meaning {
    match error {
        install::Error::Appeared(_) => {
            Meaning::from(STALE).hint("another run was still at work: the same command removes them")
        }
        install::Error::Canceled => Meaning::from(ERROR).under(Circumstance::CutShort),
        install::Error::Credential(_) => Meaning::from(ERROR)
            .under(Circumstance::NoCredential)
            .hint("name a credential set with `-c`, or make one: carnet credentials generate NAME REF"),
        install::Error::Missing { first, more } => of_all_missing(first, more),
        install::Error::Credentials(error) => meaning(&**error).unwrap_or_else(|| ERROR.into()),
        install::Error::Displaced { source, under_way } => of_state(source).details(under_way),
        install::Error::Declined => Meaning::from(ERROR).hint(UNASKED),
        install::Error::Identity { source, missing } => of_identity(source, missing),
        install::Error::Parameters(ParameterError(faults)) => of_parameters(faults),
        install::Error::Powers { refused, .. } => of_powers(refused),
        install::Error::Unapproved(Unapproved::Missing { .. }) => Meaning::from(NOT_TRUSTED).hint(UNAPPROVED),
        install::Error::Unapproved(_) => NOT_TRUSTED.into(),
        install::Error::WayBack(_) => Meaning::from(NOT_TRUSTED).hint(WAY_BACK),
        install::Error::Held(held) => Meaning::from(NOT_READY).unready(held, install::MAX_SAID).hint(HELD),
        install::Error::Name(_) => Meaning::from(USAGE)
            .hint("up to 63 lower-case letters, digits and `-`, with no `-` at either end"),
        install::Error::Place { name, namespace, .. } => Meaning::from(ERROR)
            .hint(CommandLine::of("carnet status").word(name).own("-n").word(namespace)),
        install::Error::Exists { name, .. } => {
            Meaning::from(ERROR).hint(CommandLine::of("carnet upgrade").word(name).own("REF"))
        }
        install::Error::Run { source, refusal, denials, unready, done, .. } => {
            of_failed_run(source, refusal.as_deref(), denials).unready(unready, 0).done(done)
        }
        install::Error::Left(_) => Meaning::from(ERROR).hint(
            "once they can be looked at, the same command goes on; `--take-ownership` removes also what does not say \
             any more that it belongs to this installation",
        ),
        install::Error::OtherFiles(_) => {
            Meaning::from(ERROR).hint("put them back as they were, or roll them out: carnet upgrade NAME REF")
        }
        install::Error::SetUp(error) => of_run(error),
        install::Error::Conflicts(held) => of_held(held),
        install::Error::Replaces(_) => Meaning::from(ERROR).hint(REPLACE),
        install::Error::Shortfall(error) => of_shortfall(error),
        install::Error::State(error) => of_state(error),
        install::Error::Target(error) => of_target(error),
        install::Error::Stale { departures, again } => Meaning::from(STALE)
            .details(departures)
            .hint(CommandLine::of("make a new one, and look at it:").and(again)),
        install::Error::Unready(unready) => Meaning::from(NOT_READY)
            .unready(unready, install::MAX_SAID)
            .hint("wait longer with `--timeout`, or not with `--no-wait`"),
        _ => ERROR.into(),
    }
}

/// What has to be granted or given: the first decides, and all of it is listed.
fn of_all_missing(first: &install::Error, more: &[install::Error]) -> Meaning {
    let (mut first, more) = (of_install(first), more.iter().map(of_install));
    first.details.extend(more.flat_map(|it| it.details));
    first
}

fn of_parameters(faults: &[ParameterFault]) -> Meaning {
    let missing = faults.iter().filter_map(|fault| match fault {
        ParameterFault::Required(name) => Some(CommandLine::of("--param").word(format_args!("{name}=VALUE"))),
        _ => None,
    });
    let missing: Vec<_> = missing.collect();
    let how = "give each a value that its definition allows, with `--param` or in a file with `-p`";
    let meaning = Meaning::from(ERROR).commands(&missing);
    if missing.is_empty() { meaning.hint(how) } else { meaning.hint("add these flags, with their values") }
}

pub(super) fn of_run(error: &RunError) -> Meaning {
    let code = match error {
        RunError::Departed(_) => STALE,
        RunError::Limit(_) => LIMIT,
        RunError::Reported(GuestError::Denied(_)) => NOT_GRANTED,
        RunError::Reported(GuestError::Timeout(_)) => NOT_READY,
        RunError::Reported(GuestError::Failed(_)) => FAILED,
        _ => ERROR,
    };
    match error {
        RunError::Limit(hit) => {
            Meaning::from(code).hint(CommandLine::of("raise it in the grant:").and(&hit.line()))
        }
        RunError::Trapped(trap) => {
            Meaning::from(code).details(&trap.frames).under(Circumstance::CutShort).hint(TRAPPED)
        }
        _ => Meaning::from(code).under(Circumstance::CutShort),
    }
}

/// The refusal of the target explains more than the component's own error, which may or may not repeat it.
fn of_failed_run(source: &RunError, refusal: Option<&targets::Error>, denials: &[String]) -> Meaning {
    let run = of_run(source);
    let Some(refusal) = refusal else { return run.details(denials) };
    let told: Vec<String> =
        std::iter::once(format!("the target: {}", chain(refusal))).chain(denials.to_vec()).collect();
    let target = of_target(refusal);
    // A component that goes on after a planned step did not come to its end in time leaves the plan for that reason alone.
    let decides = run.code == ERROR
        || target.code == NO_RIGHTS && run.code == NOT_GRANTED
        || target.code == NOT_READY && run.code == STALE;
    if decides { target } else { run }.details(&told)
}

/// Each field with its manager, then the flags that take the objects over.
fn of_held(held: &[HeldFields]) -> Meaning {
    let fields = held
        .iter()
        .flat_map(|held| held.fields.iter().map(|field| said(&format!("{}: {field}", held.object))));
    let flag = |held: &HeldFields| Detail::Command(CommandLine::of("--take").word(Take::of(&held.object)));
    let details = fields.chain(held.iter().map(flag)).collect();
    Meaning { details, ..Meaning::from(ERROR) }.hint(
        "`--take FIELD` takes over a field (`--take .spec.replicas`), `--take OBJECT` all of an object, and \
         `--force-conflicts` whatever belongs to others",
    )
}

/// Powers that a policy refuses are a matter of trust; those that the operator refuses for this run are a matter of
/// grants.
pub(super) fn of_powers(refused: &RefusedPowers) -> Meaning {
    let code = match refused.by {
        By::Operator => NOT_GRANTED,
        By::Policy(_) => NOT_TRUSTED,
    };
    let mut powers: Vec<_> = refused.powers.iter().take(MAX_POWERS).map(ToString::to_string).collect();
    let more = refused.powers.len() - powers.len();
    powers.extend((more > 0).then(|| format!("and {more} more")));
    Meaning::from(code).details(&powers).hint("carnet plan NAME REF")
}

/// Both ways forward: somebody else gives the rights, or the run has the caller's own.
fn of_identity(source: &cluster::Error, missing: &[String]) -> Meaning {
    match source {
        cluster::Error::Home { .. } => of_cluster(source).details(missing),
        cluster::Error::Denied { .. } => Meaning::from(NO_RIGHTS).details(missing).hint(
            "use `--identity own` with your own rights, or under those that an administrator gives you by what this \
             prints: carnet rbac NAME REF",
        ),
        _ => of_cluster(source),
    }
}
