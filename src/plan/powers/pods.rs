//! Finds the pods that objects bring or make others make, and the containers in them.

use serde_json::{Map, Value};

use crate::capability::severity::Severity;

use super::untyped::{is_there, items, text};
use super::{Found, Item};

/// Kinds that hold a pod, and where.
const PLACES: [(&str, &str); 9] = [
    ("Pod", ""),
    ("PodTemplate", "/template"),
    ("ReplicationController", "/spec/template"),
    ("apps/DaemonSet", "/spec/template"),
    ("apps/Deployment", "/spec/template"),
    ("apps/ReplicaSet", "/spec/template"),
    ("apps/StatefulSet", "/spec/template"),
    ("batch/CronJob", "/spec/jobTemplate/spec/template"),
    ("batch/Job", "/spec/template"),
];

/// The lists of containers in a pod.
const LISTS: [&str; 3] = ["/containers", "/ephemeralContainers", "/initContainers"];

/// Members by which an image is one that is run.
const USES: [&str; 9] =
    ["args", "command", "env", "envFrom", "ports", "resources", "script", "securityContext", "volumeMounts"];

/// A pod that an object brings.
pub(super) struct PodView<'a> {
    /// The pod's own annotations, where the kind of the object says where they are.
    pub(super) annotations: Option<&'a Value>,
    pub(super) spec: &'a Value,
    /// Containers beside the usual lists: where kinds of others have them.
    extra: Vec<&'a Value>,
    /// Whether it is a kind of others', whose controller may complete what is left out.
    is_completed: bool,
}

/// One container of a pod.
#[derive(Clone, Copy)]
pub(super) struct Container<'a> {
    pub(super) name: &'a str,
    pub(super) body: &'a Value,
    /// Whether somebody completes it, so that what is left out tells nothing.
    pub(super) is_partial: bool,
}

impl<'a> PodView<'a> {
    /// The pods of an object. In kinds that are not Kubernetes' own they are found by their shape.
    pub(super) fn all(item: &Item<'a>) -> Vec<Self> {
        let kind = item.object.group_kind();
        let Some((_, place)) = PLACES.iter().find(|(known, _)| *known == kind) else {
            return shaped_like_pods(item.body);
        };
        let template = item.body.pointer(place);
        let pod = |template: &'a Value| {
            let annotations = template.pointer("/metadata/annotations");
            template.get("spec").map(|spec| Self {
                annotations,
                spec,
                extra: Vec::new(),
                is_completed: false,
            })
        };
        template.and_then(pod).into_iter().collect()
    }

    /// Its containers, those that only begin or look included.
    pub(super) fn containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        let (spec, extra, is_completed) = (self.spec, self.extra.clone(), self.is_completed);
        let container = move |body: &'a Value| Container {
            name: text(body, "/name").unwrap_or("?"),
            body,
            is_partial: is_completed && text(body, "/image").is_none(),
        };
        LISTS.into_iter().flat_map(|list| items(spec, list)).chain(extra).map(container)
    }

    /// The service account that it runs as.
    pub(super) fn account(&self) -> &'a str {
        let named = |pointer| text(self.spec, pointer).filter(|name| !name.is_empty());
        named("/serviceAccountName").or_else(|| named("/serviceAccount")).unwrap_or("default")
    }

    /// Reports a pod whose lists of containers are malformed.
    pub(super) fn check_shape(&self, found: &mut Found) {
        let is_list =
            |list| !is_there(self.spec, list) || self.spec.pointer(list).is_some_and(Value::is_array);
        if !self.spec.is_object() || !LISTS.into_iter().all(is_list) {
            let what = "has a pod that cannot be read: what it does is not known";
            found.add(Severity::High, "pod/unreadable", what);
        }
    }
}

/// Maps in which containers stand, or what a pod takes of its node, wherever they are in the object. No recursion: the object
/// may be as deep as it likes.
fn shaped_like_pods(body: &Value) -> Vec<PodView<'_>> {
    let mut pods = Vec::new();
    let mut left = vec![body];
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(members) => {
                let (pod, rest) = shaped(value, members);
                pods.extend(pod);
                left.extend(rest);
            }
            _ => {}
        }
    }
    pods
}

/// The pod that a map is, if it is one, and what else to look into.
fn shaped<'a>(value: &'a Value, members: &'a Map<String, Value>) -> (Option<PodView<'a>>, Vec<&'a Value>) {
    let (mut rest, mut extra) = (Vec::new(), Vec::new());
    let mut is_pod = takes_of_node(value);
    // Metadata and status are the server's own and start no pods.
    let is_object = value.get("apiVersion").is_some();
    let members =
        members.iter().filter(|(name, _)| !is_object || !["metadata", "status"].contains(&name.as_str()));
    for (name, member) in members {
        let is_usual = LISTS.iter().any(|list| list.trim_start_matches('/') == name);
        match member {
            Value::Array(items) if items.iter().any(|item| is_container(item, is_usual)) => {
                is_pod = true;
                if !is_usual {
                    extra.extend(items.iter().filter(|item| item.is_object()));
                }
            }
            Value::Object(_) if is_lone_container(name, member) => {
                is_pod = true;
                extra.push(member);
            }
            member => rest.push(member),
        }
    }
    let pod = PodView { annotations: None, spec: value, extra, is_completed: true };
    (is_pod.then_some(pod), rest)
}

/// Powers of a pod over its node, or the account that it runs as, in a map that has no containers.
fn takes_of_node(value: &Value) -> bool {
    let is_set = |member: &&str| value.get(*member) == Some(&Value::Bool(true));
    let has_path = |volume: &Value| is_there(volume, "/hostPath") && text(volume, "/name").is_some();
    let runs = text(value, "/serviceAccountName").is_some()
        && ["image", "replicas"].iter().any(|it| value.get(it).is_some());
    ["hostIPC", "hostNetwork", "hostPID"].iter().any(is_set) || items(value, "/volumes").any(has_path) || runs
}

/// Whether an item of a list is a container: it has an image and a use for it, a command, or a security context of its own. In
/// the lists that pods have, a name and an image are enough.
fn is_container(item: &Value, is_usual: bool) -> bool {
    let is_there = |member: &&str| item.get(*member).is_some_and(|it| !it.is_null());
    let (is_named, has_image) = (text(item, "/name").is_some(), text(item, "/image").is_some());
    let has_use = USES.iter().any(is_there);
    has_image && (is_usual && is_named || has_use) || is_named && (has_command(item) || is_confined(item))
}

/// The same for a member that is one: what it is called counts as well.
fn is_lone_container(name: &str, value: &Value) -> bool {
    let is_called = ["container", "initContainer", "script", "sidecar", "stepTemplate"].contains(&name);
    let has_image = text(value, "/image").is_some();
    has_image && (is_called || has_command(value)) || is_called && is_confined(value)
}

fn has_command(value: &Value) -> bool {
    let is_list = |member: &str| value.get(member).is_some_and(Value::is_array);
    is_list("command")
        || text(value, "/script").is_some()
        || text(value, "/image").is_some() && is_list("args")
}

/// Whether there is a security context as only containers have it.
fn is_confined(value: &Value) -> bool {
    let members =
        ["allowPrivilegeEscalation", "capabilities", "privileged", "procMount", "readOnlyRootFilesystem"];
    members.iter().any(|member| value.pointer(&format!("/securityContext/{member}")).is_some())
}
