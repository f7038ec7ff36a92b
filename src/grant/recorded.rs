//! Permits for what an installation's own record names. They are the runtime's, for what the operator asks of an
//! installation (uninstall, prune, status); a component gets none of them.

use serde_json::{Map, Value};

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

    /// A claim that this StatefulSet, as it was found, may have made, and that nothing removes with it: the one of a
    /// template for an ordinal. None: it makes no such claim.
    pub fn possible_claim<'a>(
        &self,
        found: &'a Value,
        template: usize,
        ordinal: u64,
    ) -> Option<PossibleClaim<'a>> {
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
        let labels = found.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        claim.check().is_ok().then_some(PossibleClaim { claim, labels })
    }

    /// Asking about its readiness.
    pub fn wait(&self) -> Permitted<Wait> {
        Permitted::assertion(Wait(self.0.clone()))
    }
}

/// A claim that has the name of one which a recorded StatefulSet makes. It may be looked at; somebody could have made it by
/// hand, so it counts as recorded only once its labels were seen.
///
/// Nobody else can claim that they were:
/// ```compile_fail
/// let forged = carnet::grant::recorded::PossibleClaim { ..panic!() };
/// ```
#[derive(Debug, Clone)]
pub struct PossibleClaim<'a> {
    claim: ObjectRef,
    /// The labels that the set selects by.
    labels: Option<&'a Map<String, Value>>,
}

impl PossibleClaim<'_> {
    /// Reading it.
    pub fn get(&self) -> Permitted<Get> {
        Permitted::assertion(Get(self.claim.clone()))
    }

    /// The claim, if what was found is this object and has all labels of the set. None: it is not the set's. Labels that
    /// say nothing prove nothing.
    pub fn recognized(self, found: &Value) -> Option<RecordedObject> {
        let has = |(name, value): (&String, &Value)| {
            found.pointer("/metadata/labels").and_then(|labels| labels.get(name)) == Some(value)
        };
        let is_its = self.labels.is_some_and(|labels| !labels.is_empty() && labels.iter().all(has));
        (is_its && self.claim.names(found)).then_some(RecordedObject(self.claim))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recorded(api_version: &str) -> RecordedObject {
        RecordedObject(ObjectRef::new(api_version, "StatefulSet", Some("prod"), "db"))
    }

    fn possible(api_version: &str, found: &Value, template: usize) -> Option<String> {
        Some(recorded(api_version).possible_claim(found, template, 2)?.claim.to_string())
    }

    #[test]
    fn a_recorded_object_is_written_in_any_version_and_stays_that_object() {
        let object = |api_version: &str, namespace: &str, name: &str| {
            ObjectRef::new(api_version, "Deployment", Some(namespace), name)
        };
        let recorded = RecordedObject(object("apps/v1beta1", "prod", "web"));
        let now = object("apps/v1", "prod", "web");
        assert_eq!(recorded.written_as(&now).map(|it| it.object().clone()), Some(now));
        for other in [
            object("example.com/v1", "prod", "web"),
            object("apps/v1", "dev", "web"),
            object("apps/v1", "prod", "db"),
        ] {
            assert_eq!(recorded.written_as(&other), None, "{other}");
        }
        let permits = (recorded.get().0.clone(), recorded.delete().0.clone(), recorded.wait().0.clone());
        assert!([permits.0, permits.1, permits.2].iter().all(|permitted| permitted == recorded.object()));
    }

    #[test]
    fn only_what_a_recorded_set_makes_and_leaves_may_be_a_claim_of_it() {
        let set = |more: Value| {
            let mut spec = json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}}, {"metadata": {"name": "A/b"}}]});
            spec["persistentVolumeClaimRetentionPolicy"] = more;
            json!({ "spec": spec })
        };
        let kept = set(json!({"whenDeleted": "Retain", "whenScaled": "Delete"}));
        assert_eq!(possible("apps/v1", &kept, 0).as_deref(), Some("PersistentVolumeClaim prod/data-db-2"));
        assert_eq!(possible("apps/v1", &set(Value::Null), 0), possible("apps/v1", &kept, 0));
        assert_eq!(possible("apps/v1", &set(json!({"whenDeleted": "Delete"})), 0), None, "it goes by itself");
        assert_eq!(possible("apps/v1", &kept, 1), None, "no name of an object");
        assert_eq!(possible("apps/v1", &kept, 2), None, "no such template");
        assert_eq!(possible("example.com/v1", &kept, 0), None, "another kind");
        assert_eq!(possible("apps/v1", &json!({}), 0), None);
    }

    #[test]
    fn a_claim_is_a_sets_only_under_its_name_and_with_all_of_its_labels() {
        let set = |labels: Value| {
            json!({ "spec": {
                "selector": { "matchLabels": labels },
                "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
            } })
        };
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": "data-db-2", "namespace": "prod", "labels": { "app": "db", "tier": "x", "more": "y" },
            },
        });
        let recognized = |set: &Value, found: &Value| {
            let possible = recorded("apps/v1").possible_claim(set, 0, 2).unwrap();
            assert_eq!(possible.get().0.name, "data-db-2");
            possible.recognized(found).map(|claim| claim.delete().0.to_string())
        };
        let db = set(json!({ "app": "db", "tier": "x" }));
        let named = Some("PersistentVolumeClaim prod/data-db-2".to_owned());
        assert_eq!(recognized(&db, &claim), named);
        for labels in [json!({ "app": "other" }), json!({ "app": "db", "zone": "a" }), json!({}), Value::Null]
        {
            assert_eq!(recognized(&set(labels.clone()), &claim), None, "{labels}");
        }
        assert_eq!(recognized(&db, &json!({})), None);
        for (pointer, value) in [
            ("/metadata/name", "data-db-3"),
            ("/metadata/namespace", "dev"),
            ("/kind", "Secret"),
            ("/apiVersion", "example.com/v1"),
        ] {
            let mut other = claim.clone();
            *other.pointer_mut(pointer).unwrap() = json!(value);
            assert_eq!(recognized(&db, &other), None, "{pointer}: another object than was asked for");
        }
    }
}
