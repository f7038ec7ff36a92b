//! Turns the bytes of a Sigstore bundle v0.3 into the statement that a key signed, and a digest and a key into such
//! bytes.
//!
//! Reading is in two steps: a [`SigstoreBundle`] knows signature and payload but not what the payload says, and only
//! [`SigstoreBundle::open`], which takes the keys, gives a [`Statement`].

use serde::Deserialize;
use serde_json::json;

use super::dsse::{self, Envelope, pre_authentication_encoding};
use super::statement::{self, ApprovalStatement, PREDICATE};
use super::{KeyError, PrivateKey, PublicKey, SignatureFault};
use crate::digest::Digest;
use crate::document;

pub use super::statement::Statement;

/// The media type of the bundle, and the artifact type of the OCI manifest that carries it.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// How earlier programs name the same form.
const EARLIER_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

/// Whether a media type is that of the form that is read here.
pub fn is_bundle(media_type: &str) -> bool {
    let plain: String = media_type.chars().filter(|c| !c.is_whitespace()).collect();
    [MEDIA_TYPE, EARLIER_MEDIA_TYPE].contains(&&*plain)
}

/// The longest bundle that is read, in bytes: the payload in base64, and room for what stands around it.
const MAX_BYTES: usize = 128 << 10;

/// A bundle whose signature has not been checked.
pub struct SigstoreBundle {
    payload: Vec<u8>,
    signature: Vec<u8>,
    hint: Option<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<Hint>,
}

#[derive(Deserialize)]
struct Hint {
    #[serde(default)]
    hint: String,
}

impl SigstoreBundle {
    /// Reads a bundle with exactly one signature.
    ///
    /// # Errors
    /// [`SignatureFault`] with what is wrong with its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureFault> {
        if bytes.len() > MAX_BYTES {
            return Err(SignatureFault::TooLong(bytes.len()));
        }
        // Members that are not known here, such as log entries, are not evidence of anything and change nothing.
        let (bundle, _) = document::json_as::<WireBundle>(bytes)?;
        if !is_bundle(&bundle.media_type) {
            return Err(SignatureFault::MediaType(bundle.media_type));
        }
        let (payload, signature) = bundle.dsse_envelope.parts()?;
        let hint = bundle.verification_material.public_key.and_then(|key| digest_of_hint(&key.hint));
        Ok(Self { payload, signature, hint })
    }

    /// The id of the key that the bundle claims to be signed with. It is for people; nothing follows from it.
    pub fn hint(&self) -> Option<Digest> {
        self.hint
    }

    /// The statement, if one of `keys` signed it, and the key that did.
    ///
    /// # Errors
    /// [`SignatureFault::OtherKey`], and [`SignatureFault::Malformed`] for a signed payload that is no statement.
    pub fn open<'k, K>(
        &self,
        keys: impl IntoIterator<Item = (K, &'k PublicKey)>,
    ) -> Result<(K, Statement), SignatureFault> {
        let message = pre_authentication_encoding(&self.payload);
        let (key, _) = keys
            .into_iter()
            .find(|(_, key)| key.signed(&message, &self.signature))
            .ok_or(SignatureFault::OtherKey(self.hint))?;
        Ok((key, Statement::parse(&self.payload)?))
    }
}

/// The bytes of a bundle in which `key` signs `digest`, with exactly the members that cosign knows: it passes over a
/// bundle that has others. There is no time in it: nobody could trust it.
///
/// # Errors
/// [`KeyError`] when the key cannot sign.
pub fn sign(digest: Digest, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    bundle_of(&statement::signed(digest), key)
}

/// The bytes of a bundle in which `key` approves a plan.
///
/// # Errors
/// [`KeyError`] when the key cannot sign.
pub fn approve(approval: &ApprovalStatement, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    bundle_of(&approval.written(), key)
}

fn bundle_of(payload: &str, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    let signature = key.sign(&pre_authentication_encoding(payload.as_bytes()))?;
    let bundle = json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": { "publicKey": { "hint": key.public().hint() } },
        "dsseEnvelope": dsse::envelope(payload.as_bytes(), &signature),
    });
    Ok(document::written(&bundle).into_bytes())
}

/// The annotations of the OCI manifest that carries a bundle, as cosign writes and looks for them.
pub fn annotations() -> [(&'static str, &'static str); 2] {
    [("dev.sigstore.bundle.content", "dsse-envelope"), ("dev.sigstore.bundle.predicateType", PREDICATE)]
}

fn digest_of_hint(hint: &str) -> Option<Digest> {
    let hex: String = dsse::base64(hint).ok()?.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}").parse().ok()
}

#[cfg(test)]
mod media_type_tests {
    use super::*;

    #[test]
    fn one_form_has_two_names_and_other_forms_are_none() {
        for name in [MEDIA_TYPE, EARLIER_MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json; version=0.3"]
        {
            assert!(is_bundle(name), "{name}");
        }
        for name in ["application/vnd.dev.sigstore.bundle+json;version=0.1", "application/json", ""] {
            assert!(!is_bundle(name), "{name}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLE: &str = include_str!("../../tests/signatures/bundle.sigstore.json");
    const SUBJECT: &[u8] = include_bytes!("../../tests/signatures/subject-manifest.json");
    const KEY: &str = include_str!("../../tests/signatures/cosign.pub");

    fn open(bundle: &str) -> Result<Statement, SignatureFault> {
        let key = PublicKey::parse(KEY).unwrap();
        SigstoreBundle::parse(bundle.as_bytes())?.open([((), &key)]).map(|((), statement)| statement)
    }

    fn payload() -> String {
        let (bundle, _) = document::json_as::<WireBundle>(BUNDLE.as_bytes()).unwrap();
        bundle.dsse_envelope.payload()
    }

    #[test]
    fn what_cosign_signed_is_accepted_for_its_digest_and_no_other() {
        let statement = open(BUNDLE).unwrap();
        assert!(statement.check(Digest::of(SUBJECT)).is_ok());
        assert!(matches!(statement.check(Digest::of(b"other")), Err(SignatureFault::OtherDigest)));
    }

    #[test]
    fn the_hint_is_the_id_of_the_key() {
        let envelope = SigstoreBundle::parse(BUNDLE.as_bytes()).unwrap();
        assert_eq!(envelope.hint(), Some(PublicKey::parse(KEY).unwrap().id()));
    }

    #[test]
    fn the_signed_bytes_are_those_that_the_vectors_name() {
        let bytes = pre_authentication_encoding(&dsse::base64(&payload()).unwrap());
        assert_eq!(bytes.len(), 241);
        assert_eq!(
            Digest::of(&bytes).hex(),
            "1b3757cc0018fa733635e796fc3c32c40761fc74c91727ba486aa6aaea99d642"
        );
    }

    #[test]
    fn a_changed_payload_or_signature_is_by_no_known_key() {
        let changed = payload().replacen("eyJ", "eyI", 1);
        assert!(matches!(
            open(&BUNDLE.replace(&payload(), &changed)),
            Err(SignatureFault::OtherKey(Some(_)))
        ));
        assert!(matches!(open(&BUNDLE.replace("MEYCIQ", "MEYCIR")), Err(SignatureFault::OtherKey(Some(_)))));
    }

    #[test]
    fn two_signatures_or_none_are_refused() {
        let two = BUNDLE.replace("[{\"sig\"", "[{\"sig\":\"\"},{\"sig\"");
        assert!(matches!(open(&two), Err(SignatureFault::Envelope(2))));
        let start = BUNDLE.find("[{").unwrap();
        let none = format!("{}[]}}}}", &BUNDLE[..start]);
        assert!(matches!(open(&none), Err(SignatureFault::Envelope(0))));
    }

    #[test]
    fn another_payload_type_is_refused() {
        let other = BUNDLE.replace("application/vnd.in-toto+json", "application/json");
        assert!(
            matches!(open(&other), Err(SignatureFault::PayloadType(found)) if found == "application/json")
        );
    }

    #[test]
    fn another_media_type_is_refused() {
        let other = BUNDLE.replace("v0.3", "v0.4");
        assert!(matches!(open(&other), Err(SignatureFault::MediaType(_))));
    }

    #[test]
    fn empty_cut_garbage_and_oversized_bundles_are_refused() {
        assert!(matches!(open(""), Err(SignatureFault::Malformed(_))));
        assert!(matches!(open(&BUNDLE[..300]), Err(SignatureFault::Malformed(_))));
        assert!(matches!(open("[]"), Err(SignatureFault::Malformed(_))));
        assert!(matches!(open(&" ".repeat(MAX_BYTES + 1)), Err(SignatureFault::TooLong(_))));
        assert!(matches!(open(&BUNDLE.replace("MEYCIQ", "*")), Err(SignatureFault::Base64)));
        let long = BUNDLE.replace(&payload(), &"AAAA".repeat(super::super::MAX_PAYLOAD / 3 + 1));
        assert!(matches!(open(&long), Err(SignatureFault::TooLong(_))));
    }

    #[test]
    fn what_is_written_is_read_with_the_id_of_its_key() {
        let key = PrivateKey::generate().unwrap();
        let other = PrivateKey::generate().unwrap();
        let bundle = SigstoreBundle::parse(&sign(Digest::of(SUBJECT), &key).unwrap()).unwrap();
        assert_eq!(bundle.hint(), Some(key.public().id()));
        let (found, statement) = bundle.open([("other", other.public()), ("key", key.public())]).unwrap();
        assert_eq!(found, "key");
        assert!(statement.check(Digest::of(SUBJECT)).is_ok());
        assert!(matches!(bundle.open([((), other.public())]), Err(SignatureFault::OtherKey(Some(_)))));
        assert!(matches!(bundle.open::<()>([]), Err(SignatureFault::OtherKey(Some(_)))));
    }
}
