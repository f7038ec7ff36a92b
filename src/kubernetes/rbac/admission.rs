//! Parameters of admission policies: who writes a policy or a binding must be able to read what it takes parameters
//! from.
//!
//! The server asks for the right when such an object is written, and not when that is tried out by somebody who may do
//! anything. It asks about a name and a namespace that no object has where all are meant.

use serde_json::Value;

use crate::kubernetes::api::ADMISSION;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;

use super::Rights;
use super::rule::{ApiVerb, PolicyRule};
use super::scope::RoleScope;

/// Stands for all of something, where the server asks and in rules.
const ALL: &str = "*";

/// The policy that a binding of a policy names.
pub fn bound_policy(binding: &ObjectRef, body: &Value) -> Option<ObjectRef> {
    let kind = binding.kind.strip_suffix("Binding").filter(|_| binding.group() == ADMISSION)?;
    let name = body.pointer("/spec/policyName")?.as_str()?;
    body.pointer("/spec/paramRef").filter(|it| !it.is_null())?;
    Some(ObjectRef::new(binding.api_version.clone(), kind, None, name))
}

/// The kind of object that a policy takes its parameters from, with no name.
pub fn parameters(policy: &Value) -> Option<ObjectRef> {
    let text = |name: &str| policy.pointer("/spec/paramKind")?.get(name)?.as_str();
    Some(ObjectRef::new(text("apiVersion")?, text("kind")?, None, ALL))
}

impl Rights {
    /// Adds what writing a policy takes beyond the verbs on it: reading all objects that its parameters may be.
    pub fn takes_parameters(
        &mut self,
        policy: &ObjectRef,
        before: Option<&Value>,
        after: &Value,
        kinds: &Kinds,
    ) {
        let kind = |body: &Value| body.pointer("/spec/paramKind").filter(|it| !it.is_null()).cloned();
        let Some(meant) = parameters(after).filter(|_| before.and_then(kind) != kind(after)) else { return };
        let why = format!("the server asks for it where {} takes parameters", policy.name);
        self.reads_parameters(RoleScope::Cluster, Some(&meant), ApiVerb::Get, Some(ALL), kinds, why);
    }

    /// Adds what writing a binding of a policy takes beyond the verbs on it: reading the parameters that it names.
    /// `policy` is the policy, as far as it is known.
    pub fn refers_to_parameters(
        &mut self,
        binding: &ObjectRef,
        (before, after): (Option<&Value>, &Value),
        policy: Option<&Value>,
        kinds: &Kinds,
    ) {
        let asked = |body: &Value| {
            let spec = body.get("spec")?;
            Some((spec.get("paramRef").filter(|it| !it.is_null())?.clone(), spec.get("policyName").cloned()))
        };
        let Some((reference, _)) = asked(after).filter(|asks| before.and_then(asked).as_ref() != Some(asks))
        else {
            return;
        };
        let text = |name: &str| reference.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let scope = text("namespace").map_or(RoleScope::Cluster, |it| RoleScope::Namespace(it.to_owned()));
        let (name, verb) = (text("name"), if text("name").is_some() { ApiVerb::Get } else { ApiVerb::List });
        let why = format!("{} takes its parameters from it", binding.name);
        self.reads_parameters(scope, policy.and_then(parameters).as_ref(), verb, name, kinds, why);
    }

    /// Where the server cannot find out what is meant, it asks for all.
    fn reads_parameters(
        &mut self,
        scope: RoleScope,
        meant: Option<&ObjectRef>,
        verb: ApiVerb,
        name: Option<&str>,
        kinds: &Kinds,
        why: String,
    ) {
        let group = meant.map_or(ALL, ObjectRef::group);
        let resource = meant
            .and_then(|meant| kinds.find(meant))
            .map_or_else(|| ALL.to_owned(), |it| it.plural.into_owned());
        let rule = match name {
            Some(name) => PolicyRule::one(group, &resource, name, verb),
            None => PolicyRule::all(group, &resource, &[verb]),
        };
        self.scopes.entry(scope).or_default().used.entry(rule).or_default().insert(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(kind: &str) -> ObjectRef {
        ObjectRef::new("admissionregistration.k8s.io/v1", kind, None, "limits")
    }

    fn lines(rights: &Rights, scope: &RoleScope) -> Vec<String> {
        rights.rules(scope).iter().map(|justified| justified.rule.line()).collect()
    }

    #[test]
    fn who_writes_a_policy_reads_all_that_its_parameters_may_be_unless_that_stays() {
        let of = |kind: &str| json!({ "spec": { "paramKind": { "apiVersion": "v1", "kind": kind } } });
        let taken = |before: Option<&Value>, after: &Value| {
            let mut rights = Rights::default();
            rights.takes_parameters(&policy("ValidatingAdmissionPolicy"), before, after, &Kinds::default());
            lines(&rights, &RoleScope::Cluster)
        };
        let (maps, secrets) = (of("ConfigMap"), of("Secret"));
        assert_eq!(taken(None, &maps), ["get configmaps *"]);
        assert_eq!(taken(Some(&secrets), &maps), ["get configmaps *"]);
        assert_eq!(taken(Some(&maps), &maps), Vec::<String>::new());
        assert_eq!(taken(None, &json!({ "spec": {} })), Vec::<String>::new());
        assert_eq!(taken(Some(&maps), &json!({ "spec": { "paramKind": null } })), Vec::<String>::new());
        let unknown = json!({ "spec": { "paramKind": { "apiVersion": "example.com/v1", "kind": "Thing" } } });
        assert_eq!(taken(None, &unknown), ["get *.example.com *"]);
    }

    #[test]
    fn who_writes_a_binding_reads_what_it_names_where_it_is() {
        let known = json!({ "spec": { "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" } } });
        let refers = |reference: Value| json!({ "spec": { "policyName": "limits", "paramRef": reference } });
        let taken = |before: Option<&Value>, after: &Value, policy_body: Option<&Value>| {
            let mut rights = Rights::default();
            let binding = policy("MutatingAdmissionPolicyBinding");
            rights.refers_to_parameters(&binding, (before, after), policy_body, &Kinds::default());
            let rules = rights.scopes().map(|scope| (scope.to_string(), lines(&rights, scope).join("; ")));
            rules.map(|(scope, rules)| format!("{scope}: {rules}")).collect::<Vec<_>>()
        };
        let named = refers(json!({ "name": "a", "namespace": "prod" }));
        assert_eq!(taken(None, &named, Some(&known)), ["namespace prod: get configmaps a"]);
        assert_eq!(taken(Some(&named), &named, Some(&known)), Vec::<String>::new());
        let all = refers(json!({ "selector": {}, "parameterNotFoundAction": "Deny" }));
        assert_eq!(taken(Some(&named), &all, Some(&known)), ["the cluster: list configmaps"]);
        assert_eq!(taken(None, &named, None), ["namespace prod: get *.* a"], "the policy is not there");
        assert_eq!(
            taken(None, &json!({ "spec": { "policyName": "limits" } }), Some(&known)),
            Vec::<String>::new()
        );
        assert_eq!(
            bound_policy(&policy("MutatingAdmissionPolicyBinding"), &named),
            Some(policy("MutatingAdmissionPolicy"))
        );
    }
}
