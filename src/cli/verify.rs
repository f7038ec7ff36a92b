//! `carnet verify`.

use std::path::PathBuf;

use serde::Serialize;

use crate::digest::Digest;
use crate::reference::Reference;
use crate::verify::{Refusal, SignatureReport, Signer, TrustDecision, TrustPolicy, Verified};

use super::exit::{self, Code, Failure};
use super::inputs::{self, Trust};
use super::inspect::verdict;
use super::ui::{Page, Report, Tone};
use super::{Context, acquire};

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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    digest: Digest,
    trusted: bool,
    by: Vec<By>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    signatures: Vec<Signature>,
    #[serde(skip)]
    verdict: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct By {
    name: String,
    key_id: String,
}

/// What is said about one signature, here and in `inspect`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signature {
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    trusted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let fetched = acquire::fetched(&args.reference, context)?;
    let trust = trust(args, context)?;
    let now = inputs::now();
    let mut report = Verification {
        digest: fetched.digest(),
        trusted: false,
        by: Vec::new(),
        rule: None,
        reason: None,
        verdict: None,
        signatures: trust.policy.examine(&fetched, now).into_iter().map(Into::into).collect(),
    };
    match trust.policy.verify(fetched, now) {
        Ok(verified) => report.admit(&verified),
        Err(refusal) => {
            report.verdict = Some(verdict(&refusal));
            return refused(report, refusal, context);
        }
    }
    context.ui.report(&report)?;
    Ok(exit::DONE)
}

fn trust(args: &Args, context: &Context) -> anyhow::Result<Trust> {
    let Some(file) = &args.key else { return context.trust() };
    let policy = TrustPolicy::of_key(&inputs::text(file)?);
    let cannot_use = |error| anyhow::Error::from(error).context(format!("cannot use `{}`", file.display()));
    Ok(Trust { policy: policy.map_err(cannot_use)?, file: Some(file.clone()) })
}

/// The document tells everything, so the error is not a document of its own.
fn refused(mut report: Verification, refusal: Refusal, context: &Context) -> anyhow::Result<Code> {
    let failure = Failure::of(&refusal.into());
    report.reason = Some(failure.message.clone());
    context.ui.report(&report)?;
    context.ui.explain(&failure);
    Ok(failure.code)
}

impl Verification {
    fn admit(&mut self, verified: &Verified) {
        if let TrustDecision::Signed { rule, signers, .. } = verified.decision() {
            self.trusted = true;
            self.rule = Some(rule.clone());
            self.by = signers.iter().map(Into::into).collect();
        }
    }
}

impl From<&Signer> for By {
    fn from(signer: &Signer) -> Self {
        Self { name: signer.name.clone(), key_id: signer.key_id.clone() }
    }
}

impl From<SignatureReport> for Signature {
    fn from(report: SignatureReport) -> Self {
        Self {
            format: report.format,
            key_id: report.key_id,
            key: report.key,
            trusted: report.is_trusted,
            reason: report.reason,
        }
    }
}

impl Signature {
    /// A row for people.
    pub(super) fn row(&self) -> (Tone, &'static str, String) {
        let id = self.key_id.as_deref().map_or_else(String::new, |id| id.chars().take(12).collect());
        let key = match (&self.key, id.is_empty()) {
            (Some(name), _) => format!("key `{name}` ({id})"),
            (None, false) => format!("unknown key ({id})"),
            (None, true) => "unknown key".into(),
        };
        match (&self.reason, self.trusted) {
            (_, true) => (Tone::Good, "trusted", format!("{key}, {}", self.format)),
            (Some(reason), false) => {
                (Tone::Danger, "NOT TRUSTED", format!("{key}, {}: {reason}", self.format))
            }
            (None, false) => (Tone::Danger, "NOT TRUSTED", format!("{key}, {}", self.format)),
        }
    }
}

impl Report for Verification {
    const KIND: &'static str = "Verification";

    fn show(&self, page: &mut Page) {
        let (tone, word) = if self.trusted { (Tone::Good, "trusted") } else { (Tone::Danger, "NOT TRUSTED") };
        page.line("", Tone::Plain, &self.digest.to_string());
        page.line("", tone, &self.verdict(word));
        page.rows(&self.signatures.iter().map(Signature::row).collect::<Vec<_>>());
    }
}

impl Verification {
    fn verdict(&self, word: &str) -> String {
        match (&self.rule, &self.verdict) {
            (Some(rule), _) => format!("{word} by rule `{rule}`"),
            (None, Some(reason)) => format!("{word}: {reason}"),
            (None, None) => word.into(),
        }
    }
}
