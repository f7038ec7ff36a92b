//! Waiting, removing and replacing on a real API server: what is said while something is not as it should be, in which
//! order things go, with how many requests, and how a run that was cut off is finished.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use carnet::kubernetes::object::ObjectRef;
use serde_json::json;

use crate::site::{Said, Site, eventually, random, text};
use crate::support::guest::Script;
use crate::support::{Home, config_map};

/// A finalizer that nobody removes.
const HOLD: &str = r#"["example.com/hold"]"#;

/// A site, and bundles of one's own that nobody signed.
pub(crate) struct Place {
    pub(crate) site: Site,
    home: Home,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { site: Site::new(), home: Home::new() }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.site.namespace
    }

    /// A bundle that may apply (and remove, if `verbs` says so) objects of these kinds, and does so with these
    /// manifests.
    pub(crate) fn bundle(&self, name: &str, verbs: &str, kinds: &str, manifests: &[&str]) -> Vec<String> {
        self.scripted(name, verbs, kinds, &Script::new().apply(manifests))
    }

    pub(crate) fn scripted(&self, name: &str, verbs: &str, kinds: &str, script: &Script) -> Vec<String> {
        let namespaced = kinds.replace("apiextensions.k8s.io/CustomResourceDefinition,", "");
        let mut requests = format!(
            "handles: [install]\nrequests:\n  kubernetes:\n  - {{verbs: [{verbs}], kinds: [{namespaced}], namespaces: \
             ['${{namespace}}'], names: ['test-*']}}\n"
        );
        if kinds.contains("CustomResourceDefinition") {
            let names = format!("names: ['things.{}.example.com']", self.namespace());
            let kinds = "[apiextensions.k8s.io/CustomResourceDefinition]";
            writeln!(requests, "  - {{verbs: [{verbs}], kinds: {kinds}, {names}}}").unwrap();
        }
        self.requesting(name, &requests, script)
    }

    /// A bundle that requests this, with all that is requested granted.
    pub(crate) fn requesting(&self, name: &str, requests: &str, script: &Script) -> Vec<String> {
        let fetched = self.home.bundle(name, &script.component(), requests);
        let reference = format!("layout:{}", self.home.path(name).display());
        let approval = fetched.digest().to_string();
        [
            "--dangerous-unsigned",
            "--target",
            "kube",
            "-n",
            self.namespace(),
            "--yes",
            "--approve",
            &approval,
            &reference,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    pub(crate) fn act(&self, verb: &[&str], rest: &[String]) -> Said {
        let arguments: Vec<_> = verb.iter().copied().chain(rest.iter().map(String::as_str)).collect();
        self.site.carnet(&arguments)
    }

    pub(crate) fn uninstall(&self, more: &[&str]) -> Said {
        self.site.carnet(&[&["uninstall", "test", "--yes"], more].concat())
    }

    /// The definition of a kind of this place's own, and a resource of it.
    pub(crate) fn custom(&self, status: &str) -> (String, String) {
        let group = format!("{}.example.com", self.namespace());
        let definition = format!(
            "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: things.{group}}},
               spec: {{group: {group}, scope: Namespaced, names: {{kind: Thing, plural: things}}, versions: [{{
                 name: v1, served: true, storage: true, {status}
                 schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}]}}}}"
        );
        (
            definition,
            format!(
                "{{apiVersion: {group}/v1, kind: Thing, metadata: {{name: test-thing}}, spec: {{size: 1}}}}"
            ),
        )
    }

    pub(crate) fn thing(&self) -> ObjectRef {
        ObjectRef::new(format!("{}.example.com/v1", self.namespace()), "Thing", None, "test-thing")
    }

    /// The resource as kubectl finds it: other tests have kinds of the same name.
    pub(crate) fn named_thing(&self) -> String {
        format!("things.{}.example.com/test-thing", self.namespace())
    }

    /// Lets finalizers hold an object, or, with `null`, lets it go.
    pub(crate) fn hold(&self, object: &str, finalizers: &str) {
        let patch = format!("{{\"metadata\": {{\"finalizers\": {finalizers}}}}}");
        self.site.kubectl(&["patch", object, "--type=merge", "-p", &patch]);
    }

    /// The definition of a kind, once it is served, and then these manifests.
    pub(crate) fn served(&self, definition: &str) -> Script {
        let reference = ObjectRef::new(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            None,
            format!("things.{}.example.com", self.namespace()),
        );
        Script::new().apply(&[definition]).wait(&[reference], 30)
    }

    /// The program's requests so far about objects of one kind, counted by verb.
    pub(crate) fn requests(&self, resource: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let events = self.site.audit();
        let events = events.iter().filter(|event| event["objectRef"]["resource"] == resource);
        events.for_each(|event| *counts.entry(text(&event["verb"])).or_default() += 1);
        counts
    }

    /// The ConfigMaps that are there: an identity that a killed run left is not asked for.
    fn maps(&self) -> Vec<String> {
        self.site.names().into_iter().filter(|name| name.starts_with("ConfigMap/")).collect()
    }

    pub(crate) fn is_there(&self, object: &str) -> bool {
        !self.site.kubectl(&["get", object, "--ignore-not-found", "-o", "name"]).is_empty()
    }
}

fn job(command: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: test-job}}, spec: {{template: {{spec: {{restartPolicy: Never,
             containers: [{{name: main, image: registry.example/none, command: [{command}]}}]}}}}}}}}"
    )
}

fn service(ip: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: test-service}}, spec: {{clusterIP: '{ip}', ports: [{{port: 80}}]}}}}"
    )
}

pub(crate) fn uid(place: &Place, object: &str) -> String {
    place.site.get(object, "jsonpath={.metadata.uid}")
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_cannot_be_scheduled_says_so_with_its_event() {
    let place = Place::new();
    let stuck = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: test-web}, spec: {
        selector: {matchLabels: {app: test}}, template: {metadata: {labels: {app: test}}, spec: {
          nodeSelector: {kubernetes.io/hostname: nowhere}, containers: [{name: main, image: registry.example/none}]}}}}";
    let rest = place.bundle("stuck", "apply", "apps/Deployment,ConfigMap", &[stuck, &config_map("test-map")]);
    let said = place.act(&["install", "test", "--timeout", "5s"], &rest);
    let said = said.refused(15, &["0 of 1 available", "pod test-web-", "event FailedScheduling"]);
    let unready = &said.document["unready"];
    assert_eq!(unready.as_array().map(Vec::len), Some(1), "{said}");
    assert_eq!(
        (&unready[0]["kind"], &unready[0]["name"]),
        (&json!("Deployment"), &json!("test-web")),
        "{said}"
    );
    let reasons = unready[0]["reasons"].to_string();
    assert!(reasons.contains("didn't match Pod's node affinity/selector"), "{reasons}");
    // Without a terminal it is said now and then, not at every look.
    let lines = said.stderr.lines().filter(|line| line.starts_with("Waiting for")).count();
    assert!((1..=3).contains(&lines), "{said}");
    let looks =
        place.site.audit().iter().filter(|event| event["objectRef"]["resource"] == "configmaps").count();
    assert_eq!(looks, 2, "what is ready is not looked at again: a read for the plan, and the write");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_component_learns_nothing_of_pods_and_events() {
    let place = Place::new();
    let deployment = ObjectRef::new("apps/v1", "Deployment", None, "test-web");
    let stuck = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: test-web}, spec: {
        selector: {matchLabels: {app: test}}, template: {metadata: {labels: {app: test}}, spec: {
          nodeSelector: {kubernetes.io/hostname: nowhere}, containers: [{name: main, image: registry.example/none}]}}}}";
    let script = Script::new().apply(&[stuck]).wait(&[deployment], 2);
    let rest = place.scripted("told", "apply", "apps/Deployment", &script);
    let said =
        place.act(&["install", "test"], &rest).refused(15, &["0 of 1 available", "event FailedScheduling"]);
    let causes = said.document["causes"].to_string();
    assert!(causes.contains("test-web") && !causes.contains("FailedScheduling"), "{said}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_custom_resource_is_ready_when_its_conditions_say_so() {
    let place = Place::new();
    let (definition, thing) = place.custom("subresources: {status: {}},");
    let kinds = "apiextensions.k8s.io/CustomResourceDefinition,'*/Thing'"
        .replace("'*/Thing'", &format!("{}.example.com/Thing", place.namespace()));
    let rest = place.scripted("custom", "apply", &kinds, &place.served(&definition).apply(&[&thing]));
    let patch = |conditions: &str| {
        let patch = format!("{{\"status\": {{\"conditions\": [{conditions}]}}}}");
        place.site.kubectl(&[
            "patch",
            &place.named_thing(),
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ]);
    };
    place.act(&["install", "test", "--timeout", "2s"], &rest).refused(15, &["it has no status yet"]);
    patch(r#"{"type": "Ready", "status": "False", "message": "no disk"}"#);
    place.act(&["install", "test", "--timeout", "2s"], &rest).refused(15, &["`Ready` is False: no disk"]);
    patch(r#"{"type": "Stalled", "status": "True", "message": "no hope"}"#);
    let start = Instant::now();
    place.act(&["install", "test"], &rest).refused(15, &["its controller gave up: no hope"]);
    assert!(start.elapsed() < Duration::from_secs(60), "it waited for what cannot happen");
    patch(r#"{"type": "Ready", "status": "True"}"#);
    place.act(&["install", "test"], &rest).done();
    place.uninstall(&["--delete=crds"]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_a_finalizer_holds_is_named_and_gone_with_the_same_command() {
    let place = Place::new();
    let rest =
        place.bundle("held", "apply", "ConfigMap", &[&config_map("test-map"), &config_map("test-other")]);
    place.act(&["install", "test"], &rest).done();
    place.hold("configmap/test-map", HOLD);
    let held = "held by the finalizer `example.com/hold`";
    let said = place.uninstall(&["--timeout", "2s"]);
    let said = said.refused(15, &["not gone", "test-map: it is being deleted since 20", held]);
    assert_eq!(said.document["unready"][0]["name"], "test-map", "{said}");
    assert!(!place.is_there("configmap/test-other"), "the rest is gone");
    assert_eq!(
        place.site.carnet(&["status", "test"]).done().document["objects"].as_array().unwrap().len(),
        1
    );

    // Once more: it is not deleted again, and still waited for.
    let deletions = place.requests("configmaps")["delete"];
    place.uninstall(&["--timeout", "2s"]).refused(15, &[held]);
    assert_eq!(place.requests("configmaps")["delete"], deletions);

    place.hold("configmap/test-map", "null");
    place.uninstall(&[]).done();
    assert_eq!(place.site.names(), Vec::<String>::new());
    assert_eq!(place.site.carnet(&["list"]).done().document["items"], json!([]));
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_does_not_wait_leaves_the_held_to_themselves() {
    let place = Place::new();
    let rest = place.bundle("left", "apply", "ConfigMap", &[&config_map("test-map")]);
    place.act(&["install", "test"], &rest).done();
    place.hold("configmap/test-map", HOLD);
    place.uninstall(&["--no-wait"]).done();
    assert!(place.is_there("configmap/test-map"));
    place.hold("configmap/test-map", "null");
    eventually("it is gone", || !place.is_there("configmap/test-map"));
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_cannot_change_is_replaced_only_when_asked() {
    let place = Place::new();
    let kinds = "batch/Job,Service,ConfigMap";
    let before =
        place.bundle("before", "apply, delete", kinds, &[&job("a"), &service(""), &config_map("test-map")]);
    let after = place.bundle(
        "after",
        "apply, delete",
        kinds,
        &[&job("b"), &service("None"), &config_map("test-map")],
    );
    let narrow = place.bundle("narrow", "apply", kinds, &[&job("b")]);
    place.act(&["install", "test"], &before).done();
    let (old_job, old_service) = (uid(&place, "job/test-job"), uid(&place, "service/test-service"));

    let without_yes: Vec<_> = after.iter().filter(|argument| *argument != "--yes").cloned().collect();
    let plan = place.act(&["plan", "test"], &without_yes).done();
    assert_eq!(plan.changed(&["replace"]), ["Job/test-job", "Service/test-service"]);
    let row = |kind: &str| {
        plan.document["changes"].as_array().unwrap().iter().find(|row| row["kind"] == kind).unwrap()
    };
    assert_eq!(row("Job")["immutable"], json!(["spec.template"]), "{plan}");
    assert!(text(&row("Job")["diff"]).contains("-        - a\n+        - b"), "{plan}");

    let said = place
        .act(&["upgrade", "test"], &after)
        .refused(1, &["batch/Job", "spec.template cannot change", "Service"]);
    assert!(text(&said.document["hint"]).contains("--replace"), "{said}");
    assert_eq!(
        (uid(&place, "job/test-job"), uid(&place, "service/test-service")),
        (old_job.clone(), old_service.clone())
    );

    // Who may apply may not remove.
    let said = place.act(&["upgrade", "test", "--replace"], &narrow);
    let said = said.refused(11, &["delete batch/Job"]);
    assert!(said.stderr.contains("does not request it"), "{said}");
    assert_eq!(uid(&place, "job/test-job"), old_job);

    let said = place.act(&["upgrade", "test", "--replace"], &after).done();
    assert_eq!(said.changed(&["replace"]), ["Job/test-job", "Service/test-service"]);
    assert_ne!(uid(&place, "job/test-job"), old_job);
    assert_ne!(uid(&place, "service/test-service"), old_service);
    assert_eq!(place.site.get("service/test-service", "jsonpath={.spec.clusterIP}"), "None");
    assert_eq!(place.act(&["plan", "test"], &without_yes).done().changed(&["unchanged"]).len(), 3);
    // The new ones are known by their own identity.
    place.uninstall(&[]).done();
    assert_eq!(place.site.names(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_holds_data_is_never_replaced() {
    let place = Place::new();
    let claim = |class: &str| {
        format!(
            "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: test-data}}, spec: {{storageClassName: {class},
               accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}}}"
        )
    };
    let set = |name: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: test-db}}, spec: {{serviceName: {name},
               replicas: 0, selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db}}}},
                 spec: {{containers: [{{name: main, image: registry.example/none}}]}}}},
               volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{accessModes: [ReadWriteOnce],
                 resources: {{requests: {{storage: 1Gi}}}}}}}}]}}}}"
        )
    };
    let kinds = "PersistentVolumeClaim,apps/StatefulSet";
    let verbs = "apply, delete";
    let before = place.bundle("data-1", verbs, kinds, &[&claim("a"), &set("a")]);
    place.act(&["install", "test", "--no-wait"], &before).done();
    for (name, manifest, object) in
        [("data-2", claim("b"), "PersistentVolumeClaim"), ("data-3", set("b"), "apps/StatefulSet")]
    {
        let after = place.bundle(name, verbs, kinds, &[&manifest]);
        let said = place.act(&["upgrade", "test", "--replace", "--no-wait"], &after);
        said.refused(1, &[object, "is never replaced, since what it holds would be lost"]);
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_replacement_that_was_cut_off_is_finished_by_the_same_command() {
    let place = Place::new();
    let before = place.bundle("cut-1", "apply, delete", "batch/Job", &[&job("a")]);
    let after = place.bundle("cut-2", "apply, delete", "batch/Job", &[&job("b")]);
    place.act(&["install", "test"], &before).done();
    place.hold("job/test-job", HOLD);
    let old = uid(&place, "job/test-job");
    let arguments: Vec<_> =
        ["upgrade", "test", "--replace"].into_iter().chain(after.iter().map(String::as_str)).collect();
    let mut run = place.site.command(&arguments).spawn().unwrap();
    eventually("it is being deleted", || {
        !place.site.get("job/test-job", "jsonpath={.metadata.deletionTimestamp}").is_empty()
    });
    run.kill().unwrap();
    run.wait().unwrap();
    place
        .act(&["upgrade", "test", "--replace", "--timeout", "2s"], &after)
        .refused(15, &["held by the finalizer"]);
    place.hold("job/test-job", "null");
    place.act(&["upgrade", "test", "--replace"], &after).done();
    assert_ne!(uid(&place, "job/test-job"), old);
    place.uninstall(&[]).done();
    assert_eq!(place.site.names(), Vec::<String>::new());
}

/// As many ConfigMaps as this, installed.
fn many(place: &Place, count: usize) {
    let manifests: Vec<_> = (0..count).map(|at| config_map(&format!("test-{at:03}"))).collect();
    let manifests: Vec<_> = manifests.iter().map(String::as_str).collect();
    let rest = place.bundle("many", "apply", "ConfigMap", &manifests);
    place.act(&["install", "test", "--no-wait"], &rest).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn removing_takes_one_list_and_one_deletion_an_object() {
    let place = Place::new();
    many(&place, 100);
    let before = place.requests("configmaps");
    let start = Instant::now();
    place.uninstall(&[]).done();
    let elapsed = start.elapsed();
    let after = place.requests("configmaps");
    let of = |counts: &BTreeMap<String, usize>, verb: &str| counts.get(verb).copied().unwrap_or_default();
    assert_eq!(of(&after, "get"), of(&before, "get"));
    assert_eq!(of(&after, "list") - of(&before, "list"), 1);
    assert_eq!(of(&after, "delete"), 100);
    assert_eq!(of(&after, "patch"), of(&before, "patch"));
    assert_eq!(place.site.names(), Vec::<String>::new());
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_removal_that_was_killed_is_finished_by_the_same_command() {
    let place = Place::new();
    many(&place, 100);
    place.hold("configmap/test-050", HOLD);
    let mut run = place.site.command(&["uninstall", "test", "--yes"]).spawn().unwrap();
    eventually("the others are gone", || place.maps() == ["ConfigMap/test-050"]);
    run.kill().unwrap();
    run.wait().unwrap();
    let status = place.site.carnet(&["status", "test"]).done().document;
    let recorded = status["objects"].as_array().unwrap();
    assert!(recorded.iter().any(|object| object["name"] == "test-050"), "{status}");
    place.hold("configmap/test-050", "null");
    place.uninstall(&[]).done();
    assert_eq!(place.site.names(), Vec::<String>::new());
    assert_eq!(place.site.carnet(&["list"]).done().document["items"], json!([]));
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_removal_may_be_killed_at_any_moment() {
    let place = Place::new();
    many(&place, 300);
    // Later and later, until one comes after the first deletion.
    let mut killed = 0;
    while place.maps().len() == 300 {
        let mut run = place.site.command(&["uninstall", "test", "--yes"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(200 + 50 * killed + random() % 50));
        drop(run.kill());
        killed += u64::from(!run.wait().unwrap().success());
    }
    let left = place.maps().len();
    if place.site.carnet(&["list"]).done().document["items"] != json!([]) {
        place.uninstall(&[]).done();
    }
    assert_eq!(place.site.names(), Vec::<String>::new(), "{left} were left after {killed} kills");
    assert_eq!(place.site.carnet(&["list"]).done().document["items"], json!([]));
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn custom_resources_go_before_their_definition_and_before_what_cleans_up_after_them() {
    let place = Place::new();
    let (definition, thing) = place.custom("");
    let kinds = format!(
        "apiextensions.k8s.io/CustomResourceDefinition,ConfigMap,{}.example.com/Thing",
        place.namespace()
    );
    let script = place.served(&definition).apply(&[&config_map("test-controller"), &thing]);
    let rest = place.scripted("ordered", "apply", &kinds, &script);
    place.act(&["install", "test"], &rest).done();
    place.hold(&place.named_thing(), HOLD);
    let said = place.uninstall(&["--delete=crds", "--timeout", "2s"]);
    said.refused(15, &["Thing", "test-thing", "held by the finalizer `example.com/hold`"]);
    let crd = format!("crd/things.{}.example.com", place.namespace());
    assert!(place.is_there(&crd), "the definition waits for its resources");
    assert!(place.is_there("configmap/test-controller"), "who would let go of them is still there");

    place.hold(&place.named_thing(), "null");
    place.uninstall(&["--delete=crds"]).done();
    assert!(!place.is_there(&crd), "it is gone, not only going");
    assert_eq!(place.site.names(), Vec::<String>::new());
    let events = place.site.audit();
    let deleted = events.iter().filter(|event| event["verb"] == "delete");
    let mut deleted: Vec<_> = deleted.map(|event| text(&event["objectRef"]["resource"])).collect();
    deleted.retain(|resource| ["configmaps", "customresourcedefinitions", "things"].contains(&&**resource));
    assert_eq!(deleted, ["things", "configmaps", "customresourcedefinitions"]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_a_component_removes_is_waited_for_before_it_is_made_again() {
    let place = Place::new();
    let (definition, thing) = place.custom("");
    let kinds =
        format!("apiextensions.k8s.io/CustomResourceDefinition,{}.example.com/Thing", place.namespace());
    let script = place.served(&definition).apply(&[&thing]);
    let first = place.scripted("first", "apply, delete", &kinds, &script);
    place.act(&["install", "test"], &first).done();
    let old = uid(&place, &place.named_thing());
    place.hold(&place.named_thing(), HOLD);
    let script = Script::new().apply(&[&definition]).delete(&[place.thing()]).apply(&[&thing]);
    let again = place.scripted("again", "apply, delete", &kinds, &script);
    place
        .act(&["upgrade", "test", "--timeout", "2s"], &again)
        .refused(15, &["cannot be made anew", "`example.com/hold`"]);
    place.hold(&place.named_thing(), "null");
    place.act(&["upgrade", "test"], &again).done();
    assert_ne!(uid(&place, &place.named_thing()), old);
    place.uninstall(&["--delete=crds"]).done();
}

/// Nothing of a test's own outlives it outside its namespace.
impl Drop for Place {
    fn drop(&mut self) {
        let crd = format!("things.{}.example.com", self.namespace());
        let thing = self.named_thing();
        let free = ["patch", &thing, "--type=merge", "-p", r#"{"metadata": {"finalizers": null}}"#];
        for arguments in [&free[..], &["delete", "crd", &crd, "--wait=false", "--ignore-not-found"]] {
            drop(self.site.kubectl_command(arguments).output());
        }
    }
}
