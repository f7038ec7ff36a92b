//! What is to be done with an installation, and whether that makes sense for the one that is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::capability::severity::Severity;
use crate::grant::Consent;
use crate::host::Supplied;
use crate::kubernetes::object::is_label;
use crate::plan::Plan;
use crate::state::{Installation, StateError};
use crate::targets::{self, Overrides, Place, Protected};

use super::Error;

/// An action of an installation, with all that was decided by whoever asks for it.
pub struct Operation {
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
    pub delete: BTreeSet<Protected>,
    /// Where the bundle came from, as it was typed.
    pub reference: String,
    /// Guards that were lowered, as flags.
    pub dangers: Vec<String>,
    /// Who acts in a cluster.
    pub identity: Identity,
}

/// How long a run waits for its target unless it is told otherwise.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Who acts in a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Identity {
    /// The caller, with all rights that the caller has.
    Own,
    /// An identity that is made for the run, with just the rights of its plan.
    #[default]
    Scoped,
}

/// How far an operation is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All the way.
    Act,
    /// Only the plan of the last action, without its credentials: to compare it with what is there.
    Examine,
    /// Only the plan.
    Plan,
}

impl Operation {
    /// An action with nothing granted, no inputs, and no guard lowered.
    pub fn new(action: &str, name: &str, namespace: &str, place: Place) -> Self {
        Self {
            action: action.into(),
            name: name.into(),
            namespace: namespace.into(),
            place,
            consent: Consent::default(),
            parameters: BTreeMap::new(),
            complete: false,
            confirmed: false,
            plan: None,
            credentials: Supplied::default(),
            overrides: Overrides::default(),
            wait: true,
            timeout: TIMEOUT,
            refuse_powers: None,
            delete: BTreeSet::new(),
            reference: String::new(),
            dangers: Vec::new(),
            identity: Identity::default(),
        }
    }

    /// Whether it is carried out with all rights that the caller has in a cluster.
    pub fn acts_as_caller(&self) -> bool {
        self.identity == Identity::Own && self.place.is_cluster()
    }

    /// Whether there is an installation to do this with, and in this place.
    pub(super) fn check(&self, earlier: Option<&Installation>, mode: Mode) -> Result<(), Error> {
        if !is_label(&self.name) {
            return Err(Error::Name(self.name.clone()));
        }
        match (self.action.as_str(), earlier) {
            ("install", Some(earlier)) if mode != Mode::Examine => self.check_new(earlier),
            ("install", None) => Ok(()),
            (_, Some(earlier)) if !earlier.is_deleted() => self.check_same(earlier),
            _ => Err(StateError::Missing(self.name.clone()).into()),
        }
    }

    /// An installation that failed, was cut off or is gone may be installed; one that succeeded is upgraded.
    fn check_new(&self, earlier: &Installation) -> Result<(), Error> {
        if earlier.is_installed() {
            return Err(Error::Exists(self.name.clone()));
        }
        if earlier.inventory.is_empty() { Ok(()) } else { self.check_same(earlier) }
    }

    /// A conflict that is found now means that the saved plan is stale.
    pub(super) fn stale(&self, error: Error) -> Error {
        let is_in_the_way = |refusal: &targets::Error| {
            use crate::cluster::Error as Refusal;
            matches!(
                refusal,
                targets::Error::Cluster(Refusal::Conflict { .. } | Refusal::Immutable { .. })
                    | targets::Error::Edited { .. }
                    | targets::Error::Foreign { .. }
            )
        };
        match error {
            Error::Run { refusal: Some(refusal), .. } if self.plan.is_some() && is_in_the_way(&refusal) => {
                Error::Stale(vec![refusal.to_string()])
            }
            error => error,
        }
    }

    fn check_same(&self, earlier: &Installation) -> Result<(), Error> {
        let is_same =
            self.place.is_same_target(&earlier.settings.place) && self.namespace == earlier.namespace;
        if is_same { Ok(()) } else { Err(self.elsewhere(earlier)) }
    }

    /// The installation is in another place than the one that is asked for.
    pub(super) fn elsewhere(&self, earlier: &Installation) -> Error {
        Error::Place {
            name: self.name.clone(),
            recorded: described(&earlier.settings.place, &earlier.namespace),
            asked: described(&self.place, &self.namespace),
        }
    }
}

fn described(place: &Place, namespace: &str) -> String {
    match place.server() {
        Some(server) => format!("{place} at {server} (namespace {namespace})"),
        None => format!("{place} (namespace {namespace})"),
    }
}
