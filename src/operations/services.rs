//! The services that an operation uses, passed in by the caller.

use crate::install::Environment;
use crate::state::State;

use super::{Bundles, Notice};

/// The services for operations on installations.
pub struct Services<'a> {
    /// How bundles are fetched and verified.
    pub bundles: Bundles,
    /// The environment of the pipeline: the state, the approver, and the handle that stops a run.
    pub environment: Environment<'a>,
}

impl<'a> Services<'a> {
    /// Where installations are recorded.
    pub(super) fn state(&self) -> &'a State {
        self.environment.state
    }

    pub(super) fn tell(&self, notice: &Notice) {
        self.bundles.listener.told(notice);
    }
}
