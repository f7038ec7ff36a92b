//! Rights of manifests on a real API server: whoever has them can apply, change and remove those objects, and nothing else.

use std::fs;

use crate::site::{Said, Site};

/// What an application usually has: an account with a role, a workload, a definition and an object of its kind.
fn application(namespace: &str, value: &str) -> String {
    let kind = kind(namespace);
    let (plural, group) = (format!("{}s", kind.to_lowercase()), "rights.carnet.test");
    format!(
        "apiVersion: v1
kind: ServiceAccount
metadata: {{name: app}}
---
# Whoever writes this role must hold its rules.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: app}}
rules: [{{apiGroups: [''], resources: [pods], verbs: [list, watch]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: app}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: app}}
subjects: [{{kind: ServiceAccount, name: app}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}}}
  versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}]
---
apiVersion: v1
kind: ConfigMapList
items:
- {{metadata: {{name: app}}, data: {{value: {value:?}}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: app}}}}
  template: {{metadata: {{labels: {{app: app}}}}, spec: {{containers: [{{name: app, image: example.com/app}}]}}}}
"
    )
}

/// An object of the kind that the application defines.
fn resource(namespace: &str) -> String {
    format!("apiVersion: rights.carnet.test/v1\nkind: {}\nmetadata: {{name: app}}\n", kind(namespace))
}

/// A kind of this test's own: definitions are of the whole cluster.
fn kind(namespace: &str) -> String {
    format!("K{}", namespace.replace('-', ""))
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn the_rights_of_manifests_are_enough_for_them_and_for_nothing_else() {
    let site = Site::new();
    let namespace = site.namespace.clone();
    let (app, more) = (site.path("app.yaml"), site.path("resource.yaml"));
    fs::write(&app, application(&namespace, "1")).unwrap();
    fs::write(&more, resource(&namespace)).unwrap();
    let (app, more) = (app.display().to_string(), more.display().to_string());
    let home = format!("{namespace}-home");
    let arguments =
        ["rbac", &namespace, "-n", &namespace, "--identity-namespace", &home, "--from", &app, &more];
    let report = site.carnet(&arguments).done().document;
    let roles = site.path("roles.json");
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": report["objects"]});
    fs::write(&roles, list.to_string()).unwrap();
    site.kubectl_anywhere(&["apply", "-f", &roles.display().to_string()]);

    let account = format!("system:serviceaccount:{home}:carnet-{namespace}-{namespace}");
    let acting = |arguments: &[&str]| site.kubectl_said(&[arguments, &["--as", &account]].concat());
    let apply = ["apply", "--server-side", "--force-conflicts", "--validate=false", "-f"];
    acting(&[&apply[..], &[&app]].concat()).unwrap();
    let definition =
        format!("customresourcedefinition/{}s.rights.carnet.test", kind(&namespace).to_lowercase());
    site.kubectl(&["wait", "--for=condition=Established", &definition, "--timeout=60s"]);
    acting(&[&apply[..], &[&more]].concat()).unwrap();
    fs::write(&app, application(&namespace, "2")).unwrap();
    acting(&[&apply[..], &[&app]].concat()).unwrap();
    assert_eq!(site.get("configmap/app", "jsonpath={.data.value}"), "2");

    for refused in [
        ["get", "configmap", "other"],
        ["get", "secret", "app"],
        ["delete", "configmap", "other"],
        ["get", "configmaps", "--all-namespaces"],
    ] {
        let error = acting(&refused).unwrap_err();
        assert!(error.contains("forbidden"), "{refused:?}: {error}");
    }
    acting(&["delete", "--wait=false", "-f", &more]).unwrap();
    acting(&["delete", "--wait=false", "-f", &app]).unwrap();
    site.kubectl_anywhere(&["delete", "--wait=false", "-f", &roles.display().to_string()]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_kind_that_nothing_defines_is_named() {
    let site = Site::new();
    let file = site.path("resource.yaml");
    fs::write(&file, resource(&site.namespace)).unwrap();
    let said: Said = site.carnet(&["rbac", "--from", &file.display().to_string()]);
    said.refused(1, &["nothing says how these kinds are served", &kind(&site.namespace)]);
}
