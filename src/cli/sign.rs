//! `carnet sign`.

use std::path::PathBuf;

use serde::Serialize;

use crate::author::{self, Signed};
use crate::digest::Digest;
use crate::reference::Reference;
use crate::signature::PrivateKey;

use super::exit::{self, Code};
use super::inputs::password;
use super::ui::{Page, Report, Tone};
use super::{Context, act};

/// Sign a bundle in a layout
///
/// The signature is over the digest of the bundle's index, so it survives every copy. cosign reads it too. The password
/// of the key comes from COSIGN_PASSWORD, or is asked for on a terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carnet sign layout:bundles:1.0.0 --key keys/release.key")]
pub(super) struct Args {
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
    /// The private key, as `carnet key generate` and cosign make it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    digest: Digest,
    key_id: Digest,
    is_new: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let key = PrivateKey::read(&args.key, &password::known()?)?;
    let Signed { digest, key_id, is_new } = act::runtime()?.block_on(author::sign(&args.reference, &key))?;
    context.ui.report(&Signature { digest, key_id, is_new })?;
    Ok(exit::DONE)
}

impl Report for Signature {
    const KIND: &'static str = "Signature";

    fn show(&self, page: &mut Page) {
        page.line("", Tone::Plain, &self.digest.to_string());
        let what = if self.is_new { "signed" } else { "was signed already" };
        page.line("", Tone::Plain, &format!("{what} by key {}", self.key_id.hex()));
    }
}
