//! The rights in a cluster that a run takes: which verbs on which objects, by name, and why each.
//!
//! Everything here is pure. Rights are collected one use at a time and then written as few rules as say exactly the
//! same, in a stable order, so that two plans that do the same take the same rights, byte for byte.

mod rule;
mod condensed;
mod coverage;
mod scope;
mod identity;
mod escalation;
mod admission;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::api::{COORDINATION, RBAC};
use super::kinds::Kinds;
use super::metadata::WHY;
use super::object::ObjectRef;

use condensed::joined;
use coverage::uncovered;

pub use admission::{bound_policy, parameters};
pub use condensed::{Justified, condensed};
pub use escalation::{Escalation, bound};
pub use identity::{IdentityName, IdentityRecord};
#[cfg(test)]
pub(crate) use rule::tests::rules_read;
pub use rule::{ApiVerb, PolicyRule};
pub use scope::{RoleScope, account, body};

/// The rights of one run. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    scopes: BTreeMap<RoleScope, Held>,
    escalations: BTreeSet<Escalation>,
}

/// The rules held in one scope, each with the reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Held {
    /// One verb on one object each.
    used: BTreeMap<PolicyRule, BTreeSet<String>>,
    handed_on: BTreeMap<PolicyRule, BTreeSet<String>>,
}

impl Rights {
    /// Adds verbs on an object. One of a kind that nobody knows takes no rights: no request about it can be sent.
    pub fn uses(&mut self, object: &ObjectRef, kinds: &Kinds, verbs: &[ApiVerb], why: &str) {
        let Some(resource) = kinds.find(object) else { return };
        for verb in verbs {
            let used = PolicyRule::one(object.group(), &resource.plural, &object.name, *verb);
            let held = self.scopes.entry(RoleScope::of(object)).or_default();
            held.used.entry(used).or_default().insert(why.to_owned());
        }
    }

    /// What keeping the state of an installation in a namespace of the cluster takes. Records of claims have names that
    /// nobody knows beforehand.
    pub fn of_state(namespace: &str, installation: &str) -> Self {
        use ApiVerb::{Create, Delete, Get, List, Patch};
        let mut rights = Self::default();
        let secrets = PolicyRule::all("", "secrets", &[Create, Delete, Get, List, Patch]);
        let why = "the state is kept in Secrets of this namespace (--state kube)".to_owned();
        let held = rights.scopes.entry(RoleScope::Namespace(namespace.to_owned())).or_default();
        held.handed_on.entry(secrets).or_default().insert(why);
        for verb in [Create, Delete, Get, Patch] {
            let lease = PolicyRule::one(COORDINATION, "leases", &format!("carnet.{installation}"), verb);
            held.used.entry(lease).or_default().insert("one run at a time (--state kube)".into());
        }
        rights
    }

    /// Adds other rights.
    pub fn add(&mut self, other: Self) {
        for (scope, other) in other.scopes {
            let held = self.scopes.entry(scope).or_default();
            for (rules, others) in [(&mut held.used, other.used), (&mut held.handed_on, other.handed_on)] {
                for (rule, why) in others {
                    rules.entry(rule).or_default().extend(why);
                }
            }
        }
        self.escalations.extend(other.escalations);
    }

    /// All rules, each with the scope that it is held in.
    pub fn all_rules(&self) -> Vec<(RoleScope, PolicyRule)> {
        let of_scope = |scope: &RoleScope| {
            let rules = self.rules(scope).into_iter();
            rules.map(|justified| (scope.clone(), justified.rule)).collect::<Vec<_>>()
        };
        self.scopes().flat_map(of_scope).collect()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// Whether anything may be changed with these rights.
    pub fn can_write(&self) -> bool {
        self.scopes.values().any(|held| held.used.keys().any(|used| !used.is_reading()))
    }

    /// Where rights are held.
    pub fn scopes(&self) -> impl Iterator<Item = &RoleScope> {
        self.scopes.keys()
    }

    /// How rights are handed on.
    pub fn escalations(&self) -> impl Iterator<Item = &Escalation> {
        self.escalations.iter()
    }

    /// The rules of one scope, in a stable order. None of them is covered by another.
    pub fn rules(&self, scope: &RoleScope) -> Vec<Justified> {
        let Some(held) = self.scopes.get(scope) else { return Vec::new() };
        let mut rules = joined(&held.used);
        rules.extend(
            held.handed_on.iter().map(|(rule, why)| Justified { rule: rule.clone(), why: why.clone() }),
        );
        uncovered(rules)
    }

    /// The roles that hold these rights, as objects.
    pub fn roles(&self, name: &str) -> Vec<Value> {
        self.scopes().map(|scope| self.role(scope, name)).collect()
    }

    /// The role that holds the rights of one scope, as an object.
    pub fn role(&self, scope: &RoleScope, name: &str) -> Value {
        let rules = self.rules(scope);
        let lines: Vec<_> = rules.iter().map(Justified::line).collect();
        let mut role = body(&scope.role(name));
        role["metadata"]["annotations"] = json!({ WHY: lines.join("\n") });
        role["rules"] = rules.into_iter().map(|justified| json!(justified.rule)).collect();
        role
    }

    /// The binding of such a role to a ServiceAccount, and to nobody else, as an object.
    pub fn binding(scope: &RoleScope, name: &str, account: &ObjectRef) -> Value {
        let role = scope.role(name);
        let mut binding = body(&scope.binding(name));
        binding["roleRef"] = json!({ "apiGroup": RBAC, "kind": role.kind, "name": role.name });
        binding["subjects"] =
            json!([{ "kind": "ServiceAccount", "namespace": account.namespace, "name": account.name }]);
        binding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn object(kind: &str, name: &str) -> ObjectRef {
        let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
        let namespace = (!kind.starts_with("Cluster")).then_some("prod");
        ObjectRef::new(crate::kubernetes::api::v1(group), kind, namespace, name)
    }

    fn shown(rights: &Rights, scope: &RoleScope) -> Vec<String> {
        rights.rules(scope).iter().map(|justified| justified.rule.line()).collect()
    }

    fn here() -> RoleScope {
        RoleScope::Namespace("prod".into())
    }

    #[test]
    fn equal_rules_are_joined_over_names_and_then_over_resources() {
        let mut rights = Rights::default();
        for (kind, name) in [("Secret", "a"), ("ConfigMap", "b"), ("ConfigMap", "a"), ("Secret", "b")] {
            rights.uses(
                &object(kind, name),
                &Kinds::default(),
                &[ApiVerb::Patch, ApiVerb::Create],
                "is made",
            );
        }
        rights.uses(&object("apps/Deployment", "a"), &Kinds::default(), &[ApiVerb::Get], "is waited for");
        assert_eq!(
            shown(&rights, &here()),
            ["create, patch configmaps, secrets a, b", "get deployments.apps a"]
        );
        let role = rights.role(&here(), "x");
        assert_eq!(
            role["metadata"]["annotations"][WHY],
            "create, patch configmaps, secrets: is made\nget deployments.apps: is waited for"
        );
        assert!(!rights.role(&here(), "x").to_string().contains('*'));
    }

    #[test]
    fn keeping_the_state_takes_secrets_of_its_namespace_and_the_lease_of_the_installation() {
        let rights = Rights::of_state("prod", "web");
        let expected = [
            "create, delete, get, patch leases.coordination.k8s.io carnet.web",
            "create, delete, get, list, patch secrets",
        ];
        assert_eq!(shown(&rights, &here()), expected);
        assert_eq!(rights.all_rules().len(), 2);
        assert!(rights.all_rules().iter().all(|(scope, _)| *scope == here()));
    }

    #[test]
    fn rights_that_are_added_keep_what_was_there_and_every_reason() {
        let mut rights = Rights::default();
        rights.add(Rights::default());
        assert!(rights.is_empty() && rights.all_rules().is_empty());
        let used = |kind: &str, why: &str| {
            let mut rights = Rights::default();
            rights.uses(&object(kind, "a"), &Kinds::default(), &[ApiVerb::Get], why);
            rights
        };
        let role = "rbac.authorization.k8s.io/ClusterRole";
        for more in [used("Secret", "is read"), used("Secret", "is waited for"), used(role, "is bound")] {
            rights.add(more);
        }
        assert_eq!(shown(&rights, &here()), ["get secrets a"]);
        assert_eq!(shown(&rights, &RoleScope::Cluster), ["get clusterroles.rbac.authorization.k8s.io a"]);
        let why = &rights.role(&here(), "x")["metadata"]["annotations"][WHY];
        assert_eq!(why, "get secrets: is read; is waited for");
    }

    #[test]
    fn a_kind_that_nobody_knows_takes_no_rights() {
        let mut rights = Rights::default();
        rights.uses(&object("example.com/Thing", "a"), &Kinds::default(), &[ApiVerb::Get], "");
        assert!(rights.is_empty());
    }

    #[test]
    fn a_written_role_hands_its_rules_on_and_a_bound_one_is_named() {
        let (role, binding) = (
            object("rbac.authorization.k8s.io/Role", "a"),
            object("rbac.authorization.k8s.io/RoleBinding", "a"),
        );
        let body = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "get"]}]});
        let refers = |kind: &str, name: &str| json!({"roleRef": {"kind": kind, "name": name}});
        let mut rights = Rights::default();
        rights.hands_on(&role, None, &body, &Kinds::default());
        assert_eq!(shown(&rights, &here()), ["get, list pods"]);
        let view = bound(&binding, &refers("ClusterRole", "view")).unwrap();
        rights.binds(&binding, view, &Kinds::default());
        // The right is asked for where the binding is.
        assert_eq!(
            shown(&rights, &here()),
            ["bind clusterroles.rbac.authorization.k8s.io view", "get, list pods"]
        );
        let gathering = object("rbac.authorization.k8s.io/ClusterRole", "all");
        let gathers = json!({"aggregationRule": {"clusterRoleSelectors": [{}]}, "rules": [{"verbs": ["*"]}]});
        rights.hands_on(&gathering, None, &gathers, &Kinds::default());
        assert_eq!(
            shown(&rights, &RoleScope::Cluster),
            ["escalate clusterroles.rbac.authorization.k8s.io all"]
        );
        let said: Vec<_> = rights.escalations().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "RoleBinding prod/a hands on ClusterRole view, whatever its rules are",
                "ClusterRole all gathers rules of other roles, whatever they are",
                "Role prod/a hands its rules on"
            ]
        );
    }

    #[test]
    fn a_role_that_gathers_no_more_is_judged_by_what_it_was() {
        let role = object("rbac.authorization.k8s.io/ClusterRole", "all");
        let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
        let gathers = json!({"aggregationRule": {"clusterRoleSelectors": [{}]}, "rules": rules});
        for (before, after, expected) in [
            (Some(&gathers), json!({"rules": rules}), "escalate clusterroles.rbac.authorization.k8s.io all"),
            (None, json!({"rules": rules, "aggregationRule": {"clusterRoleSelectors": []}}), "get pods"),
            (None, json!({"rules": rules, "aggregationRule": null}), "get pods"),
        ] {
            let mut rights = Rights::default();
            rights.hands_on(&role, before, &after, &Kinds::default());
            assert_eq!(shown(&rights, &RoleScope::Cluster), [expected], "{after}");
        }
    }

    #[test]
    fn what_a_rule_that_is_handed_on_covers_is_not_written_again() {
        let role = object("rbac.authorization.k8s.io/Role", "a");
        let body = json!({"rules": [
            {"apiGroups": ["*"], "resources": ["configmaps"], "verbs": ["*"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]},
        ]});
        let mut rights = Rights::default();
        rights.uses(
            &object("ConfigMap", "a"),
            &Kinds::default(),
            &[ApiVerb::Create, ApiVerb::Patch],
            "is made",
        );
        rights.hands_on(&role, None, &body, &Kinds::default());
        assert_eq!(rights.rules(&here()).len(), 1);
    }

    #[test]
    fn a_rule_covers_what_it_holds_and_nothing_else() {
        let rule = |groups: &[&str], resources: &[&str], names: &[&str], verbs: &[&str]| {
            PolicyRule::read(
                &json!({"apiGroups": groups, "resources": resources, "resourceNames": names, "verbs": verbs}),
            )
        };
        let narrow = rule(&[""], &["pods"], &["a"], &["get"]);
        for (wide, covers) in [
            (rule(&[""], &["pods"], &[], &["get"]), true),
            (rule(&["*"], &["*"], &[], &["*"]), true),
            (rule(&[""], &["pods"], &["a", "b"], &["get", "list"]), true),
            (rule(&[""], &["pods"], &["b"], &["get"]), false),
            (rule(&["apps"], &["pods"], &[], &["get"]), false),
            (rule(&[""], &["pods"], &[], &["list"]), false),
        ] {
            assert_eq!(wide.covers(&narrow), covers, "{wide:?}");
        }
        let all = rule(&[""], &["pods"], &[], &["get"]);
        assert!(!narrow.covers(&all), "a name is not all names");
        assert!(rule(&[""], &["*/scale"], &[], &["get"]).covers(&rule(
            &[""],
            &["pods/scale"],
            &[],
            &["get"]
        )));
        let url = |url: &str| PolicyRule::read(&json!({"nonResourceURLs": [url], "verbs": ["get"]}));
        assert!(url("/healthz/*").covers(&url("/healthz/a")) && !url("/healthz").covers(&url("/healthz/a")));
        assert!(!url("*").covers(&narrow) && !all.covers(&url("/a")));
    }

    #[test]
    fn a_binding_names_the_account_and_nobody_else() {
        let binding = Rights::binding(&here(), "x", &account("home", "x"));
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "namespace": "home", "name": "x"}])
        );
        assert_eq!(binding["roleRef"]["kind"], "Role");
        assert_eq!(
            Rights::binding(&RoleScope::Cluster, "x", &account("home", "x"))["roleRef"]["kind"],
            "ClusterRole"
        );
    }

    fn used() -> impl Strategy<Value = (String, String, ApiVerb)> {
        let verb = prop::sample::select(vec![ApiVerb::Create, ApiVerb::Delete, ApiVerb::Get, ApiVerb::Patch]);
        let kind = prop::sample::select(vec!["ConfigMap", "Secret", "apps/Deployment", "apps/StatefulSet"]);
        (kind, "[abc]", verb).prop_map(|(kind, name, verb)| (kind.to_owned(), name, verb))
    }

    proptest! {
        #[test]
        fn the_rules_allow_just_what_is_used_in_any_order(used in vec(used(), 0..40)) {
            let rights = |used: &[(String, String, ApiVerb)]| {
                let mut rights = Rights::default();
                for (kind, name, verb) in used {
                    rights.uses(&object(kind, name), &Kinds::default(), &[*verb], "");
                }
                rights
            };
            let rules = rights(&used).rules(&here());
            let backwards: Vec<_> = used.iter().rev().cloned().collect();
            prop_assert_eq!(&rules, &rights(&backwards).rules(&here()));
            let parts: BTreeSet<_> = rules.iter().flat_map(|justified| justified.rule.parts()).collect();
            let wanted: BTreeSet<_> = used
                .iter()
                .map(|(kind, name, verb)| {
                    let object = object(kind, name);
                    let plural = Kinds::default().find(&object).unwrap().plural;
                    PolicyRule::one(object.group(), &plural, name, *verb)
                })
                .collect();
            prop_assert_eq!(parts, wanted);
            for (at, one) in rules.iter().enumerate() {
                let others = rules.iter().enumerate().filter(|(other, _)| *other != at);
                prop_assert!(others.clone().all(|(_, other)| !other.rule.covers(&one.rule)));
            }
        }
    }
}
