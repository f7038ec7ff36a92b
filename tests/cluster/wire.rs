//! How requests go out: how many, in what order, and what becomes of them when the server is busy or away.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::site::{Said, Site, eventually, shared};
use crate::support::guest::Script;
use crate::support::{Home, config_map};
use crate::wait::Place;
use crate::{bundle, text, with};

/// Manifests of this many ConfigMaps.
fn config_maps(count: usize, value: &str) -> Vec<String> {
    (0..count)
        .map(|at| config_map(&format!("test-{at:03}")).replace("a: b", &format!("a: {value}")))
        .collect()
}

fn texts(manifests: &[String]) -> Vec<&str> {
    manifests.iter().map(String::as_str).collect()
}

/// How often each verb was used, a dry run counted apart.
fn requests(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        let is_trial = text(&event["requestURI"]).contains("dryRun=All");
        let verb = if is_trial { "try".to_owned() } else { text(&event["verb"]) };
        *counts.entry(verb).or_default() += 1;
    }
    counts
}

/// A command's requests to the server.
fn asked(site: &Site, arguments: &[&str]) -> BTreeMap<String, usize> {
    let before = site.audit().len();
    site.carnet(arguments).done();
    requests(&site.audit()[before..])
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(verb, count)| ((*verb).to_owned(), *count)).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn each_object_takes_as_few_requests_as_it_can() {
    let (site, home) = (Site::new(), Home::new());
    let first = bundle(&site, &home, "first", "ConfigMap", &texts(&config_maps(20, "b")));
    let mut changed = config_maps(20, "b");
    changed[7] = changed[7].replace("a: b", "a: c");
    let second = bundle(&site, &home, "second", "ConfigMap", &texts(&changed));
    let own = ["--no-wait", "--identity", "own"];

    let install = [&["install", "test"], &own[..]].concat();
    assert_eq!(asked(&site, &with(&install, &first)), counts(&[("list", 1), ("patch", 20)]));
    let upgrade = [&["upgrade", "test"], &own[..]].concat();
    assert_eq!(asked(&site, &with(&upgrade, &first)), counts(&[("list", 1)]));
    let scoped = with(&["upgrade", "test", "--no-wait"], &first);
    assert_eq!(asked(&site, &scoped), counts(&[("list", 1)]), "nothing to do takes no identity");
    let once = counts(&[("list", 1), ("patch", 1), ("try", 1)]);
    assert_eq!(
        asked(&site, &with(&upgrade, &second)),
        once,
        "what changes is tried out before anything is written"
    );

    let looked_at: Vec<_> = first.iter().filter(|it| *it != "--yes").cloned().collect();
    let tried = counts(&[("list", 1), ("try", 20)]);
    assert_eq!(asked(&site, &with(&["plan", "test"], &looked_at)), tried);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn as_many_objects_as_one_call_may_have_are_installed_and_left_alone() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "many", "ConfigMap", &texts(&config_maps(500, "b")));
    let said = site.carnet(&with(&["install", "test", "--no-wait"], &rest)).done();
    let names: Vec<_> = (0..500).map(|at| format!("ConfigMap/test-{at:03}")).collect();
    assert_eq!(said.changed(&["create"]), names, "the plan is in the order of the call");
    let status = site.carnet(&["status", "test"]).done().document;
    assert_eq!(status["objects"].as_array().unwrap().len(), 500);
    assert_eq!(asked(&site, &with(&["upgrade", "test", "--no-wait"], &rest)), counts(&[("list", 3)]));
    site.carnet(&["uninstall", "test", "--yes"]).done();
    assert_eq!(site.names(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_others_need_goes_first_whatever_the_order_of_the_call() {
    let place = Place::new();
    let (definition, thing) = place.custom("");
    let binding =
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: test-binding},
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: test-role},
        subjects: [{kind: ServiceAccount, name: test-account}]}";
    let role = "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: test-role},
        rules: [{apiGroups: [''], resources: [configmaps], verbs: [get]}]}";
    let account = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: test-account}}";
    let map = config_map("test-map");
    let kinds = format!(
        "apiextensions.k8s.io/CustomResourceDefinition,{}.example.com/Thing,ConfigMap,ServiceAccount,\
         rbac.authorization.k8s.io/Role,rbac.authorization.k8s.io/RoleBinding",
        place.site.namespace
    );
    let script = Script::new().apply(&[&thing, binding, &map, role, &definition, account]);
    let rest = place.scripted("order", "apply", &kinds, &script);
    let looked_at: Vec<_> = rest.iter().filter(|it| *it != "--yes").cloned().collect();
    let plan = place.act(&["plan", "test"], &looked_at).done();
    let rows = plan.document["changes"].as_array().unwrap();
    assert_eq!(rows[0]["dryRun"], "impossible", "its definition comes with the plan: {plan}");
    assert!(text(&rows[0]["notTried"]).contains("definition of its kind is not there yet"), "{plan}");
    assert!(rows[1..].iter().all(|row| row["dryRun"].is_null() && row["notTried"].is_null()), "{plan}");

    let said = place.act(&["install", "test", "--no-wait"], &rest).done();
    let order = ["Thing", "RoleBinding", "ConfigMap", "Role", "CustomResourceDefinition", "ServiceAccount"];
    let kinds: Vec<_> =
        said.document["changes"].as_array().unwrap().iter().map(|row| text(&row["kind"])).collect();
    assert_eq!(kinds, order, "it is told in the order of the call");
    let written: Vec<_> = place.site.audit().into_iter().filter(|event| event["verb"] == "patch").collect();
    let at = |resource: &str| {
        let is_it = |event: &&Value| {
            // The identity of the run has roles of its own.
            event["objectRef"]["resource"] == resource
                && !text(&event["objectRef"]["name"]).starts_with("carnet-")
                && !text(&event["requestURI"]).contains("dryRun=All")
        };
        let event = written.iter().find(is_it).unwrap();
        assert_eq!(event["responseStatus"]["code"], 201, "{event}");
        (text(&event["requestReceivedTimestamp"]), text(&event["stageTimestamp"]))
    };
    for (first, then) in [
        ("customresourcedefinitions", "serviceaccounts"),
        ("roles", "rolebindings"),
        ("serviceaccounts", "rolebindings"),
        ("rolebindings", "configmaps"),
        ("rolebindings", "things"),
    ] {
        assert!(at(first).1 <= at(then).0, "{first} were not answered before {then} went out");
    }
    let again = place.act(&["upgrade", "test", "--no-wait"], &rest).done();
    assert_eq!(again.changed(&["unchanged"]).len(), 6, "{again}");
    place.uninstall(&["--delete=crds"]).done();
}

/// Lets somebody do this with ConfigMaps of the site; gives their name.
fn somebody(site: &Site, verbs: &str) -> String {
    let user = format!("somebody-in-{}", site.namespace);
    let verbs = format!("--verb={verbs}");
    site.kubectl(&["create", "role", "some", &verbs, "--resource=configmaps"]);
    site.kubectl(&["create", "rolebinding", "some", "--role=some", &format!("--user={user}")]);
    user
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_may_only_read_gets_a_plan_that_says_so() {
    let (site, home) = (Site::new(), Home::new());
    let first = bundle(&site, &home, "first", "ConfigMap", &texts(&config_maps(2, "b")));
    site.carnet(&with(&["install", "test"], &first)).done();
    let mut manifests = config_maps(3, "b");
    manifests[1] = manifests[1].replace("a: b", "a: c");
    let second = bundle(&site, &home, "second", "ConfigMap", &texts(&manifests));
    let user = somebody(&site, "get");

    let looked_at: Vec<_> = second.iter().filter(|it| *it != "--yes").cloned().collect();
    let plan = site.carnet(&with(&["plan", "test", "--as", &user], &looked_at)).done();
    let rows = plan.document["changes"].as_array().unwrap();
    let told: Vec<_> = rows.iter().map(|row| (text(&row["action"]), row["dryRun"].clone())).collect();
    let forbidden = |action: &str| (action.to_owned(), json!("forbidden"));
    assert_eq!(told, [forbidden("unchanged"), forbidden("update"), forbidden("create")], "{plan}");
    assert!(text(&rows[1]["diff"]).contains("-  a: b\n+  a: c"), "{plan}");
    assert_eq!(plan.stderr.matches("not tried out").count(), 1, "{plan}");

    // Somebody with more rights carries out just that.
    fs::write(site.path("plan.json"), &plan.stdout).unwrap();
    let said = site.carnet(&["apply", "plan.json", "--dangerous-unsigned", "--as", &user]);
    said.refused(12, &["cannot patch resource \"configmaps\""]);
    let said = site.carnet(&["apply", "plan.json", "--dangerous-unsigned"]).done();
    assert_eq!(said.changed(&["update", "create"]), ["ConfigMap/test-001", "ConfigMap/test-002"]);
    let first_again = with(&["upgrade", "test", "--as", &user], &first);

    // A run of one's own would fail, so it does not begin.
    site.carnet(&first_again).refused(12, &["cannot patch resource \"configmaps\""]);
    assert_eq!(site.objects().len(), 3);
    assert_eq!(site.carnet(&["history", "test"]).done().document["items"].as_array().unwrap().len(), 2);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_belongs_to_nobody_is_shown_before_it_is_taken_over() {
    let (site, home) = (Site::new(), Home::new());
    site.apply(&config_map("test-000").replace("a: b", "a: mine"));
    let rest = bundle(&site, &home, "maps", "ConfigMap", &texts(&config_maps(2, "b")));
    let looked_at: Vec<_> = rest.iter().filter(|it| *it != "--yes").cloned().collect();
    for more in [&[][..], &["--take-ownership"]] {
        let plan = site.carnet(&with(&[&["plan", "test"], more].concat(), &looked_at)).done();
        let rows = plan.document["changes"].as_array().unwrap();
        let told: Vec<_> = rows.iter().map(|row| (text(&row["action"]), row["adopts"].clone())).collect();
        assert_eq!(told, [("update".into(), json!(true)), ("create".into(), Value::Null)], "{plan}");
        assert!(text(&rows[0]["diff"]).contains("-  a: mine\n+  a: b"), "{plan}");
        assert_eq!(plan.stderr.contains("--take-ownership"), more.is_empty(), "{plan}");
    }
    let said = site.carnet(&with(&["install", "test"], &rest)).refused(1, &["belongs to nobody"]);
    assert!(text(&said.document["hint"]).contains("--take-ownership"), "{said}");
    assert_eq!(site.names(), ["ConfigMap/test-000"]);
    let said = site.carnet(&with(&["install", "test", "--take-ownership"], &rest)).done();
    assert_eq!(said.document["changes"][0]["adopts"], true);
    assert_eq!(site.objects()["ConfigMap/test-000"]["data"], json!({"a": "b"}));
    // From then on it is nobody else's.
    let said = site.carnet(&with(&["upgrade", "test"], &rest)).done();
    assert_eq!(said.document["changes"][0]["adopts"], Value::Null);
}

/// The codes of all answers to requests that write, by how often they occur.
fn codes(site: &Site) -> BTreeMap<u64, usize> {
    let mut codes = BTreeMap::new();
    for event in site.audit().iter().filter(|event| event["verb"] == "patch") {
        *codes.entry(event["responseStatus"]["code"].as_u64().unwrap()).or_default() += 1;
    }
    codes
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_server_that_is_too_busy_is_given_the_time_it_asks_for() {
    let (site, home) = (Site::new(), Home::new());
    let user = somebody(&site, "get,create,patch");
    let name = &site.namespace;
    // The server's own means: whoever is assigned to a level gets its few seats, and beyond that 429 and a time to
    // wait.
    site.apply(&format!(
        "{{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: PriorityLevelConfiguration, metadata: {{name: {name}}}, spec: {{
           type: Limited, limited: {{nominalConcurrencyShares: 1, borrowingLimitPercent: 0, limitResponse: {{type: Reject}}}}}}}}"
    ));
    site.apply(&format!(
        "{{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: FlowSchema, metadata: {{name: {name}}}, spec: {{
           matchingPrecedence: 100, priorityLevelConfiguration: {{name: {name}}}, rules: [{{
             subjects: [{{kind: User, user: {{name: {user}}}}}],
             resourceRules: [{{verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*']}}]}}]}}}}"
    ));
    eventually("the level is in use", || {
        site.kubectl(&["get", "--raw=/debug/api_priority_and_fairness/dump_priority_levels"]).contains(name)
    });
    let rest = bundle(&site, &home, "maps", "ConfigMap", &texts(&config_maps(100, "b")));
    let said =
        site.carnet(&with(&["install", "test", "--no-wait", "--identity", "own", "--as", &user], &rest));
    site.kubectl(&["delete", "flowschema", name]);
    site.kubectl(&["delete", "prioritylevelconfiguration", name]);
    said.done();
    let codes = codes(&site);
    assert_eq!(codes.get(&201), Some(&100), "each object was made once: {codes:?}");
    assert!(codes.contains_key(&429), "the server was not busy: {codes:?}");
    assert_eq!(codes.len(), 2, "{codes:?}");
}

/// A control plane of one test's own, whose API server can be killed.
struct Plane {
    folder: tempfile::TempDir,
}

impl Plane {
    fn new() -> Self {
        let plane = Self { folder: tempfile::tempdir().unwrap() };
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let status = plane
            .script("up.sh")
            .env("CLUSTER_BIN", shared().with_file_name("bin"))
            .envs(
                ["CLUSTER_API_PORT", "CLUSTER_ETCD_PORT", "CLUSTER_ETCD_PEER_PORT"]
                    .map(|name| (name, free())),
            )
            .status();
        assert!(status.unwrap().success());
        plane
    }

    fn script(&self, name: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/cluster").join(name);
        let mut command = Command::new(script);
        command.arg(self.folder.path()).stdout(Stdio::null());
        command
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Begins an installation, and lets it come into the middle of what it does.
    fn begin(&self, site: &Site, rest: &[String]) -> Child {
        let run = site.command(&with(&["install", "test", "--no-wait"], rest)).spawn().unwrap();
        let log = self.folder.path().join("log/audit.log");
        eventually("the run is in the middle of it", || {
            fs::read_to_string(&log).unwrap().matches(r#""verb":"patch","#).count() > 60
        });
        run
    }

    /// Kills the API server; gives what it was started with.
    fn kill(&self) -> Vec<String> {
        let pid = fs::read_to_string(self.pid()).unwrap();
        let pid = pid.trim();
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
        arguments.split_terminator('\0').map(str::to_owned).collect()
    }

    /// Starts it again.
    fn start(&self, arguments: &[String], site: &Site) {
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        #[expect(clippy::zombie_processes, reason = "down.sh ends it by its number")]
        let server = command.spawn().unwrap();
        fs::write(self.pid(), server.id().to_string()).unwrap();
        eventually("the server is back", || site.kubectl_said(&["get", "--raw=/readyz"]).is_ok());
    }

    fn pid(&self) -> PathBuf {
        self.folder.path().join("pids/kube-apiserver")
    }
}

/// How often a ConfigMap was made.
fn made(site: &Site) -> usize {
    let is_made = |event: &&Value| {
        event["responseStatus"]["code"] == 201 && event["objectRef"]["resource"] == "configmaps"
    };
    site.audit().iter().filter(is_made).count()
}

impl Drop for Plane {
    fn drop(&mut self) {
        drop(self.script("down.sh").status());
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_run_whose_server_dies_is_finished_by_the_same_command() {
    let plane = Plane::new();
    let (site, home) = (Site::at(plane.kubeconfig()), Home::new());
    let rest = bundle(&site, &home, "many", "ConfigMap", &texts(&config_maps(200, "b")));
    let run = plane.begin(&site, &rest);
    let arguments = plane.kill();
    Said::of(run.wait_with_output().unwrap()).refused(1, &["the cluster is not available"]);
    let history = site.carnet(&["history", "test"]).done().document;
    assert_eq!(history["items"][0]["result"], "failed", "{history}");

    // Back again, the server hangs up now and then: one connection in fifty is closed after its request.
    plane.start(&[&arguments[..], &["--goaway-chance=0.02".to_owned()]].concat(), &site);
    let there = site.objects().len();
    assert!((1..200).contains(&there), "{there} of 200 were made");
    site.carnet(&with(&["install", "test", "--no-wait"], &rest)).done();
    assert_eq!(site.objects().len(), 200);
    let said = site.carnet(&with(&["upgrade", "test", "--no-wait"], &rest)).done();
    assert_eq!(said.changed(&["unchanged"]).len(), 200);
    let created = made(&site);
    assert!(created <= 200, "nothing is made twice: {created}");
    site.carnet(&["uninstall", "test", "--yes"]).done();
    assert_eq!(site.names(), Vec::<String>::new(), "everything that was made is known");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_store_that_stands_still_for_a_while_makes_a_run_longer_and_no_other() {
    let plane = Plane::new();
    let (site, home) = (Site::at(plane.kubeconfig()), Home::new());
    let rest = bundle(&site, &home, "many", "ConfigMap", &texts(&config_maps(200, "b")));
    let run = plane.begin(&site, &rest);
    let etcd = fs::read_to_string(plane.folder.path().join("pids/etcd")).unwrap();
    let signal = |name| assert!(Command::new("kill").args([name, etcd.trim()]).status().unwrap().success());
    signal("-STOP");
    std::thread::sleep(Duration::from_secs(8));
    signal("-CONT");
    Said::of(run.wait_with_output().unwrap()).done();
    assert_eq!(site.objects().len(), 200);
    assert_eq!(made(&site), 200, "nothing is made twice");
}
