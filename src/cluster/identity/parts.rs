//! Makes and removes the objects that an identity consists of, as the caller.
//!
//! A removal often follows a record that others can write. So a name proves nothing: an object is removed if
//! it says itself, by the marks that it was made with, that it is a part of this identity and acts for this
//! installation.

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::cluster::precondition::Precondition;
use crate::cluster::request::ApiRequest;
use crate::cluster::server::Server;
use crate::cluster::status::{Error, path_of};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::metadata::{self, IDENTITY};
use crate::kubernetes::object::ObjectRef;

/// The field manager of an identity's objects.
const MANAGER: &str = "carnet-identity";

pub(super) async fn apply(caller: &Server, object: &ObjectRef, body: &Value) -> Result<(), Error> {
    let url = format!("{}?fieldManager={MANAGER}", path_of(object, &Kinds::default())?);
    caller.send(&ApiRequest::apply(url, body)).await?.accepted("apply", object).map(drop)
}

/// Removes those of these objects that are parts of an identity of this installation, all at once, and says how many
/// there were. One that is already gone is no error; the first other refusal is the result, after all were tried, else
/// those that do not say that they are parts of it: they would be left, and nobody would know.
pub(super) async fn remove(
    caller: &Server,
    owner: &str,
    objects: impl IntoIterator<Item = &ObjectRef>,
) -> Result<usize, Error> {
    let removals = objects.into_iter().map(|object| remove_one(caller, owner, object));
    let removed = join_all(removals).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let unmarked: Vec<_> = removed.iter().filter_map(Part::unmarked).collect();
    if unmarked.is_empty() {
        Ok(removed.iter().filter(|part| matches!(part, Part::Removed)).count())
    } else {
        Err(Error::IdentityUnmarked(unmarked))
    }
}

/// The fate of an object that may be a part of an identity.
enum Part {
    /// It is not there, or is another installation's.
    Absent,
    /// It was removed.
    Removed,
    /// It is there, and does not say that it is a part.
    Unmarked(String),
}

impl Part {
    fn unmarked(&self) -> Option<String> {
        match self {
            Self::Unmarked(object) => Some(object.clone()),
            Self::Absent | Self::Removed => None,
        }
    }
}

async fn remove_one(caller: &Server, owner: &str, object: &ObjectRef) -> Result<Part, Error> {
    let url = path_of(object, &Kinds::default())?;
    let response = caller.send(&ApiRequest::get(url.clone())).await?;
    if response.status == StatusCode::NOT_FOUND {
        return Ok(Part::Absent);
    }
    let found = response.accepted("get", object)?.object(object)?;
    if !is_part(&found, &object.name, owner) {
        // An object that is marked as another's is none of this identity, whatever is on record.
        let is_anothers = metadata::owner(&found).is_some_and(|named| named != owner);
        return Ok(if is_anothers { Part::Absent } else { Part::Unmarked(object.to_string()) });
    }
    let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
        "preconditions": Precondition::of(&found, false) });
    let response = caller.send(&ApiRequest::delete(url, &options)).await?;
    match response.status {
        StatusCode::NOT_FOUND => Ok(Part::Absent),
        _ => response.accepted("delete", object).map(|_| Part::Removed),
    }
}

/// Whether an object says that it is a part of this identity, and for which installation it acts. One without a UID
/// cannot be removed as the one that was read.
fn is_part(found: &Value, name: &str, owner: &str) -> bool {
    let label = found.pointer("/metadata/labels").and_then(|labels| labels.get(IDENTITY));
    label.and_then(Value::as_str) == Some(name)
        && metadata::owner(found) == Some(owner)
        && metadata::uid(found).is_some()
}

#[cfg(test)]
mod tests {
    use crate::kubernetes::metadata::OWNER;

    use super::*;

    #[test]
    fn only_what_says_itself_whose_it_is_is_a_part() {
        let marked = |label: Value, owner: Value, uid: Value| {
            let marks = json!({ "labels": { IDENTITY: label }, "annotations": { OWNER: owner }, "uid": uid });
            is_part(&json!({ "metadata": marks }), "carnet-1", "prod/web")
        };
        assert!(marked("carnet-1".into(), "prod/web".into(), "u".into()));
        assert!(!marked(Value::Null, "prod/web".into(), "u".into()));
        assert!(!marked("carnet-2".into(), "prod/web".into(), "u".into()));
        assert!(!marked("carnet-1".into(), "other/web".into(), "u".into()));
        assert!(!marked("carnet-1".into(), Value::Null, "u".into()));
        assert!(!marked("carnet-1".into(), "prod/web".into(), Value::Null));
        assert!(!is_part(&json!({ "metadata": { "uid": "u" } }), "carnet-1", "prod/web"));
    }
}
