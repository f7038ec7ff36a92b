//! Compiles a component in another process, which the operating system ends when it takes too long or too much.
//!
//! Nothing in a compiler can be relied on to end in time, and a thread that compiles cannot be ended from outside. So
//! the program starts itself once more, with an empty environment and limits of the operating system, to compile into
//! the cache; this process then loads from there. What was compiled within limits once is marked in the cache and takes
//! no process again. Where there is no cache, or it has lost the code, this process compiles what another has shown to
//! be harmless.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use cap_std::fs::Dir;
use wasmtime::component::Component;

use crate::bundle::component::MAX_COMPONENT;
use crate::digest::Digest;
use crate::document::shortened;
use crate::grant::limits::Limits;
use crate::host::meter::LimitHit;

use super::{Engine, RunError};

/// The first argument of a process that is to compile.
pub const COMPILE: &str = "compile-component";

/// How such a process ends that had no more memory, and could still say so.
pub const OUT_OF_MEMORY: u8 = 14;

/// The members of `limits` that such a process may hit.
const COMPILE_TIME: &str = "compileTime";
const COMPILE_MEMORY: &str = "compileMemory";

/// The largest file that it may write, in bytes: code in the cache is compressed.
const MAX_FILE: u64 = 512 << 20;

/// The most files that it may have open.
const MAX_OPEN: u64 = 64;

/// How much of what it says is read, in bytes.
const MAX_SAID: u64 = 4096;

/// How many times its time of the processor it may take by the clock. One that sleeps takes no time of the processor,
/// and would never end; one on a busy machine needs longer than that time.
const PATIENCE: u32 = 10;

/// How long it is left alone between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// The order to a process that compiles, as its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileOrder {
    /// How many seconds of the processor it may take.
    pub seconds: u64,
    /// How many bytes of memory it may take.
    pub memory: u64,
    /// Where compiled code is kept.
    pub cache: Option<PathBuf>,
}

impl CompileOrder {
    /// An order within the limits of a run.
    fn within(limits: &Limits, cache: Option<&Path>) -> Self {
        let seconds = limits.compile_time.as_millis().div_ceil(1000).max(1);
        Self {
            seconds: u64::try_from(seconds).unwrap_or(u64::MAX),
            memory: limits.compile_memory,
            cache: cache.map(Into::into),
        }
    }

    /// The order in the arguments of this process, if they are one.
    pub fn parse(arguments: &[OsString]) -> Option<Self> {
        let [_, verb, seconds, memory, cache @ ..] = arguments else { return None };
        let number = |text: &OsString| text.to_str()?.parse().ok();
        if verb != COMPILE || cache.len() > 1 {
            return None;
        }
        let cache = cache.first().map(PathBuf::from);
        Some(Self { seconds: number(seconds)?, memory: number(memory)?, cache })
    }

    fn arguments(&self) -> Vec<OsString> {
        let words = [COMPILE.into(), self.seconds.to_string().into(), self.memory.to_string().into()];
        words.into_iter().chain(self.cache.as_ref().map(OsString::from)).collect()
    }

    /// Carries the order out in this process, on the component that is read from `input`. The limits come first: from
    /// then on the operating system ends this process when they are reached.
    ///
    /// # Errors
    /// [`RunError::Link`] when the component cannot be compiled, [`RunError::Limit`] where there was no more memory,
    /// and [`RunError::Engine`] when nothing could be compiled.
    pub fn carry_out(&self, input: impl std::io::Read) -> Result<(), RunError> {
        let unusable = |error: std::io::Error| self.failed(RunError::Engine(error.to_string()));
        self.limit_this_process().map_err(unusable)?;
        let mut bytes = Vec::new();
        let most = u64::try_from(MAX_COMPONENT).unwrap_or(u64::MAX);
        input.take(most).read_to_end(&mut bytes).map_err(unusable)?;
        let engine = Engine::new(self.cache.as_deref()).map_err(|error| self.failed(error))?;
        let compiled = Component::from_binary(&engine.engine, &bytes);
        compiled.map(drop).map_err(|error| self.failed(RunError::Link(format!("{error:#}"))))
    }

    /// An error of the engine or the compiler. Where the system had no more memory, it is the limit that was hit.
    fn failed(&self, error: RunError) -> RunError {
        let text = error.to_string();
        if text.contains("Cannot allocate memory") || text.contains("out of memory") {
            LimitHit::of_size(COMPILE_MEMORY, self.memory).into()
        } else {
            error
        }
    }

    #[cfg(unix)]
    fn limit_this_process(&self) -> std::io::Result<()> {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        for (resource, most) in [
            (Resource::Core, 0),
            (Resource::Fsize, MAX_FILE),
            (Resource::Nofile, MAX_OPEN),
            (Resource::Cpu, self.seconds),
            // Elsewhere a process may not be limited in this way.
            #[cfg(target_os = "linux")]
            (Resource::As, self.memory),
        ] {
            // Whoever started the program may have set lower limits.
            let given = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            // A second after the signal, for a process that does not heed it.
            let spare = u64::from(matches!(resource, Resource::Cpu));
            let (current, maximum) = (given.min(most), given.min(most.saturating_add(spare)));
            setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn limit_this_process(&self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Engine {
    /// Has `program` compile a component within `limits`, unless that was done before. Giving up the future ends the
    /// process.
    ///
    /// # Errors
    /// [`RunError::Limit`] when it takes more, [`RunError::Link`] when it cannot be compiled, and [`RunError::Engine`]
    /// when the program cannot be started or ends in another way.
    pub(crate) async fn compile_apart(
        &self,
        component: &crate::bundle::component::Component,
        limits: &Limits,
        program: &Path,
    ) -> Result<(), RunError> {
        let mark = self.cache.as_deref().map(|cache| Mark::of(self, cache, component.digest()));
        if mark.as_ref().is_some_and(Mark::is_there) {
            return Ok(());
        }
        let order = CompileOrder::within(limits, self.cache.as_deref());
        Process::start(program, &order)?.compile(component.bytes().clone(), limits).await?;
        if let Some(mark) = mark {
            mark.leave();
        }
        Ok(())
    }
}

/// A mark in the cache: this component was compiled within limits by this version. It lies as deep as compiled code
/// does, so that what tidies the cache up knows how old it is.
struct Mark {
    cache: PathBuf,
    folder: String,
    name: String,
}

impl Mark {
    fn of(engine: &Engine, cache: &Path, component: Digest) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = format!("within-limits/{:016x}", hasher.finish());
        Self { cache: cache.into(), folder, name: component.hex() }
    }

    fn is_there(&self) -> bool {
        self.open().is_ok_and(|cache| cache.exists(format!("{}/{}", self.folder, self.name)))
    }

    /// Without it the next run starts a process once more, and no harm is done.
    fn leave(&self) {
        let leave = |cache: Dir| {
            cache.create_dir_all(&self.folder)?;
            cache.write(format!("{}/{}", self.folder, self.name), b"")
        };
        drop(self.open().and_then(leave));
    }

    fn open(&self) -> std::io::Result<Dir> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the place was handed in, and the engine keeps code there"
        )]
        Dir::open_ambient_dir(&self.cache, cap_std::ambient_authority())
    }
}

/// A process that compiles. It is gone when this is.
struct Process(Child);

impl Process {
    fn start(program: &Path, order: &CompileOrder) -> Result<Self, RunError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the program itself, which compiles within limits of the operating system"
        )]
        let mut command = std::process::Command::new(program);
        command.args(order.arguments()).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            // Ctrl-C is for the run, which ends this process.
            command.process_group(0);
        }
        let failed = |error| RunError::Engine(format!("`{}` cannot be started: {error}", program.display()));
        command.spawn().map(Self).map_err(failed)
    }

    /// Hands the component over, and waits for the end of the process, which may be given up at any time.
    async fn compile(mut self, component: Bytes, limits: &Limits) -> Result<(), RunError> {
        if let Some(mut input) = self.0.stdin.take() {
            // A process that ends early says why, and a pipe that breaks says nothing more.
            drop(tokio::task::spawn_blocking(move || input.write_all(&component)));
        }
        let said = self.0.stderr.take().map(|errors| tokio::task::spawn_blocking(|| said(errors)));
        let ending = async {
            let status = self.end().await.map_err(|error| RunError::Engine(error.to_string()))?;
            let said = match said {
                Some(said) => said.await.unwrap_or_default(),
                None => String::new(),
            };
            ended(status, &said, limits)
        };
        let ended = tokio::time::timeout(limits.compile_time.saturating_mul(PATIENCE), ending).await;
        ended.unwrap_or_else(|_| Err(LimitHit::of_time(COMPILE_TIME, limits.compile_time).into()))
    }

    /// Looks from time to time: that it says nothing more does not mean that it has ended, and a thread that waits for
    /// it could not hear that the run is stopped.
    async fn end(&mut self) -> std::io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The beginning of what is said. The rest is read as well, so that nobody who says much is held up.
fn said(mut errors: impl std::io::Read) -> String {
    let mut said = Vec::new();
    drop(errors.by_ref().take(MAX_SAID).read_to_end(&mut said));
    drop(std::io::copy(&mut errors, &mut std::io::sink()));
    String::from_utf8_lossy(&said).into_owned()
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The meaning of how a process that compiles has ended.
fn ended(status: ExitStatus, said: &str, limits: &Limits) -> Result<(), RunError> {
    let text = shortened(said.trim(), 2000);
    let is_out_of_memory = status.code() == Some(OUT_OF_MEMORY.into())
        || (status.code().is_none() && said.contains("memory allocation of"));
    match status.code() {
        Some(0) => Ok(()),
        _ if is_out_of_memory => Err(LimitHit::of_size(COMPILE_MEMORY, limits.compile_memory).into()),
        Some(1) => Err(RunError::Link(text)),
        None if is_out_of_time(status) => Err(LimitHit::of_time(COMPILE_TIME, limits.compile_time).into()),
        _ => Err(RunError::Engine(format!("the process that compiles ended with {status}: {text}"))),
    }
}

#[cfg(unix)]
fn is_out_of_time(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(rustix::process::Signal::XCPU.as_raw())
}

#[cfg(not(unix))]
fn is_out_of_time(_: ExitStatus) -> bool {
    false
}
