//! `carnet init`.

use std::path::PathBuf;

use crate::operations::init::{Language, SourceDirectory, init};

use super::Context;
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, mixed};

/// Make a source directory to start from
///
/// It holds a small installer that builds as it is, and the host API that it is written against. What to type next is
/// printed, up to the installed bundle.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet init web
  carnet init web --lang c")]
pub(super) struct Args {
    /// A directory that is empty or not there yet
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The language of the installer
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: LanguageArg,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LanguageArg {
    /// Built with clang.
    C,
    /// Built with componentize-qjs.
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    /// Built with componentize-py.
    Python,
    /// Built with cargo.
    Rust,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    context.ui.report(&init(&args.directory, args.lang.language())?)?;
    Ok(exit::DONE)
}

impl LanguageArg {
    fn language(self) -> Language {
        match self {
            Self::C => Language::C,
            Self::JavaScript => Language::JavaScript,
            Self::Python => Language::Python,
            Self::Rust => Language::Rust,
        }
    }
}

impl Report for SourceDirectory {
    fn show(&self, page: &mut Page) {
        page.line("", Tone::Plain, mixed!("{} in {}", self.name, self.directory.display()));
        page.heading("Build it and try it");
        self.attempt.iter().for_each(|line| page.command(line));
        page.heading("Sign it, and install it as others would");
        self.publish.iter().for_each(|line| page.command(line));
    }
}
