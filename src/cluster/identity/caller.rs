//! What is done as the caller: making and removing what an identity consists of.

use futures_util::future::join_all;
use http::StatusCode;
use kube::Client;
use serde_json::{Value, json};

use crate::cluster::path;
use crate::cluster::request::{Answer, Ask, Silence};
use crate::cluster::status::{Error, refusal};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;

use super::MANAGER;

/// The caller's own client.
pub(super) struct Caller {
    pub(super) client: Client,
    pub(super) server: String,
}

impl Caller {
    pub(super) async fn apply(&self, object: &ObjectRef, body: &Value) -> Result<(), Error> {
        let url = format!("{}?fieldManager={MANAGER}", path(object, &Kinds::default())?);
        let answer = self.send(&Ask::apply(url, body)).await?;
        if answer.status.is_success() { Ok(()) } else { Err(refusal(&answer, "apply", object)) }
    }

    /// Removes objects, all at once, and says how many were there. One that is already gone is no error; the first other
    /// refusal is the answer, after all were tried.
    pub(super) async fn delete(&self, objects: impl IntoIterator<Item = &ObjectRef>) -> Result<usize, Error> {
        let removals = objects.into_iter().map(|object| self.delete_one(object));
        join_all(removals).await.into_iter().sum()
    }

    pub(super) async fn send(&self, ask: &Ask) -> Result<Answer, Error> {
        ask.send(&self.client).await.map_err(|silence| self.silent(silence))
    }

    pub(super) fn silent(&self, silence: Silence) -> Error {
        Error::Unavailable(format!("{}: {}", self.server, silence.why))
    }

    async fn delete_one(&self, object: &ObjectRef) -> Result<usize, Error> {
        let options =
            json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background" });
        let answer = self.send(&Ask::delete(path(object, &Kinds::default())?, &options)).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(0),
            status if status.is_success() => Ok(1),
            _ => Err(refusal(&answer, "delete", object)),
        }
    }
}
