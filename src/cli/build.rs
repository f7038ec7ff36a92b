//! `carnet build`.

use std::path::PathBuf;

use crate::operations::build::{Build, LocalReference, build};
use crate::reference::{LayoutReference, Reference};

use super::Context;
use super::exit::{self, Code, Usage};
use super::ui::{Page, Report, Tone, Words, mixed};

/// Build a bundle from a source directory into an OCI layout or an archive
///
/// Builds are reproducible: a directory gives one digest on every machine. Bundles that the layout holds already stay
/// in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet build web --to layout:bundles
  carnet build --to ./bundles --tag edge
  carnet build web --to archive:web.tar")]
pub(super) struct Args {
    /// The source directory, which holds `carnet.yaml`
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// The layout, or `archive:FILE`, which is made where there is none
    #[arg(long, value_name = "LAYOUT")]
    to: String,
    /// The bundle's tag there; its version where none is given
    #[arg(long)]
    tag: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let built = context.wait(build(&args.directory, args.place()?, args.tag.as_deref()))?;
    for warning in &built.warnings {
        context.ui.warning(warning);
    }
    context.ui.report(&built)?;
    Ok(exit::DONE)
}

impl Args {
    /// A layout or an archive, as a reference or a path.
    fn place(&self) -> Result<LocalReference, Usage> {
        let other = || Usage::new(format!("--to: `{}` is not a layout", self.to), "--to layout:DIR");
        let layout = |directory| LayoutReference { directory, tag: None, digest: None };
        match self.to.parse() {
            Ok(Reference::Archive(archive)) if archive.digest.is_none() => {
                Ok(LocalReference::Archive(archive))
            }
            Ok(Reference::Layout(layout)) if layout.digest.is_none() => Ok(LocalReference::Layout(layout)),
            Ok(Reference::Layout(_) | Reference::Archive(_) | Reference::Registry(_)) => Err(other()),
            Ok(Reference::Path(directory)) => Ok(LocalReference::Layout(layout(directory))),
            Err(_) => Ok(LocalReference::Layout(layout(self.to.as_str().into()))),
        }
    }
}

impl Report for Build {
    fn show(&self, page: &mut Page) {
        page.line("", Tone::Heading, mixed!("{} {}", self.name, self.version));
        page.whole("", Tone::Plain, Words::mixed(&self.digest));
        page.line("", Tone::Plain, Words::mixed(&self.reference));
        let made = if self.is_made { ", a component made of the core module" } else { "" };
        let rows = [
            ("component", mixed!("{} ({} bytes{made})", self.file, self.size)),
            ("can call", Words::mixed(self.imports.join(", "))),
        ];
        page.rows(rows.into_iter().map(|(word, text)| (Tone::Plain, word, text)));
    }
}
