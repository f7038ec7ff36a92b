//! `carnet explain`.

use crate::operations::explain::{Explanation, explain};
use crate::reference::Reference;

use super::Context;
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, mixed};

/// Print the commands for a bundle, from the first look to its removal
///
/// Each line can be pasted as it stands, one after the other, in a directory of your own. They hold the names of the bundle's
/// parameters and credentials, and values that these may have. The target is a directory of manifests; write `--target kube` for
/// a cluster.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet explain layout:bundles/web
  carnet explain registry.example/acme/web:1.2")]
pub(super) struct Args {
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let explanation = context.wait(explain(&args.reference, &context.bundles()))?;
    context.ui.report(&explanation)?;
    Ok(exit::DONE)
}

impl Report for Explanation {
    fn show(&self, page: &mut Page) {
        page.line("", Tone::Plain, mixed!("{} {}", self.bundle.name, self.bundle.version));
        for step in &self.steps {
            page.heading(mixed!("{}", step.purpose));
            for line in &step.lines {
                page.command(line);
            }
        }
    }
}
