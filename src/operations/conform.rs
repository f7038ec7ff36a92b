//! Checks a document of ours against the schema that is published for its kind, and lists every fault.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use crate::document::{self, visible};

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
    let faults = validator.iter_errors(&value).take(MAX_FAULTS).flat_map(|error| {
        let at = error.instance_path().to_string();
        words(&error).into_iter().map(move |(name, what)| (beneath(&at, name.as_deref()), what))
    });
    Lint { faults: faults.map(|(pointer, what)| fault(pointer, what)).collect() }
}

fn beneath(at: &str, name: Option<&str>) -> String {
    name.map_or_else(|| at.to_owned(), |name| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")))
}

/// The faults that an error stands for: the member that is meant, if it is one of the place, and what is wrong.
fn words(error: &ValidationError<'_>) -> Vec<(Option<String>, String)> {
    let one = |what: String| vec![(None, what)];
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| (Some(name.clone()), "is a member that this kind does not have".into()))
            .collect(),
        ValidationErrorKind::Required { property } => {
            vec![(property.as_str().map(str::to_owned), "is missing".into())]
        }
        ValidationErrorKind::Type { kind } => one(format!("must be {}", types(kind))),
        ValidationErrorKind::Constant { expected_value } => {
            one(format!("must be `{}`", plain(expected_value)))
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let options: Vec<_> = options.iter().map(|option| format!("`{}`", plain(option))).collect();
            one(format!("must be one of {}", options.join(", ")))
        }
        ValidationErrorKind::Pattern { pattern } => one(format!("must match `{pattern}`")),
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
            one("has none of the forms that it may have here".into())
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => one("may have one of these members alone".into()),
        kind => one(format!("breaks the rule `{}` of its schema", kind.keyword())),
    }
}

fn plain(value: &Value) -> String {
    visible(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => name(*one).into(),
        TypeKind::Multiple(many) => many.iter().map(name).collect::<Vec<_>>().join(" or "),
    }
}

fn name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "empty",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping of names to values",
        JsonType::String => "text",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
                format!("/faults/0/pointer: must be text {rule}"),
                format!("/faults/0/severity: has none of the forms that it may have here {rule}"),
                format!("/faults/0/what: is missing {rule}"),
                format!("/faults/1: must be a mapping of names to values {rule}"),
                format!("/more: is a member that this kind does not have {rule}"),
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
