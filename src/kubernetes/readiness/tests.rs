use serde_json::json;

use super::*;

const EXPECTS_STATUS: Beside = Beside { has_status: true, binds_with_pod: false, quiet: None };

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
        assert_eq!(readiness(&object, &Beside::default()), *expected, "{kind} {spec} {status}");
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
            (json!({ "paused": true }), counts(1, 1, 1, 1, json!([available])), not("its rollout is paused")),
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
            (json!({}), json!({ "conditions": failure }), not("replicas cannot be created: exceeded quota")),
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
            (json!({}), json!({ "observedGeneration": 2, "desiredHealthy": 2, "currentHealthy": 2 }), Ready),
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
        readiness(&gateway, &EXPECTS_STATUS),
        not("it has no status yet"),
        "a group below `k8s.io` may be a custom one"
    );
}

#[test]
fn a_custom_resource_that_will_get_a_status_is_not_ready_without_one() {
    let mut widget = object("example.com/v1", "Widget", json!({}), json!({}));
    assert_eq!(readiness(&widget, &EXPECTS_STATUS), not("it has no status yet"));
    assert_eq!(readiness(&widget, &Beside::default()), Ready);
    widget.as_object_mut().unwrap().remove("status");
    assert_eq!(readiness(&widget, &EXPECTS_STATUS), not("it has no status yet"));
}

#[test]
fn a_status_that_nobody_writes_is_not_waited_for() {
    let quiet = |seconds| Beside { quiet: Some(Duration::from_secs(seconds)), ..EXPECTS_STATUS };
    let defaulted = json!({ "conditions": [] });
    for (status, lacking) in
        [(json!({}), "it has no status yet"), (defaulted.clone(), "it has no conditions yet")]
    {
        let widget = object("example.com/v1", "Widget", json!({}), status);
        assert_eq!(readiness(&widget, &quiet(14)), not(lacking), "its controller may not be there yet");
        let Idle(why) = readiness(&widget, &quiet(15)) else { panic!("{widget}") };
        assert_eq!(why, "its kind has a status, and nobody in this cluster writes it");
    }
    let mut written = object("example.com/v1", "Widget", json!({}), defaulted);
    written["metadata"]["managedFields"] =
        json!([{ "manager": "controller", "operation": "Update", "subresource": "status" }]);
    assert_eq!(readiness(&written, &quiet(600)), not("it has no conditions yet"), "somebody is at it");
    let refused = json!({ "conditions": [{ "type": "Ready", "status": "False", "message": "m" }] });
    let refused = object("example.com/v1", "Widget", json!({}), refused);
    assert_eq!(readiness(&refused, &quiet(600)), not("`Ready` is False: m"));
}

#[test]
fn a_claim_that_waits_for_its_pod_is_not_waited_for() {
    let with_pod = Beside { binds_with_pod: true, ..Beside::default() };
    let mut claim = object("v1", "PersistentVolumeClaim", json!({}), json!({ "phase": "Pending" }));
    assert_eq!(readiness(&claim, &Beside::default()), not("its phase is Pending"));
    assert_eq!(readiness(&claim, &with_pod), Idle("its class gives it a volume once a pod uses it".into()));
    claim["metadata"]["annotations"] = json!({ "volume.kubernetes.io/selected-node": "node-1" });
    assert_eq!(readiness(&claim, &with_pod), not("its phase is Pending"), "a pod uses it");
    let lost = object("v1", "PersistentVolumeClaim", json!({}), json!({ "phase": "Lost" }));
    assert_eq!(readiness(&lost, &with_pod), failed("its phase is Lost"));
}

#[test]
fn a_load_balancer_that_nobody_attends_to_says_so_after_some_seconds() {
    let quiet = |seconds| Beside { quiet: Some(Duration::from_secs(seconds)), ..Beside::default() };
    let mut service = object("v1", "Service", json!({ "type": "LoadBalancer" }), json!({}));
    assert_eq!(readiness(&service, &quiet(4)), not("its load balancer has no address yet"));
    let unattended = "its load balancer has no address, and nobody in this cluster has begun to give it one";
    assert_eq!(readiness(&service, &quiet(5)), not(unattended));
    service["metadata"]["finalizers"] = json!(["service.kubernetes.io/load-balancer-cleanup"]);
    assert_eq!(
        readiness(&service, &quiet(60)),
        not("its load balancer has no address yet"),
        "somebody has begun"
    );
}

#[test]
fn what_its_manifest_halts_is_not_waited_for() {
    let by = |operation: &str, member: &str| json!([{ "manager": "m", "operation": operation, "fieldsV1": { "f:spec": { format!("f:{member}"): {} } } }]);
    for (api_version, kind, member, how) in [
        ("apps/v1", "Deployment", "paused", "its rollout is paused"),
        ("batch/v1", "Job", "suspend", "it is suspended"),
    ] {
        let mut object =
            object(api_version, kind, json!({ member: true }), json!({ "observedGeneration": 2 }));
        object["metadata"]["managedFields"] = by("Update", member);
        assert_eq!(readiness(&object, &Beside::default()), not(how), "somebody did so by hand");
        object["metadata"]["managedFields"] = by("Apply", member);
        let said = readiness(&object, &Beside::default());
        assert_eq!(said, Idle(format!("{how}, as its manifest says")));
        assert!(said.is_met() && !not(how).is_met() && !failed(how).is_met());
    }
    let timetable = object("batch/v1", "CronJob", json!({ "suspend": true }), json!({}));
    assert_eq!(readiness(&timetable, &Beside::default()), Ready);
}

#[test]
fn a_job_with_a_time_to_live_removes_itself() {
    let job = |group: &str, spec: Value| object(group, "Job", spec, json!({}));
    assert!(removes_itself(&job("batch/v1", json!({ "ttlSecondsAfterFinished": 0 }))));
    for other in [
        job("batch/v1", json!({})),
        job("batch/v1", json!({ "ttlSecondsAfterFinished": null })),
        job("example.com/v1", json!({ "ttlSecondsAfterFinished": 0 })),
        object("v1", "Pod", json!({ "ttlSecondsAfterFinished": 0 }), json!({})),
    ] {
        assert!(!removes_itself(&other), "{other}");
    }
}

#[test]
fn kinds_without_a_state_are_ready_at_once() {
    for (api_version, kind) in [
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ] {
        assert_eq!(readiness(&json!({ "apiVersion": api_version, "kind": kind }), &EXPECTS_STATUS), Ready);
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
    assert_eq!(readiness(&object, &Beside::default()), not("it is being deleted since 2026-01-01T00:00:00Z"));
}

#[test]
fn what_is_being_deleted_says_who_holds_it() {
    let metadata =
        json!({ "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/a", "\u{1b}b"] });
    let object = json!({ "metadata": metadata });
    let held =
        "it is being deleted since 2026-01-01T00:00:00Z, held by the finalizers `example.com/a`, `\\u{1b}b`";
    assert_eq!(going(&object), held);
    let namespace = json!({
        "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" }, "spec": { "finalizers": ["kubernetes"] },
        "status": { "conditions": [{ "type": "NamespaceContentRemaining", "status": "True", "message": "1 pod" }] },
    });
    let held = "it is being deleted since 2026-01-01T00:00:00Z, held by the finalizer `kubernetes`; 1 pod";
    assert_eq!(going(&namespace), held);
}

#[test]
fn texts_of_controllers_are_cut_and_cannot_deceive() {
    let status = json!({ "conditions": [{ "type": "Ready", "status": "False", "message": format!("\u{1b}[2J{}", "x".repeat(500)) }] });
    let NotReady(why) = readiness(&object("example.com/v1", "Widget", json!({}), status), &Beside::default())
    else {
        panic!("it is ready")
    };
    assert!(why.contains("\\u{1b}[2J") && why.len() < 350, "{why}");
}
