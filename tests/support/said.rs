//! What a run of the program said.

use std::fmt;
use std::process::Output;

use serde_json::Value;

/// The end of a run of the program, with what it printed.
pub struct Said {
    pub code: i32,
    /// What it printed as a result, where that is JSON.
    pub document: Value,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let stdout = text(output.stdout);
        Self {
            code: output.status.code().unwrap_or(-1),
            document: serde_json::from_str(&stdout).unwrap_or_default(),
            stdout,
            stderr: text(output.stderr),
        }
    }

    /// Asserts how it ended.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Asserts that each of these is on one of the streams.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stdout.contains(text) || self.stderr.contains(text), "`{text}` is not in: {self}");
        }
        self
    }

    /// All that it printed.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The command that the hint of an error is.
    pub fn hint(&self) -> &str {
        self.stderr.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_default()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code {}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}
