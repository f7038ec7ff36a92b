//! Patterns of names: a text, or a text with a trailing `*`.
//!
//! Two patterns are either disjoint or one lies inside the other, because each is a single text or all texts with one
//! beginning. The whole algebra of scopes rests on that: intersecting is picking the narrower one, and whatever covers
//! a pattern covers it alone, never together with others.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

/// How many patterns are compared one after the other. More are looked up.
const FEW: usize = 8;

/// A set of names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// One name.
    Exact(String),
    /// Every name that starts with this text; written with a trailing `*`.
    Prefix(String),
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPattern {
    /// An empty text, which must never mean "all".
    #[error("an empty name is not a pattern")]
    Empty,
    /// White space or control characters.
    #[error("`{0}` holds white space or control characters")]
    Space(String),
    /// A `*` that is not the last character.
    #[error("`{0}` has a `*` that is not at its end")]
    Star(String),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`InvalidPattern`] for an empty text, white space, or a `*` in the middle.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let (stem, is_prefix) = text.strip_suffix('*').map_or((text, false), |stem| (stem, true));
        if text.is_empty() {
            return Err(InvalidPattern::Empty);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidPattern::Space(crate::document::visible(text)));
        }
        if stem.contains('*') {
            return Err(InvalidPattern::Star(text.into()));
        }
        Ok(if is_prefix { Self::Prefix(stem.into()) } else { Self::Exact(stem.into()) })
    }

    /// Whether this is the bare `*`, which every name matches.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Prefix(stem) if stem.is_empty())
    }

    /// Whether `name` is in the set.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => text == name,
            Self::Prefix(stem) => name.starts_with(stem.as_str()),
        }
    }

    /// Whether every name of `narrow` is in one of these sets.
    pub(super) fn any_covers(patterns: &BTreeSet<Self>, narrow: &Self) -> bool {
        if patterns.len() <= FEW {
            return patterns.iter().any(|pattern| pattern.covers(narrow));
        }
        let mut beginnings = patterns.iter().rev().take_while(|pattern| matches!(pattern, Self::Prefix(_)));
        patterns.contains(narrow) || beginnings.any(|pattern| pattern.covers(narrow))
    }

    /// Whether `name` is in one of these sets. A grant may have thousands of names, and as many objects are checked.
    pub(super) fn any(patterns: &BTreeSet<Self>, name: &str) -> bool {
        if patterns.len() <= FEW {
            return patterns.iter().any(|pattern| pattern.matches(name));
        }
        // Beginnings stand behind all whole names.
        let mut beginnings = patterns.iter().rev().take_while(|pattern| matches!(pattern, Self::Prefix(_)));
        beginnings.any(|pattern| pattern.matches(name)) || patterns.contains(&Self::Exact(name.to_owned()))
    }

    /// Whether every name of `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(name)) => self.matches(name),
            (Self::Prefix(stem), Self::Prefix(longer)) => longer.starts_with(stem.as_str()),
            (Self::Exact(_), Self::Prefix(_)) => false,
        }
    }

    /// The names that are in both sets.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if self.covers(other) {
            return Some(other.clone());
        }
        other.covers(self).then(|| self.clone())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Prefix(stem) => write!(f, "{stem}*"),
        }
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_text_is_never_everything() {
        assert_eq!(Pattern::parse(""), Err(InvalidPattern::Empty));
        assert_eq!(Pattern::parse("a*b"), Err(InvalidPattern::Star("a*b".into())));
        assert_eq!(Pattern::parse("**"), Err(InvalidPattern::Star("**".into())));
        assert_eq!(Pattern::parse("a b"), Err(InvalidPattern::Space("a b".into())));
    }

    #[test]
    fn only_a_bare_star_is_everything() {
        let is_everything = |text| Pattern::parse(text).unwrap().is_everything();
        assert!(is_everything("*"));
        assert!(!is_everything("a*") && !is_everything("a"));
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        "[ab]{0,3}\\*?".prop_filter_map("empty", |text| Pattern::parse(&text).ok())
    }

    proptest! {
        #[test]
        fn what_is_parsed_prints_as_it_was_written(pattern in pattern()) {
            prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
        }

        #[test]
        fn a_name_is_in_many_sets_if_it_is_in_one(
            patterns in proptest::collection::btree_set(pattern(), 0..3 * FEW),
            name in "[ab]{0,4}",
        ) {
            let is_in_one = patterns.iter().any(|pattern| pattern.matches(&name));
            prop_assert_eq!(Pattern::any(&patterns, &name), is_in_one);
        }

        #[test]
        fn an_intersection_holds_what_both_hold(a in pattern(), b in pattern(), name in "[ab]{0,4}") {
            let both = a.intersect(&b).is_some_and(|both| both.matches(&name));
            prop_assert_eq!(both, a.matches(&name) && b.matches(&name));
        }

        #[test]
        fn what_covers_holds_every_name(a in pattern(), b in pattern(), name in "[ab]{0,4}") {
            if a.covers(&b) && b.matches(&name) {
                prop_assert!(a.matches(&name));
            }
        }
    }
}
