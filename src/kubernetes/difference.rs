//! Compares two states of an object, without the fields that the server writes by itself.

use serde_json::{Map, Value};

/// What the server writes into the metadata of an object by itself.
const WRITTEN_BY_THE_SERVER: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// The object without its status and the fields that the server writes by itself, so that only meaningful differences
/// are left.
pub fn without_bookkeeping(object: &Value) -> Value {
    let mut bare = object.clone();
    if let Value::Object(members) = &mut bare {
        members.remove("status");
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            metadata.retain(|name, _| !WRITTEN_BY_THE_SERVER.contains(&name.as_str()));
        }
    }
    bare
}

/// Whether two states of an object are the same [`without_bookkeeping`]. Nothing is copied for that: some objects are long.
pub fn is_same(before: &Value, after: &Value) -> bool {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return before == after };
    are_same(before, after, &["status"], |name, before, after| match (name, before, after) {
        ("metadata", Value::Object(before), Value::Object(after)) => {
            are_same(before, after, &WRITTEN_BY_THE_SERVER, |_, before, after| before == after)
        }
        _ => before == after,
    })
}

/// Whether two mappings are the same but for members of these names. Members are sorted.
fn are_same(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    left_out: &[&str],
    is_same: impl Fn(&str, &Value, &Value) -> bool,
) -> bool {
    let is_meant = |(name, _): &(&String, &Value)| !left_out.contains(&name.as_str());
    let (mut before, mut after) = (before.iter().filter(is_meant), after.iter().filter(is_meant));
    loop {
        match (before.next(), after.next()) {
            (None, None) => return true,
            (Some((name, before)), Some((other, after))) if name == other && is_same(name, before, after) => {
            }
            _ => return false,
        }
    }
}

/// `body` laid over what is there, member by member: items of lists of the same length by their place.
pub fn overlaid(before: &Value, body: &Value) -> Value {
    match (before, body) {
        (Value::Object(old), Value::Object(new)) => {
            let mut all = old.clone();
            for (name, value) in new {
                let laid = old.get(name).map_or_else(|| value.clone(), |old| overlaid(old, value));
                all.insert(name.clone(), laid);
            }
            Value::Object(all)
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter().zip(new).map(|(old, new)| overlaid(old, new)).collect()
        }
        (_, new) => new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_writes_by_itself_is_no_difference_and_all_else_is() {
        let object = |metadata: Value, more: Value| {
            let mut object = json!({"apiVersion": "v1", "metadata": metadata});
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            object
        };
        let bare = object(json!({"name": "a"}), json!({}));
        for name in WRITTEN_BY_THE_SERVER {
            assert!(is_same(&bare, &object(json!({"name": "a", name: "x"}), json!({}))), "{name}");
            assert!(
                !is_same(&bare, &object(json!({"name": "a"}), json!({name: "x"}))),
                "{name} of the object"
            );
        }
        assert!(is_same(&object(json!({"name": "a"}), json!({"status": {"a": 1}})), &bare));
        for other in [
            object(json!({"name": "b"}), json!({})),
            object(json!({"name": "a", "status": 1}), json!({})),
            object(json!({"name": "a", "labels": {"uid": "x"}}), json!({})),
            object(json!({}), json!({})),
            object(json!(null), json!({})),
            object(json!({"name": "a"}), json!({"spec": null})),
            json!({"apiVersion": "v1"}),
            json!(null),
        ] {
            assert!(!is_same(&bare, &other) && !is_same(&other, &bare), "{other}");
            assert!(is_same(&other, &other), "{other}");
        }
    }

    fn any_object() -> impl Strategy<Value = Value> {
        let name = || {
            const NAMES: &[&str] = &["metadata", "status", "uid", "a", "generation"];
            proptest::sample::select(NAMES).prop_map(str::to_owned)
        };
        let leaf = prop_oneof![Just(json!(1)), Just(json!(2)), Just(json!({}))];
        leaf.prop_recursive(3, 12, 3, move |inner| {
            proptest::collection::btree_map(name(), inner, 0..3).prop_map(|members| json!(members))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn to_compare_is_to_leave_out_and_then_to_compare(one in any_object(), other in any_object()) {
            let expected = without_bookkeeping(&one) == without_bookkeeping(&other);
            prop_assert_eq!(is_same(&one, &other), expected);
        }
    }
}
