//! Brings a bundle here: from where a reference says to fetched, and on to verified.

use std::path::Path;

use crate::digest::Digest;
use crate::fetch::{FetchError, Fetched, fetch};
use crate::reference::Reference;
use crate::verify::{Verified, dangerously_unsigned};

use super::Context;
use super::inputs;

/// Whether a bundle that nobody signed may be used.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct UnsignedArgs {
    /// Use a bundle of this machine although nobody signed it
    #[arg(long)]
    pub dangerous_unsigned: bool,
}

/// Fetches a bundle. A source directory is built first, into a place that is gone afterwards.
///
/// # Errors
/// [`FetchError`], or what is wrong with the source.
pub fn fetched(reference: &Reference, context: &Context) -> anyhow::Result<Fetched> {
    let fetched = match fetch(reference) {
        Err(FetchError::Source(directory)) => built(&directory, context)?,
        fetched => fetched?,
    };
    for warning in fetched.warnings() {
        context.ui.detail(format_args!("bundle.json: {warning}"));
    }
    Ok(fetched)
}

/// Fetches a bundle and verifies it by the trust policy, or, where the operator says so, lets it pass unsigned.
///
/// # Errors
/// As [`fetched`], and a [`crate::verify::Refusal`].
pub fn verified(
    reference: &Reference,
    unsigned: UnsignedArgs,
    context: &Context,
) -> anyhow::Result<Verified> {
    let fetched = fetched(reference, context)?;
    if unsigned.dangerous_unsigned {
        context
            .ui
            .danger(format_args!("{} is used without a check of who signed it.", short(fetched.digest())));
        return Ok(dangerously_unsigned(fetched)?);
    }
    let trust = context.trust()?;
    Ok(trust.policy.verify(fetched, inputs::now())?)
}

fn built(directory: &Path, context: &Context) -> anyhow::Result<Fetched> {
    context.ui.status(format_args!("Building `{}`.", directory.display()));
    anyhow::bail!(FetchError::Source(directory.into()))
}

fn short(digest: Digest) -> String {
    format!("sha256:{}", digest.short())
}
