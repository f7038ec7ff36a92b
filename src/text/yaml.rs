//! YAML as it is printed: members, scalars, comments and whole documents, none of which becomes anything else.

use std::fmt;

use serde_json::Value;

use crate::digest::Digest;
use crate::document::{self, deceives, visible};

use super::json;

/// The longest list on one line, in bytes.
const MAX_LINE: usize = 90;

/// The longest line of a comment, in characters. A terminal would break a longer one, and its rest would stand there as
/// a line of its own.
const MAX_COMMENT: usize = 76;

/// YAML that is being written. Only our own words stand in it as they are:
/// ```compile_fail
/// let name = String::from("a: b");
/// carnet::text::YamlText::default().own(&name);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct YamlText(String);

impl YamlText {
    /// Writes words of ours.
    pub fn own(&mut self, text: &'static str) {
        self.0.push_str(text);
    }

    /// Writes a comment: each of its lines begins with the mark of one.
    pub fn comment(&mut self, indent: &'static str, text: &str) {
        let mut line = String::new();
        for word in visible(text).split(' ') {
            let mut word: Vec<char> = word.chars().collect();
            if !line.is_empty() && line.chars().count() + word.len() >= MAX_COMMENT {
                self.comment_line(indent, &std::mem::take(&mut line));
            }
            while word.len() > MAX_COMMENT {
                self.comment_line(indent, &word.drain(..MAX_COMMENT).collect::<String>());
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(word);
        }
        self.comment_line(indent, &line);
    }

    /// Writes a member with a text.
    pub fn member(&mut self, lead: &'static str, name: &'static str, text: &str) {
        self.0.push_str(&format!("{lead}{name}: {}\n", scalar(text)));
    }

    /// Writes a member with a list of texts: on one line, or where that would be long, a line for each.
    pub fn list(&mut self, lead: &'static str, name: &'static str, texts: &[String]) {
        let texts: Vec<_> = texts.iter().map(|text| scalar(text)).collect();
        let line = format!("{name}: [{}]", texts.join(", "));
        let text =
            if line.len() <= MAX_LINE { line } else { format!("{name}:\n    - {}", texts.join("\n    - ")) };
        self.0.push_str(&format!("{lead}{text}\n"));
    }

    /// Writes a document. Where a text in it would deceive, or be read as another one, it is written as JSON, which is
    /// YAML too: there every character can be escaped.
    pub fn document(&mut self, value: &Value) {
        let is_clear = |c: char| matches!(c, '\n' | '\t') || !deceives(c);
        let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
        let text = serde_saphyr::to_string_with_options(value, options).unwrap_or_default();
        // The writer of YAML is not ours: what it writes is read back.
        if text.chars().all(is_clear) && document::yaml(&text).is_ok_and(|read| read == *value) {
            self.0.push_str(&text);
        } else {
            self.0.push_str(&format!("{}\n", json::escaped(&format!("{value:#}"), escape)));
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn comment_line(&mut self, indent: &str, line: &str) {
        self.0.push_str(format!("{indent}# {line}").trim_end());
        self.0.push('\n');
    }
}

impl fmt::Display for YamlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value on one line, as JSON, which is YAML too: no character in it ends the line for any reader.
pub fn line(value: &Value) -> String {
    json::escaped(&value.to_string(), escape)
}

/// A text as YAML: unquoted where it is a plain word, else quoted as in JSON.
fn scalar(text: &str) -> String {
    let is_plain = is_word(text.strip_prefix("./").unwrap_or(text)) && !is_special(text);
    if is_plain || text.parse::<Digest>().is_ok() {
        return text.into();
    }
    line(&Value::from(text))
}

/// YAML escapes characters, where JSON escapes units of UTF-16.
fn escape(c: char, safe: &mut String) {
    let code = u32::from(c);
    safe.push_str(&if code > 0xffff { format!("\\U{code:08x}") } else { format!("\\u{code:04x}") });
}

/// Whether a text is a word that needs no quotes.
pub fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
}

/// Words that some readers of YAML take for something else than text.
fn is_special(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_line_of_a_comment_begins_as_one() {
        let mut text = YamlText::default();
        text.comment(
            "  ",
            &format!("harmless {}\n  - verbs: [delete]\u{2028} {}", "x ".repeat(60), "y".repeat(200)),
        );
        for line in text.as_str().lines() {
            assert!(line.starts_with("  # ") && line.chars().count() <= MAX_COMMENT + 4, "{text}");
        }
    }

    #[test]
    fn a_document_with_a_hostile_text_is_escaped() {
        let mut text = YamlText::default();
        text.document(&json!({ "a": "x\u{202e}\u{e0041}" }));
        assert_eq!(text.as_str(), "{\n  \"a\": \"x\\u202e\\U000e0041\"\n}\n");
        let mut text = YamlText::default();
        text.document(&json!({ "a": "one\n\ttwo\n" }));
        assert!(text.as_str().starts_with("a: |"), "{text}");
    }

    proptest! {
        #[test]
        fn a_document_is_read_as_it_was(text in any::<String>(), lines in "[a-z#: \n\t-]{0,20}") {
            let value = json!({ "a": [text, { "b": lines }] });
            let mut written = YamlText::default();
            written.document(&value);
            prop_assert_eq!(document::yaml(written.as_str()).unwrap(), value);
            prop_assert!(written.as_str().chars().all(|c| matches!(c, '\n' | '\t') || !deceives(c)));
        }

        #[test]
        fn a_scalar_is_read_as_it_was(text in any::<String>()) {
            let mut written = YamlText::default();
            written.member("", "a", &text);
            written.list("", "b", &[text.clone(), text.clone()]);
            let read = document::yaml(written.as_str()).unwrap();
            prop_assert_eq!(read, json!({ "a": &text, "b": [&text, &text] }));
            prop_assert!(written.as_str().chars().all(|c| c == '\n' || !deceives(c)));
        }
    }
}
