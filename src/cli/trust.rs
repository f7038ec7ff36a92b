//! `carnet trust`.

use clap::Subcommand;

use super::Context;
use super::exit::Code;

mod new;
mod show;

/// Write trust policies, and show the one that decides here
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(new::Args),
    Show(show::Args),
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    match &args.verb {
        Verb::New(args) => new::run(args, context),
        Verb::Show(args) => show::run(args, context),
    }
}
