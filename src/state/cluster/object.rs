//! Turns parts of a name into the name of an object of ours, and what the server has under it into a record or a Lease.
//!
//! A permit says that an object of a *bundle* was checked against what its operator granted. Records are no bundle's:
//! no component names them, and none is asked for. [`RecordName`] stands in the place of a permit: it can only be made
//! of two kinds and of names that begin with `carnet.`, from parts that are labels; and an object under such a name
//! that does not call itself a record is refused.

use std::fmt;

use serde_json::{Map, Value};

use crate::cluster::{Error, Precondition};
use crate::kubernetes::api::{COORDINATION, v1};
use crate::kubernetes::object::{ObjectRef, is_label};
use crate::kubernetes::path;
use crate::text::url::percent_encoded;

/// The type of the Secrets that are records.
pub(super) const RECORD: &str = "carnet.dev/record";

/// The longest name of an object.
const MAX_NAME: usize = 253;

/// The name of an object of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RecordName {
    is_lease: bool,
    namespace: String,
    name: String,
}

/// Which state of which object: what is only to be done to this one names both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectVersion {
    /// The identity of the object.
    pub(super) uid: String,
    /// Its version.
    pub(super) resource_version: String,
}

/// An object of ours as it is. Its content is not in `Debug`.
#[derive(Clone)]
pub(super) struct RecordObject {
    /// Its name.
    pub(super) name: RecordName,
    /// Its version.
    pub(super) version: ObjectVersion,
    /// All of it.
    pub(super) value: Value,
}

impl RecordName {
    /// A record. None: a part, or the namespace, is no label, or the whole is too long.
    pub(super) fn record(namespace: &str, parts: &[&str]) -> Option<Self> {
        Self::new(false, namespace, parts)
    }

    /// The Lease of an installation. None: its name or namespace is no label.
    pub(super) fn lease(namespace: &str, installation: &str) -> Option<Self> {
        Self::new(true, namespace, &[installation])
    }

    fn new(is_lease: bool, namespace: &str, parts: &[&str]) -> Option<Self> {
        let name = format!("carnet.{}", parts.join("."));
        let is_named = !parts.is_empty() && parts.iter().all(|part| is_label(part)) && name.len() <= MAX_NAME;
        (is_named && is_label(namespace)).then(|| Self { is_lease, namespace: namespace.into(), name })
    }

    /// The object that an item of a list is, if it is one of ours.
    pub(super) fn of_item(item: &Value) -> Option<Self> {
        let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str);
        Self::listed(text("/metadata/namespace")?, text("/metadata/name")?)
    }

    fn listed(namespace: &str, name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.strip_prefix("carnet.")?.split('.').collect();
        Self::record(namespace, &parts)
    }

    /// Its name.
    pub(super) fn as_str(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The object that requests and errors are about.
    pub(super) fn reference(&self) -> ObjectRef {
        let (api_version, kind) =
            if self.is_lease { (v1(COORDINATION), "Lease") } else { ("v1".to_owned(), "Secret") };
        ObjectRef::new(api_version, kind, Some(&self.namespace), &*self.name)
    }

    /// Its address.
    pub(super) fn path(&self) -> String {
        let plural = if self.is_lease { "leases" } else { "secrets" };
        let list = path::of_list(&self.reference().api_version, plural, Some(&self.namespace));
        format!("{list}/{}", percent_encoded(&self.name))
    }
}

impl ObjectVersion {
    /// That the object has just this version, whoever wrote it.
    pub(super) fn unchanged(&self) -> Precondition {
        Precondition { uid: Some(self.uid.clone()), resource_version: Some(self.resource_version.clone()) }
    }

    /// That the object is this one, in whichever version.
    pub(super) fn same(&self) -> Precondition {
        Precondition { uid: Some(self.uid.clone()), resource_version: None }
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference().fmt(f)
    }
}

impl RecordObject {
    /// Reads what the server has under a name.
    ///
    /// # Errors
    /// [`Error::Response`] where it is another object, no record, or has no version.
    pub(super) fn read(value: Value, name: &RecordName) -> Result<Self, Error> {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        let unusable = |why: &str| Error::unusable(name, why);
        let is_named = text("/metadata/name") == Some(name.as_str())
            && text("/metadata/namespace") == Some(name.namespace());
        if !is_named {
            return Err(unusable("it is about another object"));
        }
        if !name.is_lease && text("/type") != Some(RECORD) {
            return Err(unusable("it is no record: it has another type"));
        }
        let (Some(uid), Some(version)) = (text("/metadata/uid"), text("/metadata/resourceVersion")) else {
            return Err(unusable("it has no identity"));
        };
        let version = ObjectVersion { uid: uid.into(), resource_version: version.into() };
        Ok(Self { name: name.clone(), version, value })
    }

    /// Whether the members of `body` are there, as they were sent.
    pub(super) fn holds(&self, body: &Map<String, Value>) -> bool {
        body.iter().filter(|(name, _)| *name != "metadata").all(|(name, it)| self.value.get(name) == Some(it))
    }
}

impl fmt::Debug for RecordObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordObject").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_of_ours_is_made_of_labels_and_nothing_else() {
        let name = RecordName::record("prod", &["claim", "web", "01k"]).unwrap();
        assert_eq!(name.path(), "/api/v1/namespaces/prod/secrets/carnet.claim.web.01k");
        let lease = RecordName::lease("prod", "web").unwrap();
        assert_eq!(lease.path(), "/apis/coordination.k8s.io/v1/namespaces/prod/leases/carnet.web");
        for parts in [&["a/b"][..], &["a", ".."], &["A"], &[""], &["a.b"], &[&"a".repeat(64)], &[]] {
            assert_eq!(RecordName::record("prod", parts), None, "{parts:?}");
        }
        assert_eq!(RecordName::record("kube-system/secrets", &["a"]), None);
        let long = "a".repeat(63);
        assert_eq!(RecordName::record("prod", &[&long, &long, &long, &long]), None);
    }

    #[test]
    fn what_a_list_has_under_another_name_is_not_ours() {
        assert_eq!(RecordName::listed("prod", "db"), None);
        assert_eq!(RecordName::listed("prod", "carnet.."), None);
        assert_eq!(
            RecordName::listed("prod", "carnet.claim.web"),
            RecordName::record("prod", &["claim", "web"])
        );
    }

    #[test]
    fn an_object_that_is_no_record_is_refused() {
        let name = RecordName::record("prod", &["installation", "web"]).unwrap();
        let found = |change: fn(&mut Value)| {
            let mut value = json!({"type": RECORD, "metadata": {"name": "carnet.installation.web",
                "namespace": "prod", "uid": "1", "resourceVersion": "2"}});
            change(&mut value);
            RecordObject::read(value, &name).map(|found| found.version).map_err(|error| error.to_string())
        };
        assert!(found(|_| {}).is_ok());
        let refused = |change, reason| {
            let error = found(change).unwrap_err();
            assert!(error.contains(reason), "{error}");
        };
        refused(|value| value["type"] = "Opaque".into(), "another type");
        refused(|value| value["metadata"]["namespace"] = "other".into(), "another object");
        refused(|value| value["metadata"]["name"] = "other".into(), "another object");
        refused(|value| value["metadata"]["uid"] = Value::Null, "no identity");
    }
}
