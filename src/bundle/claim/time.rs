//! Times as claims have them: ISO 8601 in the extended form that ECMAScript has, with as many digits as anybody wants.

use jiff::civil::{Date, Time};

/// Whether it is known which moment a time means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Zone {
    Known,
    Unknown,
}

/// The zone of a time. None: the text is no time.
pub(super) fn zone(text: &str) -> Option<Zone> {
    let (date, time) = text.split_once('T')?;
    check_date(date)?;
    let (time, zone) = match time.strip_suffix('Z') {
        Some(time) => (time, Zone::Known),
        None => match time.rfind(['+', '-']) {
            Some(at) => {
                check_offset(time.get(at + 1..)?)?;
                (time.get(..at)?, Zone::Known)
            }
            None => (time, Zone::Unknown),
        },
    };
    check_time(time)?;
    Some(zone)
}

fn check_date(text: &str) -> Option<Date> {
    let [year, month, day] = *text.split('-').collect::<Vec<_>>() else { return None };
    let year = digits(year, 4)?;
    Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()
}

fn check_time(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, it)| (whole, Some(it)));
    let is_fraction = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
    let (hour, minute, second) = match *whole.split(':').collect::<Vec<_>>() {
        [hour, minute] if fraction.is_none() => (small(hour)?, small(minute)?, 0),
        [hour, minute, second] if fraction.is_none_or(is_fraction) => {
            (small(hour)?, small(minute)?, small(second)?)
        }
        _ => return None,
    };
    Time::new(hour, minute, second, 0).ok()
}

fn check_offset(text: &str) -> Option<()> {
    let (hours, minutes) = text.split_once(':')?;
    (small(hours)? < 24 && small(minutes)? < 60).then_some(())
}

fn small(text: &str) -> Option<i8> {
    i8::try_from(digits(text, 2)?).ok()
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_extended_form() {
        for text in [
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.678901234Z",
            "2026-01-02T03:04:05.678901-06:00",
            "2024-02-29T23:59+14:00",
        ] {
            assert_eq!(zone(text), Some(Zone::Known), "{text}");
        }
        assert_eq!(zone("2026-01-02T03:04:05"), Some(Zone::Unknown));
        for text in [
            "",
            "T",
            "yesterday",
            "2026-01-02",
            "2026-01-02 03:04:05Z",
            "20260102T030405Z",
            "2025-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-02T24:01:00Z",
            "2026-01-02T03:60:00Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04.5Z",
            "2026-01-02T03:04:05+1:00",
            "2026-01-02T03:04:05+0100",
            "2026-01-02T03:04:05+25:00",
            "2026-1-02T03:04:05Z",
            "2026-01-02T03:04:05ZZ",
            "２026-01-02T03:04:05Z",
        ] {
            assert_eq!(zone(text), None, "{text}");
        }
    }
}
