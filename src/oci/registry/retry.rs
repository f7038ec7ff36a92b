//! Whether a request is worth another try, and after how long.

use std::time::Duration;

use http::StatusCode;

use super::RegistryError;

/// How long a registry is left alone at most.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// How long a registry is left alone before another try, if its answer says that one may help: as long as it asks, and not
/// for ever.
pub(super) fn wait(
    status: StatusCode,
    asked: Option<Duration>,
    is_repeatable: bool,
    tries: u32,
) -> Option<Duration> {
    match status.as_u16() {
        // Nothing was done, whatever it was.
        429 => {}
        500 | 502 | 503 | 504 | 408 if is_repeatable => {}
        _ => return None,
    }
    Some(asked.unwrap_or_else(|| pause(tries)).min(MAX_WAIT))
}

pub(super) fn may_pass(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Unreachable { .. })
}

/// Longer from time to time, and not as long as that of others who failed in the same moment.
pub(super) fn pause(tries: u32) -> Duration {
    let jitter = u64::try_from(ulid::Ulid::generate().random() % 100).unwrap_or_default();
    Duration::from_millis((100_u64 << tries.min(6)) + jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_left_alone_for_as_long_as_it_asks_and_for_half_a_minute_at_most() {
        let seconds = |count| Some(Duration::from_secs(count));
        let waits = |status: u16, asked, is_repeatable| {
            wait(StatusCode::from_u16(status).unwrap(), asked, is_repeatable, 1)
        };
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(waits(status, seconds(7), true), seconds(7), "{status}");
            assert_eq!(waits(status, seconds(0), true), seconds(0), "{status}");
            assert_eq!(waits(status, seconds(86_400), true), seconds(30), "{status}");
            assert_eq!(waits(status, seconds(7), false), seconds(7).filter(|_| status == 429), "{status}");
            assert!(waits(status, None, true).is_some_and(|it| it >= Duration::from_millis(200)), "{status}");
        }
        for status in [200, 307, 400, 401, 403, 404, 416, 501] {
            assert_eq!(waits(status, seconds(7), true), None, "{status}");
        }
        assert!((1..8).all(|tries| pause(tries) < pause(tries + 1) || tries >= 6));
    }
}
