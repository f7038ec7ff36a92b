//! `carnet grant`.

use clap::Subcommand;

use super::Context;
use super::exit::Code;

mod check;
mod new;

/// Write grants, and check them against bundles
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(new::Args),
    Check(Box<check::Args>),
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    match &args.verb {
        Verb::New(args) => new::run(args, context),
        Verb::Check(args) => check::run(args, context),
    }
}
