//! Reads a Secret in which credentials were placed: a generated one back, or the whole without them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::document;
use crate::kubernetes::metadata::{CREDENTIALS, GENERATED, LAST_APPLIED};

use super::Placements;

/// The text that a component reads instead of a credential.
pub const REDACTED: &str = "<redacted>";

/// Why a generated credential cannot be found again. It is not made anew then: somebody may use it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unrecoverable {
    /// The annotation that says where it is cannot be read.
    #[error("the annotation that says where the generated credential `{0}` is cannot be read")]
    Annotation(String),
    /// The value is not text any more.
    #[error("the generated credential `{0}` is not text any more")]
    NotText(String),
}

/// The generated credential that a Secret holds by this name. A key that is empty or not there holds none.
///
/// # Errors
/// [`Unrecoverable`] for what cannot be a credential, and where it cannot be told whether there is one.
pub fn generated(secret: &Value, name: &str) -> Result<Option<SecretString>, Unrecoverable> {
    let unreadable = || Unrecoverable::Annotation(name.to_owned());
    let Some(keys) = annotated::<BTreeMap<String, String>>(secret, GENERATED).map_err(|()| unreadable())?
    else {
        return Ok(None);
    };
    let held = keys.get(name).and_then(|key| secret.get("data")?.get(key)).filter(|held| **held != "");
    let Some(held) = held else { return Ok(None) };
    let bytes = held.as_str().and_then(|held| BASE64.decode(held).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(|text| Some(text.into())).ok_or_else(|| Unrecoverable::NotText(name.to_owned()))
}

/// `secret` as a component may read it: without the values that the host put there. Where it cannot be told which those
/// are, without any.
pub fn redacted(mut secret: Value) -> Value {
    // Invariant: what cannot be read in deciding code is redacted, never skipped.
    let placed = annotated::<Placements>(&secret, CREDENTIALS).map(Option::unwrap_or_default);
    let is_hidden = |key: &str| placed.as_ref().map_or(true, |placed| placed.contains_key(key));
    let is_any = placed.as_ref().map_or(true, |placed| !placed.is_empty());
    for (member, word) in [("data", BASE64.encode(REDACTED)), ("stringData", REDACTED.to_owned())] {
        match secret.get_mut(member) {
            None | Some(Value::Null) => {}
            Some(Value::Object(values)) => {
                for (_, held) in values.iter_mut().filter(|(key, _)| is_hidden(key)) {
                    *held = word.clone().into();
                }
            }
            Some(odd) if is_any => *odd = word.into(),
            Some(_) => {}
        }
    }
    if let Some(Value::Object(annotations)) = secret.pointer_mut("/metadata/annotations") {
        annotations.remove(LAST_APPLIED);
    }
    secret
}

/// The document in an annotation of the host's own. None: there is no such annotation.
///
/// # Errors
/// When there is something in its place that cannot be read.
fn annotated<T: DeserializeOwned>(secret: &Value, key: &str) -> Result<Option<T>, ()> {
    let annotations = match secret.get("metadata").and_then(|metadata| metadata.get("annotations")) {
        None | Some(Value::Null) => return Ok(None),
        Some(annotations) => annotations.as_object().ok_or(())?,
    };
    let Some(annotation) = annotations.get(key) else { return Ok(None) };
    let text = annotation.as_str().ok_or(())?;
    let (read, unknown) = document::json_as(text.as_bytes()).map_err(|_| ())?;
    if unknown.is_empty() { Ok(Some(read)) } else { Err(()) }
}
