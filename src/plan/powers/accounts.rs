//! Who holds which rights: roles, the bindings that hand them out, and the pods that carry the tokens.
//!
//! Abilities are put together from what the plan brings and what is in the cluster already. Where something of that is
//! not known, that is said: an account is never shown as harmless because nobody could look.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::capability::severity::Severity;
use crate::kubernetes::api::RBAC;
use crate::kubernetes::object::ObjectRef;

use super::dangers::{self, Danger, Scope};
use super::pods::PodView;
use super::untyped::{is_false, is_on, is_there, is_true, items, listed, members, quoted, text};
use super::{Coverage, Found, Item};

mod binding;

use Severity::{Critical, High, Low, Medium};
use binding::{everybody, role_key, role_name};
pub(super) use binding::{keys, of_token, role, subjects};

/// How many rules are looked at for one plan. Without it, roles that many accounts share would be looked at for each.
const MAX_RULES: usize = 200_000;

/// The dangers that are told about a pod.
const MAX_TOLD: usize = 3;

/// A service account: namespace and name.
pub(super) type AccountName = (String, String);

/// Roles and bindings, as they would be.
pub(super) struct Rbac<'a> {
    roles: BTreeMap<(Option<&'a str>, &'a str), &'a Value>,
    built_in: BTreeMap<&'static str, Vec<Value>>,
    bindings: Vec<Binding<'a>>,
    /// Roles that are bound, and whether the plan binds them.
    bound: BTreeMap<(Option<&'a str>, &'a str), bool>,
    /// Which bindings a subject is in.
    by_subject: BTreeMap<String, Vec<usize>>,
    /// Service accounts of the plan.
    accounts: BTreeMap<AccountName, &'a Value>,
    known: Coverage,
    /// How many rules may still be looked at.
    left: Cell<usize>,
}

struct Binding<'a> {
    object: &'a ObjectRef,
    body: &'a Value,
}

/// An account's effective rights, as far as they are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Abilities {
    dangers: Vec<Danger>,
    /// Roles that it is bound to and that nobody could read.
    unread: BTreeSet<String>,
}

impl<'a> Rbac<'a> {
    /// `planned` are objects of the plan; `there` are those that exist besides.
    pub(super) fn new(planned: &[Item<'a>], there: &[Item<'a>], known: Coverage) -> Self {
        let built_in = ["admin", "cluster-admin", "edit", "view"];
        let built_in = built_in.into_iter().filter_map(|name| Some((name, dangers::built_in(name)?)));
        let mut rbac = Self {
            roles: BTreeMap::new(),
            built_in: built_in.collect(),
            bindings: Vec::new(),
            bound: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            accounts: BTreeMap::new(),
            known,
            left: Cell::new(MAX_RULES),
        };
        there.iter().for_each(|item| rbac.add(item, false));
        planned.iter().for_each(|item| rbac.add(item, true));
        rbac
    }

    fn add(&mut self, item: &Item<'a>, is_planned: bool) {
        let (object, body) = (item.object, item.body);
        let namespace = object.namespace.as_deref();
        match (object.group(), object.kind.as_str()) {
            (RBAC, "ClusterRole" | "Role") => {
                self.roles.insert((namespace, object.name.as_str()), body);
            }
            (RBAC, "ClusterRoleBinding" | "RoleBinding") => {
                for subject in subjects(item) {
                    self.by_subject.entry(subject).or_default().push(self.bindings.len());
                }
                if let Some(role) = role_key(object, body) {
                    *self.bound.entry(role).or_default() |= is_planned;
                }
                self.bindings.push(Binding { object, body });
            }
            ("", "ServiceAccount") if is_planned => {
                let account = (namespace.unwrap_or_default().to_owned(), object.name.clone());
                self.accounts.insert(account, body);
            }
            _ => {}
        }
    }

    /// An account's effective rights.
    pub(super) fn abilities(&self, account: &AccountName) -> Abilities {
        let mut unread = BTreeSet::new();
        let rules = self.rules(account, &mut unread);
        Abilities { dangers: dangers::dangers(rules), unread }
    }

    /// The account of this name, if the plan brings it.
    pub(super) fn account(&self, account: &AccountName) -> Option<&'a Value> {
        self.accounts.get(account).copied()
    }

    /// Whether an account may read a Secret.
    pub(super) fn reads_secret(&self, account: &AccountName, namespace: &str, name: &str) -> bool {
        dangers::reads_secret(self.rules(account, &mut BTreeSet::new()), namespace, name)
    }

    /// Whether a role of the plan lets anybody make Secrets in a namespace.
    pub(super) fn plan_makes_secrets(&self, namespace: &str) -> bool {
        let bound = self.bound.iter().filter(|(_, is_planned)| **is_planned);
        let mut roles = bound.filter(|((home, _), _)| home.is_none_or(|home| home == namespace));
        roles.any(|(key, _)| {
            self.roles.get(key).is_some_and(|role| items(role, "/rules").any(dangers::makes_secrets))
        })
    }

    fn rules(&self, account: &AccountName, unread: &mut BTreeSet<String>) -> Vec<(&Value, Scope<'_>)> {
        let bindings: BTreeSet<usize> =
            keys(account).iter().filter_map(|key| self.by_subject.get(key)).flatten().copied().collect();
        let mut rules = Vec::new();
        for binding in bindings.into_iter().filter_map(|at| self.bindings.get(at)) {
            match self.granted(binding) {
                Some(granted) => rules.extend(granted),
                None => drop(unread.insert(role_name(binding.body))),
            }
        }
        rules
    }

    /// The rules that a binding hands out; none where its role is not known, or there were too many before.
    fn granted(&self, binding: &Binding<'a>) -> Option<Vec<(&Value, Scope<'_>)>> {
        let scope = binding.object.namespace.as_deref().map_or(Scope::Cluster, Scope::Namespace);
        let (home, name) = role_key(binding.object, binding.body)?;
        let rules = match self.roles.get(&(home, name)) {
            Some(role) => self.rules_of(role),
            None if home.is_none() => self.built_in.get(name)?.iter().collect(),
            None => return None,
        };
        if !self.may_look_at(rules.len()) {
            return None;
        }
        Some(rules.into_iter().map(|rule| (rule, scope)).collect())
    }

    /// A role's rules, with those that it takes from others.
    fn rules_of(&self, role: &'a Value) -> Vec<&'a Value> {
        let mut rules: Vec<_> = items(role, "/rules").collect();
        for selector in items(role, "/aggregationRule/clusterRoleSelectors") {
            if !self.may_look_at(self.roles.len()) {
                return rules;
            }
            let lookups: Vec<_> = members(selector, "/matchLabels").collect();
            let others = self.roles.iter().filter(|((namespace, _), _)| namespace.is_none());
            let is_meant = |body: &Value| {
                let labels = body.pointer("/metadata/labels");
                lookups.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
            };
            rules.extend(
                others.filter(|(_, body)| is_meant(body)).flat_map(|(_, body)| items(body, "/rules")),
            );
        }
        rules
    }

    /// Whether there is room for looking at so many rules. Once there was none, there is none.
    fn may_look_at(&self, count: usize) -> bool {
        self.left.set(self.left.get().saturating_sub(count.saturating_add(1)));
        self.left.get() > 0
    }

    /// The severity of something unknown: what was left out because of a limit may be anything.
    fn unknown(&self, usually: Severity) -> Severity {
        if self.left.get() == 0 { High } else { usually }
    }

    /// Looks at one object of the plan that hands out rights, or is about to.
    pub(super) fn look(&self, item: &Item<'a>, found: &mut Found) {
        match (item.object.group(), item.object.kind.as_str()) {
            (RBAC, "ClusterRoleBinding" | "RoleBinding") => self.look_at_binding(item, found),
            (RBAC, "ClusterRole" | "Role") => self.look_at_role(item, found),
            _ => of_token(item).iter().for_each(|account| self.look_at_token(account, found)),
        }
    }

    fn look_at_binding(&self, item: &Item<'a>, found: &mut Found) {
        let binding = Binding { object: item.object, body: item.body };
        let (who, role) = (listed(subjects(item)), role_name(item.body));
        let granted = self.granted(&binding);
        let dangers = granted.clone().map(dangers::dangers).unwrap_or_default();
        for danger in &dangers {
            found.add(danger.severity, danger.rule, format!("lets {who} {}", danger.what));
        }
        match granted {
            None => found.add(
                self.unknown(Medium),
                "rbac/unknown",
                format!("gives {who} the rights of {role}, which are not known here"),
            ),
            Some(rules) if dangers.is_empty() && !rules.is_empty() => {
                found.add(Low, "rbac/other", format!("gives {who} the rights of {role}"));
            }
            Some(_) => {}
        }
        let everybody = everybody(item);
        if let Some((name, is_anonymous)) = everybody {
            let least = if is_anonymous { High } else { Medium };
            let severity = dangers
                .first()
                .map_or(least, |worst| worst.severity.max(if is_anonymous { Critical } else { High }));
            let what = format!("gives the rights of {role} to everybody in {}", quoted(name));
            found.add(severity, "rbac/everybody", what);
        }
    }

    /// A role that the plan binds is looked at there.
    fn look_at_role(&self, item: &Item<'a>, found: &mut Found) {
        let namespace = item.object.namespace.as_deref();
        let scope = namespace.map_or(Scope::Cluster, Scope::Namespace);
        let rules = self.rules_of(item.body).into_iter().map(|rule| (rule, scope));
        let dangers = dangers::dangers(rules);
        let bound = self.bound.get(&(namespace, item.object.name.as_str()));
        if bound != Some(&true) {
            for danger in &dangers {
                let (severity, whom) = match bound {
                    Some(_) => (danger.severity, "those who are bound to it already"),
                    None => (danger.severity.lowered(), "whoever is bound to it"),
                };
                found.add(severity, danger.rule, format!("lets {whom} {}", danger.what));
            }
        }
        if is_there(item.body, "/aggregationRule") {
            let what = "takes over the rules of whatever roles have certain labels, those to come included";
            found.add(Medium, "rbac/aggregation", what);
        }
        // Roles gather others by their labels, and by whichever they like.
        let labels = members(item.body, "/metadata/labels").filter(|(_, value)| **value == "true");
        let into: Vec<_> =
            labels.filter_map(|(label, _)| label.split_once("aggregate-to-")).map(|(_, into)| into).collect();
        if !into.is_empty() && namespace.is_none() {
            let severity = dangers.first().map_or(Low, |worst| worst.severity.max(Medium));
            let what = format!("adds its rights to those of everybody who has the role {}", listed(into));
            found.add(severity, "rbac/aggregation", what);
        }
        for gatherer in self.gatherers(item) {
            let severity = dangers.first().map_or(Low, |worst| worst.severity.max(Medium));
            let what =
                format!("adds to whoever has the role {}, which gathers it by its labels", quoted(gatherer));
            found.add(severity, "rbac/aggregation", what);
        }
    }

    /// Roles of the plan that gather a role by its labels, where these are not the usual ones.
    fn gatherers(&self, item: &Item<'a>) -> Vec<&'a str> {
        let labels = item.body.pointer("/metadata/labels");
        let is_gathered = |role: &Value| {
            items(role, "/aggregationRule/clusterRoleSelectors").any(|selector| {
                let mut wanted = members(selector, "/matchLabels").peekable();
                wanted.peek().is_some()
                    && wanted.all(|(key, value)| {
                        !key.contains("aggregate-to-") && labels.and_then(|it| it.get(key)) == Some(value)
                    })
            })
        };
        let all = self.roles.iter().filter(|((home, name), _)| home.is_none() && *name != item.object.name);
        if item.object.kind != "ClusterRole" || !self.may_look_at(self.roles.len()) {
            return Vec::new();
        }
        all.filter(|(_, role)| is_gathered(role)).map(|((_, name), _)| *name).collect()
    }

    fn look_at_token(&self, account: &AccountName, found: &mut Found) {
        let able = self.abilities(account);
        let worst = able.dangers.first().map_or(Medium, |danger| danger.severity.max(Medium));
        let what = format!(
            "holds a token of the service account {} that never expires{}",
            shown(account),
            able.told()
        );
        found.add(worst, "secret/service-account-token", what);
    }

    /// Looks at what a pod may do with the token that it carries.
    pub(super) fn look_at_pod(
        &self,
        item: &Item<'_>,
        pod: &PodView<'_>,
        known: &mut BTreeMap<AccountName, Abilities>,
        found: &mut Found,
    ) {
        let Some(account) = self.carried(item, pod) else { return };
        let able = known.entry(account.clone()).or_insert_with(|| self.abilities(&account));
        if let Some(worst) = able.dangers.first() {
            let what = format!("carries the token of the service account {}{}", shown(&account), able.told());
            found.add(worst.severity, "pod/service-account", what);
        }
        let why = match self.known {
            Coverage::All if able.unread.is_empty() => return,
            Coverage::All => format!("{} could not be read", listed(&able.unread)),
            Coverage::Directory => "a directory knows no rights".to_owned(),
            Coverage::NotAsked => "nobody asked the cluster".to_owned(),
            Coverage::Part => "not all bindings could be read".to_owned(),
        };
        let what = format!(
            "carries the token of the service account {}, whose rights in the cluster are not known: {why}",
            shown(&account)
        );
        found.add(self.unknown(Low), "pod/service-account-unknown", what);
    }

    /// The account whose token a pod carries, if it carries one for the API server.
    pub(super) fn carried(&self, item: &Item<'_>, pod: &PodView<'_>) -> Option<AccountName> {
        let account = (item.object.namespace.clone().unwrap_or_default(), pod.account().to_owned());
        let own = "/automountServiceAccountToken";
        let of_account = self.accounts.get(&account).is_some_and(|body| is_false(body, own));
        let is_mounted = is_true(pod.spec, own) || !is_false(pod.spec, own) && !of_account;
        let sources = items(pod.spec, "/volumes").flat_map(|volume| items(volume, "/projected/sources"));
        let mut tokens = sources.filter(|source| is_on(source, "/serviceAccountToken"));
        let is_projected =
            tokens.any(|source| text(source, "/serviceAccountToken/audience").is_none_or(str::is_empty));
        (is_mounted || is_projected).then_some(account)
    }
}

impl Abilities {
    fn told(&self) -> String {
        if self.dangers.is_empty() {
            return String::new();
        }
        let told: Vec<_> = self.dangers.iter().take(MAX_TOLD).map(|danger| danger.what.as_str()).collect();
        match self.dangers.len() - told.len() {
            0 => format!(", which may {}", told.join("; ")),
            more => format!(", which may {}; and {more} more", told.join("; ")),
        }
    }
}

fn shown((namespace, name): &AccountName) -> String {
    quoted(&format!("{namespace}/{name}"))
}
