//! Turns the bytes of a Sigstore bundle v0.3 into the statement that a trusted key signed.
//!
//! Reading is in two steps that cannot be swapped: an [`Envelope`] knows signature and payload but not what the payload
//! says, and only [`Envelope::open`], which takes the keys, gives a [`Statement`]. So nothing in an unsigned payload is
//! ever looked at.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::Flaw;
use super::key::PublicKey;
use crate::digest::Digest;
use crate::document;

/// The media type of the bundle, and the artifact type of the referrer that carries it.
pub(crate) use crate::fetch::SIGSTORE as MEDIA_TYPE;

/// What an in-toto statement must state to count as a signature. Anything else that the key's holder signed, say where
/// an artifact came from, is not consent to run it.
pub(crate) const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The type of payload in the envelope.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The type of statement in the payload.
pub(crate) const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// The longest payload that is read, in bytes. One that names a digest has 200; more could only cost time.
pub(crate) const MAX_PAYLOAD: usize = 64 << 10;

/// The longest bundle that is read, in bytes: the payload in base64, and room for what stands around it.
pub(crate) const MAX_BYTES: usize = 128 << 10;

/// A bundle whose signature has not been checked.
pub(crate) struct Envelope {
    payload: Vec<u8>,
    signature: Vec<u8>,
    hint: Option<Digest>,
}

/// What a key signed.
#[derive(Debug, Deserialize)]
pub(crate) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

#[derive(Debug, Deserialize)]
struct Subject {
    digest: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Dsse,
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

impl Envelope {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Flaw> {
        if bytes.len() > MAX_BYTES {
            return Err(Flaw::TooLong(bytes.len()));
        }
        // Members that are not known here, such as log entries, are not evidence of anything and change nothing.
        let (bundle, _) = document::json_as::<Bundle>(bytes)?;
        if bundle.media_type != MEDIA_TYPE {
            return Err(Flaw::MediaType(bundle.media_type));
        }
        let [signature] = &bundle.dsse_envelope.signatures[..] else {
            return Err(Flaw::Envelope(bundle.dsse_envelope.signatures.len()));
        };
        if bundle.dsse_envelope.payload_type != PAYLOAD_TYPE {
            return Err(Flaw::PayloadType(bundle.dsse_envelope.payload_type));
        }
        let payload = base64(&bundle.dsse_envelope.payload)?;
        if payload.len() > MAX_PAYLOAD {
            return Err(Flaw::TooLong(payload.len()));
        }
        let hint = bundle.verification_material.public_key.and_then(|key| digest_of_hint(&key.hint));
        Ok(Self { payload, signature: base64(&signature.sig)?, hint })
    }

    /// The id of the key that the bundle claims to be signed with. It is for people; nothing follows from it.
    pub(crate) fn hint(&self) -> Option<Digest> {
        self.hint
    }

    /// The statement, if one of `keys` signed it, and the key that did.
    pub(crate) fn open<'k, K>(
        &self,
        keys: impl IntoIterator<Item = (K, &'k PublicKey)>,
    ) -> Result<(K, Statement), Flaw> {
        let message = pre_authentication_encoding(&self.payload);
        let (key, _) = keys
            .into_iter()
            .find(|(_, key)| key.signed(&message, &self.signature))
            .ok_or(Flaw::UnknownKey(self.hint))?;
        let (statement, _) = document::json_as(&self.payload)?;
        Ok((key, statement))
    }
}

impl Statement {
    /// Checks that this is a signature, and one for `digest`. It may name other subjects too.
    pub(crate) fn check(&self, digest: Digest) -> Result<(), Flaw> {
        if self.kind != STATEMENT {
            return Err(Flaw::Statement(self.kind.clone()));
        }
        if self.predicate_type != PREDICATE {
            return Err(Flaw::Predicate(self.predicate_type.clone()));
        }
        let names = |subject: &Subject| subject.digest.get("sha256").is_some_and(|hex| *hex == digest.hex());
        if self.subject.iter().any(names) { Ok(()) } else { Err(Flaw::OtherDigest) }
    }
}

/// The bytes that are signed for a payload (DSSE 1.0, PAE): type and payload, each with its length, so that neither can
/// run into the other.
pub(crate) fn pre_authentication_encoding(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn digest_of_hint(hint: &str) -> Option<Digest> {
    let hex: String = base64(hint).ok()?.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}").parse().ok()
}

/// Both alphabets and missing padding are accepted, as the format demands of readers.
fn base64(text: &str) -> Result<Vec<u8>, Flaw> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    GeneralPurpose::new(&alphabet, config).decode(text).map_err(|_| Flaw::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLE: &str = include_str!("../../tests/signatures/bundle.sigstore.json");
    const SUBJECT: &[u8] = include_bytes!("../../tests/signatures/subject-manifest.json");
    const KEY: &str = include_str!("../../tests/signatures/cosign.pub");

    fn open(bundle: &str) -> Result<Statement, Flaw> {
        let key = PublicKey::parse(KEY).unwrap();
        Envelope::parse(bundle.as_bytes())?.open([((), &key)]).map(|((), statement)| statement)
    }

    fn payload() -> String {
        let (bundle, _) = document::json_as::<Bundle>(BUNDLE.as_bytes()).unwrap();
        bundle.dsse_envelope.payload
    }

    #[test]
    fn what_cosign_signed_is_accepted_for_its_digest_and_no_other() {
        let statement = open(BUNDLE).unwrap();
        assert!(statement.check(Digest::of(SUBJECT)).is_ok());
        assert!(matches!(statement.check(Digest::of(b"other")), Err(Flaw::OtherDigest)));
    }

    #[test]
    fn the_hint_is_the_id_of_the_key() {
        let envelope = Envelope::parse(BUNDLE.as_bytes()).unwrap();
        assert_eq!(envelope.hint(), Some(PublicKey::parse(KEY).unwrap().id()));
    }

    #[test]
    fn the_signed_bytes_are_those_that_the_vectors_name() {
        let bytes = pre_authentication_encoding(&base64(&payload()).unwrap());
        assert_eq!(bytes.len(), 241);
        assert_eq!(
            Digest::of(&bytes).hex(),
            "1b3757cc0018fa733635e796fc3c32c40761fc74c91727ba486aa6aaea99d642"
        );
    }

    #[test]
    fn a_changed_payload_or_signature_is_by_no_known_key() {
        let changed = payload().replacen("eyJ", "eyI", 1);
        assert!(matches!(open(&BUNDLE.replace(&payload(), &changed)), Err(Flaw::UnknownKey(Some(_)))));
        assert!(matches!(open(&BUNDLE.replace("MEYCIQ", "MEYCIR")), Err(Flaw::UnknownKey(Some(_)))));
    }

    #[test]
    fn two_signatures_or_none_are_refused() {
        let two = BUNDLE.replace("[{\"sig\"", "[{\"sig\":\"\"},{\"sig\"");
        assert!(matches!(open(&two), Err(Flaw::Envelope(2))));
        let start = BUNDLE.find("[{").unwrap();
        let none = format!("{}[]}}}}", &BUNDLE[..start]);
        assert!(matches!(open(&none), Err(Flaw::Envelope(0))));
    }

    #[test]
    fn another_payload_type_is_refused() {
        let other = BUNDLE.replace(PAYLOAD_TYPE, "application/json");
        assert!(matches!(open(&other), Err(Flaw::PayloadType(found)) if found == "application/json"));
    }

    #[test]
    fn another_media_type_is_refused() {
        let other = BUNDLE.replace("v0.3", "v0.4");
        assert!(matches!(open(&other), Err(Flaw::MediaType(_))));
    }

    #[test]
    fn empty_cut_garbage_and_oversized_bundles_are_refused() {
        assert!(matches!(open(""), Err(Flaw::Malformed(_))));
        assert!(matches!(open(&BUNDLE[..300]), Err(Flaw::Malformed(_))));
        assert!(matches!(open("[]"), Err(Flaw::Malformed(_))));
        assert!(matches!(open(&" ".repeat(MAX_BYTES + 1)), Err(Flaw::TooLong(_))));
        assert!(matches!(open(&BUNDLE.replace("MEYCIQ", "*")), Err(Flaw::Base64)));
        let long = BUNDLE.replace(&payload(), &"AAAA".repeat(MAX_PAYLOAD / 3 + 1));
        assert!(matches!(open(&long), Err(Flaw::TooLong(_))));
    }

    #[test]
    fn a_statement_of_something_else_is_not_a_signature() {
        let mut statement = open(BUNDLE).unwrap();
        statement.predicate_type = "https://slsa.dev/provenance/v1".into();
        assert!(matches!(statement.check(Digest::of(SUBJECT)), Err(Flaw::Predicate(_))));
        statement.predicate_type = PREDICATE.into();
        statement.kind = "https://in-toto.io/Statement/v0.1".into();
        assert!(matches!(statement.check(Digest::of(SUBJECT)), Err(Flaw::Statement(_))));
    }

    #[test]
    fn a_second_subject_counts_as_well() {
        let mut statement = open(BUNDLE).unwrap();
        let digest = [("sha256".to_owned(), Digest::of(b"second").hex())].into();
        statement.subject.push(Subject { digest });
        assert!(statement.check(Digest::of(b"second")).is_ok());
        assert!(statement.check(Digest::of(SUBJECT)).is_ok());
    }
}
