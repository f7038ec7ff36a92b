//! `carnet key`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::operations::sign::{KeyPair, generate_key};

use super::Context;
use super::exit::{self, Code};
use super::inputs::password;
use super::ui::{Page, Report, Tone, Words};

/// Make keys to sign bundles with
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Generate(Generate),
}

/// Make a key: PREFIX.key to sign with, PREFIX.pub to verify with
///
/// The files are cosign's. The private key is encrypted with a password: the one in COSIGN_PASSWORD, or one that is
/// asked for on a terminal. A key is never overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carnet key generate keys/release")]
struct Generate {
    /// Where the files go, without `.key` and `.pub`
    #[arg(value_name = "PREFIX")]
    prefix: PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let Verb::Generate(args) = &args.verb;
    context.ui.report(&generate_key(&args.prefix, &password::new()?)?)?;
    Ok(exit::DONE)
}

impl Report for KeyPair {
    fn show(&self, page: &mut Page) {
        page.rows([
            (Tone::Plain, "private", Words::mixed(&self.private)),
            (Tone::Plain, "public", Words::mixed(&self.public)),
            (Tone::Plain, "key id", Words::mixed(self.key_id.hex())),
        ]);
    }
}
