//! Kinds whose objects are a power by themselves.

use crate::capability::severity::Severity;

use super::untyped::{is_on, members, text};
use super::{Found, Item};

use Severity::{Critical, High, Low, Medium};

/// The highest priority that is not the system's.
const HIGHEST: i64 = 1_000_000_000;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// Looks at one object.
pub(super) fn look(item: &Item<'_>, found: &mut Found) {
    match &*item.object.group_kind() {
        "Namespace" => namespace(item, found),
        "Secret" if text(item.body, "/type") == Some("bootstrap.kubernetes.io/token") => {
            let what = "is a token by which machines join the cluster";
            found.add(Critical, "secret/bootstrap-token", what);
        }
        "scheduling.k8s.io/PriorityClass" => priority(item, found),
        _ => {}
    }
}

/// A namespace says which pods it lets in.
fn namespace(item: &Item<'_>, found: &mut Found) {
    let labels = members(item.body, "/metadata/labels").collect::<Vec<_>>();
    let enforced = labels.iter().find(|(label, _)| *label == ENFORCE).map(|(_, value)| *value);
    if enforced.is_some_and(|level| level == "privileged") {
        let what = "lets any pod in, privileged ones included (pod-security.kubernetes.io/enforce)";
        found.add(Medium, "namespace/privileged", what);
    }
}

fn priority(item: &Item<'_>, found: &mut Found) {
    let value = item.body.pointer("/value").and_then(serde_json::Value::as_i64).unwrap_or_default();
    if value > HIGHEST || item.object.name.starts_with("system-") {
        let what = format!("is a priority of the system ({value}): pods that have it displace others");
        found.add(High, "priority/system", what);
    } else {
        let what = format!("is a priority ({value}): pods that have it displace those that have less");
        found.add(if value > 0 { Medium } else { Low }, "priority/class", what);
    }
    if is_on(item.body, "/globalDefault") {
        let what = "becomes the priority of every new pod that has none";
        found.add(Medium, "priority/default", what);
    }
}
