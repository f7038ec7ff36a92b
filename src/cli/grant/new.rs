//! `carnet grant new`.

use std::path::{Path, PathBuf};

use crate::capability::Requests;
use crate::cli::exit::{self, Code};
use crate::cli::{Context, acquire, inputs};
use crate::grant::spec::GrantFile;
use crate::reference::Reference;

use super::write;

/// Write a grant of everything that a bundle requests, for you to cut down
///
/// The author's reason stands beside each line as a comment. The grant is for the bundle of this digest and no other.
/// Paths of files are placeholders: say there which file the bundle gets.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet grant new layout:bundles/web
  carnet grant new layout:bundles/web --to grant.yaml")]
pub(in crate::cli) struct Args {
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Write into this file, rather than to stdout
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Overwrite the file if it is there
    #[arg(long, requires = "to")]
    force: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let fetched = acquire::fetched(&args.reference, context)?;
    let requests = Requests::of(fetched.bundle())?;
    let text = write::grant(fetched.bundle().name(), fetched.digest(), &requests);
    // What the loader would not take as it is meant must not look like a grant.
    let document = write::read_back(&text, &requests, Path::new(""))?;
    if let Some(file) = &args.to {
        inputs::write(file, &text, args.force)?;
        let written = inputs::text(file)?;
        write::read_back(&written, &requests, Path::new(""))?;
        context
            .ui
            .status(format_args!("Wrote `{}`. Read it, and take out what you do not want.", file.display()));
    }
    show(args, &text, &document, context)?;
    Ok(exit::DONE)
}

fn show(args: &Args, text: &str, document: &GrantFile, context: &Context) -> anyhow::Result<()> {
    match (context.ui.is_for_people(), &args.to) {
        (false, _) => context.ui.document("Grant", document),
        (true, None) => context.ui.text(text),
        (true, Some(_)) => Ok(()),
    }
}
