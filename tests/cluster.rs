//! The whole road on a real Kubernetes API server, by the real program: what it says, what it records, what is there
//! then.
//!
//! `CARNET_TEST_KUBECONFIG` names the server's kubeconfig, as `.ci/cluster/up.sh` writes it; kubectl is
//! `CARNET_TEST_KUBECTL`, or in the folder `bin` beside the kubeconfig. Every test has a namespace of its own.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run programs and may fail anywhere"
)]

#[path = "cluster/fields.rs"]
mod fields;
#[path = "cluster/generate.rs"]
mod generate;
#[path = "cluster/hold.rs"]
mod hold;
#[path = "cluster/hostile.rs"]
mod hostile;
#[path = "cluster/kstate.rs"]
mod kstate;
#[path = "cluster/lists.rs"]
mod lists;
#[path = "cluster/manifests.rs"]
mod manifests;
#[path = "cluster/plans.rs"]
mod plans;
#[path = "cluster/powers.rs"]
mod powers;
#[path = "cluster/relay.rs"]
mod relay;
#[path = "cluster/rights.rs"]
mod rights;
#[path = "cluster/site.rs"]
mod site;
#[path = "cluster/standing.rs"]
mod standing;
mod support;
#[path = "cluster/truth.rs"]
mod truth;
#[path = "cluster/upgrades.rs"]
mod upgrades;
#[path = "cluster/wait.rs"]
mod wait;
#[path = "cluster/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use relay::Relay;
use serde_json::{Value, json};
use site::{Said, Site, eventually, files, random, text};
use support::guest::Script;
use support::{Home, config_map, example};

/// The objects of the guestbook.
const GUESTBOOK: [&str; 12] = [
    "ConfigMap/guestbook-site",
    "Deployment/guestbook-web",
    "Ingress/guestbook-web",
    "Job/guestbook-migrate-1-0-0",
    "NetworkPolicy/guestbook-db",
    "NetworkPolicy/guestbook-web",
    "PodDisruptionBudget/guestbook-web",
    "Secret/guestbook-db",
    "Service/guestbook-db",
    "Service/guestbook-web",
    "ServiceAccount/guestbook-web",
    "StatefulSet/guestbook-db",
];

const BACKUP: &str = "dev.carnet.guestbook.backup";

fn pairs(history: &[(String, String)]) -> Vec<(&str, &str)> {
    history.iter().map(|(action, result)| (&**action, &**result)).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn the_guestbook_is_installed_and_told_about() {
    let site = Site::with_volume();
    let said = site.install(&[]).done();
    assert_eq!(said.document["kind"], "Outcome");
    assert_eq!(said.document["outputs"], json!({"url": "https://guestbook.example/"}));
    assert_eq!(said.changed(&["create"]).len(), GUESTBOOK.len());
    assert_eq!(site.names(), GUESTBOOK);

    let status = site.carnet(&["status", "guestbook"]).done().document;
    assert_eq!(
        (&status["apiVersion"], &status["kind"]),
        (&json!("carnet.dev/v1alpha1"), &json!("Installation"))
    );
    let expected = [
        ("name", "guestbook"),
        ("namespace", &*site.namespace),
        ("bundle", "guestbook 1.0.0"),
        ("action", "install"),
        ("result", "succeeded"),
    ];
    for (member, value) in expected {
        assert_eq!(status[member], value, "{member}");
    }
    assert_eq!(status["outputs"], said.document["outputs"]);
    assert_eq!(status["revision"], said.document["revision"]);
    let objects = status["objects"].as_array().unwrap();
    assert_eq!(objects.len(), GUESTBOOK.len());
    for object in objects {
        assert_eq!(
            (&object["ready"], &object["namespace"]),
            (&json!(true), &json!(site.namespace)),
            "{object}"
        );
        assert!(object["apiVersion"].is_string() && object["kind"].is_string() && object["name"].is_string());
    }

    let list = site.carnet(&["list"]).done().document;
    assert_eq!(list["kind"], "InstallationList");
    assert_eq!((&list["items"][0]["name"], &list["items"][1]), (&json!("guestbook"), &Value::Null));
    assert_eq!(pairs(&site.history()), [("install", "succeeded")]);
    let outputs = site.carnet(&["outputs", "guestbook"]).done().document;
    assert_eq!(outputs["outputs"]["url"], "https://guestbook.example/");
    let diff = site.carnet(&["diff", "guestbook", "--exit-code"]).done();
    assert_eq!(diff.document["changes"], json!([]));
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_credential_reaches_its_secret_and_nothing_else() {
    let site = Site::with_volume();
    let said = site.install(&["-v"]).done();
    let held = |key: &str| {
        site.get("secret/guestbook-db", &format!("go-template={{{{.data.{key} | base64decode}}}}"))
    };
    assert_eq!(held("password"), site.password());
    let url = format!("postgres://guestbook:{}@guestbook-db:5432/guestbook", site.password_in_url());
    assert_eq!(held("url"), url);

    site.carnet(&["status", "guestbook"]).done();
    site.upgrade("guestbook", &["-v"]).done();
    let encoded = site.get("secret/guestbook-db", "jsonpath={.data.password}");
    let forms = [site.password(), site.password_in_url(), encoded];
    let mut texts: Vec<_> = ["state", "data", "config"].iter().flat_map(|it| files(&site.path(it))).collect();
    assert!(texts.iter().any(|(path, _)| path.ends_with("state.db")), "the state was not searched");
    texts.push(("stdout".into(), said.stdout.into_bytes()));
    texts.push(("stderr".into(), said.stderr.into_bytes()));
    texts.push(("diff".into(), site.carnet(&["diff", "guestbook", "-v"]).done().stdout.into_bytes()));
    for (path, bytes) in texts {
        for form in &forms {
            let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
            assert!(!found, "the credential is in {}", path.display());
        }
    }
    for object in site.objects().into_iter().filter(|(name, _)| name != "Secret/guestbook-db") {
        let body = object.1.to_string();
        assert!(forms.iter().all(|form| !body.contains(&**form)), "the credential is in {}", object.0);
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_upgrade_that_asks_for_more_is_refused_until_that_is_granted() {
    let site = Site::with_volume();
    site.install(&[]).done();
    let before = site.versions();
    let missing = format!("apply:batch/CronJob:{}/guestbook-cleanup", site.namespace);
    let said = site.upgrade("guestbook-1.1", &[]).refused(11, &["the bundle requests what is not granted"]);
    assert_eq!(said.document["details"], json!([format!("--allow-kube '{missing}'")]));
    assert_eq!(site.versions(), before);
    assert_eq!(pairs(&site.history()), [("install", "succeeded")]);

    let said = site.upgrade("guestbook-1.1", &["--allow-kube", &missing]).done();
    assert_eq!(said.changed(&["create"]), ["Job/guestbook-migrate-1-1-0", "CronJob/guestbook-cleanup"]);
    assert!(site.get("deployment/guestbook-web", "yaml").contains("app.kubernetes.io/version: 1.1.0"));
    let status = site.carnet(&["status", "guestbook"]).done().document;
    assert_eq!((&status["bundle"], &status["action"]), (&json!("guestbook 1.1.0"), &json!("upgrade")));
    // The grant of the last run is kept for the same bundle.
    site.upgrade("guestbook-1.1", &[]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_upgrade_to_the_same_changes_nothing() {
    let site = Site::with_volume();
    site.install(&[]).done();
    let before = site.versions();
    let said = site.upgrade("guestbook", &[]).done();
    assert_eq!(said.changed(&["unchanged"]).len(), GUESTBOOK.len());
    assert_eq!(said.changed(&["create", "update", "delete"]), Vec::<String>::new());
    assert_eq!(site.versions(), before);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn fields_that_somebody_else_changed_are_theirs_until_forced() {
    let site = Site::with_volume();
    site.install(&[]).done();
    site.kubectl(&["scale", "deployment", "guestbook-web", "--replicas=5"]);
    let replicas = || site.get("deployment/guestbook-web", "jsonpath={.spec.replicas}");

    let diff = site.carnet(&["diff", "guestbook", "--exit-code"]);
    assert_eq!(diff.code, 3, "{diff}");
    assert_eq!(diff.changed(&["update"]), ["Deployment/guestbook-web"]);
    assert!(text(&diff.document["changes"][0]["diff"]).contains("-  replicas: 5\n+  replicas: 2"), "{diff}");

    let said = site.upgrade("guestbook", &[]).refused(1, &[".spec.replicas (kubectl)"]);
    assert!(text(&said.document["hint"]).contains("--force-conflicts"), "{said}");
    assert_eq!(replicas(), "5");
    assert_eq!(pairs(&site.history()), [("install", "succeeded")]);

    let said = site.upgrade("guestbook", &["--force-conflicts"]).done();
    assert_eq!(said.changed(&["update"]), ["Deployment/guestbook-web"]);
    assert_eq!(replicas(), "2");
    site.carnet(&["diff", "guestbook", "--exit-code"]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn all_that_others_hold_is_told_at_once_and_only_what_is_named_is_taken() {
    let (site, home) = (Site::new(), Home::new());
    let maps = ["test-one", "test-two"].map(config_map);
    let first = bundle(&site, &home, "first", "ConfigMap", &maps.each_ref().map(String::as_str));
    let changed = maps.map(|map| map.replace("a: b", "a: c"));
    let second = bundle(&site, &home, "second", "ConfigMap", &changed.each_ref().map(String::as_str));
    site.carnet(&with(&["install", "web"], &first)).done();
    let theirs = |name: &str| {
        site.kubectl(&["patch", "configmap", name, "--type=merge", "-p", r#"{"data":{"a":"x"}}"#])
    };
    let values =
        || ["test-one", "test-two"].map(|name| site.get(&format!("configmap/{name}"), "jsonpath={.data.a}"));
    for name in ["test-one", "test-two"] {
        theirs(name);
    }

    let without_yes: Vec<_> = second.iter().filter(|word| *word != "--yes").cloned().collect();
    let plan = site.carnet(&with(&["plan", "web"], &without_yes)).done();
    assert!(plan.stderr.contains("what belongs to others (fields: 2)"), "{plan}");
    let held = json!([{ "field": ".data.a", "manager": "kubectl-patch" }]);
    for row in plan.document["changes"].as_array().unwrap() {
        assert_eq!((&row["action"], &row["conflicts"]), (&json!("update"), &held), "{plan}");
    }
    let upgrade = |more: &[&str]| site.carnet(&with(&[&["upgrade", "web"], more].concat(), &second));
    let lines = |names: &[&str]| -> Vec<Value> {
        let fields =
            names.iter().map(|name| format!("ConfigMap {}/{name}: .data.a (kubectl-patch)", site.namespace));
        fields
            .chain(names.iter().map(|name| format!("--take ConfigMap:{}/{name}", site.namespace)))
            .map(Value::from)
            .collect()
    };
    let one = format!("ConfigMap:{}/test-one", site.namespace);
    for (taken, left) in [
        (&[][..], &["test-one", "test-two"][..]),
        (&["--take", ".data.b"], &["test-one", "test-two"]),
        (&["--take", &one], &["test-two"]),
    ] {
        let said = upgrade(taken).refused(1, &["not without taking over what belongs to others"]);
        assert_eq!(said.document["details"], Value::from(lines(left)), "{said}");
        assert_eq!(values(), ["x", "x"], "nothing is written before all of it may be");
    }
    upgrade(&["--take", ".data.a"]).done();
    assert_eq!(values(), ["c", "c"]);

    theirs("test-one");
    upgrade(&["--take", &one]).done();
    assert_eq!(values(), ["c", "c"]);
    // An object that is nobody's is taken over by its name as well.
    site.kubectl(&["create", "configmap", "test-three"]);
    let three = format!("ConfigMap:{}/test-three", site.namespace);
    let third = bundle(&site, &home, "third", "ConfigMap", &[&config_map("test-three")]);
    let install = |more: &[&str]| site.carnet(&with(&[&["install", "other"], more].concat(), &third));
    install(&["--take", &one]).refused(1, &["test-three is already there"]);
    install(&["--take", &three]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_installation_that_is_not_ready_in_time_can_be_finished() {
    let site = Site::new();
    let wanted = format!("apps/StatefulSet {}/guestbook-db", site.namespace);
    site.install(&["--timeout", "5s"]).refused(15, &["timeout", &wanted]);
    let status = site.carnet(&["status", "guestbook"]).done().document;
    assert_eq!(status["result"], "failed");
    assert!(text(&status["message"]).contains(&wanted), "{status}");
    let database = status["objects"].as_array().unwrap().iter().find(|row| row["kind"] == "StatefulSet");
    assert_eq!(database.unwrap()["ready"], false);
    assert!(
        !site.names().contains(&"Deployment/guestbook-web".to_owned()),
        "it went on without its database"
    );

    site.add_volume();
    site.install(&[]).done();
    assert_eq!(site.names(), GUESTBOOK);
    assert_eq!(pairs(&site.history()), [("install", "failed"), ("install", "succeeded")]);
}

/// A bundle of one's own that nobody signed, with these objects, and how it is installed.
fn bundle(site: &Site, home: &Home, name: &str, kinds: &str, manifests: &[&str]) -> Vec<String> {
    let requests = format!(
        "handles: [install]\nrequests:\n  kubernetes:\n  - {{verbs: [apply], kinds: [{kinds}], namespaces: ['${{namespace}}'], names: ['test-*']}}\n"
    );
    let fetched = home.bundle(name, &Script::new().apply(manifests).component(), &requests);
    let reference = format!("layout:{}", home.path(name).display());
    let approval = fetched.digest().to_string();
    [
        "--dangerous-unsigned",
        "--target",
        "kube",
        "-n",
        &site.namespace,
        "--yes",
        "--approve",
        &approval,
        &reference,
    ]
    .map(str::to_owned)
    .to_vec()
}

fn with<'a>(verb: &[&'a str], rest: &'a [String]) -> Vec<&'a str> {
    verb.iter().copied().chain(rest.iter().map(String::as_str)).collect()
}

fn job(outcome: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: test-job}}, spec: {{backoffLimit: 0, template: {{
           metadata: {{labels: {{pretend/outcome: {outcome}}}}}, spec: {{restartPolicy: Never,
             containers: [{{name: main, image: registry.example/none}}]}}}}}}}}"
    )
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_job_that_failed_is_not_waited_for_any_longer() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "failing", "batch/Job", &[&job("fail")]);
    let start = Instant::now();
    let object = format!("batch/Job {}/test-job", site.namespace);
    site.carnet(&with(&["install", "test", "--timeout", "5m"], &rest)).refused(15, &["not ready", &object]);
    assert!(start.elapsed() < Duration::from_secs(60), "it waited for what cannot happen");
    assert_eq!(site.carnet(&["status", "test"]).done().document["result"], "failed");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_pod_that_never_starts_is_waited_for_only_when_asked() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "stuck", "batch/Job", &[&job("stuck")]);
    site.carnet(&with(&["install", "test", "--timeout", "3s"], &rest)).refused(15, &["it is not complete"]);
    site.carnet(&with(&["install", "test", "--no-wait"], &rest)).done();
    let status = site.carnet(&["status", "test"]).done().document;
    assert_eq!((&status["result"], &status["objects"][0]["ready"]), (&json!("succeeded"), &json!(false)));
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_component_can_refuse_an_upgrade() {
    let site = Site::with_volume();
    site.install(&[]).done();
    let before = site.versions();
    let reason = "the database's volume has 1Gi and cannot shrink to 500Mi";
    site.upgrade("guestbook", &["--param", "storage=500Mi"]).refused(17, &[reason]);
    assert_eq!(site.versions(), before);
    assert_eq!(pairs(&site.history()), [("install", "succeeded")]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_custom_action_is_carried_out_and_recorded() {
    let site = Site::with_volume();
    site.install(&[]).done();
    let said = site.carnet(&["invoke", "guestbook", BACKUP, "--param", "backup-name=monday", "--yes"]).done();
    assert_eq!(said.changed(&["create"]), ["Job/guestbook-backup-monday"]);
    assert_eq!(said.document["changes"].as_array().unwrap().len(), 1);
    assert_eq!(site.get("job/guestbook-backup-monday", "jsonpath={.status.succeeded}"), "1");
    assert_eq!(pairs(&site.history()), [("install", "succeeded"), (BACKUP, "succeeded")]);
    let unknown = site.carnet(&["invoke", "guestbook", "dev.carnet.guestbook.restore", "--yes"]);
    unknown.refused(1, &["the bundle has no action `dev.carnet.guestbook.restore`"]);
}

/// A backup is its action's: whoever upgrades or goes back does not mean it.
#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_an_action_made_stays_until_the_installation_goes() {
    let site = Site::with_volume();
    site.install(&[]).done();
    let backup = ["invoke", "guestbook", BACKUP, "--param", "backup-name=monday", "--yes"];
    site.carnet(&backup).done();
    let uid = || site.get("job/guestbook-backup-monday", "jsonpath={.metadata.uid}");
    let made = uid();
    let grants = example("guestbook-1.1").join("grants.yaml").display().to_string();
    let said = site.upgrade("guestbook-1.1", &["--grants", &grants]).done();
    let credentials = site.path("inputs/credentials.yaml").display().to_string();
    let back = site.carnet(&["rollback", "guestbook", "--yes", "-c", &credentials]).done();
    assert_eq!(uid(), made);

    // What going back cannot undo is said.
    let cautions = back.document["cautions"].to_string();
    let here = &site.namespace;
    for said in [
        format!("batch/Job {here}/guestbook-migrate-1-1-0 has run: what it did is not undone"),
        format!("apps/StatefulSet {here}/guestbook-db keeps its volumes as they are"),
    ] {
        assert!(cautions.contains(&said), "{said}: {back}");
    }
    // This example carries out its upgrades itself: what its older version made stays, what a later one brought goes.
    let cautions = said.document["cautions"].as_array().unwrap();
    assert!(cautions.len() == 1 && cautions[0].to_string().contains("migrate-1-0-0"), "{said}");
    assert_eq!(back.changed(&["delete"]), ["CronJob/guestbook-cleanup", "Job/guestbook-migrate-1-1-0"]);
    assert_eq!(site.kubectl(&["get", "cronjob", "-o", "name"]), "");

    let history = site.carnet(&["history", "guestbook"]).done().document;
    let rows = history["items"].as_array().unwrap();
    let made: Vec<_> = rows.iter().map(|row| row["objects"][0]["name"].as_str()).collect();
    assert_eq!(made, [None, Some("guestbook-backup-monday"), None, None]);
    let page = Said::of(site.bare_command(&["history", "guestbook"]).output().unwrap());
    assert!(page.stdout.contains(&format!("batch/Job {here}/guestbook-backup-monday")), "{page}");

    let said = site.carnet(&["uninstall", "guestbook", "--yes"]).done();
    assert!(said.changed(&["delete"]).contains(&"Job/guestbook-backup-monday".to_owned()), "{said}");
    let claim = format!("PersistentVolumeClaim {here}/data-guestbook-db-0");
    assert_eq!(said.document["kept"], json!([claim]), "{said}");
    assert!(said.document["cautions"][0].as_str().unwrap().starts_with(&claim), "{said}");
    // Nothing of ours removes it afterwards. What is printed does.
    let line = said.document["byHand"][0].as_str().unwrap();
    let words: Vec<_> = line.split(' ').skip(1).collect();
    assert_eq!(words[..3], ["delete", "pvc", "data-guestbook-db-0"], "{said}");
    assert!(line.ends_with(&format!(" -n {here}")), "{said}");
    site.kubectl(&words);
    assert_eq!(site.kubectl(&["get", "pvc", "-o", "name"]), "");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn claims_of_the_installations_sets_go_with_them_where_that_is_said() {
    let site = Site::with_volume();
    site.install(&[]).done();
    // Of a larger size that it once had, and one that only has such a name.
    let claim = |name: &str, app: &str| {
        format!(
            "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: {name}, labels: {app}}}, spec: {{
               accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}, storageClassName: none}}}}"
        )
    };
    let labels = site.get("statefulset/guestbook-db", "jsonpath={.spec.selector.matchLabels}");
    site.apply(&claim("data-guestbook-db-1", &labels));
    site.apply(&claim("data-guestbook-db-2", "{app: mine}"));
    let said = site.carnet(&["uninstall", "guestbook", "--yes", "--delete=pvcs"]).done();
    let gone: Vec<_> =
        said.changed(&["delete"]).into_iter().filter(|name| name.contains("data-guestbook")).collect();
    assert_eq!(
        gone,
        ["data-guestbook-db-0", "data-guestbook-db-1"].map(|it| format!("PersistentVolumeClaim/{it}"))
    );
    assert_eq!(said.document["kept"], json!([]), "{said}");
    let left = site.kubectl(&["get", "pvc", "-o", "jsonpath={.items[*].metadata.name}"]);
    assert_eq!(left, "data-guestbook-db-2");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn uninstalling_removes_what_is_recorded_and_keeps_data() {
    let site = Site::with_volume();
    site.install(&[]).done();
    site.carnet(&["invoke", "guestbook", BACKUP, "--yes"]).done();
    // One object is gone already, another is somebody else's by now: it has the name, and another identity.
    site.kubectl(&["delete", "ingress", "guestbook-web"]);
    site.kubectl(&["delete", "configmap", "guestbook-site"]);
    site.apply(&config_map("guestbook-site"));

    let said = site.carnet(&["uninstall", "guestbook", "--yes"]).done();
    assert!(said.changed(&["delete"]).contains(&"Job/guestbook-backup-manual".to_owned()), "{said}");
    assert!(!said.changed(&["delete"]).contains(&"Ingress/guestbook-web".to_owned()), "{said}");
    eventually("all is gone", || site.names() == ["ConfigMap/guestbook-site"]);
    assert_eq!(site.get("pvc/data-guestbook-db-0", "jsonpath={.status.phase}"), "Bound");
    assert_eq!(site.carnet(&["list"]).done().document["items"], json!([]));
    assert_eq!(site.carnet(&["list", "--all"]).done().document["items"][0]["action"], "uninstall");
    site.carnet(&["uninstall", "guestbook", "--yes"]).refused(1, &["guestbook"]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_uninstall_needs_no_trust_policy() {
    let site = Site::with_volume();
    site.install(&[]).done();
    let mut command = site.command(&["uninstall", "guestbook", "--yes"]);
    Said::of(command.env_remove("CARNET_TRUST").output().unwrap()).done();
    eventually("all is gone", || site.names().is_empty());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_lacks_rights_in_the_cluster_changes_nothing() {
    let site = Site::new();
    let user = format!("nobody-in-{}", site.namespace);
    let reason = format!("User \"{user}\" cannot get resource \"serviceaccounts\"");
    site.install(&["--as", &user]).refused(12, &["the server refuses", &reason]);
    site.assert_untouched();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_single_right_that_lacks_is_found_before_anything_is_done() {
    let site = Site::with_volume();
    let resources = "serviceaccounts,configmaps,services,networkpolicies.networking.k8s.io,statefulsets.apps,\
        deployments.apps,jobs.batch,ingresses.networking.k8s.io";
    site.kubectl(&[
        "create",
        "role",
        "most",
        "--verb=get,create,patch",
        &format!("--resource={resources},secrets"),
    ]);
    let user = format!("somebody-in-{}", site.namespace);
    site.kubectl(&["create", "rolebinding", "most", "--role=most", &format!("--user={user}")]);
    let refused = site.install(&["--as", &user]);
    refused.refused(12, &["poddisruptionbudgets.policy \"guestbook-web\" is forbidden"]);
    site.assert_untouched();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn of_several_runs_at_once_one_goes_on() {
    let site = Site::new();
    // Without its volume the one that goes on cannot end before the others were seen to be refused.
    let mut runs: Vec<_> = (0..4).map(|_| site.begin(&["--timeout", "2m"])).collect();
    let mut refused = Vec::new();
    eventually("all but one are refused", || {
        let ended = runs.iter_mut().position(|run| run.try_wait().unwrap().is_some());
        refused.extend(ended.map(|at| Said::of(runs.remove(at).wait_with_output().unwrap())));
        refused.len() == 3
    });
    for said in refused {
        said.refused(16, &["guestbook"]);
    }
    site.add_volume();
    Said::of(runs.remove(0).wait_with_output().unwrap()).done();
    assert_eq!(pairs(&site.history()), [("install", "succeeded")]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn objects_of_another_installation_stay_theirs_unless_taken_over() {
    let (site, home) = (Site::new(), Home::new());
    let other = site.path("other").display().to_string();
    let first = bundle(&site, &home, "first", "ConfigMap", &[&config_map("test-map")]);
    let changed = config_map("test-map").replace("a: b", "a: c");
    let second = bundle(&site, &home, "second", "ConfigMap", &[&changed]);
    site.carnet(&with(&["install", "one"], &first)).done();
    let before = site.versions();

    let reason = format!("belongs to {}/one", site.namespace);
    let refused = |overrides: &[&str]| {
        let verb = [&["--state", &other, "install", "two"], overrides].concat();
        site.carnet(&with(&verb, &second))
    };
    let said = refused(&["--force-conflicts"]).refused(1, &[&reason]);
    assert!(text(&said.document["hint"]).contains("--take-ownership"), "{said}");
    refused(&[]).refused(1, &[&reason]);
    assert_eq!(site.versions(), before);
    assert_eq!(site.carnet(&["--state", &other, "list", "--all"]).done().document["items"], json!([]));

    refused(&["--take-ownership"]).done();
    let object = &site.objects()["ConfigMap/test-map"];
    assert_eq!(object["data"], json!({"a": "c"}));
    let owner = format!("{}/two", site.namespace);
    assert_eq!(object["metadata"]["annotations"]["carnet.dev/installation"], owner);

    // It is not the first one's any more: that one can neither change nor remove it.
    site.carnet(&with(&["upgrade", "one"], &first)).refused(1, &[&format!("belongs to {owner}")]);
    site.carnet(&["uninstall", "one", "--yes"]).done();
    assert_eq!(site.names(), ["ConfigMap/test-map"]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn objects_that_were_there_before_stay_as_they_are_unless_taken_over() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "late", "ConfigMap", &[&config_map("test-map")]);
    site.apply(&config_map("test-map").replace("a: b", "mine: precious"));
    let before = site.versions();
    let reason = "is already there and belongs to nobody that is known";
    let said = site.carnet(&with(&["install", "test"], &rest)).refused(1, &[reason]);
    assert!(text(&said.document["hint"]).contains("--take-ownership"), "{said}");
    assert_eq!(site.versions(), before);

    site.carnet(&with(&["install", "test", "--take-ownership"], &rest)).done();
    site.carnet(&with(&["upgrade", "test"], &rest)).done();
    site.carnet(&["uninstall", "test", "--yes"]).done();
    assert_eq!(site.names(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_plan_writes_nothing_and_a_run_only_what_is_its_own() {
    let site = Site::with_volume();
    let verbs = |events: &[Value]| -> BTreeMap<String, usize> {
        let mut verbs = BTreeMap::new();
        events.iter().for_each(|event| *verbs.entry(text(&event["verb"])).or_default() += 1);
        verbs
    };
    let plan = Said::of(site.on_plan().output().unwrap()).done();
    assert_eq!(plan.changed(&["create"]).len(), GUESTBOOK.len());
    let planned = site.audit();
    assert_eq!(verbs(&planned).into_keys().collect::<Vec<_>>(), ["get", "patch"]);
    for event in planned.iter().filter(|event| event["verb"] == "patch") {
        assert!(text(&event["requestURI"]).contains("dryRun=All"), "{event}");
    }
    site.assert_untouched();

    site.install(&[]).done();
    let manager = format!("carnet/{}/guestbook", site.namespace);
    for (name, object) in site.objects() {
        let fields = object["metadata"]["managedFields"].as_array().unwrap();
        let ours = fields.iter().find(|entry| entry["manager"] == *manager);
        assert_eq!(ours.map(|entry| &entry["operation"]), Some(&json!("Apply")), "{name}");
    }
    let events = site.audit();
    let written = events
        .iter()
        .filter(|event| event["verb"] == "patch" && !text(&event["requestURI"]).contains("dryRun=All"));
    assert_eq!(written.count(), GUESTBOOK.len());
    assert_eq!(verbs(&events).into_keys().collect::<Vec<_>>(), ["get", "patch", "watch"]);

    site.carnet(&["uninstall", "guestbook", "--yes"]).done();
    let events = site.audit();
    assert_eq!(verbs(&events)["delete"], GUESTBOOK.len());
    assert_eq!(verbs(&events).into_keys().collect::<Vec<_>>(), ["delete", "get", "patch", "watch"]);
    for event in &events {
        let name = text(&event["objectRef"]["name"]);
        // A claim that a StatefulSet leaves behind is looked at, so that it can be named.
        let is_claim = name.starts_with("data-guestbook-db-") && event["verb"] == "get";
        assert!(name.starts_with("guestbook-") || is_claim, "{event}");
    }
}

/// The objects that an installation left, without what differs between two installations.
fn settled(site: &Site) -> BTreeMap<String, Value> {
    // The password has the namespace in it, too.
    let same = |(name, object): (String, Value)| {
        let text = object.to_string().replace(&site.namespace, "NAMESPACE");
        (name, without_identity(serde_json::from_str(&text).unwrap()))
    };
    site.objects().into_iter().map(same).collect()
}

/// An object without what the server or a controller gave it alone.
fn without_identity(mut object: Value) -> Value {
    let metadata = object["metadata"].take();
    object["metadata"] = json!({"labels": metadata["labels"], "annotations": metadata["annotations"]});
    let given = [
        "/status",
        "/spec/clusterIP",
        "/spec/clusterIPs",
        "/metadata/annotations/carnet.dev~1record",
        "/metadata/annotations/deployment.kubernetes.io~1revision",
    ];
    // A Job's pods are known by its UID; the values of a Secret are encoded, with the namespace in them.
    let of_this_kind: &[&str] = match object["kind"].as_str() {
        Some("Job") => &["/spec/selector", "/spec/template/metadata/labels"],
        Some("Secret") => &["/data"],
        _ => &[],
    };
    for pointer in given.iter().chain(of_this_kind) {
        if let Some(value) = object.pointer_mut(pointer) {
            *value = Value::Null;
        }
    }
    object
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn whatever_is_killed_can_be_finished_by_the_same_command() {
    let undisturbed = Site::with_volume();
    undisturbed.install(&[]).done();
    let expected = settled(&undisturbed);
    for round in 0..5 {
        let site = Site::with_volume();
        let delays = [300 * round + random() % 300, random() % 1500];
        let killed = delays.iter().take_while(|delay| !site.ends_within(site.begin(&[]), **delay)).count();
        if killed == delays.len() {
            let said = site.install(&[]);
            assert!(said.code == 0 || was_installed_already(&said), "killed after {delays:?} ms: {said}");
        }
        assert_eq!(settled(&site), expected, "killed after {delays:?} ms");
        let status = site.carnet(&["status", "guestbook"]).done().document;
        assert_eq!(status["result"], "succeeded", "killed after {delays:?} ms");
        assert_eq!(status["objects"].as_array().unwrap().len(), GUESTBOOK.len());

        let delay = random() % 200;
        let uninstall = || site.command(&["uninstall", "guestbook", "--yes"]);
        if !site.ends_within(uninstall().spawn().unwrap(), delay) {
            let said = Said::of(uninstall().output().unwrap());
            // All was done and recorded already, and only the end of the program was cut off.
            let is_over = said.document["message"] == "there is no installation `guestbook`";
            assert!(said.code == 0 || is_over, "an uninstall was killed after {delay} ms: {said}");
        }
        eventually("all is gone", || site.names().is_empty());
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_server_that_cannot_be_reached_is_named() {
    let site = Site::new();
    let kubeconfig = site.kubeconfig_at(1);
    site.install(&["--kubeconfig", &kubeconfig]).refused(1, &["127.0.0.1:1"]);
    site.assert_untouched();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_uninstall_that_finds_no_server_forgets_nothing() {
    let site = Site::with_volume();
    site.install(&[]).done();
    let mut command = site.command(&["uninstall", "guestbook", "--yes"]);
    let said = Said::of(command.env("KUBECONFIG", site.kubeconfig_at(1)).output().unwrap());
    said.refused(1, &["the cluster is not available", "127.0.0.1:1"]);
    let status = site.carnet(&["status", "guestbook"]).done().document;
    assert_eq!(status["objects"].as_array().unwrap().len(), GUESTBOOK.len());
    assert_eq!(site.names(), GUESTBOOK);
    site.carnet(&["uninstall", "guestbook", "--yes"]).done();
    eventually("all is gone", || site.names().is_empty());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_uninstall_that_finds_nothing_at_another_address_forgets_nothing() {
    let site = Site::with_volume();
    site.install(&[]).done();
    site.kubectl(&["delete", "namespace", &site.namespace]);
    let relay = Relay::to(site.server());
    let mut command = site.command(&["uninstall", "guestbook", "--yes"]);
    let said = Said::of(command.env("KUBECONFIG", site.kubeconfig_at(relay.port)).output().unwrap());
    said.refused(1, &["the installation `guestbook` is in kube at", &format!("127.0.0.1:{}", relay.port)]);
    site.carnet(&["uninstall", "guestbook", "--yes"]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_run_that_loses_its_server_has_failed_and_can_be_finished() {
    let site = Site::new();
    let relay = Relay::to(site.server());
    let kubeconfig = site.kubeconfig_at(relay.port);
    let run = site.begin(&["--timeout", "2m", "--kubeconfig", &kubeconfig]);
    // It waits for its database, which has no volume.
    site.await_object("statefulset/guestbook-db");
    relay.cut();
    let said = Said::of(run.wait_with_output().unwrap());
    said.refused(1, &[&format!("127.0.0.1:{}", relay.port)]);
    assert_eq!(pairs(&site.history()), [("install", "failed")]);

    site.add_volume();
    site.install(&[]).done();
    assert_eq!(site.names(), GUESTBOOK);
    assert_eq!(pairs(&site.history()), [("install", "failed"), ("install", "succeeded")]);
}

/// Whether an `install` found that the one before it had come to its end.
fn was_installed_already(said: &Said) -> bool {
    said.code == 1
        && text(&said.document["message"]).starts_with("the installation `guestbook` is there already")
}

impl Site {
    /// A plan of the guestbook.
    fn on_plan(&self) -> std::process::Command {
        let reference = format!("layout:{}", example("bundles/guestbook").display());
        let mut command =
            self.command(&["plan", "guestbook", &reference, "--target", "kube", "-n", &self.namespace]);
        command.arg("-c").arg(self.path("inputs/credentials.yaml"));
        command.arg("--grants").arg(example("guestbook/grants.yaml"));
        command
    }

    /// Kills a run after so many milliseconds, unless it has come to a good end by then.
    fn ends_within(&self, mut run: std::process::Child, delay: u64) -> bool {
        std::thread::sleep(Duration::from_millis(delay));
        drop(run.kill());
        let said = Said::of(run.wait_with_output().unwrap());
        // The run before was killed when all was done and recorded, and only the end of the program was cut off.
        let is_over = said.code == 0 || was_installed_already(&said);
        assert!(is_over || said.code < 0, "it failed before it was killed: {said}");
        is_over
    }

    /// The address of the API server.
    pub(crate) fn server(&self) -> String {
        let config = fs::read_to_string(self.kubeconfig()).unwrap();
        let line = config.lines().find_map(|line| line.trim().strip_prefix("server: https://"));
        line.unwrap().to_owned()
    }

    /// A kubeconfig that leads to another port of this machine.
    pub(crate) fn kubeconfig_at(&self, port: u16) -> String {
        let config = fs::read_to_string(self.kubeconfig()).unwrap();
        let file = self.path(&format!("inputs/kubeconfig-{port}"));
        fs::write(&file, config.replace(&self.server(), &format!("127.0.0.1:{port}"))).unwrap();
        file.display().to_string()
    }
}
