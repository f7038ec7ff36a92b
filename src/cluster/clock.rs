//! The time by an API server's clock, which all who use the server agree on, to about a second.

use jiff::{SignedDuration, Timestamp};

use crate::sync::Mutex;

/// How far a server's clock is ahead of ours.
#[derive(Default)]
pub(super) struct ServerClock(Mutex<SignedDuration>);

impl ServerClock {
    /// Sets the clock by the date of a response.
    pub(super) fn set(&self, date: Timestamp) {
        *self.0.lock() = date.duration_since(here());
    }

    /// The time by the server's clock; by ours, before there was a response.
    pub(super) fn now(&self) -> Timestamp {
        here().checked_add(*self.0.lock()).unwrap_or_default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how far the server's clock is from ours, and whether a token has ended"
)]
pub(super) fn here() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_server() {
        let clock = ServerClock::default();
        let ahead = here().checked_add(SignedDuration::from_hours(1)).unwrap();
        clock.set(ahead);
        assert!(clock.now().duration_since(ahead).abs() < SignedDuration::from_mins(1));
    }
}
