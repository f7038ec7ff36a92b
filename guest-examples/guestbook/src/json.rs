//! The little JSON that an installer needs: writing a text into a string, and finding one value in a document.

use alloc::{format, string::String};

/// `text` as the inside of a JSON string. It is the inside of a double-quoted YAML string as well, so nothing in a
/// parameter or a file can leave the place in a manifest that it is written to.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            // The last three are line breaks, or no text at all, to YAML.
            '\0'..' ' | '\x7f'..'\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(char)));
            }
            _ => escaped.push(char),
        }
    }
    escaped
}

/// The text at `path` in a JSON document: members by name, items by number. None if it is not there or no text. The
/// document comes from the host, so it is known to be JSON; anything else reads as "not there". A text with escapes in it
/// is answered with them.
pub fn text_at<'a>(document: &'a str, path: &[&str]) -> Option<&'a str> {
    let mut cursor = Cursor(document);
    for step in path {
        cursor.enter(step)?;
    }
    cursor.text()
}

/// The rest of a document.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    /// Goes to the member or item of this name.
    fn enter(&mut self, name: &str) -> Option<()> {
        if self.eat('{').is_some() {
            while self.text()? != name {
                self.eat(':')?;
                self.skip()?;
                self.eat(',')?;
            }
            return self.eat(':');
        }
        self.eat('[')?;
        for _ in 0..name.parse::<usize>().ok()? {
            self.skip()?;
            self.eat(',')?;
        }
        Some(())
    }

    /// Passes over one value.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                '"' => _ = self.text()?,
                '{' | '[' => {
                    depth += 1;
                    self.0 = &self.0[1..];
                }
                ',' | '}' | ']' if depth == 0 => return Some(()),
                '}' | ']' => {
                    depth -= 1;
                    self.0 = &self.0[1..];
                }
                other => self.0 = &self.0[other.len_utf8()..],
            }
        }
    }

    /// Passes over a string and answers its inside.
    fn text(&mut self) -> Option<&'a str> {
        self.eat('"')?;
        let mut is_escaped = false;
        let end = self.0.find(|char| {
            let ends = char == '"' && !is_escaped;
            is_escaped = char == '\\' && !is_escaped;
            ends
        })?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    fn eat(&mut self, expected: char) -> Option<()> {
        self.next().filter(|char| *char == expected)?;
        self.0 = &self.0[expected.len_utf8()..];
        Some(())
    }

    /// The next character that is not white space.
    fn next(&mut self) -> Option<char> {
        self.0 = self.0.trim_ascii_start();
        self.0.chars().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_string_or_a_line_is_escaped() {
        assert_eq!(escaped("a\"b\\c\nd\te\u{85}\u{2028}é"), "a\\\"b\\\\c\\nd\\u0009e\\u0085\\u2028é");
    }

    #[test]
    fn members_and_items_are_found_behind_others_of_any_kind() {
        let document = r#"{ "a": [ {"x": "}]\"\\"}, [1, -2.5e3, true, null], {"size" : "1Gi", "y": 2} ], "size": "no" }"#;
        assert_eq!(text_at(document, &["a", "2", "size"]), Some("1Gi"));
        assert_eq!(text_at(document, &["a", "0", "x"]), Some(r#"}]\"\\"#));
        assert_eq!(text_at(document, &["size"]), Some("no"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in [&["b"][..], &["a", "1"], &["a", "0", "b"], &["a", "x"], &["c"]] {
            assert_eq!(text_at(r#"{"a":[{"c":"d"}],"c":1}"#, path), None, "{path:?}");
        }
        assert_eq!(text_at("not JSON", &["a"]), None);
    }
}
