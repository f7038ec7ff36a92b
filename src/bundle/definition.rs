//! Turns a definition of a bundle into a check of values: JSON Schema draft-07, within bounds, nothing ever fetched.
//!
//! A definition is written by the bundle's author and applied by the host to values of operators and components, so it
//! must not be able to keep the host busy: it may not refer to itself, and what it says with all its references written
//! out is limited. Then the work is at most the size of the definition times the size of the value.

use std::borrow::Cow;
use std::fmt;

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::document::{self, visible};

mod extent;
#[cfg(test)]
mod laws;
mod patterns;
pub mod words;

pub(crate) use extent::Budget;
use extent::{Extent, MAX_MATCHING};
pub(super) use extent::{MAX_WORK_TOGETHER, children};
use patterns::Patterns;
use words::{ValueFault, faults};

/// How many times a schema may be applied to a part of a value. Without it, ten thousand schemas for the items of a
/// list of a million would keep the host busy for minutes.
const MAX_WORK: usize = 5_000_000;

/// How many bytes of text weigh as much as one value.
const TEXT_WEIGHT: usize = 64;

/// The most faults of one value that are reported.
const MAX_FAULTS: usize = 10;

/// The longest text of a fault, in bytes: it may repeat what a definition allows, which may be megabytes.
const MAX_FAULT: usize = 500;

/// A definition, ready to check values.
pub struct Definition<'a> {
    schema: Cow<'a, Value>,
    extent: Extent,
    patterns: Patterns,
    validator: Validator,
}

/// Why a definition is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDefinition {
    /// It moves the place that references start from.
    #[error("has an `$id` inside, so that its references would lead elsewhere")]
    Id,
    /// Written out, it is nested too deeply or has too many schemas or patterns.
    #[error("is too large: with references written out, too many schemas, patterns or levels")]
    Large,
    /// `enum` allows nothing.
    #[error("has an `enum` without values")]
    NoValues,
    /// It refers to itself.
    #[error("refers to itself by the `$ref` `{0}`")]
    Recursive(String),
    /// It refers to something outside the definition. Nothing is ever fetched.
    #[error(
        "has the `$ref` `{0}`, which does not start with `#/` or leads nowhere: only places in the definition count"
    )]
    Reference(String),
    /// It is not JSON Schema draft-07.
    #[error("is not a JSON Schema (draft-07): {0}")]
    Schema(String),
    /// `writeOnly` is neither true nor false.
    #[error("has a `writeOnly` that is neither true nor false")]
    WriteOnly,
}

impl<'a> Definition<'a> {
    /// Reads a definition.
    ///
    /// # Errors
    /// [`InvalidDefinition`] where it is not JSON Schema draft-07 within bounds.
    pub fn new(schema: &'a Value) -> Result<Self, InvalidDefinition> {
        Self::within(&mut Budget::default(), schema)
    }

    pub(crate) fn within(budget: &mut Budget, schema: &'a Value) -> Result<Self, InvalidDefinition> {
        Self::read(budget, Cow::Borrowed(schema))
    }

    fn read(budget: &mut Budget, schema: Cow<'a, Value>) -> Result<Self, InvalidDefinition> {
        let extent = budget.spend_on(&schema)?;
        let wrong = |error: ValidationError<'_>| InvalidDefinition::Schema(told(&schema_faults(&error)));
        jsonschema::draft7::meta::validate(&schema).map_err(wrong)?;
        let (patterns, validator) = Patterns::of(&schema).map_err(wrong)?;
        Ok(Self { schema, extent, patterns, validator })
    }

    /// The cost of matching a value with the patterns.
    fn matching(&self, value: &Value) -> usize {
        self.patterns.work(self.extent.patterns, value)
    }

    /// Checks a value, with a budget for what several values take to be checked and matched.
    pub(crate) fn check_within(&self, budget: &mut Budget, value: &Value) -> Result<(), Vec<String>> {
        let is_left = budget.check_values(self.work(value)) && budget.match_patterns(self.matching(value));
        if is_left { self.check(value) } else { Err(too_large()) }
    }

    /// The cost of checking a value, apart from its patterns: each part of it may be compared with each part of the
    /// definition.
    fn work(&self, value: &Value) -> usize {
        weight(value).saturating_mul(self.extent.work())
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The faults of the value, one text for each. The texts never repeat the value, which may be a secret.
    pub fn check(&self, value: &Value) -> Result<(), Vec<String>> {
        if self.work(value) > MAX_WORK || self.matching(value) > MAX_MATCHING {
            return Err(too_large());
        }
        let found: Vec<_> =
            self.validator.iter_errors(value).take(MAX_FAULTS).map(|error| self.tell(&error)).collect();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// Whether values must not be shown.
    pub fn is_write_only(&self) -> bool {
        is_write_only(&self.schema)
    }

    /// Whether a value that was set must not change any more.
    pub fn is_read_only(&self) -> bool {
        self.schema.get("readOnly").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The value that is used where none is given.
    pub fn default(&self) -> Option<&Value> {
        self.schema.get("default")
    }

    /// Whether the type says that a string may be a value. A definition without a type says so too.
    pub fn allows_string(&self) -> bool {
        match self.schema.get("type") {
            None => *self.schema != Value::Bool(false),
            Some(Value::Array(types)) => types.iter().any(|name| name == "string"),
            Some(name) => name == "string",
        }
    }

    /// The value of `text`: the text itself where the schema allows a string, else the text parsed as JSON. Where the
    /// definition names no type, the first of the two that satisfies it.
    ///
    /// # Errors
    /// Where the text has to be JSON and is not.
    pub fn value_of(&self, text: &str) -> Result<Value, document::InvalidDocument> {
        let plain = Value::String(text.into());
        if !self.allows_string() {
            return document::json(text.as_bytes());
        }
        if self.schema.get("type").is_some() || self.check(&plain).is_ok() {
            return Ok(plain);
        }
        Ok(document::json(text.as_bytes()).ok().filter(|value| self.check(value).is_ok()).unwrap_or(plain))
    }

    /// The type of a value, in words.
    pub fn expected(&self) -> String {
        let types = match self.schema.get("type") {
            Some(Value::Array(types)) => {
                types.iter().filter_map(Value::as_str).map(named).collect::<Vec<_>>().join(" or ")
            }
            Some(Value::String(one)) => named(one).to_owned(),
            _ => return "as its definition says".into(),
        };
        let bound = |keyword, word| Some(format!("{word} {}", self.schema.get(keyword)?));
        let bounds = [bound("minimum", "at least"), bound("maximum", "at most")];
        let bounds: Vec<_> = bounds.into_iter().flatten().collect();
        if bounds.is_empty() { types } else { format!("{types}, {}", bounds.join(" and ")) }
    }

    /// Names of members can be as secret as values, so of a hidden value only the broken keyword is reported.
    fn tell(&self, error: &ValidationError<'_>) -> String {
        if self.is_write_only() {
            return format!("it breaks the rule `{}`", error.kind().keyword());
        }
        let mut text = told(&faults(error, false));
        if text.len() > MAX_FAULT {
            text.truncate(text.floor_char_boundary(MAX_FAULT));
            text.push('…');
        }
        text
    }
}

/// The types of JSON Schema, and what a list of them is.
const TYPES: &str =
    "must be one of `array`, `boolean`, `integer`, `null`, `number`, `object`, `string`, or a list of these";

/// The faults of a schema. What its own schema says in several forms is one to whoever wrote it.
fn schema_faults(error: &ValidationError<'_>) -> Vec<ValueFault> {
    let mut found = faults(error, true);
    for fault in found.iter_mut().filter(|it| it.pointer.rsplit('/').next() == Some("type")) {
        fault.what = TYPES.into();
    }
    found
}

/// Faults as one text, each with its place.
fn told(faults: &[ValueFault]) -> String {
    let one = |fault: &ValueFault| match fault.pointer.as_str() {
        "" => format!("it {}", fault.what),
        at => format!("`{}` {}", visible(at), fault.what),
    };
    faults.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn named(kind: &str) -> &str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list (`[…]`)",
        "object" => "a mapping (`{…}`)",
        "null" => "`null`",
        other => other,
    }
}

impl Definition<'static> {
    /// Reads a definition that is kept with its check.
    ///
    /// # Errors
    /// [`InvalidDefinition`] as for [`Definition::new`].
    pub fn kept(schema: Value) -> Result<Self, InvalidDefinition> {
        Self::read(&mut Budget::default(), Cow::Owned(schema))
    }
}

impl fmt::Debug for Definition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Definition").field(&self.schema).finish()
    }
}

/// Whether values of this schema, or parts of them, must not be shown.
pub fn is_write_only(schema: &Value) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true))
        || children(schema).any(|(_, child)| is_write_only(child))
}

/// The amount of work that checking a value takes.
fn weight(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| name.len() / TEXT_WEIGHT + weight(value);
            1 + members.iter().map(member).sum::<usize>()
        }
        Value::String(text) => 1 + text.len() / TEXT_WEIGHT,
        _ => 1,
    }
}

fn too_large() -> Vec<String> {
    vec!["it is too large to be checked by its definition".into()]
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn refusal(schema: &Value) -> InvalidDefinition {
        Definition::new(schema).unwrap_err()
    }

    #[test]
    fn what_a_value_must_be_is_said_in_words() {
        for (schema, expected) in [
            (
                json!({"type": "integer", "minimum": 1, "maximum": 20}),
                "a whole number, at least 1 and at most 20",
            ),
            (json!({"type": ["boolean", "null"]}), "`true` or `false` or `null`"),
            (json!({"type": "array"}), "a list (`[…]`)"),
            (json!({"enum": [1]}), "as its definition says"),
        ] {
            assert_eq!(Definition::new(&schema).unwrap().expected(), expected);
        }
    }

    #[test]
    fn values_are_checked_by_draft_07_whatever_the_definition_claims_to_be() {
        let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "array",
            "items": [{"type": "integer"}], "additionalItems": false});
        let definition = Definition::new(&schema).unwrap();
        assert_eq!(definition.check(&json!([1])), Ok(()));
        assert_eq!(
            definition.check(&json!(["1"])).unwrap_err(),
            ["`/0` must be a whole number, and is text"]
        );
        assert!(definition.check(&json!([1, 2])).is_err());
    }

    #[test]
    fn base64_is_checked() {
        let schema = json!({"type": "string", "contentEncoding": "base64"});
        let definition = Definition::new(&schema).unwrap();
        assert_eq!(definition.check(&json!("aGk=")), Ok(()));
        assert!(definition.check(&json!("%")).is_err());
    }

    #[test]
    fn a_secret_value_is_in_no_fault() {
        let schema = json!({"type": "object", "properties": {"a": {"writeOnly": true, "pattern": "^x"}},
            "additionalProperties": false});
        let faults =
            Definition::new(&schema).unwrap().check(&json!({"a": "hunter2", "hunter3": 1})).unwrap_err();
        assert!(!faults.is_empty() && !faults.join(" ").contains("hunter"), "{faults:?}");
    }

    #[test]
    fn references_stay_inside_the_definition() {
        let schema = json!({"$ref": "#/definitions/a%25b", "definitions": {"a%b": {"type": "integer"}}});
        assert!(Definition::new(&schema).unwrap().check(&json!("x")).is_err());
        for reference in
            ["http://evil.example/schema.json", "other.json", "#name", "#/nowhere", "file:///etc/passwd"]
        {
            let schema = json!({"items": {"$ref": reference}});
            assert_eq!(refusal(&schema), InvalidDefinition::Reference(reference.into()));
        }
        for id in ["http://evil.example/", "other.json"] {
            assert_eq!(
                refusal(&json!({"items": {"$id": id, "$ref": "#/definitions/a"}})),
                InvalidDefinition::Id
            );
        }
    }

    #[test]
    fn a_definition_that_refers_to_itself_is_refused() {
        assert_eq!(refusal(&json!({"$ref": "#"})), InvalidDefinition::Recursive("#".into()));
        assert_eq!(
            refusal(&json!({"properties": {"a": {"$ref": "#"}}})),
            InvalidDefinition::Recursive("#".into())
        );
        let schema = json!({"$ref": "#/definitions/a", "definitions": {
            "a": {"allOf": [{"$ref": "#/definitions/b"}]}, "b": {"not": {"$ref": "#/definitions/a"}}}});
        assert_eq!(refusal(&schema), InvalidDefinition::Recursive("#/definitions/a".into()));
    }

    #[test]
    fn a_definition_that_grows_when_written_out_is_refused() {
        let mut definitions = Map::new();
        for level in 0..40 {
            let next = json!({"$ref": format!("#/definitions/{}", level + 1)});
            definitions.insert(level.to_string(), json!({"allOf": [next, next]}));
        }
        definitions.insert("40".into(), json!({"type": "string"}));
        assert_eq!(
            refusal(&json!({"$ref": "#/definitions/0", "definitions": definitions})),
            InvalidDefinition::Large
        );
    }

    #[test]
    fn a_value_that_would_take_too_long_is_not_checked() {
        let schemas: Vec<_> = (0..5_000).map(|number| json!({"minimum": number})).collect();
        let schema = json!({"items": {"allOf": schemas}});
        let definition = Definition::new(&schema).unwrap();
        let faults = definition.check(&json!(vec![5_000; 2_000])).unwrap_err();
        assert_eq!(faults, ["it is too large to be checked by its definition"]);
        assert_eq!(definition.check(&json!(vec![5_000; 200])), Ok(()));
    }

    /// Values of which no two are equal, which takes a look at each.
    fn values(count: usize) -> Vec<Value> {
        (0..count).map(|number| json!({ "a": number })).collect()
    }

    #[test]
    fn what_a_value_is_compared_with_counts_as_much_as_schemas() {
        let many = Value::from(values(5_000));
        let names: Vec<_> = (0..5_000).map(|number| number.to_string()).collect();
        let fits = |schema: &Value, value: &Value| {
            let checked = Definition::new(schema).unwrap().check(value);
            checked.is_ok() || checked.is_err_and(|faults| faults != too_large())
        };
        for schema in [
            json!({"items": {"enum": many}}),
            json!({"contains": {"enum": many}}),
            json!({"items": {"const": many}}),
            json!({"items": {"required": names}}),
            json!({"items": {"dependencies": {"a": names}}}),
            json!({"items": {"$ref": "#/definitions/a"}, "definitions": {"a": {"enum": many}}}),
        ] {
            assert!(!fits(&schema, &json!(values(3_000))) && fits(&schema, &json!(values(30))));
        }
        // Each item is compared with few others, or found by its digest.
        let unique = json!({"type": "array", "uniqueItems": true});
        assert!(fits(&unique, &json!(values(100_000))));
        let nested = json!({"items": {"items": {"uniqueItems": true}}, "uniqueItems": true});
        assert!(fits(&nested, &json!(vec![values(20); 1_000])));
    }

    #[test]
    fn many_values_that_are_each_checked_are_too_many_together() {
        let schema = json!({"items": {"enum": values(1_000)}});
        let definition = Definition::new(&schema).unwrap();
        let (mut budget, value) = (Budget::default(), json!(vec![json!({ "a": 999 }); 1_000]));
        let checked: Vec<_> = (0..10).map(|_| definition.check_within(&mut budget, &value)).collect();
        assert!(checked[0].is_ok() && checked[9] == Err(too_large()), "{checked:?}");
        assert_eq!(definition.check(&value), Ok(()));
    }

    #[test]
    fn a_long_definition_that_is_read_again_and_again_is_read_no_more() {
        let schema = json!({"type": "string", "x-notes": vec![0; 1_000_000]});
        let mut budget = Budget::default();
        let read: Vec<_> = (0..5).map(|_| Definition::within(&mut budget, &schema).map(drop)).collect();
        assert_eq!((&read[0], &read[4]), (&Ok(()), &Err(InvalidDefinition::Large)));
        let twice = json!({"allOf": vec![json!({"$ref": "#/definitions/a"}); 300],
            "definitions": {"a": {"enum": values(2_000)}}});
        assert_eq!(refusal(&twice), InvalidDefinition::Large);
    }

    #[test]
    fn a_fault_repeats_little_of_what_a_definition_allows() {
        let schema = json!({"items": {"enum": ["ä".repeat(400), "ö".repeat(400)]}});
        let faults = Definition::new(&schema).unwrap().check(&json!(["x", "y"])).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(
            faults.iter().all(|fault| fault.len() <= MAX_FAULT + 3 && fault.ends_with('…')),
            "{faults:?}"
        );
    }

    #[test]
    fn what_cnab_demands_beyond_draft_07_is_checked_at_every_depth() {
        assert_eq!(refusal(&json!({"items": {"enum": []}})), InvalidDefinition::NoValues);
        assert_eq!(
            refusal(&json!({"properties": {"a": {"writeOnly": "yes"}}})),
            InvalidDefinition::WriteOnly
        );
    }

    #[test]
    fn text_is_a_string_where_the_type_allows_one_and_json_elsewhere() {
        for (schema, text, value) in [
            (json!({"type": "string"}), "8080", json!("8080")),
            (json!({"type": ["null", "string"]}), "null", json!("null")),
            (json!({"type": "integer"}), "8080", json!(8080)),
            (json!({"type": "object"}), r#"{"a":1}"#, json!({"a": 1})),
            (json!({"enum": [1, "two"]}), "1", json!(1)),
            (json!({"enum": [1, "two"]}), "two", json!("two")),
            (json!({}), "1", json!("1")),
        ] {
            assert_eq!(Definition::new(&schema).unwrap().value_of(text).unwrap(), value, "{schema}");
        }
        assert!(Definition::new(&json!({"type": "integer"})).unwrap().value_of("a").is_err());
        let duplicate =
            Definition::new(&json!({"type": "object"})).unwrap().value_of(r#"{"a":1,"a":2}"#).unwrap_err();
        assert!(duplicate.to_string().contains("twice"));
    }
}
