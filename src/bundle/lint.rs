//! Turns a `bundle.json` into the list of everything that is wrong with it, for its author.
//!
//! Reading ([`super::Bundle::parse`]) goes by the same rules and is milder: what would be a shame to publish may still
//! be safe to install.

use std::fmt;

use crate::document;

use super::canonical::canonical;
use super::read;

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
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
    /// What is wrong.
    pub what: String,
    /// The rule that says so.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
}

/// Why a document is looked at, which decides how bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is about to be published.
    Lint,
    /// It was made by others and is to be used.
    Read,
}

/// Every fault of a `bundle.json`, in the order of the rules of CNAB.
pub fn lint(bytes: &[u8]) -> Vec<Fault> {
    let value = match document::json(bytes) {
        Ok(value) => value,
        Err(invalid) => return vec![Fault::error(String::new(), invalid.to_string(), "CNAB 101 #9")],
    };
    let (_, mut faults) = read::content(&value, Purpose::Lint);
    if canonical(&value).is_ok_and(|canonical| canonical != bytes) {
        let what = "is not canonical JSON (RFC 8785), as it must be where it is published".into();
        faults
            .push(Fault { severity: Severity::Warning, ..Fault::error(String::new(), what, "CNAB 101 #9") });
    }
    faults
}

impl Fault {
    pub(super) fn error(pointer: String, what: String, rule: &'static str) -> Self {
        Self { pointer, what, rule, severity: Severity::Error }
    }

    /// Whether the document is refused because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "/".into() } else { document::visible(&self.pointer) };
        write!(f, "{pointer}: {} ({})", document::visible(&self.what), self.rule)
    }
}
