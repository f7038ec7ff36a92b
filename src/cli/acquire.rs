//! Brings a bundle here: from where a reference says to fetched, and on to verified.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::author::{self, Built};
use crate::digest::Digest;
use crate::fetch::{FetchError, Fetched, fetch};
use crate::reference::{LayoutReference, Reference};
use crate::verify::{Verified, dangerously_unsigned};

use super::{Context, act, inputs};

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
    let fetched = match act::runtime()?.block_on(fetch(reference)) {
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
    admitted(fetched(reference, context)?, unsigned, context)
}

/// Verifies a fetched bundle, or, where the operator says so, lets it pass unsigned.
///
/// # Errors
/// A [`crate::verify::Refusal`].
pub fn admitted(fetched: Fetched, unsigned: UnsignedArgs, context: &Context) -> anyhow::Result<Verified> {
    if unsigned.dangerous_unsigned {
        context
            .ui
            .danger(format_args!("{} is used without a check of who signed it.", short(fetched.digest())));
        return Ok(dangerously_unsigned(fetched)?);
    }
    let trust = context.trust()?;
    Ok(trust.policy.verify(fetched, inputs::now())?)
}

/// Builds a source directory into a layout that is gone when the handle is.
///
/// # Errors
/// [`author::AuthorError`], and when there is no place for temporary files.
pub fn build(directory: &Path, context: &Context) -> anyhow::Result<(TempDir, Built)> {
    context.ui.status(format_args!("Building `{}`.", directory.display()));
    let layout = temporary().context("there is no place for temporary files")?;
    let built = act::runtime()?.block_on(author::build(directory, layout.path(), None))?;
    Ok((layout, built))
}

/// A fetched bundle holds all of its bytes, so the layout need not outlive this.
fn built(directory: &Path, context: &Context) -> anyhow::Result<Fetched> {
    let (layout, built) = build(directory, context)?;
    for warning in built.warnings {
        context.ui.warning(warning);
    }
    let place =
        LayoutReference { directory: layout.path().to_owned(), tag: None, digest: Some(built.digest) };
    Ok(act::runtime()?.block_on(fetch(&Reference::Layout(place)))?)
}

fn temporary() -> io::Result<TempDir> {
    #[expect(clippy::disallowed_methods, reason = "what is built only to be looked at has to lie somewhere")]
    tempfile::tempdir()
}

fn short(digest: Digest) -> String {
    format!("sha256:{}", digest.short())
}
