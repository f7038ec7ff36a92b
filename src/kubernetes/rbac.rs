//! The rights in a cluster that a run takes: which verbs on which objects, by name, and why each.
//!
//! Everything here is pure. Rights are collected one use at a time and then written as few rules as say exactly the same,
//! in a stable order, so that two plans that do the same take the same rights, byte for byte.

mod escalation;
mod minted;
mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kinds::Kinds;
use super::object::ObjectRef;

pub use escalation::Escalation;
pub use minted::Minted;
pub use rule::PolicyRule;

/// The group of roles and bindings.
pub const RBAC: &str = "rbac.authorization.k8s.io";

/// The annotation that says why each rule of a role is there, one line a rule.
pub const WHY: &str = "carnet.dev/why";

/// Where a right holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Everywhere, and for objects outside namespaces.
    Cluster,
    /// In one namespace.
    Namespace(String),
}

/// A verb of the Kubernetes API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Handing a role to somebody.
    Bind,
    /// Making an object.
    Create,
    /// Removing an object.
    Delete,
    /// Writing rules into a role that the writer does not hold.
    Escalate,
    /// Reading an object.
    Get,
    /// Changing an object; a server-side apply that makes one takes this too.
    Patch,
}

/// The rights of one run. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    scopes: BTreeMap<Scope, Held>,
    escalations: BTreeSet<Escalation>,
}

/// What is held in one scope, each with the reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Held {
    /// One verb on one object each.
    used: BTreeMap<PolicyRule, BTreeSet<String>>,
    handed_on: BTreeMap<PolicyRule, BTreeSet<String>>,
}

/// One rule of a role, and why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Justified {
    /// The rule.
    pub rule: PolicyRule,
    /// The reasons.
    pub why: BTreeSet<String>,
}

impl Scope {
    /// The namespace, unless it is the cluster.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Cluster => None,
            Self::Namespace(namespace) => Some(namespace),
        }
    }

    /// The scope that an object is in.
    pub fn of(object: &ObjectRef) -> Self {
        object.namespace.clone().map_or(Self::Cluster, Self::Namespace)
    }

    /// The role of this name.
    pub fn role(&self, name: &str) -> ObjectRef {
        self.object(if *self == Self::Cluster { "ClusterRole" } else { "Role" }, name)
    }

    /// The binding of this name.
    pub fn binding(&self, name: &str) -> ObjectRef {
        self.object(if *self == Self::Cluster { "ClusterRoleBinding" } else { "RoleBinding" }, name)
    }

    fn object(&self, kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: format!("{RBAC}/v1"),
            kind: kind.into(),
            namespace: self.namespace().map(str::to_owned),
            name: name.into(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("the cluster"),
            Self::Namespace(namespace) => write!(f, "namespace {namespace}"),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bind => "bind",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Escalate => "escalate",
            Self::Get => "get",
            Self::Patch => "patch",
        })
    }
}

impl Rights {
    /// Adds verbs on an object. One of a kind that nobody knows takes no rights: no request about it can be sent.
    pub fn uses(&mut self, object: &ObjectRef, kinds: &Kinds, verbs: &[Verb], why: &str) {
        let Some(resource) = kinds.find(object) else { return };
        for verb in verbs {
            let used = PolicyRule::one(object.group(), &resource.plural, &object.name, *verb);
            let held = self.scopes.entry(Scope::of(object)).or_default();
            held.used.entry(used).or_default().insert(why.to_owned());
        }
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
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.scopes.keys()
    }

    /// How rights are handed on.
    pub fn escalations(&self) -> impl Iterator<Item = &Escalation> {
        self.escalations.iter()
    }

    /// The rules of one scope, in a stable order. None of them is covered by another.
    pub fn rules(&self, scope: &Scope) -> Vec<Justified> {
        let Some(held) = self.scopes.get(scope) else { return Vec::new() };
        let mut rules = joined(&held.used);
        rules.extend(
            held.handed_on.iter().map(|(rule, why)| Justified { rule: rule.clone(), why: why.clone() }),
        );
        let is_covered = |at: usize| {
            let wider = |(other, it): (usize, &Justified)| {
                other != at
                    && it.rule.covers(&rules[at].rule)
                    && !(rules[at].rule.covers(&it.rule) && at < other)
            };
            rules.iter().enumerate().any(wider)
        };
        (0..rules.len()).filter(|at| !is_covered(*at)).map(|at| rules[at].clone()).collect()
    }

    /// The roles that hold these rights, as objects.
    pub fn roles(&self, name: &str) -> Vec<Value> {
        self.scopes().map(|scope| self.role(scope, name)).collect()
    }

    /// The role that holds the rights of one scope, as an object.
    pub fn role(&self, scope: &Scope, name: &str) -> Value {
        let rules = self.rules(scope);
        let lines: Vec<_> = rules.iter().map(Justified::line).collect();
        let mut role = body(&scope.role(name));
        role["metadata"]["annotations"] = json!({ WHY: lines.join("\n") });
        role["rules"] = rules.into_iter().map(|justified| json!(justified.rule)).collect();
        role
    }

    /// The binding of such a role to a ServiceAccount, and to nobody else, as an object.
    pub fn binding(scope: &Scope, name: &str, account: &ObjectRef) -> Value {
        let role = scope.role(name);
        let mut binding = body(&scope.binding(name));
        binding["roleRef"] = json!({ "apiGroup": RBAC, "kind": role.kind, "name": role.name });
        binding["subjects"] =
            json!([{ "kind": "ServiceAccount", "namespace": account.namespace, "name": account.name }]);
        binding
    }
}

/// The ServiceAccount of this name.
pub fn account(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "ServiceAccount".into(),
        namespace: Some(namespace.into()),
        name: name.into(),
    }
}

/// An object with nothing in it but its name.
pub fn body(object: &ObjectRef) -> Value {
    let mut body =
        json!({ "apiVersion": object.api_version, "kind": object.kind, "metadata": { "name": object.name } });
    if let Some(namespace) = &object.namespace {
        body["metadata"]["namespace"] = namespace.clone().into();
    }
    body
}

impl Justified {
    /// Verbs and resources, and why.
    fn line(&self) -> String {
        let why: Vec<_> = self.why.iter().map(String::as_str).collect();
        format!("{}: {}", self.rule.summary(), why.join("; "))
    }
}

/// Few rules that together allow just what these parts do, none of which has more than one member in any set: first joined
/// over verbs, then over names, then over the resources of a group that have the same names and verbs. Each step keeps the
/// product exact.
fn joined(parts: &BTreeMap<PolicyRule, BTreeSet<String>>) -> Vec<Justified> {
    let joins: [fn(&mut PolicyRule) -> BTreeSet<String>; 3] = [
        |rule| std::mem::take(&mut rule.verbs),
        |rule| std::mem::take(&mut rule.resource_names),
        |rule| std::mem::take(&mut rule.resources),
    ];
    let puts: [fn(&mut PolicyRule, BTreeSet<String>); 3] = [
        |rule, set| rule.verbs = set,
        |rule, set| rule.resource_names = set,
        |rule, set| rule.resources = set,
    ];
    let mut rules = parts.clone();
    for (take, put) in joins.into_iter().zip(puts) {
        let mut joined = BTreeMap::<(PolicyRule, bool), (BTreeSet<String>, BTreeSet<String>)>::new();
        for (mut rule, why) in rules {
            let set = take(&mut rule);
            // Without names a rule is about all objects: another with names must not narrow it.
            let (members, reasons) = joined.entry((rule, set.is_empty())).or_default();
            members.extend(set);
            reasons.extend(why);
        }
        let whole = |((mut rule, _), (members, why)): ((PolicyRule, bool), _)| {
            put(&mut rule, members);
            (rule, why)
        };
        rules = joined.into_iter().map(whole).collect();
    }
    rules.into_iter().map(|(rule, why)| Justified { rule, why }).collect()
}

/// The same parts as few rules, without reasons.
pub fn condensed(parts: impl IntoIterator<Item = PolicyRule>) -> Vec<PolicyRule> {
    let parts = parts.into_iter().map(|part| (part, BTreeSet::new())).collect();
    joined(&parts).into_iter().map(|justified| justified.rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn object(kind: &str, name: &str) -> ObjectRef {
        let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
        let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let namespace = (!kind.starts_with("Cluster")).then(|| "prod".to_owned());
        ObjectRef { api_version, kind: kind.into(), namespace, name: name.into() }
    }

    fn shown(rights: &Rights, scope: &Scope) -> Vec<String> {
        rights.rules(scope).iter().map(|justified| justified.rule.line()).collect()
    }

    fn here() -> Scope {
        Scope::Namespace("prod".into())
    }

    #[test]
    fn equal_rules_are_joined_over_names_and_then_over_resources() {
        let mut rights = Rights::default();
        for (kind, name) in [("Secret", "a"), ("ConfigMap", "b"), ("ConfigMap", "a"), ("Secret", "b")] {
            rights.uses(&object(kind, name), &Kinds::default(), &[Verb::Patch, Verb::Create], "is made");
        }
        rights.uses(&object("apps/Deployment", "a"), &Kinds::default(), &[Verb::Get], "is waited for");
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
    fn a_kind_that_nobody_knows_takes_no_rights() {
        let mut rights = Rights::default();
        rights.uses(&object("example.com/Thing", "a"), &Kinds::default(), &[Verb::Get], "");
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
        let written = |object: &ObjectRef| *object == role;
        let mut rights = Rights::default();
        rights.hands_on(&role, &body, &Kinds::default(), written);
        rights.hands_on(&binding, &refers("Role", "a"), &Kinds::default(), written);
        assert_eq!(shown(&rights, &here()), ["get, list pods"]);
        rights.hands_on(&binding, &refers("ClusterRole", "view"), &Kinds::default(), written);
        // The right is asked for where the binding is.
        assert_eq!(
            shown(&rights, &here()),
            ["bind clusterroles.rbac.authorization.k8s.io view", "get, list pods"]
        );
        let gathering = object("rbac.authorization.k8s.io/ClusterRole", "all");
        let body = json!({"aggregationRule": {"clusterRoleSelectors": []}, "rules": [{"verbs": ["*"]}]});
        rights.hands_on(&gathering, &body, &Kinds::default(), written);
        assert_eq!(shown(&rights, &Scope::Cluster), ["escalate clusterroles.rbac.authorization.k8s.io all"]);
        let said: Vec<_> = rights.escalations().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "RoleBinding prod/a hands on ClusterRole view, which the plan does not write",
                "ClusterRole all gathers rules of other roles, whatever they are",
                "Role prod/a hands its rules on"
            ]
        );
    }

    #[test]
    fn what_a_rule_that_is_handed_on_covers_is_not_written_again() {
        let role = object("rbac.authorization.k8s.io/Role", "a");
        let body = json!({"rules": [
            {"apiGroups": ["*"], "resources": ["configmaps"], "verbs": ["*"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]},
        ]});
        let mut rights = Rights::default();
        rights.uses(&object("ConfigMap", "a"), &Kinds::default(), &[Verb::Create, Verb::Patch], "is made");
        rights.hands_on(&role, &body, &Kinds::default(), |_| false);
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
            Rights::binding(&Scope::Cluster, "x", &account("home", "x"))["roleRef"]["kind"],
            "ClusterRole"
        );
    }

    fn used() -> impl Strategy<Value = (String, String, Verb)> {
        let verb = prop::sample::select(vec![Verb::Create, Verb::Delete, Verb::Get, Verb::Patch]);
        let kind = prop::sample::select(vec!["ConfigMap", "Secret", "apps/Deployment", "apps/StatefulSet"]);
        (kind, "[abc]", verb).prop_map(|(kind, name, verb)| (kind.to_owned(), name, verb))
    }

    proptest! {
        #[test]
        fn the_rules_allow_just_what_is_used_in_any_order(used in vec(used(), 0..40)) {
            let rights = |used: &[(String, String, Verb)]| {
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
