//! Compares a document with the published schema of its kind, and finds everything that does not fit, at once.
//!
//! Reading by type ends at the first mistake. Here reading goes on: what does not fit is noted by its place and taken out, so
//! that the rest can be read by type and checked further.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use crate::bundle::Fault;
use crate::document::slip::nearest;
use crate::document::visible;

/// The most faults that are collected: nobody reads more, and a hostile document could have millions.
const MAX_FAULTS: usize = 200;

/// The shape of a kind of document.
pub(in crate::author) struct Shape(Value);

/// The mismatch.
#[derive(Default)]
pub(in crate::author) struct Misfits {
    pub(in crate::author) faults: Vec<Fault>,
    /// Places of values that cannot be used.
    unusable: BTreeSet<String>,
    rule: &'static str,
}

impl Shape {
    /// The shape of documents that are read as `T`. Members that it does not have do not fit.
    pub(in crate::author) fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(closed));
        Self(settings.for_deserialize().into_generator().into_root_schema_for::<T>().into())
    }

    /// Finds what does not fit, and takes unknown members out of the value.
    pub(in crate::author) fn check(&self, value: &mut Value, rule: &'static str) -> Misfits {
        let mut misfits = Misfits { rule, ..Misfits::default() };
        self.fits(&self.0, value, "", &mut misfits);
        misfits
    }

    /// Whether a value can be used as what this schema says.
    fn fits(&self, schema: &Value, value: &mut Value, at: &str, misfits: &mut Misfits) -> bool {
        let schema = self.resolved(schema);
        let is_usable = match wrong(schema, value) {
            Some(what) => misfits.fault(at, what),
            None => match value {
                Value::Object(members) => self.members_fit(schema, members, at, misfits),
                Value::Array(items) => {
                    let Some(of) = schema.get("items") else { return true };
                    // Mappings of a list can be left out one by one.
                    items.iter_mut().enumerate().fold(true, |all, (index, item)| {
                        let fits = self.fits(of, item, &format!("{at}/{index}"), misfits);
                        all && (fits || item.is_object())
                    })
                }
                _ => true,
            },
        };
        if !is_usable {
            misfits.unusable.insert(at.to_owned());
        }
        is_usable
    }

    fn members_fit(
        &self,
        schema: &Value,
        members: &mut Map<String, Value>,
        at: &str,
        misfits: &mut Misfits,
    ) -> bool {
        let none = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let others = schema.get("additionalProperties");
        let mut is_usable = true;
        members.retain(|name, value| {
            let place = below(at, name);
            let is_closed = others == Some(&Value::Bool(false));
            match (known.get(name), others) {
                (Some(member), _) => is_usable &= self.fits(member, value, &place, misfits),
                (None, Some(other)) if other.is_object() => {
                    self.fits(other, value, &place, misfits);
                }
                (None, _) if is_closed => {
                    misfits.fault(&place, unknown(name, known.keys()));
                    return false;
                }
                (None, _) => {}
            }
            true
        });
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if let Some(name) = name.as_str().filter(|name| !members.contains_key(*name)) {
                misfits.unusable.insert(below(at, name));
                is_usable = misfits.fault(at, format!("the member `{name}` is missing"));
            }
        }
        is_usable
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
        reference.and_then(|to| self.0.pointer(to)).unwrap_or(schema)
    }
}

impl Misfits {
    /// Whether the value at this place cannot be used, or something that it needs.
    pub(in crate::author) fn has(&self, at: &str) -> bool {
        self.unusable.contains(at)
    }

    /// Notes a fault; never usable.
    pub(in crate::author) fn fault(&mut self, at: &str, what: String) -> bool {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault::error(at.to_owned(), what, self.rule));
        }
        false
    }
}

/// A member's place.
pub(in crate::author) fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Faults of a value by itself.
fn wrong(schema: &Value, value: &Value) -> Option<String> {
    if let Some(allowed) = constants(schema) {
        let text = value.as_str();
        return (!text.is_some_and(|text| allowed.contains(&text))).then(|| {
            let meant = text.and_then(|text| nearest(text, allowed.iter().copied()));
            format!("must be one of {}{}", listed(&allowed), meant.map(suggestion).unwrap_or_default())
        });
    }
    let types: Vec<_> = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(some)) => some.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let is_of = |wanted: &&str| match *wanted {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    };
    let wanted = types.iter().find(|wanted| **wanted != "null")?;
    // YAML takes `1.0` for a number and `no` for a truth.
    let is_unquoted = *wanted == "string" && (value.is_number() || value.is_boolean());
    let how = if is_unquoted { ": write it in quotes" } else { "" };
    (!types.iter().any(is_of)).then(|| format!("must be {}{how}", word(wanted)))
}

/// The texts that are allowed, if only some are.
fn constants(schema: &Value) -> Option<Vec<&str>> {
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.iter().map(Value::as_str).collect();
    }
    let choices = schema.get("oneOf")?.as_array()?;
    choices.iter().map(|choice| choice.get("const")?.as_str()).collect()
}

fn word(wanted: &str) -> &'static str {
    match wanted {
        "string" => "text",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        _ => "a mapping of names to values",
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String> + Clone) -> String {
    let names = known.map(String::as_str);
    match nearest(name, names.clone()) {
        Some(meant) => format!("is not known here{}", suggestion(meant)),
        None => format!("is not known here, where there can be {}", listed(&names.collect::<Vec<_>>())),
    }
}

fn suggestion(meant: &str) -> String {
    format!("; is `{}` meant?", visible(meant))
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// No member beside those that are named, unless any name will do.
fn closed(schema: &mut Schema) {
    if schema.get("additionalProperties").is_none() && schema.get("properties").is_some() {
        schema.insert("additionalProperties".into(), false.into());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Document {
        name: String,
        size: Option<u64>,
        parts: Vec<Part>,
        #[serde(default)]
        by_name: BTreeMap<String, Part>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Part {
        kind: Kind,
        #[serde(default)]
        is_small: bool,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Kind {
        Wheel,
        Window,
    }

    fn told(mut value: Value) -> (Vec<String>, Value) {
        let misfits = Shape::of::<Document>().check(&mut value, "Document");
        (misfits.faults.iter().map(ToString::to_string).collect(), value)
    }

    #[test]
    fn what_fits_has_no_fault_and_is_left_as_it_is() {
        let value = json!({"name": "x", "parts": [{"kind": "wheel"}], "by_name": {"a": {"kind": "window"}}});
        assert_eq!(told(value.clone()), (Vec::new(), value));
    }

    #[test]
    fn everything_that_does_not_fit_is_found_at_once_and_unknown_members_are_taken_out() {
        let (faults, left) = told(json!({
            "nam": "x",
            "size": -1.5,
            "parts": [{"kind": "weel"}, 7, {"kind": "wheel", "is_smal": 1, "colour": 2}],
            "by_name": {"a/b": {"is_small": "yes"}},
        }));
        let mut expected = vec![
            "/nam: is not known here; is `name` meant? (Document)",
            "/size: must be a whole number (Document)",
            "/parts/0/kind: must be one of `wheel`, `window`; is `wheel` meant? (Document)",
            "/parts/1: must be a mapping of names to values (Document)",
            "/parts/2/is_smal: is not known here; is `is_small` meant? (Document)",
            "/parts/2/colour: is not known here, where there can be `is_small`, `kind` (Document)",
            "/by_name/a~1b/is_small: must be `true` or `false` (Document)",
            "/by_name/a~1b: the member `kind` is missing (Document)",
            "/: the member `name` is missing (Document)",
        ];
        let mut found = faults.clone();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(left["parts"][2], json!({"kind": "wheel"}));
        assert_eq!(left.get("nam"), None);
    }

    #[test]
    fn what_cannot_be_used_is_known_by_its_place() {
        let mut value = json!({"name": 1, "parts": [{"kind": "wheel"}, {"kind": "x"}]});
        let misfits = Shape::of::<Document>().check(&mut value, "Document");
        let has: Vec<_> = ["/name", "/parts/0", "/parts/1", ""].iter().map(|at| misfits.has(at)).collect();
        assert_eq!(has, [true, false, true, true]);
        assert!(!misfits.has("/parts"), "the other items can be used");
    }

    #[test]
    fn a_hostile_document_makes_no_answer_of_its_own_size() {
        let (faults, _) = told(json!({"name": "x", "parts": vec![Value::Null; 10_000]}));
        assert_eq!(faults.len(), MAX_FAULTS);
        let (faults, _) = told(json!({"name": "x", "parts": [], "\u{1b}[2J": 1}));
        assert!(faults[0].starts_with("/\\u{1b}[2J: is not known here"), "{faults:?}");
    }
}
