//! The words on a page, by who wrote them, and how they are broken into lines.

use std::fmt::Display;

use crate::document::visible;

/// Begins each line of a text from outside, and each line that goes on from the one above.
pub(super) const MARGIN: &str = "│ ";

/// The beginning of a digest, how many digits follow it, and how many of them are shown.
const ALGORITHM: &str = "sha256:";
const DIGITS: usize = 64;
const SHORT_DIGITS: usize = 12;

/// Words on a page, by who wrote them. A text that is no constant of the program is not ours until somebody says in
/// which words it stands:
/// ```compile_fail
/// let description = String::from("a web server");
/// let words: carnet::cli::ui::Words = description.into();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// Ours, around text from outside. Lines on which they go on have the margin.
    Mixed(String),
    /// Text from outside, in a frame: every line has the margin.
    Outside(String),
    /// Ours alone.
    Own(&'static str),
}

/// Our own words around text from outside, as in `format!`.
macro_rules! mixed {
    ($($text:tt)*) => { $crate::cli::ui::Words::mixed(format_args!($($text)*)) };
}
pub(in crate::cli) use mixed;

impl Words {
    /// Our own words around text from outside. The words should come first.
    pub fn mixed(text: impl Display) -> Self {
        Self::Mixed(visible(&text.to_string()))
    }

    /// Text from outside, alone.
    pub fn outside(text: impl Display) -> Self {
        Self::Outside(visible(&text.to_string()))
    }

    /// The columns that they take on one line.
    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Mixed(text) => columns(text),
            Self::Outside(text) => columns(text) + columns(MARGIN),
            Self::Own(text) => columns(text),
        }
    }

    /// The columns of the longest word, and of the margin where they can go on below.
    pub(super) fn longest_word(&self) -> usize {
        let (text, margin) = match self {
            Self::Mixed(text) if text.contains(' ') => (text.as_str(), columns(MARGIN)),
            Self::Mixed(text) => (text.as_str(), 0),
            Self::Outside(text) => (text.as_str(), columns(MARGIN)),
            Self::Own(text) => (*text, 0),
        };
        text.split(' ').map(columns).max().unwrap_or(0) + margin
    }

    /// The words in lines of at most `width` columns, at least one.
    pub(super) fn lines(&self, width: usize) -> Vec<String> {
        let inner = width.saturating_sub(columns(MARGIN));
        match self {
            Self::Own(text) => wrapped(text, width),
            Self::Outside(text) => {
                wrapped(text, inner).iter().map(|line| format!("{MARGIN}{line}")).collect()
            }
            Self::Mixed(text) if columns(text) <= width => vec![text.clone()],
            Self::Mixed(text) => {
                let lines = wrapped(text, inner);
                let margin = |at: usize| if at == 0 { "" } else { MARGIN };
                lines.iter().enumerate().map(|(at, line)| format!("{}{line}", margin(at))).collect()
            }
        }
    }

    /// The words with their digests shortened: enough for people, who see them whole with `-v`.
    pub(super) fn shortened(self) -> Self {
        match self {
            Self::Mixed(text) => Self::Mixed(shortened(&text)),
            Self::Outside(text) => Self::Outside(shortened(&text)),
            Self::Own(text) => Self::Own(text),
        }
    }

    /// The words on one line.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Mixed(text) | Self::Outside(text) => text,
            Self::Own(text) => text.into(),
        }
    }
}

impl From<&'static str> for Words {
    fn from(text: &'static str) -> Self {
        Self::Own(text)
    }
}

/// A text with the first twelve digits of each digest in it.
pub(super) fn shortened(text: &str) -> String {
    let (mut short, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(ALGORITHM) {
        let (before, digest) = rest.split_at(at + ALGORITHM.len());
        let digits = digest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let kept = if digits == DIGITS { SHORT_DIGITS } else { digits };
        short.push_str(before);
        short.push_str(digest.get(..kept).unwrap_or_default());
        rest = digest.get(digits..).unwrap_or_default();
    }
    short + rest
}

/// The columns that a text takes on a terminal.
pub(super) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// The characters after which a word that is too long is broken: between parts of a name or a path.
const SEPARATORS: [char; 7] = ['.', '/', '-', ':', '@', ',', '_'];

/// `text` in lines of at most `width` columns, broken between words; a word that is too long is broken between its parts, and
/// a part that is too long anywhere. At least one line.
pub(in crate::cli) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut used, width) = (0, width.max(1));
    for word in text.split(' ') {
        if used > 0 && used + 1 + columns(word) > width {
            lines.push(String::new());
            used = 0;
        } else if used > 0 {
            used += 1;
            push(&mut lines, " ");
        }
        for part in word.split_inclusive(SEPARATORS) {
            if used > 0 && used + columns(part) > width {
                lines.push(String::new());
                used = 0;
            }
            for c in part.chars() {
                let taken = columns(c.encode_utf8(&mut [0; 4]));
                if used + taken > width {
                    lines.push(String::new());
                    used = 0;
                }
                used += taken;
                push(&mut lines, c.encode_utf8(&mut [0; 4]));
            }
        }
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("abcdefg h", 3), ["abc", "def", "g h"]);
        assert_eq!(wrapped("a dev.carnet.web.backup", 12), ["a", "dev.carnet.", "web.backup"]);
        assert_eq!(wrapped("/var/abcdefghij", 7), ["/var/", "abcdefg", "hij"]);
        assert_eq!(wrapped("世界世界", 5), ["世界", "世界"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn digests_are_shortened_and_nothing_else_is() {
        let (digest, other) = ("a1".repeat(32), "0".repeat(64));
        let text = format!("web@sha256:{digest} and sha256:{other}, of sha256:abc; sha256:{digest}0 sha256:");
        let expected = format!(
            "web@sha256:a1a1a1a1a1a1 and sha256:000000000000, of sha256:abc; sha256:{digest}0 sha256:"
        );
        assert_eq!(shortened(&text), expected);
        assert_eq!(
            Words::outside(format!("sha256:{other}")).shortened(),
            Words::outside("sha256:000000000000")
        );
    }

    #[test]
    fn what_came_from_outside_has_a_margin() {
        assert_eq!(Words::outside("a bc def").lines(6), ["│ a bc", "│ def"]);
        assert_eq!(Words::mixed("a bc def").lines(6), ["a bc", "│ def"]);
        assert_eq!(Words::mixed("a bc def").lines(8), ["a bc def"]);
        assert_eq!(Words::Own("a bc def").lines(6), ["a bc", "def"]);
    }
}
