//! Finds the pods that objects bring or make others make, and the containers in them.

use serde_json::Value;

use crate::capability::severity::Severity;

use super::untyped::{is_there, items, members, text};
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

/// A pod that an object brings.
pub(super) struct PodView<'a> {
    /// The pod's own annotations, where the kind of the object says where they are.
    pub(super) annotations: Option<&'a Value>,
    pub(super) spec: &'a Value,
}

/// One container of a pod.
#[derive(Clone, Copy)]
pub(super) struct Container<'a> {
    pub(super) name: &'a str,
    pub(super) body: &'a Value,
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
            template.get("spec").map(|spec| Self { annotations, spec })
        };
        template.and_then(pod).into_iter().collect()
    }

    /// Its containers, those that only begin or look included.
    pub(super) fn containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        let spec = self.spec;
        LISTS
            .into_iter()
            .flat_map(|list| items(spec, list))
            .map(|body| Container { name: text(body, "/name").unwrap_or("?"), body })
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

/// Maps with a list of containers, each with a name and an image, wherever they are in the object. No recursion: the
/// object may be as deep as it likes.
fn shaped_like_pods(body: &Value) -> Vec<PodView<'_>> {
    let mut pods = Vec::new();
    // Metadata and status are the server's own and start no pods.
    let is_brought = |(name, value)| (!["metadata", "status"].contains(&name)).then_some(value);
    let mut left: Vec<_> = members(body, "").filter_map(is_brought).collect();
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(_) if has_containers(value) => {
                pods.push(PodView { annotations: None, spec: value })
            }
            Value::Object(members) => left.extend(members.values()),
            _ => {}
        }
    }
    pods
}

fn has_containers(value: &Value) -> bool {
    let is_container = |item: &Value| text(item, "/name").is_some() && text(item, "/image").is_some();
    let mut containers = items(value, "/containers").peekable();
    containers.peek().is_some() && containers.all(is_container)
}
