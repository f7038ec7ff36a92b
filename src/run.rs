//! Runs a component's action under its limits.
//!
//! One engine per process, one store per run. A clock runs while the component computes or sleeps, and while the host
//! works for it, and stands still while the host waits; the run ends when it reaches its limit. Whatever ends a run is
//! a value: a limit, a departure from the plan, the component's own error, or a trap.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::component::{Component, Linker};
use wasmtime::{Cache, CacheConfig, Config, Store, Strategy};

use crate::bundle::{self, component::Footprint};
use crate::grant::Granted;
use crate::host::bindings::{Bundle, BundlePre};
use crate::host::meter::{Clock, LimitHit};
use crate::host::pass::{Departure, OtherPass};
use crate::host::{GuestError, Host};

mod trap;
mod compiler;

pub use compiler::{COMPILE, CompileOrder, OUT_OF_MEMORY};
pub use trap::Trap;

/// How often a computing component gives way, so that its clock can be read.
const TICK: Duration = Duration::from_millis(5);

/// The most handles of resources that a component may hold, beside the host's own bound on what they stand for.
const MAX_HANDLES: usize = 10_000;

/// Compiles and links components. A process has one.
pub struct Engine {
    engine: wasmtime::Engine,
    cache: Option<PathBuf>,
}

/// A component, compiled and linked: it may be run any number of times, each time in a store of its own.
pub struct Compiled {
    engine: wasmtime::Engine,
    component: BundlePre<Host>,
    footprint: Footprint,
}

/// How a run ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The run departed from its plan.
    #[error(transparent)]
    Departed(#[from] Departure),
    /// The engine itself failed: no component had a part in it.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// A limit was hit.
    #[error(transparent)]
    Limit(#[from] LimitHit),
    /// The component does not fit the host.
    #[error("the component cannot be linked: {0}")]
    Link(String),
    /// The host was given one kind of pass, and gave back another.
    #[error(transparent)]
    OtherPass(#[from] OtherPass),
    /// The component returned an error.
    #[error("the component reports: {}", Reported(.0))]
    Reported(GuestError),
    /// The component did what WebAssembly forbids, or the host failed under it.
    #[error("the component trapped: {0}")]
    Trapped(Trap),
}

/// A component's error, as one line.
struct Reported<'a>(&'a GuestError);

impl std::fmt::Display for Reported<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, text) = match self.0 {
            GuestError::Conflict(text) => ("conflict", text),
            GuestError::Denied(text) => ("denied", text),
            GuestError::Failed(text) => ("failed", text),
            GuestError::Invalid(text) => ("invalid", text),
            GuestError::NotFound(text) => ("not found", text),
            GuestError::Timeout(text) => ("timeout", text),
            GuestError::Unavailable(text) => ("unavailable", text),
        };
        let text = crate::document::shortened(text, 2000);
        write!(f, "{kind}: {text}")
    }
}

impl Engine {
    /// Sets up the engine. Compiled code is kept below `cache`, which must be private to the user: it is native code
    /// that is not authenticated when it is loaded.
    ///
    /// # Errors
    /// [`RunError::Engine`] when the cache cannot be used.
    pub fn new(cache: Option<&Path>) -> Result<Self, RunError> {
        let mut config = Config::new();
        config
            .strategy(Strategy::Cranelift)
            .wasm_component_model(true)
            .epoch_interruption(true)
            // Determinism: equal inputs give equal calls, on every machine.
            .cranelift_nan_canonicalization(true)
            .relaxed_simd_deterministic(true)
            .cache(cache.map(open_cache).transpose()?);
        let engine = wasmtime::Engine::new(&config).map_err(failed)?;
        Ok(Self { engine, cache: cache.map(Into::into) })
    }

    /// Compiles a granted bundle's component and links it with the host. Runs nothing.
    ///
    /// `compiler` is the program that compiles in another process, within the limits of the grant: one whose arguments
    /// and input go to [`CompileOrder`]. Without one the component is compiled here, where nothing but what it may hold
    /// bounds the time and the memory.
    ///
    /// # Errors
    /// [`RunError::Link`] when the component does not fit, and [`RunError::Limit`] when compiling it takes too much.
    pub async fn compile(&self, granted: &Granted, compiler: Option<&Path>) -> Result<Compiled, RunError> {
        // Invariant: no component is instantiated that no trusted key signed; `Granted` holds the proof.
        let component = granted.verified().component();
        if let Some(program) = compiler {
            self.compile_apart(component, granted.limits(), program).await?;
        }
        self.link(component)
    }

    fn link(&self, component: &bundle::component::Component) -> Result<Compiled, RunError> {
        let footprint = component.footprint();
        let link = |error: wasmtime::Error| RunError::Link(format!("{error:#}"));
        let mut linker = Linker::new(&self.engine);
        Host::add_to_linker(&mut linker).map_err(failed)?;
        // Most components need none of it, and defining it takes as long as all the rest.
        if component.imports().starting_with("wasi:").next().is_some() {
            Host::add_wasi_to_linker(&mut linker).map_err(failed)?;
        }
        let component = Component::from_binary(&self.engine, component.bytes()).map_err(link)?;
        let linked = linker.instantiate_pre(&component).map_err(link)?;
        let component = BundlePre::new(linked).map_err(link)?;
        Ok(Compiled { engine: self.engine.clone(), component, footprint })
    }
}

impl Compiled {
    /// Runs one action, and gives back the host with whatever happened in it, also when the run failed.
    pub async fn run(&self, mut host: Host, action: &str) -> (Host, Result<(), RunError>) {
        // Invariant: what is done on a component's behalf, instantiating it included, stands under its limits.
        if let Err(hit) = host.hold(self.footprint.bytes) {
            return (host, Err(hit.into()));
        }
        let limits = host.meter().limits().clone();
        let (clock, time_hit) = (host.clock().clone(), host.meter().time_hit());
        let mut store = Store::new(&self.engine, host);
        store.limiter(Host::limiter);
        store.set_hostcall_fuel(usize::try_from(limits.bytes).unwrap_or(usize::MAX));
        store.set_max_component_handles(MAX_HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);

        let ticker = Ticker::start(&self.engine, &clock);
        clock.start();
        let ended = tokio::select! {
            biased;
            ended = call(&self.component, &mut store, action) => ended,
            () = expired(&clock, limits.timeout) => Err(time_hit.into()),
        };
        clock.stop();
        drop(ticker);
        let host = store.into_data();
        let ended = ended.and_then(|()| Ok(host.finished()?));
        (host, ended)
    }
}

async fn call(component: &BundlePre<Host>, store: &mut Store<Host>, action: &str) -> Result<(), RunError> {
    let bundle: Bundle =
        component.instantiate_async(&mut *store).await.map_err(|error| ended(store, error))?;
    let answer = bundle.carnet_bundle_installer().call_run(&mut *store, action).await;
    let answer = answer.map_err(|error| ended(store, error))?;
    answer.map_err(|error| RunError::Reported(without_credentials(store.data(), error)))
}

/// A component's error with the credentials that it was shown redacted.
fn without_credentials(host: &Host, error: GuestError) -> GuestError {
    let scrubbed = |text: String| host.scrubbed(&text);
    match error {
        GuestError::Conflict(text) => GuestError::Conflict(scrubbed(text)),
        GuestError::Denied(text) => GuestError::Denied(scrubbed(text)),
        GuestError::Failed(text) => GuestError::Failed(scrubbed(text)),
        GuestError::Invalid(text) => GuestError::Invalid(scrubbed(text)),
        GuestError::NotFound(text) => GuestError::NotFound(scrubbed(text)),
        GuestError::Timeout(text) => GuestError::Timeout(scrubbed(text)),
        GuestError::Unavailable(text) => GuestError::Unavailable(scrubbed(text)),
    }
}

/// Ends when the component has used up its time.
async fn expired(clock: &Clock, limit: Duration) {
    loop {
        match limit.checked_sub(clock.spent()) {
            Some(left) if !left.is_zero() => tokio::time::sleep(left.max(TICK)).await,
            _ => return,
        }
    }
}

/// The reason why a call did not return.
fn ended(store: &Store<Host>, error: wasmtime::Error) -> RunError {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return hit.clone().into();
    }
    if let Some(departure) = error.downcast_ref::<Departure>() {
        return departure.clone().into();
    }
    let trap = Trap::of(&error);
    if trap.what.contains("fuel allocated for hostcalls has been exhausted") {
        return store.data().meter().bytes_hit().into();
    }
    RunError::Trapped(trap)
}

fn open_cache(directory: &Path) -> Result<Cache, RunError> {
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config).map_err(failed)
}

fn failed(error: wasmtime::Error) -> RunError {
    RunError::Engine(format!("{error:#}"))
}

/// Advances the engine's epoch while a component runs. While its host works or waits there is nothing to interrupt, so
/// then it sleeps.
struct Ticker {
    running: Arc<AtomicBool>,
    thread: Thread,
}

impl Ticker {
    fn start(engine: &wasmtime::Engine, clock: &Clock) -> Self {
        let running = Arc::new(AtomicBool::new(true));
        let (engine, clock, watched) = (engine.weak(), clock.clone(), Arc::clone(&running));
        let ticking = std::thread::spawn(move || {
            while watched.load(Ordering::Relaxed) {
                if !clock.is_components() {
                    std::thread::park();
                    continue;
                }
                std::thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        });
        Self { running, thread: ticking.thread().clone() }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Relaxed);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests;
