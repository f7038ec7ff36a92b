//! Access reviews: which rights the caller has. One request for each namespace, and one for each cluster-scoped right.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::cluster::request::ApiRequest;
use crate::cluster::server::Server;
use crate::cluster::status::Error;
use crate::grant::{Permitted, Review};
use crate::kubernetes::api::{AUTHORIZATION, v1};
use crate::kubernetes::path;
use crate::kubernetes::rbac::{PolicyRule, RoleScope, condensed};

/// The number of concurrent reviews.
const AT_ONCE: usize = 16;

/// The rights of these that the caller does not have, all of them, a line each. Empty: none is missing.
///
/// # Errors
/// [`Error`] when the server does not say.
pub async fn missing_rights(caller: &Server, permit: &Permitted<Review>) -> Result<Vec<String>, Error> {
    let mut wanted = BTreeMap::<_, Vec<PolicyRule>>::new();
    for (scope, rule) in &permit.0 {
        wanted.entry(scope).or_default().extend(rule.parts());
    }
    let mut lines = Vec::new();
    for (scope, parts) in wanted {
        let left = match scope.namespace() {
            Some(namespace) => without_held(caller, namespace, parts).await?,
            None => parts,
        };
        let missing = refused(caller, scope, left).await?;
        lines.extend(condensed(missing).iter().map(|rule| format!("{scope}: {}", rule.line())));
    }
    Ok(lines)
}

/// The parts that no rule of the caller in this namespace covers, as far as the server can list them.
async fn without_held(
    caller: &Server,
    namespace: &str,
    parts: Vec<PolicyRule>,
) -> Result<Vec<PolicyRule>, Error> {
    let status = review(caller, "SelfSubjectRulesReview", json!({ "namespace": namespace })).await?;
    let rules = |member: &str| {
        let rules = status.get(member).and_then(Value::as_array).into_iter().flatten();
        rules.map(PolicyRule::read).collect::<Vec<_>>()
    };
    let held: Vec<_> = [rules("resourceRules"), rules("nonResourceRules")].concat();
    Ok(parts.into_iter().filter(|part| !held.iter().any(|rule| rule.covers(part))).collect())
}

/// The parts that the server refuses: another authorizer than RBAC may have allowed what no list of rules shows.
async fn refused(
    caller: &Server,
    scope: &RoleScope,
    parts: Vec<PolicyRule>,
) -> Result<Vec<PolicyRule>, Error> {
    let asked = parts.into_iter().map(|part| async move {
        let status = review(caller, "SelfSubjectAccessReview", attributes(scope, &part)).await?;
        let is_allowed = status.get("allowed").and_then(Value::as_bool).unwrap_or(false);
        Ok((!is_allowed).then_some(part))
    });
    let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

async fn review(caller: &Server, kind: &str, spec: Value) -> Result<Value, Error> {
    let url = path::of_list(&v1(AUTHORIZATION), &format!("{}s", kind.to_lowercase()), None);
    let body = json!({ "apiVersion": v1(AUTHORIZATION), "kind": kind, "spec": spec });
    let response = caller.send(&ApiRequest::post(url, &body)).await?;
    if !response.status.is_success() {
        return Err(Error::unusable(kind, format_args!("code {}", response.status.as_u16())));
    }
    Ok(response.document(kind)?.get("status").cloned().unwrap_or_default())
}

/// The attributes of an access review, for a rule that has one member in each set.
fn attributes(scope: &RoleScope, part: &PolicyRule) -> Value {
    let first = |set: &std::collections::BTreeSet<String>| set.iter().next().cloned().unwrap_or_default();
    let verb = first(&part.verbs);
    if !part.non_resource_urls.is_empty() {
        return json!({ "nonResourceAttributes": { "path": first(&part.non_resource_urls), "verb": verb } });
    }
    let resource = first(&part.resources);
    let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
    json!({ "resourceAttributes": {
        "namespace": scope.namespace().unwrap_or_default(), "group": first(&part.api_groups),
        "resource": resource, "subresource": subresource, "name": first(&part.resource_names), "verb": verb,
    } })
}
