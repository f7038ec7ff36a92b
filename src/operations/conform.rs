//! Checks a document of ours against the schema that is published for its kind, and lists every fault.

use crate::bundle::definition::words;
use crate::document;

use super::API_VERSION;
use super::lint::{Lint, LintFault, LintSeverity};
use super::schema::DocumentKind;

/// The most faults that are listed. A document of some megabytes could have more of them than anybody reads.
const MAX_FAULTS: usize = 200;

/// Every fault of a document by the schema of its kind.
pub fn conform(kind: &DocumentKind, text: &str) -> Lint {
    let rule = format!("{} of {API_VERSION}", kind.kind);
    let value = match document::yaml(text) {
        Ok(value) => value,
        Err(invalid) => return Lint { faults: vec![LintFault::whole(&invalid, &rule)] },
    };
    let fault = |pointer: String, what: String| LintFault {
        pointer,
        what,
        rule: rule.clone(),
        severity: LintSeverity::Error,
        line: None,
    };
    // A schema of ours is one: a test shows that of each kind.
    let Ok(validator) = jsonschema::draft202012::new(&kind.schema()) else {
        return Lint { faults: vec![fault(String::new(), "has a kind without a schema".into())] };
    };
    let faults = validator.iter_errors(&value).take(MAX_FAULTS).flat_map(|error| words::faults(&error, true));
    Lint { faults: faults.map(|found| fault(found.pointer, found.what)).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::schema::kinds;
    use super::*;

    fn faults(kind: &str, document: &Value) -> Vec<String> {
        let kind = kinds().into_iter().find(|known| known.kind == kind).unwrap();
        let faults = conform(&kind, &document.to_string()).faults;
        faults
            .into_iter()
            .map(|fault| format!("{}: {} ({})", fault.pointer, fault.what, fault.rule))
            .collect()
    }

    #[test]
    fn every_fault_is_named_at_its_place_and_in_plain_words() {
        let sound = json!({ "apiVersion": API_VERSION, "kind": "Lint", "faults": [
            { "pointer": "", "what": "w", "rule": "r", "severity": "error" }] });
        assert_eq!(faults("Lint", &sound), Vec::<String>::new());
        let wrong = json!({ "apiVersion": "v1", "kind": "Lint", "more": 1, "faults": [
            { "pointer": 7, "rule": "r", "severity": "bad" }, "x"] });
        let mut told = faults("Lint", &wrong);
        told.sort();
        let rule = "(Lint of carnet.dev/v1alpha1)";
        assert_eq!(
            told,
            [
                format!("/apiVersion: must be `carnet.dev/v1alpha1` {rule}"),
                format!("/faults/0/pointer: must be text, and is a number {rule}"),
                format!("/faults/0/severity: has none of the forms that it may have {rule}"),
                format!("/faults/0/what: is missing {rule}"),
                format!("/faults/1: must be a mapping of names to values, and is text {rule}"),
                format!("/more: is a member that is not allowed there {rule}"),
            ]
        );
    }

    #[test]
    fn text_that_is_no_document_is_one_fault_of_every_kind() {
        for kind in kinds() {
            for text in ["a: [", "a: 1\na: 2", &"[".repeat(100_000)] {
                assert_eq!(conform(&kind, text).errors(), 1, "{}", kind.kind);
            }
            assert!(conform(&kind, "[]").errors() >= 1, "{}", kind.kind);
        }
    }

    #[test]
    fn the_faults_of_a_document_full_of_them_are_bounded() {
        let items = vec![json!(1); 10_000];
        let told = faults("Lint", &json!({ "apiVersion": API_VERSION, "kind": "Lint", "faults": items }));
        assert_eq!(told.len(), MAX_FAULTS);
    }
}
