//! `carnet cache`: what is kept of registries.

use crate::operations::cache::{self, CacheCheck, CacheContents, CacheRemoval, CachedBundle};

use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, Words, mixed};
use super::{Context, inputs};

/// Show what is kept of registries, look whether it is whole, and make room
///
/// What came from a registry is kept by its digest, and not sent again. It is hashed whenever it is used, and what was not
/// of use for the longest time goes first. Installations lose nothing: they have what they need for themselves.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet cache list
  carnet cache prune --to 1Gi
  carnet pull registry.example/acme/web:1.2 && carnet plan web registry.example/acme/web:1.2 --offline")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List what is kept, the last used first
    List,
    /// Read all of it, and remove what is not what its digest says
    Verify,
    Prune(Prune),
    /// Remove all of it
    Clear,
}

/// Remove what was not of use for the longest time, and what never came whole
#[derive(Debug, clap::Args)]
struct Prune {
    /// How much may stay: bytes, or with `Ki`, `Mi` or `Gi`. Without it, as much as the configuration says
    #[arg(long, value_name = "SIZE", value_parser = inputs::store::size)]
    to: Option<u64>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let (store, directory) = inputs::store::opened(&inputs::Settings::load()?.cache)?;
    match &args.verb {
        Verb::List => {
            let directory = directory.display().to_string();
            context.ui.report(&context.wait(cache::list(&store, directory))?)?;
        }
        Verb::Verify => {
            let check = context.wait(cache::verify(&store))?;
            context.ui.report(&check)?;
            return Ok(if check.damaged.is_empty() { exit::DONE } else { exit::NOT_TRUSTED });
        }
        Verb::Prune(prune) => {
            let most = prune.to.unwrap_or(store.limit());
            context.ui.report(&context.wait(cache::prune(&store, most))?)?;
        }
        Verb::Clear => context.ui.report(&context.wait(cache::clear(&store))?)?,
    }
    Ok(exit::DONE)
}

impl Report for CacheContents {
    fn show(&self, page: &mut Page) {
        let sum = mixed!("{}: {} of {} bytes", &self.directory, self.bytes, self.limit);
        page.line("", Tone::Heading, sum);
        for blob in &self.items {
            let what = match (blob.partial, blob.shared) {
                (true, _) => ", not all of it",
                (false, true) => ", shared with an installation or a layout",
                (false, false) => "",
            };
            let line = mixed!("{} {} bytes{what}", blob.digest, blob.size);
            page.line("", Tone::Plain, line);
        }
    }
}

impl Report for CacheCheck {
    fn show(&self, page: &mut Page) {
        let damaged = self.damaged.len();
        page.line("", Tone::Heading, mixed!("{} blobs read, {} of them damaged", self.checked, damaged));
        for digest in &self.damaged {
            page.line("removed ", Tone::Caution, mixed!("{}", digest));
        }
    }
}

impl Report for CacheRemoval {
    fn show(&self, page: &mut Page) {
        page.line("", Tone::Heading, mixed!("{} blobs removed, {} bytes free", self.blobs, self.bytes));
    }
}

impl Report for CachedBundle {
    fn show(&self, page: &mut Page) {
        page.line("", Tone::Heading, Words::mixed(&self.reference));
        page.line("", Tone::Plain, mixed!("kept: {}", self.digest));
    }
}
