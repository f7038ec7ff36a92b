use super::*;
use proptest::prelude::*;
use serde_json::json;

const US: &str = "carnet/prod/web";

fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({ "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields })
}

/// An object whose managers are these.
fn live(mut object: Value, entries: Value) -> Value {
    object["metadata"]["managedFields"] = entries;
    object
}

fn map(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": "a" }, "data": data })
}

fn pod(spec: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x" }, "spec": spec })
}

fn held(fields: Value) -> Value {
    json!([entry(US, "Apply", fields)])
}

#[test]
fn an_object_with_the_same_fields_and_values_is_unchanged() {
    let fields = json!({ "f:data": { ".": {}, "f:a": {}, "f:b": {} } });
    let there = live(map(json!({ "a": "1", "b": "2", "of another": "3" })), held(fields));
    assert!(is_unchanged(&map(json!({ "a": "1", "b": "2" })), &there, US));
    for (other, why) in [
        (json!({ "a": "1", "b": "3" }), "another value"),
        (json!({ "a": "1" }), "a field less"),
        (json!({ "a": "1", "b": "2", "c": "3" }), "a field more"),
        (json!({ "a": "1", "b": "2", "of another": "3" }), "a field that somebody else holds"),
        (json!({ "a": "1", "b": null }), "null"),
    ] {
        assert!(!is_unchanged(&map(other), &there, US), "{why}");
    }
    assert!(!is_unchanged(&map(json!({ "a": "1", "b": "2" })), &there, "carnet/prod/other"));
}

#[test]
fn a_value_that_somebody_changed_is_no_longer_held_and_so_not_unchanged() {
    let there = live(map(json!({ "a": "1", "b": "2" })), held(json!({ "f:data": { "f:a": {} } })));
    assert!(!is_unchanged(&map(json!({ "a": "1", "b": "2" })), &there, US));
}

#[test]
fn an_entry_that_says_something_else_counts_for_nothing() {
    let body = map(json!({ "a": "1" }));
    let own = entry(US, "Apply", json!({ "f:data": { "f:a": {} } }));
    assert!(is_unchanged(&body, &live(body.clone(), json!([own])), US));
    for (member, value) in [
        ("operation", "Update"),
        ("subresource", "status"),
        ("apiVersion", "v2"),
        ("fieldsType", "FieldsV2"),
        ("fieldsV1", "f:data"),
    ] {
        let mut other = own.clone();
        other[member] = value.into();
        assert!(!is_unchanged(&body, &live(body.clone(), json!([other])), US), "{member}");
    }
    assert!(!is_unchanged(&body, &live(body.clone(), json!([own, own])), US), "two entries");
    assert!(!is_unchanged(&body, &body, US), "none");
}

#[test]
fn items_are_found_by_their_keys_whatever_else_is_there() {
    let fields = json!({ "f:spec": { "f:containers": {
            "k:{\"name\":\"web\"}": { ".": {}, "f:name": {}, "f:image": {}, "f:ports": {
                "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:containerPort": {} },
            } },
        } } });
    let container = |image: &str, port: u16| json!({ "name": "web", "image": image, "ports": [{ "containerPort": port }] });
    let there = json!({ "name": "web", "image": "a", "imagePullPolicy": "Always",
            "ports": [{ "containerPort": 80, "protocol": "TCP" }] });
    let there = live(pod(json!({ "containers": [{ "name": "sidecar" }, there] })), held(fields));
    assert!(is_unchanged(&pod(json!({ "containers": [container("a", 80)] })), &there, US));
    for other in
        [json!([container("b", 80)]), json!([container("a", 81)]), json!([]), json!([{ "image": "a" }])]
    {
        assert!(!is_unchanged(&pod(json!({ "containers": other })), &there, US), "{other}");
    }
}

#[test]
fn the_order_of_items_counts() {
    let fields = json!({ "f:spec": { "f:initContainers": {
            "k:{\"name\":\"a\"}": { "f:name": {} }, "k:{\"name\":\"b\"}": { "f:name": {} },
        } } });
    let there = pod(json!({ "initContainers": [{ "name": "a" }, { "name": "c" }, { "name": "b" }] }));
    let there = live(there, held(fields));
    let body = |names: [&str; 2]| {
        let items: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        pod(json!({ "initContainers": items }))
    };
    assert!(is_unchanged(&body(["a", "b"]), &there, US));
    assert!(!is_unchanged(&body(["b", "a"]), &there, US));
}

#[test]
fn what_is_held_as_a_whole_is_compared_as_a_whole() {
    let fields = held(json!({ "f:spec": { "f:nodeSelector": {}, "f:tolerations": {} } }));
    let spec = json!({ "nodeSelector": { "a": "1" }, "tolerations": [{ "key": "x" }] });
    assert!(is_unchanged(&pod(spec.clone()), &live(pod(spec.clone()), fields.clone()), US));
    let defaulted =
        json!({ "nodeSelector": { "a": "1" }, "tolerations": [{ "key": "x", "operator": "Exists" }] });
    assert!(!is_unchanged(&pod(spec), &live(pod(defaulted), fields), US));
}

#[test]
fn sets_are_known_by_their_values() {
    let body = json!({ "apiVersion": "v1", "metadata": { "finalizers": ["b.example/x", "a.example/x"] } });
    let fields = json!({ "f:metadata": { "f:finalizers": {
            "v:\"a.example/x\"": {}, "v:\"b.example/x\"": {},
        } } });
    let there = live(body.clone(), held(fields));
    assert!(is_unchanged(&body, &there, US));
    let other = json!({ "apiVersion": "v1", "metadata": { "finalizers": ["b.example/x"] } });
    assert!(!is_unchanged(&other, &there, US));
}

#[test]
fn what_would_be_there_has_the_body_over_what_others_hold() {
    let own = entry(US, "Apply", json!({ "f:data": { "f:a": {}, "f:b": {}, "f:both": {} } }));
    let theirs = entry("kubectl", "Update", json!({ "f:data": { "f:both": {}, "f:theirs": {} } }));
    let before = map(json!({ "a": "1", "b": "1", "both": "1", "theirs": "1", "of nobody": "1" }));
    let after = merged(&map(json!({ "a": "2", "c": "1" })), &live(before, json!([own, theirs])), US);
    assert_eq!(after["data"], json!({ "a": "2", "both": "1", "c": "1", "of nobody": "1", "theirs": "1" }));
}

#[test]
fn items_that_would_be_there_are_merged_by_their_keys() {
    let fields = json!({ "f:spec": { "f:containers": {
            "k:{\"name\":\"a\"}": { "f:name": {}, "f:image": {} }, "k:{\"name\":\"b\"}": { "f:name": {} },
        } } });
    let before = pod(json!({ "containers": [{ "name": "a", "image": "1", "tty": false }, { "name": "b" }] }));
    let body = pod(json!({ "containers": [{ "name": "a", "image": "2" }, { "name": "c" }] }));
    let after = merged(&body, &live(before, held(fields)), US);
    assert_eq!(
        after["spec"]["containers"],
        json!([{ "name": "a", "image": "2", "tty": false }, { "name": "c" }])
    );
}

#[test]
fn only_what_a_manager_applied_in_another_version_is_carried_over() {
    let body = json!({ "apiVersion": "example.com/v1" });
    let at = |manager: &str, operation: &str, version: &str| {
        let mut entry = entry(manager, operation, json!({ "f:spec": {} }));
        entry["apiVersion"] = version.into();
        entry
    };
    let (old, new) = ("example.com/v1beta1", "example.com/v1");
    let entries = |all: &[Value]| live(json!({ "metadata": {} }), json!(all));
    let others = [at("kubectl", "Apply", old), at(US, "Update", old)];
    let carried = carried_over(&body, &entries(&[&[at(US, "Apply", old)][..], &others].concat()), US);
    assert_eq!(carried, Some([&[at(US, "Apply", new)][..], &others].concat()));
    assert_eq!(carried_over(&body, &entries(&others), US), None);
    assert_eq!(carried_over(&body, &entries(&[at(US, "Apply", new)]), US), None);
}

#[test]
fn it_is_known_who_wrote_and_when() {
    let at = |mut entry: Value, time: &str| {
        entry["time"] = time.into();
        entry
    };
    let applied = at(entry(US, "Apply", json!({ "f:spec": { "f:paused": {} } })), "2026-01-01T00:00:02Z");
    let mut status = at(entry("controller", "Update", json!({ "f:status": {} })), "2026-01-01T00:00:09Z");
    status["subresource"] = "status".into();
    let mut there = live(
        json!({ "metadata": { "creationTimestamp": "2026-01-01T00:00:01Z" } }),
        json!([applied, status]),
    );
    assert!(is_applied(&there, &["spec", "paused"]) && !is_applied(&there, &["spec", "suspend"]));
    assert!(!is_applied(&there, &["status"]), "it was updated");
    assert!(has_status_of_somebody(&there));
    assert_eq!(last_written(&there), Some("2026-01-01T00:00:09Z"));
    there["metadata"]["managedFields"] = json!([]);
    assert!(!has_status_of_somebody(&there));
    assert_eq!(last_written(&there), Some("2026-01-01T00:00:01Z"));
    assert_eq!(last_written(&json!({})), None);
}

/// Any JSON, with little variety so that equal parts are met.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(f:|k:|v:)?[abc.]{1,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The set of a value's fields, as the server writes it for maps without a schema.
fn fields_of(value: &Value) -> Value {
    let members = value.as_object().filter(|members| !members.is_empty());
    let members = members.into_iter().flatten();
    Value::Object(members.map(|(name, value)| (format!("{MEMBER}{name}"), fields_of(value))).collect())
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

proptest! {
    #[test]
    fn hostile_fields_never_make_it_fail(body in any_value(), there in any_value(), fields in any_value()) {
        let body = map(body);
        let there = live(map(there), held(json!({ "f:data": fields })));
        is_unchanged(&body, &there, US);
        merged(&body, &there, US);
    }

    #[test]
    fn applying_the_same_again_changes_nothing_and_anything_else_does(data in any_value(), other in any_value()) {
        prop_assume!(data.is_object() && !has_null(&data));
        let there = live(map(data.clone()), held(json!({ "f:data": fields_of(&data) })));
        prop_assert!(is_unchanged(&map(data.clone()), &there, US));
        prop_assert_eq!(merged(&map(data.clone()), &there, US), there.clone());
        if data != other {
            prop_assert!(!is_unchanged(&map(other), &there, US));
        }
    }
}
