//! Candidates for signatures: the bytes of one, and which key signed a digest by them.

use std::collections::BTreeMap;

use super::sigstore::SigstoreBundle;
use super::{PublicKey, SignatureFault, classic};
use crate::digest::Digest;
use crate::oci::{Descriptor, referrers};

/// The name of the list of signatures in errors.
pub(super) const LIST: &str = "the list of signatures";

/// A candidate for a signature of a digest.
#[derive(Debug)]
pub struct Evidence {
    pub(super) carrier: Descriptor,
    pub(super) content: Result<SignatureContent, String>,
    pub(super) is_classic: bool,
    /// All its blobs, to be stored with the signed document.
    pub(super) blobs: BTreeMap<Digest, Vec<u8>>,
}

/// The bytes that a signature consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureContent {
    /// A Sigstore bundle.
    Bundle(Vec<u8>),
    /// A payload and its signature in base64: cosign's classic form.
    Classic {
        /// The payload.
        payload: Vec<u8>,
        /// The signature.
        signature: String,
    },
}

impl Evidence {
    /// The digest of the OCI manifest that carries it.
    pub fn carrier(&self) -> Digest {
        self.carrier.digest
    }

    /// `sigstore-bundle` or `cosign-classic`.
    pub fn format(&self) -> &'static str {
        if self.is_classic { "cosign-classic" } else { "sigstore-bundle" }
    }

    /// Whether it is in the form that is written.
    pub fn is_sigstore(&self) -> bool {
        !self.is_classic
    }

    /// The bytes, or why they could not be read.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn content(&self) -> Result<&SignatureContent, &String> {
        self.content.as_ref()
    }

    /// The one of `keys` that signed `digest` by this.
    ///
    /// # Errors
    /// [`SignatureFault`] where none did.
    pub fn signer<'k, K>(
        &self,
        digest: Digest,
        keys: impl IntoIterator<Item = (K, &'k PublicKey)>,
    ) -> Result<K, SignatureFault> {
        match &self.content {
            Ok(SignatureContent::Bundle(bytes)) => {
                let (key, statement) = SigstoreBundle::parse(bytes)?.open(keys)?;
                statement.check(digest).map(|()| key)
            }
            Ok(SignatureContent::Classic { payload, signature }) => {
                let (key, payload) = classic::open(payload, signature, keys)?;
                payload.check(digest).map(|()| key)
            }
            Err(error) => Err(SignatureFault::Unreadable(error.clone())),
        }
    }

    /// The id of the key that it claims to be made with, which proves nothing.
    pub fn claimed(&self) -> Option<Digest> {
        match &self.content {
            Ok(SignatureContent::Bundle(bytes)) => SigstoreBundle::parse(bytes).ok()?.hint(),
            _ => None,
        }
    }
}

/// The tag where cosign keeps signatures in its classic form.
pub(super) fn classic_tag(subject: Digest) -> String {
    format!("{}.sig", referrers::fallback_tag(subject))
}
