//! Makes and removes the objects that an identity consists of, as the caller.

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::cluster::request::ApiRequest;
use crate::cluster::server::Server;
use crate::cluster::status::{Error, path_of};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;

/// The field manager of an identity's objects.
const MANAGER: &str = "carnet-identity";

pub(super) async fn apply(caller: &Server, object: &ObjectRef, body: &Value) -> Result<(), Error> {
    let url = format!("{}?fieldManager={MANAGER}", path_of(object, &Kinds::default())?);
    caller.send(&ApiRequest::apply(url, body)).await?.accepted("apply", object).map(drop)
}

/// Removes objects, all at once, and says how many were there. One that is already gone is no error; the first other
/// refusal is the result, after all were tried.
pub(super) async fn remove(
    caller: &Server,
    objects: impl IntoIterator<Item = &ObjectRef>,
) -> Result<usize, Error> {
    let removals = objects.into_iter().map(|object| remove_one(caller, object));
    join_all(removals).await.into_iter().sum()
}

async fn remove_one(caller: &Server, object: &ObjectRef) -> Result<usize, Error> {
    let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background" });
    let url = path_of(object, &Kinds::default())?;
    let response = caller.send(&ApiRequest::delete(url, &options)).await?;
    if response.status == StatusCode::NOT_FOUND {
        return Ok(0);
    }
    response.accepted("delete", object).map(|_| 1)
}
