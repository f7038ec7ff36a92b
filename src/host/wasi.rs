//! The context behind `wasi:*` imports: empty, and the same in every run.
//!
//! Components built with a standard library import WASI whether they use it or not. What they get reaches nothing: no
//! file, no address, no environment but the CNAB variables, clocks that count readings instead of time, randomness from
//! a fixed seed. What they print becomes part of the log, within its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, async_trait};

use crate::digest::Digest;
use crate::sync::Mutex;

use super::installation::{InstallationContext, Log};
use super::meter::{LimitHit, Meter, count};
use super::progress::LogLevel;

/// How far a virtual clock moves with each reading: a loop that waits for time to pass comes to an end.
const TICK: Duration = Duration::from_millis(1);

/// The most bytes that a component may write to one stream at once.
const CHUNK: usize = 64 << 10;

/// The context of one run.
pub(super) fn context(context: &InstallationContext, meter: &Meter, log: &Log) -> WasiCtx {
    let clock = Ticks::default();
    WasiCtxBuilder::new()
        .envs(&environment(context))
        .stdout(Captured::new(LogLevel::Info, meter, log))
        .stderr(Captured::new(LogLevel::Warn, meter, log))
        .wall_clock(clock.clone())
        .monotonic_clock(clock)
        .secure_random(Deterministic::new(seed("random")))
        .insecure_random(Deterministic::new(seed("insecure")))
        .insecure_random_seed(0)
        .build()
}

/// CNAB Core 103 and Claims 400.
fn environment(context: &InstallationContext) -> [(&'static str, &str); 6] {
    [
        ("CNAB_ACTION", &context.action),
        ("CNAB_BUNDLE_NAME", &context.bundle_name),
        ("CNAB_BUNDLE_VERSION", &context.bundle_version),
        ("CNAB_CLAIMS_VERSION", "CNAB-Claims-1.0.0"),
        ("CNAB_INSTALLATION_NAME", &context.name),
        ("CNAB_REVISION", &context.revision),
    ]
}

/// Bytes without a pattern that a program would notice, and the same for everybody.
fn seed(what: &str) -> Vec<u8> {
    (0..128)
        .flat_map(|block| Digest::of(format!("carnet {what} {block}").as_bytes()).hex().into_bytes())
        .collect()
}

/// A clock that counts its readings.
#[derive(Clone, Default)]
struct Ticks(Arc<AtomicU64>);

impl Ticks {
    fn read(&self) -> Duration {
        let readings = self.0.fetch_add(1, Ordering::Relaxed);
        TICK.saturating_mul(u32::try_from(readings).unwrap_or(u32::MAX))
    }
}

impl HostWallClock for Ticks {
    fn resolution(&self) -> Duration {
        TICK
    }

    fn now(&self) -> Duration {
        self.read()
    }
}

impl HostMonotonicClock for Ticks {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.read().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A stream that becomes lines of the log.
#[derive(Clone)]
struct Captured {
    level: LogLevel,
    log: Log,
    written: Arc<Mutex<u64>>,
    limit: u64,
    hit: LimitHit,
    line: Arc<Mutex<Vec<u8>>>,
}

impl Captured {
    fn new(level: LogLevel, meter: &Meter, log: &Log) -> Self {
        let (written, limit) = meter.shared_log();
        Self { level, log: log.clone(), written, limit, hit: meter.log_hit(), line: Arc::default() }
    }

    fn take(&self, bytes: &[u8]) -> Result<(), LimitHit> {
        if count(&self.written, bytes.len()) > self.limit {
            return Err(self.hit.clone());
        }
        let mut line = self.line.lock();
        for byte in bytes {
            if *byte == b'\n' {
                self.log.write(self.level, &String::from_utf8_lossy(&line));
                line.clear();
            } else {
                line.push(*byte);
            }
        }
        Ok(())
    }
}

/// The last line may have no end.
impl Drop for Captured {
    fn drop(&mut self) {
        let mut line = self.line.lock();
        if Arc::strong_count(&self.line) == 1 && !line.is_empty() {
            self.log.write(self.level, &String::from_utf8_lossy(&line));
            line.clear();
        }
    }
}

impl IsTerminal for Captured {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Captured {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Captured {
    async fn ready(&mut self) {}
}

impl OutputStream for Captured {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes).map_err(|hit| StreamError::Trap(hit.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}
