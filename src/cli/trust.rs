//! `carnet trust`.

use clap::Subcommand;

use super::Context;
use super::exit::Code;

mod new;
mod show;
mod check;
mod explain;

/// Write trust policies, and say what the one that decides here demands
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(new::Args),
    Show(show::Args),
    Check(check::Args),
    Explain(explain::Args),
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    match &args.verb {
        Verb::New(args) => new::run(args, context),
        Verb::Show(args) => show::run(args, context),
        Verb::Check(args) => check::run(args, context),
        Verb::Explain(args) => explain::run(args, context),
    }
}
