//! Changes that a real API server takes, though not at first sight: definitions that change with their resources,
//! versions, roles that gather their rules, fields that only a new object can have, and names as long as they may be.

use serde_json::json;

use crate::site::Said;
use crate::support::config_map;
use crate::support::guest::Script;
use crate::wait::{Place, uid};

/// A definition with these versions, each with its schema of `spec`, the first of which is stored.
fn definition(place: &Place, versions: &[(&str, &str)]) -> String {
    let group = format!("{}.example.com", place.namespace());
    let version = |(at, (name, properties)): (usize, &(&str, &str))| {
        format!(
            "{{name: {name}, served: true, storage: {}, schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {{type: object,
               properties: {{{properties}}}}}}}}}}}}}",
            at == 0
        )
    };
    let versions: Vec<_> = versions.iter().enumerate().map(version).collect();
    format!(
        "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: things.{group}}},
           spec: {{group: {group}, scope: Namespaced, names: {{kind: Thing, plural: things}}, versions: [{}]}}}}",
        versions.join(", ")
    )
}

fn thing(place: &Place, version: &str, spec: &str) -> String {
    let group = format!("{}.example.com", place.namespace());
    format!(
        "{{apiVersion: {group}/{version}, kind: Thing, metadata: {{name: test-thing}}, spec: {{{spec}}}}}"
    )
}

fn kinds(place: &Place) -> String {
    format!("apiextensions.k8s.io/CustomResourceDefinition,{}.example.com/Thing", place.namespace())
}

fn size(place: &Place, field: &str) -> String {
    place.site.get(&place.named_thing(), &format!("jsonpath={{.spec.{field}}}"))
}

const SIZE: &str = "size: {type: integer}";
const EXTRA: &str = "size: {type: integer}, extra: {type: string}";

fn not_tried(said: &Said) -> Vec<&str> {
    let rows = said.document["changes"].as_array().unwrap();
    rows.iter().filter_map(|row| row["notTried"].as_str()).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_definition_and_a_resource_that_uses_it_change_together() {
    let place = Place::new();
    let bundle = |name: &str, script: Script| place.scripted(name, "apply", &kinds(&place), &script);
    let (first, wider) = (definition(&place, &[("v1", SIZE)]), definition(&place, &[("v1", EXTRA)]));
    let (plain, extra) = (thing(&place, "v1", "size: 1"), thing(&place, "v1", "size: 1, extra: x"));
    let before = bundle("before", Script::new().apply(&[&plain, &first]));
    place.act(&["install", "test"], &before).done();
    let scripts = [
        ("together", Script::new().apply(&[&extra, &wider])),
        ("apart", Script::new().apply(&[&wider]).apply(&[&extra])),
    ];
    for (name, script) in scripts {
        let after = bundle(name, script);
        let without_yes: Vec<_> = after.iter().filter(|argument| *argument != "--yes").cloned().collect();
        let plan = place.act(&["plan", "test"], &without_yes).done();
        assert_eq!(plan.changed(&["update"]).len(), 2, "{plan}");
        assert_eq!(not_tried(&plan), ["the definition of its kind changes first"]);
        let said = place.act(&["upgrade", "test"], &after).done();
        assert_eq!(said.changed(&["update"]).len(), 2, "{said}");
        assert_eq!(size(&place, "extra"), "x");
        assert_eq!(place.act(&["plan", "test"], &without_yes).done().changed(&["unchanged"]).len(), 2);
        place.act(&["upgrade", "test", "--force-conflicts"], &before).done();
        assert_eq!(size(&place, "extra"), "", "back to where it began");
    }
    // What no definition has is still refused.
    let wrong = bundle("wrong", Script::new().apply(&[&thing(&place, "v1", "other: x"), &wider]));
    place.act(&["upgrade", "test"], &wrong).refused(1, &["does not accept"]);
    place.uninstall(&["--delete=crds"]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_resource_moves_to_another_version_of_its_kind() {
    let place = Place::new();
    let bundle = |name: &str, manifests: &[&str]| {
        place.scripted(name, "apply", &kinds(&place), &Script::new().apply(manifests))
    };
    let first = definition(&place, &[("v1beta1", SIZE)]);
    let before = bundle("before", &[&thing(&place, "v1beta1", "size: 1"), &first]);
    place.act(&["install", "test"], &before).done();
    let old = uid(&place, &place.named_thing());

    // To a version that its definition gets with it: it is the same object.
    let both = definition(&place, &[("v1beta1", SIZE), ("v1alpha1", EXTRA)]);
    let moved = bundle("moved", &[&thing(&place, "v1alpha1", "size: 2, extra: x"), &both]);
    let said = place.act(&["upgrade", "test"], &moved).done();
    assert_eq!(said.changed(&["update"]).len(), 2, "{said}");
    assert_eq!((size(&place, "size"), uid(&place, &place.named_thing())), ("2".into(), old.clone()));

    // To one that has a default which the version on record does not know.
    let defaulted = "size: {type: integer}, policy: {type: string, default: deny}";
    let place = Place::new();
    let bundle = |name: &str, manifests: &[&str]| {
        place.scripted(name, "apply", &kinds(&place), &Script::new().apply(manifests))
    };
    let definition = definition(&place, &[("v1", defaulted), ("v1beta1", SIZE)]);
    let before = bundle("before-2", &[&definition, &thing(&place, "v1beta1", "size: 1")]);
    let after = bundle("after-2", &[&definition, &thing(&place, "v1", "size: 2")]);
    place.act(&["install", "test"], &before).done();
    let old = uid(&place, &place.named_thing());
    let without_yes: Vec<_> = after.iter().filter(|argument| *argument != "--yes").cloned().collect();
    let plan = place.act(&["plan", "test"], &without_yes).done();
    let carried = "its fields are on record under another version of its kind, which is carried over first";
    assert_eq!(
        (plan.changed(&["update"]), not_tried(&plan)),
        (vec!["Thing/test-thing".into()], vec![carried])
    );
    place.act(&["upgrade", "test"], &after).done();
    assert_eq!((size(&place, "size"), size(&place, "policy")), ("2".into(), "deny".into()));
    assert_eq!(uid(&place, &place.named_thing()), old);
    assert_eq!(place.act(&["plan", "test"], &without_yes).done().changed(&["unchanged"]).len(), 2);
    place.uninstall(&["--delete=crds"]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn the_rules_of_a_role_that_gathers_them_are_its_controllers() {
    let place = Place::new();
    let name = format!("test-{}", place.namespace());
    let gathering = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: {name}}}, rules: [],
           aggregationRule: {{clusterRoleSelectors: [{{matchLabels: {{of: {name}}}}}]}}}}"
    );
    let source = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: {name}-source, labels: {{of: {name}}}}},
           rules: [{{apiGroups: [events.k8s.io], resources: [events], verbs: [get]}}]}}"
    );
    let requests = format!(
        "handles: [install]\nrequests:\n  kubernetes:\n  - {{verbs: [apply], kinds: [rbac.authorization.k8s.io/ClusterRole], \
         names: ['{name}', '{name}-source']}}\n"
    );
    let rest = place.requesting("gathering", &requests, &Script::new().apply(&[&gathering, &source]));
    place.act(&["install", "test"], &rest).done();
    crate::site::eventually("its rules are gathered", || {
        place.site.get(&format!("clusterrole/{name}"), "jsonpath={.rules}").contains("events")
    });
    for _ in 0..2 {
        let said = place.act(&["upgrade", "test"], &rest).done();
        assert_eq!(said.changed(&["unchanged"]).len(), 2, "{said}");
    }
    let drift = place.site.carnet(&["drift", "test", "--dangerous-unsigned", "--exit-code"]).done();
    assert_eq!(drift.document["objects"], json!([]));
    place.uninstall(&[]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_service_without_an_address_gets_one_by_being_replaced() {
    let place = Place::new();
    let service = |spec: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: test-service}}, spec: {{{spec}, ports: [{{port: 80}}]}}}}"
        )
    };
    let bundle = |name: &str, spec: &str| place.bundle(name, "apply, delete", "Service", &[&service(spec)]);
    place.act(&["install", "test"], &bundle("headless", "clusterIP: None")).done();
    let old = uid(&place, "service/test-service");
    for (name, spec) in [("node-port", "type: NodePort"), ("load-balancer", "type: LoadBalancer")] {
        let after = bundle(name, spec);
        let said = place.act(&["upgrade", "test"], &after).refused(1, &["spec.clusterIPs[0] cannot change"]);
        assert!(said.document["hint"].as_str().unwrap().contains("--replace"), "{said}");
    }
    let wrong = bundle("wrong", "type: NodePort, clusterIP: None");
    place.act(&["upgrade", "test", "--replace"], &wrong).refused(1, &["has no port on nodes"]);
    assert_eq!(uid(&place, "service/test-service"), old, "it is not removed for what cannot be made");
    let said = place.act(&["upgrade", "test", "--replace"], &bundle("again", "type: NodePort")).done();
    assert_eq!(said.changed(&["replace"]), ["Service/test-service"]);
    assert_ne!(place.site.get("service/test-service", "jsonpath={.spec.clusterIP}"), "None");
    place.uninstall(&[]).done();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn names_that_the_server_takes_are_taken() {
    let place = Place::new();
    let long = format!("test-{}", "x".repeat(248));
    let role = |name: &str| {
        format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: '{name}'}}, rules: []}}"
        )
    };
    let names = ["test:me@example.com", "system:Test_1"];
    let requests = format!(
        "handles: [install]\nrequests:\n  kubernetes:\n  - {{verbs: [apply], kinds: [ConfigMap, rbac.authorization.k8s.io/Role], \
         namespaces: ['${{namespace}}'], names: ['{long}', '{}', '{}']}}\n",
        names[0], names[1]
    );
    let script = Script::new().apply(&[&config_map(&long), &role(names[0]), &role(names[1])]);
    let rest = place.requesting("named", &requests, &script);
    let said = place.act(&["install", "test"], &rest).done();
    assert_eq!(said.changed(&["create"]).len(), 3, "{said}");
    assert!(place.is_there(&format!("configmap/{long}")) && place.is_there("role/test:me@example.com"));
    place.uninstall(&[]).done();
    assert!(!place.is_there("role/test:me@example.com"));
}
