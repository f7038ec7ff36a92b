//! Turns a signature in cosign's older form ("simple signing") into what a trusted key signed.
//!
//! It is read, so that what is signed today can be installed, and never written: where both forms are found, cosign
//! looks only at the newer one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Flaw;
use super::key::PublicKey;
use super::sigstore::MAX_PAYLOAD;
use crate::digest::Digest;
use crate::document;

/// What every payload says about itself.
const TYPE: &str = "cosign container image signature";

/// What a key signed.
#[derive(Deserialize)]
pub(super) struct Payload {
    critical: Critical,
}

/// The `identity` beside these is where it was signed: of no use, as bundles are copied.
#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// The payload, if one of `keys` signed it, and the key that did.
pub(super) fn open<'k, K>(
    payload: &[u8],
    signature: &str,
    keys: impl IntoIterator<Item = (K, &'k PublicKey)>,
) -> Result<(K, Payload), Flaw> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Flaw::TooLong(payload.len()));
    }
    let signature = STANDARD.decode(signature).map_err(|_| Flaw::Base64)?;
    let (key, _) =
        keys.into_iter().find(|(_, key)| key.signed(payload, &signature)).ok_or(Flaw::UnknownKey(None))?;
    let (payload, _) = document::json_as(payload)?;
    Ok((key, payload))
}

impl Payload {
    /// Checks that this is a signature of `digest`.
    pub(super) fn check(&self, digest: Digest) -> Result<(), Flaw> {
        if self.critical.r#type != TYPE {
            return Err(Flaw::Statement(self.critical.r#type.clone()));
        }
        if self.critical.image.digest == digest.to_string() { Ok(()) } else { Err(Flaw::OtherDigest) }
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

    fn opened(payload: &str, signature: &str) -> Result<Payload, Flaw> {
        let key = PublicKey::parse(KEY).unwrap();
        open(payload.as_bytes(), signature, [((), &key)]).map(|((), payload)| payload)
    }

    #[test]
    fn what_cosign_signed_is_accepted_for_its_digest_and_no_other() {
        let payload = opened(PAYLOAD, &signature()).unwrap();
        assert!(payload.check(Digest::of(SUBJECT)).is_ok());
        assert!(matches!(payload.check(Digest::of(b"other")), Err(Flaw::OtherDigest)));
    }

    #[test]
    fn a_payload_of_another_type_is_not_a_signature() {
        let mut payload = opened(PAYLOAD, &signature()).unwrap();
        payload.critical.r#type = "atomic container signature".into();
        assert!(matches!(payload.check(Digest::of(SUBJECT)), Err(Flaw::Statement(_))));
    }

    #[test]
    fn a_changed_payload_is_by_no_known_key_before_it_is_read() {
        assert!(matches!(opened("garbage", &signature()), Err(Flaw::UnknownKey(None))));
        assert!(matches!(
            opened(&PAYLOAD.replace("086b", "086c"), &signature()),
            Err(Flaw::UnknownKey(None))
        ));
        assert!(matches!(opened(PAYLOAD, "*"), Err(Flaw::Base64)));
        assert!(matches!(opened(&" ".repeat(MAX_PAYLOAD + 1), &signature()), Err(Flaw::TooLong(_))));
    }
}
