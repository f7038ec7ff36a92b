//! What keeps others from working, or opens what was closed: quotas of nothing, budgets that never yield, numbers without
//! measure, policies for everybody.

use serde_json::Value;

use crate::capability::severity::Severity;

use super::untyped::{items, listed, members, quoted, text};
use super::{Found, Item};

use Severity::Low;

/// From how many pods on a number is without measure.
const MANY: i64 = 1_000;

/// Where workloads say how many pods they may have.
const COUNTS: [(&str, &str); 9] = [
    ("apps/Deployment", "/spec/replicas"),
    ("apps/ReplicaSet", "/spec/replicas"),
    ("apps/StatefulSet", "/spec/replicas"),
    ("ReplicationController", "/spec/replicas"),
    ("autoscaling/HorizontalPodAutoscaler", "/spec/maxReplicas"),
    ("batch/Job", "/spec/parallelism"),
    ("batch/Job", "/spec/completions"),
    ("batch/CronJob", "/spec/jobTemplate/spec/parallelism"),
    ("batch/CronJob", "/spec/jobTemplate/spec/completions"),
];

/// Looks at one object.
pub(super) fn look(item: &Item<'_>, found: &mut Found) {
    let kind = item.object.group_kind();
    match &*kind {
        "ResourceQuota" => quota(item.body, found),
        "LimitRange" => limits(item.body, found),
        "policy/PodDisruptionBudget" => budget(item.body, found),
        "networking.k8s.io/NetworkPolicy" => network(item.body, found),
        _ => {}
    }
    let counted = COUNTS.iter().filter(|(known, _)| *known == kind);
    let most = counted.filter_map(|(_, place)| item.body.pointer(place)?.as_i64()).max();
    if let Some(most) = most.filter(|most| *most >= MANY) {
        found.add(Low, "denial/many", format!("may start {most} pods, which leaves little room for others"));
    }
}

fn quota(body: &Value, found: &mut Found) {
    let none: Vec<_> =
        members(body, "/spec/hard").filter(|(_, value)| is_zero(value)).map(|(name, _)| name).collect();
    if !none.is_empty() {
        found.add(
            Low,
            "denial/quota",
            format!("lets nothing more be made in its namespace: {}", listed(none)),
        );
    }
}

fn limits(body: &Value, found: &mut Found) {
    let max = items(body, "/spec/limits").flat_map(|limit| members(limit, "/max"));
    let none: Vec<_> = max.filter(|(_, value)| is_zero(value)).map(|(name, _)| name).collect();
    if !none.is_empty() {
        found.add(Low, "denial/quota", format!("lets no pod of its namespace have any of {}", listed(none)));
    }
}

fn is_zero(value: &Value) -> bool {
    let number = value.as_str().map(|text| text.trim_matches(|c: char| c.is_ascii_alphabetic()));
    value.as_f64().or_else(|| number?.parse().ok()) == Some(0.0)
}

fn budget(body: &Value, found: &mut Found) {
    let says = |place: &str, meant: &str| {
        body.pointer(place).is_some_and(|value| {
            value.as_str() == Some(meant) || value.as_i64().map(|it| it.to_string()).as_deref() == Some(meant)
        })
    };
    if says("/spec/maxUnavailable", "0")
        || says("/spec/maxUnavailable", "0%")
        || says("/spec/minAvailable", "100%")
    {
        found.add(Low, "denial/budget", "never lets a pod go by itself, so that nodes cannot be emptied");
    }
}

/// A policy for all pods of its namespace, and one that lets everybody in.
fn network(body: &Value, found: &mut Found) {
    let is_for_all = body.pointer("/spec/podSelector").is_none_or(|selector| {
        members(selector, "").all(|(_, part)| {
            part.as_object().is_none_or(serde_json::Map::is_empty)
                && part.as_array().is_none_or(Vec::is_empty)
        })
    });
    for (direction, types, peers) in [("ingress", "Ingress", "from"), ("egress", "Egress", "to")] {
        let place = format!("/spec/{direction}");
        let rules = items(body, &place);
        let is_open = |rule: &Value| {
            ["ports", peers].iter().all(|member| items(rule, &format!("/{member}")).len() == 0)
        };
        let opens = rules.clone().any(is_open);
        let named = items(body, "/spec/policyTypes").any(|it| it.as_str() == Some(types));
        let is_closed = rules.len() == 0
            && (named || direction == "ingress" && text(body, "/spec/policyTypes/0").is_none());
        let whom = if is_for_all { "all pods of its namespace" } else { "its pods" };
        if opens && (is_for_all || direction == "ingress") {
            let what = format!("opens {whom} to everybody ({})", quoted(direction));
            found.add(Low, "network/open", what);
        }
        if is_closed && is_for_all {
            found.add(Low, "network/closed", format!("closes {whom} to everybody ({})", quoted(direction)));
        }
    }
}
