//! A tracked action as CNAB Claims 1.0.0 describes it: the claim that is stored before it begins, and its result.

use std::collections::BTreeMap;

use serde_json::Value;

/// A claim, before its action begins.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The id, a ULID.
    pub id: String,
    /// The claim document (CNAB Claims 1.0.0, 400).
    pub document: Value,
    /// Whether the action may change the installation.
    pub modifies: bool,
}

/// The result of a claim, to be stored.
#[derive(Debug, Clone)]
pub struct ClaimResult<'a> {
    /// `succeeded` or `failed`.
    pub status: &'a str,
    /// For people.
    pub message: Option<String>,
    /// Outputs that may be stored.
    pub outputs: &'a BTreeMap<String, Value>,
}

/// A new id of a claim, result or revision.
pub fn ulid() -> String {
    ulid::Ulid::generate().to_string()
}

/// The time, as claims have it (RFC 3339).
#[expect(clippy::disallowed_methods, reason = "claims say when they were made")]
pub fn timestamp() -> String {
    jiff::Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_default().to_string()
}
