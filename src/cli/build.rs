//! `carnet build`.

use std::path::PathBuf;

use serde::Serialize;

use crate::author::{self, Built};
use crate::reference::{LayoutReference, Reference};

use super::exit::{self, Code, Usage};
use super::ui::{Page, Report, Tone};
use super::{Context, act};

/// Build a bundle from a source directory into an OCI layout
///
/// The same directory gives the same digest on every machine. Bundles that the layout holds already stay in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet build web --to layout:bundles
  carnet build --to ./bundles --tag edge")]
pub(super) struct Args {
    /// The source directory, which holds `carnet.yaml`
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// The layout, which is made where there is none
    #[arg(long, value_name = "LAYOUT")]
    to: String,
    /// The bundle's tag in the layout; its version where none is given
    #[arg(long)]
    tag: Option<String>,
}

#[derive(Serialize)]
struct Build {
    reference: String,
    #[serde(flatten)]
    built: Summary,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Summary {
    digest: String,
    name: String,
    version: String,
    tag: String,
    component: String,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let layout = args.layout()?;
    let tag = args.tag.as_deref().or(layout.tag.as_deref());
    let built = act::runtime()?.block_on(author::build(&args.directory, &layout.directory, tag))?;
    let report = Build::of(built, layout);
    for warning in &report.warnings {
        context.ui.warning(warning);
    }
    context.ui.report(&report)?;
    Ok(exit::DONE)
}

impl Args {
    /// A layout, as a reference or a path.
    fn layout(&self) -> Result<LayoutReference, Usage> {
        let other = || Usage::new(format!("--to: `{}` is not a layout", self.to), "--to layout:DIR");
        match self.to.parse() {
            Ok(Reference::Layout(layout)) if layout.digest.is_none() => Ok(layout),
            Ok(Reference::Layout(_) | Reference::Archive(_) | Reference::Registry(_)) => Err(other()),
            Ok(Reference::Path(directory)) => Ok(LayoutReference { directory, tag: None, digest: None }),
            Err(_) => Ok(LayoutReference { directory: self.to.as_str().into(), tag: None, digest: None }),
        }
    }
}

impl Build {
    fn of(built: Built, layout: LayoutReference) -> Self {
        let reference = LayoutReference { tag: Some(built.tag.clone()), ..layout };
        Self {
            reference: Reference::Layout(reference).to_string(),
            warnings: built.warnings.iter().map(ToString::to_string).collect(),
            built: Summary {
                digest: built.digest.to_string(),
                name: built.name,
                version: built.version,
                tag: built.tag,
                component: built.component.to_string(),
            },
        }
    }
}

impl Report for Build {
    const KIND: &'static str = "Build";

    fn show(&self, page: &mut Page) {
        page.line("", Tone::Heading, &format!("{} {}", self.built.name, self.built.version));
        page.line("", Tone::Plain, &self.built.digest);
        page.line("", Tone::Plain, &self.reference);
    }
}
