//! The history of installations in the form of CNAB Claims 1.0.0, to other programs and from them.
//!
//! An imported claim is history and decides nothing: no grant, no signer and no object comes with it, so an imported
//! installation has nothing that could be removed, and its next action is granted as that of a new one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::bundle::claim::Claim;
use crate::bundle::parameters::text_of;
use crate::bundle::{Bundle, Fault};
use crate::digest::Digest;
use crate::document::chain;
use crate::reference::Reference;
use crate::state::{IMPORTED, RecordedClaim, State};

use super::places::installation;
use super::{Document, Error};

mod import;

pub use import::{ClaimsImported, ImportRequest, import};

/// Where carnet says in a claim how it ran the action.
const RUN: &str = "dev.carnet.run";

/// Claims, each with its results and the values of its outputs.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimList {
    /// The claims of each installation, oldest first.
    pub items: Vec<ClaimEntry>,
    /// The claims that break the rules of CNAB, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub left_out: Vec<String>,
}

/// A claim, its results and the values of its outputs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ClaimEntry {
    /// The claim (CNAB Claims 1.0.0).
    #[schemars(with = "Map<String, Value>")]
    pub claim: Value,
    /// Its results (CNAB Claims 1.0.0), oldest first.
    #[schemars(with = "Vec<Map<String, Value>>")]
    pub results: Vec<Value>,
    /// The values of the outputs of its last result, but for those that must not be shown.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    pub outputs: BTreeMap<String, Value>,
}

impl Document for ClaimList {
    const KIND: &'static str = "ClaimList";
}

/// The claims of an installation, or of all.
///
/// # Errors
/// [`Error::State`] when the state cannot be read, or has no such installation.
pub fn export(name: Option<&str>, namespace: Option<&str>, state: &State) -> Result<ClaimList, Error> {
    let installations = match name {
        Some(name) => vec![installation(state, name, namespace)?.name],
        None => state
            .list()?
            .into_iter()
            .filter(|it| namespace.is_none_or(|namespace| it.namespace == namespace))
            .map(|it| it.name)
            .collect(),
    };
    let mut list = ClaimList::default();
    for name in installations {
        for recorded in state.claims(&name)? {
            match entry(recorded) {
                Ok(entry) => list.items.push(entry),
                Err(line) => list.left_out.push(line),
            }
        }
    }
    Ok(list)
}

/// A claim as others read it. One that breaks the rules is told in a line.
fn entry(recorded: RecordedClaim) -> Result<ClaimEntry, String> {
    let RecordedClaim { mut document, result, mut outputs } = recorded;
    let id = document.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let faults = |faults: Vec<Fault>| {
        let faults: Vec<_> = faults.iter().filter(|it| it.is_error()).map(Fault::to_string).collect();
        format!("claim {id}: {}", faults.join("; "))
    };
    let bundle = Claim::read(&document).map_err(faults)?.bundle;
    for_others(&mut document, &bundle);
    let claim = Claim::checked(&document).map_err(faults)?;
    outputs.retain(|name, _| !bundle.is_write_only_output(name));
    let result = result.map(|result| {
        let metadata = outputs.iter().map(|(name, value)| {
            let digest = Digest::of(text_of(Some(value)).as_bytes());
            (name.clone(), json!({ "contentDigest": digest }))
        });
        let mut written = json!({
            "id": result.stamp.id, "claimId": id, "created": result.stamp.created, "status": result.status,
            "outputs": metadata.collect::<Map<_, _>>(),
        });
        if let Some(message) = result.message {
            written["message"] = message.into();
        }
        written
    });
    let results: Vec<_> = result.into_iter().collect();
    for result in &results {
        drop(claim.result(result).map_err(faults)?);
    }
    Ok(ClaimEntry { claim: document, results, outputs })
}

/// Takes from a claim what is nobody else's: places and files of this machine, and values that must not be shown. Such
/// values are not stored in the first place.
fn for_others(document: &mut Value, bundle: &Bundle) {
    if let Some(Value::Object(custom)) = document.get_mut("custom") {
        custom.remove(IMPORTED);
    }
    if let Some(Value::Object(run)) = document.pointer_mut(&format!("/custom/{RUN}")) {
        run.remove("files");
        if let Some(Value::Object(terms)) = run.get_mut("terms") {
            terms.remove("files");
        }
    }
    if let Some(Value::Object(parameters)) = document.get_mut("parameters") {
        parameters.retain(|name, _| !bundle.is_write_only_parameter(name));
    }
    let digest =
        document.pointer(&format!("/custom/{RUN}/bundle")).and_then(Value::as_str).map(str::to_owned);
    let reference = document.get("bundleReference").and_then(Value::as_str);
    let named = reference.and_then(|reference| canonical(reference, digest.as_deref()));
    let Some(members) = document.as_object_mut() else { return };
    match named {
        Some(reference) => drop(members.insert("bundleReference".into(), reference.into())),
        None => drop(members.remove("bundleReference")),
    }
}

/// A reference that means the same to others: a place in a registry, by digest.
fn canonical(reference: &str, digest: Option<&str>) -> Option<String> {
    let Ok(Reference::Registry(mut place)) = reference.parse() else { return None };
    place.digest = place.digest.or_else(|| digest?.parse().ok());
    place.digest?;
    Some(Reference::Registry(place).to_string())
}

/// A text that is no document, as a fault.
fn unread(error: &crate::document::InvalidDocument) -> Error {
    Error::Claims(vec![Fault::error(String::new(), chain(error), "CNAB 400")])
}

#[cfg(test)]
mod tests;
