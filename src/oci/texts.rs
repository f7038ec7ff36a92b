//! Reads texts out of an object of JSON, by the names of its members: what all parts of OCI documents consist of.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Malformed;

/// A text that must be there.
pub(super) fn text(members: &Map<String, Value>, name: &str) -> Result<String, Malformed> {
    optional_text(members, name)?.ok_or_else(|| Malformed::Member(name.into()))
}

/// A text that may be left out.
pub(super) fn optional_text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, Malformed> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Malformed::Member(name.into())),
    }
}

/// A map of texts; empty where it is left out.
pub(super) fn texts(members: &Map<String, Value>, name: &str) -> Result<BTreeMap<String, String>, Malformed> {
    let wrong = || Malformed::Member(name.into());
    let Some(value) = members.get(name) else { return Ok(BTreeMap::new()) };
    let entries = value.as_object().ok_or_else(wrong)?.iter();
    entries.map(|(name, value)| Ok((name.clone(), value.as_str().ok_or_else(wrong)?.to_owned()))).collect()
}
