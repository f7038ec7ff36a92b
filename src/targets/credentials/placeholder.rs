//! Placeholders, which a component holds in the place of credentials, and the encodings in which they are filled.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::digest::Digest;
use crate::text::url::percent_encoded;

/// How placeholders begin; the credential's identity and an encoding follow.
pub(super) const MARK: &str = "carnet-credential-";

/// How a credential is written where its placeholder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// In base64.
    Base64,
    /// As the inside of a JSON string.
    Json,
    /// As it is.
    Raw,
    /// Percent-encoded for a URL.
    Url,
}

impl Encoding {
    pub(super) const ALL: [(Self, &str); 4] =
        [(Self::Base64, "base64"), (Self::Json, "json"), (Self::Raw, "raw"), (Self::Url, "url")];

    /// A credential in this encoding.
    pub(super) fn write(self, secret: &str) -> String {
        match self {
            Self::Base64 => BASE64.encode(secret),
            Self::Json => {
                let quoted = Value::from(secret).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Raw => secret.to_owned(),
            Self::Url => percent_encoded(secret),
        }
    }
}

/// The placeholder of a credential.
pub fn placeholder(name: &str, encoding: Encoding) -> String {
    let (_, word) = Encoding::ALL.iter().find(|(each, _)| *each == encoding).unwrap_or(&Encoding::ALL[0]);
    format!("{MARK}{}-{word}", identity(name))
}

/// The part of a placeholder that stands for the credential's name: stable from run to run, and not the name itself.
pub(super) fn identity(name: &str) -> String {
    Digest::of(format!("carnet credential {name}").as_bytes()).hex()[..32].to_owned()
}

/// Whether a placeholder stands anywhere in a value.
pub(super) fn mentions(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(MARK),
        Value::Array(items) => items.iter().any(mentions),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains(MARK) || mentions(value)),
        _ => false,
    }
}
