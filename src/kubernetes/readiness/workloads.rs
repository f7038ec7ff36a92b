//! Readiness of workloads: pods, and the controllers that own them.

use serde_json::Value;

use crate::kubernetes::api::BATCH;
use crate::kubernetes::managed_fields;

use super::Readiness::{self, Failed, Idle, NotReady, Ready};
use super::conditions::{because, condition, is_true, number, required_if_said, shown, status_of, text};

pub(super) fn pod(object: &Value) -> Readiness {
    match text(object, "/status/phase") {
        Some("Succeeded") => Ready,
        Some("Failed") => Failed(because("its containers failed", text(object, "/status/message"))),
        Some("Running") if is_true(object, "Ready") => Ready,
        Some(phase) => NotReady(waiting_container(object).unwrap_or_else(|| {
            let scheduled = condition(object, "PodScheduled").filter(|it| status_of(it) == Some("False"));
            because(&format!("its phase is {}", shown(phase)), scheduled.and_then(|it| text(it, "/message")))
        })),
        None => NotReady("it has no phase yet".into()),
    }
}

/// The first container that cannot start, and why. It is not called a failure, not even a crash loop: what a container
/// waits for may still come.
pub(super) fn waiting_container(object: &Value) -> Option<String> {
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|path| object.pointer(path)?.as_array())
        .flatten();
    containers.into_iter().find_map(|container| {
        let reason = text(container, "/state/waiting/reason")?;
        let name = shown(text(container, "/name").unwrap_or("?"));
        let what = format!("container `{name}` waits: {}", shown(reason));
        Some(because(&what, text(container, "/state/waiting/message")))
    })
}

pub(super) fn deployment(object: &Value) -> Readiness {
    let wanted = wanted(object);
    let progressing = condition(object, "Progressing");
    let reason = progressing.and_then(|it| text(it, "/reason"));
    if reason == Some("ProgressDeadlineExceeded") {
        return Failed(because(
            "it made no progress in time",
            progressing.and_then(|it| text(it, "/message")),
        ));
    }
    if object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return halted(object, "paused", "its rollout is paused");
    }
    let counted = observed(object)
        .and(enough(object, "updatedReplicas", wanted, "updated"))
        .and(no_more(object, "replicas", wanted, "old replicas are still there"))
        .and(enough(object, "availableReplicas", wanted, "available"))
        .and(enough(object, "readyReplicas", wanted, "ready"));
    // Where the deadline is switched off, the controller never says that the new replica set is available.
    let has_deadline =
        number(object, "/spec/progressDeadlineSeconds").is_some_and(|it| it < i64::from(i32::MAX));
    let rolled_out = reason == Some("NewReplicaSetAvailable") || !has_deadline;
    let ready = counted
        .and(|| if rolled_out { Ready } else { NotReady("its rollout goes on".into()) })
        .and(required_if_said(object, "Available"));
    // A count alone would not say why there are too few.
    if ready == Ready { ready } else { cannot_create(object).unwrap_or(ready) }
}

/// Replicas that a quota or an admission refuses.
pub(super) fn cannot_create(object: &Value) -> Option<Readiness> {
    let failure = condition(object, "ReplicaFailure").filter(|it| status_of(it) == Some("True"))?;
    Some(NotReady(because("replicas cannot be created", text(failure, "/message"))))
}

pub(super) fn stateful_set(object: &Value) -> Readiness {
    if text(object, "/spec/updateStrategy/type") == Some("OnDelete") {
        return Ready;
    }
    let wanted = wanted(object);
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let rolled_out = observed(object)
        .and(enough(object, "replicas", wanted, "created"))
        .and(enough(object, "readyReplicas", wanted, "ready"))
        .and(no_more(object, "replicas", wanted, "replicas are to be removed"));
    if partition > 0 {
        return rolled_out.and(enough(object, "updatedReplicas", wanted - partition, "updated"));
    }
    let same = text(object, "/status/currentRevision") == text(object, "/status/updateRevision");
    rolled_out.and(|| if same { Ready } else { NotReady("its rollout goes on".into()) })
}

pub(super) fn daemon_set(object: &Value) -> Readiness {
    let Some(wanted) = number(object, "/status/desiredNumberScheduled") else {
        return NotReady("nobody has counted its nodes yet".into());
    };
    let rolls = text(object, "/spec/updateStrategy/type") != Some("OnDelete");
    observed(object)
        .and(enough(object, "currentNumberScheduled", wanted, "scheduled"))
        .and(|| if rolls { enough(object, "updatedNumberScheduled", wanted, "updated")() } else { Ready })
        .and(enough(object, "numberAvailable", wanted, "available"))
        .and(enough(object, "numberReady", wanted, "ready"))
}

pub(super) fn replica_set(object: &Value) -> Readiness {
    let wanted = wanted(object);
    if let Some(failure) = cannot_create(object) {
        return failure;
    }
    observed(object)
        .and(enough(object, "replicas", wanted, "created"))
        .and(enough(object, "availableReplicas", wanted, "available"))
        .and(enough(object, "readyReplicas", wanted, "ready"))
        .and(no_more(object, "replicas", wanted, "replicas are to be removed"))
}

pub(super) fn job(object: &Value) -> Readiness {
    if is_true(object, "Complete") {
        return Ready;
    }
    if let Some(failed) = condition(object, "Failed").filter(|it| status_of(it) == Some("True")) {
        return Failed(because("it failed", text(failed, "/message")));
    }
    if object.pointer("/spec/suspend") == Some(&Value::Bool(true)) || is_true(object, "Suspended") {
        return halted(object, "suspend", "it is suspended");
    }
    NotReady("it is not complete".into())
}

/// What a manifest halts, it means to be halted. What somebody else did, by hand or for a while, keeps it from what it
/// is meant to be.
fn halted(object: &Value, member: &str, how: &str) -> Readiness {
    if managed_fields::is_applied(object, &["spec", member]) {
        Idle(format!("{how}, as its manifest says"))
    } else {
        NotReady(how.into())
    }
}

/// Whether an object is removed by its controller once it is done: a Job with a time to live.
pub fn removes_itself(object: &Value) -> bool {
    let group = text(object, "/apiVersion").and_then(|it| it.split_once('/')).map(|(group, _)| group);
    group == Some(BATCH)
        && text(object, "/kind") == Some("Job")
        && number(object, "/spec/ttlSecondsAfterFinished").is_some()
}

pub(super) fn disruption_budget(object: &Value) -> Readiness {
    let Some(wanted) = number(object, "/status/desiredHealthy") else {
        return NotReady("nobody has counted its pods yet".into());
    };
    observed(object).and(enough(object, "currentHealthy", wanted, "healthy"))
}

/// The kinds of `apps` and `policy` always report `observedGeneration`. Without it, the controller has not reconciled
/// the object yet, and every count below would be a default.
pub(super) fn observed(object: &Value) -> Readiness {
    let seen = number(object, "/status/observedGeneration").is_some();
    if seen { Ready } else { NotReady("its controller has not seen it yet".into()) }
}

pub(super) fn wanted(object: &Value) -> i64 {
    number(object, "/spec/replicas").unwrap_or(1)
}

pub(super) fn enough<'a>(
    object: &'a Value,
    count: &'a str,
    wanted: i64,
    word: &'a str,
) -> impl FnOnce() -> Readiness + 'a {
    move || {
        let is = number(object, &format!("/status/{count}")).unwrap_or(0);
        if is >= wanted { Ready } else { NotReady(format!("{is} of {wanted} {word}")) }
    }
}

pub(super) fn no_more<'a>(
    object: &'a Value,
    count: &'a str,
    wanted: i64,
    why: &'a str,
) -> impl FnOnce() -> Readiness + 'a {
    move || {
        let is = number(object, &format!("/status/{count}")).unwrap_or(0);
        if is <= wanted { Ready } else { NotReady(why.into()) }
    }
}
