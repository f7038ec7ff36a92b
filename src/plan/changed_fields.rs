//! The changed fields of an object, leaf by leaf: the part of its difference that a plan is bound to.
//!
//! A unified diff shows lines around a change, and these may be somebody else's. Here only the leaves count that the
//! change itself touches, each under a path that does not depend on its neighbours: what others do to other fields of
//! an object makes no plan stale.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::digest::Digest;
use crate::document;

/// Members that tell the items of a list apart, the first that all of them have.
const KEYS: [&str; 6] = ["name", "containerPort", "port", "key", "mountPath", "type"];

/// Each leaf that differs, by its path: what is there, and what will be.
pub(super) type ChangedFields = BTreeMap<String, (Option<Value>, Option<Value>)>;

/// The fields that differ between two states of an object.
pub(super) fn between(before: Option<&Value>, after: Option<&Value>) -> ChangedFields {
    let mut found = ChangedFields::new();
    collect(String::new(), before, after, &mut found);
    found
}

/// A digest that stands for changed fields.
pub(super) fn digest(changed: &ChangedFields) -> Digest {
    document::digest(changed)
}

fn collect(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut ChangedFields) {
    if before == after {
        return;
    }
    let (old, new) = match (before, after) {
        (Some(Value::Object(_)) | None, Some(Value::Object(_)) | None) => (members(before), members(after)),
        (Some(Value::Array(_)) | None, Some(Value::Array(_)) | None) => match items(before, after) {
            Some(parts) => parts,
            None => return differing_items(&path, before, after, found),
        },
        _ => {
            found.insert(path, (before.cloned(), after.cloned()));
            return;
        }
    };
    if old.is_empty() && new.is_empty() {
        found.insert(path, (before.cloned(), after.cloned()));
        return;
    }
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (old.get(name).copied(), new.get(name).copied());
        collect(format!("{path}{name}"), old, new, found);
    }
}

type Parts<'a> = BTreeMap<String, &'a Value>;

fn members(value: Option<&Value>) -> Parts<'_> {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, value)| (format!("/{}", name.replace('~', "~0").replace('/', "~1")), value)).collect()
}

/// The items of both lists by what identifies them, where one of the members does.
fn items<'a>(before: Option<&'a Value>, after: Option<&'a Value>) -> Option<(Parts<'a>, Parts<'a>)> {
    KEYS.iter().find_map(|key| Some((keyed(before, key)?, keyed(after, key)?)))
}

fn keyed<'a>(list: Option<&'a Value>, key: &str) -> Option<Parts<'a>> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = list.iter().map(|item| Some((format!("[{key}={}]", item.get(key)?), item)));
    let parts: Parts<'a> = named.collect::<Option<_>>()?;
    (parts.len() == list.len()).then_some(parts)
}

/// Of lists without identity, the items that only one of them has.
fn differing_items(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut ChangedFields) {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut old, mut new) = (list(before), list(after));
    let (all_old, all_new) = (old.clone(), new.clone());
    old.retain(|item| !all_new.contains(item));
    new.retain(|item| !all_old.contains(item));
    let (old, new) = if old.is_empty() && new.is_empty() { (all_old, all_new) } else { (old, new) };
    found.insert(format!("{path}[]"), (Some(Value::Array(old)), Some(Value::Array(new))));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        between(Some(before), Some(after)).into_keys().collect()
    }

    #[test]
    fn what_others_hold_beside_it_is_no_part_of_a_change() {
        let alone = between(
            Some(&json!({"spec": {"replicas": 1, "containers": [{"name": "a", "image": "x"}]}})),
            Some(&json!({"spec": {"replicas": 2, "containers": [{"name": "a", "image": "y"}]}})),
        );
        let among_others = between(
            Some(&json!({"metadata": {"labels": {"theirs": "1"}},
                "spec": {"replicas": 1, "containers": [{"name": "0"}, {"name": "a", "image": "x", "env": []}]}})),
            Some(&json!({"metadata": {"labels": {"theirs": "1"}},
                "spec": {"replicas": 2, "containers": [{"name": "0"}, {"name": "a", "image": "y", "env": []}]}})),
        );
        assert_eq!(digest(&alone), digest(&among_others));
        assert_eq!(
            alone.into_keys().collect::<Vec<_>>(),
            ["/spec/containers[name=\"a\"]/image", "/spec/replicas"]
        );
    }

    #[test]
    fn every_difference_has_a_path() {
        for (before, after, expected) in [
            (json!({"a": 1}), json!({"a": 2}), vec!["/a"]),
            (json!({"a": {}}), json!({}), vec!["/a"]),
            (json!({"a": {"b": 1}}), json!({}), vec!["/a/b"]),
            (json!({"a/b": [1, 2]}), json!({"a/b": [2, 3]}), vec!["/a~1b[]"]),
            (json!({"a": [1, 2]}), json!({"a": [2, 1]}), vec!["/a[]"]),
            (json!({"a": [{"name": "x"}, {"name": "x"}]}), json!({"a": []}), vec!["/a[]"]),
            (json!({"a": {"b": 1}}), json!({"a": "b"}), vec!["/a"]),
            (json!({"a": 1}), json!({"a": 1}), vec![]),
        ] {
            assert_eq!(paths(&before, &after), expected, "{before} {after}");
        }
    }

    #[test]
    fn another_value_there_is_another_change() {
        let to_three = |from: u8| digest(&between(Some(&json!({"a": from})), Some(&json!({"a": 3}))));
        assert_ne!(to_three(1), to_three(2));
        let to = |after: u64| digest(&between(Some(&json!({"a": 1})), Some(&json!({"a": after}))));
        assert_ne!(to(9_007_199_254_740_992), to(9_007_199_254_740_993));
    }
}
