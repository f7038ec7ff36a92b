//! `carnet verify`.

use std::path::{Path, PathBuf};

use crate::operations::Bundles;
use crate::operations::verify::{SignatureVerdict, Verification, verdict, verify};
use crate::reference::Reference;
use crate::verify::TrustPolicy;

use super::Context;
use super::exit::{self, Code};
use super::inputs;
use super::ui::{Page, Report, Tone, Words, mixed};

/// Check who signed a bundle, and whether you trust them
///
/// Exits with 0 when the bundle is trusted, and with 10 when it is not: no signature, none by a trusted key, no trust
/// policy, or bytes that are not what their digests say.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet verify layout:bundles/web
  carnet verify layout:bundles/web --key release.pub")]
pub(super) struct Args {
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Check against this public key alone
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let bundles = match &args.key {
        Some(file) => Bundles { policy: Ok(policy_of(file)?), ..context.bundles() },
        None => context.bundles(),
    };
    let verification = context.wait(verify(&args.reference, &bundles))?;
    context.ui.report(&verification)?;
    let Some(refusal) = verification.refusal else { return Ok(exit::DONE) };
    // The document tells everything, so the error is not a document of its own.
    let failure = context.failure(&refusal.into());
    context.ui.explain(&failure);
    Ok(failure.code)
}

/// A policy that trusts the key in this file alone.
fn policy_of(file: &Path) -> anyhow::Result<TrustPolicy> {
    let cannot_use = |error| anyhow::Error::from(error).context(format!("cannot use `{}`", file.display()));
    TrustPolicy::of_key(&inputs::text(file)?).map_err(cannot_use)
}

impl Report for Verification {
    fn show(&self, page: &mut Page) {
        let (tone, word) = if self.trusted { (Tone::Good, "trusted") } else { (Tone::Danger, "NOT TRUSTED") };
        page.whole("", Tone::Plain, Words::mixed(self.digest));
        let text = match (&self.rule, &self.refusal) {
            (Some(rule), _) => mixed!("{word} by rule `{rule}`"),
            (None, Some(refusal)) => mixed!("{word}: {}", verdict(refusal)),
            (None, None) => word.into(),
        };
        page.line("", tone, text);
        page.rows(self.signatures.iter().map(signature_row));
    }
}

/// A signature, as a row.
pub(super) fn signature_row(signature: &SignatureVerdict) -> (Tone, &'static str, Words) {
    let id = signature.key_id.as_deref().map_or_else(String::new, |id| id.chars().take(12).collect());
    let key = match (&signature.key, id.is_empty()) {
        (Some(name), _) => format!("key `{name}` ({id})"),
        (None, false) => format!("unknown key ({id})"),
        (None, true) => "unknown key".into(),
    };
    match (&signature.reason, signature.trusted) {
        (_, true) => (Tone::Good, "trusted", mixed!("{key}, {}", signature.format)),
        (Some(reason), false) => {
            (Tone::Danger, "NOT TRUSTED", mixed!("{key}, {}: {reason}", signature.format))
        }
        (None, false) => (Tone::Danger, "NOT TRUSTED", mixed!("{key}, {}", signature.format)),
    }
}
