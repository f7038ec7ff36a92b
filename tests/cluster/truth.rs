//! What is told is what is there: outcomes, records, comparisons and removals against a real API server.

use serde_json::{Value, json};

use crate::site::{Said, Site, eventually, text};
use crate::support::guest::Script;
use crate::support::{Home, config_map};

/// A name of a label that no server takes: it is one character too long.
fn refused_map(name: &str) -> String {
    let long = "l".repeat(64);
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, labels: {{app: {long}}}}}}}")
}

struct Place {
    site: Site,
    home: Home,
}

impl Place {
    fn new() -> Self {
        Self { site: Site::new(), home: Home::new() }
    }

    /// `install` or `upgrade` of a bundle of one's own, which may have objects of these kinds.
    fn on_bundle(&self, verb: &str, script: &Script, kinds: &str, more: &[&str]) -> Said {
        let requests = format!(
            "requests:\n  kubernetes:\n  - {{verbs: [apply, delete], kinds: [{kinds}], namespaces: ['${{namespace}}'], names: ['test-*']}}\n"
        );
        let fetched = self.home.bundle("test", &script.component(), &requests);
        let reference = format!("layout:{}", self.home.path("test").display());
        let approval = fetched.digest().to_string();
        let namespace = &self.site.namespace;
        let fixed = [verb, "test", &reference, "--dangerous-unsigned", "--target", "kube", "-n", namespace];
        self.site.carnet(&[&fixed[..], &["--approve", &approval], more].concat())
    }

    fn install(&self, script: &Script, kinds: &str) -> Said {
        self.on_bundle("install", script, kinds, &["--yes", "--no-wait"])
    }

    fn on(&self, verb: &str, more: &[&str]) -> Said {
        let unsigned: &[&str] = if verb == "status" { &[] } else { &["--dangerous-unsigned"] };
        self.site.carnet(&[&[verb, "test"], unsigned, more].concat())
    }

    fn objects(&self) -> Vec<(String, Value)> {
        let status = self.on("status", &[]).done().document;
        let objects = status["objects"].as_array().unwrap().iter();
        objects.map(|object| (text(&object["name"]), object["ready"].clone())).collect()
    }
}

fn changes(said: &Said) -> Vec<(String, String)> {
    let rows = said.document["changes"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["action"]), text(&row["name"]))).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_outcome_counts_what_was_done_and_names_what_was_refused() {
    let place = Place::new();
    let script =
        Script::new().tolerant().apply(&[&config_map("test-good")]).apply(&[&refused_map("test-long")]);
    let said = place.install(&script, "ConfigMap").done();
    assert_eq!(changes(&said), [("create".to_owned(), "test-good".to_owned())]);
    let refused = said.document["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 1);
    assert!(text(&refused[0]).contains("test-long"), "{said}");
    // Record, status and comparison say the same.
    assert_eq!(place.objects(), [("test-good".to_owned(), json!(true))]);
    let history = place.site.carnet(&["history", "test"]).done().document;
    let message = text(&history["items"][0]["message"]);
    assert!(message.contains("the target refused") && message.contains("test-long"), "{message}");
    let drift = place.on("drift", &["--exit-code"]).done();
    assert_eq!((&drift.document["objects"], &drift.document["lookedAt"]), (&json!([]), &json!(1)));
    assert!(text(&drift.document["refused"][0]).contains("test-long"), "{drift}");
    // One who looks at the plan first sees it there, and has the same.
    place.on("uninstall", &["--yes"]).done();
    let plan = place.on_bundle("plan", &script, "ConfigMap", &[]).done();
    assert_eq!(changes(&plan), [("create".to_owned(), "test-good".to_owned())]);
    assert!(text(&plan.document["refused"][0]).contains("test-long"), "{plan}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_run_that_fails_tells_and_records_what_it_did() {
    let place = Place::new();
    let both = [config_map("test-first"), refused_map("test-long"), config_map("test-good")];
    let script = Script::new().apply(&[&both[0]]).apply(&[&both[1], &both[2]]);
    let said = place.install(&script, "ConfigMap").refused(1, &["test-long"]);
    let details = said.document["causes"].to_string() + &said.stderr;
    assert!(details.contains("done: create ConfigMap") && details.contains("test-first"), "{said}");
    // What was never written is on no record; what was is.
    let there: Vec<_> = place
        .site
        .names()
        .iter()
        .filter_map(|name| Some(name.strip_prefix("ConfigMap/")?.to_owned()))
        .collect();
    let mut recorded: Vec<_> = place.objects().into_iter().map(|(name, _)| name).collect();
    recorded.sort();
    assert_eq!(recorded, there);
    assert!(
        there.contains(&"test-first".to_owned()) && !there.contains(&"test-long".to_owned()),
        "{there:?}"
    );
    // Status and comparison agree that it is not well.
    let status = place.on("status", &[]).done().document;
    assert_eq!(status["result"], "failed");
    assert!(text(&status["message"]).contains("done before that: create ConfigMap"), "{status}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_comparison_never_says_that_all_is_well_where_the_status_says_that_it_is_not() {
    let place = Place::new();
    let script = Script::new().apply(&[&config_map("test-a"), &config_map("test-b")]);
    place.install(&script, "ConfigMap").done();
    assert_eq!(place.on("drift", &["--exit-code"]).code, 0);
    place.site.kubectl(&["delete", "configmap", "test-b"]);
    assert_eq!(place.objects(), [("test-a".to_owned(), json!(true)), ("test-b".to_owned(), json!(false))]);
    let drift = place.on("drift", &["--exit-code"]);
    assert_eq!(drift.code, 3, "{drift}");
    assert_eq!(drift.document["objects"][0]["state"], "missing");
    // An upgrade that fails leaves the installation as it was, and unfinished.
    let broken =
        Script::new().apply(&[&config_map("test-a"), &config_map("test-b")]).apply(&[&refused_map("test-c")]);
    place.on_bundle("upgrade", &broken, "ConfigMap", &["--yes", "--no-wait"]).refused(1, &["test-c"]);
    let drift = place.on("drift", &["--exit-code"]);
    assert!(drift.code != 0, "{drift}");
}

/// A definition of gizmos in a group of its own, with one version that is served.
fn gizmos(group: &str, versions: &[(&str, bool)]) -> String {
    let version = |(name, served): &(&str, bool)| {
        json!({ "name": name, "served": served, "storage": name == &versions[versions.len() - 1].0, "schema": {
            "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } })
    };
    let names = json!({ "plural": "gizmos", "singular": "gizmo", "kind": "Gizmo", "listKind": "GizmoList" });
    let versions: Vec<_> = versions.iter().map(version).collect();
    json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("gizmos.{group}") },
        "spec": { "group": group, "scope": "Namespaced", "names": names, "versions": versions } })
    .to_string()
}

/// Removes a definition at the end of a test, however it ends.
struct Definition<'a>(&'a Site, String);

impl Drop for Definition<'_> {
    fn drop(&mut self) {
        let arguments = ["delete", "crd", &self.1, "--wait=false", "--ignore-not-found"];
        drop(self.0.kubectl_command(&arguments).output());
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_object_whose_version_is_served_no_more_is_found_in_another_one_or_stays_on_record() {
    let place = Place::new();
    let group = format!("{}.example", place.site.namespace);
    let _definition = Definition(&place.site, format!("gizmos.{group}"));
    let serve = |versions: &[(&str, bool)]| {
        place.site.apply(&gizmos(&group, versions));
        let wanted = versions.iter().filter(|(_, served)| *served).map(|(name, _)| format!("{group}/{name}"));
        let mut wanted: Vec<_> = wanted.collect();
        wanted.sort();
        eventually("the versions are served", || {
            let said = place.site.kubectl(&["api-versions"]);
            let mut served: Vec<_> = said.lines().filter(|line| line.starts_with(&*group)).collect();
            served.sort_unstable();
            served == wanted
        });
    };
    let gone = || place.site.kubectl_said(&["get", &format!("gizmos.{group}"), "test-g"]).is_err();
    serve(&[("v1alpha1", true)]);
    let gizmo =
        format!("{{apiVersion: {group}/v1alpha1, kind: Gizmo, metadata: {{name: test-g}}, spec: {{a: 1}}}}");
    let script = Script::new().apply(&[&config_map("test-beside"), &gizmo]);
    let kinds = format!("ConfigMap, {group}/Gizmo");
    place.install(&script, &kinds).done();

    // In no version: it may be there, so it is named and stays on record.
    serve(&[("v1alpha1", false), ("v1", false)]);
    assert_eq!(place.objects()[1], ("test-g".to_owned(), json!(false)));
    let said = place
        .on("uninstall", &["--yes"])
        .refused(1, &["still on record", "test-g", "no version that is served"]);
    assert_eq!(said.document["code"], 1);
    let left: Vec<_> = place.objects().into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["test-g"]);

    // In another version: it is found and removed.
    serve(&[("v1alpha1", false), ("v1", true)]);
    assert_eq!(place.objects(), [("test-g".to_owned(), json!(true))]);
    assert!(!gone());
    let said = place.on("uninstall", &["--yes"]).done();
    assert_eq!(changes(&said), [("delete".to_owned(), "test-g".to_owned())]);
    assert!(gone());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_object_is_gone_with_its_definition() {
    let place = Place::new();
    let group = format!("{}.example", place.site.namespace);
    let definition = Definition(&place.site, format!("gizmos.{group}"));
    place.site.apply(&gizmos(&group, &[("v1", true)]));
    place.site.kubectl(&["wait", "--for=condition=established", "crd", &definition.1]);
    let gizmo = format!("{{apiVersion: {group}/v1, kind: Gizmo, metadata: {{name: test-g}}}}");
    place.install(&Script::new().apply(&[&gizmo]), &format!("{group}/Gizmo")).done();
    place.site.kubectl(&["delete", "crd", &definition.1]);
    eventually("the kind is gone", || !place.site.kubectl(&["api-versions"]).contains(&group));
    place.on("uninstall", &["--yes"]).done();
    let list = place.site.carnet(&["list"]).done().document;
    assert_eq!(list["items"], json!([]), "{list}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_object_that_lost_its_mark_is_named_and_not_forgotten() {
    let place = Place::new();
    let script = Script::new().apply(&[&config_map("test-a"), &config_map("test-b"), &config_map("test-c")]);
    place.install(&script, "ConfigMap").done();
    place.site.kubectl(&["annotate", "configmap", "test-a", "carnet.dev/installation-"]);
    let theirs = format!("carnet.dev/installation={}/other", place.site.namespace);
    place.site.kubectl(&["annotate", "--overwrite", "configmap", "test-b", &theirs]);
    let said =
        place.on("uninstall", &["--yes"]).refused(1, &["still on record", "test-a", "does not say any more"]);
    assert!(text(&said.document["hint"]).contains("--take-ownership"), "{said}");
    assert_eq!(place.objects(), [("test-a".to_owned(), json!(true))]);
    let names = place.site.names();
    assert!(names.contains(&"ConfigMap/test-a".to_owned()) && names.contains(&"ConfigMap/test-b".to_owned()));
    assert!(!names.contains(&"ConfigMap/test-c".to_owned()), "{names:?}");
    place.on("uninstall", &["--yes", "--take-ownership"]).done();
    assert!(!place.site.names().contains(&"ConfigMap/test-a".to_owned()));
}

fn deployment() -> String {
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: test-web}, spec: {selector: {matchLabels: {app: test}},
      template: {metadata: {labels: {app: test}}, spec: {containers: [{name: web, image: registry.example/a}]}}}}"
        .to_owned()
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_others_hold_beside_our_fields_is_listed_with_their_names_and_what_it_can_do() {
    let place = Place::new();
    let service = "{apiVersion: v1, kind: Service, metadata: {name: test-web}, spec: {selector: {app: test}, ports: [{name: a, port: 80}]}}";
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: test-web}, spec: {podSelector: {}, policyTypes: [Ingress]}}";
    let script = Script::new().apply(&[&deployment(), service, policy, &config_map("test-a")]);
    let kinds = "ConfigMap, Service, apps/Deployment, networking.k8s.io/NetworkPolicy";
    place.install(&script, kinds).done();
    let drift = place.on("drift", &["--exit-code", "--foreign"]).done();
    assert_eq!(drift.document["foreign"], Value::Null, "{drift}");
    assert_eq!(drift.document["lookedAt"], 4);

    let patch = |object: &str, patch: &str| {
        place.site.kubectl(&["patch", object, "--field-manager=somebody", "-p", patch]);
    };
    let spec =
        r#"{"spec":{"template":{"spec":{"hostNetwork":true,"containers":[{"name":"side","image":"x"}]}}}}"#;
    patch("deployment/test-web", spec);
    patch("service/test-web", r#"{"spec":{"externalIPs":["192.0.2.1"],"ports":[{"name":"b","port":22}]}}"#);
    patch("networkpolicy/test-web", r#"{"spec":{"ingress":[{}]}}"#);
    patch("configmap/test-a", r#"{"data":{"extra":"1"}}"#);
    let said = place.on("drift", &["--exit-code"]);
    let fields: Vec<_> = said.document["foreign"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| {
            assert_eq!(row["manager"], "somebody", "{said}");
            let name = format!("{}{{}}", text(&row["kind"]));
            row["fields"].as_array().unwrap().iter().map(move |field| name.replace("{}", &text(field)))
        })
        .collect();
    for expected in [
        "ConfigMap/data/extra",
        "Deployment/spec/template/spec/containers[name=\"side\"]",
        "Deployment/spec/template/spec/hostNetwork",
        "NetworkPolicy/spec/ingress",
        "Service/spec/externalIPs",
    ] {
        assert!(fields.iter().any(|field| field == expected), "{expected} is not in {fields:?}");
    }
    assert!(fields.iter().any(|field| field.starts_with("Service/spec/ports[")), "{fields:?}");
    let powers = said.document["foreignPowers"].as_array().unwrap();
    let rules: Vec<_> = powers.iter().map(|power| text(&power["rule"])).collect();
    for rule in ["foreign/container", "pod-security/baseline/host-namespaces", "exposure/external-ips"] {
        assert!(rules.iter().any(|it| it == rule), "{rule} is not in {rules:?}");
    }
    // They count where that is asked for.
    let counted = |more: &[&str]| place.on("drift", &[&["--exit-code"], more].concat()).code;
    let ours = said.document["objects"].as_array().unwrap().len();
    assert_eq!((counted(&[]) == 0, counted(&["--foreign"])), (ours == 0, 3));
    assert_eq!(place.on("diff", &["--exit-code", "--foreign"]).code, 3);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn looking_takes_no_more_than_a_read_for_each_object_and_putting_nothing_back_waits_for_nothing() {
    let place = Place::new();
    let manifests: Vec<_> = (0..20).map(|at| config_map(&format!("test-{at}"))).collect();
    let mut all: Vec<&str> = manifests.iter().map(String::as_str).collect();
    // Nobody has a volume for it, so it never gets ready.
    let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: test-claim}, spec: {storageClassName: none,
        accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}";
    all.push(claim);
    place.install(&Script::new().apply(&all), "ConfigMap, PersistentVolumeClaim").done();
    let asked = |verb: &str, more: &[&str]| {
        let before = place.site.audit().len();
        place.on(verb, more).done();
        let events: Vec<_> = place.site.audit().into_iter().skip(before).collect();
        events
            .iter()
            .map(|event| format!("{} {}", text(&event["verb"]), text(&event["requestURI"])))
            .collect::<Vec<_>>()
    };
    for verb in ["status", "drift", "diff"] {
        let asked = asked(verb, &[]);
        assert!(asked.len() <= all.len(), "{verb}: {asked:?}");
        let is_read = |line: &String| line.starts_with("get ") || line.starts_with("list ");
        assert!(asked.iter().all(is_read), "{verb}: {asked:?}");
    }
    // A run that waited for it would fail.
    let drift = place.on("drift", &[]).done();
    assert_eq!(drift.document["unready"][0]["name"], "test-claim", "{drift}");
    place.on("drift", &["--fix", "--yes", "--timeout", "2s"]).done();
}
