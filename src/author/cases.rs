//! Turns `carnet.test.yaml`, which stands beside `carnet.yaml`, into the cases that a bundle's author tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::AuthorError;
use super::places::placed;
use super::source::shape::{Misfits, Shape, below};
use crate::document;
use crate::oci::file::{open_directory, read};

/// The name of the file.
const FILE: &str = "carnet.test.yaml";

/// The rule that faults of the file break.
const RULE: &str = "SourceTest of carnet.dev/v1alpha1";

/// The content of a `carnet.test.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "which document it is was checked before it is read")]
pub struct CasesSpec {
    api_version: String,
    kind: String,
    /// The cases.
    cases: Vec<Case>,
}

/// One installation of the bundle, and what it should come to. The installation is `test` in the namespace `default`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// The case, in words.
    pub name: String,
    /// Values of parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Files that are handed over, below the directory, by the name that the component knows.
    #[serde(default)]
    pub files: BTreeMap<String, PathBuf>,
    /// The grant, as `VERB:KIND:NAMESPACE/NAME`; left out, everything that the bundle asks for.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
    /// The denials, in the same form.
    #[serde(default)]
    pub deny: Vec<String>,
    /// The expected result.
    pub expect: Expected,
}

/// The expected result of a case.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The objects, these and no others, each with as much of its manifest as matters.
    #[serde(default)]
    pub objects: Option<Vec<Value>>,
    /// Outputs.
    #[serde(default)]
    pub outputs: BTreeMap<String, Value>,
    /// It should fail, and say this.
    #[serde(default)]
    pub error: Option<String>,
}

/// The cases of a source directory.
///
/// # Errors
/// [`AuthorError::Faults`] with everything that is wrong with them, and when they cannot be read.
pub fn cases(path: &Path) -> Result<Vec<Case>, AuthorError> {
    let directory = open_directory(path).map_err(AuthorError::system(path))?;
    let limit = u64::try_from(document::MAX_BYTES).unwrap_or(u64::MAX);
    let yaml =
        String::from_utf8(read(&directory, FILE, limit)?).map_err(|_| document::InvalidDocument::Utf8)?;
    read_cases(&yaml)
}

fn read_cases(yaml: &str) -> Result<Vec<Case>, AuthorError> {
    let mut value = document::yaml(yaml)?;
    let mut misfits = Shape::of::<CasesSpec>().check(&mut value, RULE);
    for (name, expected) in [("apiVersion", "carnet.dev/v1alpha1"), ("kind", "SourceTest")] {
        if value.get(name).is_some_and(|found| found != expected) {
            misfits.fault(&below("", name), format!("must be `{expected}`"));
        }
    }
    let faulty = |misfits: Misfits| AuthorError::Faults(placed(misfits.faults, yaml));
    if !misfits.faults.is_empty() {
        return Err(faulty(misfits));
    }
    let (CasesSpec { cases, .. }, _) = document::typed(value)?;
    Ok(cases)
}

impl Expected {
    /// Everything in which a plan's objects and outputs differ from what is expected.
    pub fn differences(&self, objects: &[Value], outputs: &BTreeMap<String, Value>) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(expected) = &self.objects {
            let is_same = |one: &Value, other: &Value| {
                let name = |it: &Value| it.pointer("/metadata/name").cloned();
                one["kind"] == other["kind"] && name(one) == name(other)
            };
            for object in expected {
                match objects.iter().find(|other| is_same(object, other)) {
                    Some(other) => differ(object, other, &title(object), &mut found),
                    None => found.push(format!("{} is not there", title(object))),
                }
            }
            let others = objects.iter().filter(|other| !expected.iter().any(|object| is_same(object, other)));
            found.extend(others.map(|other| format!("{} is not expected", title(other))));
        }
        for (name, expected) in &self.outputs {
            match outputs.get(name) {
                Some(output) => differ(expected, output, &format!("output {name}"), &mut found),
                None => found.push(format!("output {name} is not set")),
            }
        }
        found
    }
}

fn title(object: &Value) -> String {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or("?").to_owned();
    format!("{} {}", text("/kind"), text("/metadata/name"))
}

/// Where `found` does not have what is expected. A mapping may have more.
fn differ(expected: &Value, found: &Value, at: &str, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(members), Value::Object(others)) => {
            for (name, member) in members {
                let place = format!("{at}.{name}");
                match others.get(name) {
                    Some(other) => differ(member, other, &place, differences),
                    None => differences.push(format!("{place} is not there")),
                }
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                differ(item, other, &format!("{at}[{index}]"), differences);
            }
        }
        _ if expected == found => {}
        _ => differences.push(format!("{at} is {found}, not {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_scaffold_writes_are_cases() {
        let cases = read_cases(include_str!("template/carnet.test.yaml")).unwrap();
        assert_eq!(cases.len(), 2);
        assert!(cases[0].expect.objects.is_some() && cases[1].expect.error.is_some());
    }

    #[test]
    fn faults_are_told_at_once_with_their_lines() {
        let text = "apiVersion: carnet.dev/v1alpha1\nkind: SourceTests\ncases:\n- name: x\n  parameter: {}\n  expect: {}\n- name: y\n";
        let Err(AuthorError::Faults(faults)) = read_cases(text) else { panic!("no faults") };
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.pointer, fault.line)).collect();
        assert_eq!(told, [("/kind", Some(2)), ("/cases/0/parameter", Some(5)), ("/cases/1", Some(7))]);
    }

    #[test]
    fn objects_are_compared_as_far_as_they_are_written_down_and_none_may_be_left_out() {
        let object = |name: &str, data: Value| json!({"kind": "ConfigMap", "metadata": {"name": name, "labels": {"a": "b"}}, "data": data});
        let found = [object("a", json!({"x": "1", "y": [1, {"z": 2}]})), object("b", json!({}))];
        let outputs = BTreeMap::from([("url".to_owned(), json!("https://a"))]);
        let differences = |expected: Value| {
            let expected: Expected = serde_json::from_value(expected).unwrap();
            expected.differences(&found, &outputs)
        };
        let named = |name: &str| json!({"kind": "ConfigMap", "metadata": {"name": name}});
        assert_eq!(differences(json!({})), [""; 0]);
        assert_eq!(
            differences(json!({"objects": [named("b"), named("a")], "outputs": {"url": "https://a"}})),
            [""; 0]
        );
        assert_eq!(
            differences(
                json!({"objects": [object("a", json!({"x": "2", "y": [1, {"z": 3}], "w": 1})), named("c")], "outputs": {"x": 1}})
            ),
            [
                "ConfigMap a.data.w is not there",
                "ConfigMap a.data.x is \"1\", not \"2\"",
                "ConfigMap a.data.y[1].z is 2, not 3",
                "ConfigMap c is not there",
                "ConfigMap b is not expected",
                "output x is not set",
            ]
        );
    }
}
