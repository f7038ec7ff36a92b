//! Which keys of a Secret hold credentials, as an installation puts it on record.
//!
//! The Secret says so itself, in an annotation. But everybody who may change the Secret may change that, and it tells of
//! the last apply alone: what another field manager holds too outlives it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kubernetes::manifest::Object;
use crate::kubernetes::{managed_fields, metadata};

use super::Placements;

/// The keys that an installation has put into a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeys {
    /// Those that hold credentials, or have held one since the Secret is on record.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lent: BTreeSet<String>,
    /// Those of the last apply that hold none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub plain: BTreeSet<String>,
    /// Whether credentials may be in it that are not on this record: it was another installation's, or was recorded by a
    /// version of the program that did not note its keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
}

impl SecretKeys {
    /// The keys of an object that is applied with these credentials in it. None: it is no Secret.
    pub(super) fn of(object: &Object, placements: &Placements) -> Option<Self> {
        let keys = |member| object.body().get(member).and_then(Value::as_object).into_iter().flatten();
        let all = keys("data").chain(keys("stringData")).map(|(key, _)| key.clone());
        object.reference().is_secret().then(|| Self {
            plain: all.filter(|key| !placements.contains_key(key)).collect(),
            lent: placements.keys().cloned().collect(),
            is_partial: false,
        })
    }

    /// Whether the last apply put a value under a key that is no credential.
    pub(super) fn is_plain(&self, key: &str) -> bool {
        self.plain.contains(key) && !self.lent.contains(key)
    }

    /// These keys, put into a Secret that was there before it was on record.
    #[must_use]
    pub fn put_into(mut self, found: Option<&Value>) -> Self {
        self.is_partial |= found.is_some_and(is_marked);
        self
    }

    /// The keys on record after these were put there. `old` is what was on record of the Secret, if anything was.
    ///
    /// A key that has held a credential is never taken for a plain one again: the write that was to replace its value may
    /// have failed, and somebody may put the value back.
    pub fn followed(old: Option<Option<&Self>>, new: Option<&Self>) -> Option<Self> {
        let Some(new) = new else { return old.flatten().cloned() };
        let mut keys = new.clone();
        match old {
            None => {}
            Some(None) => keys.is_partial = true,
            Some(Some(old)) => {
                keys.lent.extend(old.lent.iter().cloned());
                keys.is_partial |= old.is_partial;
            }
        }
        keys.plain.retain(|key| !keys.lent.contains(key));
        Some(keys)
    }
}

/// Whether an object shows that an installation has written it.
pub(super) fn is_marked(found: &Value) -> bool {
    let annotations = found.pointer("/metadata/annotations").and_then(Value::as_object);
    annotations.is_some_and(|all| all.keys().any(|key| metadata::is_reserved(key)))
        || managed_fields::has_manager(found, is_of_installation)
}

/// Whether a field manager is that of an installation.
pub(super) fn is_of_installation(manager: &str) -> bool {
    manager.starts_with("carnet/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(lent: &[&str], plain: &[&str], is_partial: bool) -> SecretKeys {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        SecretKeys { lent: set(lent), plain: set(plain), is_partial }
    }

    #[test]
    fn a_key_that_has_held_a_credential_is_never_plain_again() {
        let (first, then) = (keys(&["a"], &["b"], false), keys(&["b"], &["a", "c"], false));
        let after = SecretKeys::followed(Some(Some(&first)), Some(&then));
        assert_eq!(after, Some(keys(&["a", "b"], &["c"], false)));
        let without = SecretKeys::followed(Some(after.as_ref()), Some(&keys(&[], &["c"], false)));
        assert_eq!(without, Some(keys(&["a", "b"], &["c"], false)), "another manager may hold them still");
    }

    #[test]
    fn what_is_not_known_of_a_secret_stays_unknown() {
        let new = keys(&[], &["a"], false);
        assert_eq!(SecretKeys::followed(None, Some(&new)), Some(new.clone()), "it was never there");
        let after = SecretKeys::followed(Some(None), Some(&new));
        assert_eq!(after, Some(keys(&[], &["a"], true)), "an earlier version recorded it");
        assert_eq!(SecretKeys::followed(Some(after.as_ref()), Some(&new)), after);
        assert_eq!(SecretKeys::followed(Some(Some(&new)), None), Some(new));
        assert_eq!(SecretKeys::followed(Some(None), None), None);
    }

    #[test]
    fn a_secret_that_an_installation_has_written_may_hold_more_than_is_on_record() {
        let manager = |name| json!({"metadata": {"managedFields": [{"manager": name}]}});
        for (found, is_partial) in [
            (json!({}), false),
            (json!({"metadata": {"annotations": {"example.com/a": "b"}}}), false),
            (manager("kubectl"), false),
            (manager("carnet/prod/web"), true),
            (json!({"metadata": {"annotations": {metadata::OWNER: "prod/other"}}}), true),
            (json!({"metadata": {"annotations": {metadata::CREDENTIALS: 1}}}), true),
        ] {
            let keys = SecretKeys::default().put_into(Some(&found));
            assert_eq!(keys.is_partial, is_partial, "{found}");
        }
        assert!(!SecretKeys::default().put_into(None).is_partial);
    }
}
