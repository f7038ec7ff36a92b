//! An identity that is made for one run, as it is recorded before it is made, so that all of it can be removed.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kubernetes::api::RBAC;
use crate::kubernetes::object::ObjectRef;

use super::rule::{ApiVerb, PolicyRule};
use super::scope::{RoleScope, account};

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

impl IdentityRecord {
    /// Every object that it may consist of.
    pub fn objects(&self) -> Vec<ObjectRef> {
        let accounts = self.namespaces.iter().map(|namespace| account(namespace, &self.name));
        let roles = self.scopes.iter().flat_map(|scope| [scope.binding(&self.name), scope.role(&self.name)]);
        accounts.chain(roles).collect()
    }

    /// The rights that making and removing it takes, the ones it gets apart.
    pub fn required_rights(&self) -> Vec<(RoleScope, PolicyRule)> {
        const WRITE: [ApiVerb; 3] = [ApiVerb::Create, ApiVerb::Delete, ApiVerb::Patch];
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
