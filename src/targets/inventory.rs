//! The objects that an installation has put, or was about to put, into a target, and where a run writes them down.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::objects::Objects;

use super::credentials::SecretKeys;
use super::failure::Error;

/// An object that an installation has put, or was about to put, into a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Which object.
    pub object: ObjectRef,
    /// Its UID in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The digest of the file that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Digest>,
    /// The digest of the file that was about to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended: Option<Digest>,
    /// The action of the bundle that made it. None: an install or an upgrade did, so that it goes when they leave it
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<Box<MadeBy>>,
    /// The revision whose run recorded it first. None: an earlier version of the program did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Box<str>>,
    /// Whether its controller removes it once it is done, as it was applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passing: bool,
    /// Which keys of a Secret hold credentials. None: it is no Secret, or an earlier version of the program recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Box<SecretKeys>>,
}

/// A run of an action of the bundle's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeBy {
    /// The action.
    pub action: String,
    /// The revision of its run.
    pub revision: String,
}

/// All objects of one installation.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    objects: Objects<Recorded>,
    /// Whether others can write it, so that it names objects and decides nothing about them.
    is_shared: bool,
    /// The mark of the record that it is a part of. None: an earlier version of the program began that, and gave it none.
    mark: Option<Box<str>>,
}

/// Where a run writes down what it does to a target, before and after it does it.
pub trait Ledger: Send {
    /// Objects are about to be applied. When this has returned, the record outlives the process.
    ///
    /// # Errors
    /// [`Error::Ledger`] when it cannot be written down; nothing is applied then.
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), Error>;

    /// Objects were applied.
    ///
    /// # Errors
    /// [`Error::Ledger`] when it cannot be written down.
    fn applied(&mut self, objects: &[Recorded]) -> Result<(), Error>;

    /// An object is gone.
    ///
    /// # Errors
    /// [`Error::Ledger`] when it cannot be written down.
    fn removed(&mut self, object: &ObjectRef) -> Result<(), Error>;
}

impl Recorded {
    /// An object of which nothing is known but that it may be there.
    pub fn of(object: ObjectRef) -> Self {
        Self {
            object,
            uid: None,
            written: None,
            intended: None,
            made_by: None,
            since: None,
            passing: false,
            keys: None,
        }
    }

    /// The digests that the object's file may have.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        self.written.into_iter().chain(self.intended)
    }
}

impl Inventory {
    /// This inventory, as read from where others can write it.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    /// This inventory, as a part of the record with this mark.
    #[must_use]
    pub fn marked(self, mark: Option<String>) -> Self {
        Self { mark: mark.map(String::into_boxed_str), ..self }
    }

    /// The mark of its record, which tells it from that of an installation of the same name in another state.
    pub fn mark(&self) -> Option<&str> {
        self.mark.as_deref()
    }

    /// Whether others can write it.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The record of an object, whatever version of its group it was written in.
    pub fn find(&self, object: &ObjectRef) -> Option<&Recorded> {
        self.objects.get(object)
    }

    /// All objects, the first recorded first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Recorded> {
        self.objects.iter()
    }

    /// Records objects, in the place of what was recorded of them. What their files held stays known until they are
    /// written, and what an install has made is not an action's for being applied by it. Who recorded one first stays,
    /// and so does which keys of a Secret ever held a credential.
    pub fn record(&mut self, more: &[Recorded]) {
        for new in more {
            let old = self.objects.get(&new.object);
            let written = new.written.or(old.and_then(|old| old.written));
            let is_settled = old.is_some_and(|old| old.made_by.is_none());
            let made_by = new.made_by.clone().filter(|_| !is_settled);
            let since = old.map_or_else(|| new.since.clone(), |old| old.since.clone());
            let keys = SecretKeys::followed(old.map(|old| old.keys.as_deref()), new.keys.as_deref());
            let keys = keys.map(Box::new);
            self.objects.insert(&new.object, Recorded { written, made_by, since, keys, ..new.clone() });
        }
    }

    /// Forgets an object.
    pub fn forget(&mut self, object: &ObjectRef) {
        self.objects.remove(object);
    }

    /// All of it, the first recorded first.
    pub fn into_recorded(self) -> Vec<Recorded> {
        self.objects.into_values().collect()
    }
}

impl FromIterator<Recorded> for Inventory {
    fn from_iter<I: IntoIterator<Item = Recorded>>(recorded: I) -> Self {
        let mut objects = Objects::default();
        recorded.into_iter().for_each(|recorded| objects.insert(&recorded.object.clone(), recorded));
        Self { objects, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who an object belongs to after it was recorded for each of these in turn; empty is an install.
    fn owner(turns: &[&str]) -> Option<String> {
        let object = ObjectRef::new("v1", "ConfigMap", Some("prod"), "a");
        let mut inventory = Inventory::default();
        for turn in turns {
            let run = MadeBy { action: (*turn).to_owned(), revision: "1".into() };
            let made_by = Some(Box::new(run)).filter(|run| !run.action.is_empty());
            inventory.record(&[Recorded { made_by, ..Recorded::of(object.clone()) }]);
        }
        inventory.find(&object).unwrap().made_by.as_ref().map(|run| run.action.clone())
    }

    #[test]
    fn an_object_is_an_actions_until_an_install_has_it_and_never_again() {
        assert_eq!(owner(&["backup"]).as_deref(), Some("backup"));
        assert_eq!(owner(&["backup", "restore"]).as_deref(), Some("restore"));
        assert_eq!(owner(&["backup", ""]), None);
        assert_eq!(owner(&["", "backup"]), None);
        assert_eq!(owner(&["backup", "", "backup"]), None);
    }

    #[test]
    fn an_object_is_known_since_it_was_recorded_first() {
        let object = ObjectRef::new("v1", "ConfigMap", Some("prod"), "a");
        let by = |revision: Option<&str>| Recorded {
            since: revision.map(Into::into),
            ..Recorded::of(object.clone())
        };
        let since = |inventory: &Inventory| inventory.find(&object).unwrap().since.clone();
        let mut inventory = Inventory::default();
        inventory.record(&[by(Some("1")), by(Some("2"))]);
        assert_eq!(since(&inventory).as_deref(), Some("1"));
        inventory.forget(&object);
        inventory.record(&[by(Some("3"))]);
        assert_eq!(since(&inventory).as_deref(), Some("3"), "it was gone in between");
        // Of one that an earlier version of the program recorded nobody knows, whoever applies it now.
        let mut old: Inventory = std::iter::once(by(None)).collect();
        old.record(&[by(Some("3"))]);
        assert_eq!(since(&old), None);
    }

    #[test]
    fn what_an_earlier_version_recorded_belongs_to_the_installation() {
        let text = r#"{"object": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "prod", "name": "a"}, "uid": "1"}"#;
        let recorded: Recorded = serde_json::from_str(text).unwrap();
        assert_eq!(recorded.made_by, None);
        assert_eq!(recorded.since, None);
        let written = serde_json::to_string(&recorded).unwrap();
        assert!(!written.contains("madeBy") && !written.contains("since"), "{written}");
    }
}
