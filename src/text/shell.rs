//! Command lines that are ready to be copied: every text that came from outside is one word, whatever is in it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandLine {
    text: String,
    /// Where the reader has to put something in, in order.
    blanks: Vec<(usize, Blank)>,
}

/// A word in our own words that stands for one of the reader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blank {
    /// The file of a new grant.
    Grant,
    /// The host of the registry that a bundle is in.
    Host,
    /// The client of a cluster, which may have to be told which one.
    Kubectl,
    /// The installation.
    Name,
    /// The file of a plan.
    Plan,
    /// Where a bundle is.
    Reference,
}

/// The stand-in for a blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filling {
    /// More than one word, or words of ours.
    Line(CommandLine),
    /// A text from outside, as one word.
    Word(String),
}

impl Blank {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Grant, Self::Host, Self::Kubectl, Self::Name, Self::Plan, Self::Reference];

    /// The word that stands for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Grant => "grant.yaml",
            Self::Host => "HOST",
            Self::Kubectl => "kubectl",
            Self::Name => "NAME",
            Self::Plan => "PLAN",
            Self::Reference => "REF",
        }
    }
}

impl CommandLine {
    /// A line that begins with these words of ours.
    pub fn of(words: &'static str) -> Self {
        Self { text: words.into(), blanks: blanks(words) }
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
    pub fn own(self, words: &'static str) -> Self {
        self.and(&Self::of(words))
    }

    /// The line with these words in the place of its blanks, as far as they are known.
    #[must_use]
    pub fn filled(&self, known: impl Fn(Blank) -> Option<Filling>) -> Self {
        let (mut line, mut copied) = (Self { text: String::new(), blanks: Vec::new() }, 0);
        for (at, blank) in &self.blanks {
            let Some(filling) = known(*blank) else { continue };
            line.text.push_str(self.text.get(copied..*at).unwrap_or_default());
            match filling {
                Filling::Word(text) => {
                    let word = if is_plain(&text) { text } else { quoted(&text) };
                    // A text that begins with `-` must not be taken for a flag.
                    line.text.push_str(if word.starts_with('-') { "-- " } else { "" });
                    line.text.push_str(&word);
                }
                Filling::Line(more) => line.text.push_str(&more.text),
            }
            copied = at + blank.word().len();
        }
        line.text.push_str(self.text.get(copied..).unwrap_or_default());
        line
    }

    /// The name of a member, for what stands in a document rather than in a shell.
    #[must_use]
    pub fn member(self, name: &'static str) -> Self {
        let mut line = self.own(name);
        line.text.push(':');
        line
    }

    /// A flag as what another flag says of something with a name: `--allow-kube 'get:Node:n1'` of `db` as
    /// `--dependency db:allow-kube=get:Node:n1`. What is no flag stays as it is.
    #[must_use]
    pub fn within(&self, flag: &'static str, name: &str) -> Self {
        let Some(own) = self.text.strip_prefix("--") else { return self.clone() };
        let value = own.split_once([' ', '=']).map(|(own, word)| format!("{own}={}", unquoted(word)));
        Self::of(flag).word(format_args!("{name}:{}", value.unwrap_or_else(|| own.to_owned())))
    }

    /// A line that goes on with another.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        let shift = self.text.len() + 1;
        self.text = format!("{} {}", self.text, more.text);
        self.blanks.extend(more.blanks.iter().map(|(at, blank)| (at + shift, *blank)));
        self
    }

    /// The line as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A text that begins with `-` must not be taken for a flag.
    fn then(mut self, text: &str, word: &str) -> Self {
        let is_after_flag = self.text.rsplit(' ').next().is_some_and(|last| last.starts_with("--"));
        self.text.push_str(match (text.starts_with('-'), is_after_flag) {
            (true, true) => "=",
            (true, false) => " -- ",
            (false, _) => " ",
        });
        self.text.push_str(word);
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
        f.write_str(&self.text)
    }
}

impl Serialize for CommandLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl JsonSchema for CommandLine {
    fn schema_name() -> Cow<'static, str> {
        "CommandLine".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A command line, or flags, as bash, zsh and fish read it.",
            "type": "string",
        })
    }
}

/// Lines are compared with what they should be.
impl<T: AsRef<str>> PartialEq<T> for CommandLine {
    fn eq(&self, other: &T) -> bool {
        self.text == other.as_ref()
    }
}

/// The blanks in words of ours.
fn blanks(words: &'static str) -> Vec<(usize, Blank)> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in words.split(' ') {
        found.extend(Blank::ALL.into_iter().filter(|blank| blank.word() == word).map(|blank| (at, blank)));
        at += word.len() + 1;
    }
    found
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

/// The text of a word that was quoted.
fn unquoted(word: &str) -> String {
    let (mut text, mut is_open) = (String::new(), false);
    let mut left = word.chars();
    while let Some(c) = left.next() {
        match c {
            '\'' => is_open = !is_open,
            '\\' if !is_open => text.extend(left.next()),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_of_something_with_a_name_says_what_it_said() {
        for (line, expected) in [
            (
                CommandLine::of("--allow-kube").quoted("apply:ConfigMap:prod/web-*"),
                "--dependency 'db/x:allow-kube=apply:ConfigMap:prod/web-*'",
            ),
            (
                CommandLine::of("--allow-file").quoted(r"it's \ a"),
                r"--dependency 'db/x:allow-file=it'\''s '\\' a'",
            ),
            (CommandLine::of("--param").word("-x=1"), "--dependency db/x:param=-x=1"),
            (CommandLine::of("--dangerous-wildcards"), "--dependency db/x:dangerous-wildcards"),
            (CommandLine::of("# refused by deny:").quoted("x"), "# refused by deny: 'x'"),
        ] {
            assert_eq!(line.within("--dependency", "db/x"), expected);
        }
    }

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

    #[test]
    fn blanks_of_ours_are_filled_and_words_of_others_stay() {
        let line = CommandLine::of("carnet upgrade").word("REF").own("REF -n").word("a NAME b").own("NAME");
        let known = |blank| match blank {
            Blank::Reference => Some(Filling::Word("layout:/a b".into())),
            _ => None,
        };
        assert_eq!(line.filled(known), "carnet upgrade REF 'layout:/a b' -n 'a NAME b' NAME");
        let both = CommandLine::of("see:").and(&CommandLine::of("carnet plan NAME REF --to FILE"));
        let filled = both.filled(|_| Some(Filling::Word("-x".into())));
        assert_eq!(filled, "see: carnet plan -- -x -- -x --to FILE");
        assert_eq!(filled.filled(|_| Some(Filling::Word("y".into()))), filled.as_str());
        let there = CommandLine::of("kubectl --context").word("a b");
        let line = CommandLine::of("kubectl create namespace").word("kubectl").own("&& kubectl get ns");
        assert_eq!(
            line.filled(|_| Some(Filling::Line(there.clone()))),
            "kubectl --context 'a b' create namespace kubectl && kubectl --context 'a b' get ns"
        );
    }
}
