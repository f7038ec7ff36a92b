//! What is there of identities that were made for runs, found by their label.
//!
//! Whoever may label an object could have it taken for part of an identity. So only what also has the name of one is, and
//! names of identities are made here and nowhere else.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value;

use crate::cluster::request::Ask;
use crate::cluster::status::{Error, refusal};
use crate::cluster::{Cluster, encoded};
use crate::kubernetes::annotations::OWNER;
use crate::kubernetes::object::{ObjectRef, is_label};
use crate::kubernetes::rbac::{RBAC, account};

use super::{EXPIRES, LABEL};

/// How identities' names begin; an id follows.
const PREFIX: &str = "carnet-";

/// The most objects of one kind that are asked for. More are found when these are gone.
const MAX_LISTED: usize = 500;

/// What an identity consists of: group, kind and plural.
const PARTS: [(&str, &str, &str); 5] = [
    ("", "ServiceAccount", "serviceaccounts"),
    (RBAC, "Role", "roles"),
    (RBAC, "RoleBinding", "rolebindings"),
    (RBAC, "ClusterRole", "clusterroles"),
    (RBAC, "ClusterRoleBinding", "clusterrolebindings"),
];

/// An identity, as far as there is something of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its name.
    pub name: String,
    /// The installation it acts or acted for, as it says.
    pub owner: String,
    /// Until when it is of use (RFC 3339), as it says.
    pub expires: String,
    /// What there is of it.
    pub objects: Vec<ObjectRef>,
}

impl Cluster {
    /// The identities of runs that the caller can see, in all namespaces or in one.
    ///
    /// # Errors
    /// [`Error`] when the server does not say.
    pub async fn leftovers(&self, namespace: Option<&str>) -> Result<Vec<Leftover>, Error> {
        let lists = PARTS.iter().filter(|part| namespace.is_none() || !part.1.starts_with("Cluster"));
        let lists = join_all(lists.map(|part| self.parts(part, namespace))).await;
        let mut found = BTreeMap::<String, Leftover>::new();
        for (object, owner, expires) in lists.into_iter().collect::<Result<Vec<_>, _>>()?.concat() {
            let new = || Leftover { name: object.name.clone(), owner, expires, objects: Vec::new() };
            found.entry(object.name.clone()).or_insert_with(new).objects.push(object);
        }
        Ok(found.into_values().collect())
    }

    /// The version of the server.
    ///
    /// # Errors
    /// [`Error`] when it does not say.
    pub async fn version(&self) -> Result<String, Error> {
        let answer = self.caller().send(&Ask::get("/version".into())).await?;
        let unusable = || Error::Answer { object: "its version".into(), why: "it is none".into() };
        answer.text_at("/gitVersion").ok_or_else(unusable)
    }

    /// The parts of one kind, each with the owner and the time that it says.
    async fn parts(
        &self,
        (group, kind, plural): &(&str, &str, &str),
        namespace: Option<&str>,
    ) -> Result<Vec<(ObjectRef, String, String)>, Error> {
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
        let place = namespace.map_or_else(String::new, |name| format!("/namespaces/{}", encoded(name)));
        let ask = Ask::list_names(format!(
            "{root}{place}/{plural}?limit={MAX_LISTED}&labelSelector={}",
            encoded(LABEL)
        ));
        let answer = self.caller().send(&ask).await?;
        let all = ObjectRef { kind: (*kind).to_owned(), ..account(namespace.unwrap_or("*"), "*") };
        if !answer.status.is_success() {
            return Err(refusal(&answer, "list", &all));
        }
        let unusable = |error: crate::document::Invalid| Error::Answer {
            object: all.to_string(),
            why: error.to_string(),
        };
        let list = answer.json().map_err(unusable)?;
        let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
        Ok(items.filter_map(|item| part(item, group, kind)).collect())
    }
}

fn part(item: &Value, group: &str, kind: &str) -> Option<(ObjectRef, String, String)> {
    let metadata = item.get("metadata")?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let name = text(metadata.get("name"))?;
    let is_ours = name.starts_with(PREFIX) && is_label(&name);
    if !is_ours || text(metadata.get("labels")?.get(LABEL))? != name {
        return None;
    }
    let annotation = |key: &str| text(metadata.get("annotations")?.get(key));
    let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let namespace = text(metadata.get("namespace"));
    let object = ObjectRef { api_version, kind: kind.to_owned(), namespace, name };
    Some((object, annotation(OWNER).unwrap_or_default(), annotation(EXPIRES).unwrap_or_default()))
}
