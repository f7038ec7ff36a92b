//! A directory takes no server's word for a manifest, so what a server would refuse for its fields is refused here.

mod support;

use carnet::install::{Error, Operation, Outcome};
use carnet::targets::{self, NotDryRun};
use support::guest::Script;
use support::{Home, approving, unsigned};

const REQUESTS: &str = r#"
requests:
  kubernetes:
  - verbs: [apply]
    kinds: [ConfigMap, apps/Deployment, example.com/Widget, Secret]
    namespaces: ["${namespace}"]
    names: ["web-*"]
"#;

fn install(home: &Home, manifests: &[&str]) -> Result<Outcome, Error> {
    let guest = Script::new().log("begun").apply(manifests).component();
    let verified = unsigned(home.bundle("fields", &guest, REQUESTS));
    let consent = approving(&verified);
    home.act(Some(verified), Operation { consent, ..home.operation("install") })
}

#[test]
fn a_misspelt_field_stops_the_plan_and_is_named_with_the_version_of_kubernetes() {
    let home = Home::new();
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web-a}}";
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web-b}, spec: {replica: 2}}";
    let Err(Error::Run { source, refusal, .. }) = install(&home, &[map, deployment]) else {
        panic!("no refusal")
    };
    // The component learns no more than that.
    assert_eq!(
        source.to_string(),
        "the component reports: invalid: the target does not accept apps/Deployment prod/web-b"
    );
    let refusal = *refusal.unwrap();
    assert!(matches!(refusal, targets::Error::Fields { .. }), "{refusal:?}");
    assert_eq!(
        refusal.to_string(),
        "apps/Deployment prod/web-b does not fit Kubernetes 1.36: .spec.replica: field not declared in schema; \
         is `replicas` meant?"
    );
    home.assert_untouched();
}

#[test]
fn no_value_of_a_secret_is_told() {
    let home = Home::new();
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: web-a}, stringdata: {key: hunter2}, immutable: swordfish}";
    let Err(Error::Run { refusal: Some(refusal), .. }) = install(&home, &[secret]) else {
        panic!("no refusal")
    };
    let said = refusal.to_string();
    assert!(said.contains(".stringdata: field not declared"), "{said}");
    assert!(said.contains(".immutable: expected boolean, got string"), "{said}");
    assert!(!said.contains("hunter2") && !said.contains("swordfish"), "{said}");
}

#[test]
fn a_kind_of_others_is_written_and_said_to_be_unchecked() {
    let home = Home::new();
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web-a}}";
    let widget = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: web-b}, spek: {}}";
    let outcome = install(&home, &[map, widget]).unwrap();
    let changes = &outcome.plan().changes;
    let unchecked: Vec<_> =
        changes.iter().map(|change| (change.object.kind.as_str(), change.dry_run)).collect();
    assert_eq!(unchecked, [("ConfigMap", None), ("Widget", Some(NotDryRun::Unchecked))]);
    assert!(changes[1].not_tried.as_deref().unwrap().contains("fields are known here"));
    assert!(home.rendered()["prod/widget.example.com_web-b.yaml"].contains("spek"));
}
