//! A kubeconfig for an identity: with its token, and with a note of what it is, by which all of it can be removed.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::cluster::endpoint::Endpoint;
use crate::cluster::file::read;
use crate::cluster::kubeconfig::MAX_BYTES;
use crate::document;
use crate::kubernetes::metadata::IDENTITY;
use crate::kubernetes::rbac::IdentityRecord;

/// A kubeconfig that leads to a server with this token, and says what it is.
pub(super) fn leading_to(
    endpoint: &Endpoint,
    identity: &IdentityRecord,
    namespace: &str,
    token: &SecretString,
) -> Value {
    let name = &identity.name;
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{ "name": name, "cluster": endpoint.kubeconfig_cluster() }],
        "users": [{ "name": name, "user": { "token": token.expose_secret() } }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name, "namespace": namespace } }],
        "extensions": [{ "name": IDENTITY, "extension": identity }],
    })
}

/// The identity that a kubeconfig is for, if it was written here.
pub fn written_for(kubeconfig: &Value) -> Option<IdentityRecord> {
    let extensions = kubeconfig.get("extensions")?.as_array()?;
    let ours = extensions.iter().find(|it| it.get("name").and_then(Value::as_str) == Some(IDENTITY))?;
    Some(document::typed(ours.get("extension")?.clone()).ok()?.0)
}

/// Whether the kubeconfig in a file was written here.
///
/// # Ambient Authority
/// Reads a file by its path.
pub fn is_ours(file: &Path) -> bool {
    let document = read(file, MAX_BYTES).ok().and_then(|text| document::json(text.as_bytes()).ok());
    document.is_some_and(|document| written_for(&document).is_some())
}
