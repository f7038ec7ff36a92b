//! Meters the resources of a run, and ends it at a limit.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::capability::functions::Function;
use crate::grant::limits::Limits;
use crate::plan::trace::Calls;
use crate::sync::Mutex;
use crate::text::CommandLine;

mod clock;

pub use clock::{Clock, HostTime};

/// The resources that a run has used. Each count is compared with its limit before the work it stands for is done.
pub struct Meter {
    limits: Limits,
    clock: Clock,
    text: Arc<Mutex<u64>>,
    work: Work,
    bytes: u64,
    memory: Memory,
    calls: Calls,
}

/// The calls of a run, as many as they have objects. Clones count together.
#[derive(Clone)]
pub(super) struct Work {
    done: Arc<Mutex<u64>>,
    limit: u64,
}

/// The memory of a run: that of all instances of the component together, and what the host holds for it. Several
/// memories would otherwise each have the limit. Clones count together.
#[derive(Clone)]
pub(super) struct Memory {
    taken: Arc<Mutex<u64>>,
    limit: u64,
}

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
    /// A limit on a size, as hit.
    pub fn of_size(limit: &'static str, bytes: u64) -> Self {
        Self { limit, value: size(bytes) }
    }

    /// A limit on a time, as hit.
    pub fn of_time(limit: &'static str, time: Duration) -> Self {
        let millis = time.as_millis();
        let value =
            if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") };
        Self { limit, value }
    }

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
            work: Work { done: Arc::default(), limit: limits.host_calls },
            bytes: 0,
            memory: Memory { taken: Arc::default(), limit: limits.memory },
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

    /// Counts a call for that many objects, and `bytes` that came with it. The host's time runs until the answer is
    /// dropped.
    ///
    /// # Errors
    /// [`LimitHit`] when it is one object or one byte too many, or the time is over.
    pub fn call(&mut self, function: Function, objects: usize, bytes: usize) -> Result<HostTime, LimitHit> {
        // A call for many objects is the work of many calls.
        self.work.take(objects.max(1))?;
        let time = self.clock.host();
        // A component that does nothing but call need not give way in between.
        if time.before() >= self.limits.timeout {
            return Err(self.time_hit());
        }
        *self.calls.entry(function).or_default() += 1;
        self.hand_over(bytes)?;
        Ok(time)
    }

    /// Counts memory that the host takes for the component.
    ///
    /// # Errors
    /// [`LimitHit`] when it is too much.
    pub fn hold(&mut self, bytes: u64) -> Result<(), LimitHit> {
        self.memory.take(bytes)
    }

    /// The calls of the run.
    pub(super) fn work(&self) -> Work {
        self.work.clone()
    }

    /// The memory of the run.
    pub(super) fn memory(&self) -> Memory {
        self.memory.clone()
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
        LimitHit::of_size("bytes", self.limits.bytes)
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
        LimitHit::of_size("log", self.limits.log)
    }

    /// The limit on time, as hit.
    pub fn time_hit(&self) -> LimitHit {
        LimitHit::of_time("timeout", self.limits.timeout)
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

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.growing(current, desired, most, 1)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // An element of a table takes up to two words in the host.
        self.growing(current, desired, most, 16)
    }
}

impl Meter {
    fn growing(
        &self,
        current: usize,
        desired: usize,
        most: Option<usize>,
        each: u64,
    ) -> wasmtime::Result<bool> {
        if is_beyond(desired, most) {
            return Ok(false);
        }
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        // An error rather than `false`: a component that is told "no memory" would trap without saying why.
        self.memory.take(more.saturating_mul(each))?;
        Ok(true)
    }
}

impl Work {
    /// Counts so many objects.
    pub(super) fn take(&self, objects: usize) -> Result<(), LimitHit> {
        if count(&self.done, objects) > self.limit {
            return Err(LimitHit { limit: "hostCalls", value: self.limit.to_string() });
        }
        Ok(())
    }
}

impl Memory {
    /// Counts bytes.
    pub(super) fn take(&self, bytes: u64) -> Result<(), LimitHit> {
        let mut taken = self.taken.lock();
        *taken = taken.saturating_add(bytes);
        if *taken > self.limit { Err(self.hit()) } else { Ok(()) }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> u64 {
        self.limit.saturating_sub(*self.taken.lock())
    }

    /// The limit on memory, as hit.
    pub(super) fn hit(&self) -> LimitHit {
        LimitHit::of_size("memory", self.limit)
    }
}

/// Whether the component asks for more than it declared itself: it gets nothing then, so nothing is counted.
fn is_beyond(desired: usize, most: Option<usize>) -> bool {
    most.is_some_and(|most| desired > most)
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
        assert!(meter.call(LOG, 0, 0).is_ok());
        let hit = meter.call(LOG, 0, 0).err().unwrap();
        assert_eq!(hit.to_string(), "the limit `hostCalls` of 1 was hit");
        assert_eq!(hit.line(), "limits: { hostCalls: 2 }");
        assert_eq!(meter.calls().values().sum::<u64>(), 1);
    }

    #[test]
    fn bytes_add_up_over_calls() {
        let mut meter = Meter::new(&Limits { bytes: 1 << 20, ..Limits::default() });
        assert!(meter.call(LOG, 1, 1 << 20).is_ok());
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
    fn each_object_of_a_call_counts() {
        let mut meter = Meter::new(&Limits { host_calls: 500, ..Limits::default() });
        assert!(meter.call(LOG, 499, 0).is_ok());
        assert!(meter.call(LOG, 0, 0).is_ok());
        assert_eq!(meter.call(LOG, 1, 0).err().map(|hit| hit.limit), Some("hostCalls"));
        assert_eq!(meter.calls().values().sum::<u64>(), 2);
    }

    #[test]
    fn what_the_host_holds_counts_with_the_memory_of_the_component() {
        let mut meter = Meter::new(&Limits { memory: 1 << 20, ..Limits::default() });
        meter.hold(1 << 19).unwrap();
        assert_eq!(meter.memory().left(), 1 << 19);
        assert!(meter.memory_growing(0, 1 << 19, None).unwrap());
        assert_eq!(meter.hold(1).unwrap_err(), meter.memory().hit());
    }

    #[test]
    fn the_host_works_within_the_time_of_the_run() {
        let mut meter = Meter::new(&Limits { timeout: Duration::from_millis(1), ..Limits::default() });
        let hit = loop {
            match meter.call(LOG, 0, 0) {
                Ok(working) => drop(working),
                Err(hit) => break hit,
            }
        };
        assert_eq!(hit.limit, "timeout");
    }
}
