//! The namespace that accounts of runs are in where their rights go beyond the installation's own.
//!
//! Whoever may impersonate the ServiceAccounts of a namespace, or get their tokens, can be any of them, and the
//! built-in role `edit` is enough for that. An account that is more than its namespace is therefore in one where only
//! those have rights who have as much themselves. A label says that it is such a namespace: those who administer a
//! namespace cannot set it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::cluster::request::ApiRequest;
use crate::cluster::server::Server;
use crate::cluster::status::{Error, path_of};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::metadata::IDENTITIES;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::body;

use super::parts;

/// The namespace that is used unless the operator names another one.
pub const HOME: &str = "carnet-identities";

/// Pods of these accounts would be somebody who acts as a run: none should be there, and none may be privileged.
const RESTRICTED: &str = "pod-security.kubernetes.io/enforce";

/// A namespace for accounts of runs, as an object.
pub fn namespace_body(name: &str) -> Value {
    let mut body = body(&ObjectRef::new("v1", "Namespace", None, name));
    body["metadata"]["labels"] = json!({ IDENTITIES: "true", RESTRICTED: "restricted" });
    body
}

/// Makes sure that a namespace is one for accounts of runs. It is made where it is not there.
pub(super) async fn prepare(caller: &Server, name: &str) -> Result<(), Error> {
    let namespace = ObjectRef::new("v1", "Namespace", None, name);
    let response = caller.send(&ApiRequest::get(path_of(&namespace, &Kinds::default())?)).await?;
    let unfit = |why, is_there| Error::Home { namespace: name.to_owned(), why, is_there };
    match response.status {
        StatusCode::NOT_FOUND => match parts::apply(caller, &namespace, &namespace_body(name)).await {
            Err(Error::Denied { .. }) => Err(unfit("it is not there, and you may not make it", false)),
            made => made,
        },
        StatusCode::FORBIDDEN => Err(unfit("you may not look at it", false)),
        _ => {
            let found = response.accepted("get", &namespace)?.object(&namespace)?;
            let label = found.pointer("/metadata/labels").and_then(|labels| labels.get(IDENTITIES));
            if label.and_then(Value::as_str) == Some("true") {
                return Ok(());
            }
            Err(unfit("it is not marked as one for accounts of runs", true))
        }
    }
}
