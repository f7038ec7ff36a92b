//! Dangerous RBAC rights: those that let their holder escalate to more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::capability::severity::Severity;
use crate::kubernetes::api::{ADMISSION, API_EXTENSIONS, APPS, BATCH, RBAC};

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

/// A kind of right.
struct Right {
    rule: &'static str,
    verbs: &'static [&'static str],
    group: &'static str,
    resources: &'static [&'static str],
    /// How bad it is everywhere, and in one namespace; there is nothing of the kind in a namespace where none is given.
    severities: (Severity, Option<Severity>),
    /// Whether it is less when it is for objects of certain names alone.
    narrows: bool,
    what: &'static str,
}

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
const CHANGE: &[&str] = &["create", "patch", "update"];

/// The rights by which somebody gets more than they have, or gets at what others keep secret.
const RIGHTS: &[Right] = &[
    Right {
        rule: "rbac/escalate",
        verbs: &["escalate"],
        group: RBAC,
        resources: &["clusterroles", "roles"],
        severities: (Critical, Some(High)),
        narrows: false,
        what: "give itself any right (`escalate`)",
    },
    Right {
        rule: "rbac/bind",
        verbs: &["bind"],
        group: RBAC,
        resources: &["clusterroles", "roles"],
        severities: (Critical, Some(High)),
        narrows: false,
        what: "hand out roles whose rights it does not have (`bind`)",
    },
    Right {
        rule: "rbac/impersonate",
        verbs: &["impersonate"],
        group: "",
        resources: &["groups", "serviceaccounts", "users"],
        severities: (Critical, Some(High)),
        narrows: false,
        what: "act as others (`impersonate`)",
    },
    Right {
        rule: "rbac/token-create",
        verbs: &["create"],
        group: "",
        resources: &["serviceaccounts/token"],
        severities: (Critical, Some(High)),
        narrows: true,
        what: "make tokens of service accounts, and so act as them",
    },
    Right {
        rule: "rbac/nodes-proxy",
        verbs: &["create", "get", "patch", "update"],
        group: "",
        resources: &["nodes/proxy"],
        severities: (Critical, None),
        narrows: false,
        what: "run commands in any pod through the nodes (`nodes/proxy`)",
    },
    Right {
        rule: "rbac/admission",
        verbs: CHANGE,
        group: ADMISSION,
        resources: &[
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "mutatingwebhookconfigurations",
        ],
        severities: (Critical, None),
        narrows: true,
        what: "change whatever anybody writes, by webhooks or policies",
    },
    Right {
        rule: "rbac/admission",
        verbs: WRITE,
        group: ADMISSION,
        resources: &[
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "validatingwebhookconfigurations",
        ],
        severities: (High, None),
        narrows: true,
        what: "see or refuse whatever anybody writes, or lift such a guard",
    },
    Right {
        rule: "rbac/certificates",
        verbs: &["approve", "sign", "update", "patch"],
        group: "certificates.k8s.io",
        resources: &["certificatesigningrequests/approval", "certificatesigningrequests/status", "signers"],
        severities: (Critical, None),
        narrows: false,
        what: "have certificates made for anybody",
    },
    Right {
        rule: "rbac/api-services",
        verbs: CHANGE,
        group: "apiregistration.k8s.io",
        resources: &["apiservices"],
        severities: (Critical, None),
        narrows: true,
        what: "answer in the place of the API server",
    },
    Right {
        rule: "rbac/secrets-read",
        verbs: READ,
        group: "",
        resources: &["secrets"],
        severities: (High, Some(Medium)),
        narrows: true,
        what: "read Secrets",
    },
    Right {
        rule: "rbac/secrets-write",
        verbs: WRITE,
        group: "",
        resources: &["secrets"],
        severities: (High, Some(Medium)),
        narrows: true,
        what: "change Secrets",
    },
    Right {
        rule: "rbac/exec",
        verbs: &["create", "get", "patch", "update"],
        group: "",
        resources: &[
            "pods/attach",
            "pods/ephemeralcontainers",
            "pods/exec",
            "pods/portforward",
            "pods/proxy",
        ],
        severities: (Critical, Some(High)),
        narrows: true,
        what: "get into running pods",
    },
    Right {
        rule: "rbac/volumes",
        verbs: CHANGE,
        group: "",
        resources: &["persistentvolumes"],
        severities: (High, None),
        narrows: true,
        what: "make volumes of the nodes' directories",
    },
    Right {
        rule: "rbac/nodes",
        verbs: WRITE,
        group: "",
        resources: &["nodes", "nodes/status"],
        severities: (High, None),
        narrows: true,
        what: "change nodes, and so where pods run",
    },
    Right {
        rule: "rbac/namespaces",
        verbs: WRITE,
        group: "",
        resources: &["namespaces"],
        severities: (High, Some(Medium)),
        narrows: true,
        what: "change or delete namespaces, and with them what holds in them",
    },
    Right {
        rule: "rbac/pods",
        verbs: CHANGE,
        group: "",
        resources: &["pods", "podtemplates", "replicationcontrollers"],
        severities: (High, Some(Medium)),
        narrows: true,
        what: "start pods as any service account that is there",
    },
    Right {
        rule: "rbac/pods",
        verbs: CHANGE,
        group: APPS,
        resources: &["daemonsets", "deployments", "replicasets", "statefulsets"],
        severities: (High, Some(Medium)),
        narrows: true,
        what: "start pods as any service account that is there",
    },
    Right {
        rule: "rbac/pods",
        verbs: CHANGE,
        group: BATCH,
        resources: &["cronjobs", "jobs"],
        severities: (High, Some(Medium)),
        narrows: true,
        what: "start pods as any service account that is there",
    },
    Right {
        rule: "rbac/roles",
        verbs: WRITE,
        group: RBAC,
        resources: &["clusterrolebindings", "clusterroles", "rolebindings", "roles"],
        severities: (High, Some(Medium)),
        narrows: true,
        what: "change roles and bindings, as far as its own rights go",
    },
    Right {
        rule: "rbac/definitions",
        verbs: WRITE,
        group: API_EXTENSIONS,
        resources: &["customresourcedefinitions"],
        severities: (Medium, None),
        narrows: true,
        what: "change or delete definitions of custom resources, and with them all such objects",
    },
];

/// The rights in these rules that lead further, the worst first. Each kind of right is named once.
pub(super) fn dangers<'a>(rules: impl IntoIterator<Item = (&'a Value, Scope<'a>)>) -> Vec<Danger> {
    let mut found = BTreeMap::<(&'static str, &'static str), (Severity, BTreeSet<String>)>::new();
    let mut note = |rule, what, severity, place: String| {
        let (worst, places) = found.entry((rule, what)).or_insert_with(|| (severity, BTreeSet::new()));
        *worst = severity.max(*worst);
        places.insert(place);
    };
    for (rule, scope) in rules {
        if is_everything(rule) {
            let severity = if scope == Scope::Cluster { Critical } else { High };
            note("rbac/everything", "do everything", severity, place(scope, rule));
            continue;
        }
        for right in RIGHTS.iter().filter(|right| right.is_in(rule)) {
            let Some(severity) = right.severity(scope) else { continue };
            let severity = if right.narrows && is_narrow(rule) { severity.lowered() } else { severity };
            note(right.rule, right.what, severity, place(scope, rule));
        }
        if texts(rule, "/verbs")
            .any(|verb| verb.starts_with("impersonate:") || verb.starts_with("impersonate-on:"))
        {
            let severity = if scope == Scope::Cluster { High } else { Medium };
            note("rbac/impersonate", "act as certain others (`impersonate:…`)", severity, place(scope, rule));
        }
        if texts(rule, "/resources").any(|resource| resource == "*") {
            let severity = if scope == Scope::Cluster { Medium } else { Low };
            note(
                "rbac/every-resource",
                "reach every kind of a group, those to come included",
                severity,
                place(scope, rule),
            );
        }
    }
    let danger = |((rule, what), (severity, places)): (_, (_, BTreeSet<String>))| Danger {
        severity,
        rule,
        what: format!("{what} {}", joined(places)),
    };
    let mut dangers: Vec<_> = found.into_iter().map(danger).collect();
    dangers.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.what.cmp(&b.what)));
    dangers
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
        more => format!("{} and {more} more places", shown.join(", ")),
    }
}
