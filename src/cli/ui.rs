//! Output for people and scripts: results on stdout, everything else on stderr.
//!
//! A result is one value that can be shown as a page for people or as exactly one document for scripts, so the two
//! never say different things.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use serde_json::Value;

use crate::document::visible;
use crate::grant::LoweredGuard;
use crate::operations::{Document, Listener, Notice, document};
use crate::text::{CommandLine, YamlText, json};

use super::Global;
use super::exit::{Detail, Failure};
use super::inputs;

mod words;
mod page;
mod pager;

pub use page::{Page, Tone};
pub use words::Words;
pub(in crate::cli) use words::{mixed, wrapped};

use pager::Pager;

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

    /// Whether nothing but results is wanted.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
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
        self.page(page)
    }

    /// Prints a result that may be long for people.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn long_report<R: Report>(&self, report: &R) -> anyhow::Result<()> {
        if !self.is_for_people() {
            return self.report(report);
        }
        let mut page = Page::new(self.is_verbose);
        report.show(&mut page);
        self.long_page(page)
    }

    /// Prints one document of this kind. The value must be a map.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn document(&self, kind: &str, value: &impl Serialize) -> anyhow::Result<()> {
        self.own_document(&document(kind, value)?)
    }

    /// Prints a document that says itself what it is.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn own_document(&self, document: &Value) -> anyhow::Result<()> {
        if self.format == Format::Yaml {
            let mut text = YamlText::default();
            text.document(document);
            return self.yaml(&text);
        }
        self.text(&(json::document(document) + "\n"))
    }

    /// Prints a page.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn page(&self, page: Page) -> anyhow::Result<()> {
        self.text(&page.into_text())
    }

    /// Prints a page beside the result: on stderr, where stdout is for a document.
    pub fn beside(&self, page: Page) {
        self.put(page.into_text().trim_end());
    }

    /// Prints a page that may be long: on a terminal as `git` does, a screen at a time.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn long_page(&self, page: Page) -> anyhow::Result<()> {
        let text = page.into_text();
        let color = match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stdout()),
            color => color,
        };
        let pager = Pager::of(inputs::raw_variable).filter(|_| io::stdout().is_terminal());
        match pager.is_some_and(|pager| pager.shows(&text, color != ColorChoice::Never)) {
            true => Ok(()),
            false => self.text(&text),
        }
    }

    /// Prints YAML.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn yaml(&self, text: &YamlText) -> anyhow::Result<()> {
        self.text(text.as_str())
    }

    /// Prints a value and nothing else. Who reads it in a program gets its bytes as they are; on a terminal, whatever
    /// could act on it is made visible.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn value(&self, value: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        let text = if stdout.is_terminal() { &shown(value) } else { value };
        let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        written.map_err(|error| Unwritten(error).into())
    }

    /// Prints a script of our own.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn script(&self, script: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(script).and_then(|()| stdout.flush());
        written.map_err(|error| Unwritten(error).into())
    }

    fn text(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| Unwritten(error).into())
    }

    /// Says how it goes, in a sentence.
    pub fn status(&self, sentence: impl Display) {
        if !self.is_quiet {
            self.say("", Tone::Plain, sentence);
        }
    }

    /// Says something that only who asked for details wants to know.
    pub fn detail(&self, sentence: impl Display) {
        if self.is_verbose {
            self.say("", Tone::Quiet, sentence);
        }
    }

    /// Warns.
    pub fn warning(&self, text: impl Display) {
        if !self.is_quiet {
            self.say(&format!("{} ", Tone::Caution.paint("warning:")), Tone::Plain, text);
        }
    }

    /// Says in red that a guard was lowered. Not even `--quiet` hides it.
    pub fn danger(&self, text: impl Display) {
        self.say("", Tone::Danger, format_args!("DANGER: {text}"));
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
        self.say(&format!("{} ", Tone::Danger.paint("error:")), Tone::Plain, &failure.message);
        for cause in &failure.causes {
            self.say("caused by: ", Tone::Plain, cause);
        }
        for detail in &failure.details {
            match detail {
                Detail::Command(line) => self.copied("  ", line),
                Detail::Said(text) => self.say("  ", Tone::Plain, text),
            }
        }
        if let Some(hint) = &failure.hint {
            self.copied(&format!("\n{} ", Tone::Good.paint("hint:")), hint);
        }
    }

    /// Whether somebody sees how far something has come.
    pub fn has_progress(&self) -> bool {
        !self.is_quiet && self.is_for_people() && console::Term::stderr().is_term()
    }

    /// Prints the document of an error, where one is wanted.
    ///
    /// # Errors
    /// [`Unwritten`] when stdout takes no more.
    pub fn failure_document(&self, failure: &Failure) -> anyhow::Result<()> {
        if self.is_for_people() { Ok(()) } else { self.document("Error", failure) }
    }

    /// A sentence. What does not fit on a line of the terminal goes on behind a margin, as on a page.
    fn say(&self, lead: &str, tone: Tone, text: impl Display) {
        let terminal = console::Term::stderr();
        let width = terminal.is_term().then(|| usize::from(terminal.size().1));
        let text = text.to_string();
        let is_short = width.is_some() && !self.is_verbose;
        let text = if is_short { words::shortened(&text) } else { text };
        self.put(&page::message(lead, tone, &text, width));
    }

    /// A line that is to be copied, so it is not broken.
    fn copied(&self, lead: &str, line: &CommandLine) {
        self.put(&format!("{lead}{line}"));
    }

    fn put(&self, text: &str) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // That nobody listens is no reason to stop.
        drop(writeln!(stderr, "{text}"));
    }
}

/// A value for a terminal, its lines as they are.
fn shown(value: &str) -> String {
    value.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

impl Listener for Ui {
    fn told(&self, notice: &Notice) {
        match notice {
            Notice::Building(_)
            | Notice::Compiling
            | Notice::DependencyThere { .. }
            | Notice::DependencyWanted { .. }
            | Notice::Returning(_) => self.status(notice),
            Notice::Development => self.danger(format_args!("{notice} ({})", LoweredGuard::Development)),
            Notice::Ignored(_) => self.detail(notice),
            Notice::OwnIdentity => self.danger(format_args!("{notice} ({})", LoweredGuard::OwnIdentity)),
            Notice::Unawaited => self.danger(format_args!("{notice} ({})", LoweredGuard::Unawaited)),
            Notice::Unsigned(_) => self.danger(notice),
            _ => self.warning(notice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_terminal_keeps_its_lines_and_nothing_else_acts() {
        assert_eq!(shown("one\ntwo\u{1b}[2J\r\u{9b}x\n"), "one\ntwo\\u{1b}[2J\\u{d}\\u{9b}x\n");
    }
}
