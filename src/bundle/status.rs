//! What the action `io.cnab.status` puts out: how an application and its parts are (CNAB 804, which is not normative).

use std::collections::BTreeMap;

use serde_json::Value;

use super::fault::{Fault, Purpose};
use super::validator::{Validator, Weight};

/// The output that holds it.
pub const STATUS_OUTPUT: &str = "status";

const RULE: &str = "CNAB 804 #164";

/// How an application is, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// The author's word. `Ready`, `Pending` and `Failed` are understood, and others are shown as they are.
    pub status: String,
    /// For people.
    pub message: String,
    /// The parts, by name.
    pub components: BTreeMap<String, Self>,
}

/// Reads the output.
pub(super) fn read(value: &Value, purpose: Purpose) -> (Option<StatusReport>, Vec<Fault>) {
    let mut validator = Validator::new(purpose);
    let read = validator.status_report(String::new(), value).filter(|_| !validator.refused);
    (read, validator.faults)
}

impl Validator {
    /// Documents are read to a depth that is bounded, so this is as well.
    fn status_report(&mut self, at: String, value: &Value) -> Option<StatusReport> {
        let members = self.map(at, value, RULE)?;
        for (name, value) in members.map {
            let is_known = ["components", "message", "status"].contains(&name.as_str());
            if is_known && value.is_null() {
                self.fault(Weight::Form, members.below(name), "is null and should be left out", RULE);
            } else if !is_known && !name.contains('.') {
                let what = "should be a dotted name, as members of one's own are";
                self.fault(Weight::Advice, members.below(name), what, RULE);
            }
        }
        let status = self.required_text(&members, "status", RULE);
        let message = self.text(&members, "message", RULE).unwrap_or_default();
        let components = self.entries(&members, "components", RULE, |validator, at, _, value| {
            validator.status_report(at, value)
        });
        Some(StatusReport { status: status?, message, components })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_have_parts() {
        let value = json!({ "status": "Failed", "message": "m", "org.example.more": [1],
            "components": { "db": { "status": "Degraded", "components": { "disk": { "status": "Ready" } } } } });
        let (read, faults) = read(&value, Purpose::Lint);
        assert_eq!(faults, []);
        let read = read.unwrap();
        assert_eq!((read.status.as_str(), read.message.as_str()), ("Failed", "m"));
        assert_eq!(read.components["db"].components["disk"].status, "Ready");
    }

    #[test]
    fn every_fault_is_named_at_its_place() {
        for (value, expected) in [
            (json!([]), "/: must be an object"),
            (json!({}), "/status: is missing"),
            (json!({ "status": 1 }), "/status: must be a string"),
            (json!({ "status": "" }), "/status: must not be empty"),
            (json!({ "status": "Ready", "message": 1 }), "/message: must be a string"),
            (json!({ "status": "Ready", "components": [] }), "/components: must be an object"),
            (json!({ "status": "Ready", "components": { "a": {} } }), "/components/a/status: is missing"),
            (json!({ "status": "Ready", "more": 1 }), "/more: should be a dotted name"),
        ] {
            let faults: Vec<_> = read(&value, Purpose::Lint).1.iter().map(ToString::to_string).collect();
            assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{expected}: {faults:?}");
        }
    }
}
