//! `carnet claims`.

use std::path::{Path, PathBuf};

use crate::operations::Document as _;
use crate::operations::claims::{ClaimList, ClaimsImported, ImportRequest, export, import};
use crate::text::{counted, json};

use super::act::{self, HomeArgs, TargetArgs};
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, mixed};
use super::{Context, inputs};

/// The namespace of an installation that nobody names one for.
const NAMESPACE: &str = "default";

/// Take the history of installations to other programs, and from them
///
/// Claims and results have the form of CNAB Claims 1.0.0, and are checked by its rules both ways.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet claims export web --to web.claims.json
  carnet claims import web.claims.json -n prod")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Export(Export),
    Import(Box<Import>),
}

/// Write the claims of an installation, or of all, with their results and outputs
///
/// Values that must not be shown are not written, nor places of this machine. Exits with 1 where a claim is left out.
#[derive(Debug, clap::Args)]
struct Export {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = act::installation)]
    name: Option<String>,
    /// Write to this file
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    home: HomeArgs,
}

/// Record claims of one installation as its history
///
/// FILE is what `carnet claims export` writes, a claim, or a list of claims and results. Nothing that is imported is a
/// grant, a signer or an object: nothing of it can be removed, and the next action is granted as that of a new
/// installation. The installation must not be there with other claims.
#[derive(Debug, clap::Args)]
struct Import {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    match &args.verb {
        Verb::Export(args) => run_export(args, context),
        Verb::Import(args) => run_import(args, context),
    }
}

fn run_export(args: &Export, context: &Context) -> anyhow::Result<Code> {
    let list = export(args.name.as_deref(), args.home.namespace(), &args.home.state(context)?)?;
    match &args.to {
        Some(file) => {
            write(&list, file)?;
            let count = counted(list.items.len(), "claim");
            context.ui.status(format_args!("Wrote `{}`: {count}.", file.display()));
        }
        None => context.ui.document(ClaimList::KIND, &list)?,
    }
    for line in &list.left_out {
        context.ui.status(format_args!("Left out: {line}"));
    }
    Ok(if list.left_out.is_empty() { exit::DONE } else { exit::ERROR })
}

fn write(list: &ClaimList, file: &Path) -> anyhow::Result<()> {
    inputs::write(file, &(json::document(&list.document()?) + "\n"), false)
}

fn run_import(args: &Import, context: &Context) -> anyhow::Result<Code> {
    let state = args.target.home.state(context)?;
    let place = args.target.destination();
    let place = place.named.get()?.as_ref().or(place.default.get()?.as_ref()).cloned();
    let namespace = args.target.home.namespace().or(state.namespace()).unwrap_or(NAMESPACE).to_owned();
    let request = ImportRequest { text: inputs::text(&args.file)?, place, namespace };
    let imported = import(&request, &state)?;
    context.ui.report(&imported)?;
    Ok(exit::DONE)
}

impl Report for ClaimsImported {
    fn show(&self, page: &mut Page) {
        match self.claims.len() {
            0 => page.line("", Tone::Plain, mixed!("{} has all of these claims.", self.name)),
            count => {
                let (count, name, namespace) = (counted(count, "claim"), &self.name, &self.namespace);
                page.line("", Tone::Good, mixed!("Imported {count} of {name} in {namespace}."));
            }
        }
        for value in &self.withheld {
            page.line("", Tone::Caution, mixed!("The {value} was not recorded, since it must not be shown."));
        }
    }
}
