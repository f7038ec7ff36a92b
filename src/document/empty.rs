//! Takes out of a YAML text the documents that hold nothing: what stands before the first marker or after the last one is
//! often a comment, or nothing at all. To kubectl, too, these are none.

use std::borrow::Cow;

/// The text without empty documents before and after what it holds. Lines keep their numbers.
pub(super) fn without_empty(text: &str) -> Cow<'_, str> {
    let end = text.len() - empty_end(text);
    // A text of nothing but markers and comments is read as it is.
    let Some(held) = text.get(..end).filter(|held| !held.lines().all(is_nothing)) else { return text.into() };
    match empty_start(held) {
        0 => held.into(),
        start => {
            let lines = held.get(..start).unwrap_or_default().lines().count();
            format!("{}{}", "\n".repeat(lines), held.get(start..).unwrap_or_default()).into()
        }
    }
}

/// How many bytes at the end are a marker and what follows it, where that is nothing. Without a marker it may be part of
/// a text of several lines.
fn empty_end(text: &str) -> usize {
    let (mut passed, mut empty) = (0, 0);
    for line in text.split_inclusive('\n').rev() {
        passed += line.len();
        match is_marker(line) {
            true => empty = passed,
            false if is_nothing(line) => {}
            false => break,
        }
    }
    empty
}

/// How many bytes stand before the last of the markers that the text begins with.
fn empty_start(text: &str) -> usize {
    let (mut passed, mut empty, mut seen) = (0, 0, false);
    for line in text.split_inclusive('\n') {
        if is_marker(line) {
            empty = if seen { passed } else { 0 };
            seen = true;
        } else if !is_nothing(line) {
            break;
        }
        passed += line.len();
    }
    empty
}

/// Whether a line begins or ends a document, and holds nothing of it.
fn is_marker(line: &str) -> bool {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
    rest.is_some_and(|rest| {
        let is_apart = rest.is_empty() || rest.starts_with(char::is_whitespace);
        is_apart && is_nothing(rest)
    })
}

fn is_nothing(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_hold_nothing_are_none_and_lines_keep_their_numbers() {
        for (text, left) in [
            ("a: 1\n", "a: 1\n"),
            ("a: 1\n---\n", "a: 1\n"),
            ("a: 1\n...\n---\n# nothing\n", "a: 1\n"),
            ("a: 1\n--- # nothing\n\n---\n", "a: 1\n"),
            ("---\na: 1\n", "---\na: 1\n"),
            ("# c\n---\n# n\n---\na: 1\n", "\n\n\n---\na: 1\n"),
            ("# c\n%YAML 1.1\n---\na: 1\n...\n", "# c\n%YAML 1.1\n---\na: 1\n"),
            // A line that may belong to a text of several lines stays.
            ("a: |\n  b\n  # c\n\n", "a: |\n  b\n  # c\n\n"),
            ("a: |\n  b\n  ---\n", "a: |\n  b\n  ---\n"),
            ("a: 1\n---\nb: 2\n", "a: 1\n---\nb: 2\n"),
            ("a: 1\n---b\n", "a: 1\n---b\n"),
            ("--- a\n", "--- a\n"),
            ("", ""),
            ("# c\n---\n", "# c\n---\n"),
        ] {
            assert_eq!(without_empty(text), left, "{text:?}");
        }
    }
}
