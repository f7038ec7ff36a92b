//! The signals that stop a run: Ctrl-C, and what is sent when a terminal goes away or a service manager ends the
//! program.
//!
//! Each of them ends the run in the same way: what is under way is awaited and written down.

use crate::install::Cancellation;

/// Has signals stop the run from now on, instead of ending the program. Inside a runtime only.
pub(super) fn listen(cancellation: &Cancellation) {
    for signal in signals() {
        let cancellation = cancellation.clone();
        tokio::spawn(async move {
            signal.received().await;
            cancellation.cancel();
        });
    }
}

#[cfg(unix)]
pub(in crate::cli) use unix::ended_by_signal;
#[cfg(unix)]
use unix::signals;

#[cfg(not(unix))]
pub(in crate::cli) use other::ended_by_signal;
#[cfg(not(unix))]
use other::signals;

#[cfg(unix)]
mod unix {
    use std::path::Path;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    use crate::cli::inputs;

    /// Waits for one signal.
    pub(super) struct SignalListener(Signal);

    impl SignalListener {
        pub(super) async fn received(mut self) {
            if self.0.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// A signal that cannot be listened for ends the program as usual. `nohup` has SIGHUP ignored, and so it stays.
    pub(super) fn signals() -> Vec<SignalListener> {
        let ignored = inputs::text(Path::new("/proc/self/status")).map(|status| ignored(&status));
        let ignored = ignored.unwrap_or_default();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
            .into_iter()
            .filter(|kind| *kind != SignalKind::hangup() || !is_among(ignored, *kind))
            .filter_map(|kind| signal(kind).ok())
            .map(SignalListener)
            .collect()
    }

    /// Waits until something ends the program but Ctrl-C, which belongs to the program that has the terminal meanwhile.
    /// Inside a runtime only.
    pub(in crate::cli) async fn ended_by_signal() {
        let interrupts = signal(SignalKind::interrupt());
        let mut endings = [SignalKind::terminate(), SignalKind::hangup()].map(|kind| signal(kind).ok());
        let [terminate, hangup] = &mut endings;
        tokio::select! {
            () = next(terminate) => {}
            () = next(hangup) => {}
        }
        drop(interrupts);
    }

    async fn next(signal: &mut Option<Signal>) {
        let received = match signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// The signals that a process ignores, a bit for each, from its status.
    fn ignored(status: &str) -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
    }

    fn is_among(signals: u64, kind: SignalKind) -> bool {
        u32::try_from(kind.as_raw_value() - 1).is_ok_and(|bit| signals >> bit & 1 == 1)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn ignored_signals_are_read_from_the_status_of_a_process() {
            let status = "Name:\tcarnet\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\n";
            assert!(is_among(ignored(status), SignalKind::hangup()));
            assert!(!is_among(ignored(status), SignalKind::terminate()));
            assert_eq!(ignored("no such line"), 0);
            assert_eq!(ignored("SigIgn: what"), 0);
        }
    }
}

#[cfg(not(unix))]
mod other {
    /// Waits for Ctrl-C.
    pub(super) struct SignalListener;

    impl SignalListener {
        pub(super) async fn received(self) {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    pub(super) fn signals() -> Vec<SignalListener> {
        vec![SignalListener]
    }

    /// Never comes: nothing but Ctrl-C can be listened for.
    pub(in crate::cli) async fn ended_by_signal() {
        std::future::pending().await
    }
}
