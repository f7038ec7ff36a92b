//! The environment of an action, passed in by the caller: the library finds nothing by itself.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::state::State;

use super::{Approver, Unattended};

/// The environment of an action.
pub struct Environment<'a> {
    /// The state.
    pub state: &'a State,
    /// Where compiled components are kept.
    pub cache: Option<PathBuf>,
    /// The program that compiles components in another process, within the limits of their grants: `carnet` itself, by
    /// an absolute path. None: they are compiled in this process, and only what a component may hold bounds what that
    /// takes.
    pub compiler: Option<PathBuf>,
    /// The approver of plans.
    pub approver: Arc<dyn Approver>,
    /// Stops the run.
    pub cancellation: Cancellation,
}

impl<'a> Environment<'a> {
    /// Nobody is asked, so only plans that were confirmed beforehand are carried out. Nothing is cached, and components
    /// are compiled in this process.
    pub fn new(state: &'a State) -> Self {
        let (approver, cancellation) = (Arc::new(Unattended), Cancellation::new());
        Self { state, cache: None, compiler: None, approver, cancellation }
    }
}

/// Stops a run from outside. Clones stop the same run.
#[derive(Debug, Clone)]
pub struct Cancellation(Arc<watch::Sender<bool>>);

impl Cancellation {
    /// A handle that has not stopped anything yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Stops the run. Requests in flight are awaited and recorded.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Comes back when the run is to stop, also when that was said before.
    pub async fn canceled(&self) {
        // The sender lives as long as this handle, so the answer is never that it is gone.
        let mut changes = self.0.subscribe();
        if changes.wait_for(|is_canceled| *is_canceled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Default for Cancellation {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn a_clone_stops_the_same_run_also_before_anybody_waits() {
        let handle = Cancellation::new();
        handle.clone().cancel();
        runtime().block_on(async {
            tokio::time::timeout(Duration::from_secs(5), handle.canceled()).await.unwrap();
            tokio::time::timeout(Duration::from_secs(5), handle.canceled()).await.unwrap();
        });
    }

    #[test]
    fn nothing_stops_by_itself() {
        let handle = Cancellation::default();
        runtime().block_on(async {
            let waited = tokio::time::timeout(Duration::from_millis(20), handle.canceled()).await;
            assert!(waited.is_err());
        });
    }
}
