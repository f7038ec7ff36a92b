//! Finds identities that were made for runs and are still there, by their label.
//!
//! Whoever may label an object could have it taken for part of an identity. So only what also has the name of one
//! is ([`IdentityName`]), and what says another owner or another time is another identity.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value;

use crate::cluster::request::ApiRequest;
use crate::cluster::server::Server;
use crate::cluster::status::Error;
use crate::kubernetes::api::{CORE, RBAC, v1};
use crate::kubernetes::metadata::{self, EXPIRES, IDENTITY, OWNER};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::path;
use crate::kubernetes::rbac::{IdentityName, account};
use crate::text::url::percent_encoded;

/// The most objects of one kind that are asked for. More are found when these are gone.
const MAX_LISTED: usize = 500;

/// The kinds of objects that an identity consists of: group, kind and plural.
const PARTS: [(&str, &str, &str); 5] = [
    (CORE, "ServiceAccount", "serviceaccounts"),
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
    /// The objects of it that are still there.
    pub objects: Vec<ObjectRef>,
}

/// The identities of runs that the caller can see, in all namespaces or in one.
///
/// # Errors
/// [`Error`] when the server does not say.
pub async fn leftovers(caller: &Server, namespace: Option<&str>) -> Result<Vec<Leftover>, Error> {
    let lists = PARTS.iter().filter(|part| namespace.is_none() || !part.1.starts_with("Cluster"));
    let lists = join_all(lists.map(|part| parts(caller, part, namespace))).await;
    let mut found = BTreeMap::<_, Leftover>::new();
    for (object, owner, expires) in lists.into_iter().collect::<Result<Vec<_>, _>>()?.concat() {
        let says = (object.name.clone(), owner, expires);
        let (name, owner, expires) = says.clone();
        let new = || Leftover { name, owner, expires, objects: Vec::new() };
        found.entry(says).or_insert_with(new).objects.push(object);
    }
    Ok(found.into_values().collect())
}

/// The parts of one kind, each with the owner and the time that it says.
async fn parts(
    caller: &Server,
    (group, kind, plural): &(&str, &str, &str),
    namespace: Option<&str>,
) -> Result<Vec<(ObjectRef, String, String)>, Error> {
    let list = path::of_list(&v1(group), plural, namespace);
    let selector = percent_encoded(IDENTITY);
    let request = ApiRequest::list_names(format!("{list}?limit={MAX_LISTED}&labelSelector={selector}"));
    let all = ObjectRef { kind: (*kind).to_owned(), ..account(namespace.unwrap_or("*"), "*") };
    let list = caller.send(&request).await?.accepted("list", &all)?.document(&all)?;
    let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
    Ok(items.filter_map(|item| part(item, group, kind)).collect())
}

fn part(item: &Value, group: &str, kind: &str) -> Option<(ObjectRef, String, String)> {
    let named = item.get("metadata")?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let name = text(named.get("name"))?;
    if IdentityName::parse(&name).is_none() || text(named.get("labels")?.get(IDENTITY))? != name {
        return None;
    }
    let namespace = text(named.get("namespace"));
    let object = ObjectRef::new(v1(group), kind, namespace.as_deref(), name);
    let annotation = |key: &str| metadata::annotation(item, key).unwrap_or_default().to_owned();
    Some((object, annotation(OWNER), annotation(EXPIRES)))
}
