//! The hand-written components of `guests/`: the one that behaves installs, and each of the others is used somewhere.
#![expect(clippy::disallowed_methods, reason = "tests read files")]

mod support;

use std::path::Path;

use carnet::grant::spec::FileGrant;
use carnet::host::Supplied;
use carnet::install::Operation;
use support::guest::written;
use support::{Home, approving, unsigned};

const HELLO: &str = r#"
parameters: {greeting: {schema: {type: string, default: hi}, description: what it says}}
credentials: {password: {description: a password, required: true}}
outputs: {applied: {schema: {type: string}, description: what was applied}}
requests:
  kubernetes: [{verbs: [apply], kinds: [Secret], namespaces: ["${namespace}"], names: ["${installation}-hello"]}]
  files: [{name: manifest.yaml}]
  credentials: [{name: password, into: ["${namespace}/Secret/${installation}-hello"]}]
"#;

#[test]
fn a_component_that_nothing_but_hands_made_installs() {
    let home = Home::new();
    let manifest = home.path("manifest.yaml");
    let text = "{apiVersion: v1, kind: Secret, metadata: {name: web-hello}, stringData: {a: $GREETING, b: $PASSWORD}}";
    std::fs::write(&manifest, text).unwrap();
    let verified = unsigned(home.bundle("hello", &written("hello"), HELLO));
    let mut consent = approving(&verified);
    consent.grant.files.push(FileGrant { name: "manifest.yaml".into(), path: manifest });
    let credentials = Supplied::new([("password".to_owned(), "hunter2".into())].into());
    let outcome =
        home.act(Some(verified), Operation { consent, credentials, ..home.operation("install") }).unwrap();
    assert_eq!(outcome.outputs["applied"], "web-hello");
    assert_eq!(outcome.log[0].text, "manifest.yaml is applied");
    assert_eq!(outcome.plan().credentials[0].into, ["prod/Secret/web-hello:b"]);
    assert!(home.rendered()["prod/secret_web-hello.yaml"].contains("hi"));
}

#[test]
fn every_component_that_is_here_is_used() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let entries = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &Path, extension: &str| path.extension().is_some_and(|found| found == extension);
    let sources = entries(&tests).filter(|path| named(path, "rs"));
    let sources: String = sources.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let guests = entries(&tests.join("guests")).filter(|path| named(path, "wat"));
    let unused: Vec<_> = guests
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !sources.contains(&format!("\"{name}\"")))
        .collect();
    assert_eq!(unused, [""; 0]);
}
