//! Reads a Secret in which credentials were placed: a generated one back, or the whole without them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::SecretString;
use serde_json::Value;

use crate::document;
use crate::kubernetes::metadata::{self, CREDENTIALS, GENERATED};

use super::Placements;

/// The text that a component reads instead of a credential.
pub const REDACTED: &str = "<redacted>";

/// The value of a generated credential is not text any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the generated credential `{0}` is not text any more")]
pub struct NotText(pub String);

/// The generated credential that a Secret holds by this name. A key that is empty or not there holds none.
///
/// # Errors
/// [`NotText`] for what cannot be a credential.
pub fn generated(secret: &Value, name: &str) -> Result<Option<SecretString>, NotText> {
    let keys = metadata::annotation(secret, GENERATED).and_then(|text| document::json(text.as_bytes()).ok());
    let key = keys.as_ref().and_then(|keys| keys.get(name)?.as_str());
    let held = key.and_then(|key| secret.get("data")?.get(key)?.as_str()).filter(|text| !text.is_empty());
    let text = held.map(|held| BASE64.decode(held).ok().and_then(|bytes| String::from_utf8(bytes).ok()));
    text.map(|text| text.map(SecretString::from).ok_or_else(|| NotText(name.to_owned()))).transpose()
}

/// `secret` as a component may read it: without the values that the host put there.
pub fn redacted(mut secret: Value) -> Value {
    let annotation = metadata::annotation(&secret, CREDENTIALS);
    let placed = annotation.and_then(|text| document::json_as(text.as_bytes()).ok());
    let keys: BTreeSet<String> =
        placed.map(|(placed, _): (Placements, _)| placed.into_keys().collect()).unwrap_or_default();
    for (member, value) in [("data", BASE64.encode(REDACTED)), ("stringData", REDACTED.to_owned())] {
        if let Some(Value::Object(values)) = secret.get_mut(member) {
            for (_, held) in values.iter_mut().filter(|(key, _)| keys.contains(*key)) {
                *held = value.clone().into();
            }
        }
    }
    secret
}
