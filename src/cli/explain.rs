//! `carnet explain`.

use crate::operations::explain::{Explanation, Preparation, PreparationKind, explain};
use crate::reference::Reference;

use super::Context;
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, Words, mixed};

/// Print the commands for a bundle, from the first look to its removal
///
/// Each line can be pasted as it stands, one after the other, in a directory of your own, once what the page says is ready.
/// They hold the names of the bundle's
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
        if !self.prepare.is_empty() {
            page.heading("Have ready");
            page.rows(self.prepare.iter().map(|it| (Tone::Plain, Words::mixed(&it.name), ready(it))));
        }
        if !self.replace.is_empty() {
            page.heading("Replace below by values of yours");
            page.rows(self.replace.iter().map(|it| {
                let given = format!("{}={}", it.parameter, it.value);
                (Tone::Caution, Words::mixed(given), mixed!("{}", it.why))
            }));
        }
        for step in &self.steps {
            page.heading(mixed!("{}", step.purpose));
            for line in &step.lines {
                page.command(line);
            }
        }
    }
}

/// What has to be there, and why.
fn ready(it: &Preparation) -> Words {
    let kind = match it.kind {
        PreparationKind::Directory => "a directory of files of yours",
        PreparationKind::File => "a file of yours",
        PreparationKind::PublicKey => return mixed!("{}", it.why),
        PreparationKind::Variable => "a variable of the environment",
    };
    if it.why.is_empty() { kind.into() } else { mixed!("{kind}: {}", it.why) }
}
