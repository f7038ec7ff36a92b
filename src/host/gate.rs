//! The one gate between a component and everything that the host can reach.
//!
//! The fields of [`Host`] are this file's alone. A function gets at what it needs only through a `Call`, which names
//! the function in the table ([`functions`](crate::capability::functions)), counts it, lets the host's time run, and
//! holds a view of what functions of its API may reach, and no more. So a host function that did not pass here could do
//! nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use wasmtime::ResourceLimiter;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capability::functions::Function;
use crate::grant::{Denied, Granted};
use crate::plan::trace::Calls;
use crate::targets;

use super::credentials::{Credentials, LentCredential, Supplied};
use super::files::{Files, InputFiles};
use super::installation::{Definitions, InstallationContext, InstallationView, Log};
use super::kubernetes::Kubernetes;
use super::meter::{Clock, HostTime, LimitHit, Meter};
use super::pass::{Departure, OtherPass, Pass, Phase};
use super::progress::LogEntry;
use super::told::CallError;
use super::{GuestError, wasi};

/// The most resources that a component may hold at once. Without it handles would pile up in the host's memory, outside
/// the component's own.
const MAX_RESOURCES: usize = 10_000;

/// The most refusals that are kept for the operator: each further one would only repeat what is wrong.
const MAX_REFUSALS: usize = 100;

/// The host of one pass over a target.
pub struct Host {
    granted: Arc<Granted>,
    pass: Pass,
    context: InstallationContext,
    definitions: Definitions,
    outputs: BTreeMap<String, Value>,
    log: Log,
    supplied: Supplied,
    files: InputFiles,
    table: ResourceTable,
    wasi: WasiCtx,
    meter: Meter,
    refusals: Refusals,
}

/// Refusals, in order: for the operator.
#[derive(Default)]
struct Refusals {
    /// By the grant.
    denied: Vec<Denied>,
    /// By the target.
    failed: Vec<targets::Error>,
    /// Files that could not be read.
    unread: Vec<String>,
}

/// A call that has passed the gate. The host's time runs until it is answered.
pub(super) struct Call<'a, V> {
    /// All that the function may reach.
    pub(super) view: V,
    /// Waiting is no work: whatever may wait is done during it.
    pub(super) time: HostTime,
    meter: &'a mut Meter,
    refusals: &'a mut Refusals,
}

/// An answer to the component. The outer error ends the run: a limit was hit, or the host itself failed.
pub(super) type HostAnswer<T> = wasmtime::Result<Result<T, GuestError>>;

/// The results of a finished pass.
#[derive(Default)]
pub struct Ended {
    /// How often each function was called.
    pub calls: Calls,
    /// The outputs that were set.
    pub outputs: BTreeMap<String, Value>,
    /// The component's log.
    pub log: Vec<LogEntry>,
    /// Calls that were not permitted, in order.
    pub denied: Vec<Denied>,
    /// Refusals of the target, in order.
    pub failed: Vec<targets::Error>,
    /// Files that could not be read, with their paths, in order.
    pub unread: Vec<String>,
    /// The operator's files, as they were read.
    pub files: InputFiles,
}

impl Host {
    /// A host for one pass over a target.
    pub fn new(
        granted: Arc<Granted>,
        context: InstallationContext,
        supplied: Supplied,
        pass: impl Phase,
    ) -> Self {
        let pass = pass.into();
        let meter = Meter::new(granted.limits());
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let log = Log::new(Arc::clone(pass.site().observer()));
        let wasi = wasi::context(&context, &meter, &log);
        Self {
            granted,
            pass,
            context,
            definitions: Definitions::new(),
            outputs: BTreeMap::new(),
            log,
            supplied,
            files: InputFiles::default(),
            table,
            wasi,
            meter,
            refusals: Refusals::default(),
        }
    }

    /// This host, for which these files are as they are given.
    #[must_use]
    pub fn with_files(self, files: InputFiles) -> Self {
        Self { files, ..self }
    }

    /// The pass, as it was handed over, and its results.
    ///
    /// # Errors
    /// [`OtherPass`] when it was handed over as another kind.
    pub fn into_parts<P: Phase>(self) -> Result<(P, Ended), OtherPass> {
        let ended = Ended {
            calls: self.meter.calls().clone(),
            outputs: self.outputs,
            log: self.log.entries(),
            denied: self.refusals.denied,
            failed: self.refusals.failed,
            unread: self.refusals.unread,
            files: self.files,
        };
        Ok((P::try_from(self.pass)?, ended))
    }

    /// The limiter of the component's memory.
    pub fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.meter
    }

    /// The meter of the run's resources.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Counts memory that the host takes for the component, beside the component's own.
    ///
    /// # Errors
    /// [`LimitHit`] when it is too much.
    pub fn hold(&mut self, bytes: u64) -> Result<(), LimitHit> {
        self.meter.hold(bytes)
    }

    /// The component's clock.
    pub fn clock(&self) -> &Clock {
        self.meter.clock()
    }

    /// A text of the component with the credentials that it was shown redacted.
    pub fn scrubbed(&self, text: &str) -> String {
        self.log.scrubbed(text)
    }

    /// Checks at the end of a run that it took all steps of its plan.
    ///
    /// # Errors
    /// [`Departure`] when the plan has more.
    pub fn finished(&self) -> Result<(), Departure> {
        self.pass.finished()
    }

    /// A call of `carnet:kubernetes` for that many objects, with what its functions may reach.
    pub(super) fn kubernetes(
        &mut self,
        function: Function,
        objects: usize,
        bytes: usize,
    ) -> Result<Call<'_, Kubernetes<'_>>, LimitHit> {
        let Self { granted, pass, meter, refusals, .. } = self;
        let view =
            Kubernetes { granted, pass: pass.for_objects(), memory: meter.memory(), work: meter.work() };
        Call::enter(function, objects, bytes, view, meter, refusals)
    }

    /// A call of `carnet:files`.
    pub(super) fn files(
        &mut self,
        function: Function,
        bytes: usize,
    ) -> Result<Call<'_, Files<'_>>, LimitHit> {
        let Self { granted, files, meter, refusals, .. } = self;
        Call::enter(function, 1, bytes, Files { granted, kept: files }, meter, refusals)
    }

    /// A call of `carnet:credentials`.
    pub(super) fn credentials(
        &mut self,
        function: Function,
        bytes: usize,
    ) -> Result<Call<'_, Credentials<'_>>, LimitHit> {
        let Self { granted, supplied, table, pass, log, meter, refusals, .. } = self;
        let view = Credentials { granted, supplied, table, pass: pass.for_credentials(), log };
        Call::enter(function, 1, bytes, view, meter, refusals)
    }

    /// A call of `carnet:installation`.
    pub(super) fn installation(
        &mut self,
        function: Function,
        bytes: usize,
    ) -> Result<Call<'_, InstallationView<'_>>, LimitHit> {
        let Self { context, definitions, outputs, log, meter, refusals, .. } = self;
        Call::enter(
            function,
            1,
            bytes,
            InstallationView { context, definitions, outputs, log },
            meter,
            refusals,
        )
    }

    /// Lets go of a handle. It reaches nothing, so it is no call.
    pub(super) fn release(&mut self, credential: Resource<LentCredential>) -> wasmtime::Result<()> {
        self.table.delete(credential)?;
        Ok(())
    }
}

impl<'a, V> Call<'a, V> {
    /// The gate: counts the call with its objects, and `bytes` that came with it, and lets the host's time run.
    fn enter(
        function: Function,
        objects: usize,
        bytes: usize,
        view: V,
        meter: &'a mut Meter,
        refusals: &'a mut Refusals,
    ) -> Result<Self, LimitHit> {
        let time = meter.call(function, objects, bytes)?;
        Ok(Self { view, time, meter, refusals })
    }

    /// Answers the component, and notes what was refused.
    pub(super) fn answer<T>(self, outcome: Result<T, CallError>) -> HostAnswer<T> {
        let error = match outcome {
            Ok(value) => return Ok(Ok(value)),
            Err(CallError::Run(error)) => return Err(error),
            Err(error) => error,
        };
        let told = error.told();
        self.refusals.note(error);
        told.map(Err).ok_or_else(|| wasmtime::Error::msg("a call ended without an answer"))
    }

    /// Answers with a text, which counts.
    pub(super) fn answer_text(self, outcome: Result<String, CallError>) -> HostAnswer<String> {
        if let Ok(text) = &outcome {
            self.meter.hand_over(text.len())?;
        }
        self.answer(outcome)
    }

    /// Hands over a text, which counts.
    pub(super) fn hand_over(self, text: String) -> wasmtime::Result<String> {
        self.meter.hand_over(text.len())?;
        Ok(text)
    }

    /// Counts bytes of log.
    pub(super) fn count_log(&mut self, bytes: usize) -> Result<(), LimitHit> {
        self.meter.log(bytes)
    }
}

impl Refusals {
    fn note(&mut self, error: CallError) {
        match error {
            CallError::Denied(first, others) => {
                for denied in std::iter::once(first).chain(others) {
                    if self.denied.len() < MAX_REFUSALS && !self.denied.contains(&denied) {
                        self.denied.push(denied);
                    }
                }
            }
            CallError::Target(error) => {
                if self.failed.len() < MAX_REFUSALS {
                    self.failed.push(error);
                }
            }
            CallError::Unread { explained, .. } => {
                if self.unread.len() < MAX_REFUSALS && !self.unread.contains(&explained) {
                    self.unread.push(explained);
                }
            }
            CallError::Guest(_) | CallError::Run(_) => {}
        }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

#[cfg(test)]
pub(crate) mod tests;
