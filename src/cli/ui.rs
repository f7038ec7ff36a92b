//! Output for people and scripts: results on stdout, everything else on stderr.
//!
//! A result is one value that can be shown as a page for people or as exactly one document for scripts, so the two
//! never say different things.

use std::fmt::Display;
use std::io::{self, Write as _};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use crate::grant::LoweredGuard;
use crate::operations::{Document, Listener, Notice, document};

use super::Global;
use super::exit::Failure;

pub use page::{Page, Tone};

mod page;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A result of a verb.
pub trait Report: Document {
    /// Shows it to people.
    fn show(&self, page: &mut Page);
}

/// Where results and messages go.
#[derive(Debug, Clone)]
pub struct Ui {
    format: Format,
    color: ColorChoice,
    is_quiet: bool,
    is_verbose: bool,
}

/// Stdout took no more.
#[derive(Debug, thiserror::Error)]
#[error("the result cannot be written")]
pub struct Unwritten(#[source] pub io::Error);

impl Ui {
    /// As the flags say.
    pub fn new(global: &Global) -> Self {
        let color = match global.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { format: global.output, color, is_quiet: global.quiet, is_verbose: global.verbose }
    }

    /// Without flags, because they could not be read.
    pub fn plain(format: Format) -> Self {
        Self { format, color: ColorChoice::Auto, is_quiet: false, is_verbose: false }
    }

    /// Whether people read the results.
    pub fn is_for_people(&self) -> bool {
        self.format == Format::Table
    }

    /// Whether details are wanted.
    pub fn is_verbose(&self) -> bool {
        self.is_verbose
    }

    /// Prints a result.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn report<R: Report>(&self, report: &R) -> anyhow::Result<()> {
        if !self.is_for_people() {
            return self.document(R::KIND, report);
        }
        let mut page = Page::new(self.is_verbose);
        report.show(&mut page);
        self.text(&page.into_text())
    }

    /// Prints one document of this kind. The value must be a map.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn document(&self, kind: &str, value: &impl Serialize) -> anyhow::Result<()> {
        let document = document(kind, value)?;
        let text = match self.format {
            Format::Yaml => serde_saphyr::to_string(&document)?,
            Format::Json | Format::Table => format!("{document:#}\n"),
        };
        self.text(&text)
    }

    /// Prints text on stdout as it is. Whatever in it comes from a bundle has to be visible already.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn text(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| Unwritten(error).into())
    }

    /// Says how it goes, in a sentence.
    pub fn status(&self, sentence: impl Display) {
        if !self.is_quiet {
            self.say(&sentence.to_string());
        }
    }

    /// Says something that only who asked for details wants to know.
    pub fn detail(&self, sentence: impl Display) {
        if self.is_verbose {
            self.say(&Tone::Quiet.paint(&sentence.to_string()));
        }
    }

    /// Warns.
    pub fn warning(&self, text: impl Display) {
        if !self.is_quiet {
            self.say(&format!("{} {text}", Tone::Caution.paint("warning:")));
        }
    }

    /// Says in red that a guard was lowered. Not even `--quiet` hides it.
    pub fn danger(&self, text: impl Display) {
        self.say(&Tone::Danger.paint(&format!("DANGER: {text}")));
    }

    /// Says what went wrong on stderr, and as a document where one is wanted.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn failure(&self, failure: &Failure) -> anyhow::Result<()> {
        self.explain(failure);
        self.failure_document(failure)
    }

    /// Says what went wrong on stderr alone: for verbs whose result already tells.
    pub fn explain(&self, failure: &Failure) {
        self.say(&format!("{} {}", Tone::Danger.paint("error:"), failure.message));
        for cause in &failure.causes {
            self.say(&format!("caused by: {cause}"));
        }
        for detail in &failure.details {
            self.say(&format!("  {detail}"));
        }
        if let Some(hint) = &failure.hint {
            self.say(&format!("\n{} {hint}", Tone::Good.paint("hint:")));
        }
    }

    /// Prints the document of an error, where one is wanted.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn failure_document(&self, failure: &Failure) -> anyhow::Result<()> {
        if self.is_for_people() { Ok(()) } else { self.document("Error", failure) }
    }

    fn say(&self, text: &str) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // That nobody listens is no reason to stop.
        drop(writeln!(stderr, "{text}"));
    }
}

impl Listener for Ui {
    fn told(&self, notice: &Notice) {
        match notice {
            Notice::Building(_) | Notice::Returning(_) => self.status(notice),
            Notice::Ignored(_) => self.detail(notice),
            Notice::OwnIdentity => self.danger(format_args!("{notice} ({})", LoweredGuard::OwnIdentity)),
            Notice::Unsigned(_) => self.danger(notice),
            _ => self.warning(notice),
        }
    }
}
