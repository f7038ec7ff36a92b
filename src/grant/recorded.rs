//! Permits for what an installation's own record names. They are the runtime's, for what the operator asks of an
//! installation (uninstall, prune, status); a component gets none of them.

use serde_json::Value;

use crate::kubernetes::api::APPS;
use crate::kubernetes::object::ObjectRef;

use super::permit::{Delete, Get, Permitted, Wait};

/// An object that an installation's own record names.
///
/// Nobody else can claim that a record does:
/// ```compile_fail
/// let forged = carnet::grant::recorded::RecordedObject::read_back(panic!());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedObject(ObjectRef);

impl RecordedObject {
    /// Claims that a record which was read back names this object. `tests/layers.rs` fails where anything but `state`
    /// does.
    pub(crate) fn read_back(object: ObjectRef) -> Self {
        Self(object)
    }

    /// Which object.
    pub fn object(&self) -> &ObjectRef {
        &self.0
    }

    /// The same object, written in another version of its group. None: it is another object.
    pub fn written_as(&self, object: &ObjectRef) -> Option<Self> {
        (self.0.id() == object.id()).then(|| Self(object.clone()))
    }

    /// Reading it.
    pub fn get(&self) -> Permitted<Get> {
        Permitted::assertion(Get(self.0.clone()))
    }

    /// Removing it.
    pub fn delete(&self) -> Permitted<Delete> {
        Permitted::assertion(Delete(self.0.clone()))
    }

    /// A claim that this StatefulSet, as it was found, has made, and that nothing removes with it: the one of a
    /// template for an ordinal. None: it makes no such claim.
    pub fn claim(&self, found: &Value, template: usize, ordinal: u64) -> Option<Self> {
        let set = &self.0;
        let goes = found.pointer("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted");
        if !set.is(APPS, "StatefulSet") || goes.is_some_and(|policy| policy == "Delete") {
            return None;
        }
        let name = found
            .pointer("/spec/volumeClaimTemplates")?
            .get(template)?
            .pointer("/metadata/name")?
            .as_str()?;
        let name = format!("{name}-{}-{ordinal}", set.name);
        let claim = ObjectRef::new("v1", "PersistentVolumeClaim", set.namespace.as_deref(), name);
        claim.check().is_ok().then_some(Self(claim))
    }

    /// Asking about its readiness.
    pub fn wait(&self) -> Permitted<Wait> {
        Permitted::assertion(Wait(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claim(api_version: &str, found: &Value, template: usize) -> Option<String> {
        let set = ObjectRef::new(api_version, "StatefulSet", Some("prod"), "db");
        Some(RecordedObject(set).claim(found, template, 2)?.object().to_string())
    }

    #[test]
    fn only_what_a_recorded_set_makes_and_leaves_is_a_claim_of_it() {
        let set = |more: Value| {
            let mut spec = json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}}, {"metadata": {"name": "A/b"}}]});
            spec["persistentVolumeClaimRetentionPolicy"] = more;
            json!({ "spec": spec })
        };
        let kept = set(json!({"whenDeleted": "Retain", "whenScaled": "Delete"}));
        assert_eq!(claim("apps/v1", &kept, 0).as_deref(), Some("PersistentVolumeClaim prod/data-db-2"));
        assert_eq!(claim("apps/v1", &set(Value::Null), 0), claim("apps/v1", &kept, 0));
        assert_eq!(claim("apps/v1", &set(json!({"whenDeleted": "Delete"})), 0), None, "it goes by itself");
        assert_eq!(claim("apps/v1", &kept, 1), None, "no name of an object");
        assert_eq!(claim("apps/v1", &kept, 2), None, "no such template");
        assert_eq!(claim("example.com/v1", &kept, 0), None, "another kind");
        assert_eq!(claim("apps/v1", &json!({}), 0), None);
    }
}
