//! Meters the resources of a run, and ends it at a limit.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::capability::functions::Function;
use crate::grant::limits::Limits;
use crate::plan::trace::Calls;
use crate::sync::Mutex;
use crate::text::CommandLine;

/// The resources that a run has used. Each count is compared with its limit before the work it stands for is done.
pub struct Meter {
    limits: Limits,
    clock: Clock,
    text: Arc<Mutex<u64>>,
    host_calls: u64,
    bytes: u64,
    memory: u64,
    tables: u64,
    calls: Calls,
}

/// The component's own time: it stands still while the host works for it.
#[derive(Clone)]
pub struct Clock(Arc<Mutex<Running>>);

struct Running {
    spent: Duration,
    /// None while the host works.
    since: Option<Instant>,
}

/// Stops the clock until it is dropped.
pub struct Pause(Clock);

/// A limit that a run hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitHit {
    /// The member of `limits` that would raise it.
    pub limit: &'static str,
    /// Its value, as a grant writes it.
    pub value: String,
}

impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limit `{}` of {} was hit", self.limit, self.value)
    }
}

impl std::error::Error for LimitHit {}

impl LimitHit {
    /// The line of a grant that would raise the limit, to twice what it is.
    pub fn line(&self) -> CommandLine {
        let digits: String = self.value.chars().take_while(char::is_ascii_digit).collect();
        let unit = &self.value[digits.len()..];
        let twice = digits.parse::<u64>().map_or(digits, |number| number.saturating_mul(2).to_string());
        CommandLine::of("limits: {").member(self.limit).word(format_args!("{twice}{unit}")).own("}")
    }
}

impl Meter {
    /// A meter at zero.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            clock: Clock::stopped(),
            text: Arc::default(),
            host_calls: 0,
            bytes: 0,
            memory: 0,
            tables: 0,
            calls: Calls::new(),
        }
    }

    /// The component's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts a call, and `bytes` that came with it. The component's clock stands still until the answer is dropped.
    ///
    /// # Errors
    /// [`LimitHit`] when it is one call or one byte too many.
    pub fn call(&mut self, function: Function, bytes: usize) -> Result<Pause, LimitHit> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            return Err(LimitHit { limit: "hostCalls", value: self.limits.host_calls.to_string() });
        }
        *self.calls.entry(function).or_default() += 1;
        self.hand_over(bytes)?;
        Ok(self.clock.pause())
    }

    /// Counts bytes that are handed over, in either direction.
    ///
    /// # Errors
    /// [`LimitHit`] when it is one byte too many.
    pub fn hand_over(&mut self, bytes: usize) -> Result<(), LimitHit> {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let limit = self.limits.bytes;
        if self.bytes > limit { Err(self.bytes_hit()) } else { Ok(()) }
    }

    /// The limit on bytes handed over, as hit.
    pub fn bytes_hit(&self) -> LimitHit {
        LimitHit { limit: "bytes", value: size(self.limits.bytes) }
    }

    /// Counts bytes of log.
    ///
    /// # Errors
    /// [`LimitHit`] when it is one byte too many.
    pub fn log(&mut self, bytes: usize) -> Result<(), LimitHit> {
        if count(&self.text, bytes) > self.limits.log { Err(self.log_hit()) } else { Ok(()) }
    }

    /// The count of log bytes, shared with captured output, and its limit.
    pub(super) fn shared_log(&self) -> (Arc<Mutex<u64>>, u64) {
        (Arc::clone(&self.text), self.limits.log)
    }

    /// The limit on log, as hit.
    pub fn log_hit(&self) -> LimitHit {
        LimitHit { limit: "log", value: size(self.limits.log) }
    }

    /// The limit on time, as hit.
    pub fn time_hit(&self) -> LimitHit {
        let millis = self.limits.timeout.as_millis();
        let value =
            if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") };
        LimitHit { limit: "timeout", value }
    }

    /// How often each function was called.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }
}

/// Adds to a shared count.
pub(super) fn count(shared: &Mutex<u64>, bytes: usize) -> u64 {
    let mut written = shared.lock();
    *written = written.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    *written
}

/// Memory and tables of all instances of the component together: several memories would otherwise each have the limit.
impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if is_beyond(desired, most) {
            return Ok(false);
        }
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        self.memory = self.memory.saturating_add(more);
        self.check_memory()
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if is_beyond(desired, most) {
            return Ok(false);
        }
        // An element of a table takes up to two words in the host.
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX).saturating_mul(16);
        self.tables = self.tables.saturating_add(more);
        self.check_memory()
    }
}

impl Meter {
    fn check_memory(&self) -> wasmtime::Result<bool> {
        if self.memory.saturating_add(self.tables) > self.limits.memory {
            // An error rather than `false`: a component that is told "no memory" would trap without saying why.
            return Err(LimitHit { limit: "memory", value: size(self.limits.memory) }.into());
        }
        Ok(true)
    }
}

/// Whether the component asks for more than it declared itself: it gets nothing then, so nothing is counted.
fn is_beyond(desired: usize, most: Option<usize>) -> bool {
    most.is_some_and(|most| desired > most)
}

impl Clock {
    fn stopped() -> Self {
        Self(Arc::new(Mutex::new(Running { spent: Duration::ZERO, since: None })))
    }

    /// Lets the clock run.
    #[expect(clippy::disallowed_methods, reason = "the component's time is measured, never shown to it")]
    pub fn start(&self) {
        self.with(|running| {
            running.since.get_or_insert_with(Instant::now);
        });
    }

    /// Stops the clock until the answer is dropped.
    pub fn pause(&self) -> Pause {
        self.with(|running| {
            running.spent = running.total();
            running.since = None;
        });
        Pause(self.clone())
    }

    /// The component's own time so far.
    pub fn spent(&self) -> Duration {
        self.with(|running| running.total())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Running) -> T) -> T {
        work(&mut self.0.lock())
    }
}

impl Running {
    fn total(&self) -> Duration {
        self.spent + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.start();
    }
}

fn size(bytes: u64) -> String {
    let units = [(30, "Gi"), (20, "Mi"), (10, "Ki")];
    let whole = units.iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    whole.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::functions::LOG;

    #[test]
    fn one_call_too_many_is_named_with_the_line_that_allows_it() {
        let mut meter = Meter::new(&Limits { host_calls: 1, ..Limits::default() });
        assert!(meter.call(LOG, 0).is_ok());
        let hit = meter.call(LOG, 0).err().unwrap();
        assert_eq!(hit.to_string(), "the limit `hostCalls` of 1 was hit");
        assert_eq!(hit.line(), "limits: { hostCalls: 2 }");
        assert_eq!(meter.calls().values().sum::<u64>(), 1);
    }

    #[test]
    fn bytes_add_up_over_calls() {
        let mut meter = Meter::new(&Limits { bytes: 1 << 20, ..Limits::default() });
        assert!(meter.call(LOG, 1 << 20).is_ok());
        let hit = meter.hand_over(1).unwrap_err();
        assert_eq!((hit.line(), hit.value), ("limits: { bytes: 2Mi }".into(), "1Mi".into()));
    }

    #[test]
    fn several_memories_share_one_limit() {
        let mut meter = Meter::new(&Limits { memory: 1 << 20, ..Limits::default() });
        assert!(meter.memory_growing(0, 1 << 19, None).is_ok());
        assert!(meter.memory_growing(0, 1 << 19, None).is_ok());
        let error = meter.memory_growing(0, 1, None).unwrap_err();
        assert_eq!(error.downcast_ref::<LimitHit>().map(|hit| hit.limit), Some("memory"));
    }

    #[test]
    fn what_a_component_asks_for_beyond_its_own_maximum_does_not_count() {
        let mut meter = Meter::new(&Limits { memory: 1 << 20, ..Limits::default() });
        for _ in 0..3 {
            assert!(!meter.memory_growing(0, 1 << 20, Some(1 << 19)).unwrap());
            assert!(!meter.table_growing(0, 1 << 20, Some(1)).unwrap());
        }
        assert!(meter.memory_growing(0, 1 << 20, Some(1 << 20)).unwrap());
    }

    #[test]
    fn the_clock_stands_still_while_the_host_works() {
        let mut meter = Meter::new(&Limits::default());
        meter.clock().start();
        let clock = meter.clock().clone();
        let pause = meter.call(LOG, 0);
        let before = clock.spent();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(clock.spent(), before);
        drop(pause);
        std::thread::sleep(Duration::from_millis(5));
        assert!(clock.spent() > before);
    }
}
