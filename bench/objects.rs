//! `cargo run --example objects -- COUNT NAMESPACE FOLDER`: the same objects for every program that `bench/cluster`
//! times: the source of a bundle, a manifest, a chart, and single requests.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a tool for measuring, run by hand"
)]

#[path = "../tests/support/guest.rs"]
#[allow(dead_code, missing_docs, unreachable_pub, reason = "made for tests, which use all of it")]
mod guest;

use std::fs;
use std::path::Path;

use guest::Script;
use serde_json::{Value, json};

/// The kinds, with the first part of their paths.
const KINDS: [(&str, &str, &str, &str); 5] = [
    ("v1", "ConfigMap", "/api/v1", "configmaps"),
    ("v1", "Secret", "/api/v1", "secrets"),
    ("v1", "Service", "/api/v1", "services"),
    ("apps/v1", "Deployment", "/apis/apps/v1", "deployments"),
    ("v1", "ServiceAccount", "/api/v1", "serviceaccounts"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, count, namespace, folder] = &arguments[..] else {
        panic!("objects COUNT NAMESPACE FOLDER");
    };
    let folder = Path::new(folder);
    let count = count.parse().unwrap();
    fs::create_dir_all(folder.join("source")).unwrap();
    fs::create_dir_all(folder.join("chart/templates")).unwrap();

    let objects: Vec<_> = (0..count).map(|at| object(at, namespace)).collect();
    let requests: Vec<_> = objects.iter().enumerate().map(|(at, body)| request(at, body)).collect();
    fs::write(folder.join("requests.json"), json!(requests).to_string()).unwrap();
    let texts: Vec<String> = objects.iter().map(ToString::to_string).collect();
    fs::write(folder.join("all.yaml"), texts.join("\n---\n")).unwrap();
    fs::write(folder.join("chart/templates/all.yaml"), texts.join("\n---\n")).unwrap();
    fs::write(folder.join("chart/Chart.yaml"), "apiVersion: v2\nname: objects\nversion: 1.0.0\n").unwrap();

    let manifests: Vec<_> = texts.iter().map(String::as_str).collect();
    let component = Script::new().apply(&manifests).component();
    fs::write(folder.join("source/component.wasm"), component).unwrap();
    let kinds = "[ConfigMap, Secret, Service, apps/Deployment, ServiceAccount]";
    let source = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: Source\nname: objects\nversion: 1.0.0\n\
         description: many objects\ncomponent: ./component.wasm\nrequests:\n  kubernetes:\n  \
         - {{verbs: [apply], kinds: {kinds}, namespaces: ['${{namespace}}'], names: ['bench-*']}}\n"
    );
    fs::write(folder.join("source/carnet.yaml"), source).unwrap();
}

fn object(at: usize, namespace: &str) -> Value {
    let (api_version, kind, ..) = KINDS[at % KINDS.len()];
    let name = format!("bench-{at}");
    let labels = json!({"app": name});
    let mut object = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    });
    let (member, content) = match kind {
        "ConfigMap" => ("data", json!({"a": "b".repeat(200)})),
        "Secret" => ("stringData", json!({"a": "b".repeat(200)})),
        "Service" => ("spec", json!({"selector": labels, "ports": [{"name": "http", "port": 80}]})),
        "Deployment" => (
            "spec",
            json!({
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "main", "image": "registry.example/main:1"}]},
                },
            }),
        ),
        _ => ("automountServiceAccountToken", json!(false)),
    };
    object[member] = content;
    object
}

fn request(at: usize, body: &Value) -> Value {
    let (_, _, root, plural) = KINDS[at % KINDS.len()];
    let [namespace, name] = ["namespace", "name"].map(|member| body["metadata"][member].as_str().unwrap());
    json!({"path": format!("{root}/namespaces/{namespace}/{plural}/{name}"), "body": body})
}
