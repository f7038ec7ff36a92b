//! The inputs and outputs that a bundle declares, in its author's words.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::bundle::Bundle;
use crate::bundle::definition::is_write_only;

/// An input that may be set.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterSummary {
    /// Its name.
    pub name: String,
    /// The types that its definition allows, such as `integer`; `any` where it says nothing.
    pub r#type: String,
    /// The only values that its definition allows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
    /// The value where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether an action fails without a value.
    pub required: bool,
    /// Whether its value is neither stored nor shown.
    pub sensitive: bool,
    /// The actions that it is for; all where empty.
    pub apply_to: Vec<String>,
    /// The author's words.
    pub description: String,
}

/// A credential that the bundle takes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialSummary {
    /// Its name.
    pub name: String,
    /// Whether an action fails without it.
    pub required: bool,
    /// The actions that it is for; all where empty.
    pub apply_to: Vec<String>,
    /// The author's words.
    pub description: String,
}

/// A value that an action makes known.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputSummary {
    /// Its name.
    pub name: String,
    /// The types that its definition allows, such as `integer`; `any` where it says nothing.
    pub r#type: String,
    /// Whether its value is neither stored nor shown.
    pub sensitive: bool,
    /// The actions that make it; all where empty.
    pub apply_to: Vec<String>,
    /// The author's words.
    pub description: String,
}

impl ParameterSummary {
    /// Those of a bundle.
    pub(super) fn of(bundle: &Bundle) -> Vec<Self> {
        let of = |(name, parameter): (&String, &crate::bundle::Parameter)| {
            let schema = bundle.definition(&parameter.definition);
            Self {
                name: name.clone(),
                r#type: types(schema),
                choices: schema.map(choices).unwrap_or_default(),
                default: schema.and_then(|schema| schema.get("default")).cloned(),
                required: parameter.required,
                sensitive: schema.is_some_and(is_write_only),
                apply_to: parameter.apply_to.clone(),
                description: described(&parameter.description, schema),
            }
        };
        bundle.parameters().iter().map(of).collect()
    }
}

impl CredentialSummary {
    /// Those of a bundle.
    pub(super) fn of(bundle: &Bundle) -> Vec<Self> {
        let of = |(name, credential): (&String, &crate::bundle::Credential)| Self {
            name: name.clone(),
            required: credential.required,
            apply_to: credential.apply_to.clone(),
            description: credential.description.clone(),
        };
        bundle.credentials().iter().map(of).collect()
    }
}

impl OutputSummary {
    /// Those of a bundle.
    pub(super) fn of(bundle: &Bundle) -> Vec<Self> {
        let of = |(name, output): (&String, &crate::bundle::Output)| {
            let schema = bundle.definition(&output.definition);
            Self {
                name: name.clone(),
                r#type: types(schema),
                sensitive: schema.is_some_and(is_write_only),
                apply_to: output.apply_to.clone(),
                description: described(&output.description, schema),
            }
        };
        bundle.outputs().iter().map(of).collect()
    }
}

/// The types that a schema names, in words.
fn types(schema: Option<&Value>) -> String {
    let names: Vec<_> = match schema.and_then(|schema| schema.get("type")) {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if names.is_empty() { "any".into() } else { names.join(" or ") }
}

fn choices(schema: &Value) -> Vec<Value> {
    schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The author's words about an input or output, else those about its definition.
fn described(own: &str, schema: Option<&Value>) -> String {
    let of_schema = || schema?.get("description")?.as_str();
    if own.is_empty() { of_schema().unwrap_or_default().into() } else { own.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_are_told_in_words() {
        for (schema, expected) in [
            (json!({"type": "integer"}), "integer"),
            (json!({"type": ["string", "null"]}), "string or null"),
            (json!({"type": 7}), "any"),
            (json!({}), "any"),
            (json!(true), "any"),
        ] {
            assert_eq!(types(Some(&schema)), expected, "{schema}");
        }
    }

    #[test]
    fn inputs_are_described_by_whoever_says_most_about_them() {
        let digest = crate::digest::Digest::of(b"").to_string();
        let text = json!({
            "schemaVersion": "v1.2.0", "name": "a", "version": "1.0.0",
            "invocationImages": [{"image": "registry.example/a:1", "contentDigest": digest}],
            "definitions": {
                "size": {"type": "string", "enum": ["s", "m"], "default": "m", "description": "how much"},
                "pin": {"type": "string", "writeOnly": true},
            },
            "parameters": {
                "pin": {"definition": "pin", "required": true, "destination": {"env": "PIN"}, "description": "to get in"},
                "size": {"definition": "size", "destination": {"env": "SIZE"}, "applyTo": ["install"]},
            },
            "outputs": {"pin": {"definition": "pin", "path": "/cnab/app/outputs/pin"}},
            "credentials": {"key": {"env": "KEY", "description": "of the licence"}},
        });
        let (bundle, _) = Bundle::parse(text.to_string().as_bytes()).unwrap();
        let parameters = ParameterSummary::of(&bundle);
        let [pin, size] = parameters.as_slice() else { panic!("{parameters:?}") };
        assert!(pin.required && pin.sensitive && pin.default.is_none());
        assert_eq!((pin.description.as_str(), size.description.as_str()), ("to get in", "how much"));
        assert_eq!(
            (size.default.as_ref(), &size.choices),
            (Some(&json!("m")), &vec![json!("s"), json!("m")])
        );
        assert_eq!(size.apply_to, ["install"]);
        let outputs = OutputSummary::of(&bundle);
        assert!(outputs[0].sensitive && outputs[0].r#type == "string");
        let credentials = CredentialSummary::of(&bundle);
        assert_eq!((credentials[0].required, credentials[0].description.as_str()), (false, "of the licence"));
    }
}
