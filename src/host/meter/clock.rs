//! The time of a run: that of the component, and what its host works for it.
//!
//! Of the component's time each moment counts, whether it computes or sleeps. Of the host's time only the processor's
//! does: waiting for the target is not the component's doing, and stands under a limit of its own. Without the second
//! clock a component could do all its work in calls.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::sync::Mutex;

/// The time of a run. Clones are the same clock.
#[derive(Clone)]
pub struct Clock(Arc<Mutex<Running>>);

struct Running {
    spent: Duration,
    mode: Mode,
    /// Sleeps while the component does not run.
    sleeper: Option<Thread>,
}

#[derive(Clone, Copy)]
enum Mode {
    /// The component runs, since then.
    Component(Instant),
    /// The host works in this thread, which had taken that much of the processor when it began.
    Host(Duration),
    /// Nobody works.
    Stopped,
}

/// The host works until this is dropped; then the component goes on.
pub struct HostTime {
    clock: Clock,
    /// The time of the run when it began.
    before: Duration,
}

impl Clock {
    pub(super) fn stopped() -> Self {
        Self(Arc::new(Mutex::new(Running { spent: Duration::ZERO, mode: Mode::Stopped, sleeper: None })))
    }

    /// Lets the component's time run.
    #[expect(clippy::disallowed_methods, reason = "the component's time is measured, never shown to it")]
    pub fn start(&self) {
        let mut running = self.0.lock();
        running.switch(|| Mode::Component(Instant::now()));
        if let Some(sleeper) = &running.sleeper {
            sleeper.unpark();
        }
    }

    /// Whether the component's time runs. Where it does not, this thread is woken up when it does again.
    pub fn is_components(&self) -> bool {
        let mut running = self.0.lock();
        let is_components = matches!(running.mode, Mode::Component(_));
        running.sleeper = if is_components { None } else { Some(std::thread::current()) };
        is_components
    }

    /// Stops all time.
    pub fn stop(&self) {
        self.0.lock().switch(|| Mode::Stopped);
    }

    /// Lets the host's time run, until the answer is dropped.
    pub fn host(&self) -> HostTime {
        let mut running = self.0.lock();
        running.switch(|| Mode::Host(processor_time()));
        HostTime { clock: self.clone(), before: running.spent }
    }

    /// The time so far.
    pub fn spent(&self) -> Duration {
        let running = self.0.lock();
        running.spent + running.mode.since()
    }
}

impl Running {
    fn switch(&mut self, mode: impl FnOnce() -> Mode) {
        self.spent += self.mode.since();
        self.mode = mode();
    }

    /// Lets the host's time run in this thread, where nobody's does. A call that has just begun has it running here
    /// already, and asking for the processor's time is much of what a short one takes.
    fn go_on(&mut self) {
        if matches!(self.mode, Mode::Stopped) {
            self.mode = Mode::Host(processor_time());
        }
    }
}

impl HostTime {
    /// The time of the run when the call began.
    pub(super) fn before(&self) -> Duration {
        self.before
    }

    /// Carries out a part of the call that may wait. While it waits, no time runs, and each turn after that has a thread
    /// of its own. The first one is in the thread where the call began.
    pub(in crate::host) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.clock.0.lock().go_on();
            let polled = work.as_mut().poll(context);
            if polled.is_pending() {
                self.clock.stop();
            }
            polled
        })
        .await
    }
}

impl Drop for HostTime {
    fn drop(&mut self) {
        self.clock.start();
    }
}

impl Mode {
    fn since(self) -> Duration {
        match self {
            Self::Component(since) => since.elapsed(),
            Self::Host(before) => processor_time().saturating_sub(before),
            Self::Stopped => Duration::ZERO,
        }
    }
}

/// How long this thread has had the processor.
#[cfg(unix)]
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default())
}

/// How long this thread has been there, as near as can be told.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    use std::sync::LazyLock;
    #[expect(clippy::disallowed_methods, reason = "the host's time is measured, never shown to a component")]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works until the clock says so. Were the work not counted, it would not end.
    fn work(clock: &Clock) {
        let until = clock.spent() + Duration::from_micros(200);
        while clock.spent() < until {}
    }

    #[test]
    fn the_work_of_the_host_counts() {
        let clock = Clock::stopped();
        clock.start();
        let working = clock.host();
        work(&clock);
        drop(working);
        work(&clock);
    }

    #[test]
    fn a_host_that_waits_takes_no_time() {
        let clock = Clock::stopped();
        let working = clock.host();
        let mut spent = Vec::new();
        let waits = working.during(async {
            work(&clock);
            let mut pending = true;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::take(&mut pending) {
                    std::task::Poll::Pending
                } else {
                    std::task::Poll::Ready(())
                }
            })
            .await;
            work(&clock);
        });
        let mut waits = pin!(waits);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(poll_fn(|context| {
            let polled = waits.as_mut().poll(context);
            if polled.is_pending() {
                spent.extend([clock.spent(), clock.spent()]);
            }
            polled
        }));
        assert_eq!(spent.len(), 2, "it waited once");
        assert_eq!(spent[0], spent[1]);
        assert!(clock.spent() > spent[1]);
    }

    #[test]
    fn a_clock_that_is_stopped_stands() {
        let clock = Clock::stopped();
        clock.start();
        work(&clock);
        clock.stop();
        assert_eq!(clock.spent(), clock.spent());
    }
}
