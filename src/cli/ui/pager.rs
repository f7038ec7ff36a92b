//! Shows long pages a screen at a time, as `git` does: by the program that the user named for that, else by `less`.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// The options of `less`, unless the user has their own: it ends where one screen is enough, passes colours and nothing else
/// on, and leaves the page on the screen. `git` has the same.
const LESS: &str = "FRX";

/// The program that shows long pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pager {
    /// The command, for a shell.
    command: String,
    /// The user's settings for `less`.
    has_less: bool,
}

impl Pager {
    /// The pager by these variables of the environment: CARNET_PAGER, else PAGER, else `less`. None: an empty one, or `cat`,
    /// shows everything at once.
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let command = variable("CARNET_PAGER").or_else(|| variable("PAGER")).unwrap_or_else(|| "less".into());
        let has_less = variable("LESS").is_some();
        let is_one = !["", "cat"].contains(&command.trim());
        is_one.then_some(Self { command, has_less })
    }

    /// Shows a text. False: the program cannot be started, so it has to be printed.
    pub(super) fn shows(&self, text: &str, is_coloured: bool) -> bool {
        let text = if is_coloured { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() };
        self.shown(&text).is_ok()
    }

    fn shown(&self, text: &str) -> std::io::Result<()> {
        #[expect(clippy::disallowed_methods, reason = "the user has named it, as for git, or it is `less`")]
        let mut command = Command::new("sh");
        command.args(["-c", &self.command]).stdin(Stdio::piped());
        if !self.has_less {
            command.env("LESS", LESS);
        }
        let mut pager = command.spawn()?;
        if let Some(mut input) = pager.stdin.take() {
            // Whoever has seen enough leaves the pager, and it takes no more.
            drop(input.write_all(text.as_bytes()));
        }
        let ended = pager.wait()?;
        // A shell that finds no such program says 127, or 126 where it is none.
        match ended.code() {
            Some(126 | 127) => Err(std::io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(variables: &[(&str, &str)]) -> Option<Pager> {
        Pager::of(|name| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_pager_is_the_one_that_was_named() {
        let command = |variables: &[(&str, &str)]| pager(variables).map(|pager| pager.command);
        assert_eq!(command(&[]).as_deref(), Some("less"));
        assert_eq!(command(&[("PAGER", "more")]).as_deref(), Some("more"));
        assert_eq!(command(&[("PAGER", "more"), ("CARNET_PAGER", "most -s")]).as_deref(), Some("most -s"));
        for none in ["", " ", "cat"] {
            assert_eq!(command(&[("PAGER", "more"), ("CARNET_PAGER", none)]), None, "{none:?}");
        }
        assert!(pager(&[("LESS", "")]).is_some_and(|pager| pager.has_less));
    }

    #[test]
    fn one_who_leaves_early_is_no_failure_and_a_program_that_is_not_there_is_one() {
        let long = "x\n".repeat(100_000);
        let ran = |command: &str| Pager { command: command.into(), has_less: false }.shown(&long).is_ok();
        assert!(ran("head -n 1 > /dev/null"));
        assert!(ran("test \"$LESS\" = FRX && exit 3"));
        assert!(!ran("no-such-pager-anywhere 2> /dev/null"));
    }
}
