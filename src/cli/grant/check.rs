//! `carnet grant check`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bundle::parameters;
use crate::capability::Requests;
use crate::capability::template::Names;
use crate::cli::exit::{self, Code, Failure};
use crate::cli::inputs::consent::ConsentArgs;
use crate::cli::inputs::parameters::ParameterArgs;
use crate::cli::ui::{Page, Report, Tone};
use crate::cli::{Context, acquire};
use crate::digest::Digest;
use crate::fetch::Fetched;
use crate::grant::{Shortfall, shortfall};
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
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The namespace that it would have
    #[arg(short, long, value_name = "NS", default_value = "default")]
    namespace: String,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    parameters: ParameterArgs,
}

#[derive(Serialize)]
struct Check {
    digest: Digest,
    covered: bool,
    missing: Vec<String>,
    optional: Vec<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let fetched = acquire::fetched(&args.reference, context)?;
    let bundle = fetched.bundle();
    let consent = args.consent.read()?;
    let terms = consent.terms(fetched.digest(), &Requests::of(bundle).map_err(Shortfall::from)?)?;
    let names = args.names(&fetched)?;
    match shortfall(bundle, fetched.component(), &terms, &names) {
        Ok(optional) => {
            context.ui.report(&Check {
                digest: fetched.digest(),
                covered: true,
                missing: Vec::new(),
                optional,
            })?;
            Ok(exit::DONE)
        }
        Err(Shortfall::Missing(missing)) => short(&fetched, missing, context),
        Err(other) => Err(other.into()),
    }
}

/// The document tells what is missing, so the error is not a document of its own.
fn short(fetched: &Fetched, missing: Vec<String>, context: &Context) -> anyhow::Result<Code> {
    let mut failure = Failure::of(&Shortfall::Missing(missing.clone()).into());
    failure.details.clear();
    context.ui.report(&Check { digest: fetched.digest(), covered: false, missing, optional: Vec::new() })?;
    context.ui.explain(&failure);
    Ok(failure.code)
}

impl Args {
    /// What `${…}` stands for in requests and grants.
    fn names(&self, fetched: &Fetched) -> anyhow::Result<Names> {
        let bundle = fetched.bundle();
        let given = self.parameters.read(bundle)?;
        let resolved = parameters::resolve(bundle, "install", &given, &BTreeMap::new())?;
        Ok(Names {
            installation: self.name.clone().unwrap_or_else(|| bundle.name().into()),
            namespace: self.namespace.clone(),
            parameters: resolved.values,
        })
    }
}

impl Report for Check {
    const KIND: &'static str = "GrantCheck";

    /// One line for each flag, however long: they are to be copied.
    fn show(&self, page: &mut Page) {
        for line in &self.missing {
            page.unwrapped(line);
        }
        if self.covered {
            page.line("", Tone::Good, "Everything that the bundle cannot do without is granted.");
        }
        if !self.optional.is_empty() {
            page.heading("Requested, but not needed");
        }
        for line in &self.optional {
            page.unwrapped(line);
        }
    }
}
