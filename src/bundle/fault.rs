//! Faults of a document: the place, text, rule and severity of each.
//!
//! Reading and linting go by the same rules and find the same faults; they differ in how bad a fault is ([`Purpose`]).

use std::fmt;

use crate::document;

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultSeverity {
    /// The bundle is refused.
    Error,
    /// The bundle is used all the same.
    Warning,
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON pointer; empty for the whole document.
    pub pointer: String,
    /// The fault, in words.
    pub what: String,
    /// The rule that says so.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: FaultSeverity,
    /// The line, from 1, of the document that a person wrote, where that is known.
    pub line: Option<usize>,
}

/// The purpose for which a document is checked, which decides the severity of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is about to be published.
    Lint,
    /// It was made by others and is to be used.
    Read,
}

impl Fault {
    /// An error.
    pub fn error(pointer: String, what: String, rule: &'static str) -> Self {
        Self { pointer, what, rule, severity: FaultSeverity::Error, line: None }
    }

    /// Whether the document is refused because of it.
    pub fn is_error(&self) -> bool {
        self.severity == FaultSeverity::Error
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "/".into() } else { document::visible(&self.pointer) };
        write!(f, "{pointer}: {} ({}", document::visible(&self.what), self.rule)?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))?;
        f.write_str(")")
    }
}
