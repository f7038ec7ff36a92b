//! A tracked action as CNAB Claims 1.0.0 describes it: the claim that is stored before it begins, and its result.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bundle::claim::ResultStatus;
use crate::sync::Mutex;

/// Where a claim says that it was made elsewhere and imported. Only importing writes it.
pub const IMPORTED: &str = "dev.carnet.imported";

/// A claim, before its action begins.
#[derive(Debug, Clone)]
pub struct NewClaim {
    /// The id, a ULID.
    pub id: String,
    /// The claim document (CNAB Claims 1.0.0, 400).
    pub document: Value,
    /// Whether the action may change the installation.
    pub modifies: bool,
}

/// The result of a claim, to be stored.
#[derive(Debug, Clone)]
pub struct NewResult<'a> {
    /// How it ended.
    pub status: ResultStatus,
    /// For people.
    pub message: Option<String>,
    /// Outputs that may be stored.
    pub outputs: &'a BTreeMap<String, Value>,
    /// The id and the time of a result that was recorded elsewhere. None: it has just come about.
    pub stamp: Option<ResultStamp>,
}

/// Which result it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultStamp {
    /// The id, a ULID.
    pub id: String,
    /// When it came about (RFC 3339).
    pub created: String,
}

/// A claim as it is stored, with what became of it.
#[derive(Debug, Clone)]
pub struct RecordedClaim {
    /// The claim document.
    pub document: Value,
    /// Its last result. None: the run goes on, or was cut off.
    pub result: Option<RecordedResult>,
    /// The outputs of that result.
    pub outputs: BTreeMap<String, Value>,
}

/// A result as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedResult {
    /// Which it is.
    pub stamp: ResultStamp,
    /// How the action ended.
    pub status: String,
    /// For people.
    pub message: Option<String>,
}

impl ResultStamp {
    /// A result that has just come about.
    pub(super) fn now() -> Self {
        Self { id: ulid(), created: timestamp() }
    }
}

/// A new id of a claim, result or revision. Each one of a process is above those before it, however quickly they follow
/// each other: what happened last is what is last in their order.
pub fn ulid() -> String {
    static GENERATOR: Mutex<Option<ulid::Generator>> = Mutex::new(None);
    let mut generator = GENERATOR.lock();
    let generated = generator.get_or_insert_with(ulid::Generator::new).generate();
    generated.unwrap_or_else(ulid::Overflow::commit_overflow_increment).to_string()
}

/// The time, as claims have it (RFC 3339).
#[expect(clippy::disallowed_methods, reason = "claims say when they were made")]
pub fn timestamp() -> String {
    jiff::Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_is_above_those_before_it() {
        let ids: Vec<_> = (0..10_000).map(|_| ulid()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
