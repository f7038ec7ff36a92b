//! Secrets as they may be shown: what they are called and which keys they have, and not one value.
//!
//! Fails closed: a member is shown because it is known to hold no value, and not hidden because it is known to hold
//! one.

use serde_json::{Map, Value};

use crate::targets::credentials::Placements;

/// Stands for a value that is, or that is there.
pub(super) const VALUE: &str = "(a value)";

/// Stands for a value that is not the one that is there.
pub(super) const OTHER_VALUE: &str = "(another value)";

/// The members of a Secret that hold its values, by key.
const VALUES: [&str; 2] = ["data", "stringData"];

/// The members of a Secret that hold none.
const SHOWN: [&str; 5] = ["apiVersion", "immutable", "kind", "metadata", "type"];

/// A Secret of which each value is a word.
pub(super) fn redacted(secret: Value, word: impl Fn(&str, &str, &Value) -> String) -> Value {
    let Value::Object(members) = secret else { return VALUE.into() };
    members.into_iter().map(|(name, member)| (name.clone(), member_of(&name, member, &word))).collect()
}

/// The word for a value of a Secret that is made: a value, or the credentials that it is made of.
pub(super) fn made_of(placements: &Placements, key: &str) -> String {
    let Some(names) = placements.get(key) else { return VALUE.into() };
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("(with the credential {})", names.join(" and "))
}

fn member_of(name: &str, member: Value, word: &impl Fn(&str, &str, &Value) -> String) -> Value {
    match member {
        member if SHOWN.contains(&name) => member,
        Value::Object(values) if VALUES.contains(&name) => {
            let hidden =
                values.into_iter().map(|(key, value)| (key.clone(), word(name, &key, &value).into()));
            Value::Object(hidden.collect::<Map<_, _>>())
        }
        _ => VALUE.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_to_hold_no_value_is_hidden() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "name": "a" },
            "data": { "x": "c2VjcmV0", "y": ["secret"] }, "stringData": "secret", "binaryData": { "x": "secret" },
        });
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "name": "a" },
            "data": { "x": VALUE, "y": VALUE }, "stringData": VALUE, "binaryData": VALUE,
        });
        assert_eq!(redacted(secret, |_, _, _| VALUE.into()), expected);
        assert_eq!(redacted(json!("secret"), |_, _, _| VALUE.into()), VALUE);
    }

    #[test]
    fn a_credential_is_named() {
        let placements = [("x".to_owned(), ["db".to_owned()].into_iter().collect())].into();
        assert_eq!(made_of(&placements, "x"), "(with the credential `db`)");
        assert_eq!(made_of(&placements, "y"), VALUE);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = Just(json!("hunter2")).boxed();
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,3}", inner, 0..3).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_value_is_ever_shown(name in "data|stringData|Data|[a-z]{1,8}", value in any_value()) {
            prop_assume!(!SHOWN.contains(&name.as_str()));
            let shown = redacted(json!({ name: value }), |_, _, _| VALUE.into()).to_string();
            prop_assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
