//! The target's methods against a real API server.

use std::collections::BTreeSet;

use super::*;
use crate::cluster::{FieldConflict, Precondition};
use crate::kubernetes::difference::without_bookkeeping;
use crate::kubernetes::resource::builtin;

/// A cluster, what is known of its kinds, and a namespace that no other test uses.
struct Live {
    cluster: Cluster,
    kinds: Kinds,
    namespace: String,
}

fn kubeconfig() -> PathBuf {
    std::env::var_os("CARNET_TEST_KUBECONFIG").expect("CARNET_TEST_KUBECONFIG names a kubeconfig").into()
}

async fn connect(installation: &str, as_user: Option<&str>) -> Cluster {
    let owner = Owner { namespace: "prod".into(), installation: installation.into() };
    let options =
        ConnectOptions { kubeconfig: Some(kubeconfig()), context: None, as_user: as_user.map(str::to_owned) };
    Cluster::connect(&options, &owner).await.unwrap()
}

/// The change that applying an object would make.
async fn preview(
    cluster: &Cluster,
    body: &Value,
    kinds: &Kinds,
    how: (DryRunMode, bool),
) -> Result<Preview, Error> {
    let permit = permit_to_apply(body, kinds);
    let before = cluster.before(&permit, kinds, &ListedObjects::default()).await?;
    cluster.preview(&permit, body, kinds, before, how).await
}

impl Live {
    /// A fresh namespace, whose name ends in the process id: what an earlier run left behind may still be going away.
    async fn new(test: &str) -> Self {
        let namespace = format!("carnet-{test}-{}", std::process::id());
        let live = Self { cluster: connect("web", None).await, kinds: Kinds::default(), namespace };
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": live.namespace } });
        assert!(live.apply(&body).await.unwrap().created);
        live
    }

    fn config_map(&self, name: &str, data: Value) -> Value {
        config_map(&self.namespace, name, data)
    }

    fn secret(&self, name: &str, members: Value) -> Value {
        secret(&self.namespace, name, members)
    }

    fn workload(&self, kind: &str, name: &str, spec: Value, outcome: &str) -> Value {
        let (api_version, restart) =
            if kind == "Job" { ("batch/v1", "Never") } else { ("apps/v1", "Always") };
        let mut body = json!({
            "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "namespace": self.namespace },
            "spec": { "template": {
                "metadata": { "labels": { "app": name, "pretend/outcome": outcome } },
                "spec": { "restartPolicy": restart, "containers": [{ "name": "c", "image": "registry.invalid/app:1" }] },
            } },
        });
        if kind != "Job" {
            body["spec"]["selector"] = json!({ "matchLabels": { "app": name } });
        }
        body["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        body
    }

    async fn apply(&self, body: &Value) -> Result<Applied, Error> {
        self.cluster.apply(&permit_to_apply(body, &self.kinds), body, &self.kinds, false).await
    }

    async fn preview(&self, body: &Value) -> Result<Preview, Error> {
        preview(&self.cluster, body, &self.kinds, (DryRunMode::DryRun, false)).await
    }

    async fn get(&self, body: &Value) -> Option<Value> {
        let permit = Permitted::for_tests(Get(self.reference(body)));
        self.cluster.get(&permit, &self.kinds).await.unwrap()
    }

    async fn delete(&self, body: &Value, uid: Option<&str>) -> Deleted {
        let permit = Permitted::for_tests(Delete(self.reference(body)));
        let identity = Precondition { uid: uid.map(str::to_owned), ..Precondition::default() };
        self.cluster.delete(&permit, &identity, &self.kinds).await.unwrap()
    }

    async fn gone(&self, body: &Value, uid: Option<&str>) -> bool {
        let permit = Permitted::for_tests(Wait(self.reference(body)));
        self.cluster.gone(&permit, uid, &self.kinds).await.unwrap() == Readiness::Ready
    }

    fn reference(&self, body: &Value) -> ObjectRef {
        Object::of(body.clone(), "default", &self.kinds).unwrap().reference().clone()
    }

    /// The object's readiness after at most 20 seconds.
    async fn settles(&self, body: &Value) -> Readiness {
        let permit = Permitted::for_tests(Wait(self.reference(body)));
        for _ in 0..200 {
            let readiness = self.cluster.readiness(&permit, &self.kinds).await.unwrap();
            if !matches!(readiness, Readiness::NotReady(_)) {
                return readiness;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.cluster.readiness(&permit, &self.kinds).await.unwrap()
    }

    /// The definition of a kind of this test's own, and an object of it.
    fn custom(&self, scope: &str, has_status: bool) -> (Value, Value) {
        let group = format!("{}.example.com", self.namespace);
        let subresources = if has_status { json!({ "status": {} }) } else { json!({}) };
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("widgets.{group}") },
            "spec": { "group": group, "scope": scope, "names": { "kind": "Widget", "plural": "widgets" }, "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": subresources,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                    "spec": { "type": "object", "properties": { "size": { "type": "integer", "maximum": 9 } } },
                    "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                } } },
            }] },
        });
        let mut widget = json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": { "name": "w" }, "spec": { "size": 1 } });
        if scope == "Namespaced" {
            widget["metadata"]["namespace"] = self.namespace.clone().into();
        }
        (definition, widget)
    }
}

/// The managers of an object with the way in which they hold fields, sorted.
fn managers(object: &Value) -> BTreeSet<(&str, &str)> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries.iter().map(|it| (it["manager"].as_str().unwrap(), it["operation"].as_str().unwrap())).collect()
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn an_object_is_created_kept_and_changed() {
    let live = Live::new("change").await;
    let body = live.config_map("x", json!({ "a": "1", "b": "1" }));
    let preview = live.preview(&body).await.unwrap();
    assert_eq!(
        (preview.change, preview.before.is_none(), preview.marks.not_dry_run),
        (Change::Create, true, None)
    );
    assert_eq!(live.get(&body).await, None, "a preview writes nothing");

    let applied = live.apply(&body).await.unwrap();
    assert!(applied.created);
    assert_eq!(without_bookkeeping(&applied.after), without_bookkeeping(&preview.after));
    assert_eq!(managers(&applied.after), [("carnet/prod/web", "Apply")].into());
    assert_eq!(live.preview(&body).await.unwrap().change, Change::Unchanged);
    let again = live.apply(&body).await.unwrap();
    assert_eq!((again.created, again.resource_version), (false, applied.resource_version));

    let changed = live.config_map("x", json!({ "a": "2" }));
    let preview = live.preview(&changed).await.unwrap();
    assert_eq!(
        (preview.change, &preview.after["data"]),
        (Change::Update, &json!({ "a": "2" })),
        "`b` is no longer ours"
    );
    assert_eq!(preview.before.unwrap()["data"], json!({ "a": "1", "b": "1" }));
    assert_eq!(live.apply(&changed).await.unwrap().after["data"], json!({ "a": "2" }));
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn a_conflict_names_the_field_and_its_manager() {
    let live = Live::new("conflict").await;
    live.apply(&live.config_map("x", json!({ "a": "1", "b": "1" }))).await.unwrap();
    let other = connect("other", None).await;
    let body = live.config_map("x", json!({ "a": "2", "b": "1" }));
    let permit = permit_to_apply(&body, &live.kinds);
    let field = FieldConflict { path: ".data.a".into(), manager: "carnet/prod/web".into() };
    let conflict = Error::Conflict { object: format!("ConfigMap {}/x", live.namespace), fields: vec![field] };
    assert_eq!(preview(&other, &body, &live.kinds, (DryRunMode::DryRun, false)).await.unwrap_err(), conflict);
    assert_eq!(other.apply(&permit, &body, &live.kinds, false).await.unwrap_err(), conflict);
    assert_eq!(
        preview(&other, &body, &live.kinds, (DryRunMode::DryRun, true)).await.unwrap().change,
        Change::Update
    );
    let taken = other.apply(&permit, &body, &live.kinds, true).await.unwrap();
    assert_eq!(taken.after["data"], json!({ "a": "2", "b": "1" }));
    assert_eq!(managers(&taken.after), [("carnet/prod/other", "Apply"), ("carnet/prod/web", "Apply")].into());
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn only_the_object_with_the_recorded_identity_is_deleted() {
    let live = Live::new("delete").await;
    let body = live.config_map("x", json!({}));
    let uid = live.apply(&body).await.unwrap().uid;
    assert_eq!(live.delete(&body, Some("00000000-0000-0000-0000-000000000000")).await, Deleted::Changed);
    assert!(live.get(&body).await.is_some(), "another's identity leaves it alone");
    assert!(live.gone(&body, Some("00000000-0000-0000-0000-000000000000")).await);
    assert!(!live.gone(&body, Some(&uid)).await);
    let found = live.get(&body).await.unwrap();
    live.apply(&live.config_map("x", json!({ "a": "1" }))).await.unwrap();
    let permit = Permitted::for_tests(Delete(live.reference(&body)));
    let as_it_was = live.cluster.delete(&permit, &Precondition::of(&found, true), &live.kinds).await.unwrap();
    assert_eq!(as_it_was, Deleted::Changed, "it is not as it was read");
    assert_eq!(live.delete(&body, Some(&uid)).await, Deleted::Gone);
    assert!(live.gone(&body, Some(&uid)).await);
    assert_eq!(live.delete(&body, Some(&uid)).await, Deleted::Gone, "it is gone already");
    assert_eq!(live.delete(&body, None).await, Deleted::Gone);
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn objects_outside_namespaces_are_reached_too() {
    let live = Live::new("cluster").await;
    let role = |verbs: Value| {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": live.namespace },
                "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": verbs }] })
    };
    assert!(live.apply(&role(json!(["get"]))).await.unwrap().created);
    assert_eq!(live.preview(&role(json!(["list"]))).await.unwrap().change, Change::Update);
    assert_eq!(live.delete(&role(json!([])), None).await, Deleted::Gone);
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn a_definition_and_its_first_object_can_be_planned_and_applied() {
    let mut live = Live::new("custom").await;
    let (definition, widget) = live.custom("Namespaced", true);
    let reference = reference(widget["apiVersion"].as_str().unwrap(), "Widget", Some(&live.namespace), "w");
    let unknown = live.cluster.learn(std::slice::from_ref(&reference), &mut live.kinds).await.unwrap_err();
    assert_eq!(unknown, Error::NoKind { api_version: reference.api_version.clone(), kind: "Widget".into() });

    // A plan learns the kind from the definition that it is about to apply.
    live.kinds.learn(&reference.group_kind(), Resource { plural: "widgets".into(), namespaced: true });
    let preview = live.preview(&widget).await.unwrap();
    assert_eq!(
        (preview.change, preview.marks.not_dry_run, &preview.after),
        (Change::Create, Some(NotDryRun::Impossible), &widget)
    );

    live.apply(&definition).await.unwrap();
    assert_eq!(live.settles(&definition).await, Readiness::Ready);
    live.kinds = Kinds::default();
    live.cluster.learn(std::slice::from_ref(&reference), &mut live.kinds).await.unwrap();
    assert_eq!(live.preview(&widget).await.unwrap().marks.not_dry_run, None);
    assert!(live.apply(&widget).await.unwrap().created);
    let permit = Permitted::for_tests(Wait(reference));
    let readiness = live.cluster.readiness(&permit, &live.kinds).await.unwrap();
    assert_eq!(readiness, Readiness::NotReady("it has no status yet".into()));

    let mut too_big = widget.clone();
    too_big["spec"]["size"] = 10.into();
    let error = live.preview(&too_big).await.unwrap_err().to_string();
    assert!(error.contains("spec.size") && error.contains("should be less than or equal to 9"), "{error}");
    let mut misspelt = widget;
    misspelt["spec"]["sise"] = 1.into();
    // The server knows the members of a new kind a moment after it serves it.
    let mut tried = live.preview(&misspelt).await;
    for _ in 0..100 {
        if tried.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        tried = live.preview(&misspelt).await;
    }
    let error = tried.unwrap_err();
    assert!(matches!(&error, Error::Invalid { text, .. } if text.contains(".spec.sise")), "{error}");
    assert_eq!(live.delete(&definition, None).await, Deleted::Accepted);
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn a_custom_resource_without_a_place_for_status_is_ready_at_once() {
    let mut live = Live::new("plain").await;
    let (definition, widget) = live.custom("Cluster", false);
    live.apply(&definition).await.unwrap();
    assert_eq!(live.settles(&definition).await, Readiness::Ready);
    let reference = reference(widget["apiVersion"].as_str().unwrap(), "Widget", None, "w");
    live.cluster.learn(std::slice::from_ref(&reference), &mut live.kinds).await.unwrap();
    assert!(!live.kinds.is_namespaced(&reference));
    live.apply(&widget).await.unwrap();
    assert_eq!(live.settles(&widget).await, Readiness::Ready);
    assert_eq!(live.delete(&definition, None).await, Deleted::Accepted);
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn an_object_for_a_namespace_to_come_is_planned_from_what_is_sent() {
    let live = Live::new("nowhere").await;
    let body = config_map("carnet-not-there", "x", json!({ "a": "1" }));
    let preview = live.preview(&body).await.unwrap();
    assert_eq!(
        (preview.change, preview.marks.not_dry_run, preview.after),
        (Change::Create, Some(NotDryRun::Impossible), body.clone())
    );
    let error = live.apply(&body).await.unwrap_err();
    let object = ObjectRef::new("v1", "ConfigMap", Some("carnet-not-there"), "x");
    assert_eq!(error, Error::NoNamespace { object: Box::new(object) });
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn somebody_without_rights_is_refused_with_the_servers_reason() {
    let live = Live::new("denied").await;
    let nobody = connect("web", Some("carnet-nobody")).await;
    let body = live.config_map("x", json!({}));
    let permit = permit_to_apply(&body, &live.kinds);
    let why = r#"User "carnet-nobody" cannot"#;
    let error = nobody.apply(&permit, &body, &live.kinds, false).await.unwrap_err();
    assert!(matches!(&error, Error::Denied { verb: "apply", text, .. } if text.contains(why)), "{error}");
    let get = Permitted::for_tests(Get(live.reference(&body)));
    let error = nobody.get(&get, &live.kinds).await.unwrap_err();
    assert!(matches!(&error, Error::Denied { verb: "get", text, .. } if text.contains(why)), "{error}");
    assert_eq!(live.get(&body).await, None);
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn no_error_about_a_secret_has_its_values() {
    let live = Live::new("secret").await;
    let fixed = |text: &str| live.secret("fixed", json!({ "immutable": true, "stringData": { "a": text } }));
    live.apply(&fixed("before")).await.unwrap();
    let cases = [
        (live.secret("x", json!({ "data": { "a": "hunter2!" } })), "500 Internal Server Error"),
        (live.secret("x", json!({ "data": { "a": ["hunter2"] } })), "500 Internal Server Error (.data.a)"),
        (live.secret("x", json!({ "stringData": { "a": { "b": "hunter2" } } })), "500 Internal Server Error (.stringData.a)"),
        (live.secret("x", json!({ "hunter": "hunter2" })), "500 Internal Server Error (.hunter)"),
        (
            live.secret("x", json!({ "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": "hunter2" } })),
            "422 Invalid (data[.dockerconfigjson])",
        ),
        (live.secret("x", json!({ "stringData": { "hunter 2": "hunter2" } })), "422 Invalid (data[hunter 2])"),
        (fixed("hunter2"), "cannot be changed in data"),
    ];
    for (body, expected) in cases {
        let error = live.apply(&body).await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error} instead of {expected}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        match live.preview(&body).await {
            Err(refused) => assert_eq!(refused, error),
            Ok(preview) => {
                assert_eq!((preview.change, &*preview.immutable), (Change::Replace, &["data".to_owned()][..]))
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn of_an_object_with_a_credential_an_error_says_code_and_reason_alone() {
    let live = Live::new("credential").await;
    let docker = |text: &str| {
        live.secret(
            "x",
            json!({ "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": text } }),
        )
    };
    let fixed = |text: &str| live.secret("fixed", json!({ "immutable": true, "stringData": { "a": text } }));
    live.apply(&fixed("before")).await.unwrap();
    let large = live.secret("x", json!({ "stringData": { "a": "x".repeat((1 << 20) + 1) } }));
    let cases = [
        (docker("hunter2"), "422 Invalid"),
        (large, "422 Invalid"),
        (live.secret("x", json!({ "data": { "a": "hunter2!" } })), "500 Internal Server Error"),
        (fixed("hunter2"), "cannot be changed in data"),
    ];
    for (body, expected) in cases {
        let permit = permit_to_apply(&body, &live.kinds);
        let sent = || Body { value: &body, has_credential: true };
        let acting = live.cluster.apply(&permit, sent(), &live.kinds, false).await.unwrap_err();
        assert!(acting.to_string().ends_with(expected), "{acting} instead of {expected}");
        let how = (DryRunMode::DryRun, false);
        let before = live.cluster.before(&permit, &live.kinds, &ListedObjects::default()).await.unwrap();
        match live.cluster.preview(&permit, sent(), &live.kinds, before, how).await {
            Err(planning) => assert_eq!(planning, acting),
            Ok(preview) => {
                assert_eq!((preview.change, preview.immutable), (Change::Replace, vec!["data".into()]))
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn an_object_that_was_replaced_meanwhile_is_not_changed() {
    let live = Live::new("replaced").await;
    let mut body = live.config_map("x", json!({}));
    live.apply(&body).await.unwrap();
    let permit = permit_to_apply(&body, &live.kinds);
    body["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000".into();
    let error = live.cluster.apply(&permit, &body, &live.kinds, true).await.unwrap_err();
    assert_eq!(error, Error::Changed(format!("ConfigMap {}/x", live.namespace)));
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn fields_that_cannot_change_are_named() {
    let live = Live::new("fixed").await;
    for (kind, spec, field) in [
        (
            "Deployment",
            json!({ "selector": { "matchLabels": { "app": "x", "pretend/outcome": "runs" } } }),
            "spec.selector",
        ),
        ("StatefulSet", json!({ "serviceName": "other" }), "spec"),
        ("Job", json!({ "completions": 2 }), "spec.completions"),
    ] {
        live.apply(&live.workload(kind, "x", json!({}), "runs")).await.unwrap();
        let changed = live.workload(kind, "x", spec, "runs");
        let preview = live.preview(&changed).await.unwrap();
        assert_eq!((preview.change, &*preview.immutable), (Change::Replace, &[field.to_owned()][..]));
        let error = live.apply(&changed).await.unwrap_err();
        let Error::Immutable { fields, .. } = &error else { panic!("{kind}: {error}") };
        assert_eq!(*fields, [field]);
    }
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn what_the_server_calls_fixed_is_known_in_all_its_words() {
    let live = Live::new("words").await;
    let service = |ip: &str| {
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "x", "namespace": live.namespace },
                "spec": { "clusterIP": ip, "ports": [{ "port": 80 }] } })
    };
    let binding = |role: &str| {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": { "name": "x", "namespace": live.namespace },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role } })
    };
    let class = |provisioner: &str| {
        json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": live.namespace },
                "provisioner": provisioner })
    };
    let map = |text: &str| {
        let mut map = live.config_map("x", json!({ "a": text }));
        map["immutable"] = true.into();
        map
    };
    let priority = |value: u32| {
        json!({ "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": live.namespace },
                "value": value })
    };
    for (before, after) in [
        (service(""), service("None")),
        (binding("a"), binding("b")),
        (class("example.com/a"), class("example.com/b")),
        (map("1"), map("2")),
        (priority(1), priority(2)),
    ] {
        live.apply(&before).await.unwrap();
        let preview = live.preview(&after).await.unwrap();
        assert_eq!(preview.change, Change::Replace, "{after}");
        assert!(!preview.immutable.is_empty(), "{after}");
    }
    // Any other fault would be refused when it is made anew, too.
    let mut wrong = live.workload("Job", "x", json!({ "completions": 1 }), "runs");
    live.apply(&wrong).await.unwrap();
    wrong["spec"]["completions"] = 2.into();
    wrong["spec"]["backoffLimit"] = (-1).into();
    let error = live.preview(&wrong).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    for cluster_wide in [class(""), priority(0)] {
        live.delete(&cluster_wide, None).await;
    }
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn a_misspelt_member_is_refused_and_not_tried_again() {
    let live = Live::new("typo").await;
    let mut body = live.config_map("x", json!({}));
    body["dta"] = json!({ "a": "1" });
    let begin = Instant::now();
    let error = live.apply(&body).await.unwrap_err();
    assert!(
        matches!(&error, Error::Invalid { text, .. } if text.contains(".dta: field not declared in schema")),
        "{error}"
    );
    // A request that is tried again goes on for minutes.
    assert!(begin.elapsed() < Duration::from_secs(20));
    let old = reference("batch/v1beta1", "CronJob", Some(&live.namespace), "x");
    let error = live.cluster.get(&Permitted::for_tests(Get(old)), &live.kinds).await.unwrap_err();
    assert_eq!(error.to_string(), "the server has no kind `CronJob` in `batch/v1beta1`");
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn workloads_become_ready_or_fail() {
    let live = Live::new("ready").await;
    let good = [
        live.workload("Deployment", "web", json!({ "replicas": 2 }), "runs"),
        live.workload("StatefulSet", "db", json!({ "replicas": 2 }), "runs"),
        live.workload("DaemonSet", "agent", json!({}), "runs"),
        live.workload("Job", "migrate", json!({}), "runs"),
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": live.namespace } }),
    ];
    for body in &good {
        live.apply(body).await.unwrap();
    }
    for body in &good {
        assert_eq!(live.settles(body).await, Readiness::Ready, "{}", body["kind"]);
    }
    let bad = live.workload("Job", "broken", json!({ "backoffLimit": 0 }), "fail");
    live.apply(&bad).await.unwrap();
    let readiness = live.settles(&bad).await;
    assert!(matches!(&readiness, Readiness::Failed(why) if why.starts_with("it failed: ")), "{readiness:?}");
    let stuck = live.workload("Deployment", "stuck", json!({}), "stuck");
    live.apply(&stuck).await.unwrap();
    let expected = Readiness::NotReady("0 of 1 available".into());
    let mut found = Vec::new();
    while found.last() != Some(&expected) {
        assert!(found.len() < 100, "{:?}", found.last());
        tokio::time::sleep(Duration::from_millis(200)).await;
        let permit = Permitted::for_tests(Wait(live.reference(&stuck)));
        found.push(live.cluster.readiness(&permit, &live.kinds).await.unwrap());
    }
    let absent = Permitted::for_tests(Wait(live.reference(&live.config_map("absent", json!({})))));
    let error = live.cluster.readiness(&absent, &live.kinds).await.unwrap_err();
    assert_eq!(error, Error::NotFound(format!("ConfigMap {}/absent", live.namespace)));
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn the_audit_log_shows_patches_by_our_user_agent_only() {
    let live = Live::new("audit").await;
    let body = live.config_map("x", json!({}));
    live.preview(&body).await.unwrap();
    live.apply(&body).await.unwrap();
    live.delete(&body, None).await;
    let log = std::fs::read_to_string(kubeconfig().with_file_name("log").join("audit.log")).unwrap();
    let ours: Vec<Value> = log
        .lines()
        .filter(|line| line.contains(&live.namespace) && line.contains("/configmaps/x"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let agent = concat!("carnet/", env!("CARGO_PKG_VERSION"));
    assert!(ours.iter().all(|it| it["userAgent"] == agent), "{ours:?}");
    let verbs: Vec<_> = ours.iter().map(|it| it["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["get", "patch", "patch", "delete"]);
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
async fn the_table_of_kinds_is_what_the_server_serves() {
    let cluster = connect("web", None).await;
    // Whatever else is served comes from definitions or other servers, which others may have put there.
    let services = ApiRequest::get("/apis/apiregistration.k8s.io/v1/apiservices".into());
    let services = cluster.server().send(&services).await.unwrap().json().unwrap();
    let is_own =
        |it: &&Value| it["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"] == "onstart";
    let own = services["items"].as_array().unwrap().iter().filter(is_own).map(|it| &it["spec"]);
    let versions = own.map(|it| match (it["group"].as_str(), it["version"].as_str().unwrap()) {
        (None, version) => version.to_owned(),
        (Some(group), version) => format!("{group}/{version}"),
    });
    let mut seen = 0;
    for api_version in versions {
        let any = reference(&api_version, "Any", None, "x");
        for (kind, resource) in cluster.discover(&any).await.unwrap() {
            assert_eq!(builtin(any.group(), &kind), Some(resource), "{api_version} {kind}");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}
