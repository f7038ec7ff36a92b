//! Command lines that are ready to be copied: every text that came from outside is one word, whatever is in it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::document::visible;

/// A command line, or the flags that belong to one, as bash, zsh and fish read it.
///
/// Only our own words stand in it as they are. Any other text becomes one word, in which nothing is expanded and no
/// control character is left: a text with such a character is a word that spells it out, and so another text.
///
/// A text that is no constant of the program has no way around it:
/// ```compile_fail
/// let name = String::from("web");
/// let line = carnet::text::CommandLine::of(&name);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(description = "A command line, or flags, as bash, zsh and fish read it.")]
pub struct CommandLine(String);

impl CommandLine {
    /// A line that begins with these words of ours.
    pub fn of(words: &'static str) -> Self {
        Self(words.into())
    }

    /// One more word.
    #[must_use]
    pub fn word(self, text: impl fmt::Display) -> Self {
        let text = text.to_string();
        let word = if is_plain(&text) { text.clone() } else { quoted(&text) };
        self.then(&text, &word)
    }

    /// One more word, quoted also where it need not be: to a pattern somebody may add a `*`.
    #[must_use]
    pub fn quoted(self, text: impl fmt::Display) -> Self {
        let text = text.to_string();
        let word = quoted(&text);
        self.then(&text, &word)
    }

    /// More words of ours.
    #[must_use]
    pub fn own(mut self, words: &'static str) -> Self {
        self.0.push(' ');
        self.0.push_str(words);
        self
    }

    /// The name of a member, for what stands in a document rather than in a shell.
    #[must_use]
    pub fn member(self, name: &'static str) -> Self {
        let mut line = self.own(name);
        line.0.push(':');
        line
    }

    /// A line that goes on with another.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        self.0.push(' ');
        self.0.push_str(&more.0);
        self
    }

    /// The line as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A text that begins with `-` must not be taken for a flag.
    fn then(mut self, text: &str, word: &str) -> Self {
        let is_after_flag = self.0.rsplit(' ').next().is_some_and(|last| last.starts_with("--"));
        self.0.push_str(match (text.starts_with('-'), is_after_flag) {
            (true, true) => "=",
            (true, false) => " -- ",
            (false, _) => " ",
        });
        self.0.push_str(word);
        self
    }
}

impl From<&'static str> for CommandLine {
    fn from(words: &'static str) -> Self {
        Self::of(words)
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for CommandLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Lines are compared with what they should be.
impl<T: AsRef<str>> PartialEq<T> for CommandLine {
    fn eq(&self, other: &T) -> bool {
        self.0 == other.as_ref()
    }
}

/// Whether no shell finds anything to do in the word. zsh replaces a word that begins with `=`.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@+,=-".contains(&byte);
    !text.is_empty() && !text.starts_with('=') && text.bytes().all(is_plain)
}

/// The text as one word, in the one way in which the three shells agree: fish reads a backslash between quotes as the
/// beginning of an escape, and zsh may read two quotes there as one, so neither is ever inside.
fn quoted(text: &str) -> String {
    let (mut word, mut is_open) = (String::new(), false);
    for c in visible(text).chars() {
        let is_outside = matches!(c, '\'' | '\\');
        if is_open == is_outside {
            word.push('\'');
            is_open = !is_open;
        }
        if is_outside {
            word.push('\\');
        }
        word.push(c);
    }
    if is_open {
        word.push('\'');
    }
    if word.is_empty() { "''".into() } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        CommandLine::of("carnet history").word(text).to_string()
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_find_something_to_do() {
        for (text, expected) in [
            ("web", "web"),
            ("key=prod/Secret/db", "key=prod/Secret/db"),
            ("", "''"),
            ("a b", "'a b'"),
            ("x';touch$IFS/y;'", r"'x'\'';touch$IFS/y;'\'"),
            (r"a\b", r"'a'\\'b'"),
            (r"\'", r"\\\'"),
            ("~/x", "'~/x'"),
            ("=ls", "'=ls'"),
            ("{a,b}", "'{a,b}'"),
            ("!!", "'!!'"),
            ("a\u{1b}[2J\n", r"'a'\\'u{1b}[2J'\\'u{a}'"),
        ] {
            assert_eq!(line(text), format!("carnet history {expected}"), "{text}");
        }
    }

    #[test]
    fn no_text_becomes_a_flag() {
        assert_eq!(line("-y"), "carnet history -- -y");
        assert_eq!(CommandLine::of("--param").word("-x=1"), "--param=-x=1");
        assert_eq!(CommandLine::of("--allow-kube").quoted("get:Node:n1"), "--allow-kube 'get:Node:n1'");
    }
}
