//! Reads YAML that is JSON too, as programs write it, in a tenth of the time.
//!
//! Only where the reader of YAML would have it no other way: of all else that reader says what it is, or what is wrong
//! with it.

use serde::de::DeserializeSeed as _;
use serde_json::Value;

use super::numbers;
use super::{MAX_DEPTH, MemoryBudget, Strict};

/// The value of a text that is plain JSON. None: it has to be read as YAML. Nothing is taken from the budget then.
pub(super) fn json(text: &str, shared: &MemoryBudget) -> Option<Value> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    if !text.starts_with('{') || !text.bytes().all(is_plain) {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let share = shared.share(text.len());
    let value = Strict { depth: MAX_DEPTH, budget: &share }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    // Which fractions stay as they are is said in one place.
    if numbers::has_float(&value) {
        return None;
    }
    shared.settle(&share, text.len()).ok().map(|()| value)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::document::yaml;

    /// Reads as the reader of YAML does: a comment is no JSON.
    fn as_yaml(text: &str) -> Result<Value, String> {
        yaml(&format!("# YAML\n{text}")).map_err(|error| error.to_string())
    }

    fn plain(text: &str) -> Option<Value> {
        json(text, &MemoryBudget::default())
    }

    #[test]
    fn what_only_one_reader_takes_or_reads_otherwise_is_left_to_yaml() {
        for text in [
            "{a: 1}",
            "{\"a\": 0644}",
            "{\"a\": 1,}",
            "{\"a\": 1} # x",
            "{\"a\": 1}\n---\n{}",
            "{\"a\": 1, \"a\": 2}",
            "{\"a\": 1.0}",
            "{\"a\": -0}",
            "{\"a\": 18446744073709551616}",
            "{\"a\": \"\t\"}",
            "{\"a\": \"\u{7f}\"}",
            "[1]",
            "\"a\"",
            "{",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
        let deep = format!("{}{}", "{\"a\":".repeat(70), "}".repeat(70));
        assert_eq!(plain(&deep), None);
        assert!(plain("{\"a\": [1, -1, true, null, \"0644\\u0007\"]}\n").is_some());
    }

    #[test]
    fn what_it_takes_counts_and_what_it_does_not_read_does_not() {
        let text = "{\"a\": \"xxxxxxxxxxxxxxxxxxxx\"}";
        let budget = MemoryBudget::new(10_000);
        assert!(json(text, &budget).is_some() && budget.spent() > 600);
        let spent = budget.spent();
        assert!(json("{\"a\": 1, \"a\": 2}", &budget).is_none() && budget.spent() == spent);
        assert!(json(text, &MemoryBudget::new(100)).is_none());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = || {
            prop_oneof![
                "[ -~\n]{0,20}",
                "[a-z]{1,4}",
                Just("<<".to_owned()),
                Just("~".to_owned()),
                Just("0x1f".to_owned())
            ]
        };
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                btree_map(text(), inner, 0..4).prop_map(|members| serde_json::json!(members)),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn plain_json_is_the_same_as_yaml(value in any_value(), is_pretty: bool) {
            let value = serde_json::json!({ "a": value });
            let text = if is_pretty { format!("{value:#}") } else { value.to_string() };
            prop_assert_eq!(plain(&text), Some(value));
            prop_assert_eq!(as_yaml(&text), Ok(plain(&text).unwrap()));
        }
    }
}
