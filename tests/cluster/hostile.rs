//! A component that means harm, on a real API server: whatever it writes as a name, a kind or a manifest is refused for
//! the right reason, and the server hears of nothing but what was granted.

use carnet::kubernetes::object::ObjectRef;
use carnet::targets::credentials::{Encoding, placeholder};
use serde_json::{Value, json};

use crate::site::{Said, Site, text};
use crate::support::guest::Script;
use crate::support::{Home, config_map};

const VERBS: &str = "apply, delete, get, get-secret";

const KINDS: &str = "ConfigMap, Secret, Service, Pod, batch/Job, apps/Deployment, networking.k8s.io/Ingress";

/// A component in a namespace of its own, beside one that is none of its business.
struct Guest {
    site: Site,
    other: Site,
    home: Home,
}

impl Guest {
    fn new() -> Self {
        Self { site: Site::new(), other: Site::new(), home: Home::new() }
    }

    fn namespace(&self) -> &str {
        &self.site.namespace
    }

    fn object(&self, api_version: &str, kind: &str, name: &str) -> ObjectRef {
        ObjectRef::new(api_version, kind, Some(self.namespace()), name)
    }

    /// Lets it install with these verbs and kinds on names that begin with `test-`, and everything that it asks for.
    fn with_grant(&self, script: &Script, verbs: &str, kinds: &str) -> Said {
        let requests = format!(
            "handles: [install]\nrequests:\n  kubernetes:\n  - {{verbs: [{verbs}], kinds: [{kinds}], \
             namespaces: ['${{namespace}}'], names: ['test-*']}}\n\
             \x20 generate: [{{name: key, into: ['${{namespace}}/Secret/test-a']}}]\n"
        );
        let fetched = self.home.bundle("hostile", &script.component(), &requests);
        let reference = format!("layout:{}", self.home.path("hostile").display());
        let digest = fetched.digest().to_string();
        let target = ["--target", "kube", "-n", self.namespace(), "--no-wait"];
        let consent = ["--dangerous-unsigned", "--yes", "--approve", &digest];
        self.site.carnet(&[&["install", "test", &reference], &target[..], &consent].concat())
    }

    fn runs(&self, script: &Script) -> Said {
        self.with_grant(script, VERBS, KINDS)
    }

    /// Asserts that the component is told this, call by call, and that nothing was written.
    fn assert_told(&self, script: &Script, expected: &[String]) {
        let said = self.runs(script).done();
        for (told, expected) in told(&said).iter().zip(expected) {
            assert!(told.contains(&**expected), "it was told {told}, not {expected}");
        }
        assert_eq!(told(&said).len(), expected.len(), "{said}");
        self.assert_unharmed();
    }

    /// Asserts that neither namespace has anything new, that the audit log knows no write, no other verb and no other
    /// name, and that nobody was impersonated.
    fn assert_unharmed(&self) {
        assert_eq!(self.site.names(), Vec::<String>::new());
        assert_eq!(self.other.names(), Vec::<String>::new());
        assert_eq!(self.other.audit(), Vec::<Value>::new());
        for event in self.site.audit() {
            let is_dry = text(&event["requestURI"]).contains("dryRun=All");
            let is_refused = event["responseStatus"]["code"].as_u64().is_some_and(|code| code >= 400);
            let writes_nothing = is_dry || is_refused;
            assert!(event["verb"] == "get" || (event["verb"] == "patch" && writes_nothing), "{event}");
            assert!(text(&event["objectRef"]["name"]).starts_with("test-"), "{event}");
            assert_eq!(event["objectRef"].get("subresource"), None, "{event}");
            assert_eq!(event.get("impersonatedUser"), None, "{event}");
        }
    }
}

/// The answers to the component's calls, as it wrote them into its log.
fn told(said: &Said) -> Vec<String> {
    said.stderr.lines().filter_map(|line| line.strip_prefix("  | ")).map(str::to_owned).collect()
}

fn visible(text: &str) -> String {
    let shown = carnet::document::visible(text);
    shown.chars().take(100).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn no_reference_leads_anywhere_else() {
    let guest = Guest::new();
    let (mut script, mut expected) = (Script::new().tolerant(), Vec::new());
    let mut call = |object: ObjectRef, get: &str, delete: &str| {
        script =
            std::mem::take(&mut script).get(&object).delete(std::slice::from_ref(&object)).wait(&[object], 0);
        expected.extend([
            get.to_owned(),
            delete.to_owned(),
            get.replace("permitted: get ", "permitted: wait for "),
        ]);
    };
    let elsewhere = |namespace: &str| ObjectRef {
        namespace: Some(namespace.into()),
        ..guest.object("v1", "ConfigMap", "test-a")
    };
    let denied = [
        elsewhere(&guest.other.namespace),
        elsewhere("kube-system"),
        guest.object("v1", "ConfigMap", "kube-root-ca.crt"),
        guest.object("v1", "ConfigMap", "test"),
        guest.object("v1", "ServiceAccount", "test-a"),
        guest.object("v1", "PodExecOptions", "test-a"),
        guest.object("v1", "List", "test-a"),
        guest.object("apps/v1", "Scale", "test-a"),
        guest.object("extensions/v1beta1", "Ingress", "test-a"),
        guest.object("extensions/v1beta1", "Deployment", "test-a"),
        guest.object("example.com/v1", "Secret", "test-a"),
    ];
    for object in denied {
        let said = |verb: &str| format!("not permitted: {verb} {object}");
        call(object.clone(), &said("get"), &said("delete"));
    }
    for (object, kind) in [
        (guest.object("v1", "Pods", "test-a"), "Pod"),
        (guest.object("v1", "pod", "test-a"), "Pod"),
        (guest.object("v1", "pods", "test-a"), "Pod"),
        (guest.object("v1", "po", "test-a"), "Pod"),
        (guest.object("v1", "deploy", "test-a"), "apps/Deployment"),
        (guest.object("v1", "deployments", "test-a"), "apps/Deployment"),
        (guest.object("v1", "SECRET", "test-a"), "Secret"),
        (guest.object("v1", "configmap", "test-a"), "ConfigMap"),
        (guest.object("apps/v1", "Deployments", "test-a"), "apps/Deployment"),
    ] {
        let text = format!("the kind `{}` is written `{kind}`", object.group_kind());
        call(object, &text, &text);
    }
    let mut refused = |what: &str, part: &str, object: ObjectRef| {
        let text = format!("`{}` is not a {what}", visible(part));
        call(object, &text, &text);
    };
    let long = format!("test-{}", "a".repeat(295));
    for name in [
        "",
        "*",
        "test-*",
        "test-a/exec",
        "test-a/../../secrets/x",
        "test-..",
        "..",
        ".",
        "test-a%2fexec",
        "test-a?watch=1",
        "test-a#x",
        "test-A",
        "test-a b",
        "test-a\n",
        "test-a\r\nImpersonate-User: admin",
        "test-ä",
        "test-a:b",
        &long,
    ] {
        refused("name of an object", name, guest.object("v1", "ConfigMap", name));
    }
    for kind in ["", "Pod/exec", "pods/exec", "Config-Map", "ConfigMap?", "*"] {
        refused("kind", kind, guest.object("v1", kind, "test-a"));
    }
    for namespace in ["", "*", "..", "a/b", "%2e%2e", "kube%2dsystem", "Default", "default?x=y", "default\n"]
    {
        refused("namespace", namespace, elsewhere(namespace));
    }
    for version in
        ["", "/", "/v1", "v1/", "a/b/c", "..", "../v1", "apps/..", "apps/v1/namespaces", "v1?x", "V1", "v1\n"]
    {
        refused("version of an API", version, guest.object(version, "ConfigMap", "test-a"));
    }
    // A version that the server does not serve leads to no other object.
    let old = guest.object("apps/v1beta1", "Deployment", "test-a");
    script = script.get(&old).delete(&[old]);
    expected.extend(["the target has no kind Deployment in apps/v1beta1"; 2].map(str::to_owned));
    guest.assert_told(&script, &expected);
}

/// A manifest with these members beside a name.
fn manifest(members: &Value) -> String {
    let mut body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "test-a"}});
    for (name, value) in members.as_object().unwrap() {
        match (body[name].as_object_mut(), value) {
            (Some(known), Value::Object(more)) => known.extend(more.clone()),
            _ => body[name] = value.clone(),
        }
    }
    body.to_string()
}

fn metadata(name: &str, value: Value) -> String {
    manifest(&json!({"metadata": {name: value}}))
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn no_manifest_reaches_around_the_grant() {
    let guest = Guest::new();
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let all = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{all}]\n"));
    }
    let good = config_map("test-a");
    let owner =
        json!([{"apiVersion": "v1", "kind": "Pod", "name": "test-b", "uid": "1", "controller": true}]);
    let unreadable = "the manifest cannot be read: ";
    let mut cases: Vec<(String, String)> = [
        (bomb, unreadable),
        ("[".repeat(100_000), unreadable),
        (good.replace("data: {", "data: {a: c, "), unreadable),
        (format!("{good}\n---\n{good}"), unreadable),
        (String::new(), "it is not a mapping"),
        ("- a".into(), "it is not a mapping"),
        (
            good.replace("data: {", &format!("data: {{long: {}, ", "x".repeat(3 << 19))),
            "bytes as JSON, more than the 1572864",
        ),
        (manifest(&json!({"kind": "List", "items": ["x"]})), "`/items/0` of the list is no mapping"),
        (manifest(&json!({"kind": "ConfigMapList", "items": [{}]})), "`metadata.name` must be text"),
        ("{apiVersion: v1, kind: ConfigMap}".into(), "`metadata.name` must be text"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {}}".into(), "`metadata.name` must be text"),
        (metadata("name", json!(1)), "`metadata.name` must be text"),
        (metadata("namespace", json!(["x"])), "`metadata.namespace` must be text"),
        (manifest(&json!({"kind": ["ConfigMap"]})), "`kind` must be text"),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: test-}}".into(),
            "a manifest may not set `metadata.generateName`",
        ),
        (metadata("generateName", json!("test-")), "a manifest may not set `metadata.generateName`"),
        (metadata("name", json!("test-a/exec")), "`test-a/exec` is not a name of an object"),
        (metadata("name", json!("test-UPPER")), "`test-UPPER` is not a name of an object"),
        (metadata("namespace", json!("..")), "`..` is not a namespace"),
        (manifest(&json!({"kind": "pods/exec"})), "`pods/exec` is not a kind"),
        (
            manifest(&json!({"apiVersion": "v1/namespaces/kube-system"})),
            "`v1/namespaces/kube-system` is not a version of an API",
        ),
        (manifest(&json!({"kind": "Namespace"})), "not permitted: apply Namespace test-a"),
        (
            manifest(&json!({"apiVersion": "extensions/v1beta1", "kind": "Ingress"})),
            "not permitted: apply extensions/Ingress",
        ),
        (manifest(&json!({"status": {"phase": "Running"}})), "a manifest may not set `status`"),
        (metadata("labels", json!("x")), "`metadata.labels` must be a mapping"),
        (metadata("annotations", json!(["x"])), "`metadata.annotations` must be a mapping"),
        (
            metadata("annotations", json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"})),
            "a manifest may not set `metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]`",
        ),
    ]
    .map(|(manifest, reason)| (manifest, reason.to_owned()))
    .into();
    for (name, value) in [
        ("managedFields", json!([{"manager": "x", "operation": "Apply"}])),
        ("resourceVersion", json!("1")),
        ("uid", json!("8d3a5f6e-0000-0000-0000-000000000000")),
        ("ownerReferences", owner),
        ("finalizers", json!(["example.com/never"])),
        ("deletionTimestamp", json!("2030-01-01T00:00:00Z")),
        ("deletionGracePeriodSeconds", json!(0)),
        ("creationTimestamp", json!("2030-01-01T00:00:00Z")),
        ("generation", json!(7)),
        ("selfLink", json!("/api/v1/nodes")),
    ] {
        cases.push((metadata(name, value), format!("a manifest may not set `metadata.{name}`")));
    }
    for mark in
        ["carnet.dev/installation", "carnet.dev/credentials", "carnet.dev/generated", "run.carnet.dev/x"]
    {
        for member in ["annotations", "labels"] {
            let forged = metadata(member, json!({mark: "prod/other"}));
            cases
                .push((forged, "a manifest may not set `labels and annotations below `carnet.dev/``".into()));
        }
    }
    let elsewhere = metadata("namespace", json!(guest.other.namespace));
    cases.push((elsewhere, format!("not permitted: apply ConfigMap {}/test-a", guest.other.namespace)));
    let token = json!({
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"annotations": {"kubernetes.io/service-account.name": "default"}},
    });
    cases.push((
        manifest(&token),
        format!("not permitted: apply ServiceAccount {}/default", guest.namespace()),
    ));

    let mut script = Script::new().tolerant();
    for (manifest, _) in &cases {
        script = script.apply(&[manifest]);
    }
    let mut expected: Vec<_> = cases.into_iter().map(|(_, reason)| reason).collect();
    script = script.apply(&[&good, &good]).apply(&vec![&*good; 501]);
    expected.push("occurs twice in one call".into());
    expected.push("501 manifests in one call, more than 500".into());
    guest.assert_told(&script, &expected);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn one_manifest_that_is_refused_keeps_the_others_of_its_call_back() {
    let guest = Guest::new();
    let script = Script::new().tolerant().apply(&[&config_map("test-a"), &config_map("other")]);
    let told = format!("not permitted: apply ConfigMap {}/other", guest.namespace());
    guest.assert_told(&script, &[told]);
    assert_eq!(guest.site.audit(), Vec::<Value>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn nobody_is_impersonated_by_what_stands_in_an_object() {
    let guest = Guest::new();
    let forged = json!({
        "metadata": {"annotations": {
            "Impersonate-User": "system:admin\r\nImpersonate-Group: system:masters",
            "authentication.kubernetes.io/impersonate-user": "system:admin",
        }},
    });
    guest.runs(&Script::new().apply(&[&manifest(&forged)])).done();
    assert_eq!(guest.site.names(), ["ConfigMap/test-a"]);
    let events = guest.site.audit();
    assert!(events.iter().any(|event| event["verb"] == "patch"));
    for event in events {
        assert_eq!(event.get("impersonatedUser"), None, "{event}");
        assert_ne!(event["user"]["username"], "system:admin", "{event}");
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_object_of_somebody_else_tells_nothing_by_the_way_it_is_refused() {
    let guest = Guest::new();
    guest.site.apply("{apiVersion: v1, kind: Secret, metadata: {name: test-a}, type: example.com/x, immutable: true, stringData: {pin: '1234'}}");
    let before = guest.site.versions();
    let try_it = |kind: &str, pin: &str| {
        format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: test-a}}, type: {kind}, stringData: {{pin: '{pin}'}}}}"
        )
    };
    // What is there, another immutable type, another value, and what the server would never accept.
    let guesses = [
        ("example.com/x", "1234"),
        ("Opaque", "1234"),
        ("example.com/x", "0000"),
        ("kubernetes.io/tls", "1234"),
    ];
    let mut script = Script::new().tolerant();
    for (kind, pin) in guesses {
        script = script.apply(&[&try_it(kind, pin)]);
    }
    let said = guest.with_grant(&script, "apply", "Secret").done();
    let owned = format!("another owner holds Secret {}/test-a", guest.namespace());
    assert_eq!(told(&said), vec![owned; guesses.len()], "{said}");
    assert!(!said.stderr.contains("1234") && !said.stdout.contains("1234"), "{said}");
    // A component that does not mind does not get it by trying again for real.
    assert_eq!(guest.site.versions(), before);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_an_object_says_of_itself_is_told_to_those_who_may_read_it_alone() {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "test-job"},
        "spec": {"backoffLimit": 0, "template": {
            "metadata": {"labels": {"pretend/outcome": "fail"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example/none"}]},
        }},
    });
    for (verbs, reads) in [("apply", false), ("apply, get", true)] {
        let guest = Guest::new();
        let awaited = guest.object("batch/v1", "Job", "test-job");
        let script = Script::new().tolerant().apply(&[&job.to_string()]).wait(&[awaited], 60);
        let requests = format!(
            "handles: [install]\nrequests:\n  kubernetes:\n  - {{verbs: [{verbs}], kinds: [batch/Job], \
             namespaces: ['${{namespace}}'], names: ['test-*']}}\n"
        );
        let fetched = guest.home.bundle("waiting", &script.component(), &requests);
        let reference = format!("layout:{}", guest.home.path("waiting").display());
        let digest = fetched.digest().to_string();
        let flags = [
            "--target",
            "kube",
            "-n",
            guest.namespace(),
            "--dangerous-unsigned",
            "--yes",
            "--approve",
            &digest,
        ];
        let said = guest.site.carnet(&[&["install", "test", &reference], &flags[..]].concat());
        let bare = format!("not ready: batch/Job {}/test-job: it failed", guest.namespace());
        let [told] = &told(&said)[..] else { panic!("{said}") };
        assert_eq!((told == &bare, told.starts_with(&bare)), (!reads, true), "{told}");
        // The operator is told in any case.
        assert!(said.stderr.contains("backoff limit"), "{said}");
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_definition_that_borrows_another_kinds_address_leads_nowhere() {
    let guest = Guest::new();
    let definition = |name: &str, plural: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
            "spec": {"group": "", "scope": "Namespaced", "names": {"kind": "Widget", "plural": plural}, "versions": []},
        })
        .to_string()
    };
    let widget =
        ObjectRef { api_version: "test.example/v1".into(), ..guest.object("v1", "Widget", "test-a") };
    let mut script = Script::new().tolerant();
    for plural in ["configmaps", "pods/exec", "../../../api/v1/secrets"] {
        let forged = definition("test-widgets.test.example", plural)
            .replace("\"group\":\"\"", "\"group\":\"test.example\"");
        script = script.apply(&[&forged]).get(&widget).delete(std::slice::from_ref(&widget));
    }
    let requests = "handles: [install]\nrequests:\n  kubernetes:\n  \
        - {verbs: [apply], kinds: [apiextensions.k8s.io/CustomResourceDefinition], names: ['test-*']}\n  \
        - {verbs: [get, delete], kinds: [test.example/Widget], namespaces: ['${namespace}'], names: ['test-*']}\n";
    let fetched = guest.home.bundle("forging", &script.component(), requests);
    let reference = format!("layout:{}", guest.home.path("forging").display());
    let digest = fetched.digest().to_string();
    let consent = ["--dangerous-unsigned", "--yes", "--approve", &digest];
    let target = ["--target", "kube", "-n", guest.namespace(), "--no-wait", "--identity", "own"];
    let no_kind = "the target has no kind Widget in test.example/v1";
    let refused =
        "the target does not accept apiextensions.k8s.io/CustomResourceDefinition test-widgets.test.example";
    let all = [refused, no_kind, no_kind].repeat(3);
    // A run that was confirmed beforehand does not try out what it makes. The component passes over what is refused, and
    // the outcome says that nothing was done.
    let said = guest.site.carnet(&[&["install", "test", &reference], &target[..], &consent].concat()).done();
    assert_eq!(told(&said), all, "{said}");
    assert_eq!(said.document["changes"], json!([]), "{said}");
    assert_eq!(said.document["refused"].as_array().unwrap().len(), all.len(), "{said}");
    guest.assert_unharmed();

    // What was refused when the plan was made is no step of it, and is refused again.
    let plan = ["--dangerous-unsigned", "--approve", &digest];
    let said = guest.site.carnet(&[&["plan", "test", &reference], &target[..4], &plan].concat()).done();
    assert_eq!(said.document["changes"], json!([]), "{said}");
    std::fs::write(guest.site.path("plan.json"), said.document.to_string()).unwrap();
    let said = guest
        .site
        .carnet(&["apply", "plan.json", "--dangerous-unsigned", "--no-wait", "--identity", "own"])
        .done();
    assert_eq!(told(&said), all, "{said}");
    guest.assert_unharmed();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_made_credential_goes_nowhere_else_and_comes_back_to_nobody() {
    let guest = Guest::new();
    let whole = placeholder("key", Encoding::Raw);
    let secret = |name: &str, text: &str| {
        manifest(&json!({
            "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": text},
        }))
    };
    let outside = "a credential's placeholder stands outside `data` and `stringData` of a Secret";
    let script = Script::new()
        .tolerant()
        .apply(&[&secret("test-a", &whole)])
        .generate("key", 32)
        .generate("other", 32)
        .generate("../key", 32)
        .generate("key", 15)
        .apply(&[&secret("test-b", &whole)])
        .apply(&[&manifest(&json!({"data": {"a": whole}}))])
        .apply(&[&manifest(&json!({"kind": "Secret", "metadata": {"annotations": {"a": whole}}}))])
        .apply(&[&secret("test-a", &format!("x{whole}"))]);
    let expected = [
        "a placeholder names a credential that was not lent in this run (key `a`)".to_owned(),
        "not permitted: make the credential other".into(),
        "`../key` cannot name a generated credential".into(),
        "a generated credential has 16 to 128 characters, not 15".into(),
        format!("not permitted: place the credential key into Secret {}/test-b", guest.namespace()),
        outside.into(),
        outside.into(),
        "the generated credential `key` must stand whole under one key of each Secret that it goes into"
            .into(),
    ];
    guest.assert_told(&script, &expected);
}
