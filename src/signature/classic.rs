//! Reads a signature in cosign's classic form ("simple signing"): the digest that a key signed.
//!
//! It is read, so that what is signed today can be installed, and never written: where both forms are found, cosign
//! looks only at the newer one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{MAX_PAYLOAD, PublicKey, SignatureFault};
use crate::digest::Digest;
use crate::document;

/// The media type of the payload.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation of the payload's layer that holds the signature in base64.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The type that every payload says it is of.
const TYPE: &str = "cosign container image signature";

/// A signed payload.
#[derive(Deserialize)]
pub struct Payload {
    critical: Critical,
}

/// The `identity` beside these is where it was signed: of no use, as bundles are copied.
#[derive(Deserialize)]
struct Critical {
    image: SignedImage,
    r#type: String,
}

#[derive(Deserialize)]
struct SignedImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// The payload, if one of `keys` signed it, and the key that did.
///
/// # Errors
/// [`SignatureFault::OtherKey`], and what is wrong with the form of either part.
pub fn open<'k, K>(
    payload: &[u8],
    signature: &str,
    keys: impl IntoIterator<Item = (K, &'k PublicKey)>,
) -> Result<(K, Payload), SignatureFault> {
    if payload.len() > MAX_PAYLOAD {
        return Err(SignatureFault::TooLong(payload.len()));
    }
    let signature = STANDARD.decode(signature).map_err(|_| SignatureFault::Base64)?;
    let (key, _) = keys
        .into_iter()
        .find(|(_, key)| key.signed(payload, &signature))
        .ok_or(SignatureFault::OtherKey(None))?;
    let (payload, _) = document::json_as(payload)?;
    Ok((key, payload))
}

impl Payload {
    /// Checks that this is a signature of `digest`.
    ///
    /// # Errors
    /// [`SignatureFault::Statement`] and [`SignatureFault::OtherDigest`].
    pub fn check(&self, digest: Digest) -> Result<(), SignatureFault> {
        if self.critical.r#type != TYPE {
            return Err(SignatureFault::Statement(self.critical.r#type.clone()));
        }
        if self.critical.image.digest == digest.to_string() {
            Ok(())
        } else {
            Err(SignatureFault::OtherDigest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = include_str!("../../tests/signatures/classic-payload.json");
    const MANIFEST: &str = include_str!("../../tests/signatures/classic-sig-manifest.json");
    const SUBJECT: &[u8] = include_bytes!("../../tests/signatures/subject-manifest.json");
    const KEY: &str = include_str!("../../tests/signatures/cosign.pub");

    fn signature() -> String {
        let manifest = document::json(MANIFEST.as_bytes()).unwrap();
        let path = "/layers/0/annotations/dev.cosignproject.cosign~1signature";
        manifest.pointer(path).unwrap().as_str().unwrap().to_owned()
    }

    fn opened(payload: &str, signature: &str) -> Result<Payload, SignatureFault> {
        let key = PublicKey::parse(KEY).unwrap();
        open(payload.as_bytes(), signature, [((), &key)]).map(|((), payload)| payload)
    }

    #[test]
    fn what_cosign_signed_is_accepted_for_its_digest_and_no_other() {
        let payload = opened(PAYLOAD, &signature()).unwrap();
        assert!(payload.check(Digest::of(SUBJECT)).is_ok());
        assert!(matches!(payload.check(Digest::of(b"other")), Err(SignatureFault::OtherDigest)));
    }

    #[test]
    fn a_payload_of_another_type_is_not_a_signature() {
        let mut payload = opened(PAYLOAD, &signature()).unwrap();
        payload.critical.r#type = "atomic container signature".into();
        assert!(matches!(payload.check(Digest::of(SUBJECT)), Err(SignatureFault::Statement(_))));
    }

    #[test]
    fn a_changed_payload_is_by_no_known_key_before_it_is_read() {
        assert!(matches!(opened("garbage", &signature()), Err(SignatureFault::OtherKey(None))));
        assert!(matches!(
            opened(&PAYLOAD.replace("086b", "086c"), &signature()),
            Err(SignatureFault::OtherKey(None))
        ));
        assert!(matches!(opened(PAYLOAD, "*"), Err(SignatureFault::Base64)));
        assert!(matches!(
            opened(&" ".repeat(MAX_PAYLOAD + 1), &signature()),
            Err(SignatureFault::TooLong(_))
        ));
    }
}
