//! `carnet grant new`.

use std::path::PathBuf;

use crate::cli::exit::{self, Code};
use crate::cli::{Context, inputs};
use crate::operations::grant::new::{WrittenGrant, new};
use crate::reference::Reference;

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
    let written = context.wait(new(&args.reference, &context.bundles()))?;
    if let Some(file) = &args.to {
        inputs::write(file, written.text.as_str(), args.force)?;
        written.check(&inputs::text(file)?)?;
        context
            .ui
            .status(format_args!("Wrote `{}`. Read it, and take out what you do not want.", file.display()));
    }
    show(args, &written, context)?;
    Ok(exit::DONE)
}

fn show(args: &Args, written: &WrittenGrant, context: &Context) -> anyhow::Result<()> {
    match (context.ui.is_for_people(), &args.to) {
        (false, _) => context.ui.document("Grant", &written.grant),
        (true, None) => context.ui.yaml(&written.text),
        (true, Some(_)) => Ok(()),
    }
}
