//! Places that rules are about, and which of them a reference lies in.

use std::fmt;

use super::LONE_KEY;
use crate::reference::Reference;

/// The place that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::verify) enum RuleScope {
    /// Every place: only `verify --key` makes one.
    Any,
    /// Tar files on this machine.
    Archive,
    /// Directories on this machine.
    Layout,
    /// Everything below `HOST/…/`, which the text ends with.
    Below(String),
    /// The one repository `HOST/…`.
    Repository(String),
}

impl RuleScope {
    /// The scope that a rule writes in its `match`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (place, scope) = match (text, text.strip_suffix("/**")) {
            ("archive", _) => return Some(Self::Archive),
            ("layout", _) => return Some(Self::Layout),
            (_, Some(prefix)) => (format!("{prefix}/x"), Self::Below(format!("{prefix}/"))),
            (_, None) => (text.to_owned(), Self::Repository(text.to_owned())),
        };
        match format!("{place}:x").parse() {
            Ok(Reference::Registry(found)) if format!("{}/{}", found.host, found.repository) == place => {
                Some(scope)
            }
            _ => None,
        }
    }

    /// The scope of the place that a reference is in, and of no other.
    pub(super) fn of(reference: &Reference) -> Self {
        match reference {
            Reference::Archive(_) => Self::Archive,
            Reference::Layout(_) | Reference::Path(_) => Self::Layout,
            Reference::Registry(found) => Self::Repository(format!("{}/{}", found.host, found.repository)),
        }
    }

    /// How many characters of `reference` the scope fixes, or none where it does not cover it.
    pub(super) fn covers(&self, reference: &Reference) -> Option<usize> {
        let place = match reference {
            Reference::Registry(found) => format!("{}/{}", found.host, found.repository),
            _ => String::new(),
        };
        let (covers, length) = match (self, reference) {
            (Self::Any, _)
            | (Self::Archive, Reference::Archive(_))
            | (Self::Layout, Reference::Layout(_) | Reference::Path(_)) => (true, 0),
            (Self::Below(prefix), Reference::Registry(_)) => (place.starts_with(prefix), prefix.len()),
            (Self::Repository(name), Reference::Registry(_)) => (place == *name, name.len()),
            _ => (false, 0),
        };
        covers.then_some(length)
    }
}

impl fmt::Display for RuleScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str(LONE_KEY),
            Self::Archive => f.write_str("archive"),
            Self::Layout => f.write_str("layout"),
            Self::Below(prefix) => write!(f, "{prefix}**"),
            Self::Repository(name) => f.write_str(name),
        }
    }
}
