//! Resolves the parameters of an action: from the operator's values, the stored ones and the bundle's defaults.
//!
//! This happens before anything of the bundle runs (CNAB 103): the component never sees a value that its definition
//! does not allow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::document::{self, slip, visible};

use super::definition::{Definition, InvalidDefinition};
use super::{Bundle, Parameter};

/// The values of the parameters of one action.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    /// Every parameter that has a value, given or not. This set is what a claim records.
    pub values: BTreeMap<String, Value>,
    /// The names of those whose values others may have chosen.
    pub doubtful: BTreeSet<String>,
    /// Values that were ignored, and why.
    pub warnings: Vec<String>,
}

/// The values that an earlier run recorded, and whose choice they are. The default is none.
#[derive(Debug, Clone, Copy, Default)]
pub enum RecordedValues<'a> {
    /// There are none.
    #[default]
    Nothing,
    /// They are what the operator gave.
    Own(&'a BTreeMap<String, Value>),
    /// Others may have written them: they are values, and decide nothing.
    OfOthers(&'a BTreeMap<String, Value>),
}

impl<'a> RecordedValues<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        match self {
            Self::Nothing => None,
            Self::Own(values) | Self::OfOthers(values) => values.get(name),
        }
    }

    /// Whether others may have chosen the value of this parameter, unless it is what the operator gave.
    fn is_doubtful(self, name: &str) -> bool {
        matches!(self, Self::OfOthers(values) if values.contains_key(name))
    }
}

/// Why an action cannot have its parameters. Lists everything at once. No text contains a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterError(pub Vec<ParameterFault>);

/// A fault of one parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterFault {
    /// The bundle's definition of it cannot be used.
    #[error("the definition of the parameter `{0}` {1}")]
    Definition(String, InvalidDefinition),
    /// The value breaks the definition.
    #[error("the {origin} value of the parameter `{name}` is not allowed: {}", .faults.join("; "))]
    Invalid {
        /// The parameter.
        name: String,
        /// Where the value comes from.
        origin: Origin,
        /// The fault.
        faults: Vec<String>,
    },
    /// The action needs a value, and there is none.
    #[error("the parameter `{0}` needs a value")]
    Required(String),
    /// The bundle has no such parameter.
    #[error("the bundle has no parameter `{}` {}", visible(.name), slip::known(.name, .known.iter().map(String::as_str)))]
    Unknown {
        /// The name.
        name: String,
        /// The parameters that it has.
        known: Vec<String>,
    },
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The definition.
    Default,
    /// The operator.
    Given,
    /// An earlier run.
    Stored,
}

/// Finds the value of every parameter of `action`: the one that is given, else the one that an earlier run stored, else
/// the default.
///
/// # Errors
/// [`ParameterError`] for names that the bundle does not have, values that are not allowed, and required ones that are
/// missing.
pub fn resolve(
    bundle: &Bundle,
    action: &str,
    given: &BTreeMap<String, Value>,
    recorded: RecordedValues<'_>,
) -> Result<Resolved, ParameterError> {
    let mut resolved = Resolved::default();
    let unknown = given.keys().filter(|name| !bundle.parameters().contains_key(*name));
    let mut faults: Vec<_> = unknown.map(|name| unknown_parameter(bundle, name)).collect();
    for (name, parameter) in bundle.parameters() {
        if !parameter.applies_to(action) {
            if given.contains_key(name) {
                resolved
                    .warnings
                    .push(format!("the parameter `{name}` is not for `{action}` and was ignored"));
            }
            continue;
        }
        match value(bundle, name, parameter, given.get(name), recorded.get(name), &mut resolved.warnings) {
            Ok(Some(value)) => {
                // One that is kept from change is the recorded one, whatever is given.
                if given.get(name) != Some(&value) && recorded.is_doubtful(name) {
                    resolved.doubtful.insert(name.clone());
                }
                resolved.values.insert(name.clone(), value);
            }
            Ok(None) => {}
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(resolved) } else { Err(ParameterError(faults)) }
}

/// The value that the text of an operator stands for (`--param NAME=TEXT`): a string where the definition allows one,
/// else what it says as JSON.
///
/// # Errors
/// [`ParameterFault::Unknown`], and [`ParameterFault::Invalid`] for text that must be JSON and is not.
pub fn value_from_text(bundle: &Bundle, name: &str, text: &str) -> Result<Value, ParameterFault> {
    let parameter = bundle.parameters().get(name).ok_or_else(|| unknown_parameter(bundle, name))?;
    let definition = definition_of(bundle, name, parameter)?;
    definition.value_of(text).map_err(|_| ParameterFault::Invalid {
        name: name.into(),
        origin: Origin::Given,
        faults: vec![format!("what is written there is no JSON, and it must be {}", definition.expected())],
    })
}

/// A value as environment variables and files show it (CNAB 103): a string as it is, anything else as JSON, and nothing
/// where there is no value.
pub fn text_of(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

fn unknown_parameter(bundle: &Bundle, name: &str) -> ParameterFault {
    ParameterFault::Unknown { name: name.into(), known: bundle.parameters().keys().cloned().collect() }
}

fn value(
    bundle: &Bundle,
    name: &str,
    parameter: &Parameter,
    given: Option<&Value>,
    previous: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<Option<Value>, ParameterFault> {
    let definition = definition_of(bundle, name, parameter)?;
    let plain = |value: Option<&Value>| value.cloned().map(document::with_whole_numbers);
    let (given, previous, default) = (plain(given), plain(previous), plain(definition.default()));
    let (given, previous) = (given.as_ref(), previous.as_ref());
    let fixed = previous.filter(|_| definition.is_read_only());
    if fixed.is_some() && given.is_some_and(|given| Some(given) != fixed) {
        warnings.push(format!(
            "the parameter `{name}` was fixed by the first installation; the new value was ignored"
        ));
    }
    let candidates = [
        (Origin::Stored, fixed),
        (Origin::Given, given),
        (Origin::Stored, previous),
        (Origin::Default, default.as_ref()),
    ];
    let chosen = candidates.into_iter().find_map(|(origin, value)| Some((origin, value?)));
    let Some((origin, value)) = chosen else {
        return if parameter.required { Err(ParameterFault::Required(name.into())) } else { Ok(None) };
    };
    match definition.check(value) {
        Ok(()) => Ok(Some(value.clone())),
        Err(faults) => Err(ParameterFault::Invalid { name: name.into(), origin, faults }),
    }
}

fn definition_of<'a>(
    bundle: &'a Bundle,
    name: &str,
    parameter: &Parameter,
) -> Result<Definition<'a>, ParameterFault> {
    // Reading a bundle makes sure that every definition is there.
    let schema = bundle.definition(&parameter.definition).unwrap_or(&Value::Bool(false));
    Definition::new(schema).map_err(|invalid| ParameterFault::Definition(name.into(), invalid))
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

impl std::error::Error for ParameterError {}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Given => "given",
            Self::Stored => "stored",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bundle(definition: &Value, parameter: &Value) -> Bundle {
        let mut parameter = parameter.clone();
        parameter["definition"] = "d".into();
        parameter["destination"] = json!({"env": "P"});
        let digest = crate::digest::Digest::of(b"").to_string();
        let text = json!({
            "schemaVersion": "v1.2.0", "name": "a", "version": "1.0.0",
            "invocationImages": [{"image": "registry.example/a:1", "contentDigest": digest}],
            "definitions": {"d": definition}, "parameters": {"p": parameter},
        });
        Bundle::parse(text.to_string().as_bytes()).unwrap().0
    }

    fn values(value: Option<Value>) -> BTreeMap<String, Value> {
        value.into_iter().map(|value| ("p".to_owned(), value)).collect()
    }

    #[test]
    fn a_given_value_comes_before_a_stored_one_and_that_before_the_default() {
        let bundle = bundle(&json!({"type": "integer", "default": 1}), &json!({"required": true}));
        for (given, stored, expected) in
            [(Some(3), Some(2), 3), (None, Some(2), 2), (None, None, 1), (Some(3), None, 3)]
        {
            let (given, stored) = (values(given.map(Value::from)), values(stored.map(Value::from)));
            let resolved = resolve(&bundle, "upgrade", &given, RecordedValues::Own(&stored)).unwrap();
            assert_eq!(resolved, Resolved { values: values(Some(expected.into())), ..Resolved::default() });
        }
    }

    #[test]
    fn what_is_missing_wrong_or_unknown_is_told_at_once() {
        let bundle = bundle(&json!({"type": "integer"}), &json!({"required": true}));
        let none = BTreeMap::new();
        let missing = resolve(&bundle, "install", &none, RecordedValues::Nothing).unwrap_err();
        assert_eq!(missing.to_string(), "the parameter `p` needs a value");
        let given = BTreeMap::from([("p".to_owned(), json!("x")), ("q".to_owned(), json!(1))]);
        assert_eq!(
            resolve(&bundle, "install", &given, RecordedValues::Nothing).unwrap_err().to_string(),
            "the bundle has no parameter `q` (there are: `p`); the given value of the parameter `p` is not allowed: \
             it must be a whole number, and is text"
        );
        let stored =
            resolve(&bundle, "install", &none, RecordedValues::Own(&values(Some(json!("x"))))).unwrap_err();
        assert!(stored.to_string().starts_with("the stored value"), "{stored}");
    }

    #[test]
    fn other_actions_neither_need_nor_get_a_parameter() {
        let bundle = bundle(&json!({"type": "integer"}), &json!({"required": true, "applyTo": ["install"]}));
        let resolved =
            resolve(&bundle, "upgrade", &values(Some(json!("not even a number"))), RecordedValues::Nothing)
                .unwrap();
        assert!(resolved.values.is_empty());
        assert_eq!(resolved.warnings, ["the parameter `p` is not for `upgrade` and was ignored"]);
    }

    #[test]
    fn a_read_only_parameter_keeps_its_first_value() {
        let bundle = bundle(&json!({"type": "integer", "readOnly": true}), &json!({}));
        let (given, stored) = (values(Some(json!(2))), values(Some(json!(1))));
        assert_eq!(resolve(&bundle, "install", &given, RecordedValues::Nothing).unwrap().values, given);
        let resolved = resolve(&bundle, "upgrade", &given, RecordedValues::Own(&stored)).unwrap();
        assert_eq!(resolved.values, stored);
        assert_eq!(resolved.warnings.len(), 1);
        assert!(
            resolve(&bundle, "upgrade", &stored, RecordedValues::Own(&stored)).unwrap().warnings.is_empty()
        );
    }

    #[test]
    fn a_value_is_doubtful_where_others_may_have_chosen_it_whatever_is_given() {
        let own = values(Some(json!(2)));
        let recorded = values(Some(json!(1)));
        let free = json!({"type": "integer", "default": 0});
        let read_only = json!({"type": "integer", "default": 0, "readOnly": true});
        let none = BTreeMap::new();
        for (definition, given, recorded, value, is_doubtful) in [
            (&free, &none, RecordedValues::OfOthers(&recorded), 1, true),
            (&free, &own, RecordedValues::OfOthers(&recorded), 2, false),
            (&free, &none, RecordedValues::OfOthers(&none), 0, false),
            (&free, &none, RecordedValues::Own(&recorded), 1, false),
            (&free, &none, RecordedValues::Nothing, 0, false),
            // The recorded value is kept, and what was given does not make it the operator's.
            (&read_only, &own, RecordedValues::OfOthers(&recorded), 1, true),
            (&read_only, &own, RecordedValues::OfOthers(&own), 2, false),
            (&read_only, &own, RecordedValues::Own(&recorded), 1, false),
        ] {
            let resolved = resolve(&bundle(definition, &json!({})), "upgrade", given, recorded).unwrap();
            let found = (resolved.values["p"].clone(), resolved.doubtful.contains("p"));
            assert_eq!(found, (json!(value), is_doubtful), "{definition} {given:?} {recorded:?}");
        }
    }

    #[test]
    fn no_value_is_not_an_empty_one() {
        let bundle = bundle(&json!({"type": "string"}), &json!({}));
        let resolved = resolve(&bundle, "install", &BTreeMap::new(), RecordedValues::Nothing).unwrap();
        assert!(resolved.values.is_empty());
        assert_eq!(text_of(resolved.values.get("p")), "");
        assert_eq!(text_of(Some(&json!("a"))), "a");
        assert_eq!(text_of(Some(&json!({"foo": 23}))), r#"{"foo":23}"#);
    }

    #[test]
    fn a_whole_number_reaches_the_component_as_one_however_it_is_written() {
        let bundle = bundle(&json!({"type": "integer", "default": 3.0}), &json!({}));
        let resolved = |given: Option<Value>| {
            let resolved = resolve(&bundle, "install", &values(given), RecordedValues::Nothing).unwrap();
            text_of(resolved.values.get("p"))
        };
        assert_eq!(resolved(None), "3");
        for (text, expected) in [("1e3", "1000"), ("1.0", "1"), ("-2.0", "-2"), ("7", "7")] {
            assert_eq!(resolved(Some(value_from_text(&bundle, "p", text).unwrap())), expected);
            assert_eq!(resolved(Some(document::yaml(text).unwrap())), expected);
        }
        assert_eq!(resolved(Some(document::yaml("0644").unwrap())), "420");
        assert!(value_from_text(&bundle, "p", "0644").is_err());
        let fraction = values(Some(json!(1.5)));
        assert!(resolve(&bundle, "install", &fraction, RecordedValues::Nothing).is_err());
    }

    #[test]
    fn text_becomes_the_value_that_the_definition_wants() {
        let bundle = bundle(&json!({"type": "integer"}), &json!({}));
        assert_eq!(value_from_text(&bundle, "p", "8080"), Ok(json!(8080)));
        assert!(
            value_from_text(&bundle, "p", "secret")
                .unwrap_err()
                .to_string()
                .contains("is no JSON, and it must be ")
        );
        let unknown = value_from_text(&bundle, "q", "1").unwrap_err().to_string();
        assert_eq!(unknown, "the bundle has no parameter `q` (there are: `p`)");
    }
}
