//! Dangerous RBAC rights: those that let their holder escalate to more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::capability::severity::Severity;
use crate::kubernetes::api::RBAC;
use crate::text::counted;

use super::rights_table::{READ, RIGHTS, Right};
use super::untyped::{is_there, items, listed, texts};

use Severity::{Critical, High, Low, Medium};

/// Where rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope<'a> {
    Cluster,
    Namespace(&'a str),
}

/// A right that leads further, as somebody has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Danger {
    pub(super) severity: Severity,
    pub(super) rule: &'static str,
    /// The danger as a phrase, to be read after "may".
    pub(super) what: String,
}

/// The rights in these rules that lead further, the worst first. Each kind of right is named once.
pub(super) fn dangers<'a>(rules: impl IntoIterator<Item = (&'a Value, Scope<'a>)>) -> Vec<Danger> {
    let mut noted = Noted::default();
    for (rule, scope) in rules {
        noted.look(rule, scope);
    }
    noted.into_dangers()
}

/// What was found, by the rule and the words for it: the worst severity, and every place.
#[derive(Default)]
struct Noted(BTreeMap<(&'static str, &'static str), (Severity, BTreeSet<String>)>);

impl Noted {
    fn look(&mut self, rule: &Value, scope: Scope<'_>) {
        let in_cluster = |there, elsewhere| if scope == Scope::Cluster { there } else { elsewhere };
        let mut note = |name, what, severity| self.note(name, what, severity, place(scope, rule));
        if is_everything(rule) {
            return note("rbac/everything", "do everything", in_cluster(Critical, High));
        }
        for right in RIGHTS.iter().filter(|right| right.is_in(rule)) {
            let Some(severity) = right.severity(scope) else { continue };
            let severity = if right.narrows && is_narrow(rule) { severity.lowered() } else { severity };
            note(right.rule, right.what, severity);
        }
        let is_certain = |verb: &str| verb.starts_with("impersonate:") || verb.starts_with("impersonate-on:");
        if texts(rule, "/verbs").any(is_certain) {
            let what = "act as certain others (`impersonate:…`)";
            note("rbac/impersonate", what, in_cluster(High, Medium));
        }
        if scope == Scope::Cluster && texts(rule, "/nonResourceURLs").any(|path| ["*", "/*"].contains(&path))
        {
            let acts = texts(rule, "/verbs").any(|verb| !["get", "head", "options"].contains(&verb));
            let what = "reach whatever the API server serves beside objects";
            note("rbac/paths", what, if acts { High } else { Medium });
        }
        if texts(rule, "/resources").any(|resource| resource == "*") {
            let what = "reach every kind of a group, those to come included";
            note("rbac/every-resource", what, in_cluster(Medium, Low));
        }
    }

    fn note(&mut self, rule: &'static str, what: &'static str, severity: Severity, place: String) {
        let (worst, places) = self.0.entry((rule, what)).or_insert_with(|| (severity, BTreeSet::new()));
        *worst = severity.max(*worst);
        places.insert(place);
    }

    fn into_dangers(self) -> Vec<Danger> {
        let danger = |((rule, what), (severity, places)): (_, (_, BTreeSet<String>))| Danger {
            severity,
            rule,
            what: format!("{what} {}", joined(places)),
        };
        let mut dangers: Vec<_> = self.0.into_iter().map(danger).collect();
        dangers.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.what.cmp(&b.what)));
        dangers
    }
}

/// The rules of roles that every cluster has, for where they cannot be read. Only what leads further is in them.
pub(super) fn built_in(name: &str) -> Option<Vec<Value>> {
    let edit = || {
        vec![
            json!({"apiGroups": [""], "verbs": ["create", "get", "list", "patch", "update", "watch"],
                "resources": ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets"]}),
            json!({"apiGroups": ["apps", "batch"], "verbs": ["create", "patch", "update"],
                "resources": ["cronjobs", "daemonsets", "deployments", "jobs", "replicasets", "statefulsets"]}),
            json!({"apiGroups": [""], "verbs": ["create", "impersonate"],
                "resources": ["serviceaccounts", "serviceaccounts/token"]}),
        ]
    };
    match name {
        "cluster-admin" => Some(vec![json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})]),
        "admin" => {
            let roles = json!({"apiGroups": [RBAC], "resources": ["rolebindings", "roles"],
                "verbs": ["create", "patch", "update"]});
            Some([edit(), vec![roles]].concat())
        }
        "edit" => Some(edit()),
        "view" => Some(Vec::new()),
        _ => None,
    }
}

/// Whether a rule lets somebody make Secrets.
pub(super) fn makes_secrets(rule: &Value) -> bool {
    covers(rule, "/verbs", &["create"]) && is_for(rule, "", &["secrets"])
}

/// The Secrets that these rules let somebody read.
pub(super) fn reads_secret<'a>(
    rules: impl IntoIterator<Item = (&'a Value, Scope<'a>)>,
    namespace: &str,
    name: &str,
) -> bool {
    rules.into_iter().any(|(rule, scope)| {
        let is_there = scope == Scope::Cluster || scope == Scope::Namespace(namespace);
        let named = !is_narrow(rule) || texts(rule, "/resourceNames").any(|it| it == name);
        is_there && named && covers(rule, "/verbs", READ) && is_for(rule, "", &["secrets"])
    })
}

impl Right {
    fn is_in(&self, rule: &Value) -> bool {
        covers(rule, "/verbs", self.verbs) && is_for(rule, self.group, self.resources)
    }

    fn severity(&self, scope: Scope<'_>) -> Option<Severity> {
        match scope {
            Scope::Cluster => Some(self.severities.0),
            Scope::Namespace(_) => self.severities.1,
        }
    }
}

fn is_everything(rule: &Value) -> bool {
    let all = |member| texts(rule, member).any(|item| item == "*");
    all("/apiGroups") && all("/resources") && all("/verbs") && !is_narrow(rule)
}

/// Whether a rule is for objects of certain names alone.
fn is_narrow(rule: &Value) -> bool {
    is_there(rule, "/resourceNames") && items(rule, "/resourceNames").len() > 0
}

fn covers(rule: &Value, member: &str, lookups: &[&str]) -> bool {
    texts(rule, member).any(|item| item == "*" || lookups.contains(&item))
}

fn is_for(rule: &Value, group: &str, resources: &[&str]) -> bool {
    let is_meant = |item: &str| {
        resources.iter().any(|resource| {
            let part = resource.split_once('/').map(|(_, part)| part);
            item == "*" || item == *resource || part.is_some_and(|part| item.strip_prefix("*/") == Some(part))
        })
    };
    covers(rule, "/apiGroups", &[group]) && texts(rule, "/resources").any(is_meant)
}

fn place(scope: Scope<'_>, rule: &Value) -> String {
    let names = if is_narrow(rule) {
        format!(" (only {})", listed(texts(rule, "/resourceNames")))
    } else {
        String::new()
    };
    match scope {
        Scope::Cluster => format!("in the whole cluster{names}"),
        Scope::Namespace(namespace) => format!("in the namespace {}{names}", listed([namespace])),
    }
}

fn joined(places: BTreeSet<String>) -> String {
    let count = places.len();
    let shown: Vec<_> = places.into_iter().take(3).collect();
    match count - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), counted(more, "more place")),
    }
}
