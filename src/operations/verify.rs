//! Who signed a bundle, and whether the trust policy admits it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::digest::Digest;
use crate::document::visible;
use crate::reference::Reference;
use crate::verify::{Refusal, SignatureReport, Signer, TrustDecision, Verified};

use super::{Bundles, Document, Error};

/// Whether a bundle is trusted, and why.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The digest of the bundle.
    pub digest: Digest,
    /// Whether the trust policy admits it.
    pub trusted: bool,
    /// Whose signatures count.
    pub by: Vec<TrustedSigner>,
    /// The rule of the policy that admits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its signatures.
    pub signatures: Vec<SignatureVerdict>,
    /// Why it is refused.
    #[serde(skip)]
    pub refusal: Option<Refusal>,
}

/// Somebody whose signature counts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedSigner {
    /// The name that the policy has for the key.
    pub name: String,
    /// The digest of the key.
    pub key_id: String,
}

/// The verdict on one signature.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignatureVerdict {
    /// Its format.
    pub format: &'static str,
    /// The digest of the key, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The name that the policy has for the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it counts.
    pub trusted: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Document for Verification {
    const KIND: &'static str = "Verification";
}

/// Checks who signed a bundle, and whether the trust policy admits it. A refusal is a result, not an error.
///
/// # Errors
/// [`Error`] when it cannot be fetched, the trust policy cannot be used, or a trusted bundle's component cannot.
pub async fn verify(reference: &Reference, bundles: &Bundles) -> Result<Verification, Error> {
    let fetched = bundles.fetched(reference).await?;
    let (policy, now) = (bundles.policy()?, bundles.now);
    let (digest, signatures) = (fetched.digest(), policy.examine(&fetched, now));
    let signatures = signatures.into_iter().map(Into::into).collect();
    if fetched.is_opaque() {
        // It is not to be run, so whoever is trusted to have made it is all there is to say.
        return Ok(match policy.decide(&fetched, now) {
            Ok(decision) => Verification::by(digest, &decision, signatures),
            Err(refusal) => Verification::refused(digest, refusal, signatures),
        });
    }
    Ok(match policy.verify(fetched, now) {
        Ok(verified) => Verification::admitted(&verified, signatures),
        // That a component cannot be used is no matter of trust.
        Err(refusal @ Refusal::Component(_)) => return Err(refusal.into()),
        Err(refusal) => Verification::refused(digest, refusal, signatures),
    })
}

/// Why a bundle is refused, apart from the verdicts on single signatures.
pub fn verdict(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Signers { rule, threshold, found, .. } => {
            format!("rule `{rule}` wants {threshold} trusted, and {found} of the signatures count")
        }
        other => other.to_string(),
    }
}

impl Verification {
    fn refused(digest: Digest, refusal: Refusal, signatures: Vec<SignatureVerdict>) -> Self {
        let reason = Some(visible(&refusal.to_string()));
        Self {
            digest,
            trusted: false,
            by: Vec::new(),
            rule: None,
            reason,
            signatures,
            refusal: Some(refusal),
        }
    }

    fn admitted(verified: &Verified, signatures: Vec<SignatureVerdict>) -> Self {
        Self::by(verified.digest(), verified.decision(), signatures)
    }

    fn by(digest: Digest, decision: &TrustDecision, signatures: Vec<SignatureVerdict>) -> Self {
        let (rule, by) = match decision {
            TrustDecision::Signed { rule, signers, .. } => {
                (Some(rule.clone()), signers.iter().map(Into::into).collect())
            }
            TrustDecision::Unsigned => (None, Vec::new()),
        };
        let trusted = rule.is_some();
        Self { digest, trusted, by, rule, reason: None, signatures, refusal: None }
    }
}

impl From<&Signer> for TrustedSigner {
    fn from(signer: &Signer) -> Self {
        Self { name: signer.name.clone(), key_id: signer.key_id.clone() }
    }
}

impl From<SignatureReport> for SignatureVerdict {
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
