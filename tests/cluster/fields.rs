//! The fields that manifests for a directory are checked against are those of the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use carnet::kubernetes::fields::{Fields, compare, version};
use serde_json::{Value, json};

use crate::site::Site;

const SCHEMA: &str = "src/kubernetes/fields/schema.txt";

/// Texts and numbers alike, to a server.
const SCALARS: [&str; 2] =
    ["io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString"];

/// The definitions of a server, by name.
struct Definitions(serde_json::Map<String, Value>);

/// `io.k8s.api.apps.v1.Deployment` as `apps.v1.Deployment`.
fn short(name: &str) -> String {
    let parts: Vec<_> = name.split('.').collect();
    parts[parts.len().saturating_sub(3)..].join(".")
}

/// The definition that a schema refers to.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn fields(definition: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let is_whole = definition["properties"].get("metadata").is_some();
    let fields = definition["properties"].as_object().into_iter().flatten();
    // Nobody writes the status of an object into a manifest.
    fields.filter(move |(name, _)| !(is_whole && *name == "status"))
}

impl Definitions {
    fn kind_of(&self, schema: &Value) -> String {
        if let Some(name) = referred(schema) {
            let definition = &self.0[name];
            return match name {
                name if SCALARS.contains(&name) => "scalar".into(),
                name if definition.get("properties").is_some() => short(name),
                _ => self.kind_of(definition),
            };
        }
        match schema["type"].as_str() {
            Some("array") => format!("list:{}", self.kind_of(&schema["items"])),
            Some("object") => match schema.get("additionalProperties") {
                Some(of) => format!("map:{}", self.kind_of(of)),
                None => "any".into(),
            },
            Some(plain) => plain.into(),
            None => "any".into(),
        }
    }

    /// The definitions that a field's schema leads to.
    fn named<'a>(&'a self, schema: &'a Value) -> Vec<&'a str> {
        let below = ["items", "additionalProperties"].into_iter().filter_map(|name| schema.get(name));
        let named = referred(schema).filter(|name| self.0[*name].get("properties").is_some());
        named.into_iter().chain(below.flat_map(|schema| self.named(schema))).collect()
    }

    fn text(&self, version: &str) -> String {
        let (mut kinds, mut open, mut types) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        let own = self.0.iter().filter(|(name, _)| name.starts_with("io.k8s."));
        for (name, definition) in own {
            let is_object = definition["properties"]["metadata"]["$ref"].as_str();
            if !is_object.is_some_and(|of| of.ends_with(".ObjectMeta")) {
                continue;
            }
            for kind in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
                let [group, version, kind] =
                    ["group", "version", "kind"].map(|part| kind[part].as_str().unwrap());
                let group = if group.is_empty() { String::new() } else { format!("{group}/") };
                kinds.insert(format!("{group}{version} {kind} {}\n", short(name)));
                open.push(name.as_str());
            }
        }
        while let Some(name) = open.pop() {
            let line: String = fields(&self.0[name])
                .map(|(field, schema)| format!(" {field}={}", self.kind_of(schema)))
                .collect();
            if types.insert(short(name), format!("{}{line}\n", short(name))).is_none() {
                open.extend(fields(&self.0[name]).flat_map(|(_, schema)| self.named(schema)));
            }
        }
        let (kinds, types): (String, String) = (kinds.into_iter().collect(), types.into_values().collect());
        format!("{version}\n{kinds}\n{types}")
    }
}

/// `BLESS=1` writes the file anew.
#[test]
#[ignore = "needs a cluster: CARNET_TEST_KUBECONFIG"]
fn the_fields_of_kinds_are_those_of_the_server() {
    let site = Site::new();
    let served: Value = serde_json::from_str(&site.kubectl(&["get", "--raw", "/version"])).unwrap();
    let served = format!("{}.{}", served["major"].as_str().unwrap(), served["minor"].as_str().unwrap());
    let mut api: Value = serde_json::from_str(&site.kubectl(&["get", "--raw", "/openapi/v2"])).unwrap();
    let Value::Object(definitions) = api["definitions"].take() else { panic!("no definitions") };
    let made = Definitions(definitions).text(&served);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    assert!(committed == made, "{SCHEMA} is not what the server of {served} says: run with BLESS=1");
    assert_eq!(version(), served);
}

/// What does not fit is refused by the server as well, for the same fields.
#[test]
#[ignore = "needs a cluster: CARNET_TEST_KUBECONFIG"]
fn what_does_not_fit_here_does_not_fit_there() {
    let site = Site::new();
    let tried = |manifest: &Value| {
        std::fs::write(site.path("manifest.json"), manifest.to_string()).unwrap();
        let file = site.path("manifest.json");
        site.kubectl_said(&["apply", "--server-side", "--dry-run=server", "-f", file.to_str().unwrap()])
    };
    let deployment = |container: Value, more: Value| {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}});
        let mut spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
    };
    let container = |more: Value| {
        let mut container =
            json!({"name": "web", "image": "x", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        container
    };
    let sound = deployment(container(json!({"ports": [{"containerPort": 80}]})), json!({"replicas": null}));
    assert_eq!(compare(&sound), Fields::Declared);
    tried(&sound).unwrap();
    for (manifest, field) in [
        (deployment(container(json!({})), json!({"replica": 2})), "replica"),
        (deployment(container(json!({})), json!({"replicas": "two"})), "replicas"),
        (deployment(container(json!({"imagePulPolicy": "Always"})), json!({})), "imagePulPolicy"),
        (deployment(container(json!({"ports": {"containerPort": 80}})), json!({})), "ports"),
        (deployment(container(json!({"tty": "yes"})), json!({})), "tty"),
        (json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "dat": {}}), "dat"),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": 1}}),
            "data",
        ),
    ] {
        let Fields::Undeclared(faults) = compare(&manifest) else { panic!("{manifest}") };
        assert!(faults.len() == 1 && faults[0].contains(field), "{faults:?}");
        let said = tried(&manifest).unwrap_err();
        assert!(said.contains(field), "{field}: {said}");
    }
}
