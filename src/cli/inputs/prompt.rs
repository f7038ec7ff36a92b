//! Reads a line from the terminal. Ctrl-C ends the question, and the terminal is as it was before, however the question ends.
//!
//! The terminal hands over each byte as it is typed, and no signal: one that ended the program there would leave it without an
//! echo.

use std::io::{Read as _, Write as _};

use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
};

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_U: u8 = 21;
const CTRL_BACKSLASH: u8 = 28;

/// The most bytes that are taken: who types more is no person.
const MAX_LINE: usize = 4096;

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Typed {
    /// A line, without its end.
    Line(String),
    /// Somebody pressed Ctrl-C.
    Stopped,
    /// The terminal cannot be read.
    Unreadable,
}

/// Ctrl-C was pressed at a question.
#[derive(Debug, thiserror::Error)]
#[error("stopped: nothing was changed")]
pub(in crate::cli) struct Stopped;

/// The terminal as it is while a question is asked. When this goes, it is as it was.
pub(in crate::cli) struct Question(Termios);

impl Question {
    /// Takes the terminal. What was typed before the question is not an answer to it. None: it is none.
    pub(in crate::cli) fn begin() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut asking = before.clone();
        asking.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        asking.special_codes[SpecialCodeIndex::VMIN] = 1;
        asking.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcflush(std::io::stdin(), QueueSelector::IFlush).ok()?;
        tcsetattr(std::io::stdin(), OptionalActions::Now, &asking).ok()?;
        Some(Self(before))
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // A terminal that is gone needs neither.
        if tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0).is_ok() {
            drop(writeln!(std::io::stderr()));
        }
    }
}

/// Asks, and reads the answer. Whoever looks on sees it only where it is no secret.
pub(in crate::cli) fn line(question: &str, is_secret: bool) -> Typed {
    let Some(_question) = Question::begin() else { return Typed::Unreadable };
    let mut shown = std::io::stderr();
    drop(write!(shown, "{question}"));
    drop(shown.flush());
    let bytes = std::io::stdin().lock().bytes().map_while(Result::ok);
    typed(bytes, |text| {
        if !is_secret {
            drop(write!(shown, "{text}"));
            drop(shown.flush());
        }
    })
}

/// The line that these bytes are. `echo` is told what to show.
fn typed(bytes: impl Iterator<Item = u8>, mut echo: impl FnMut(&str)) -> Typed {
    let mut line = Vec::with_capacity(MAX_LINE);
    for byte in bytes {
        match byte {
            CTRL_C | CTRL_BACKSLASH => return Typed::Stopped,
            b'\n' | b'\r' => break,
            CTRL_D if line.is_empty() => break,
            8 | 127 => {
                if let Some(last) = String::from_utf8_lossy(&line).chars().next_back() {
                    line.truncate(line.len().saturating_sub(last.len_utf8()));
                    echo("\u{8} \u{8}");
                }
            }
            CTRL_U => {
                let typed = String::from_utf8_lossy(&line).chars().count();
                echo(&"\u{8} \u{8}".repeat(typed));
                line.clear();
            }
            byte if byte < b' ' || line.len() == MAX_LINE => {}
            byte => {
                line.push(byte);
                if byte.is_ascii() {
                    echo(&char::from(byte).to_string());
                }
            }
        }
    }
    String::from_utf8(line).map_or(Typed::Unreadable, Typed::Line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Typed, String) {
        let mut shown = String::new();
        let typed = typed(bytes.iter().copied(), |text| shown.push_str(text));
        (typed, shown)
    }

    fn line(text: &str) -> Typed {
        Typed::Line(text.into())
    }

    #[test]
    fn a_line_is_what_was_typed_and_not_taken_back() {
        assert_eq!(read(b"yes\nno\n"), (line("yes"), "yes".into()));
        assert_eq!(read(b"yesx\x7f\r").0, line("yes"));
        assert_eq!(read("ä\u{7f}b\n".as_bytes()).0, line("b"), "a letter of two bytes is one");
        assert_eq!(read(b"\x7fa\n").0, line("a"), "there is nothing to take back");
        assert_eq!(read(b"no\x15yes\n").0, line("yes"));
        assert_eq!(read(b"a\x1b[A\tb\n").0, line("a[Ab"), "nothing that acts on a terminal is in it");
        assert_eq!(read(b"\x04").0, line(""));
        assert_eq!(read(b"").0, line(""), "the terminal is gone");
        assert_eq!(read(b"\xff\n").0, Typed::Unreadable);
    }

    #[test]
    fn ctrl_c_is_no_answer_whatever_was_typed_before() {
        assert_eq!(read(b"yes\x03\n").0, Typed::Stopped);
        assert_eq!(read(b"\x1c").0, Typed::Stopped);
    }

    #[test]
    fn of_what_no_person_types_the_beginning_is_taken() {
        let long = vec![b'a'; MAX_LINE + 10];
        assert_eq!(read(&long).0, line(&"a".repeat(MAX_LINE)));
    }
}
