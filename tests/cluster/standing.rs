//! What is not waited for on a real API server, because it stands still as it is meant to, or is done and gone; and
//! what is waited for because it has to be gone first.

use std::process::Command;

use carnet::kubernetes::object::ObjectRef;
use serde_json::{Value, json};

use crate::site::{Said, Site, eventually};
use crate::support::config_map;
use crate::support::guest::Script;
use crate::wait::{Place, uid};

const HOLD: &str = r#"["example.com/hold"]"#;

/// A template of pods whose container nobody looks at.
const PODS: &str =
    "metadata: {labels: {app: test}}, spec: {containers: [{name: main, image: registry.example/none}]";

fn deployment(more: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: test-web}}, spec: {{{more}
           selector: {{matchLabels: {{app: test}}}}, template: {{{PODS}}}}}}}}}"
    )
}

fn job(more: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: test-job}}, spec: {{{more} template: {{{PODS}, restartPolicy: Never}}}}}}}}"
    )
}

fn command(place: &Place, verb: &[&str], rest: &[String]) -> Command {
    let arguments: Vec<_> = verb.iter().copied().chain(rest.iter().map(String::as_str)).collect();
    place.site.command(&arguments)
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_job_that_its_controller_removed_is_done_and_not_missed() {
    let place = Place::new();
    let rest = place.bundle("ttl", "apply", "batch/Job", &[&job("ttlSecondsAfterFinished: 0,")]);
    place.act(&["install", "test"], &rest).done();
    eventually("it is gone", || !place.is_there("job/test-job"));
    let diff = place.site.carnet(&["diff", "test", "--exit-code", "--dangerous-unsigned"]).done();
    assert_eq!(diff.document["changes"], json!([]));
    let status = place.site.carnet(&["status", "test"]).done().document;
    let job = &status["objects"][0];
    assert_eq!((&job["ready"], &job["reason"]), (&json!(true), &json!("finished and removed by its TTL")));
    let drift = place.site.carnet(&["drift", "test", "--exit-code", "--dangerous-unsigned"]).done().document;
    assert_eq!(drift["objects"], json!([]));
    place.uninstall(&[]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_stands_still_as_it_is_meant_to_is_not_waited_for() {
    let place = Place::new();
    let class = format!("{}-late", place.namespace());
    place.site.apply(&format!(
        "{{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {{name: {class}}}, provisioner: example.com/none,
           volumeBindingMode: WaitForFirstConsumer}}"
    ));
    let claim = format!(
        "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: test-data}}, spec: {{storageClassName: {class},
           accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}}}"
    );
    let kinds = "apps/Deployment,batch/Job,PersistentVolumeClaim";
    let manifests = [&*deployment("paused: true,"), &job("suspend: true,"), &claim];
    let rest = place.bundle("still", "apply", kinds, &manifests);
    let said = place.act(&["install", "test", "--timeout", "30s"], &rest).done();
    place.site.kubectl(&["delete", "storageclass", &class]);
    for why in [
        "test-web is not waited for: its rollout is paused, as its manifest says",
        "test-job is not waited for: it is suspended, as its manifest says",
        "test-data is not waited for: its class gives it a volume once a pod uses it",
    ] {
        assert!(said.stderr.contains(why), "{why} is not said in {said}");
    }
    let status = place.site.carnet(&["status", "test"]).done().document;
    let web = status["objects"].as_array().unwrap().iter().find(|it| it["kind"] == "Deployment").unwrap();
    assert_eq!(
        (&web["ready"], &web["reason"]),
        (&json!(true), &json!("its rollout is paused, as its manifest says"))
    );
    place.uninstall(&["--delete=pvcs"]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_was_halted_by_others_is_waited_for_and_says_so() {
    let place = Place::new();
    let rest = place.bundle("halted", "apply", "apps/Deployment", &[&deployment("")]);
    place.act(&["install", "test"], &rest).done();
    place.site.kubectl(&["rollout", "pause", "deployment/test-web"]);
    let after = place.bundle("halted-2", "apply", "apps/Deployment", &[&deployment("replicas: 2,")]);
    place.act(&["upgrade", "test", "--timeout", "2s"], &after).refused(15, &["its rollout is paused"]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_status_that_nobody_writes_and_an_address_that_nobody_gives() {
    let place = Place::new();
    let (definition, thing) = place.custom("subresources: {status: {}},");
    let thing_kind = format!("{}.example.com/Thing", place.namespace());
    let kinds = format!("apiextensions.k8s.io/CustomResourceDefinition,{thing_kind}");
    let rest = place.scripted("unwritten", "apply", &kinds, &place.served(&definition).apply(&[&thing]));
    let said = place.act(&["install", "test"], &rest).done();
    assert!(said.stderr.contains("its kind has a status, and nobody in this cluster writes it"), "{said}");
    place.uninstall(&["--delete=crds"]).done();

    let service = "{apiVersion: v1, kind: Service, metadata: {name: test-out}, spec: {type: LoadBalancer, ports: [{port: 80}]}}";
    let rest = place.bundle("unattended", "apply", "Service", &[service]);
    let said = place.act(&["install", "test", "--timeout", "8s"], &rest);
    said.refused(
        15,
        &["test-out: its load balancer has no address, and nobody in this cluster has begun to give it one"],
    );
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_is_being_deleted_is_gone_before_it_is_made_anew() {
    let place = Place::new();
    let rest =
        place.bundle("going", "apply", "ConfigMap", &[&config_map("test-map"), &config_map("test-other")]);
    place.act(&["install", "test"], &rest).done();
    let old = uid(&place, "configmap/test-map");
    place.hold("configmap/test-map", HOLD);
    place.site.kubectl(&["delete", "configmap/test-map", "--wait=false"]);
    let held = "held by the finalizer `example.com/hold`";
    for verb in [
        &["upgrade", "test", "--timeout", "2s"][..],
        &["upgrade", "test", "--identity", "own", "--timeout", "2s"],
    ] {
        place.act(verb, &rest).refused(15, &["test-map", "it is being deleted since 20", held]);
    }
    let without_yes: Vec<_> = rest.iter().filter(|argument| *argument != "--yes").cloned().collect();
    let plan = place.act(&["plan", "test"], &without_yes).done();
    assert_eq!(
        (plan.changed(&["create"]), plan.changed(&["unchanged"])),
        (vec!["ConfigMap/test-map".into()], vec!["ConfigMap/test-other".into()])
    );
    assert_eq!(
        plan.document["changes"][0]["notTried"],
        "the one of its name is being deleted, and has to be gone first"
    );

    let run = command(&place, &["upgrade", "test"], &rest).spawn().unwrap();
    eventually("the run waits", || {
        place.requests("configmaps").get("watch").copied().unwrap_or_default()
            + place.requests("configmaps")["get"]
            > 6
    });
    place.hold("configmap/test-map", "null");
    let said = Said::of(run.wait_with_output().unwrap()).done();
    assert_eq!(said.changed(&["create"]), ["ConfigMap/test-map"]);
    assert_ne!(uid(&place, "configmap/test-map"), old);
    place.uninstall(&[]).done();
    assert_eq!(place.site.names(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_namespace_that_is_being_deleted_is_named_as_such() {
    let place = Place::new();
    let other = Site::new();
    other.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/hold]}}");
    other.kubectl(&["delete", "namespace", &other.namespace, "--wait=false"]);
    eventually("it is being deleted", || {
        !other
            .kubectl(&["get", "namespace", &other.namespace, "-o", "jsonpath={.metadata.deletionTimestamp}"])
            .is_empty()
    });
    let rest = place.bundle("late", "apply", "ConfigMap", &[&config_map("test-map")]);
    let there: Vec<_> = rest
        .iter()
        .map(|it| if it == place.namespace() { other.namespace.clone() } else { it.clone() })
        .collect();
    let said = place.act(&["install", "test"], &there);
    other.kubectl(&[
        "patch",
        "configmap/held",
        "--type=merge",
        "-p",
        r#"{"metadata": {"finalizers": null}}"#,
    ]);
    let said = said.refused(1, &["its namespace is being deleted"]);
    assert!(said.document["hint"].as_str().unwrap().contains("until it is gone"), "{said}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_does_not_wait_at_the_end_waits_between_the_steps() {
    let place = Place::new();
    let never = deployment("replicas: 1,")
        .replace("containers:", "nodeSelector: {kubernetes.io/hostname: nowhere}, containers:");
    let web = ObjectRef::new("apps/v1", "Deployment", None, "test-web");
    let script = Script::new().apply(&[&never]).wait(&[web], 2).apply(&[&config_map("test-map")]);
    let rest = place.scripted("steps", "apply", "apps/Deployment,ConfigMap", &script);
    place.act(&["install", "test", "--no-wait"], &rest).refused(15, &["not ready: apps/Deployment"]);
    assert!(!place.is_there("configmap/test-map"), "it is the next step");
    let said = place.act(&["install", "test", "--no-wait=all"], &rest).done();
    assert!(said.stderr.contains("without the waits that it asks for in between (--no-wait=all)"), "{said}");
    assert!(place.is_there("configmap/test-map"));
    let status = place.site.carnet(&["status", "test"]).done().document;
    let dangers = status["dangers"].as_array().unwrap();
    assert!(dangers.contains(&json!("--no-wait=all")), "{status}");
    place.uninstall(&[]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_a_component_removes_and_makes_again_is_waited_for_in_any_case() {
    let place = Place::new();
    let map = ObjectRef::new("v1", "ConfigMap", None, "test-map");
    let first = place.bundle("first", "apply, delete", "ConfigMap", &[&config_map("test-map")]);
    place.act(&["install", "test"], &first).done();
    let old = uid(&place, "configmap/test-map");
    place.hold("configmap/test-map", HOLD);
    let again = Script::new().delete(std::slice::from_ref(&map)).apply(&[&config_map("test-map")]);
    let again = place.scripted("again", "apply, delete", "ConfigMap", &again);
    let said = place.act(&["upgrade", "test", "--no-wait", "--timeout", "2s"], &again);
    said.refused(15, &["cannot be made anew", "`example.com/hold`"]);
    let last = place.scripted("last", "delete", "ConfigMap", &Script::new().delete(&[map]));
    place.act(&["upgrade", "test", "--no-wait"], &last).done();
    assert_eq!(uid(&place, "configmap/test-map"), old, "at the end nobody waits for it");
    place.hold("configmap/test-map", "null");
    eventually("it is gone", || !place.is_there("configmap/test-map"));
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_is_waited_for_is_watched_by_name_and_definitions_are_not_read() {
    let place = Place::new();
    let (definition, thing) = place.custom("");
    let thing_kind = format!("{}.example.com/Thing", place.namespace());
    let kinds = format!("apiextensions.k8s.io/CustomResourceDefinition,{thing_kind},apps/Deployment");
    let script = place.served(&definition).apply(&[&thing, &deployment("replicas: 2,")]);
    let rest = place.scripted("watched", "apply", &kinds, &script);
    place.act(&["install", "test"], &rest).done();
    // Who acts is not who plans, or looks why something takes long.
    let acts =
        |event: &Value| event["user"]["username"].as_str().is_some_and(|name| name.contains(":carnet-"));
    let read = place.site.audit().into_iter().filter(|event| {
        event["objectRef"]["resource"] == "customresourcedefinitions" && event["verb"] == "get" && acts(event)
    });
    assert_eq!(read.collect::<Vec<_>>(), Vec::<Value>::new());
    let watches: Vec<_> = place.site.audit().into_iter().filter(|event| event["verb"] == "watch").collect();
    for event in &watches {
        let uri = event["requestURI"].as_str().unwrap();
        assert!(uri.contains("fieldSelector=metadata.name%3Dtest-"), "{uri}");
        assert!(event["objectRef"]["name"].is_string() && event["responseStatus"]["code"] == 200, "{event}");
    }
    let deployments = place.requests("deployments");
    assert!(deployments.get("watch").is_some_and(|count| *count < 3), "{deployments:?}");
    place.uninstall(&["--delete=crds"]).done();
    let definitions = place.requests("customresourcedefinitions");
    assert!(definitions.contains_key("watch"), "until it is gone: {definitions:?}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_definition_whose_names_are_taken_fails_at_once() {
    let place = Place::new();
    let group = format!("{}.example.com", place.namespace());
    let (definition, _) = place.custom("");
    place.site.apply(
        &definition.replace("things", "others").replace("kind: Thing", "kind: Other, shortNames: [thg]"),
    );
    let ours = definition.replace("plural: things", "plural: things, shortNames: [thg], singular: other");
    let kinds = "apiextensions.k8s.io/CustomResourceDefinition,ConfigMap";
    let rest = place.scripted("taken", "apply", kinds, &Script::new().apply(&[&ours]));
    let said = place.act(&["install", "test"], &rest).refused(15, &["its names are taken"]);
    place.site.kubectl(&["delete", "crd", &format!("others.{group}")]);
    assert_eq!(said.document["unready"][0]["failed"], json!(true), "it will not happen: {said}");
}
