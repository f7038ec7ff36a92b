//! What holds for every type of JSON Schema draft-07, and for all that an operator may write for one.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Definition;

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// What an operator writes for a value (CNAB 103): text as it is, anything else as JSON.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The types of a value, from the text of draft-07: `1.0` is a whole number as well.
fn types_of(value: &Value) -> BTreeSet<&'static str> {
    match value {
        Value::Null => ["null"].into(),
        Value::Bool(_) => ["boolean"].into(),
        Value::Number(number) => {
            let is_whole =
                number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|it| it.fract() == 0.0);
            if is_whole { ["integer", "number"].into() } else { ["number"].into() }
        }
        Value::String(_) => ["string"].into(),
        Value::Array(_) => ["array"].into(),
        Value::Object(_) => ["object"].into(),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1_000_000..1_000_000_i32).prop_map(|number| json!(f64::from(number) / 64.0)),
        any::<String>().prop_map(Value::from),
        // Texts that look like something else.
        prop_oneof![Just("true"), Just("null"), Just("1"), Just("[1]"), Just("{}"), Just("")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let members = proptest::collection::vec(("[a-z]{0,3}", inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Any choice of types, at least one; of one alone also without the list around it.
fn schema() -> impl Strategy<Value = (BTreeSet<&'static str>, Value)> {
    (proptest::sample::subsequence(&TYPES[..], 1..=TYPES.len()), any::<bool>()).prop_map(
        |(types, is_bare)| {
            let names = if is_bare && types.len() == 1 { json!(types[0]) } else { json!(types) };
            (types.into_iter().collect(), json!({ "type": names }))
        },
    )
}

proptest! {
    #[test]
    fn a_value_is_allowed_where_one_of_its_types_is((types, schema) in schema(), value in value()) {
        let is_allowed = Definition::new(&schema).unwrap().check(&value).is_ok();
        prop_assert_eq!(is_allowed, !types.is_disjoint(&types_of(&value)), "{} {}", schema, value);
    }

    #[test]
    fn what_is_written_is_text_where_text_is_allowed_and_else_what_it_says((types, schema) in schema(), value in value()) {
        let definition = Definition::new(&schema).unwrap();
        let text = text_of(&value);
        match definition.value_of(&text) {
            Ok(read) if types.contains("string") => prop_assert_eq!(read, Value::String(text)),
            Ok(read) => prop_assert_eq!(read, serde_json::from_str::<Value>(&text).unwrap()),
            Err(_) => prop_assert!(!types.contains("string") && value.is_string()),
        }
    }

    #[test]
    fn what_is_allowed_comes_back_from_its_text_unless_text_could_mean_it_too((types, schema) in schema(), value in value()) {
        let definition = Definition::new(&schema).unwrap();
        let is_certain = value.is_string() || !types.contains("string");
        if definition.check(&value).is_ok() && is_certain {
            let read = definition.value_of(&text_of(&value)).unwrap();
            prop_assert_eq!(&read, &value);
            prop_assert!(definition.check(&read).is_ok());
        }
    }

    #[test]
    fn without_a_type_the_text_is_what_satisfies_the_rest(least in 0_i64..100, number in -200_i64..200) {
        let schema = json!({ "enum": [least, "x"] });
        let read = Definition::new(&schema).unwrap().value_of(&number.to_string()).unwrap();
        let expected = if number == least { json!(number) } else { json!(number.to_string()) };
        prop_assert_eq!(read, expected);
    }
}
