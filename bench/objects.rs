//! `cargo run --example objects -- COUNT NAMESPACE FOLDER`: the same objects for every program that `bench/all` times:
//! the source of a bundle, a manifest, a chart, and single requests. A folder of manifests in the place of COUNT makes
//! the source of a bundle that applies them as they are: first those of `setup`, then the others.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a tool for measuring, run by hand"
)]

#[path = "../tests/support/guest.rs"]
#[allow(dead_code, missing_docs, unreachable_pub, reason = "made for tests, which use all of it")]
mod guest;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use carnet::document;
use carnet::kubernetes::manifest::{MAX_OBJECT, named, taken_apart};
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

/// The most objects that a component may name in one call.
const MOST_IN_ONE_CALL: usize = 500;

/// How the kinds end whose objects are in no namespace, as far as published manifests have them.
const CLUSTER_WIDE: [&str; 7] = [
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "APIService",
    "WebhookConfiguration",
    "IngressClass",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, count, namespace, folder] = &arguments[..] else {
        panic!("objects COUNT NAMESPACE FOLDER");
    };
    let folder = Path::new(folder);
    fs::create_dir_all(folder.join("source")).unwrap();
    match count.parse() {
        Ok(count) => made(count, namespace, folder),
        Err(_) => published(Path::new(count), namespace, folder),
    }
}

/// So many small objects.
fn made(count: usize, namespace: &str, folder: &Path) {
    fs::create_dir_all(folder.join("chart/templates")).unwrap();

    let objects: Vec<_> = (0..count).map(|at| object(at, namespace)).collect();
    let requests: Vec<_> = objects.iter().enumerate().map(|(at, body)| request(at, body)).collect();
    fs::write(folder.join("requests.json"), json!(requests).to_string()).unwrap();
    let texts: Vec<String> = objects.iter().map(ToString::to_string).collect();
    // A stream that began with a brace would be JSON to kubectl, which knows no documents there.
    fs::write(folder.join("all.yaml"), format!("---\n{}", texts.join("\n---\n"))).unwrap();
    fs::write(folder.join("chart/templates/all.yaml"), texts.join("\n---\n")).unwrap();
    fs::write(folder.join("chart/Chart.yaml"), "apiVersion: v2\nname: objects\nversion: 1.0.0\n").unwrap();

    let manifests: Vec<_> = texts.iter().map(String::as_str).collect();
    let calls = manifests.chunks(MOST_IN_ONE_CALL).fold(Script::new(), Script::apply);
    let kinds = ["ConfigMap", "Secret", "Service", "apps/Deployment", "ServiceAccount"];
    source(
        calls,
        &json!([{"verbs": ["apply"], "kinds": kinds, "namespaces": ["${namespace}"], "names": ["bench-*"]}]),
        folder,
    );
}

/// The manifests of a folder. What `setup` has comes first, in a call of its own.
fn published(manifests: &Path, namespace: &str, folder: &Path) {
    let (mut calls, mut requests) = (Script::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for folder in [manifests.join("setup"), manifests.to_owned()] {
        let documents = documents(&folder);
        for value in documents.iter().flat_map(|text| taken_apart(document::yaml(text).unwrap()).unwrap()) {
            let object = named(&value).unwrap();
            let group =
                object.api_version.split_once('/').map(|(group, _)| format!("{group}/")).unwrap_or_default();
            let kind = format!("{group}{}", object.kind);
            requests.entry((kind, object.namespace)).or_default().insert(object.name);
        }
        let texts: Vec<_> = documents.into_iter().flat_map(in_parts).collect();
        if !texts.is_empty() {
            calls = calls.apply(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    let request = |((kind, own), names): ((String, Option<String>), _)| {
        let mut request = json!({"verbs": ["apply"], "kinds": [kind], "names": names});
        if !CLUSTER_WIDE.iter().any(|it| kind.ends_with(it)) {
            request["namespaces"] = json!([own.as_deref().unwrap_or(namespace)]);
        }
        request
    };
    source(calls, &requests.into_iter().map(request).collect(), folder);
}

/// The documents in the files of a folder, none of them empty.
fn documents(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|it| it.is_file()).collect();
    files.sort();
    let texts = files.iter().map(|file| format!("\n{}", fs::read_to_string(file).unwrap()));
    let documents: Vec<_> =
        texts.flat_map(|text| text.split("\n---").map(str::to_owned).collect::<Vec<_>>()).collect();
    documents.into_iter().filter(|text| !document::yaml(text).unwrap().is_null()).collect()
}

/// A document, or the items of a list that is longer than one manifest may be.
fn in_parts(text: String) -> Vec<String> {
    if text.len() <= MAX_OBJECT {
        return vec![text];
    }
    taken_apart(document::yaml(&text).unwrap()).unwrap().iter().map(ToString::to_string).collect()
}

/// The source of a bundle whose component makes these calls.
fn source(calls: Script, requests: &Value, folder: &Path) {
    fs::write(folder.join("source/component.wasm"), calls.component()).unwrap();
    let source = json!({
        "apiVersion": "carnet.dev/v1alpha1",
        "kind": "Source",
        "name": "objects",
        "version": "1.0.0",
        "description": "many objects",
        "component": "./component.wasm",
        "requests": {"kubernetes": requests},
    });
    fs::write(folder.join("source/carnet.yaml"), source.to_string()).unwrap();
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
