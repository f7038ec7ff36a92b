//! Guards that are lowered: what a namespace lets in, whom the API server hurries for, policies that nobody is bound to.

use serde_json::Value;

use crate::capability::severity::Severity;
use crate::kubernetes::api::ADMISSION;
use crate::plan::trace::ObjectChange;

use super::untyped::{items, listed, members, quoted, text};
use super::{Found, Item};

use Severity::{High, Low, Medium};

const FLOW: &str = "flowcontrol.apiserver.k8s.io";

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

const VERSION: &str = "pod-security.kubernetes.io/enforce-version";

/// The version from which on the standards are as they are now, but for details.
const CURRENT: u64 = 25;

/// Labels of a namespace that keep a guard of somebody's away from it.
const EXEMPTIONS: [&str; 6] = [
    "admission.gatekeeper.sh/ignore",
    "cert-manager.io/disable-validation",
    "control-plane",
    "linkerd.io/is-control-plane",
    "openpolicyagent.org/webhook",
    "policies.kyverno.io/ignore",
];

/// Looks at one object. `bound` are the policies that the plan binds.
pub(super) fn look(item: &Item<'_>, all: &[Item<'_>], found: &mut Found) {
    match (item.object.group(), item.object.kind.as_str()) {
        ("", "Namespace") => namespace(item.body, found),
        (FLOW, "FlowSchema") => flow(item.body, found),
        (FLOW, "PriorityLevelConfiguration") => level(item.body, found),
        (ADMISSION, "MutatingAdmissionPolicy" | "ValidatingAdmissionPolicy") => policy(item, all, found),
        _ => {}
    }
}

/// The Pod Security level of a namespace, before and now.
pub(super) fn look_at_change(row: &ObjectChange, found: &mut Found) {
    let (Some(before), Some(after)) = (&row.before, &row.after) else { return };
    if !row.object.is("", "Namespace") {
        return;
    }
    let level = |body: &Value| {
        let labels = body.pointer("/metadata/labels");
        let enforced = labels.and_then(|labels| labels.get(ENFORCE)).and_then(Value::as_str);
        enforced.unwrap_or("privileged").to_owned()
    };
    let rank =
        |level: &str| ["privileged", "baseline", "restricted"].iter().position(|known| *known == level);
    let (was, is) = (level(before), level(after));
    if rank(&was) > rank(&is) {
        let severity = if is == "baseline" { Low } else { Medium };
        let what =
            format!("lets in pods that it kept out before: {} instead of {}", quoted(&is), quoted(&was));
        found.add(severity, "namespace/lowered", what);
    }
}

fn namespace(body: &Value, found: &mut Found) {
    for (label, value) in members(body, "/metadata/labels") {
        let value = value.as_str().unwrap_or("?");
        if label == VERSION && minor(value).is_some_and(|minor| minor < CURRENT) {
            let what = format!("is judged by rules of long ago: {}", quoted(value));
            found.add(Low, "namespace/old-rules", what);
        }
        if EXEMPTIONS.contains(&label) {
            found.add(
                Medium,
                "namespace/exempt",
                format!("is excepted from guards of others, by the label {}", quoted(label)),
            );
        }
    }
}

/// The minor version of `v1.N`.
fn minor(version: &str) -> Option<u64> {
    version.strip_prefix("v1.")?.parse().ok()
}

fn flow(body: &Value, found: &mut Found) {
    let level = text(body, "/spec/priorityLevelConfiguration/name").unwrap_or("?");
    let subjects = items(body, "/spec/rules").flat_map(|rule| items(rule, "/subjects"));
    let names = subjects.filter_map(|subject| {
        ["/group/name", "/serviceAccount/name", "/user/name"]
            .into_iter()
            .find_map(|place| text(subject, place))
    });
    let who = listed(names);
    if level == "exempt" {
        let what =
            format!("frees requests from the limits of the API server, which then may drown in them: {who}");
        found.add(Medium, "api/exempt", what);
    } else {
        let what = format!("decides how soon the API server answers: {who} by the level {}", quoted(level));
        found.add(Low, "api/priority", what);
    }
}

fn level(body: &Value, found: &mut Found) {
    if text(body, "/spec/type") == Some("Exempt") {
        found.add(
            Medium,
            "api/exempt",
            "frees requests from the limits of the API server, which then may drown in them",
        );
    } else {
        found.add(Low, "api/priority", "decides how many requests the API server works at");
    }
}

/// A policy that the plan does not bind: bindings that are there make it count.
fn policy(item: &Item<'_>, all: &[Item<'_>], found: &mut Found) {
    let is_bound = all.iter().any(|other| {
        other.object.group() == ADMISSION
            && other.object.kind == format!("{}Binding", item.object.kind)
            && text(other.body, "/spec/policyName") == Some(&*item.object.name)
    });
    if is_bound {
        return;
    }
    let (severity, does) = if item.object.kind.starts_with("Mutating") {
        (High, "changed")
    } else {
        (Medium, "refused, or let through")
    };
    let what = format!("decides what is {does} where others have bound this policy");
    found.add(severity, "admission/unbound-policy", what);
}
