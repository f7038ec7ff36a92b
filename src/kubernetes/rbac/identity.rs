//! An identity that is made for one run, as it is recorded before it is made, so that all of it can be removed.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::kubernetes::api::RBAC;
use crate::kubernetes::object::ObjectRef;

use super::rule::{ApiVerb, PolicyRule};
use super::scope::{RoleScope, account};

/// How the names of identities begin; an id follows.
const PREFIX: &str = "carnet-";

/// The name that the objects of an identity share: `carnet-` and a ULID in lower case. Only what has such a name may be
/// removed as a part of an identity, and not for its name alone: anybody can give it to something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityName(String);

/// A ServiceAccount with its roles and bindings, all of one name that nothing else has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRecord {
    /// The name.
    pub name: String,
    /// The installation it acts for, `NAMESPACE/NAME`.
    pub owner: String,
    /// The address of the cluster.
    pub server: String,
    /// The account is in the first of these namespaces that is there.
    #[serde(rename = "homes")]
    pub namespaces: Vec<String>,
    /// Whether these are set apart for accounts of runs, since its rights go beyond the installation's own namespace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_apart: bool,
    /// Where it has rights.
    pub scopes: BTreeSet<RoleScope>,
    /// When it is of no more use (RFC 3339).
    pub expires: String,
}

impl IdentityName {
    /// The name of the identity with this id.
    pub fn of(id: Ulid) -> Self {
        Self(format!("{PREFIX}{}", id.to_string().to_lowercase()))
    }

    /// Reads a name. None: it is that of something else.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.strip_prefix(PREFIX)?.parse().ok()?;
        Some(Self::of(id)).filter(|name| name.0 == text)
    }
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<IdentityName> for String {
    fn from(name: IdentityName) -> Self {
        name.0
    }
}

impl IdentityRecord {
    /// Every object that it may consist of.
    pub fn objects(&self) -> Vec<ObjectRef> {
        let accounts = self.namespaces.iter().map(|namespace| account(namespace, &self.name));
        let roles = self.scopes.iter().flat_map(|scope| [scope.binding(&self.name), scope.role(&self.name)]);
        accounts.chain(roles).collect()
    }

    /// The rights that making and removing it takes, the ones it gets apart.
    pub fn required_rights(&self) -> Vec<(RoleScope, PolicyRule)> {
        const WRITE: [ApiVerb; 4] = [ApiVerb::Create, ApiVerb::Delete, ApiVerb::Get, ApiVerb::Patch];
        let home = self.namespaces.first().map(|home| RoleScope::Namespace(home.clone()));
        let account = home.into_iter().flat_map(|home| {
            let token = PolicyRule::all("", "serviceaccounts/token", &[ApiVerb::Create]);
            [(home.clone(), PolicyRule::all("", "serviceaccounts", &WRITE)), (home, token)]
        });
        let looks = self.namespaces.first().filter(|_| self.is_apart).map(|home| {
            (RoleScope::Namespace(home.clone()), PolicyRule::one("", "namespaces", home, ApiVerb::Get))
        });
        let roles = self.scopes.iter().map(|scope| {
            let resources: [&str; 2] = match scope {
                RoleScope::Cluster => ["clusterroles", "clusterrolebindings"],
                RoleScope::Namespace(_) => ["roles", "rolebindings"],
            };
            let mut rule = PolicyRule::all(RBAC, resources[0], &WRITE);
            rule.resources.insert(resources[1].to_owned());
            (scope.clone(), rule)
        });
        looks.into_iter().chain(account).chain(roles).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "carnet-01k8zt3w9x5s7q2m4n6p8r0v1y";

    #[test]
    fn an_identity_has_a_name_that_nothing_else_has() {
        let name = IdentityName::of("01K8ZT3W9X5S7Q2M4N6P8R0V1Y".parse().unwrap());
        assert_eq!(name.to_string(), NAME);
        assert_eq!(IdentityName::parse(NAME), Some(name));
        for other in [
            "",
            "carnet-",
            "carnet-web",
            "carnet-01K8ZT3W9X5S7Q2M4N6P8R0V1Y",
            "carnet-01k8zt3w9x5s7q2m4n6p8r0v1",
            "carnet-01k8zt3w9x5s7q2m4n6p8r0v1yy",
            "carnet-81k8zt3w9x5s7q2m4n6p8r0v1y",
            "carnet-o1k8zt3w9x5s7q2m4n6p8r0v1y",
            "other-01k8zt3w9x5s7q2m4n6p8r0v1y",
            "carnet-01k8zt3w9x5s7q2m4n6p8r0v1y ",
        ] {
            assert_eq!(IdentityName::parse(other), None, "{other}");
        }
    }
}
