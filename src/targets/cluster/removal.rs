//! Deletes one object, and tells when it is gone.

use http::StatusCode;
use serde_json::{Value, json};

use crate::cluster::{ApiRequest, ApiResponse, Error, Precondition, path_of};
use crate::grant::{Delete, Permitted, Wait, before_delete};
use crate::kubernetes::api::CORE;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::metadata;
use crate::kubernetes::readiness::{Readiness, going};

use super::{Cluster, Sight};

/// The result of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// The object is not there any more.
    Gone,
    /// It is being removed, and still there with this UID.
    Going(Option<String>),
}

/// How the server took a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The object is being deleted, and may still exist.
    Accepted,
    /// The precondition failed: another object has the name, or the object was changed.
    Changed,
    /// It is gone, or was before.
    Gone,
}

impl Deleted {
    /// The server answers with a status when nothing is left, and with the object when it is kept for a while. Of some
    /// kinds it always answers with the object.
    fn of(response: &ApiResponse) -> Self {
        let is_status = response.text_at("/kind").as_deref() == Some("Status");
        if is_status { Self::Gone } else { Self::Accepted }
    }
}

impl Cluster {
    /// Deletes an object if `is_ours` allows it. The check is given the object as last seen, and again its current
    /// state whenever that has changed.
    ///
    /// # Errors
    /// That of `is_ours`, and [`Error`] when the server does not remove it.
    pub(in crate::targets) async fn remove<E: From<Error>>(
        &self,
        permit: &Permitted<Delete>,
        seen: Option<&Value>,
        kinds: &Kinds,
        is_ours: impl Fn(&Value) -> Result<bool, E>,
    ) -> Result<Removed, E> {
        let mut found = seen.cloned();
        // An object that was read a moment ago is not compared again: the UID alone is the precondition.
        for is_fresh in [seen.is_none(), true, true] {
            if is_fresh {
                found = self.get(&before_delete(permit), kinds).await?;
            }
            let Some(found) = found.as_ref().filter(|found| is_same(seen, found)) else {
                return Ok(Removed::Gone);
            };
            if !is_ours(found)? {
                return Ok(Removed::Gone);
            }
            let going = Removed::Going(metadata::uid(found).map(str::to_owned));
            if metadata::is_being_deleted(found) {
                return Ok(going);
            }
            match self.delete(permit, &Precondition::of(found, !is_fresh), kinds).await? {
                Deleted::Accepted => return Ok(going),
                Deleted::Changed => {}
                Deleted::Gone => {
                    return Ok(if metadata::has_finalizers(found) { going } else { Removed::Gone });
                }
            }
        }
        Err(Error::Changed(permit.0.to_string()).into())
    }

    /// Deletes an object with background propagation, if it still meets the precondition.
    ///
    /// # Errors
    /// [`Error`] for every response but those that [`Deleted`] stands for.
    pub async fn delete(
        &self,
        permit: &Permitted<Delete>,
        precondition: &Precondition,
        kinds: &Kinds,
    ) -> Result<Deleted, Error> {
        let object = &permit.0;
        let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": precondition });
        let request = ApiRequest::delete(path_of(object, kinds)?, &options);
        let request = request.of_metadata().under(self.right.as_ref());
        let response = self.send(&request).await?;
        match response.status {
            StatusCode::NOT_FOUND => Ok(Deleted::Gone),
            StatusCode::CONFLICT => Ok(Deleted::Changed),
            _ => response.accepted("delete", object).map(|response| Deleted::of(&response)),
        }
    }

    /// Whether a deleted object is really gone: no longer there, or there is another with its name. `Ready` when it is,
    /// else the reason why it still exists.
    ///
    /// # Errors
    /// [`Error`] when the server does not say.
    pub async fn gone(
        &self,
        permit: &Permitted<Wait>,
        uid: Option<&str>,
        kinds: &Kinds,
    ) -> Result<Readiness, Error> {
        // The status of a namespace lists what is left in it.
        let found = if permit.0.is(CORE, "Namespace") {
            self.read(&permit.0, kinds).await
        } else {
            self.read_metadata(&permit.0, kinds).await
        };
        match found {
            Ok(Some(found)) => return Ok(going_of(&found, uid)),
            Ok(None) => return Ok(Readiness::Ready),
            // It may be served in another version by now, or nobody can tell.
            Err(Error::Delegated { .. } | Error::NoKind { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(match self.sight(&permit.0, kinds).await?.sight {
            Sight::Absent => Readiness::Ready,
            Sight::There(found) => going_of(&found, uid),
            Sight::Unknown(why) => Readiness::NotReady(why),
        })
    }
}

/// How far an object of this UID is gone, by what is there: not at all, unless that is another one.
pub(super) fn going_of(found: &Value, uid: Option<&str>) -> Readiness {
    let is_other = uid.is_some_and(|uid| metadata::uid(found) != Some(uid));
    if is_other { Readiness::Ready } else { Readiness::NotReady(going(found)) }
}

/// Whether two states have the UID of the same object. Of two that have none, nobody knows.
fn is_same(seen: Option<&Value>, found: &Value) -> bool {
    seen.is_none_or(|seen| metadata::uid(seen).is_some_and(|uid| metadata::uid(found) == Some(uid)))
}
