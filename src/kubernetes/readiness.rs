//! Tells from an object as the server returns it whether it is ready: the rules of kstatus, as a pure function.
//!
//! An object that its controller has not reconciled yet is never ready, and has not failed either: its status is about
//! an earlier generation. Two rules are stricter than kstatus', because what comes after a wait usually depends on it:
//! a Job is ready when it is complete, not when it has begun, and a Service of type `LoadBalancer` when it has an
//! address. One is more patient: a pod that cannot be scheduled or whose container crashes has not failed, since what
//! it needs may still come. What can stay as it is for ever, and is meant to, is idle: nobody waits for it.

mod conditions;
mod workloads;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::Value;

use super::api::{
    ADMISSION, API_EXTENSIONS, API_REGISTRATION, APPS, BATCH, CORE, NETWORKING, POLICY, RBAC, SCHEDULING,
    STORAGE,
};
use super::managed_fields;
use super::metadata;
use super::object::ObjectRef;
use super::resource::builtin;

use conditions::{because, condition, is_stale, number, required, required_if_said, status_of, text, unseen};
use workloads::{daemon_set, deployment, disruption_budget, job, pod, replica_set, stateful_set};

pub(crate) use conditions::shown;
pub use workloads::removes_itself;

/// How long nobody has written to an object before it is said that nobody gives load balancers an address.
const UNATTENDED: Duration = Duration::from_secs(5);

/// How long nobody has written to a custom resource before its status counts as one that nobody writes. A controller
/// that comes with it may have to be elected first, which takes about this long.
const UNWRITTEN: Duration = Duration::from_secs(15);

/// The annotation of a claim that a pod which was given a node uses.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The readiness of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It will not become ready by itself, and why.
    Failed(String),
    /// It is as it is meant to be and does nothing yet, and why: there is nothing to wait for.
    Idle(String),
    /// It may become ready, and what is missing.
    NotReady(String),
    /// It is ready.
    Ready,
}

use Readiness::{Failed, Idle, NotReady, Ready};

/// Facts that decide about an object and are not in it. The default: nothing more is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside {
    /// Whether it is a claim of a class that gives it a volume once a pod uses it.
    pub binds_with_pod: bool,
    /// Whether its kind has a status that a controller may write: a custom resource whose definition says so. Such an
    /// object without a status is not ready, however little there is to complain about, unless nobody writes it.
    pub has_status: bool,
    /// How long nobody has written to it. None: not known.
    pub quiet: Option<Duration>,
}

/// How ready `object` is.
pub fn readiness(object: &Value, beside: &Beside) -> Readiness {
    if metadata::is_being_deleted(object) {
        return NotReady(going(object));
    }
    if let Some(said) = not_yet_observed(object).or_else(|| standard_conditions(object)) {
        return said;
    }
    let (group, kind) = (group_of(object), text(object, "/kind").unwrap_or_default());
    match (group, kind) {
        (CORE, "Namespace") => phase(object, &["Active"], &[]),
        (CORE, "PersistentVolumeClaim") => claim(object, beside),
        (CORE, "Pod") => pod(object),
        (CORE, "ReplicationController") | (APPS, "ReplicaSet") => replica_set(object),
        (CORE, "Service") => service(object, beside),
        (API_EXTENSIONS, "CustomResourceDefinition") => definition(object),
        (API_REGISTRATION, "APIService") => required(object, "Available"),
        (APPS, "DaemonSet") => daemon_set(object),
        (APPS, "Deployment") => deployment(object),
        (APPS, "StatefulSet") => stateful_set(object),
        (BATCH, "Job") => job(object),
        (POLICY, "PodDisruptionBudget") => disruption_budget(object),
        _ if builtin(group, kind).is_some() => required_if_said(object, "Ready")(),
        _ => custom(object, beside),
    }
}

/// The reason why an object that is being deleted still exists: since when, and which finalizers hold it.
pub fn going(object: &Value) -> String {
    let Some(since) = text(object, "/metadata/deletionTimestamp") else { return "it is still there".into() };
    let names = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    // A namespace has a second list of finalizers, in its spec.
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

/// A controller that reports `observedGeneration` must have observed the current one.
fn not_yet_observed(object: &Value) -> Option<Readiness> {
    let generation = number(object, "/metadata/generation")?;
    let observed = number(object, "/status/observedGeneration")?;
    (observed != generation).then(unseen)
}

/// The standard conditions of kstatus, which objects of every kind may have. A failure that is about an earlier
/// generation does not count for this one.
fn standard_conditions(object: &Value) -> Option<Readiness> {
    let holds = |name| condition(object, name).filter(|it| status_of(it) == Some("True"));
    if let Some(stalled) = holds("Stalled") {
        let gave_up = || Failed(because("its controller gave up", text(stalled, "/message")));
        return Some(if is_stale(object, stalled) { unseen() } else { gave_up() });
    }
    let going = holds("Reconciling")?;
    Some(NotReady(because("its controller is at work", text(going, "/message"))))
}

fn claim(object: &Value, beside: &Beside) -> Readiness {
    let is_used = metadata::annotation(object, SELECTED_NODE).is_some();
    match phase(object, &["Bound"], &["Lost"]) {
        NotReady(_) if beside.binds_with_pod && !is_used => {
            Idle("its class gives it a volume once a pod uses it".into())
        }
        phase => phase,
    }
}

/// Whoever gives addresses marks the Service with a finalizer first, or writes to it in another way.
fn service(object: &Value, beside: &Beside) -> Readiness {
    let addresses = object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    let has_address = addresses.is_some_and(|all| !all.is_empty());
    if text(object, "/spec/type") != Some("LoadBalancer") || has_address {
        return Ready;
    }
    let is_unattended = beside.is_quiet_for(UNATTENDED) && !metadata::has_finalizers(object);
    NotReady(if is_unattended {
        "its load balancer has no address, and nobody in this cluster has begun to give it one".into()
    } else {
        "its load balancer has no address yet".into()
    })
}

fn definition(object: &Value) -> Readiness {
    if let Some(names) = condition(object, "NamesAccepted").filter(|it| status_of(it) == Some("False")) {
        return Failed(because("its names are taken", text(names, "/message")));
    }
    required(object, "Established")
}

/// A custom resource without a status is not ready, where its definition has a status that a controller writes.
fn custom(object: &Value, beside: &Beside) -> Readiness {
    let status = object.get("status").and_then(Value::as_object).filter(|status| !status.is_empty());
    let conditions = status.and_then(|status| status.get("conditions")).and_then(Value::as_array);
    let lacking = match (status, conditions) {
        (None, _) if beside.has_status => "it has no status yet",
        (None, _) => return Ready,
        (Some(_), Some(conditions)) if conditions.is_empty() => "it has no conditions yet",
        (Some(_), _) => return required_if_said(object, "Ready")(),
    };
    // The value may be a default of the definition.
    if beside.is_quiet_for(UNWRITTEN) && !managed_fields::has_status_of_somebody(object) {
        Idle("its kind has a status, and nobody in this cluster writes it".into())
    } else {
        NotReady(lacking.into())
    }
}

fn phase(object: &Value, ready: &[&str], failed: &[&str]) -> Readiness {
    match text(object, "/status/phase") {
        Some(phase) if ready.contains(&phase) => Ready,
        Some(phase) if failed.contains(&phase) => Failed(format!("its phase is {}", shown(phase))),
        Some(phase) => NotReady(format!("its phase is {}", shown(phase))),
        None => NotReady("it has no phase yet".into()),
    }
}

impl Beside {
    fn is_quiet_for(&self, time: Duration) -> bool {
        self.quiet.is_some_and(|quiet| quiet >= time)
    }
}

impl Readiness {
    /// Whether there is nothing to wait for.
    pub fn is_met(&self) -> bool {
        matches!(self, Ready | Idle(_))
    }

    /// The first of several requirements that is not met.
    fn and(self, next: impl FnOnce() -> Self) -> Self {
        if self == Ready { next() } else { self }
    }
}

fn group_of(object: &Value) -> &str {
    text(object, "/apiVersion").and_then(|it| it.split_once('/')).map_or("", |(group, _)| group)
}

/// Whether objects of a kind are ready as soon as they exist, so that no request is needed to tell.
pub fn is_ready_once_there(object: &ObjectRef) -> bool {
    const STATELESS: [(&str, &str); 13] = [
        (CORE, "ConfigMap"),
        (CORE, "LimitRange"),
        (CORE, "Secret"),
        (CORE, "ServiceAccount"),
        (ADMISSION, "MutatingWebhookConfiguration"),
        (ADMISSION, "ValidatingWebhookConfiguration"),
        (NETWORKING, "NetworkPolicy"),
        (RBAC, "ClusterRole"),
        (RBAC, "ClusterRoleBinding"),
        (RBAC, "Role"),
        (RBAC, "RoleBinding"),
        (SCHEDULING, "PriorityClass"),
        (STORAGE, "StorageClass"),
    ];
    STATELESS.contains(&(object.group(), &object.kind))
}
