//! Where pods go, and what their containers share.

use serde_json::Value;

use crate::capability::severity::Severity;

use super::pods::PodView;
use super::untyped::{is_on, items, listed, members, quoted, text};
use super::{Found, Item};

use Severity::{Low, Medium};

/// Where a pod or a container says which groups it has.
const GROUPS: [&str; 2] = ["/securityContext/runAsGroup", "/securityContext/fsGroup"];

/// Roles of nodes that the cluster itself runs on.
const CONTROL: [&str; 3] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/etcd",
    "node-role.kubernetes.io/master",
];

/// Looks at one pod.
pub(super) fn look(item: &Item<'_>, pod: &PodView<'_>, found: &mut Found) {
    look_at_nodes(item, pod.spec, found);
    if is_on(pod.spec, "/shareProcessNamespace") {
        let what = "has containers that see and reach into each other's processes (shareProcessNamespace)";
        found.add(Low, "pod/shared-processes", what);
    }
    let containers = || pod.containers().map(|container| container.body);
    let is_root = |value: Option<&Value>| value.and_then(Value::as_i64) == Some(0);
    let more = items(pod.spec, "/securityContext/supplementalGroups").any(|group| is_root(Some(group)));
    let own = GROUPS.iter().any(|place| {
        is_root(pod.spec.pointer(place)) || containers().any(|body| is_root(body.pointer(place)))
    });
    if more || own {
        found.add(
            Low,
            "pod/root-group",
            "is in the group of root (0), and may do what that group may with files",
        );
    }
    let devices =
        containers().flat_map(|body| items(body, "/volumeDevices")).filter_map(|it| text(it, "/devicePath"));
    let devices: Vec<_> = devices.collect();
    if !devices.is_empty() {
        found.add(
            Medium,
            "pod/raw-device",
            format!("gets volumes as raw devices, past their file systems: {}", listed(devices)),
        );
    }
}

/// Where a pod runs, and by whose choice.
fn look_at_nodes(item: &Item<'_>, spec: &Value, found: &mut Found) {
    if let Some(node) = text(spec, "/nodeName").filter(|node| !node.is_empty() && !was_scheduled(item)) {
        let what = format!(
            "runs on the node {}, past the scheduler and what keeps pods away from there",
            quoted(node)
        );
        found.add(Medium, "pod/node", what);
    }
    if items(spec, "/tolerations").any(is_for_everything) {
        found.add(
            Low,
            "pod/tolerations",
            "runs on any node, whatever keeps pods away from there (tolerations)",
        );
    }
    if members(spec, "/nodeSelector").any(|(label, _)| CONTROL.contains(&label)) {
        found.add(Low, "pod/control-plane", "runs where the cluster's own parts do (nodeSelector)");
    }
    for (member, rule, what) in [
        ("/runtimeClassName", "pod/runtime", "chooses how it is run"),
        ("/schedulerName", "pod/scheduler", "is placed by a scheduler of somebody's"),
    ] {
        if let Some(name) = text(spec, member).filter(|name| !["", "default-scheduler"].contains(name)) {
            found.add(Low, rule, format!("{what}: {}", quoted(name)));
        }
    }
}

/// A pod that is there has the node that the scheduler chose.
fn was_scheduled(item: &Item<'_>) -> bool {
    items(item.body, "/status/conditions").any(|condition| text(condition, "/type") == Some("PodScheduled"))
}

fn is_for_everything(toleration: &Value) -> bool {
    let has_key = text(toleration, "/key").is_some_and(|key| !key.is_empty());
    !has_key && text(toleration, "/operator") == Some("Exists")
}
