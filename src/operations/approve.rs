//! Approves a plan that somebody else is to carry out, by a signature over its digest.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::document;
use crate::plan::Plan;
use crate::signature::{ApprovalStatement, PrivateKey, sigstore};
use crate::verify::{GivenApproval, MAX_VALIDITY};

use super::{API_VERSION, Document, Error};

/// The longest approval that is read, in bytes: a Sigstore bundle, and what stands around it.
pub const MAX_BYTES: usize = 160 << 10;

/// The approval of a plan. All but the signature is for people: what counts is what the key signed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The digest of the plan.
    pub plan: Digest,
    /// The digest of the key.
    pub key_id: Digest,
    /// When it was approved (RFC 3339).
    pub approved_at: String,
    /// When the approval ends (RFC 3339).
    pub expires_at: String,
    /// The signature: a Sigstore bundle v0.3 around an in-toto statement about the plan's digest.
    pub signature: Value,
    /// The file that it was read from, for people.
    #[serde(skip)]
    pub file: String,
}

/// Why a file is no approval.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableApproval {
    /// It is something else.
    #[error("it is not of `{API_VERSION}`, kind `Approval`: `carnet approve -o json` writes one")]
    Another,
    /// It is no document of this shape.
    #[error("it is not an approval")]
    Document(#[from] document::InvalidDocument),
}

impl Document for Approval {
    const KIND: &'static str = "Approval";
}

impl Approval {
    /// Reads an approval as it was printed.
    ///
    /// # Errors
    /// [`UnusableApproval`].
    pub fn read(bytes: &[u8]) -> Result<Self, UnusableApproval> {
        let mut value = document::json_within(bytes, MAX_BYTES)?;
        for (name, expected) in [("apiVersion", API_VERSION), ("kind", Self::KIND)] {
            let found = value.as_object_mut().and_then(|members| members.remove(name));
            if found != Some(Value::from(expected)) {
                return Err(UnusableApproval::Another);
            }
        }
        Ok(document::typed(value)?.0)
    }

    /// What counts of it: the signature.
    pub(super) fn given(&self) -> GivenApproval {
        GivenApproval { file: self.file.clone(), bytes: document::written(&self.signature).into_bytes() }
    }
}

/// The latest moment at which an approval made now may end.
fn end(now: Timestamp, valid_for: Duration) -> Result<Timestamp, Error> {
    let valid_for = SignedDuration::try_from(valid_for).map_err(|_| Error::Validity)?;
    let end = now.checked_add(valid_for).map_err(|_| Error::Validity)?;
    if valid_for.is_zero() || valid_for > MAX_VALIDITY { Err(Error::Validity) } else { Ok(end) }
}

/// Approves a plan, from now on for so long. Whoever calls this has shown it as
/// [`vouched_for`](Plan::vouched_for): what the digest does not cover is nothing that a signature could be about.
///
/// # Errors
/// [`Error::Validity`] for a time that is none, and [`Error::Key`] when the key cannot sign.
pub fn approve(
    plan: &Plan,
    key: &PrivateKey,
    now: Timestamp,
    valid_for: Duration,
) -> Result<Approval, Error> {
    let now = now.round(jiff::Unit::Second).unwrap_or(now);
    let stated = ApprovalStatement { plan: plan.digest, approved_at: now, expires_at: end(now, valid_for)? };
    let signature = sigstore::approve(&stated, key)?;
    Ok(Approval {
        plan: plan.digest,
        key_id: key.public().id(),
        approved_at: stated.approved_at.to_string(),
        expires_at: stated.expires_at.to_string(),
        signature: document::json(&signature).unwrap_or_default(),
        file: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_ends() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(end(now, Duration::from_secs(3600)).unwrap().to_string(), "2026-01-01T01:00:00Z");
        assert!(end(now, Duration::from_secs(90 * 86_400)).is_ok());
        let long = Duration::from_secs(90 * 86_400 + 1);
        for odd in [Duration::ZERO, long, Duration::MAX, Duration::from_secs(1 << 62)] {
            assert!(matches!(end(now, odd), Err(Error::Validity)), "{odd:?}");
        }
    }

    #[test]
    fn only_an_approval_is_one() {
        for text in ["", "[]", "{}", r#"{"apiVersion":"carnet.dev/v1alpha1","kind":"Plan"}"#] {
            assert!(Approval::read(text.as_bytes()).is_err(), "{text}");
        }
        let bare = r#"{"apiVersion":"carnet.dev/v1alpha1","kind":"Approval"}"#;
        assert!(matches!(Approval::read(bare.as_bytes()), Err(UnusableApproval::Document(_))));
    }
}
