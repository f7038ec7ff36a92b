//! What is wrong with a value by its schema, in our words: which member, what is there, and what is allowed.
//!
//! Neither values nor names of members that only the value has are in them: what a value holds may be a secret.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use crate::document::visible;

/// The most values that are listed of those that are allowed. A bundle may name thousands.
const MAX_OPTIONS: usize = 20;

/// The longest text of a schema that is repeated, in characters.
const MAX_TEXT: usize = 200;

/// A fault of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueFault {
    /// The place in the value, as a JSON pointer.
    pub pointer: String,
    /// What is wrong there, as it goes on after the name of the place.
    pub what: String,
}

/// The faults that an error of a schema's check stands for. With `names` they may hold names of members that the schema
/// does not know.
pub fn faults(error: &ValidationError<'_>, names: bool) -> Vec<ValueFault> {
    let at = error.instance_path().to_string();
    let whole = |what: String| vec![ValueFault { pointer: at.clone(), what }];
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected }
            if names =>
        {
            let unknown = |name: &String| ValueFault {
                pointer: below(&at, name),
                what: "is a member that is not allowed there".into(),
            };
            unexpected.iter().map(unknown).collect()
        }
        ValidationErrorKind::Required { property } => {
            let pointer = below(&at, property.as_str().unwrap_or_default());
            vec![ValueFault { pointer, what: "is missing".into() }]
        }
        kind => whole(what(kind, error.instance())),
    }
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn what(kind: &ValidationErrorKind, found: &Value) -> String {
    use ValidationErrorKind as Kind;
    let count = |limit: &u64, one: &str, many: &str| match limit {
        1 => format!("1 {one}"),
        limit => format!("{limit} {many}"),
    };
    match kind {
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "has members that are not allowed there".into()
        }
        Kind::AdditionalItems { limit } => {
            format!(
                "must have at most {}, and has {}",
                count(&usize_as(*limit), "entry", "entries"),
                size(found)
            )
        }
        Kind::UnevaluatedItems { .. } => "has entries that are not allowed there".into(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "has none of the forms that it may have".into(),
        Kind::OneOfMultipleValid { .. } => "has more than one of the forms of which it may have one".into(),
        Kind::Constant { expected_value } => format!("must be `{}`", plain(expected_value)),
        Kind::Contains => "lacks an entry that has to be in the list".into(),
        Kind::ContentEncoding { content_encoding } => format!("must be text in {}", short(content_encoding)),
        Kind::FromUtf8 { .. } => "must be text in base64, of text".into(),
        Kind::ContentMediaType { content_media_type } => {
            format!("must be text of the type {}", short(content_media_type))
        }
        Kind::Enum { options } => one_of(options),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::FalseSchema => "is not allowed, or has a member that is not".into(),
        Kind::Format { format } if format == "regex" => "must be a regular expression".into(),
        Kind::Format { format } => format!("must be text of the form `{}`", short(format)),
        Kind::MaxItems { limit } => {
            format!("must have at most {}, and has {}", count(limit, "entry", "entries"), size(found))
        }
        Kind::MinItems { limit } => {
            format!("must have at least {}, and has {}", count(limit, "entry", "entries"), size(found))
        }
        Kind::MaxProperties { limit } => {
            format!("must have at most {}, and has {}", count(limit, "member", "members"), size(found))
        }
        Kind::MinProperties { limit } => {
            format!("must have at least {}, and has {}", count(limit, "member", "members"), size(found))
        }
        Kind::MaxLength { limit } => {
            format!("must have at most {}, and has {}", count(limit, "character", "characters"), size(found))
        }
        Kind::MinLength { limit } => {
            format!("must have at least {}, and has {}", count(limit, "character", "characters"), size(found))
        }
        Kind::Not { .. } => "has a form that is not allowed".into(),
        Kind::Pattern { pattern } => format!("must match `{}`", short(pattern)),
        Kind::PropertyNames { .. } => "has a member whose name is not allowed".into(),
        Kind::Required { .. } => "lacks a member".into(),
        Kind::Type { kind } => format!("must be {}, and is {}", types(kind), kind_of(found)),
        Kind::UniqueItems => "must not have the same entry twice".into(),
        Kind::Referencing(_) => "has a `$ref` that leads nowhere in it".into(),
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            "takes too long to match with the pattern".into()
        }
        Kind::Custom { keyword, .. } => format!("breaks the rule `{}`", short(keyword)),
    }
}

fn usize_as(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// How many characters, entries or members there are.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::String(text) => text.chars().count(),
        _ => 0,
    }
}

fn one_of(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let more = options.len().saturating_sub(MAX_OPTIONS);
    let more = if more > 0 { format!(" or {more} more") } else { String::new() };
    let listed: Vec<_> =
        options.iter().take(MAX_OPTIONS).map(|option| format!("`{}`", plain(option))).collect();
    match listed.as_slice() {
        [one] => format!("must be {one}"),
        listed => format!("must be one of {}{more}", listed.join(", ")),
    }
}

fn plain(value: &Value) -> String {
    short(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", visible(&text[..end])),
        None => visible(text),
    }
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
        JsonType::Boolean => "`true` or `false`",
        JsonType::Integer => "a whole number",
        JsonType::Null => "empty (`null`)",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping of names to values",
        JsonType::String => "text",
    }
}

/// What kind of value there is, as the type of a value is named.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::Bool(_) => "`true` or `false`",
        Value::Null => "empty (`null`)",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::Object(_) => "a mapping of names to values",
        Value::String(_) => "text",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(schema: &Value, value: &Value) -> Vec<String> {
        let validator = jsonschema::draft7::new(schema).unwrap();
        let all = validator.iter_errors(value).flat_map(|error| faults(&error, true));
        all.map(|fault| format!("{} {}", fault.pointer, fault.what)).collect()
    }

    #[test]
    fn a_fault_says_what_is_there_and_what_is_allowed() {
        for (schema, value, expected) in [
            (json!({"type": "integer"}), json!("3"), " must be a whole number, and is text"),
            (
                json!({"type": "integer"}),
                json!(1.5),
                " must be a whole number, and is a number with a fraction",
            ),
            (
                json!({"type": ["boolean", "null"]}),
                json!([]),
                " must be empty (`null`) or `true` or `false`, and is a list",
            ),
            (json!({"type": "string"}), json!(null), " must be text, and is empty (`null`)"),
            (json!({"minimum": 1}), json!(0), " must be at least 1"),
            (json!({"maximum": 1.5}), json!(2), " must be at most 1.5"),
            (json!({"exclusiveMaximum": 5}), json!(5), " must be less than 5"),
            (json!({"exclusiveMinimum": 5}), json!(5), " must be more than 5"),
            (json!({"multipleOf": 2}), json!(5), " must be a multiple of 2"),
            (json!({"enum": ["a", 1]}), json!("b"), " must be one of `a`, `1`"),
            (json!({"enum": ["a"]}), json!("b"), " must be `a`"),
            (json!({"const": true}), json!("b"), " must be `true`"),
            (json!({"minLength": 2}), json!("é"), " must have at least 2 characters, and has 1"),
            (json!({"maxLength": 1}), json!("ab"), " must have at most 1 character, and has 2"),
            (json!({"maxItems": 1}), json!([1, 2]), " must have at most 1 entry, and has 2"),
            (json!({"minItems": 1}), json!([]), " must have at least 1 entry, and has 0"),
            (json!({"minProperties": 1}), json!({}), " must have at least 1 member, and has 0"),
            (json!({"maxProperties": 1}), json!({"a": 1, "b": 1}), " must have at most 1 member, and has 2"),
            (json!({"uniqueItems": true}), json!([1, 1]), " must not have the same entry twice"),
            (json!({"pattern": "^a\n"}), json!("b"), " must match `^a\\u{a}`"),
            (json!({"anyOf": [{"type": "null"}]}), json!(1), " has none of the forms that it may have"),
            (
                json!({"oneOf": [{}, true]}),
                json!(1),
                " has more than one of the forms of which it may have one",
            ),
            (json!({"not": {}}), json!(1), " has a form that is not allowed"),
            (json!({"contains": {"const": 1}}), json!([2]), " lacks an entry that has to be in the list"),
            (
                json!({"items": [{}], "additionalItems": false}),
                json!([1, 2]),
                " must have at most 1 entry, and has 2",
            ),
            (
                json!({"propertyNames": {"maxLength": 1}}),
                json!({"ab": 1}),
                " has a member whose name is not allowed",
            ),
            (
                json!({"properties": {"a": {"type": "array"}}}),
                json!({"a": {}}),
                "/a must be a list, and is a mapping of names to values",
            ),
            (
                json!({"properties": {"a": false}}),
                json!({"a": {}}),
                "/a is not allowed, or has a member that is not",
            ),
            (json!({"required": ["a/b"]}), json!({}), "/a~1b is missing"),
            (
                json!({"properties": {"a": {}}, "additionalProperties": false}),
                json!({"x~": 1}),
                "/x~0 is a member that is not allowed there",
            ),
        ] {
            assert_eq!(told(&schema, &value), [expected], "{schema} {value}");
        }
    }

    #[test]
    fn no_fault_repeats_a_value_or_a_name_that_only_the_value_has() {
        let secret = "s3cret";
        for (schema, value) in [
            (json!({"type": "integer"}), json!(secret)),
            (json!({"enum": ["a"]}), json!(secret)),
            (json!({"pattern": "^a$"}), json!(secret)),
            (json!({"maxLength": 1}), json!(secret)),
            (json!({"additionalProperties": false}), json!({secret: 1})),
            (json!({"propertyNames": {"maxLength": 1}}), json!({secret: 1})),
            (json!({"items": {"const": "a"}}), json!([secret])),
            (json!({"dependencies": {"a": ["b"]}}), json!({"a": secret})),
            (json!({"contains": {"const": 1}}), json!([secret])),
        ] {
            let validator = jsonschema::draft7::new(&schema).unwrap();
            let all: Vec<_> = validator.iter_errors(&value).flat_map(|error| faults(&error, false)).collect();
            assert!(!all.is_empty(), "{schema}");
            assert!(all.iter().all(|it| !format!("{it:?}").contains(secret)), "{all:?}");
        }
    }

    #[test]
    fn what_a_schema_lists_is_bounded() {
        let many: Vec<_> = (0..1000).map(|n| json!(format!("option {n}"))).collect();
        let [enumerated] = told(&json!({"enum": many}), &json!(1)).try_into().unwrap();
        assert!(enumerated.ends_with("`option 19` or 980 more"), "{enumerated}");
        let [long] = told(&json!({"const": "é".repeat(1000)}), &json!(1)).try_into().unwrap();
        assert!(long.chars().count() < 250 && long.ends_with("…`"), "{long}");
    }
}
