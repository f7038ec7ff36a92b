//! Ranges of versions as dependencies have them (CNAB 500), which are not those of other tools.

use std::fmt;

use semver::Version;

/// The numbers of a version that count for its place in a range.
type Numbers = (u64, u64, u64);

/// Versions that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    text: String,
    exact: Option<Version>,
    from: Numbers,
    /// The first that will not do any more. None: there is none.
    below: Option<Numbers>,
}

impl VersionRange {
    /// `1.2.3`, `1.2.x`, `1.x`, and two of these with ` - ` between them, where the upper one is included: all of `3.x` in
    /// `1.5.x - 3`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((lower, upper)) = text.split_once(" - ") {
            let (from, _) = numbers(lower)?;
            let (_, below) = numbers(upper)?;
            let is_some = below.is_none_or(|below| from < below);
            return is_some.then(|| Self { text: text.into(), exact: None, from, below });
        }
        if let Ok(version) = Version::parse(text) {
            let (from, below) = numbers(&format!("{}.{}.{}", version.major, version.minor, version.patch))?;
            return Some(Self { text: text.into(), exact: Some(version), from, below });
        }
        let (from, below) = numbers(text)?;
        Some(Self { text: text.into(), exact: None, from, below })
    }

    /// Whether it is this version and no other.
    pub fn is(&self, version: &Version) -> bool {
        self.exact.as_ref().is_some_and(|exact| exact.cmp_precedence(version).is_eq())
    }

    /// Whether a version is inside. What comes before a release is before all of its range.
    pub fn contains(&self, version: &Version) -> bool {
        let here = (version.major, version.minor, version.patch);
        let is_before = here == self.from && !version.pre.is_empty();
        match &self.exact {
            Some(_) => self.is(version),
            None => here >= self.from && !is_before && self.below.is_none_or(|below| here < below),
        }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first version of `1`, `1.x`, `1.2`, `1.2.x` or `1.2.3`, and the first after them.
fn numbers(text: &str) -> Option<(Numbers, Option<Numbers>)> {
    let is_any = |part: &&str| ["x", "X", "*"].contains(part);
    let parts: Vec<_> = text.split('.').collect();
    let fixed: Vec<_> = parts.iter().take_while(|part| !is_any(part)).map(|part| number(part)).collect();
    let fixed = fixed.into_iter().collect::<Option<Vec<_>>>()?;
    if parts.len() > 3 || parts.iter().skip(fixed.len()).any(|part| !is_any(part)) {
        return None;
    }
    let next = |number: u64| number.checked_add(1);
    match *fixed.as_slice() {
        [] => Some(((0, 0, 0), None)),
        [major] => Some(((major, 0, 0), next(major).map(|major| (major, 0, 0)))),
        [major, minor] => Some(((major, minor, 0), next(minor).map(|minor| (major, minor, 0)))),
        [major, minor, patch] => {
            Some(((major, minor, patch), next(patch).map(|patch| (major, minor, patch))))
        }
        _ => None,
    }
}

/// A number as versions have it: digits alone, and no leading zero.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_their_specification_says() {
        for (range, inside, outside) in [
            ("1.2.3", &["1.2.3", "1.2.3+build"][..], &["1.2.4", "1.2.2", "1.2.3-rc.1"][..]),
            ("1.2.x", &["1.2.0", "1.2.99", "1.2.1-rc.1"], &["1.3.0", "1.1.9", "1.3.0-rc.1", "1.2.0-rc.1"]),
            ("1.x", &["1.0.0", "1.99.0"], &["0.9.0", "2.0.0", "2.0.0-rc.1"]),
            ("1.5.x - 3", &["1.5.0", "2.0.0", "3.9.9"], &["1.4.9", "4.0.0", "4.0.0-alpha"]),
            ("1 - 2.1", &["1.0.0", "2.1.7"], &["2.2.0", "0.1.0"]),
            ("1.0.1 - 1.0.3", &["1.0.1", "1.0.3"], &["1.0.0", "1.0.4"]),
            ("x", &["0.0.0", "9.9.9"], &[]),
        ] {
            let parsed = VersionRange::parse(range).unwrap();
            assert_eq!(parsed.to_string(), range);
            for version in inside {
                assert!(parsed.contains(&version.parse().unwrap()), "{version} in {range}");
            }
            for version in outside {
                assert!(!parsed.contains(&version.parse().unwrap()), "{version} not in {range}");
            }
        }
    }

    #[test]
    fn what_is_no_range_of_cnab_is_none() {
        for text in [
            "", "latest", ">=1.0.0", "^1", "~1.2", "1.x.2", "1.2.3.4", "v1", "1.5.x-3", "3 - 1", "01.x",
            "1. - 2", "-1",
        ] {
            assert_eq!(VersionRange::parse(text), None, "{text}");
        }
        let most = VersionRange::parse(&format!("{}.x", u64::MAX)).unwrap();
        assert!(most.contains(&Version::new(u64::MAX, 1, 1)) && !most.contains(&Version::new(1, 0, 0)));
    }
}
