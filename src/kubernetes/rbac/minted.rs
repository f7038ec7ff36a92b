//! An identity that is made for one run, as it is recorded before it is made, so that it can always be removed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::kubernetes::object::ObjectRef;

use super::{PolicyRule, Scope, Verb, account};

/// A ServiceAccount with its roles and bindings, all of one name that nothing else has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Minted {
    /// The name.
    pub name: String,
    /// The installation it acts for, `NAMESPACE/NAME`.
    pub owner: String,
    /// The address of the cluster.
    pub server: String,
    /// The account is in the first of these namespaces that is there.
    pub homes: Vec<String>,
    /// Where it has rights.
    pub scopes: BTreeSet<Scope>,
    /// When it is of no more use (RFC 3339).
    pub expires: String,
}

impl Minted {
    /// Every object that it may consist of.
    pub fn objects(&self) -> Vec<ObjectRef> {
        let accounts = self.homes.iter().map(|home| account(home, &self.name));
        let roles = self.scopes.iter().flat_map(|scope| [scope.binding(&self.name), scope.role(&self.name)]);
        accounts.chain(roles).collect()
    }

    /// The rights that making and removing it takes, the ones it gets apart.
    pub fn cost(&self) -> Vec<(Scope, PolicyRule)> {
        const WRITE: [Verb; 3] = [Verb::Create, Verb::Delete, Verb::Patch];
        let home = self.homes.first().map(|home| Scope::Namespace(home.clone()));
        let account = home.into_iter().flat_map(|home| {
            let token = PolicyRule::all("", "serviceaccounts/token", &[Verb::Create]);
            [(home.clone(), PolicyRule::all("", "serviceaccounts", &WRITE)), (home, token)]
        });
        let roles = self.scopes.iter().map(|scope| {
            let resources: [&str; 2] = match scope {
                Scope::Cluster => ["clusterroles", "clusterrolebindings"],
                Scope::Namespace(_) => ["roles", "rolebindings"],
            };
            let mut rule = PolicyRule::all(super::RBAC, resources[0], &WRITE);
            rule.resources.insert(resources[1].to_owned());
            (scope.clone(), rule)
        });
        account.chain(roles).collect()
    }
}
