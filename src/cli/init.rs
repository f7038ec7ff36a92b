//! `carnet init`.

use std::path::PathBuf;

use crate::operations::init::{SourceDirectory, init};

use super::Context;
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, mixed};

/// Make a source directory to start from
///
/// It holds a small installer in Rust that builds as it is, and the host API that it is written against.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carnet init web")]
pub(super) struct Args {
    /// A directory that is empty or not there yet
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    context.ui.report(&init(&args.directory)?)?;
    context.ui.status("Describe the bundle in `carnet.yaml`, then run `carnet build`.");
    Ok(exit::DONE)
}

impl Report for SourceDirectory {
    fn show(&self, page: &mut Page) {
        page.line("", Tone::Plain, mixed!("{} in {}", self.name, self.directory.display()));
    }
}
