//! Turns the text of a public key into a key that checks signatures.
//!
//! Two kinds are read, each in its one DER form and no other: P-256, which is what is written today, and pure Ed25519.
//! A key is known by the hash of these bytes, so one key under two names stays one key.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::pem;
use crate::digest::Digest;

/// The bytes before the 65 of an uncompressed P-256 point in a SubjectPublicKeyInfo (RFC 5480).
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

/// The bytes before the 32 of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const ED25519_PREFIX: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// A public key that may sign bundles.
#[derive(Clone)]
pub struct PublicKey {
    parsed: ParsedPublicKey,
    spki: Vec<u8>,
}

/// Why a text is not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPublicKey {
    /// The text is not PEM with the label that belongs there.
    #[error("the text is not PEM between `-----BEGIN {0}-----` and `-----END {0}-----`")]
    Pem(&'static str),
    /// The bytes are a key of another kind, or not in the one accepted form.
    #[error("the key is neither an uncompressed P-256 key nor an Ed25519 key")]
    Unsupported,
}

impl PublicKey {
    /// Reads a PEM `PUBLIC KEY`, as cosign and openssl write it.
    ///
    /// # Errors
    /// [`InvalidPublicKey`] for other labels, text around the key, and keys of other kinds.
    pub fn parse(pem: &str) -> Result<Self, InvalidPublicKey> {
        Self::from_der(pem::decode(pem, "PUBLIC KEY").ok_or(InvalidPublicKey::Pem("PUBLIC KEY"))?)
    }

    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`InvalidPublicKey::Unsupported`] for other keys, and for points that are not on the curve.
    pub fn from_der(spki: Vec<u8>) -> Result<Self, InvalidPublicKey> {
        let (algorithm, key): (&'static dyn VerificationAlgorithm, _) = match (spki.strip_prefix(P256), &spki)
        {
            (Some(point @ [4, ..]), _) if point.len() == 65 => (&ECDSA_P256_SHA256_ASN1, point),
            (_, spki) => match spki.strip_prefix(ED25519_PREFIX) {
                Some(key) if key.len() == 32 => (&ED25519, key),
                _ => return Err(InvalidPublicKey::Unsupported),
            },
        };
        let parsed = ParsedPublicKey::new(algorithm, key).map_err(|_| InvalidPublicKey::Unsupported)?;
        Ok(Self { parsed, spki })
    }

    /// The SHA-256 of the key's SubjectPublicKeyInfo: what tells one key from another.
    pub fn id(&self) -> Digest {
        Digest::of(&self.spki)
    }

    /// The hint of a Sigstore bundle at the key that made it.
    pub(super) fn hint(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.spki))
    }

    /// The key as PEM `PUBLIC KEY`.
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.spki)
    }

    /// Whether the holder of this key signed exactly these bytes.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.id()).finish()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

#[cfg(test)]
mod tests {
    use super::*;

    const COSIGN: &str = include_str!("../../tests/signatures/cosign.pub");

    // The public key of RFC 8032, section 7.1, test 2, and its signature over one byte.
    const RFC8032: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n-----END PUBLIC KEY-----";
    const RFC8032_SIGNATURE: &str =
        "kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA==";

    #[test]
    fn a_key_written_by_cosign_reads_and_prints_the_same() {
        let key = PublicKey::parse(COSIGN).unwrap();
        assert_eq!(key.to_pem(), COSIGN);
        assert_eq!(key.spki.len(), 91);
    }

    #[test]
    fn pure_ed25519_verifies() {
        let key = PublicKey::parse(RFC8032).unwrap();
        let signature = STANDARD.decode(RFC8032_SIGNATURE).unwrap();
        assert!(key.signed(&[0x72], &signature));
        assert!(!key.signed(&[0x73], &signature));
    }

    #[test]
    fn a_key_in_any_other_form_is_refused() {
        let key = PublicKey::parse(COSIGN).unwrap();
        let mut off_curve = key.spki.clone();
        off_curve[90] ^= 1;
        let mut longer = key.spki.clone();
        longer.push(0);
        for spki in [off_curve, longer, key.spki[..90].to_vec(), Vec::new()] {
            assert_eq!(PublicKey::from_der(spki), Err(InvalidPublicKey::Unsupported));
        }
    }

    #[test]
    fn text_beside_the_key_is_refused() {
        let label = Err(InvalidPublicKey::Pem("PUBLIC KEY"));
        assert_eq!(PublicKey::parse(&format!("{COSIGN}{COSIGN}")), label);
        assert_eq!(PublicKey::parse(&format!("x{COSIGN}")), label);
        assert_eq!(PublicKey::parse(&COSIGN.replace("PUBLIC", "PRIVATE")), label);
        assert_eq!(PublicKey::parse(&format!("{COSIGN}{}", " ".repeat(pem::MAX_PEM))), label);
    }
}
