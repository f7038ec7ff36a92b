//! Turns values into the two byte forms of JSON that a published bundle consists of.
//!
//! `bundle.json` is canonical JSON (RFC 8785); the index and the OCI manifests around it have the bytes that Go's
//! encoder gives, because that is what every other CNAB tool writes and hashes.

#[cfg(test)]
mod second;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::Value;

use crate::document;

/// The characters that Go's encoder escapes and serde_json does not. Inside JSON they occur in strings only.
const GO_ESCAPES: [(char, &str); 5] =
    [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];

/// The canonical bytes of `value` (RFC 8785): the same value always gives the same bytes, whoever writes it.
///
/// It is for what others publish and read. Where values are compared, [`written`](crate::document::written) stands for
/// them: this form takes every number through floating point.
///
/// # Errors
/// Where a value cannot be written as JSON, or has a number that would become another one.
pub fn canonical(value: &Value) -> Result<Vec<u8>, serde_json::Error> {
    if let Some(number) = document::beyond_float(value) {
        return Err(serde_json::Error::custom(format!(
            "the number {number} has no canonical form: write it as text"
        )));
    }
    serde_json_canonicalizer::to_vec(value)
}

/// The bytes that Go's `encoding/json` gives for `value`, members in the order in which its type lists them.
///
/// # Errors
/// Where a value cannot be written as JSON.
pub fn go_json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|text| {
        text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
            match GO_ESCAPES.iter().find(|(special, _)| *special == c) {
                Some((_, escape)) => escaped.push_str(escape),
                None => escaped.push(c),
            }
            escaped
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn canonical_text(text: &str) -> String {
        let value = document::json(text.as_bytes()).unwrap();
        String::from_utf8(canonical(&value).unwrap()).unwrap()
    }

    #[test]
    fn canonical_json_sorts_by_utf16_and_writes_numbers_as_ecmascript_does() {
        assert_eq!(canonical_text("{\"\u{ffee}\":1,\"\u{1f600}\":2}"), "{\"\u{1f600}\":2,\"\u{ffee}\":1}");
        assert_eq!(canonical_text("[1.50, 1e21, -0, 9007199254740992]"), "[1.5,1e+21,0,9007199254740992]");
        assert_eq!(canonical_text(r#""<\u2028\u0008\u001F""#), "\"<\u{2028}\\b\\u001f\"");
    }

    #[test]
    fn a_number_that_would_become_another_one_has_no_canonical_form() {
        for number in [json!(9_007_199_254_740_993_u64), json!(-9_007_199_254_740_993_i64), json!(u64::MAX)] {
            let error = canonical(&json!({ "a": [number] })).unwrap_err().to_string();
            assert!(error.contains("has no canonical form"), "{error}");
        }
    }

    #[test]
    fn go_json_escapes_what_html_and_javascript_would_trip_over() {
        assert_eq!(
            go_json(&json!("<a>&\u{2028}\u{2029}\u{8}\u{1f}")).unwrap(),
            r#""\u003ca\u003e\u0026\u2028\u2029\b\u001f""#
        );
    }
}
