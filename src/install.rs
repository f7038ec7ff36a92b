//! The story: from a verified bundle to a recorded installation.
//!
//! [`act`] is all of it, for every action: decide, plan, ask, and do what was planned. Nothing is recorded before the plan
//! is confirmed, and nothing is done that is not recorded first.

mod claim;
mod decide;
mod identity;
mod powers;
mod removal;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::bundle::parameters::ParameterError;
use crate::capability;
use crate::capability::severity::Severity;
use crate::cluster;
use crate::grant::{Consent, Shortfall};
use crate::host::Supplied;
use crate::host::watch::Entry;
use crate::host::watch::{Unready, Watcher};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::Rights;
use crate::plan::Plan;
use crate::plan::powers::Refused;
use crate::run::RunError;
use crate::state::{State, StateError};
use crate::targets::{self, Kept, Overrides, Target};
use crate::verify::{TrustDecision, Verified};

pub use identity::{dismissed, mint, needs};

use decide::{Part, decide};
use run::Run;

/// What an operator asks for.
pub struct Order {
    /// `install`, `upgrade`, `uninstall`, or an action of the bundle.
    pub action: String,
    /// The installation's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Where its objects go, as it is recorded.
    pub place: Place,
    /// What may be done.
    pub consent: Consent,
    /// Parameters that were given.
    pub parameters: BTreeMap<String, Value>,
    /// Whether parameters and consent are all there is, so that nothing of the last run is taken over.
    pub complete: bool,
    /// Whether the change is confirmed whatever the plan says, so that nobody is asked.
    pub confirmed: bool,
    /// The plan that is to be carried out, and no other.
    pub plan: Option<Box<Plan>>,
    /// Credentials that were given.
    pub credentials: Supplied,
    /// What the operator insists on.
    pub overrides: Overrides,
    /// Whether to wait until objects are ready.
    pub wait: bool,
    /// How long to wait for the target, in all.
    pub timeout: Duration,
    /// From which severity on nothing may be installed that has such powers.
    pub refuse_powers: Option<Severity>,
    /// Kinds that are removed although what they hold would go with them.
    pub delete: BTreeSet<Kept>,
    /// Where the bundle came from, as it was typed.
    pub reference: String,
    /// Guards that were lowered, as flags.
    pub dangers: Vec<String>,
    /// Who acts in a cluster.
    pub identity: Identity,
}

/// Who acts in a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Identity {
    /// The caller, with all rights that the caller has.
    Own,
    /// An identity that is made for the run, with just the rights of its plan.
    #[default]
    Scoped,
}

/// A target, as an installation remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `dir:PATH`, absolute, or `kube`.
    pub target: String,
    /// The address of a cluster: another kubeconfig may lead to another one.
    pub server: Option<String>,
    /// The kubeconfig of a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// The context of a cluster.
    pub context: Option<String>,
    /// Whether Secrets are written to a directory with their values.
    pub plain_secrets: bool,
}

/// The one who asks: sees the plan before anything is done, and the run while it goes on.
pub trait Operator: Watcher {
    /// Whether to go on. Nothing has been written yet.
    fn confirm(&self, plan: &Plan, decision: &Decision) -> bool;
}

/// What was decided before the plan was made.
#[derive(Debug, Clone)]
pub struct Decision {
    /// How the bundle was admitted.
    pub trust: Option<TrustDecision>,
    /// What of the requests is granted, a rule a line.
    pub granted: Vec<String>,
    /// Whether the grant of the last run was carried over to a new bundle.
    pub carried_over: bool,
    /// What was ignored, and why.
    pub warnings: Vec<String>,
}

/// What came of an action.
#[derive(Debug)]
pub struct Outcome {
    /// The plan that was carried out.
    pub plan: Plan,
    /// The outputs that were set.
    pub outputs: BTreeMap<String, Value>,
    /// Outputs whose values must not be shown.
    pub write_only: BTreeSet<String>,
    /// The component's log.
    pub log: Vec<Entry>,
    /// Calls that were not permitted, explained for the operator.
    pub denials: Vec<String>,
    /// Objects that were left in place.
    pub kept: Vec<ObjectRef>,
    /// The rights in the cluster that it takes to make the plan and to carry it out.
    pub rights: Rights,
}

/// Why an action was not carried out, by stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator stopped the run.
    #[error("the run was stopped")]
    Canceled,
    /// The operator said no.
    #[error("nothing was done: the plan was not confirmed")]
    Declined,
    /// The installation is there already.
    #[error("the installation `{0}` is there already")]
    Exists(String),
    /// No identity could be made for the run.
    #[error("no identity could be made for this run")]
    Identity {
        /// What went wrong first.
        #[source]
        source: cluster::Error,
        /// Rights that the caller lacks, a line each.
        missing: Vec<String>,
    },
    /// A credential that the action needs was not given.
    #[error("the bundle needs the credential `{0}` for this action")]
    Credential(String),
    /// The name cannot be that of an installation.
    #[error(
        "`{0}` cannot name an installation: it must be a DNS label, as names of objects are made from it"
    )]
    Name(String),
    /// The component did not set an output that it must set.
    #[error("the component did not set the output `{0}`")]
    Output(String),
    /// The parameters cannot be used.
    #[error("the parameters cannot be used: {}", join(&.0.0))]
    Parameters(ParameterError),
    /// Objects are being deleted, and something keeps them.
    #[error("not gone: {}", unready_text(.0))]
    Held(Vec<Unready>),
    /// The installation lives elsewhere.
    #[error("the installation `{name}` is in {recorded}, not in {asked}")]
    Place {
        /// The installation.
        name: String,
        /// Where it is.
        recorded: String,
        /// Where it was looked for.
        asked: String,
    },
    /// Objects would have to be removed and made anew, and nobody said that they may be.
    #[error("not without replacing what cannot be changed: {}", join(.0))]
    Replaces(Vec<String>),
    /// Objects did not become ready.
    #[error("not ready: {}", unready_text(.0))]
    Unready(Vec<Unready>),
    /// What it installs could do too much.
    #[error("what it installs could do too much")]
    Powers {
        /// What is refused, and by whom.
        #[source]
        refused: Refused,
        /// The plan, to be looked at.
        plan: Box<Plan>,
    },
    /// The plan that was to be carried out is not the one that would be.
    #[error("the plan no longer holds")]
    Stale(Vec<String>),
    /// The requests cannot be used.
    #[error("the bundle's requests cannot be used")]
    Requests(#[from] capability::Invalid),
    /// The run failed.
    #[error("the run failed")]
    Run {
        /// How it ended.
        #[source]
        source: RunError,
        /// What the target refused last.
        refusal: Option<Box<targets::Error>>,
        /// Calls that were not permitted, explained for the operator.
        denials: Vec<String>,
        /// What was not ready, where that ended it.
        unready: Box<[Unready]>,
        /// The component's log.
        log: Vec<Entry>,
    },
    /// The engine or the component could not be set up.
    #[error(transparent)]
    SetUp(RunError),
    /// The grant does not cover what is required.
    #[error(transparent)]
    Shortfall(#[from] Shortfall),
    /// The state could not be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The target refused.
    #[error(transparent)]
    Target(#[from] targets::Error),
    /// The bundle has no such action.
    #[error("the bundle has no action `{0}`")]
    UnknownAction(String),
}

/// How far an order is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All the way.
    Act,
    /// Only the plan of what was done last, without its credentials: to compare it with what is there.
    Examine,
    /// Only the plan.
    Plan,
}

/// What is needed to act at all.
pub struct Tools<'a> {
    /// The state.
    pub state: &'a State,
    /// Where compiled components are kept.
    pub cache: Option<PathBuf>,
    /// The one who asks.
    pub operator: Arc<dyn Operator>,
}

/// Carries out an action of a bundle, whatever it is: decides, plans, asks, records, does what was planned, and records
/// what came of it.
///
/// # Errors
/// [`Error`], by stage. Once anything was done, the installation is recorded as failed and can be finished or undone.
pub async fn act(
    verified: Option<Verified>,
    target: Target,
    order: Order,
    tools: &Tools<'_>,
    mode: Mode,
) -> Result<Outcome, Error> {
    let lock = if mode == Mode::Act { Some(tools.state.lock(&order.name)?) } else { None };
    let earlier = tools.state.find(&order.name)?;
    order.check(earlier.as_ref(), mode)?;
    let part = Part::of(verified.as_ref(), &order)?;
    let decided = decide(verified, &order, earlier.as_ref(), &part, mode)?;
    let compiled = decided.compile(tools, &part)?;

    let run = Run { order: &order, tools, earlier: earlier.as_ref(), part, decided, compiled, mode };
    let planned = run.plan(target).await.map_err(|error| run.order.stale(error))?;
    // Invariant: what is applied is what was planned, or it stops.
    let departures = run.order.plan.as_ref().map(|plan| plan.departures(&planned.plan)).unwrap_or_default();
    if !departures.is_empty() {
        return Err(Error::Stale(departures));
    }
    if mode != Mode::Act {
        return Ok(planned.into_outcome());
    }
    if !tools.operator.confirm(&planned.plan, &run.decided.decision) {
        return Err(Error::Declined);
    }
    run.carry_out(planned, lock.as_ref()).await
}

impl Place {
    /// Whether whoever acts there under this identity is the caller, with all rights that the caller has.
    pub fn is_caller(&self, identity: Identity) -> bool {
        identity == Identity::Own && self.target == "kube"
    }
}

impl Error {
    /// The result status of CNAB Claims.
    fn status(&self) -> &'static str {
        if matches!(self, Self::Canceled) { "canceled" } else { "failed" }
    }

    /// The error and its causes, on one line. No stage puts a secret into its error.
    fn summary(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        std::iter::once(self.to_string())
            .chain(causes.map(ToString::to_string))
            .collect::<Vec<_>>()
            .join(": ")
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// How many objects that are not ready an error names: a bundle may have hundreds.
pub const MAX_SAID: usize = 10;

fn unready_text(rows: &[Unready]) -> String {
    let said = rows.iter().take(MAX_SAID).map(|row| format!("{}: {}", row.object, row.why));
    let more = rows.len().checked_sub(MAX_SAID).filter(|more| *more > 0);
    said.chain(more.map(|more| format!("and {more} more"))).collect::<Vec<_>>().join("; ")
}
