//! Whom a binding is about, and which role it binds; whose token a Secret holds.

use serde_json::Value;

use crate::kubernetes::api::{RBAC, v1};
use crate::kubernetes::object::ObjectRef;
use crate::plan::powers::Item;
use crate::plan::powers::untyped::{items, quoted, text};

use super::AccountName;

/// Who everybody is: subjects that no list of names bounds.
const EVERYBODY: [(&str, &str, bool); 5] = [
    ("Group", "system:authenticated", false),
    ("Group", "system:masters", false),
    ("Group", "system:serviceaccounts", false),
    ("Group", "system:unauthenticated", true),
    ("User", "system:anonymous", true),
];

/// The account that a Secret holds a token of.
pub(in crate::plan::powers) fn of_token(item: &Item<'_>) -> Option<AccountName> {
    let is_token =
        item.object.is_secret() && text(item.body, "/type") == Some("kubernetes.io/service-account-token");
    let name =
        || item.body.pointer("/metadata/annotations")?.get("kubernetes.io/service-account.name")?.as_str();
    let account = || (item.object.namespace.clone().unwrap_or_default(), name().unwrap_or("?").to_owned());
    is_token.then(account)
}

/// The names by which bindings know an account.
pub(in crate::plan::powers) fn keys((namespace, name): &AccountName) -> [String; 5] {
    [
        format!("ServiceAccount {namespace}/{name}"),
        format!("User system:serviceaccount:{namespace}:{name}"),
        "Group system:authenticated".to_owned(),
        "Group system:serviceaccounts".to_owned(),
        format!("Group system:serviceaccounts:{namespace}"),
    ]
}

/// Whom a binding is about.
pub(in crate::plan::powers) fn subjects(item: &Item<'_>) -> Vec<String> {
    let own = item.object.namespace.as_deref().unwrap_or("?");
    let subject = |subject: &Value| {
        let (kind, name) = (text(subject, "/kind").unwrap_or("?"), text(subject, "/name").unwrap_or("?"));
        match kind {
            "ServiceAccount" => format!("{kind} {}/{name}", text(subject, "/namespace").unwrap_or(own)),
            _ => format!("{kind} {name}"),
        }
    };
    items(item.body, "/subjects").map(subject).collect()
}

/// The role of a binding, if it can be looked up.
pub(in crate::plan::powers) fn role(item: &Item<'_>) -> Option<ObjectRef> {
    let (kind, name) = (text(item.body, "/roleRef/kind")?, text(item.body, "/roleRef/name")?);
    let namespace = if kind == "Role" { item.object.namespace.clone() } else { None };
    let object = ObjectRef::new(v1(RBAC), kind, namespace.as_deref(), name);
    (["ClusterRole", "Role"].contains(&kind) && object.check().is_ok()).then_some(object)
}

pub(super) fn everybody(item: &Item<'_>) -> Option<(&'static str, bool)> {
    let is_meant = |kind: &str, name: &str| {
        items(item.body, "/subjects")
            .any(|it| text(it, "/kind") == Some(kind) && text(it, "/name") == Some(name))
    };
    let found = EVERYBODY.iter().filter(|(kind, name, _)| is_meant(kind, name));
    found.max_by_key(|(.., is_anonymous)| *is_anonymous).map(|(_, name, is_anonymous)| (*name, *is_anonymous))
}

/// The role of a binding, by its namespace, if it has one, and its name.
pub(super) fn role_key<'a>(object: &'a ObjectRef, body: &'a Value) -> Option<(Option<&'a str>, &'a str)> {
    let home = if text(body, "/roleRef/kind")? == "Role" { object.namespace.as_deref() } else { None };
    Some((home, text(body, "/roleRef/name")?))
}

pub(super) fn role_name(binding: &Value) -> String {
    let (kind, name) =
        (text(binding, "/roleRef/kind").unwrap_or("?"), text(binding, "/roleRef/name").unwrap_or("?"));
    quoted(&format!("{kind} {name}"))
}
