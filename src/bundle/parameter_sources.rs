//! Where parameters have their values from when nobody gives them: the extension `io.cnab.parameter-sources` (CNAB 810).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Bundle;
use super::fault::{Fault, Purpose};
use super::validator::{Members, Validator, Weight};

/// The name of the extension.
pub const PARAMETER_SOURCES: &str = "io.cnab.parameter-sources";

const RULE: &str = "CNAB 810 #160";
const OUTPUT: &str = "output";
/// Porter's: an output of a bundle that this one depends on.
const OF_A_DEPENDENCY: &str = "dependencies.output";

/// The sources of each parameter that has any, the first to be asked first.
pub type ParameterSources = BTreeMap<String, Vec<ParameterSource>>;

/// Where a parameter may have its value from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterSource {
    /// An output of a bundle that this one depends on.
    DependencyOutput {
        /// The name of the dependency.
        dependency: String,
        /// The output.
        output: String,
    },
    /// An output of the installation itself, as an earlier action left it.
    Output(String),
}

/// The sources that a bundle names; none where it names none.
///
/// # Errors
/// The faults.
pub fn of(bundle: &Bundle) -> Result<ParameterSources, Vec<Fault>> {
    let Some(value) = bundle.custom(PARAMETER_SOURCES) else { return Ok(ParameterSources::new()) };
    let (sources, faults) = read(value, Purpose::Read);
    sources.ok_or(faults)
}

/// Reads the value of the extension.
pub(super) fn read(value: &Value, purpose: Purpose) -> (Option<ParameterSources>, Vec<Fault>) {
    let mut validator = Validator::new(purpose);
    let read = validator.parameter_sources(value).filter(|_| !validator.refused);
    (read, validator.faults)
}

impl Validator {
    fn parameter_sources(&mut self, value: &Value) -> Option<ParameterSources> {
        let members = self.map(String::new(), value, RULE)?;
        if members.map.is_empty() {
            self.fault(Weight::Must, String::new(), "must name at least one parameter", RULE);
        }
        let read = |(name, value): (&String, &Value)| {
            Some((name.clone(), self.sources_of_parameter(members.below(name), value)?))
        };
        Some(members.map.iter().filter_map(read).collect())
    }

    fn sources_of_parameter(&mut self, at: String, value: &Value) -> Option<Vec<ParameterSource>> {
        let members = self.map(at, value, RULE)?;
        self.check_known(&members, &["priority", "sources"], Weight::Must, RULE);
        self.required(&members, "sources", RULE);
        let faults = self.faults.len();
        let mut sources = self.entries(&members, "sources", RULE, |validator, at, kind, value| {
            validator.source(at, kind, value)
        });
        if sources.is_empty() && self.faults.len() == faults {
            self.fault(Weight::Must, members.below("sources"), "must have at least one source", RULE);
        }
        let priority = self.priority(&members);
        Some(priority.iter().filter_map(|kind| sources.remove(kind)).collect())
    }

    fn source(&mut self, at: String, kind: &str, value: &Value) -> Option<ParameterSource> {
        if ![OUTPUT, OF_A_DEPENDENCY].contains(&kind) {
            let what = format!("is no source that is known: only `{OUTPUT}` and `{OF_A_DEPENDENCY}` are");
            self.fault(Weight::Must, at, what, RULE);
            return None;
        }
        let members = self.map(at, value, RULE)?;
        let known: &[&str] = if kind == OUTPUT { &["name"] } else { &["dependency", "name"] };
        self.check_known(&members, known, Weight::Must, RULE);
        let output = self.required_text(&members, "name", RULE);
        if kind == OUTPUT {
            return output.map(ParameterSource::Output);
        }
        let dependency = self.required_text(&members, "dependency", RULE);
        Some(ParameterSource::DependencyOutput { dependency: dependency?, output: output? })
    }

    fn priority(&mut self, members: &Members<'_>) -> Vec<String> {
        if self.required(members, "priority", RULE).is_none() {
            return Vec::new();
        }
        let priority = self.texts(members, "priority", RULE).unwrap_or_default();
        let at = members.below("priority");
        let sources = members.map.get("sources").and_then(Value::as_object);
        let has = |kind: &String| sources.is_some_and(|sources| sources.contains_key(kind));
        let mut seen = BTreeSet::new();
        for (index, kind) in priority.iter().enumerate() {
            let at = format!("{at}/{index}");
            if !has(kind) {
                self.fault(Weight::Must, at, format!("names `{kind}`, which `sources` does not have"), RULE);
            } else if !seen.insert(kind) {
                self.fault(Weight::Must, at, format!("names `{kind}` twice"), RULE);
            }
        }
        if priority.is_empty() && members.map.get("priority").is_some_and(Value::is_array) {
            self.fault(Weight::Must, at, "must name at least one source", RULE);
            return priority;
        }
        for kind in sources.into_iter().flat_map(|sources| sources.keys()).filter(|kind| !seen.contains(kind))
        {
            let what = format!("leaves out `{kind}`, which is never asked then");
            self.fault(Weight::Advice, members.below("priority"), what, RULE);
        }
        priority
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(value: &Value) -> Vec<String> {
        read(value, Purpose::Lint).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sources_are_asked_by_priority() {
        let value = json!({ "url": {
            "priority": ["dependencies.output", "output"],
            "sources": {
                "output": { "name": "url" },
                "dependencies.output": { "dependency": "db", "name": "address" },
            },
        } });
        let (read, faults) = read(&value, Purpose::Lint);
        assert_eq!(faults, []);
        let of_a_dependency =
            ParameterSource::DependencyOutput { dependency: "db".into(), output: "address".into() };
        assert_eq!(read.unwrap()["url"], [of_a_dependency, ParameterSource::Output("url".into())]);
    }

    #[test]
    fn every_fault_is_named_at_its_place() {
        let one =
            |priority: Value, sources: Value| json!({ "a": { "priority": priority, "sources": sources } });
        let output = json!({ "output": { "name": "o" } });
        for (value, expected) in [
            (json!([]), "/: must be an object"),
            (json!({}), "/: must name at least one parameter"),
            (json!({ "a": 1 }), "/a: must be an object"),
            (json!({ "a": {} }), "/a/sources: is missing"),
            (json!({ "a": { "sources": output } }), "/a/priority: is missing"),
            (one(json!([]), output.clone()), "/a/priority: must name at least one source"),
            (one(json!("output"), output.clone()), "/a/priority: must be an array"),
            (one(json!(["output", "x"]), output.clone()), "/a/priority/1: names `x`"),
            (one(json!(["output", "output"]), output.clone()), "/a/priority/1: names `output` twice"),
            (one(json!([]), json!({})), "/a/sources: must have at least one source"),
            (one(json!(["output"]), json!({ "output": {} })), "/a/sources/output/name: is missing"),
            (
                one(json!(["output"]), json!({ "output": { "name": "" } })),
                "/a/sources/output/name: must not be",
            ),
            (
                one(json!(["output"]), json!({ "output": { "name": "o", "x": 1 } })),
                "/a/sources/output/x: is a",
            ),
            (one(json!(["vault"]), json!({ "vault": {} })), "/a/sources/vault: is no source"),
            (
                one(json!(["dependencies.output"]), json!({ "dependencies.output": { "name": "o" } })),
                "/a/sources/dependencies.output/dependency: is missing",
            ),
            (
                one(
                    json!(["output"]),
                    json!({ "output": { "name": "o" }, "dependencies.output": { "dependency": "d", "name": "o" } }),
                ),
                "/a/priority: leaves out `dependencies.output`",
            ),
        ] {
            let faults = faults(&value);
            assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{expected}: {faults:?}");
        }
    }
}
