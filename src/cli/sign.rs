//! `carnet sign`.

use std::path::PathBuf;

use crate::operations::sign::{Signature, sign};
use crate::reference::Reference;
use crate::signature::PrivateKey;

use super::Context;
use super::exit::{self, Code};
use super::inputs::password;
use super::ui::{Page, Report, Tone, Words, mixed};

/// Sign a bundle in a layout
///
/// The signature is over the digest of the bundle's index, so it survives every copy. cosign reads it too. The password
/// of the key comes from COSIGN_PASSWORD, or is asked for on a terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet sign layout:bundles:1.0.0 --key keys/release.key
  carnet sign registry.example/acme/web:1.0.0 --key keys/release.key")]
pub(super) struct Args {
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
    /// The private key, as `carnet key generate` and cosign make it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let key = PrivateKey::read(&args.key, &password::known()?)?;
    context.ui.report(&context.wait(sign(&args.reference, &key, &context.registries()))?)?;
    Ok(exit::DONE)
}

impl Report for Signature {
    fn show(&self, page: &mut Page) {
        page.whole("", Tone::Plain, Words::mixed(self.digest));
        let what = if self.is_new { "signed" } else { "was signed already" };
        page.line("", Tone::Plain, mixed!("{what} by key {}", self.key_id.hex()));
    }
}
