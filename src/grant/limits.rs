//! Limits of a run: as an operator writes them, and as numbers.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits, as written: `64Mi`, `60s`, `10000`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitTexts {
    /// Memory of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// The component's own time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Calls to the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_calls: Option<u64>,
    /// Bytes handed over in calls, in both directions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// Bytes of log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Time of the processor for compiling the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile_time: Option<String>,
    /// Memory for compiling it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile_memory: Option<String>,
}

/// Resource limits of a run. Each bounds what a hostile component could take from its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory and tables, 64 MiB. Without it the component could have all of the machine's.
    pub memory: u64,
    /// The component's own time, 60 s; waiting for the target does not count. Without it a loop would never end.
    pub timeout: Duration,
    /// Calls to the host, 10,000. Without it a loop of calls would load the target for as long as the time limit lets.
    pub host_calls: u64,
    /// Bytes handed over in calls, 64 MiB. Without it overlapping texts in one call could be lifted into terabytes.
    pub bytes: u64,
    /// Bytes of log, 1 MiB. Without it the log would fill the disk.
    pub log: u64,
    /// Time of the processor for compiling the component, 60 s. Without it a few kilobytes could be compiled for hours.
    pub compile_time: Duration,
    /// Address space of the process that compiles, 2 GiB. Without it they could take all of the machine's memory.
    pub compile_memory: u64,
}

/// A text that is no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the limit `{0}` is not a size such as `64Mi` or a time such as `60s`")]
pub struct InvalidLimit(pub String);

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            timeout: Duration::from_secs(60),
            host_calls: 10_000,
            bytes: 64 << 20,
            log: 1 << 20,
            compile_time: Duration::from_secs(60),
            compile_memory: 2 << 30,
        }
    }
}

impl Limits {
    /// Whether none of the others lets a run take more.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let Self { memory, timeout, host_calls, bytes, log, compile_time, compile_memory } = self;
        let sizes = [
            (memory, other.memory),
            (host_calls, other.host_calls),
            (bytes, other.bytes),
            (log, other.log),
            (compile_memory, other.compile_memory),
        ];
        let times = [(timeout, other.timeout), (compile_time, other.compile_time)];
        sizes.iter().all(|(own, other)| *own >= other) && times.iter().all(|(own, other)| *own >= other)
    }
}

impl LimitTexts {
    /// Whether no limit is written.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The limits, with the defaults for those that are not written.
    ///
    /// # Errors
    /// [`InvalidLimit`] for a limit that is no size or time.
    pub fn resolve(&self) -> Result<Limits, InvalidLimit> {
        let default = Limits::default();
        let size = |text: &Option<String>, default| text.as_deref().map_or(Ok(default), parse_size);
        let time = |text: &Option<String>, default| text.as_deref().map_or(Ok(default), parse_time);
        Ok(Limits {
            memory: size(&self.memory, default.memory)?,
            timeout: time(&self.timeout, default.timeout)?,
            host_calls: self.host_calls.unwrap_or(default.host_calls),
            bytes: size(&self.bytes, default.bytes)?,
            log: size(&self.log, default.log)?,
            compile_time: time(&self.compile_time, default.compile_time)?,
            compile_memory: size(&self.compile_memory, default.compile_memory)?,
        })
    }

    /// Of two values for one limit, the larger.
    ///
    /// # Errors
    /// [`InvalidLimit`] for a limit that is no size or time.
    pub fn larger(&self, other: &Self) -> Result<Self, InvalidLimit> {
        Ok(Self {
            memory: larger(&self.memory, &other.memory, parse_size)?,
            timeout: larger(&self.timeout, &other.timeout, parse_time)?,
            host_calls: self.host_calls.max(other.host_calls),
            bytes: larger(&self.bytes, &other.bytes, parse_size)?,
            log: larger(&self.log, &other.log, parse_size)?,
            compile_time: larger(&self.compile_time, &other.compile_time, parse_time)?,
            compile_memory: larger(&self.compile_memory, &other.compile_memory, parse_size)?,
        })
    }
}

fn larger<T: Ord>(
    a: &Option<String>,
    b: &Option<String>,
    parse: fn(&str) -> Result<T, InvalidLimit>,
) -> Result<Option<String>, InvalidLimit> {
    Ok(match (a, b) {
        (Some(a), Some(b)) => Some(if parse(a)? < parse(b)? { b.clone() } else { a.clone() }),
        (some, None) | (None, some) => some.clone(),
    })
}

/// Reads a size as Kubernetes writes it: bytes, or with `Ki`, `Mi`, `Gi`.
///
/// # Errors
/// [`InvalidLimit`] for anything else.
pub fn parse_size(text: &str) -> Result<u64, InvalidLimit> {
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("", 0)];
    let (digits, shift) = units
        .iter()
        .find_map(|(unit, shift)| text.strip_suffix(unit).map(|digits| (digits, *shift)))
        .unwrap_or((text, 0));
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    number.ok_or_else(|| InvalidLimit(text.into()))
}

/// Reads a time: a whole number with `ms`, `s`, `m` or `h`.
///
/// # Errors
/// [`InvalidLimit`] for anything else.
pub fn parse_time(text: &str) -> Result<Duration, InvalidLimit> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let found = units
        .iter()
        .find_map(|(unit, millis)| Some((text.strip_suffix(unit)?.parse::<u64>().ok()?, *millis)));
    let millis = found.and_then(|(number, millis)| number.checked_mul(millis));
    millis.map(Duration::from_millis).ok_or_else(|| InvalidLimit(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_or_refused() {
        assert_eq!(parse_size("64Mi").ok(), Some(64 << 20));
        assert_eq!(parse_size("1000").ok(), Some(1000));
        assert_eq!(parse_time("90s").ok(), Some(Duration::from_secs(90)));
        assert_eq!(parse_time("250ms").ok(), Some(Duration::from_millis(250)));
        for text in ["", "Mi", "-1", "64MB", "99999999999Gi", "1.5s", "s"] {
            assert!(parse_size(text).is_err() && parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_unit_means_what_it_says() {
        assert_eq!(["1Ki", "1Mi", "1Gi"].map(|text| parse_size(text).unwrap()), [1 << 10, 1 << 20, 1 << 30]);
        let seconds = ["1000ms", "2s", "3m", "4h"].map(|text| parse_time(text).unwrap().as_secs());
        assert_eq!(seconds, [1, 2, 180, 14_400]);
    }

    #[test]
    fn each_limit_that_is_written_counts_and_the_larger_of_two() {
        let texts = |number: u64| LimitTexts {
            memory: Some(number.to_string()),
            timeout: Some(format!("{number}s")),
            host_calls: Some(number),
            bytes: Some((number + 1).to_string()),
            log: Some((number + 2).to_string()),
            compile_time: Some(format!("{}s", number + 3)),
            compile_memory: Some((number + 4).to_string()),
        };
        let limits = texts(9).resolve().unwrap();
        let sizes = (limits.memory, limits.host_calls, limits.bytes, limits.log, limits.compile_memory);
        assert_eq!(sizes, (9, 9, 10, 11, 13));
        assert_eq!((limits.timeout.as_secs(), limits.compile_time.as_secs()), (9, 12));
        for (one, other) in [(texts(9), texts(10)), (texts(10), texts(9)), (LimitTexts::default(), texts(10))]
        {
            assert_eq!(one.larger(&other).unwrap(), texts(10));
        }
        let default = Limits::default();
        assert_eq!(LimitTexts::default().resolve().unwrap(), default);
        let raised = [
            Limits { memory: default.memory + 1, ..default.clone() },
            Limits { timeout: default.timeout + Duration::from_millis(1), ..default.clone() },
            Limits { host_calls: default.host_calls + 1, ..default.clone() },
            Limits { bytes: default.bytes + 1, ..default.clone() },
            Limits { log: default.log + 1, ..default.clone() },
            Limits { compile_time: default.compile_time + Duration::from_millis(1), ..default.clone() },
            Limits { compile_memory: default.compile_memory + 1, ..default.clone() },
        ];
        for raised in raised {
            assert!(
                !default.covers(&raised) && raised.covers(&default) && raised.covers(&raised),
                "{raised:?}"
            );
        }
        assert!(LimitTexts::default().is_empty() && !texts(9).is_empty());
    }
}
