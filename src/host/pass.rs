//! The two passes of a run over its target: the planning pass traces what each call would do, the acting pass does
//! exactly that.
//!
//! A component is called in the same way in both, and learns nothing about which of them it is in: the acting pass
//! returns to it what the planning pass returned.

mod manifests;
mod site;
mod script;
mod planning;
mod acting;
mod views;

use std::time::Duration;

use serde_json::Value;

use crate::grant::{Delete, Get, Granted, Permitted, Wait};
use crate::kubernetes::object::ObjectRef;
use crate::plan::trace::Step;
use crate::targets::credentials::{Account, Placements};
use crate::targets::{self, Change, Prepared};

use super::progress::Unready;
use super::told::CallError;

pub use acting::{Acting, Done, ObjectRemoval, UnderWay};
pub use manifests::KeptManifests;
pub use planning::Planning;
pub use script::{Departure, Script};
pub use site::{Site, Waiting};
pub use views::{CredentialPass, ObjectPass};

/// A pass of a run.
pub enum Pass {
    /// The plan is carried out.
    Acting(Acting),
    /// Nothing is written.
    Planning(Planning),
}

/// A pass of a run, known by its type.
pub trait Phase: Into<Pass> + TryFrom<Pass, Error = OtherPass> {}

/// A pass was taken for one of the other kind. A run gives back the pass that it was given, so this is a fault of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run gave back another pass than it was given")]
pub struct OtherPass;

/// An object of a call, ready to be sent.
pub(super) struct ApplyItem {
    pub(super) step: Step,
    pub(super) prepared: Prepared,
    pub(super) placements: Placements,
}

impl Phase for Acting {}

impl Phase for Planning {}

impl From<Acting> for Pass {
    fn from(acting: Acting) -> Self {
        Self::Acting(acting)
    }
}

impl From<Planning> for Pass {
    fn from(planning: Planning) -> Self {
        Self::Planning(planning)
    }
}

impl TryFrom<Pass> for Acting {
    type Error = OtherPass;

    fn try_from(pass: Pass) -> Result<Self, OtherPass> {
        match pass {
            Pass::Acting(acting) => Ok(acting),
            Pass::Planning(_) => Err(OtherPass),
        }
    }
}

impl TryFrom<Pass> for Planning {
    type Error = OtherPass;

    fn try_from(pass: Pass) -> Result<Self, OtherPass> {
        match pass {
            Pass::Planning(planning) => Ok(planning),
            Pass::Acting(_) => Err(OtherPass),
        }
    }
}

impl ApplyItem {
    pub(super) fn new(prepared: Prepared, step: Step, placements: Placements) -> Self {
        Self { step, prepared, placements }
    }
}

fn steps_of(items: &[ApplyItem]) -> impl Iterator<Item = Step> {
    items.iter().map(|item| item.step.clone())
}

impl Pass {
    /// Checks at the end of a run that it took all steps of its plan.
    ///
    /// # Errors
    /// [`Departure`] when the plan has more.
    pub(super) fn finished(&self) -> Result<(), Departure> {
        match self {
            Self::Acting(acting) => acting.finished(),
            Self::Planning(_) => Ok(()),
        }
    }

    /// Each change that was made, in order. A planning pass makes none.
    pub fn done(&self) -> Vec<String> {
        match self {
            Self::Acting(acting) => acting.done().told(),
            Self::Planning(_) => Vec::new(),
        }
    }

    /// Objects that were not ready when the last wait timed out, with a diagnosis: for the operator alone.
    pub async fn unready(&mut self) -> Vec<Unready> {
        match self {
            Self::Acting(acting) => acting.unready().await,
            Self::Planning(_) => Vec::new(),
        }
    }

    pub(super) fn site(&self) -> &Site {
        match self {
            Self::Acting(acting) => acting.site(),
            Self::Planning(planning) => planning.site(),
        }
    }

    fn site_mut(&mut self) -> &mut Site {
        match self {
            Self::Acting(acting) => acting.site_mut(),
            Self::Planning(planning) => planning.site_mut(),
        }
    }

    /// Reads an object, as the run has left it so far.
    async fn get(&mut self, permit: &Permitted<Get>) -> Result<Option<Value>, targets::Error> {
        match self {
            Self::Acting(acting) => acting.get(permit).await,
            Self::Planning(planning) => planning.get(permit).await,
        }
    }

    /// What is known of a Secret that was read in this pass.
    pub(super) fn account(&self, secret: &ObjectRef, found: &Value, granted: &Granted) -> Account {
        match self {
            Self::Acting(acting) => acting.site().account(secret, found, granted),
            Self::Planning(planning) => planning.account(secret, found, granted),
        }
    }

    /// Applies objects, and returns the change of each.
    async fn apply(&mut self, items: Vec<ApplyItem>, granted: &Granted) -> Result<Vec<Change>, CallError> {
        match self {
            Self::Acting(acting) => acting.apply(items, granted).await,
            Self::Planning(planning) => planning.apply(items, granted).await,
        }
    }

    /// Removes objects.
    async fn delete(&mut self, permits: Vec<Permitted<Delete>>) -> Result<(), CallError> {
        match self {
            Self::Acting(acting) => acting.delete(permits).await,
            Self::Planning(planning) => planning.delete(&permits).await,
        }
    }

    /// Waits until objects are ready.
    async fn wait(
        &mut self,
        permits: Vec<Permitted<Wait>>,
        limit: Duration,
        granted: &Granted,
    ) -> Result<(), CallError> {
        match self {
            Self::Acting(acting) => acting.wait(permits, limit, granted).await,
            Self::Planning(planning) => {
                planning.wait(&permits);
                Ok(())
            }
        }
    }
}
