//! Turns a DSSE 1.0 envelope into its payload and its one signature, and a payload into the bytes that are signed for
//! it.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MAX_PAYLOAD, SignatureFault};

/// The one type of payload that is accepted: an in-toto statement.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope as it is on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

impl Envelope {
    /// The payload and its signature. Whether they belong together is not known yet.
    pub(super) fn parts(&self) -> Result<(Vec<u8>, Vec<u8>), SignatureFault> {
        let [signature] = &self.signatures[..] else {
            return Err(SignatureFault::Envelope(self.signatures.len()));
        };
        if self.payload_type != PAYLOAD_TYPE {
            return Err(SignatureFault::PayloadType(self.payload_type.clone()));
        }
        let payload = base64(&self.payload)?;
        if payload.len() > MAX_PAYLOAD {
            return Err(SignatureFault::TooLong(payload.len()));
        }
        Ok((payload, base64(&signature.sig)?))
    }

    /// The text of the payload, in base64.
    #[cfg(test)]
    pub(super) fn payload(self) -> String {
        self.payload
    }
}

/// An envelope around a payload.
pub(super) fn envelope(payload: &[u8], signature: &[u8]) -> Value {
    let encode = |bytes| general_purpose::STANDARD.encode::<&[u8]>(bytes);
    json!({
        "payload": encode(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{ "sig": encode(signature) }],
    })
}

/// The bytes that are signed for a payload (DSSE 1.0, PAE): type and payload, each with its length, so that neither can
/// run into the other.
pub(super) fn pre_authentication_encoding(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Both alphabets and missing padding are accepted, as the format demands of readers.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, SignatureFault> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    GeneralPurpose::new(&alphabet, config).decode(text).map_err(|_| SignatureFault::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<(Vec<u8>, Vec<u8>), SignatureFault> {
        serde_json::from_value::<Envelope>(value).unwrap().parts()
    }

    #[test]
    fn what_is_written_is_read() {
        let (payload, signature) = read(envelope(b"{}", b"\xff\xfe")).unwrap();
        assert_eq!((&payload[..], &signature[..]), (&b"{}"[..], &b"\xff\xfe"[..]));
    }

    #[test]
    fn both_alphabets_are_read_with_and_without_padding() {
        for text in ["+/8=", "+/8", "-_8=", "-_8"] {
            assert_eq!(base64(text).unwrap(), [0xfb, 0xff], "{text}");
        }
        for text in ["+_8", "a", "*", "aaaa=aaaa"] {
            assert!(matches!(base64(text), Err(SignatureFault::Base64)), "{text}");
        }
    }

    #[test]
    fn the_lengths_keep_type_and_payload_apart() {
        assert_eq!(pre_authentication_encoding(b"a b"), b"DSSEv1 28 application/vnd.in-toto+json 3 a b");
    }
}
