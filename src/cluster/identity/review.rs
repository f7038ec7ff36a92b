//! Which rights the caller has: one question for each namespace, and one for each right outside namespaces.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::cluster::request::Ask;
use crate::cluster::status::Error;
use crate::grant::{Permitted, Review};
use crate::kubernetes::rbac::{PolicyRule, Scope, condensed};

use super::caller::Caller;

/// How many questions are asked at once.
const AT_ONCE: usize = 16;

impl Cluster {
    /// What of these rights the caller lacks, all of it, a line each. Empty: nothing.
    ///
    /// # Errors
    /// [`Error`] when the server does not say.
    pub async fn lacking(&self, permit: &Permitted<Review>) -> Result<Vec<String>, Error> {
        let caller = self.caller();
        let mut wanted = BTreeMap::<_, Vec<PolicyRule>>::new();
        for (scope, rule) in &permit.0 {
            wanted.entry(scope).or_default().extend(rule.parts());
        }
        let mut lines = Vec::new();
        for (scope, parts) in wanted {
            let left = match scope.namespace() {
                Some(namespace) => caller.without_held(namespace, parts).await?,
                None => parts,
            };
            let missing = caller.refused(scope, left).await?;
            lines.extend(condensed(missing).iter().map(|rule| format!("{scope}: {}", rule.line())));
        }
        Ok(lines)
    }
}

impl Caller {
    /// The parts that no rule of the caller in this namespace covers, as far as the server can list them.
    async fn without_held(&self, namespace: &str, parts: Vec<PolicyRule>) -> Result<Vec<PolicyRule>, Error> {
        let status = self.review("SelfSubjectRulesReview", json!({ "namespace": namespace })).await?;
        let rules = |member: &str| {
            let rules = status.get(member).and_then(Value::as_array).into_iter().flatten();
            rules.map(PolicyRule::read).collect::<Vec<_>>()
        };
        let held: Vec<_> = [rules("resourceRules"), rules("nonResourceRules")].concat();
        Ok(parts.into_iter().filter(|part| !held.iter().any(|rule| rule.covers(part))).collect())
    }

    /// The parts that the server refuses: another authorizer than RBAC may have allowed what no list of rules shows.
    async fn refused(&self, scope: &Scope, parts: Vec<PolicyRule>) -> Result<Vec<PolicyRule>, Error> {
        let asked = parts.into_iter().map(|part| async move {
            let status = self.review("SelfSubjectAccessReview", attributes(scope, &part)).await?;
            let is_allowed = status.get("allowed").and_then(Value::as_bool).unwrap_or(false);
            Ok((!is_allowed).then_some(part))
        });
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn review(&self, kind: &str, spec: Value) -> Result<Value, Error> {
        let url = format!("/apis/authorization.k8s.io/v1/{}s", kind.to_lowercase());
        let body = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec });
        let answer = self.send(&Ask::post(url, &body)).await?;
        let unusable = |why: String| Error::Answer { object: kind.to_owned(), why };
        if !answer.status.is_success() {
            return Err(unusable(format!("code {}", answer.status.as_u16())));
        }
        let document = answer.json().map_err(|error| unusable(error.to_string()))?;
        Ok(document.get("status").cloned().unwrap_or_default())
    }
}

/// What an access review asks, of a rule that has one member in each set.
fn attributes(scope: &Scope, part: &PolicyRule) -> Value {
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
