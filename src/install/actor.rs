//! Who carries out an action: a component and the runtime after it, or the runtime alone. Said once, so that no other part
//! of the story has to put it together from what is there and what is not.

use std::sync::Arc;
use std::time::Duration;

use crate::bundle::Bundle;
use crate::grant::Granted;
use crate::host::progress::{Observer, RunEvent};
use crate::run::{Compiled, Engine};

use super::responsibilities::Responsibilities;
use super::{Environment, Error};

/// How long one waits without being told for what.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who carries out an action.
pub(super) enum Actor {
    /// The component, and the runtime after it.
    Component(ComponentRun),
    /// The runtime alone.
    Runtime {
        /// The bundle, where it is at hand.
        granted: Option<Arc<Granted>>,
    },
}

/// The action that a component is called for, and its grant. It is called once for each pass.
pub(super) struct ComponentRun {
    pub(super) compiled: Compiled,
    pub(super) granted: Arc<Granted>,
    pub(super) action: String,
}

impl Actor {
    /// Compiles the component where it takes part. A run that is stopped waits for no compiler.
    pub(super) async fn of(
        granted: Option<Arc<Granted>>,
        responsibilities: &Responsibilities,
        environment: &Environment<'_>,
    ) -> Result<Self, Error> {
        let (granted, action) = match (granted, &responsibilities.component) {
            (Some(granted), Some(action)) => (granted, action.clone()),
            (granted, _) => return Ok(Self::Runtime { granted }),
        };
        let engine = Engine::new(environment.cache.as_deref()).map_err(Error::SetUp)?;
        let compiling = engine.compile(&granted, environment.compiler.as_deref());
        let compiled = tokio::select! {
            compiled = told(compiling, PATIENCE, &*environment.approver) => compiled.map_err(Error::SetUp)?,
            () = environment.cancellation.canceled() => return Err(Error::Canceled),
        };
        Ok(Self::Component(ComponentRun { compiled, granted, action }))
    }

    /// The bundle with what is granted to it, where it is at hand.
    pub(super) fn granted(&self) -> Option<&Granted> {
        match self {
            Self::Component(component) => Some(&component.granted),
            Self::Runtime { granted } => granted.as_deref(),
        }
    }

    /// The bundle, where it is at hand.
    pub(super) fn bundle(&self) -> Option<&Bundle> {
        self.granted().map(|granted| granted.verified().bundle())
    }
}

/// Waits for what is compiled, and says so when it takes a while.
async fn told<T>(compiling: impl Future<Output = T>, patience: Duration, observer: &dyn Observer) -> T {
    let mut compiling = std::pin::pin!(compiling);
    if let Ok(compiled) = tokio::time::timeout(patience, compiling.as_mut()).await {
        return compiled;
    }
    observer.noted(&RunEvent::Compiling);
    compiling.await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the times that one is told of a compilation.
    #[derive(Default)]
    struct Told(std::sync::atomic::AtomicUsize);

    impl Observer for Told {
        fn waiting(&self, _: &[crate::host::progress::Unready]) {}

        fn logged(&self, _: &crate::host::progress::LogEntry) {}

        fn noted(&self, event: &RunEvent) {
            assert_eq!(*event, RunEvent::Compiling);
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn one_who_has_to_wait_for_a_compiler_is_told_so_once() {
        let observer = Told::default();
        let at_once = told(std::future::ready(1), Duration::ZERO, &observer).await;
        assert_eq!((at_once, observer.0.load(std::sync::atomic::Ordering::Relaxed)), (1, 0));
        let compiling = async {
            while observer.0.load(std::sync::atomic::Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            2
        };
        let later = told(compiling, Duration::ZERO, &observer).await;
        assert_eq!((later, observer.0.into_inner()), (2, 1));
    }
}
