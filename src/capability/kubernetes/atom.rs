//! The smallest parts that scopes are compared by: one verb, and one pattern for each of the rest.

use std::fmt;

use super::Verb;
use crate::capability::pattern::Pattern;

/// One verb, and one pattern for each of kind, namespace (none: outside namespaces) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom {
    pub(super) verb: Verb,
    pub(super) kind: Pattern,
    pub(super) namespace: Option<Pattern>,
    pub(super) name: Pattern,
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.verb, self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}", self.name)
    }
}
