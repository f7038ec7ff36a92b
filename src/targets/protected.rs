//! Protected kinds: removing such an object deletes its contents as well, so it is kept unless the operator says
//! otherwise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kubernetes::api::{APPS, CORE};
use crate::kubernetes::object::ObjectRef;

use super::failure::Error;

/// Kinds whose removal deletes more than the object itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protected {
    /// CustomResourceDefinitions, and with them all custom resources.
    Crds,
    /// Namespaces, and with them all that is in them.
    Namespaces,
    /// PersistentVolumeClaims, and with them the data.
    Pvcs,
}

impl Protected {
    /// As `--delete` takes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Crds => "crds",
            Self::Namespaces => "namespaces",
            Self::Pvcs => "pvcs",
        }
    }

    /// The kind that an object is of, if it is one of these.
    pub fn of(object: &ObjectRef) -> Option<Self> {
        match (object.group(), &*object.kind) {
            _ if object.is_definition() => Some(Self::Crds),
            (CORE, "Namespace") => Some(Self::Namespaces),
            (CORE, "PersistentVolumeClaim") => Some(Self::Pvcs),
            _ => None,
        }
    }
}

/// Checks that an object may be replaced without loss of data.
///
/// # Errors
/// [`Error::Irreplaceable`] for volumes, claims and kinds that create them, and for protected kinds.
pub fn check_replaceable(object: &ObjectRef, found: &Value, fields: &[String]) -> Result<(), Error> {
    let claims = found.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let holds = Protected::of(object).is_some()
        || match (object.group(), &*object.kind) {
            (CORE, "PersistentVolume") => true,
            (APPS, "StatefulSet") => claims.is_some_and(|all| !all.is_empty()),
            _ => false,
        };
    if holds {
        return Err(Error::Irreplaceable { object: object.to_string(), fields: fields.to_vec() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_holds_data_is_never_replaced() {
        let check = |api_version: &str, kind: &str, found: Value| {
            check_replaceable(&ObjectRef::new(api_version, kind, None, "a"), &found, &["spec".into()]).is_ok()
        };
        let claims = json!({ "spec": { "volumeClaimTemplates": [{}] } });
        assert!(!check("v1", "PersistentVolume", json!({})));
        assert!(!check("v1", "PersistentVolumeClaim", json!({})));
        assert!(!check("v1", "Namespace", json!({})));
        assert!(!check("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({})));
        assert!(!check("apps/v1", "StatefulSet", claims.clone()));
        assert!(check("apps/v1", "StatefulSet", json!({})));
        assert!(check("apps/v1", "Deployment", claims));
    }
}
