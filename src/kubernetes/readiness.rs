//! Tells from an object as the server returns it whether it is ready: the rules of kstatus, as a pure function.
//!
//! What a controller has not looked at yet is never ready, and has not failed either: what it says is about an earlier
//! state. Two rules are stricter than kstatus', because what comes after a wait usually depends on it: a Job is ready when
//! it is complete, not when it has begun, and a Service of type `LoadBalancer` when it has an address. One is more
//! patient: a pod that cannot be scheduled or whose container crashes has not failed, since what it needs may still come.

use serde_json::Value;

use crate::document;
use crate::kubernetes::kinds::builtin;
use crate::kubernetes::object::ObjectRef;

/// How far an object has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It will not become ready by itself, and why.
    Failed(String),
    /// It may become ready, and what is missing.
    NotReady(String),
    /// It is as it should be.
    Ready,
}

use Readiness::{Failed, NotReady, Ready};

/// How ready `object` is.
///
/// `expects_status` says that the object is of a kind whose controller writes a status: a custom resource whose
/// definition has one. Such an object without a status is not ready, however little there is to complain about. It has no
/// influence on the kinds that are known here.
pub fn readiness(object: &Value, expects_status: bool) -> Readiness {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return NotReady(going(object));
    }
    if let Some(said) = not_yet_observed(object).or_else(|| standard_conditions(object)) {
        return said;
    }
    let (group, kind) = (group_of(object), text(object, "/kind").unwrap_or_default());
    match (group, kind) {
        ("", "Namespace") => phase(object, &["Active"], &[]),
        ("", "PersistentVolumeClaim") => phase(object, &["Bound"], &["Lost"]),
        ("", "Pod") => pod(object),
        ("", "ReplicationController") | ("apps", "ReplicaSet") => replica_set(object),
        ("", "Service") => service(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => required(object, "Available"),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("batch", "Job") => job(object),
        ("policy", "PodDisruptionBudget") => disruption_budget(object),
        _ if builtin(group, kind).is_some() => required_if_said(object, "Ready")(),
        _ => custom(object, expects_status),
    }
}

/// What keeps an object that is to go: since when it is going, and who has to agree.
pub fn going(object: &Value) -> String {
    let Some(since) = text(object, "/metadata/deletionTimestamp") else { return "it is still there".into() };
    let names = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    // A namespace has another list, of who empties it.
    let holders: Vec<_> = names("/metadata/finalizers")
        .chain(names("/spec/finalizers"))
        .filter_map(Value::as_str)
        .map(|name| format!("`{}`", shown(name)))
        .collect();
    let held = match holders.as_slice() {
        [] => String::new(),
        [one] => format!(", held by the finalizer {one}"),
        many => format!(", held by the finalizers {}", many.join(", ")),
    };
    let remaining = ["NamespaceContentRemaining", "NamespaceFinalizersRemaining"]
        .into_iter()
        .filter_map(|name| condition(object, name).filter(|it| status_of(it) == Some("True")))
        .filter_map(|it| text(it, "/message"));
    let remaining: String = remaining.map(|message| format!("; {}", shown(message))).collect();
    format!("it is being deleted since {}{held}{remaining}", shown(since))
}

/// A controller that reports the generation it has seen must have seen this one.
fn not_yet_observed(object: &Value) -> Option<Readiness> {
    let generation = number(object, "/metadata/generation")?;
    let observed = number(object, "/status/observedGeneration")?;
    (observed != generation).then(unseen)
}

fn unseen() -> Readiness {
    NotReady("its controller has not seen the change yet".into())
}

/// The conditions that objects of every kind may have: what has one of them says so itself. A controller that gave up on
/// an earlier state has not seen this one.
fn standard_conditions(object: &Value) -> Option<Readiness> {
    let holds = |name| condition(object, name).filter(|it| status_of(it) == Some("True"));
    if let Some(stalled) = holds("Stalled") {
        let gave_up = || Failed(because("its controller gave up", text(stalled, "/message")));
        return Some(if is_stale(object, stalled) { unseen() } else { gave_up() });
    }
    let going = holds("Reconciling")?;
    Some(NotReady(because("its controller is at work", text(going, "/message"))))
}

fn pod(object: &Value) -> Readiness {
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
fn waiting_container(object: &Value) -> Option<String> {
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

fn deployment(object: &Value) -> Readiness {
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
        return NotReady("its rollout is paused".into());
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
fn cannot_create(object: &Value) -> Option<Readiness> {
    let failure = condition(object, "ReplicaFailure").filter(|it| status_of(it) == Some("True"))?;
    Some(NotReady(because("replicas cannot be created", text(failure, "/message"))))
}

fn stateful_set(object: &Value) -> Readiness {
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

fn daemon_set(object: &Value) -> Readiness {
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

fn replica_set(object: &Value) -> Readiness {
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

fn job(object: &Value) -> Readiness {
    if is_true(object, "Complete") {
        return Ready;
    }
    if let Some(failed) = condition(object, "Failed").filter(|it| status_of(it) == Some("True")) {
        return Failed(because("it failed", text(failed, "/message")));
    }
    NotReady(if is_true(object, "Suspended") {
        "it is suspended".into()
    } else {
        "it is not complete".into()
    })
}

fn service(object: &Value) -> Readiness {
    let has_address = || {
        object
            .pointer("/status/loadBalancer/ingress")
            .and_then(Value::as_array)
            .is_some_and(|all| !all.is_empty())
    };
    if text(object, "/spec/type") != Some("LoadBalancer") || has_address() {
        Ready
    } else {
        NotReady("its load balancer has no address yet".into())
    }
}

fn disruption_budget(object: &Value) -> Readiness {
    let Some(wanted) = number(object, "/status/desiredHealthy") else {
        return NotReady("nobody has counted its pods yet".into());
    };
    observed(object).and(enough(object, "currentHealthy", wanted, "healthy"))
}

fn definition(object: &Value) -> Readiness {
    if let Some(names) = condition(object, "NamesAccepted").filter(|it| status_of(it) == Some("False")) {
        return Failed(because("its names are taken", text(names, "/message")));
    }
    required(object, "Established")
}

/// A custom resource without a word from its controller is not ready, if there is one that has something to say.
fn custom(object: &Value, expects_status: bool) -> Readiness {
    let Some(status) = object.get("status").and_then(Value::as_object).filter(|status| !status.is_empty())
    else {
        return if expects_status { NotReady("it has no status yet".into()) } else { Ready };
    };
    if status.get("conditions").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        return NotReady("it has no conditions yet".into());
    }
    required_if_said(object, "Ready")()
}

fn phase(object: &Value, ready: &[&str], failed: &[&str]) -> Readiness {
    match text(object, "/status/phase") {
        Some(phase) if ready.contains(&phase) => Ready,
        Some(phase) if failed.contains(&phase) => Failed(format!("its phase is {}", shown(phase))),
        Some(phase) => NotReady(format!("its phase is {}", shown(phase))),
        None => NotReady("it has no phase yet".into()),
    }
}

/// Ready when the condition says `True`.
fn required(object: &Value, name: &str) -> Readiness {
    match condition(object, name) {
        Some(found) => said(object, found, name),
        None => NotReady(format!("it has no condition `{name}` yet")),
    }
}

/// Ready when the condition says `True`, or when there is none.
fn required_if_said<'a>(object: &'a Value, name: &'static str) -> impl FnOnce() -> Readiness + 'a {
    move || condition(object, name).map_or(Ready, |found| said(object, found, name))
}

fn said(object: &Value, found: &Value, name: &str) -> Readiness {
    match status_of(found) {
        Some("True") if is_stale(object, found) => unseen(),
        Some("True") => Ready,
        status => NotReady(because(
            &format!("`{name}` is {}", shown(status.unwrap_or("missing"))),
            text(found, "/message").filter(|text| !text.is_empty()).or_else(|| text(found, "/reason")),
        )),
    }
}

/// Whether a condition is about an earlier generation of its object.
fn is_stale(object: &Value, condition: &Value) -> bool {
    let generation = number(object, "/metadata/generation");
    number(condition, "/observedGeneration").zip(generation).is_some_and(|(seen, now)| seen < now)
}

/// The kinds of `apps` and `policy` always report the generation they have seen; without it, the controller has not come
/// by at all and every count below would be a default.
fn observed(object: &Value) -> Readiness {
    let seen = number(object, "/status/observedGeneration").is_some();
    if seen { Ready } else { NotReady("its controller has not seen it yet".into()) }
}

fn wanted(object: &Value) -> i64 {
    number(object, "/spec/replicas").unwrap_or(1)
}

fn enough<'a>(
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

fn no_more<'a>(
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

impl Readiness {
    /// The first of several requirements that is not met.
    fn and(self, next: impl FnOnce() -> Self) -> Self {
        if self == Ready { next() } else { self }
    }
}

fn group_of(object: &Value) -> &str {
    text(object, "/apiVersion").and_then(|it| it.split_once('/')).map_or("", |(group, _)| group)
}

fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|it| text(it, "/type") == Some(name))
}

fn is_true(object: &Value, name: &str) -> bool {
    condition(object, name).and_then(status_of) == Some("True")
}

fn status_of(condition: &Value) -> Option<&str> {
    text(condition, "/status")
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer)?.as_i64()
}

fn because(what: &str, why: Option<&str>) -> String {
    match why {
        Some(why) if !why.is_empty() => format!("{what}: {}", shown(why)),
        _ => what.to_owned(),
    }
}

/// Whether objects of a kind are ready as soon as they are there, so that nobody has to look.
pub fn is_ready_once_there(object: &ObjectRef) -> bool {
    const STATELESS: [(&str, &str); 13] = [
        ("", "ConfigMap"),
        ("", "LimitRange"),
        ("", "Secret"),
        ("", "ServiceAccount"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "StorageClass"),
    ];
    STATELESS.contains(&(object.group(), &object.kind))
}

/// Texts of controllers go to people and into errors: on one line, and not for ever.
pub fn shown(text: &str) -> String {
    document::visible(text).chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An object of generation 2 with a status.
    fn object(api_version: &str, kind: &str, spec: Value, status: Value) -> Value {
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "x", "generation": 2 }, "spec": spec, "status": status })
    }

    fn not(why: &str) -> Readiness {
        NotReady(why.into())
    }

    fn failed(why: &str) -> Readiness {
        Failed(why.into())
    }

    fn check(api_version: &str, kind: &str, cases: &[(Value, Value, Readiness)]) {
        for (spec, status, expected) in cases {
            let object = object(api_version, kind, spec.clone(), status.clone());
            assert_eq!(readiness(&object, false), *expected, "{kind} {spec} {status}");
        }
    }

    #[test]
    fn a_deployment_is_ready_when_the_last_replica_of_the_new_template_is_available() {
        let three = json!({ "replicas": 3, "progressDeadlineSeconds": 600 });
        let available = json!({ "type": "Available", "status": "True" });
        let done = json!({ "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" });
        let going = json!({ "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated" });
        let late = json!({ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "web-1" });
        let counts = |updated, replicas, available, ready, conditions: Value| {
            json!({ "observedGeneration": 2, "updatedReplicas": updated, "replicas": replicas, "availableReplicas": available,
                    "readyReplicas": ready, "conditions": conditions })
        };
        check(
            "apps/v1",
            "Deployment",
            &[
                (three.clone(), counts(3, 3, 3, 3, json!([available, done])), Ready),
                (three.clone(), json!({}), not("its controller has not seen it yet")),
                (
                    three.clone(),
                    json!({ "observedGeneration": 1, "replicas": 3 }),
                    not("its controller has not seen the change yet"),
                ),
                (three.clone(), counts(1, 3, 3, 3, json!([available, going])), not("1 of 3 updated")),
                (
                    three.clone(),
                    counts(3, 4, 3, 3, json!([available, going])),
                    not("old replicas are still there"),
                ),
                (three.clone(), counts(3, 3, 2, 3, json!([available, going])), not("2 of 3 available")),
                (three.clone(), counts(3, 3, 3, 2, json!([available, going])), not("2 of 3 ready")),
                (three.clone(), counts(3, 3, 3, 3, json!([available, going])), not("its rollout goes on")),
                (json!({ "replicas": 3 }), counts(3, 3, 3, 3, json!([available])), Ready),
                (
                    three.clone(),
                    counts(
                        3,
                        3,
                        3,
                        3,
                        json!([done, { "type": "Available", "status": "False", "message": "minimum" }]),
                    ),
                    not("`Available` is False: minimum"),
                ),
                (three, counts(1, 3, 0, 0, json!([late])), failed("it made no progress in time: web-1")),
                (
                    json!({}),
                    json!({ "observedGeneration": 2, "conditions": [{ "type": "ReplicaFailure", "status": "True", "message": "quota" }] }),
                    not("replicas cannot be created: quota"),
                ),
                (json!({ "replicas": 0 }), json!({ "observedGeneration": 2 }), Ready),
                (
                    json!({ "paused": true }),
                    counts(1, 1, 1, 1, json!([available])),
                    not("its rollout is paused"),
                ),
            ],
        );
    }

    #[test]
    fn a_stateful_set_is_ready_when_every_replica_has_the_new_revision() {
        let status = |replicas, ready, updated, update: &str| {
            json!({ "observedGeneration": 2, "replicas": replicas, "readyReplicas": ready, "updatedReplicas": updated,
                    "currentRevision": "a", "updateRevision": update })
        };
        let part = json!({ "replicas": 3, "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 2 } } });
        check(
            "apps/v1",
            "StatefulSet",
            &[
                (json!({ "replicas": 2 }), status(2, 2, 2, "a"), Ready),
                (json!({ "replicas": 2 }), json!({}), not("its controller has not seen it yet")),
                (json!({ "replicas": 2 }), status(1, 1, 1, "a"), not("1 of 2 created")),
                (json!({ "replicas": 2 }), status(2, 1, 2, "a"), not("1 of 2 ready")),
                (json!({ "replicas": 2 }), status(3, 3, 3, "a"), not("replicas are to be removed")),
                (json!({ "replicas": 2 }), status(2, 2, 1, "b"), not("its rollout goes on")),
                (part.clone(), status(3, 3, 1, "b"), Ready),
                (part, status(3, 3, 0, "b"), not("0 of 1 updated")),
                (json!({ "updateStrategy": { "type": "OnDelete" } }), json!({}), Ready),
            ],
        );
    }

    #[test]
    fn a_daemon_set_is_ready_on_every_node() {
        let status = |wanted, current, updated, available, ready| {
            json!({ "observedGeneration": 2, "desiredNumberScheduled": wanted, "currentNumberScheduled": current,
                    "updatedNumberScheduled": updated, "numberAvailable": available, "numberReady": ready })
        };
        check(
            "apps/v1",
            "DaemonSet",
            &[
                (json!({}), json!({}), not("nobody has counted its nodes yet")),
                (json!({}), status(0, 0, 0, 0, 0), Ready),
                (json!({}), status(2, 2, 2, 2, 2), Ready),
                (json!({}), status(2, 1, 2, 2, 2), not("1 of 2 scheduled")),
                (json!({}), status(2, 2, 1, 2, 2), not("1 of 2 updated")),
                (json!({}), status(2, 2, 2, 1, 2), not("1 of 2 available")),
                (json!({}), status(2, 2, 2, 2, 1), not("1 of 2 ready")),
                (json!({ "updateStrategy": { "type": "OnDelete" } }), status(2, 2, 0, 2, 2), Ready),
            ],
        );
    }

    #[test]
    fn a_replica_set_says_why_it_has_too_few() {
        let failure = json!([{ "type": "ReplicaFailure", "status": "True", "message": "exceeded quota" }]);
        let status =
            json!({ "observedGeneration": 2, "replicas": 1, "availableReplicas": 1, "readyReplicas": 1 });
        check(
            "apps/v1",
            "ReplicaSet",
            &[
                (json!({}), status.clone(), Ready),
                (json!({ "replicas": 0 }), status, not("replicas are to be removed")),
                (json!({}), json!({ "observedGeneration": 2, "replicas": 1 }), not("0 of 1 available")),
                (
                    json!({}),
                    json!({ "conditions": failure }),
                    not("replicas cannot be created: exceeded quota"),
                ),
            ],
        );
    }

    #[test]
    fn a_job_is_ready_when_it_is_complete() {
        let with = |name: &str| json!({ "startTime": "2026-01-01T00:00:00Z", "conditions": [{ "type": name, "status": "True", "message": "m" }] });
        check(
            "batch/v1",
            "Job",
            &[
                (json!({}), with("Complete"), Ready),
                (json!({}), with("Failed"), failed("it failed: m")),
                (json!({}), with("Suspended"), not("it is suspended")),
                (json!({}), with("FailureTarget"), not("it is not complete")),
                (json!({}), json!({}), not("it is not complete")),
            ],
        );
    }

    #[test]
    fn a_pod_says_what_its_container_waits_for() {
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let waits = json!([{ "name": "app", "state": { "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } } }]);
        let unscheduled = json!([{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes" }]);
        check(
            "v1",
            "Pod",
            &[
                (json!({}), json!({ "phase": "Running", "conditions": ready }), Ready),
                (json!({}), json!({ "phase": "Running" }), not("its phase is Running")),
                (json!({}), json!({ "phase": "Succeeded" }), Ready),
                (
                    json!({}),
                    json!({ "phase": "Failed", "message": "evicted" }),
                    failed("its containers failed: evicted"),
                ),
                (
                    json!({}),
                    json!({ "phase": "Pending", "containerStatuses": waits }),
                    not("container `app` waits: ImagePullBackOff: no such image"),
                ),
                (
                    json!({}),
                    json!({ "phase": "Pending", "conditions": unscheduled }),
                    not("its phase is Pending: 0/1 nodes"),
                ),
                (json!({}), json!({}), not("it has no phase yet")),
            ],
        );
    }

    #[test]
    fn volumes_services_budgets_and_namespaces_go_by_their_own_rules() {
        check(
            "v1",
            "PersistentVolumeClaim",
            &[
                (json!({}), json!({ "phase": "Bound" }), Ready),
                (json!({}), json!({ "phase": "Pending" }), not("its phase is Pending")),
                (json!({}), json!({ "phase": "Lost" }), failed("its phase is Lost")),
            ],
        );
        check(
            "v1",
            "Service",
            &[
                (json!({ "type": "ClusterIP" }), json!({ "loadBalancer": {} }), Ready),
                (
                    json!({ "type": "LoadBalancer" }),
                    json!({ "loadBalancer": {} }),
                    not("its load balancer has no address yet"),
                ),
                (
                    json!({ "type": "LoadBalancer" }),
                    json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } }),
                    Ready,
                ),
            ],
        );
        check(
            "policy/v1",
            "PodDisruptionBudget",
            &[
                (json!({}), json!({}), not("nobody has counted its pods yet")),
                (
                    json!({}),
                    json!({ "observedGeneration": 2, "desiredHealthy": 2, "currentHealthy": 1 }),
                    not("1 of 2 healthy"),
                ),
                (
                    json!({}),
                    json!({ "observedGeneration": 2, "desiredHealthy": 2, "currentHealthy": 2 }),
                    Ready,
                ),
            ],
        );
        check(
            "v1",
            "Namespace",
            &[
                (json!({}), json!({ "phase": "Active" }), Ready),
                (json!({}), json!({ "phase": "Terminating" }), not("its phase is Terminating")),
                (json!({}), json!({}), not("it has no phase yet")),
            ],
        );
    }

    #[test]
    fn a_definition_is_ready_when_it_is_served() {
        let with = |name: &str, status: &str| json!({ "conditions": [{ "type": name, "status": status, "message": "m" }] });
        check(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            &[
                (json!({}), json!({}), not("it has no condition `Established` yet")),
                (json!({}), with("Established", "False"), not("`Established` is False: m")),
                (json!({}), with("NamesAccepted", "False"), failed("its names are taken: m")),
                (json!({}), with("Established", "True"), Ready),
            ],
        );
    }

    #[test]
    fn a_custom_resource_goes_by_its_conditions() {
        let with = |name: &str, status: &str| json!({ "conditions": [{ "type": name, "status": status, "message": "m" }] });
        check(
            "example.com/v1",
            "Widget",
            &[
                (json!({}), with("Ready", "True"), Ready),
                (json!({}), with("Ready", "False"), not("`Ready` is False: m")),
                (json!({}), with("Ready", "Unknown"), not("`Ready` is Unknown: m")),
                (json!({}), with("Reconciling", "True"), not("its controller is at work: m")),
                (json!({}), with("Stalled", "True"), failed("its controller gave up: m")),
                (json!({}), with("Healthy", "False"), Ready),
                (json!({}), json!({ "conditions": [] }), not("it has no conditions yet")),
                (
                    json!({}),
                    json!({ "observedGeneration": 1 }),
                    not("its controller has not seen the change yet"),
                ),
                (
                    json!({}),
                    json!({ "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": 1 }] }),
                    not("its controller has not seen the change yet"),
                ),
                (
                    json!({}),
                    json!({ "conditions": [{ "type": "Stalled", "status": "True", "observedGeneration": 1 }] }),
                    not("its controller has not seen the change yet"),
                ),
                (
                    json!({}),
                    json!({ "observedGeneration": 3, "conditions": [{ "type": "Ready", "status": "True" }] }),
                    not("its controller has not seen the change yet"),
                ),
            ],
        );
        let gateway = object("gateway.networking.k8s.io/v1", "Gateway", json!({}), json!({}));
        assert_eq!(
            readiness(&gateway, true),
            not("it has no status yet"),
            "a group below `k8s.io` may be a custom one"
        );
    }

    #[test]
    fn a_custom_resource_that_will_get_a_status_is_not_ready_without_one() {
        let mut widget = object("example.com/v1", "Widget", json!({}), json!({}));
        assert_eq!(readiness(&widget, true), not("it has no status yet"));
        assert_eq!(readiness(&widget, false), Ready);
        widget.as_object_mut().unwrap().remove("status");
        assert_eq!(readiness(&widget, true), not("it has no status yet"));
    }

    #[test]
    fn kinds_without_a_state_are_ready_at_once() {
        for (api_version, kind) in [
            ("v1", "ConfigMap"),
            ("v1", "Secret"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ] {
            assert_eq!(readiness(&json!({ "apiVersion": api_version, "kind": kind }), true), Ready);
        }
    }

    #[test]
    fn conditions_that_every_kind_may_have_count_for_built_in_kinds_too() {
        let with = |name: &str, status: &str| json!({ "conditions": [{ "type": name, "status": status, "message": "m" }] });
        check(
            "networking.k8s.io/v1",
            "Ingress",
            &[
                (json!({}), with("Ready", "False"), not("`Ready` is False: m")),
                (json!({}), with("Reconciling", "True"), not("its controller is at work: m")),
                (json!({}), with("Stalled", "True"), failed("its controller gave up: m")),
            ],
        );
    }

    #[test]
    fn whatever_is_being_deleted_is_not_ready() {
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
        assert_eq!(readiness(&object, false), not("it is being deleted since 2026-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_being_deleted_says_who_holds_it() {
        let metadata = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/a", "\u{1b}b"] });
        let object = json!({ "metadata": metadata });
        let held = "it is being deleted since 2026-01-01T00:00:00Z, held by the finalizers `example.com/a`, `\\u{1b}b`";
        assert_eq!(going(&object), held);
        let namespace = json!({
            "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" }, "spec": { "finalizers": ["kubernetes"] },
            "status": { "conditions": [{ "type": "NamespaceContentRemaining", "status": "True", "message": "1 pod" }] },
        });
        let held =
            "it is being deleted since 2026-01-01T00:00:00Z, held by the finalizer `kubernetes`; 1 pod";
        assert_eq!(going(&namespace), held);
    }

    #[test]
    fn texts_of_controllers_are_cut_and_cannot_deceive() {
        let status = json!({ "conditions": [{ "type": "Ready", "status": "False", "message": format!("\u{1b}[2J{}", "x".repeat(500)) }] });
        let NotReady(why) = readiness(&object("example.com/v1", "Widget", json!({}), status), false) else {
            panic!("it is ready")
        };
        assert!(why.contains("\\u{1b}[2J") && why.len() < 350, "{why}");
    }
}
