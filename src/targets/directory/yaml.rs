//! Writes objects as YAML that reads as the same objects.
//!
//! Apart from the directory, since it promises something about any value, which a property test shows.

use serde_json::Value;

use crate::document;

/// YAML whose bytes depend on the object alone. Should a reader of YAML ever see something else in it, it is JSON,
/// which is YAML too. To read it again takes longer than all the rest, so that is left out where a property test shows
/// that nothing else comes of it.
pub(super) fn yaml(body: &Value) -> Vec<u8> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let text = serde_saphyr::to_string_with_options(body, options).unwrap_or_default();
    let same = || document::yaml(&text).is_ok_and(|read| read == *body);
    let is_kept = !text.is_empty() && text.len() <= document::MAX_BYTES && is_plain(body);
    if is_kept || same() { text.into_bytes() } else { format!("{body:#}\n").into_bytes() }
}

/// Whether nothing in a value is of a form that writers and readers of YAML disagree about: whole numbers, and text of
/// letters, digits and the like.
fn is_plain(value: &Value) -> bool {
    let is_plain_text = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n'));
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Number(number) => !number.is_f64(),
        Value::String(text) => is_plain_text(text),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(members) => members.iter().all(|(name, value)| is_plain_text(name) && is_plain(value)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Text that looks like something else to one reader or another, and all that is plain.
    fn any_text() -> impl Strategy<Value = String> {
        const ODD: &[&str] = &[
            "",
            " ",
            "\n",
            "\n\n",
            " a",
            "a ",
            "a\n",
            "\na",
            "a\n\n",
            "a\n b",
            " a\nb",
            "~",
            "null",
            "true",
            "no",
            "0644",
            "1_0",
            "-",
            "- a",
            "?",
            "a: b",
            "a #b",
            "#",
            "!x",
            "&a",
            "*a",
            "|",
            ">",
            "%",
            "@",
            "`",
            "'",
            "\"",
            "{",
            "}",
            "[",
            "]",
            ",",
            "---",
            "...",
            "---\na",
            "a\n---\n",
            "a\n...\nb",
            "=",
            "<<",
            ".inf",
            "1e3",
            "0x1f",
            "2024-01-01",
            "12:30",
            "\\",
            "a\\\nb",
            "key: |\n  x",
        ];
        prop_oneof![
            proptest::sample::select(ODD).prop_map(str::to_owned),
            proptest::collection::vec(proptest::sample::select(ODD), 0..6).prop_map(|parts| parts.concat()),
            "[ -~\n]{0,40}",
            "[a-z:#\\- \n]{0,12}",
        ]
    }

    fn any_body() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any_text().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(any_text(), inner, 0..4).prop_map(|members| json!(members)),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(CASES))]

        #[test]
        fn what_is_written_without_being_read_again_reads_the_same(body in any_body()) {
            prop_assume!(is_plain(&body));
            let text = yaml(&json!({ "data": body }));
            let read = document::yaml(std::str::from_utf8(&text).unwrap());
            prop_assert_eq!(read.unwrap(), json!({ "data": body }), "{}", String::from_utf8_lossy(&text));
        }
    }

    const CASES: u32 = 5000;

    #[test]
    fn what_readers_disagree_about_is_read_again() {
        for value in
            [json!(0.5), json!("\u{7f}"), json!("\t"), json!("\r\n"), json!({"\u{feff}": 1}), json!(["ä"])]
        {
            assert!(!is_plain(&value), "{value}");
            let text = yaml(&value);
            assert!(
                document::yaml(std::str::from_utf8(&text).unwrap()).is_ok_and(|read| read == value),
                "{value}"
            );
        }
    }
}
