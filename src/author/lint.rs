//! Turns a source directory, or a bundle that was made of one, into everything that is wrong with it.
//!
//! A build and the linter go by the same rules: what one of them finds, the other does.

use std::path::Path;

use serde_json::{Map, Value};

use super::AuthorError;
use super::directory::{Source, bundle_bytes};
use super::source::{BundleSource, RULE, Reading, undeclared};
use crate::bundle::component::Component;
use crate::bundle::{Fault, lint};
use crate::capability::functions::{unprovided, unrequested};
use crate::capability::{EXTENSION, Requests};
use crate::document;
use crate::oci::Descriptor;
use crate::oci::media_type::OCI_MANIFEST;

/// The advice of CNAB about the names of parameters.
const NAMED_LIKE_VARIABLES: &str = "CNAB 101 #51";

/// Every fault of a source directory: of `carnet.yaml`, of the component, and of the bundle that is made of them.
///
/// # Errors
/// [`AuthorError`] when there is no `carnet.yaml`, or a file cannot be read.
pub fn source_faults(path: &Path) -> Result<Vec<Fault>, AuthorError> {
    let directory = Source::open(path)?;
    let Reading { source, mut faults } = BundleSource::read(&directory.yaml);
    let Some(source) = source else { return Ok(directory.placed(faults)) };
    let component = match directory.component(&source) {
        Ok((component, _)) => {
            // Of requests that cannot be read nobody knows what they ask for.
            let is_unread = faults.iter().any(|fault| fault.pointer.starts_with("/requests"));
            let mut more = component_faults(&component, &source.requests);
            more.retain(|fault| !is_unread || !fault.pointer.starts_with("/requests"));
            faults.extend(more);
            Descriptor::of(OCI_MANIFEST, component.bytes())
        }
        Err(error) => {
            faults.push(Fault::error("/component".into(), document::chain(&error), RULE));
            Descriptor::of(OCI_MANIFEST, b"")
        }
    };
    faults.extend(bundle_faults(&bundle_bytes(&source, &component)?));
    Ok(directory.placed(faults))
}

/// Every fault of a `bundle.json`, for who publishes it.
pub fn bundle_faults(bytes: &[u8]) -> Vec<Fault> {
    let mut faults = lint(bytes);
    // That parameters should be named like variables is no matter where a component asks for them.
    let is_ours = document::json(bytes).is_ok_and(|bundle| bundle["custom"].get(EXTENSION).is_some());
    faults.retain(|fault| !is_ours || fault.rule != NAMED_LIKE_VARIABLES);
    faults
}

/// References of a `bundle.json` that it does not hold itself.
pub fn request_faults(bytes: &[u8]) -> Vec<Fault> {
    let Ok(bundle) = document::json(bytes) else { return Vec::new() };
    let declared = bundle.get("credentials").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    let requests = bundle.pointer(&format!("/custom/{EXTENSION}")).and_then(Value::as_object);
    let found = requests.map(|requests| undeclared(requests, &declared.cloned().collect()));
    let fault = |(at, what)| Fault::error(format!("/custom/{EXTENSION}{at}"), what, RULE);
    found.unwrap_or_default().into_iter().map(fault).collect()
}

/// Forbidden imports of a component.
pub fn component_faults(component: &Component, requests: &Requests) -> Vec<Fault> {
    let imports = component.imports();
    let strange = unprovided(imports).into_iter();
    let strange =
        strange.map(|name| ("/component", format!("imports `{name}`, which carnet does not provide")));
    let silent = unrequested(imports, requests).into_iter();
    let silent =
        silent.map(|name| ("/requests", format!("do not ask for `{name}`, which the component imports")));
    strange.chain(silent).map(|(at, what)| Fault::error(at.into(), document::visible(&what), RULE)).collect()
}
