//! Rights on a real API server: a run has just those that its plan takes, needs every one of them, and leaves nothing
//! of the identity behind that had them. The audit log is the witness.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use carnet::kubernetes::object::ObjectRef;
use serde_json::{Value, json};

use crate::site::{Said, Site, eventually, is_minting, text};
use crate::support::guest::Script;
use crate::support::{Home, config_map};

/// An application: what it asks for, what it does, and what has to be there before.
struct App {
    name: &'static str,
    requests: String,
    script: Script,
    manifests: Vec<String>,
}

/// A site with a bundle, and what of it lives outside the site's namespace.
struct Place {
    site: Site,
    home: Home,
}

impl Place {
    fn new() -> Self {
        let place = Self { site: Site::new(), home: Home::new() };
        place.site.kubectl(&["create", "configmap", "test-seen"]);
        place.site.kubectl(&["create", "namespace", &place.second()]);
        place
    }

    fn second(&self) -> String {
        format!("{}-second", self.site.namespace)
    }

    fn third(&self) -> String {
        format!("{}-third", self.site.namespace)
    }

    /// The arguments that install an application.
    fn bundle(&self, app: &App) -> Vec<String> {
        let requests = format!("handles: [install]\nrequests:\n  kubernetes:\n{}", app.requests);
        let fetched = self.home.bundle(app.name, &app.script.component(), &requests);
        let reference = format!("layout:{}", self.home.path(app.name).display());
        let approval = fetched.digest().to_string();
        [
            "test",
            &reference,
            "--dangerous-unsigned",
            "--target",
            "kube",
            "-n",
            &self.site.namespace,
            "--approve",
            &approval,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn carnet(&self, verb: &[&str], rest: &[String]) -> Said {
        self.site.carnet(&verb.iter().copied().chain(rest.iter().map(String::as_str)).collect::<Vec<_>>())
    }

    fn install(&self, rest: &[String], more: &[&str]) -> Said {
        self.carnet(&[&["install", "--yes"], more].concat(), rest)
    }

    /// A call that applies manifests which may be anywhere.
    fn app(&self, name: &'static str, requests: &[&str], script: Script, manifests: Vec<String>) -> App {
        let requests = requests.iter().map(|request| format!("  - {request}\n")).collect();
        let texts: Vec<_> = manifests.iter().map(String::as_str).collect();
        App { name, requests, script: script.apply(&texts), manifests }
    }

    /// Everything in one namespace, and an object of somebody else's that is read.
    fn web(&self) -> App {
        let seen = object("v1", "ConfigMap", Some(&self.site.namespace), "test-seen");
        let manifests = vec![
            config_map("test-map"),
            "{apiVersion: v1, kind: Secret, metadata: {name: test-map}, stringData: {a: b}}".into(),
            "{apiVersion: v1, kind: Service, metadata: {name: test-web}, spec: {selector: {a: b}, ports: [{port: 80}]}}"
                .into(),
            deployment("test-web"),
        ];
        let requests = [
            "{verbs: [get], kinds: [ConfigMap], namespaces: ['${namespace}'], names: [test-seen]}",
            "{verbs: [apply], kinds: [ConfigMap, Secret, Service, apps/Deployment], namespaces: ['${namespace}'], names: ['test-*']}",
        ];
        self.app("web", &requests, Script::new().get(&seen), manifests)
    }

    /// Two namespaces that are there, and the cluster itself.
    fn spread(&self) -> App {
        let (second, here) = (self.second(), &self.site.namespace);
        let manifests = vec![
            config_map("test-map"),
            config_map("test-map").replace("test-map}", &format!("test-map, namespace: {second}}}")),
            format!(
                "{{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {{name: test-{here}}}, value: 1}}"
            ),
        ];
        let requests: [&str; 2] = [
            &format!(
                "{{verbs: [apply], kinds: [ConfigMap], namespaces: ['${{namespace}}', {second}], names: ['test-*']}}"
            ),
            "{verbs: [apply], kinds: [scheduling.k8s.io/PriorityClass], names: ['test-*']}",
        ];
        self.app("spread", &requests, Script::new(), manifests)
    }

    /// A definition, and an object of the kind that it defines.
    fn custom(&self) -> App {
        let group = format!("{}.example.com", self.site.namespace);
        let manifests = vec![
            format!(
                "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: things.{group}}},
                 spec: {{group: {group}, scope: Namespaced, names: {{kind: Thing, plural: things}}, versions: [{{name: v1,
                 served: true, storage: true, schema: {{openAPIV3Schema: {{type: object,
                 x-kubernetes-preserve-unknown-fields: true}}}}}}]}}}}"
            ),
            format!("{{apiVersion: {group}/v1, kind: Thing, metadata: {{name: test-thing}}, spec: {{a: b}}}}"),
        ];
        let requests: [&str; 2] = [
            &format!(
                "{{verbs: [apply], kinds: [apiextensions.k8s.io/CustomResourceDefinition], names: [things.{group}]}}"
            ),
            &format!(
                "{{verbs: [apply], kinds: [{group}/Thing], namespaces: ['${{namespace}}'], names: ['test-*']}}"
            ),
        ];
        self.app("custom", &requests, Script::new(), manifests)
    }

    /// Roles and bindings: of the plan's own, and of one that is there.
    fn roles(&self) -> App {
        let here = &self.site.namespace;
        let rbac = "apiVersion: rbac.authorization.k8s.io/v1";
        let account = format!("subjects: [{{kind: ServiceAccount, namespace: {here}, name: test-account}}]");
        let refers = |kind: &str, name: &str| {
            format!("roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name}}}")
        };
        let manifests = vec![
            "{apiVersion: v1, kind: ServiceAccount, metadata: {name: test-account}}".into(),
            format!("{{{rbac}, kind: Role, metadata: {{name: test-role}}, rules: [{{apiGroups: [''], resources: [pods],
                     verbs: [get, list]}}]}}"),
            format!("{{{rbac}, kind: RoleBinding, metadata: {{name: test-role}}, {}, {account}}}", refers("Role", "test-role")),
            format!("{{{rbac}, kind: RoleBinding, metadata: {{name: test-view}}, {}, {account}}}", refers("ClusterRole", "view")),
            format!("{{{rbac}, kind: ClusterRole, metadata: {{name: test-{here}}}, rules: [{{apiGroups: [''],
                     resources: [nodes], verbs: [get]}}, {{nonResourceURLs: [/metrics], verbs: [get]}}]}}"),
            format!("{{{rbac}, kind: ClusterRoleBinding, metadata: {{name: test-{here}}}, {}, {account}}}",
                refers("ClusterRole", &format!("test-{here}"))),
        ];
        let group = "rbac.authorization.k8s.io";
        let requests: [&str; 2] = [
            &format!(
                "{{verbs: [apply], kinds: [ServiceAccount, {group}/Role, {group}/RoleBinding], namespaces: ['${{namespace}}'], names: ['test-*']}}"
            ),
            &format!(
                "{{verbs: [apply], kinds: [{group}/ClusterRole, {group}/ClusterRoleBinding], names: ['test-*']}}"
            ),
        ];
        self.app("roles", &requests, Script::new(), manifests)
    }

    /// A namespace that the application makes itself; it looks there before there is anything.
    fn settler(&self) -> App {
        let third = self.third();
        let there = |manifest: String, name: &str| {
            manifest.replacen(&format!("name: {name}}}"), &format!("name: {name}, namespace: {third}}}"), 1)
        };
        let manifests = vec![
            format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {third}}}}}"),
            there(config_map("test-map"), "test-map"),
            there(deployment("test-web"), "test-web"),
        ];
        let requests: [&str; 3] = [
            &format!("{{verbs: [apply], kinds: [Namespace], names: [{third}]}}"),
            &format!("{{verbs: [get], kinds: [ConfigMap], namespaces: [{third}], names: [test-map]}}"),
            &format!(
                "{{verbs: [apply], kinds: [ConfigMap, apps/Deployment], namespaces: [{third}], names: ['test-*']}}"
            ),
        ];
        let map = object("v1", "ConfigMap", Some(&third), "test-map");
        let script = Script::new().tolerant().get(&map).strict();
        self.app("settler", &requests, script, manifests)
    }

    /// Admission policies that take parameters: one kind of them for all objects, one for a single object.
    fn policies(&self) -> App {
        let here = &self.site.namespace;
        let group = "admissionregistration.k8s.io";
        let rules = "resourceRules: [{apiGroups: [none.example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}]";
        let kind = "paramKind: {apiVersion: v1, kind: ConfigMap}";
        let named = |kind: &str, spec: &str| {
            format!(
                "{{apiVersion: {group}/v1, kind: {kind}, metadata: {{name: test-{here}}}, spec: {{{spec}}}}}"
            )
        };
        let reference =
            format!("paramRef: {{name: test-map, namespace: {here}, parameterNotFoundAction: Deny}}");
        let manifests = vec![
            config_map("test-map"),
            named(
                "ValidatingAdmissionPolicy",
                &format!("{kind}, matchConstraints: {{{rules}}}, validations: [{{expression: 'true'}}]"),
            ),
            named(
                "ValidatingAdmissionPolicyBinding",
                &format!("policyName: test-{here}, validationActions: [Deny], {reference}"),
            ),
            named(
                "MutatingAdmissionPolicy",
                &format!(
                    "{kind}, matchConstraints: {{{rules}}}, reinvocationPolicy: Never, failurePolicy: Ignore,
                     mutations: [{{patchType: ApplyConfiguration, applyConfiguration: {{expression: 'Object{{}}'}}}}]"
                ),
            ),
            named("MutatingAdmissionPolicyBinding", &format!("policyName: test-{here}, {reference}")),
        ];
        let requests: [&str; 2] = [
            "{verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['test-*']}",
            &format!(
                "{{verbs: [apply], kinds: [{group}/ValidatingAdmissionPolicy, {group}/ValidatingAdmissionPolicyBinding,
                 {group}/MutatingAdmissionPolicy, {group}/MutatingAdmissionPolicyBinding], names: ['test-*']}}"
            ),
        ];
        self.app("policies", &requests, Script::new(), manifests)
    }

    fn apps(&self) -> [App; 5] {
        [self.web(), self.spread(), self.custom(), self.roles(), self.settler()]
    }

    /// Removes what an application may have made, as somebody else.
    fn clear(&self, app: &App) {
        for manifest in app.manifests.iter().rev() {
            let is_in = |namespace: &&String| manifest.contains(&**namespace);
            let namespace = [self.second(), self.third()].iter().find(is_in).cloned();
            let namespace = namespace.unwrap_or_else(|| self.site.namespace.clone());
            let manifest = self.file("manifest.yaml", manifest);
            let delete = ["delete", "-n", &namespace, "-f", &manifest, "--ignore-not-found", "--timeout=60s"];
            let said = self.site.kubectl_said(&delete);
            // A kind that is not there any more has no objects.
            assert!(
                said.is_ok() || said.as_ref().is_err_and(|text| text.contains("no matches for kind")),
                "{said:?}"
            );
        }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.site.path("inputs").join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// The site's requests by the audit log, the requests about identities that do not name the site included.
    fn audit(&self) -> Vec<Value> {
        let events = self.site.whole_audit();
        let names: BTreeSet<_> = events
            .iter()
            .filter(|event| is_minting(event))
            .map(|event| text(&event["objectRef"]["name"]))
            .collect();
        let log = fs::read_to_string(self.site.kubeconfig().with_file_name("log").join("audit.log")).unwrap();
        let elsewhere = ["\"resource\":\"clusterrole", "\"namespace\":\"carnet-identities\""];
        let lines = log.lines().filter(|line| elsewhere.iter().any(|part| line.contains(part)));
        let more = lines.filter(|line| names.iter().any(|name| line.contains(name)));
        let more = more.map(|line| serde_json::from_str(line).unwrap());
        let is_ours = |event: &Value| {
            event["stage"] == "ResponseComplete" && event["verb"] != "list" && is_minting(event)
        };
        let mut all: Vec<Value> = events.into_iter().chain(more.filter(is_ours)).collect();
        all.sort_by_key(|event| text(&event["requestReceivedTimestamp"]));
        all
    }

    /// Leftovers of identities that acted for installations of this site.
    fn leftovers(&self) -> Vec<String> {
        let kinds = "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings";
        let list = self.site.kubectl(&["get", kinds, "-A", "-l", "carnet.dev/identity", "-o", "json"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        let owner = format!("{}/", self.site.namespace);
        let is_ours = |item: &&Value| {
            text(&item["metadata"]["annotations"]["carnet.dev/installation"]).starts_with(&owner)
        };
        let items = list["items"].as_array().unwrap().iter().filter(is_ours);
        items.map(|item| format!("{}/{}", text(&item["kind"]), text(&item["metadata"]["name"]))).collect()
    }

    /// A kubeconfig for the account among these objects.
    fn kubeconfig_of(&self, objects: &[Value]) -> String {
        let account = &objects.iter().find(|object| object["kind"] == "ServiceAccount").unwrap()["metadata"];
        let (name, namespace) = (text(&account["name"]), text(&account["namespace"]));
        let token = self.site.kubectl(&["create", "token", &name, "-n", &namespace]);
        let config = self.site.kubectl(&["config", "view", "--raw", "-o", "json"]);
        let mut config: Value = serde_json::from_str(&config).unwrap();
        let user = text(&config["users"][0]["name"]);
        config["users"] = json!([{"name": user, "user": {"token": token.trim()}}]);
        self.file("account.kubeconfig", &config.to_string())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let here = &self.site.namespace;
        for namespace in [self.second(), self.third()] {
            drop(self.site.kubectl_said(&[
                "delete",
                "namespace",
                &namespace,
                "--ignore-not-found",
                "--wait=false",
            ]));
        }
        let name = format!("test-{here}");
        let role = format!("carnet:{here}:test");
        let policies = [
            "validatingadmissionpolicy",
            "validatingadmissionpolicybinding",
            "mutatingadmissionpolicy",
            "mutatingadmissionpolicybinding",
        ];
        for kind in ["priorityclass", "clusterrole", "clusterrolebinding"].into_iter().chain(policies) {
            drop(self.site.kubectl_said(&[
                "delete",
                kind,
                &name,
                &role,
                "--ignore-not-found",
                "--wait=false",
            ]));
        }
        let definition = format!("things.{here}.example.com");
        drop(self.site.kubectl_said(&["delete", "crd", &definition, "--ignore-not-found", "--wait=false"]));
    }
}

fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef::new(api_version, kind, namespace, name)
}

fn deployment(name: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{selector: {{matchLabels: {{a: b}}}},
         template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: main, image: registry.example/none}}]}}}}}}}}"
    )
}

fn is_minted(event: &Value) -> bool {
    text(&event["user"]["username"]).contains(":carnet-01")
}

/// Asserts that from the first request of the identity to its last one nobody else asked about an object, and gives the
/// requests of the minting.
fn check_acting(events: &[Value]) -> usize {
    let acting: Vec<_> = events.iter().enumerate().filter(|(_, event)| is_minted(event)).collect();
    let (first, last) = (acting.first().unwrap().0, acting.last().unwrap().0);
    let others = events[first..=last].iter().filter(|event| !is_minted(event) && !is_minting(event));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&Value>::new());
    for event in events.iter().filter(|event| !is_minting(event) && event["verb"] != "get") {
        let is_dry = text(&event["requestURI"]).contains("dryRun=All");
        assert!(is_dry || is_minted(event), "{event}");
    }
    events.iter().filter(|event| is_minting(event)).count()
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_run_acts_as_an_identity_of_its_own_and_leaves_nothing_of_it() {
    let place = Place::new();
    // Ten requests for a namespace, six for each further scope. Who looks into a namespace before it is there makes the
    // run try to get its rights there once more than it needs.
    let expected =
        BTreeMap::from([("web", 10), ("spread", 22), ("custom", 16), ("roles", 16), ("settler", 17)]);
    for app in place.apps() {
        let bundle = place.bundle(&app);
        let before = place.audit().len();
        place.install(&bundle, &[]).done();
        let events = place.audit()[before..].to_vec();
        assert_eq!(check_acting(&events), expected[app.name], "{}: {events:#?}", app.name);
        assert_eq!(place.leftovers(), Vec::<String>::new(), "{}", app.name);

        let before = place.audit().len();
        place.carnet(&["upgrade", "--yes"], &bundle).done();
        let events = place.audit()[before..].to_vec();
        assert!(
            events.iter().all(|event| event["verb"] == "get" && !is_minted(event)),
            "{}: {events:#?}",
            app.name
        );

        let before = place.audit().len();
        place.site.carnet(&["uninstall", "test", "--yes", "--delete=crds,namespaces"]).done();
        check_acting(&place.audit()[before..]);
        assert_eq!(place.leftovers(), Vec::<String>::new(), "{}", app.name);
        fs::remove_dir_all(place.site.path("state")).unwrap();
    }
}

/// Each way to take one thing away: a verb of a rule, or a name.
fn lessened(roles: &[Value]) -> Vec<(String, Vec<Value>)> {
    let mut all = Vec::new();
    for (at, role) in roles.iter().enumerate() {
        for (number, rule) in role["rules"].as_array().into_iter().flatten().enumerate() {
            for member in ["verbs", "resourceNames"] {
                let held = rule[member].as_array().cloned().unwrap_or_default();
                if member == "resourceNames" && held.len() < 2 {
                    continue;
                }
                for gone in &held {
                    let mut less = roles.to_vec();
                    let left: Vec<_> = held.iter().filter(|it| *it != gone).cloned().collect();
                    let rules = less[at]["rules"].as_array_mut().unwrap();
                    if left.is_empty() {
                        rules.remove(number);
                    } else {
                        rules[number][member] = left.into();
                    }
                    all.push((format!("{gone} of {rule}"), less));
                }
            }
        }
    }
    all
}

/// Roles in a namespace that is not there yet cannot be given beforehand: for the test they hold everywhere.
fn given_beforehand(objects: &[Value], later: &str) -> Vec<Value> {
    let lift = |object: &Value| {
        let mut object = object.clone();
        if object["metadata"]["namespace"] == later {
            let name = format!("{}-later", text(&object["metadata"]["name"]));
            object["kind"] = format!("Cluster{}", text(&object["kind"])).into();
            object["metadata"] = json!({"name": name});
            if object.get("roleRef").is_some() {
                object["roleRef"]["kind"] = "ClusterRole".into();
                object["roleRef"]["name"] = name.into();
            }
        }
        object
    };
    // The plan makes its namespace itself.
    let is_made = |object: &&Value| object["kind"] == "Namespace" && object["metadata"]["name"] == later;
    objects.iter().filter(|object| !is_made(object)).map(lift).collect()
}

impl Place {
    fn give(&self, objects: &[Value]) {
        let mut places = BTreeMap::<_, Vec<&Value>>::new();
        // What is outside namespaces comes first: a namespace for accounts is among it.
        for object in objects {
            places.entry(object["metadata"]["namespace"].as_str()).or_default().push(object);
        }
        for (namespace, objects) in places {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            self.site.apply_in(namespace.unwrap_or(&self.site.namespace), &list.to_string());
        }
        // Each API server learns of roles a moment later.
        std::thread::sleep(Duration::from_millis(150));
    }

    fn every_right_is_needed(&self, app: &App) {
        let bundle = self.bundle(app);
        let rights = self.carnet(&["rbac"], &bundle).done().document;
        let objects = given_beforehand(rights["objects"].as_array().unwrap(), &self.third());
        self.give(&objects);
        let kubeconfig = self.kubeconfig_of(&objects);
        let run = |state: &str| {
            let path = self.site.path(state).display().to_string();
            let said =
                self.install(&bundle, &["--identity", "own", "--kubeconfig", &kubeconfig, "--state", &path]);
            self.clear(app);
            said
        };
        run("state-all").done();
        let (roles, rest): (Vec<_>, Vec<_>) =
            objects.iter().cloned().partition(|object| object.get("rules").is_some());
        assert!(!rest.is_empty());
        for (number, (what, less)) in lessened(&roles).into_iter().enumerate() {
            self.give(&less);
            let said = run(&format!("state-{number}"));
            // Who may not watch an object looks at it again and again.
            let expected = if what.starts_with("\"watch\" ") { 0 } else { 12 };
            assert_eq!(said.code, expected, "{}: {what}: {said}", app.name);
        }
        self.give(&roles);
        run("state-again").done();
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn every_right_in_one_namespace_is_needed() {
    let place = Place::new();
    place.every_right_is_needed(&place.web());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn every_right_in_several_namespaces_and_the_cluster_is_needed() {
    let place = Place::new();
    place.every_right_is_needed(&place.spread());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn every_right_on_custom_resources_is_needed() {
    let place = Place::new();
    place.every_right_is_needed(&place.custom());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn every_right_that_is_handed_on_is_needed() {
    let place = Place::new();
    place.every_right_is_needed(&place.roles());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn every_right_in_a_namespace_to_come_is_needed() {
    let place = Place::new();
    place.every_right_is_needed(&place.settler());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn every_right_on_parameters_of_policies_is_needed() {
    let place = Place::new();
    let app = place.policies();
    // A run needs more than its dry run does, and has it.
    place.install(&place.bundle(&app), &[]).done();
    place.site.carnet(&["uninstall", "test", "--yes"]).done();
    place.every_right_is_needed(&app);
}

/// Roles that change in ways that the server judges by what was there before.
impl Place {
    fn rbac(&self, kind: &str, name: &str, rest: &str) -> String {
        format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: {name}}}, {rest}}}"
        )
    }

    fn rules(resources: &str) -> String {
        format!("rules: [{{apiGroups: [''], resources: [{resources}], verbs: [get]}}]")
    }

    fn binding(&self, account: &str) -> String {
        let here = &self.site.namespace;
        self.rbac(
            "RoleBinding",
            "test-role",
            &format!(
                "roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: test-role}},
                 subjects: [{{kind: ServiceAccount, namespace: {here}, name: {account}}}]"
            ),
        )
    }

    fn of_roles(&self, name: &'static str, script: Script, manifests: Vec<String>) -> App {
        let group = "rbac.authorization.k8s.io";
        let requests: [&str; 2] = [
            &format!(
                "{{verbs: [apply, delete], kinds: [{group}/Role, {group}/RoleBinding], namespaces: ['${{namespace}}'], names: ['test-*']}}"
            ),
            &format!("{{verbs: [apply], kinds: [{group}/ClusterRole], names: ['test-*']}}"),
        ];
        self.app(name, &requests, script, manifests)
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_role_that_is_wide_for_a_moment_is_written_with_what_it_holds_then() {
    let place = Place::new();
    let role = |resources: &str| place.rbac("Role", "test-role", &Place::rules(resources));
    let script = Script::new().apply(&[&role("pods, nodes")]);
    let narrowed = place.of_roles("narrowed", script, vec![role("pods")]);
    place.install(&place.bundle(&narrowed), &[]).done();
    place.site.carnet(&["uninstall", "test", "--yes"]).done();
    let object = object("rbac.authorization.k8s.io/v1", "Role", Some(&place.site.namespace), "test-role");
    let script = Script::new().apply(&[&role("pods, nodes")]).delete(&[object]);
    let removed =
        place.of_roles("removed", script, vec![place.rbac("Role", "test-other", &Place::rules("pods"))]);
    place.install(&place.bundle(&removed), &[]).done();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_role_that_gathers_no_more_is_written_with_the_right_that_it_took() {
    let place = Place::new();
    let name = format!("test-{}", place.site.namespace);
    let gathers = format!("aggregationRule: {{clusterRoleSelectors: [{{matchLabels: {{a: {name}}}}}]}}");
    let gathering =
        place.of_roles("gathering", Script::new(), vec![place.rbac("ClusterRole", &name, &gathers)]);
    place.install(&place.bundle(&gathering), &[]).done();
    let plain = place.rbac("ClusterRole", &name, &Place::rules("pods"));
    let plain = place.of_roles("plain", Script::new(), vec![plain]);
    place.carnet(&["upgrade", "--yes"], &place.bundle(&plain)).done();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_administers_a_namespace_changes_a_binding_of_a_role_that_stays() {
    let place = Place::new();
    let user = place.user(Some("admin"));
    let role = place.rbac("Role", "test-role", &Place::rules("pods"));
    let before = place.of_roles("before", Script::new(), vec![role.clone(), place.binding("test-a")]);
    place.install(&place.bundle(&before), &["--as", &user]).done();
    let after = place.of_roles("after", Script::new(), vec![role, place.binding("test-b")]);
    let said = place.carnet(&["upgrade", "--yes", "--as", &user], &place.bundle(&after)).done();
    assert_eq!(said.changed(&["update"]), ["RoleBinding/test-role"]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_does_not_wait_needs_no_rights_to_wait() {
    let place = Place::new();
    let bundle = place.bundle(&place.web());
    place.install(&bundle, &["--no-wait"]).done();
    // A plan that is carried out later is made before anybody knows whether its run will wait.
    place.site.carnet(&["uninstall", "test", "--yes"]).done();
    let plan = place.file("plan.json", &place.carnet(&["plan"], &bundle).done().stdout);
    place.site.carnet(&["apply", &plan, "--dangerous-unsigned", "--no-wait"]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn rights_in_a_namespace_to_come_are_printed_in_two_steps_that_can_be_applied() {
    let place = Place::new();
    let bundle = place.bundle(&place.settler());
    let said = place.carnet(&["rbac"], &bundle).done().document;
    let objects = said["objects"].as_array().unwrap().clone();
    assert_eq!(said["later"], json!([place.third()]));
    let mut command = place.site.bare_command(&["rbac"]);
    let said = Said::of(command.args(&bundle).output().unwrap());
    let (first, second) = said.stdout.split_once("# Step 2 of 2").unwrap();
    assert!(
        first.contains("\n# Step 1 of 2") && !first.contains(&format!("namespace: {}\n", place.third())),
        "{said}"
    );
    for (name, step) in [("first.yaml", first), ("second.yaml", second.split_once('\n').unwrap().1)] {
        let file = place.file(name, step);
        place.site.kubectl_anywhere(&["apply", "-f", &file]);
    }
    let kubeconfig = place.kubeconfig_of(&objects);
    place.install(&bundle, &["--identity", "own", "--kubeconfig", &kubeconfig]).done();
    place.site.kubectl(&["get", "deployment", "test-web", "-n", &place.third()]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_a_state_in_the_cluster_takes_is_printed_as_well() {
    let place = Place::new();
    let bundle = place.bundle(&place.web());
    let state = |verb: &[&str]| place.carnet(&[verb, &["--state", "kube"]].concat(), &bundle);
    let without = place.carnet(&["rbac"], &bundle).done().document["objects"].as_array().unwrap().clone();
    let objects = state(&["rbac"]).done().document["objects"].as_array().unwrap().clone();
    place.give(&objects);
    let kubeconfig = place.kubeconfig_of(&objects);
    state(&["install", "--yes", "--identity", "own", "--kubeconfig", &kubeconfig]).done();
    let leases: Vec<_> = objects
        .iter()
        .flat_map(|object| object["rules"].as_array().cloned().unwrap_or_default())
        .filter(|rule| rule["resources"] == json!(["leases"]))
        .collect();
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0]["resourceNames"], json!(["carnet.test"]));
    // Without it, the account cannot.
    place.give(&without);
    state(&["upgrade", "--yes", "--identity", "own", "--kubeconfig", &kubeconfig]).refused(12, &["carnet."]);
    // Who may read it, and not write it.
    let user = place.user(Some("view"));
    place.site.kubectl(&["create", "role", "reads", "--verb=get,list", "--resource=secrets"]);
    place.site.kubectl(&["create", "rolebinding", "reads", "--role=reads", &format!("--user={user}")]);
    let check = state(&["rbac", "--check", "--as", &user]);
    assert!(check.document["missing"].to_string().contains("leases.coordination.k8s.io"), "{check}");
}

/// A namespace for accounts of runs, when it is there.
const HOME: &str = "carnet-identities";

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_may_edit_a_namespace_cannot_be_a_run_that_may_do_more() {
    let place = Place::new();
    let user = place.user(Some("edit"));
    let here = &place.site.namespace;
    let class = format!(
        "{{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {{name: test-{here}}}, value: 1}}"
    );
    let requests = [
        "{verbs: [apply], kinds: [batch/Job], namespaces: ['${namespace}'], names: ['test-*']}",
        "{verbs: [apply], kinds: [scheduling.k8s.io/PriorityClass], names: ['test-*']}",
    ];
    let beyond = place.app("beyond", &requests, Script::new(), vec![stuck(), class]);
    let run = place.begin(&place.bundle(&beyond), "60s");
    eventually("the identity is there", || place.leftovers().len() == 5);
    let accounts = |namespace: &str| {
        let list = ["get", "serviceaccounts", "-n", namespace, "-l", "carnet.dev/identity", "-o", "json"];
        let list: Value = serde_json::from_str(&place.site.kubectl(&list)).unwrap();
        let owner = |item: &Value| text(&item["metadata"]["annotations"]["carnet.dev/installation"]);
        let items =
            list["items"].as_array().unwrap().iter().filter(|item| owner(item) == format!("{here}/test"));
        items.map(|item| text(&item["metadata"]["name"])).collect::<Vec<_>>()
    };
    assert_eq!(accounts(here), Vec::<String>::new());
    let account = accounts(HOME).remove(0);
    for namespace in [HOME, here] {
        let name = format!("serviceaccounts/{account}");
        for right in [&["impersonate", &name][..], &["create", &name, "--subresource=token"]] {
            let mut can = vec!["auth", "can-i", "-n", namespace, "--as", &user];
            can.extend(right);
            let can = place.site.kubectl_said(&can).unwrap_or_default();
            assert_eq!(can.trim() == "yes", namespace == here, "{right:?} in {namespace}");
        }
    }
    let labels = place.site.kubectl(&["get", "namespace", HOME, "-o", "jsonpath={.metadata.labels}"]);
    assert!(labels.contains("\"carnet.dev/identities\":\"true\""), "{labels}");
    let interrupted = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    drop(run.wait_with_output());
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_account_is_only_in_a_namespace_that_is_set_apart_for_it() {
    let place = Place::new();
    let (bundle, second) = (place.bundle(&place.spread()), place.second());
    let said = place.install(&bundle, &["--identity-namespace", &second]);
    let said = said.refused(12, &["it is not marked as one for accounts of runs"]);
    assert!(
        text(&said.document["hint"])
            .contains(&format!("kubectl label namespace {second} carnet.dev/identities=true"))
    );
    assert_eq!(place.leftovers(), Vec::<String>::new());
    place.site.kubectl(&["label", "namespace", &second, "carnet.dev/identities=true"]);
    place.install(&bundle, &["--identity-namespace", &second]).done();
    // Who administers two namespaces may not make a third one.
    let user = place.user(Some("admin"));
    let grant = |name: &str| {
        let user = format!("--user={user}");
        place.site.kubectl(&["create", "rolebinding", name, "--clusterrole=admin", &user, "-n", &second]);
    };
    grant("somebody");
    let requests =
        ["{verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}', '*'], names: ['test-*']}"];
    let there = config_map("test-map").replace("test-map}", &format!("test-map, namespace: {second}}}"));
    let two = place.app(
        "two",
        &[&requests[0].replace("'*'", &second)],
        Script::new(),
        vec![config_map("test-one"), there],
    );
    place.site.carnet(&["uninstall", "test", "--yes"]).done();
    let bundle = place.bundle(&two);
    place.install(&bundle, &["--as", &user]).refused(12, &[HOME, "--identity-namespace"]);
    place.install(&bundle, &["--as", &user, "--identity-namespace", &second]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_the_server_warns_about_is_shown_and_recorded() {
    let place = Place::new();
    let endpoints = "{apiVersion: v1, kind: Endpoints, metadata: {name: test-web}}";
    let requests = ["{verbs: [apply], kinds: [Endpoints], namespaces: ['${namespace}'], names: ['test-*']}"];
    let app = place.app("old", &requests, Script::new(), vec![endpoints.into()]);
    let bundle = place.bundle(&app);
    let warned = |said: &Said| said.document["changes"][0]["warnings"][0].to_string();
    let plan = place.carnet(&["plan"], &bundle).done();
    assert!(warned(&plan).contains("v1 Endpoints is deprecated"), "{plan}");
    let page = Said::of(place.site.bare_command(&["plan"]).args(&bundle).output().unwrap());
    assert!(page.stdout.contains("The server warns"), "{page}");
    // A run that is confirmed beforehand tries nothing out, and hears it when it acts.
    let said = place.install(&bundle, &[]).done();
    assert!(warned(&said).contains("v1 Endpoints is deprecated"), "{said}");
    let history = place.site.carnet(&["history", "test"]).done();
    assert!(history.stdout.contains("the server warns: Endpoints"), "{history}");
    // What the server warns about decides nothing.
    place.site.carnet(&["uninstall", "test", "--yes"]).done();
    let plan = place.file("plan.json", &plan.stdout.replace("deprecated", "fine"));
    place.site.carnet(&["apply", &plan, "--dangerous-unsigned"]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn rights_name_every_object_and_say_why() {
    let place = Place::new();
    let said = place.carnet(&["rbac"], &place.bundle(&place.roles())).done().document;
    assert_eq!(said["kind"], "Rights");
    let escalations: Vec<_> = said["escalations"].as_array().unwrap().iter().map(text).collect();
    let here = &place.site.namespace;
    assert_eq!(
        escalations,
        [
            format!("RoleBinding {here}/test-view hands on ClusterRole view, whatever its rules are"),
            format!("ClusterRole test-{here} hands its rules on"),
            format!("Role {here}/test-role hands its rules on"),
        ]
    );
    for role in said["objects"].as_array().unwrap().iter().filter(|object| object.get("rules").is_some()) {
        let (rules, why) =
            (role["rules"].as_array().unwrap(), &role["metadata"]["annotations"]["carnet.dev/why"]);
        let why = text(why);
        assert_eq!(why.lines().count(), rules.len(), "{role:#}");
        for (rule, line) in rules.iter().zip(why.lines()) {
            let is_handed_on = line.contains("handed on by");
            assert!(
                is_handed_on || rule["resourceNames"].as_array().is_some_and(|names| !names.is_empty()),
                "{rule}"
            );
            assert!(!rule.to_string().contains('*'), "{rule}");
        }
    }
    // What is printed for people can be applied as it is.
    let bundle = place.bundle(&place.roles());
    let mut command = place.site.bare_command(&["rbac"]);
    let said = Said::of(command.args(&bundle).output().unwrap());
    assert_eq!(said.code, 0, "{said}");
    let file = place.file("rights.yaml", &said.stdout);
    place.site.kubectl_anywhere(&["apply", "-f", &file]);
    for kind in ["clusterrole", "clusterrolebinding"] {
        place.site.kubectl(&["delete", kind, &format!("carnet:{here}:test")]);
    }
}

impl Place {
    /// A user who may read and plan, and with `role` more in this namespace.
    fn user(&self, role: Option<&str>) -> String {
        let user = format!("somebody-in-{}", self.site.namespace);
        if let Some(role) = role {
            let (role, user) = (format!("--clusterrole={role}"), format!("--user={user}"));
            self.site.kubectl(&["create", "rolebinding", "somebody", &role, &user]);
        }
        user
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_cannot_make_an_identity_is_told_all_that_is_missing() {
    let place = Place::new();
    let user = place.user(Some("edit"));
    let bundle = place.bundle(&place.web());
    let said =
        place.install(&bundle, &["--as", &user]).refused(12, &["no identity could be made for this run"]);
    let here = &place.site.namespace;
    let missing: Vec<_> = said.document["details"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(
        missing,
        [format!(
            "namespace {here}: create, delete, get, patch rolebindings.rbac.authorization.k8s.io, roles.rbac.authorization.k8s.io"
        )]
    );
    let hint = text(&said.document["hint"]);
    assert!(hint.contains("carnet rbac") && hint.contains("--identity own"), "{hint}");
    assert_eq!(place.site.carnet(&["list", "--all"]).done().document["items"], json!([]));
    assert_eq!(place.leftovers(), Vec::<String>::new());

    let check = place.carnet(&["rbac", "--check", "--as", &user], &bundle);
    assert_eq!((check.code, &check.document["missing"]), (12, &json!(missing)), "{check}");
    assert_eq!(place.carnet(&["rbac", "--check"], &bundle).done().document["missing"], json!([]));
    // With these rights of one's own it goes on, and that is recorded.
    let said = place.install(&bundle, &["--as", &user, "--identity", "own"]).done();
    assert!(said.stderr.contains("DANGER: the run acts as you"), "{said}");
    let status = place.site.carnet(&["status", "test"]).done().document;
    assert!(status["dangers"].as_array().unwrap().contains(&json!("--identity own")), "{status}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn nobody_hands_out_what_they_do_not_hold() {
    let place = Place::new();
    // May make roles, and not deployments.
    place.site.kubectl(&["create", "role", "most", "--verb=get,create,patch,delete",
        "--resource=configmaps,secrets,services,serviceaccounts,roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io"]);
    place.site.kubectl(&["create", "role", "rest", "--verb=get,watch", "--resource=deployments.apps"]);
    place.site.kubectl(&["create", "role", "tokens", "--verb=create", "--resource=serviceaccounts/token"]);
    let user = place.user(None);
    for role in ["most", "rest", "tokens"] {
        place.site.kubectl(&[
            "create",
            "rolebinding",
            role,
            &format!("--role={role}"),
            &format!("--user={user}"),
        ]);
    }
    let said = place.install(&place.bundle(&place.web()), &["--as", &user]);
    let said = said.refused(12, &["attempting to grant RBAC permissions not currently held"]);
    let here = &place.site.namespace;
    assert_eq!(
        said.document["details"],
        json!([format!("namespace {here}: create, patch deployments.apps test-web")])
    );
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_binding_may_come_in_an_earlier_call_than_its_role() {
    let place = Place::new();
    let roles = place.roles();
    let early: Vec<_> = roles.manifests.iter().filter(|text| text.contains("RoleBinding")).collect();
    let script = Script::new().apply(&early.iter().map(|text| text.as_str()).collect::<Vec<_>>());
    let script = script.apply(&roles.manifests.iter().map(String::as_str).collect::<Vec<_>>());
    let bundle = place.bundle(&App { name: "early", script, ..roles });
    place.install(&bundle, &[]).done();
    place.carnet(&["upgrade", "--yes"], &bundle).done();
    place.site.carnet(&["uninstall", "test", "--yes"]).done();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_may_not_bind_a_role_that_is_missing_is_told_about_the_role() {
    let place = Place::new();
    let roles = place.roles();
    let binding = roles.manifests[2].clone();
    let app = App { name: "loose", script: Script::new().apply(&[&binding]), ..roles };
    let user = place.user(Some("edit"));
    let edit = "--resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io";
    place.site.kubectl(&["create", "role", "most", "--verb=get,create,patch,delete", edit]);
    place.site.kubectl(&["create", "rolebinding", "most", "--role=most", &format!("--user={user}")]);
    let said = place.install(&place.bundle(&app), &["--as", &user, "--identity", "own"]);
    let said = said.refused(1, &["it names `test-role`, which does not exist"]);
    assert!(!said.stderr.contains("has no kind"), "{said}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_administers_one_namespace_needs_nothing_else() {
    let place = Place::new();
    let user = place.user(Some("admin"));
    let before = place.audit().len();
    place.install(&place.bundle(&place.web()), &["--as", &user]).done();
    let events = place.audit()[before..].to_vec();
    assert_eq!(check_acting(&events), 10);
    // Nothing of the caller goes along with the identity.
    for event in events.iter().filter(|event| is_minted(event)) {
        assert_eq!(event.get("impersonatedUser"), None, "{event}");
    }
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

fn stuck() -> String {
    "{apiVersion: batch/v1, kind: Job, metadata: {name: test-job}, spec: {backoffLimit: 0, template: {
       metadata: {labels: {pretend/outcome: stuck}}, spec: {restartPolicy: Never,
         containers: [{name: main, image: registry.example/none}]}}}}"
        .into()
}

impl Place {
    /// A run that waits for what never happens.
    fn waiting(&self) -> App {
        let request = "{verbs: [apply], kinds: [batch/Job], namespaces: ['${namespace}'], names: ['test-*']}";
        self.app("waiting", &[request], Script::new(), vec![stuck()])
    }

    fn begin(&self, bundle: &[String], timeout: &str) -> std::process::Child {
        let mut command = self.site.command(&["install", "--yes", "--timeout", timeout]);
        command.args(bundle).spawn().unwrap()
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn nothing_of_an_identity_is_left_after_a_failure_or_an_interruption() {
    let place = Place::new();
    let bundle = place.bundle(&place.waiting());
    place.install(&bundle, &["--timeout", "2s"]).refused(15, &["test-job"]);
    assert_eq!(place.leftovers(), Vec::<String>::new());
    // Where nothing is to be written, no identity is made.
    place.site.kubectl(&["delete", "job", "test-job"]);

    let run = place.begin(&bundle, "60s");
    eventually("the identity is there", || place.leftovers().len() == 3);
    let interrupted = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let said = Said::of(run.wait_with_output().unwrap());
    said.refused(1, &["the run was stopped"]);
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_a_killed_run_leaves_of_its_identity_is_removed_by_the_next_one() {
    let place = Place::new();
    let bundle = place.bundle(&place.waiting());
    let mut run = place.begin(&bundle, "60s");
    eventually("the identity is there", || place.leftovers().len() == 3);
    run.kill().unwrap();
    run.wait().unwrap();
    let left = place.leftovers();
    assert_eq!(left.len(), 3);
    place.install(&bundle, &["--no-wait"]).done();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_bears_the_name_of_an_identity_and_not_its_marks_is_named_until_it_is_gone() {
    let place = Place::new();
    let bundle = place.bundle(&place.waiting());
    let mut run = place.begin(&bundle, "60s");
    eventually("the identity is there", || place.leftovers().len() == 3);
    let left = place.leftovers();
    let name = left.iter().find_map(|it| it.strip_prefix("RoleBinding/")).unwrap();
    place.site.kubectl(&["label", "rolebinding", name, "carnet.dev/identity-"]);
    run.kill().unwrap();
    run.wait().unwrap();
    let named = format!("RoleBinding {}/{name} bears its name and not its marks", place.site.namespace);
    let said = place.install(&bundle, &["--no-wait"]).done();
    assert!(said.stderr.contains(&named), "{said}");
    // What says itself what it is went; this may be anything by now.
    assert_eq!(place.leftovers(), Vec::<String>::new());
    let job = place.carnet(&["upgrade", "--yes", "--no-wait"], &bundle).done();
    assert!(job.stderr.contains(&named), "{job}");
    place.site.kubectl(&["delete", "rolebinding", name]);
    let said = place.carnet(&["upgrade", "--yes", "--no-wait"], &bundle).done();
    assert!(!said.stderr.contains("bears its name"), "{said}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_account_that_vanishes_half_way_is_made_once_more() {
    let site = Site::new();
    let run = site.begin(&["--timeout", "2m"]);
    // It waits for its database, which has no volume.
    site.await_object("statefulset/guestbook-db");
    let account = || {
        let list = site.kubectl(&["get", "serviceaccounts", "-l", "carnet.dev/identity", "-o", "name"]);
        list.lines().next().map(str::to_owned)
    };
    let name = account().unwrap();
    site.kubectl(&["delete", &name]);
    // The server believes a token for a few seconds after its account is gone.
    eventually("the account is there again", || account().as_ref() == Some(&name));
    site.add_volume();
    Said::of(run.wait_with_output().unwrap()).done();
    assert_eq!(account(), None);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_pipeline_gets_the_rights_of_one_plan_for_a_while() {
    let place = Place::new();
    let app = place.web();
    let bundle = place.bundle(&app);
    let plan = place.carnet(&["plan"], &bundle).done();
    let plan = place.file("plan.json", &plan.stdout);
    let lent = place.site.path("lent.kubeconfig").display().to_string();
    let made = place.carnet(&["rbac", "--kubeconfig", &lent, "--ttl", "15m"], &bundle).done().document;
    assert_eq!(made["kind"], "Account");
    assert_eq!(place.leftovers().len(), 3);
    let mode = {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(&lent).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode, 0o600);

    let apply = ["apply", &plan, "--dangerous-unsigned", "--kubeconfig", &lent, "--identity", "own"];
    place.site.carnet(&apply).done();
    // It can do nothing else.
    let other = place.bundle(&place.spread());
    place.carnet(&["upgrade", "--yes", "--identity", "own", "--kubeconfig", &lent], &other).refused(12, &[]);

    // One that is ours is replaced; one of somebody else stays as it is.
    place.carnet(&["rbac", "--kubeconfig", &lent], &bundle).done();
    assert_eq!(place.leftovers().len(), 3);
    let theirs = place.file("theirs.kubeconfig", "{apiVersion: v1, kind: Config}");
    for more in [&[][..], &["--revoke"]] {
        let said = place.carnet(&[&["rbac", "--kubeconfig", &theirs], more].concat(), &bundle);
        said.refused(2, &["was not written by `carnet rbac`"]);
    }
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "{apiVersion: v1, kind: Config}");

    place.site.carnet(&["rbac", "test", "--kubeconfig", &lent, "--revoke"]).done();
    assert_eq!(place.leftovers(), Vec::<String>::new());
    assert!(!fs::exists(&lent).unwrap());
}

/// An application whose next version leaves one object out, adds one, and changes some of the others.
struct Versions {
    first: App,
    second: App,
}

impl Place {
    fn versions(&self, name: &'static str, left_out: usize, of: impl Fn(&Self) -> App) -> Versions {
        let (mut first, mut second) = (of(self), of(self));
        if first.name == "web" {
            // The server writes the quantity in another way, so that only a dry run tells that it is the same.
            let odd = deployment("test-odd").replacen(
                "name: main,",
                "name: main, resources: {limits: {cpu: 1000m}},",
                1,
            );
            for app in [&mut first, &mut second] {
                app.manifests.insert(3, odd.clone());
            }
        }
        for manifest in second.manifests.iter_mut().step_by(2) {
            *manifest = manifest.replacen("metadata: {", "metadata: {labels: {version: second}, ", 1);
        }
        for manifest in &mut second.manifests {
            *manifest = manifest.replace("verbs: [get, list]", "verbs: [get, list, watch]");
        }
        let anew = |manifest: String| manifest.replacen("name: test-", "name: test-new-", 1);
        let added = anew(of(self).manifests[left_out].clone());
        second.manifests[left_out] = added;
        second.name = name;
        for app in [&mut first, &mut second] {
            let texts: Vec<_> = app.manifests.iter().map(String::as_str).collect();
            app.script = std::mem::take(&mut app.script).apply(&texts);
        }
        Versions { first, second }
    }

    fn all_versions(&self) -> [Versions; 5] {
        [
            self.versions("web-2", 2, |place| App { script: place.seeing(), ..place.web() }),
            self.versions("spread-2", 1, |place| App { script: Script::new(), ..place.spread() }),
            self.versions("custom-2", 1, |place| App { script: Script::new(), ..place.custom() }),
            self.versions("roles-2", 3, |place| App { script: Script::new(), ..place.roles() }),
            self.versions("settler-2", 2, |place| App { script: Script::new(), ..place.settler() }),
        ]
    }

    /// A script that begins with a read.
    fn seeing(&self) -> Script {
        Script::new().get(&object("v1", "ConfigMap", Some(&self.site.namespace), "test-seen"))
    }

    /// Has an account made for what `what` says, and acts with it and with nothing else.
    fn with_an_account(&self, what: &[String], act: impl FnOnce(&str) -> Said) {
        let lent = self.site.path("lent.kubeconfig").display().to_string();
        self.carnet(&["rbac", "--kubeconfig", &lent], what).done();
        act(&lent).done();
        self.site.carnet(&["rbac", "test", "--kubeconfig", &lent, "--revoke"]).done();
    }

    /// Applies a saved plan of this bundle, as an account that was made for it.
    fn apply_as_account(&self, bundle: &[String]) {
        let plan = self.file("plan.json", &self.carnet(&["plan"], bundle).done().stdout);
        self.with_an_account(bundle, |lent| {
            let own = ["--dangerous-unsigned", "--identity", "own", "--kubeconfig", lent];
            self.site.carnet(&[&["apply", &plan], &own[..]].concat())
        });
    }

    /// Goes back, as an account that was made for that.
    fn roll_back_as_account(&self) {
        let back = ["test", "--rollback", "--dangerous-unsigned", "--target", "kube"].map(str::to_owned);
        self.with_an_account(&back, |lent| {
            let own = ["--dangerous-unsigned", "--identity", "own", "--kubeconfig", lent];
            self.site.carnet(&[&["rollback", "test", "--yes"], &own[..]].concat())
        });
    }
}

/// Whatever the account of an exported kubeconfig was made for it can do, however much of the plan changes nothing.
#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_account_installs_upgrades_and_goes_back_as_it_was_made_for() {
    let place = Place::new();
    for Versions { first, second } in place.all_versions() {
        let (one, two) = (place.bundle(&first), place.bundle(&second));
        if first.name == "settler" {
            let rights = place.carnet(&["rbac"], &one).done().document;
            let objects = rights["objects"].as_array().unwrap();
            place.give(objects);
            let account = place.kubeconfig_of(objects);
            place.install(&one, &["--identity", "own", "--kubeconfig", &account]).done();
        } else {
            place.apply_as_account(&one);
        }
        place.apply_as_account(&two);
        place.roll_back_as_account();
        place.with_an_account(&two, |lent| {
            place.carnet(&["upgrade", "--yes", "--identity", "own", "--kubeconfig", lent], &two)
        });
        place.roll_back_as_account();
        // Nothing is left to do, and it can be told that nothing is.
        place.with_an_account(&one, |lent| {
            let own = ["upgrade", "--yes", "--identity", "own", "--kubeconfig", lent];
            let said = place.carnet(&own, &one).done();
            assert_eq!(said.changed(&["create", "delete", "replace", "update"]), Vec::<String>::new());
            said
        });
        place.site.carnet(&["uninstall", "test", "--yes", "--delete=crds,namespaces"]).done();
        assert_eq!(place.leftovers(), Vec::<String>::new(), "{}", first.name);
        fs::remove_dir_all(place.site.path("state")).unwrap();
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_account_goes_by_the_name_of_its_installation_whether_that_is_there_or_not() {
    let place = Place::new();
    let mut bundle = place.bundle(&place.web());
    let lent = place.site.path("lent.kubeconfig").display().to_string();
    place.carnet(&["rbac", "--kubeconfig", &lent], &bundle).done();
    let revoke = |name: &str, more: &[&str]| {
        place.site.carnet(&[&["rbac", name, "--kubeconfig", &lent, "--revoke"], more].concat())
    };
    let owner = format!("acts for the installation `{}/test`", place.site.namespace);
    revoke("other", &[]).refused(2, &[&owner]);
    revoke("test", &["-n", "default"]).refused(2, &[&owner]);
    // Neither is it replaced by that of another one.
    bundle[0] = "other".into();
    place.carnet(&["rbac", "--kubeconfig", &lent], &bundle).refused(2, &[&owner]);
    assert_eq!(place.leftovers().len(), 3);
    assert!(fs::exists(&lent).unwrap());
    revoke("test", &[]).done();
    assert_eq!(place.leftovers(), Vec::<String>::new());
    assert!(!fs::exists(&lent).unwrap());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn the_doctor_finds_what_runs_left_behind() {
    let place = Place::new();
    let bundle = place.bundle(&place.waiting());
    let here = &place.site.namespace;
    let checks = |more: &[&str], what: &str| {
        let said = place.site.carnet(&[&["doctor", "-n", here], more].concat()).done().document;
        let checks = said["checks"].as_array().unwrap().iter().filter(|check| check["what"] == *what);
        checks
            .map(|check| (text(&check["state"]), text(&check["text"])))
            .filter(|(_, text)| what != "leftovers" || text.contains(here))
            .collect::<Vec<_>>()
    };
    assert_eq!(checks(&[], "identities")[0].0, "ok");
    let mut run = place.begin(&bundle, "60s");
    eventually("the identity is there", || place.leftovers().len() == 3);
    let found = checks(&["--fix"], "leftovers");
    assert!(found.len() == 1 && found[0].1.contains("may still be in use"), "{found:?}");
    run.kill().unwrap();
    run.wait().unwrap();
    let found = checks(&[], "leftovers");
    assert!(found[0].0 == "warning" && found[0].1.contains("left from an earlier run"), "{found:?}");
    assert_eq!(place.leftovers().len(), 3);
    let found = checks(&["--fix"], "leftovers");
    assert!(found[0].0 == "ok" && found[0].1.contains("was removed"), "{found:?}");
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

/// How long it takes to make an identity and to remove it, by the audit log: from the first request to the last answer.
#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn minting_takes_ten_requests_and_little_time() {
    let place = Place::new();
    let bundle = place.bundle(&place.web());
    let start = Instant::now();
    place.install(&bundle, &["--no-wait"]).done();
    let whole = start.elapsed();
    let events: Vec<_> = place.audit().into_iter().filter(is_minting).collect();
    // Three parts and a token; each part is read before it is removed.
    assert_eq!(events.len(), 10);
    let time = |event: &Value, member: &str| text(&event[member])[17..26].parse::<f64>().unwrap() * 1000.0;
    let took = |verb: &[&str]| {
        let of_it: Vec<_> =
            events.iter().filter(|event| verb.contains(&event["verb"].as_str().unwrap())).collect();
        let begin =
            of_it.iter().map(|event| time(event, "requestReceivedTimestamp")).fold(f64::MAX, f64::min);
        of_it.iter().map(|event| time(event, "stageTimestamp")).fold(0.0, f64::max) - begin
    };
    let (made, removed) = (took(&["patch", "create"]), took(&["delete"]));
    #[expect(clippy::print_stdout, reason = "a figure for who asks")]
    {
        println!("made in {made:.1} ms, removed in {removed:.1} ms, all in {whole:?}");
    }
    let names: BTreeSet<_> = events.iter().map(|event| text(&event["objectRef"]["name"])).collect();
    assert_eq!(names.len(), 1);
}
