//! Turns a future of the state into an answer, on a thread of its own.
//!
//! The state is asked and written between the requests of a run, in the middle of functions that cannot await; and a
//! Lease has to be renewed however busy the run is. So the connection lives on another thread, with a small runtime of
//! its own. Whoever asks waits for the few milliseconds of an answer, and the requests of the run stay in flight
//! meanwhile.

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::state::StateError;

/// The thread. It ends when this is dropped.
pub(super) struct StateThread {
    runtime: Handle,
    _open: oneshot::Sender<()>,
}

impl StateThread {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self, StateError> {
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|_| StateError::Unreachable)?;
        let handle = runtime.handle().clone();
        let (open, closed) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("state".into());
        let started = thread.spawn(move || drop(runtime.block_on(closed)));
        started.map_err(|_| StateError::Unreachable)?;
        Ok(Self { runtime: handle, _open: open })
    }

    /// Does something there and waits until it is done.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StateError>> + Send + 'static,
    ) -> Result<T, StateError> {
        let (sender, answer) = mpsc::sync_channel(1);
        self.begin(async move { drop(sender.send(work.await)) });
        answer.recv().map_err(|_| StateError::Unreachable)?
    }

    /// Does something there, and is done when that is.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StateError>> + Send + 'static,
    ) -> Result<T, StateError> {
        let (sender, answer) = oneshot::channel();
        self.begin(async move { drop(sender.send(work.await)) });
        answer.await.map_err(|_| StateError::Unreachable)?
    }

    /// Does something there and waits for it no longer than this.
    pub(super) fn wait_for(&self, time: Duration, work: impl Future<Output = ()> + Send + 'static) {
        let (sender, done) = mpsc::sync_channel::<()>(1);
        self.begin(async move {
            work.await;
            drop(sender);
        });
        // Nothing is sent: it is over when nobody can send any more, or when the time is.
        let _ = done.recv_timeout(time);
    }

    /// Does something there, and does not wait.
    pub(super) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(work));
    }
}
