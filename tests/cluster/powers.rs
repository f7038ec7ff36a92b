//! Powers of installed objects, where a real API server has a say in them.

use serde_json::{Value, json};

use crate::site::{Said, Site, text};
use crate::support::Home;
use crate::support::guest::Script;

/// A pod that carries the token of the account `agent`, or of none.
fn pod(account: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: test-a}}, spec: {{{account}
           containers: [{{name: main, image: registry.example/a}}]}}}}"
    )
}

/// Plans or installs a bundle of one's own, which applies these manifests.
fn on_bundle(site: &Site, home: &Home, verb: &[&str], kinds: &str, manifests: &[&str]) -> Said {
    let requests = format!(
        "requests:\n  kubernetes:\n  - {{verbs: [apply], kinds: [{kinds}], namespaces: ['${{namespace}}'], names: ['test-*']}}\n"
    );
    let fetched = home.bundle("test", &Script::new().apply(manifests).component(), &requests);
    let reference = format!("layout:{}", home.path("test").display());
    let approval = fetched.digest().to_string();
    let rest = ["test", &reference, "--dangerous-unsigned", "--target", "kube", "-n", &site.namespace];
    site.carnet(&[verb, &rest, &["--approve", &approval]].concat())
}

/// The powers of a plan that have one of these rules: severity and sentence.
fn powers(said: &Said, rules: &[&str]) -> Vec<(String, String)> {
    let all = said.document["powers"].as_array().unwrap();
    let wanted = all.iter().filter(|power| rules.contains(&power["rule"].as_str().unwrap()));
    wanted.map(|power| (text(&power["severity"]), text(&power["what"]))).collect()
}

const ACCOUNT: &[&str] = &["pod/service-account", "pod/service-account-unknown"];

impl Site {
    /// Somebody who may do everything in the namespace, and nothing outside it.
    fn user(&self) -> String {
        let user = format!("somebody-in-{}", self.namespace);
        self.kubectl(&[
            "create",
            "rolebinding",
            "somebody",
            "--clusterrole=admin",
            &format!("--user={user}"),
        ]);
        user
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn rights_that_an_account_has_already_are_read_from_the_cluster() {
    let (site, home) = (Site::new(), Home::new());
    site.kubectl(&["create", "serviceaccount", "agent"]);
    site.kubectl(&["create", "serviceaccount", "other"]);
    let plan = |account: &str| on_bundle(&site, &home, &["plan"], "Pod", &[&pod(account)]).done();
    let agent = "serviceAccountName: agent,";
    assert_eq!(powers(&plan(agent), ACCOUNT), []);

    site.kubectl(&["create", "role", "reader", "--verb=get", "--resource=secrets"]);
    let account = format!("--serviceaccount={}:agent", site.namespace);
    site.kubectl(&["create", "rolebinding", "agent", "--role=reader", &account]);
    let told = powers(&plan(agent), ACCOUNT);
    let namespace = &site.namespace;
    let what = format!(
        "carries the token of the service account `{namespace}/agent`, which may read Secrets in the namespace `{namespace}`"
    );
    assert_eq!(told, [("medium".to_owned(), what)]);

    // A right that a group of accounts has from elsewhere is found as well.
    let group = format!("--group=system:serviceaccounts:{namespace}");
    site.kubectl(&["create", "clusterrolebinding", namespace, "--clusterrole=cluster-admin", &group]);
    let told = powers(&plan("serviceAccountName: other,"), ACCOUNT);
    site.kubectl(&["delete", "clusterrolebinding", namespace]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].0 == "critical" && told[0].1.contains("may do everything in the whole cluster"),
        "{told:?}"
    );

    // Without a token there is nothing to ask.
    let before = site.audit().len();
    assert_eq!(powers(&plan("automountServiceAccountToken: false,"), ACCOUNT), []);
    let asked: Vec<_> =
        site.audit().into_iter().skip(before).map(|event| text(&event["requestURI"])).collect();
    assert!(asked.iter().all(|uri| !uri.contains("rbac.authorization.k8s.io")), "{asked:?}");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn rights_that_cannot_be_read_are_called_unknown() {
    let (site, home) = (Site::new(), Home::new());
    let (user, namespace) = (site.user(), &site.namespace);
    site.kubectl(&["create", "serviceaccount", "agent"]);
    let account = format!("--serviceaccount={namespace}:agent");
    site.kubectl(&["create", "role", "reader", "--verb=get", "--resource=secrets"]);
    site.kubectl(&["create", "rolebinding", "agent", "--role=reader", &account]);
    let said =
        on_bundle(&site, &home, &["plan", "--as", &user], "Pod", &[&pod("serviceAccountName: agent,")])
            .done();
    let told = powers(&said, ACCOUNT);
    // What the namespace has is seen, and that there may be more is said.
    assert!(told[0].0 == "medium" && told[0].1.contains("may read Secrets in the namespace"), "{told:?}");
    assert!(
        told[1].0 == "low" && told[1].1.contains("not known: not all bindings could be read"),
        "{told:?}"
    );
    assert_eq!(told.len(), 2);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_confirmed_install_asks_for_rights_only_where_some_are_refused() {
    let (site, home) = (Site::new(), Home::new());
    let namespace = &site.namespace;
    let account = format!("--serviceaccount={namespace}:default");
    site.kubectl(&["create", "role", "reader", "--verb=get", "--resource=secrets"]);
    site.kubectl(&["create", "rolebinding", "agent", "--role=reader", &account]);
    let pod = pod("");
    let install = |flags: &[&str]| {
        let verb = [&["install", "--yes", "--no-wait"], flags].concat();
        on_bundle(&site, &home, &verb, "Pod", &[&pod])
    };
    let said =
        install(&["--refuse-powers", "medium"]).refused(11, &["refuses powers of severity medium and above"]);
    let details: Vec<_> = said.document["details"].as_array().unwrap().iter().map(text).collect();
    let wanted = format!(
        "medium: Pod {namespace}/test-a carries the token of the service account `{namespace}/default`"
    );
    assert!(details.iter().any(|line| line.starts_with(&wanted)), "{details:?}");
    assert_eq!(site.kubectl(&["get", "pods", "-o", "name"]), "");
    assert_eq!(site.carnet(&["list", "--all"]).done().document["items"], json!([]));

    let before = site.audit().len();
    install(&[]).done();
    let lists = site.audit().into_iter().skip(before).filter(|event| event["verb"] == "list");
    let lists: Vec<_> = lists.map(|event| text(&event["requestURI"])).collect();
    assert!(lists.iter().all(|uri| !uri.contains("bindings")), "{lists:?}");
}

/// Pods, and whether the server's own policies `baseline` and `restricted` admit them.
const PODS: &[&str] = &[
    "{}",
    "{spec: {hostNetwork: true}}",
    "{spec: {hostPID: true}}",
    "{spec: {hostIPC: true}}",
    "{spec: {volumes: [{name: v, hostPath: {path: /x}}]}}",
    "{spec: {volumes: [{name: v, nfs: {server: a, path: /x}}]}}",
    "{spec: {volumes: [{name: v, emptyDir: {}}, {name: w, projected: {sources: [{configMap: {name: x}}]}}]}}",
    "{spec: {securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}}}",
    "{spec: {securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}]}}}",
    "{spec: {securityContext: {seLinuxOptions: {type: spc_t}}}}",
    "{spec: {securityContext: {seLinuxOptions: {type: container_t}}}}",
    "{spec: {securityContext: {seccompProfile: {type: Unconfined}}}}",
    "{spec: {securityContext: {appArmorProfile: {type: Unconfined}}}}",
    "{container: {ports: [{containerPort: 80, hostPort: 80}]}}",
    "{container: {livenessProbe: {httpGet: {port: 80, host: 203.0.113.7}}}}",
    "{container: {lifecycle: {preStop: {tcpSocket: {port: 80, host: 203.0.113.7}}}}}",
    "{container: {livenessProbe: {httpGet: {port: 80}}}}",
    "{context: {privileged: true, allowPrivilegeEscalation: true}}",
    "{context: {capabilities: {drop: [ALL], add: [SYS_ADMIN]}}}",
    "{context: {capabilities: {drop: [ALL], add: [CHOWN]}}}",
    "{context: {capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}}",
    "{context: {capabilities: {drop: [CHOWN]}}}",
    "{context: {procMount: Unmasked}, spec: {hostUsers: false}}",
    "{context: {seccompProfile: {type: Unconfined}}}",
    "{context: {seccompProfile: null}}",
    "{context: {allowPrivilegeEscalation: null}}",
    "{context: {runAsNonRoot: null}}",
    "{context: {runAsUser: 0}}",
    "{context: {runAsUser: 1000}}",
    "{context: {runAsUser: 0, runAsNonRoot: null}, spec: {hostUsers: false}}",
    "{context: {runAsNonRoot: null}, spec: {hostUsers: false}}",
];

/// A pod that even the policy `restricted` admits, but for some members.
fn varied(change: &str) -> String {
    let change = carnet::document::yaml(change).unwrap();
    let context = json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"}});
    let container = json!({"name": "main", "image": "registry.example/a", "securityContext": merged(context, &change["context"])});
    let spec = json!({"automountServiceAccountToken": false, "containers": [merged(container, &change["container"])]});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "test-a"}, "spec": merged(spec, &change["spec"])}).to_string()
}

fn merged(mut value: Value, more: &Value) -> Value {
    for (name, member) in more.as_object().into_iter().flatten() {
        match member {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            member => value[name] = member.clone(),
        }
    }
    value
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn the_servers_own_pod_security_agrees() {
    let (site, home) = (Site::new(), Home::new());
    let namespace = site.namespace.clone();
    let admits = |level: &str, pod: &str| {
        let label = format!("pod-security.kubernetes.io/enforce={level}");
        site.kubectl(&["label", "--overwrite", "namespace", &namespace, &label]);
        site.accepts(pod)
    };
    let mut wrong = Vec::new();
    for change in PODS {
        let pod = varied(change);
        site.kubectl(&[
            "label",
            "--overwrite",
            "namespace",
            &namespace,
            "pod-security.kubernetes.io/enforce=privileged",
        ]);
        let plan = on_bundle(&site, &home, &["plan"], "Pod", &[&pod]).done();
        let found = |profile: &str| {
            let rules = plan.document["powers"].as_array().unwrap().iter().map(|power| text(&power["rule"]));
            rules.filter(|rule| rule.starts_with(&format!("pod-security/{profile}/"))).collect::<Vec<_>>()
        };
        let (baseline, restricted) = (found("baseline"), found("restricted"));
        let expected = (baseline.is_empty(), baseline.is_empty() && restricted.is_empty());
        let admitted = (admits("baseline", &pod), admits("restricted", &pod));
        if admitted != expected {
            wrong.push(format!("{change}: admitted {admitted:?}, found {baseline:?} {restricted:?}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}
