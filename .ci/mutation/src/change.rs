//! Changes as cargo-mutants lists them.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// A change that no test may pass over.
#[derive(Debug, Deserialize)]
pub struct Change {
    pub file: String,
    pub function: Option<Function>,
    pub genre: Genre,
    /// What it does, behind the place where it does it.
    pub name: String,
    pub replacement: String,
    pub span: Span,
}

#[derive(Debug, Deserialize)]
pub struct Function {
    pub return_type: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Genre {
    BinaryOperator,
    FnValue,
    MatchArm,
    MatchArmGuard,
    StructField,
    UnaryOperator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Span {
    pub start: Place,
    pub end: Place,
}

/// A place in a file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Change {
    /// The change without its line, which others move: `FILE: DESCRIPTION`.
    pub fn title(&self) -> String {
        let description = self.name.splitn(4, ':').nth(3).unwrap_or(&self.name);
        format!("{}:{description}", self.file)
    }

    /// The module that it is in, as names of tests begin.
    pub fn module(&self) -> String {
        self.file.trim_start_matches("src/").trim_end_matches(".rs").replace('/', "::")
    }
}

/// All changes of files below `src` whose paths begin so.
pub fn list(root: &Path, files: &[String]) -> Result<Vec<Change>, Box<dyn Error>> {
    let mut command = Command::new("cargo-mutants");
    command.args([
        "mutants",
        "--list",
        "--json",
        "--exclude",
        "src/**/tests.rs",
        "--exclude",
        "src/**/tests/**",
    ]);
    let listed = command.current_dir(root).output()?;
    if !listed.status.success() {
        return Err(String::from_utf8_lossy(&listed.stderr).into());
    }
    let mut changes: Vec<Change> = serde_json::from_slice(&listed.stdout)?;
    changes
        .retain(|change| files.iter().any(|file| change.file.trim_start_matches("src/").starts_with(file)));
    Ok(changes)
}
