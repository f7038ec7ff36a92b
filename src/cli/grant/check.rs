//! `carnet grant check`.

use crate::cli::Context;
use crate::cli::exit::{self, Code};
use crate::cli::inputs::consent::ConsentArgs;
use crate::cli::inputs::parameters::ParameterArgs;
use crate::cli::ui::{Page, Report, Tone};
use crate::grant::Shortfall;
use crate::operations::grant::check::{GrantCheck, GrantCheckRequest, check};
use crate::reference::Reference;

/// Check whether grants cover what a bundle requests
///
/// Prints what is missing as flags that would grant it, and exits with 11 where something is. The bundle need not be
/// trusted; nothing of it runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carnet grant check layout:bundles/web --grants grant.yaml --name web -n prod")]
pub(in crate::cli) struct Args {
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
    /// The name that the installation would have; the bundle's where none is given
    #[arg(long, value_name = "NAME", value_parser = crate::cli::act::installation)]
    name: Option<String>,
    /// The namespace that it would have
    #[arg(short, long, value_name = "NS", default_value = "default")]
    namespace: String,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    parameters: ParameterArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let request = GrantCheckRequest {
        reference: args.reference.clone(),
        name: args.name.clone(),
        namespace: args.namespace.clone(),
        consent: args.consent.deferred(),
        parameters: args.parameters.deferred(),
    };
    let checked = context.wait(check(&request, &context.bundles()))?;
    context.ui.report(&checked)?;
    if checked.covered {
        return Ok(exit::DONE);
    }
    // The document tells what is missing, so the error is not a document of its own.
    let mut failure = context.failure(&Shortfall::Missing(checked.missing).into());
    failure.details.clear();
    context.ui.explain(&failure);
    Ok(failure.code)
}

impl Report for GrantCheck {
    /// One line for each flag, however long: they are to be copied.
    fn show(&self, page: &mut Page) {
        for line in &self.missing {
            page.command(line);
        }
        if self.covered && self.partial.is_empty() {
            page.line("", Tone::Good, "Everything that the bundle cannot do without is granted.");
        } else if self.covered {
            let text =
                "Of everything that the bundle cannot do without a part is granted, so a plan can be made.";
            page.line("", Tone::Good, text);
            page.heading("Left out: a plan that does any of this is not carried out");
        }
        for line in &self.partial {
            page.command(line);
        }
        if !self.optional.is_empty() {
            page.heading("Requested, but not needed");
        }
        for line in &self.optional {
            page.command(line);
        }
    }
}
