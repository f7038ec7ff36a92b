//! The services that an operation uses, passed in by the caller.

use std::path::PathBuf;
use std::sync::Arc;

use crate::install::{Approver, Cancellation, Environment};
use crate::state::State;

use super::{Bundles, Notice};

/// The services for operations on installations.
pub struct Services<'a> {
    /// Where installations are recorded.
    pub state: &'a State,
    /// How bundles are fetched and verified.
    pub bundles: Bundles,
    /// Where compiled components are kept.
    pub cache: Option<PathBuf>,
    /// The approver of plans.
    pub approver: Arc<dyn Approver>,
    /// Stops a run.
    pub cancellation: Cancellation,
}

impl Services<'_> {
    /// The part of these services that the pipeline takes.
    pub(super) fn environment(&self) -> Environment<'_> {
        Environment {
            state: self.state,
            cache: self.cache.clone(),
            approver: Arc::clone(&self.approver),
            cancellation: self.cancellation.clone(),
        }
    }

    pub(super) fn tell(&self, notice: &Notice) {
        self.bundles.listener.told(notice);
    }
}
