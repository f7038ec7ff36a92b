//! Turns a `bundle.json` into the list of everything that is wrong with it, for its author.
//!
//! Reading ([`super::Bundle::parse`]) goes by the same rules and is milder: what would be a shame to publish may still
//! be safe to install.

use super::canonical::canonical;
use super::fault::{Fault, FaultSeverity, Purpose};
use super::read;
use crate::document;

/// Every fault of a `bundle.json`, in the order of the rules of CNAB.
pub fn lint(bytes: &[u8]) -> Vec<Fault> {
    let value = match document::json(bytes) {
        Ok(value) => value,
        Err(invalid) => return vec![Fault::error(String::new(), invalid.to_string(), "CNAB 101 #9")],
    };
    let (_, mut faults) = read::content(&value, Purpose::Lint);
    if canonical(&value).is_ok_and(|canonical| canonical != bytes) {
        let what = "is not canonical JSON (RFC 8785), as it must be where it is published".into();
        faults.push(Fault {
            severity: FaultSeverity::Warning,
            ..Fault::error(String::new(), what, "CNAB 101 #9")
        });
    }
    faults
}
