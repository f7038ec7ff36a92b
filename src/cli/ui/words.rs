//! The words on a page, by who wrote them, and how they are broken into lines.

use std::fmt::Display;

use crate::document::visible;

/// Begins each line of a text from outside, and each line that goes on from the one above.
pub(super) const MARGIN: &str = "│ ";

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

/// The columns that a text takes on a terminal.
pub(super) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// `text` in lines of at most `width` columns, broken between words; a word that is too long is broken inside. At least
/// one line.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
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
        for c in word.chars() {
            let taken = columns(c.encode_utf8(&mut [0; 4]));
            if used + taken > width {
                lines.push(String::new());
                used = 0;
            }
            used += taken;
            push(&mut lines, c.encode_utf8(&mut [0; 4]));
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
        assert_eq!(wrapped("世界世界", 5), ["世界", "世界"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn what_came_from_outside_has_a_margin() {
        assert_eq!(Words::outside("a bc def").lines(6), ["│ a bc", "│ def"]);
        assert_eq!(Words::mixed("a bc def").lines(6), ["a bc", "│ def"]);
        assert_eq!(Words::mixed("a bc def").lines(8), ["a bc def"]);
        assert_eq!(Words::Own("a bc def").lines(6), ["a bc", "def"]);
    }
}
