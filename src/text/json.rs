//! JSON as it is printed: the value is what it was, and no character of it acts on a terminal or hides from a reader.

use serde_json::Value;

use crate::document::deceives;

/// A document, over several lines.
pub fn document(value: &Value) -> String {
    escaped(&format!("{value:#}"), utf16)
}

/// A document on one line.
pub fn line(value: &Value) -> String {
    escaped(&value.to_string(), utf16)
}

/// JSON in which characters that deceive are escaped. They occur in texts alone, where an escape means the same.
pub(super) fn escaped(json: &str, escape: fn(char, &mut String)) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut safe, c| {
        // The line breaks between members; those in texts are escaped already.
        if c != '\n' && deceives(c) {
            escape(c, &mut safe);
        } else {
            safe.push(c);
        }
        safe
    })
}

/// JSON escapes the units of UTF-16.
fn utf16(c: char, safe: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        safe.push_str(&format!("\\u{unit:04x}"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_or_hides_is_escaped() {
        let text = "\u{7f}\u{9b}2J\u{200e}\u{202e}\u{2028}\u{2066}\u{a0}\u{e0041}";
        let expected = r#""\u007f\u009b2J\u200e\u202e\u2028\u2066\u00a0\udb40\udc41""#;
        assert_eq!(line(&json!(text)), expected);
        assert_eq!(line(&json!("Grüße, 世界 🙂")), "\"Grüße, 世界 🙂\"");
    }

    proptest! {
        #[test]
        fn the_value_is_what_it_was(text in any::<String>(), name in any::<String>()) {
            let value = json!({ name: [text] });
            for written in [document(&value), line(&value)] {
                prop_assert_eq!(&serde_json::from_str::<Value>(&written).unwrap(), &value);
                prop_assert!(written.chars().all(|c| c == '\n' || !deceives(c)));
            }
        }
    }
}
