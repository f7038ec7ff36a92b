//! Where rights hold, and the objects that give them there: a role and its binding, to an account.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kubernetes::api::{self, RBAC};
use crate::kubernetes::object::ObjectRef;

/// Where a right holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RoleScope {
    /// Everywhere, and for objects outside namespaces.
    Cluster,
    /// In one namespace.
    Namespace(String),
}

impl RoleScope {
    /// The namespace, unless it is the cluster.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Cluster => None,
            Self::Namespace(namespace) => Some(namespace),
        }
    }

    /// The scope that an object is in.
    pub fn of(object: &ObjectRef) -> Self {
        object.namespace.clone().map_or(Self::Cluster, Self::Namespace)
    }

    /// The role of this name.
    pub fn role(&self, name: &str) -> ObjectRef {
        self.object(if *self == Self::Cluster { "ClusterRole" } else { "Role" }, name)
    }

    /// The binding of this name.
    pub fn binding(&self, name: &str) -> ObjectRef {
        self.object(if *self == Self::Cluster { "ClusterRoleBinding" } else { "RoleBinding" }, name)
    }

    fn object(&self, kind: &str, name: &str) -> ObjectRef {
        ObjectRef::new(api::v1(RBAC), kind, self.namespace(), name)
    }
}

impl fmt::Display for RoleScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("the cluster"),
            Self::Namespace(namespace) => write!(f, "namespace {namespace}"),
        }
    }
}

/// The ServiceAccount of this name.
pub fn account(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new("v1", "ServiceAccount", Some(namespace), name)
}

/// An object with nothing in it but its name.
pub fn body(object: &ObjectRef) -> Value {
    let mut body =
        json!({ "apiVersion": object.api_version, "kind": object.kind, "metadata": { "name": object.name } });
    if let Some(namespace) = &object.namespace {
        body["metadata"]["namespace"] = namespace.clone().into();
    }
    body
}
