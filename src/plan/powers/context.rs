//! Objects in the cluster beside the plan, and which of them have to be looked up before powers are known.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::kubernetes::object::ObjectRef;
use crate::plan::trace::ObjectChange;

use super::accounts::{self, Rbac};
use super::coverage::Coverage;
use super::item::{Item, items};
use super::pods::PodView;

/// RBAC objects of the cluster that are not part of the plan, as far as they are known.
#[derive(Debug, Clone)]
pub struct ClusterContext {
    /// Roles, and the bindings that concern accounts of the plan.
    pub objects: Vec<(ObjectRef, Value)>,
    /// Whether these are all that exist.
    pub coverage: Coverage,
}

/// RBAC objects to look up in the cluster before the rights of the plan's service accounts are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookups {
    /// The accounts.
    accounts: BTreeSet<accounts::AccountName>,
    /// Roles that the plan binds and does not bring.
    roles: BTreeSet<ObjectRef>,
}

impl ClusterContext {
    /// Nothing is known.
    pub fn unknown(coverage: Coverage) -> Self {
        Self { objects: Vec::new(), coverage }
    }

    /// Keeps those of a cluster's bindings that concern accounts of the plan.
    pub fn keep(&mut self, lookups: &Lookups, bindings: Vec<(ObjectRef, Value)>) {
        let keys: BTreeSet<String> = lookups.accounts.iter().flat_map(accounts::keys).collect();
        let concerns = |(object, body): &(ObjectRef, Value)| {
            accounts::subjects(&Item { object, body }).iter().any(|subject| keys.contains(subject))
        };
        self.objects.extend(bindings.into_iter().filter(concerns));
    }

    /// The roles that are still to be read.
    pub fn roles(&self, lookups: &Lookups) -> BTreeSet<ObjectRef> {
        let bound = self.objects.iter().filter_map(|(object, body)| accounts::role(&Item { object, body }));
        bound.chain(lookups.roles.iter().cloned()).collect()
    }
}

impl Lookups {
    /// The lookups that the powers of a plan's objects depend on.
    pub fn of<'a>(changes: impl IntoIterator<Item = &'a ObjectChange>) -> Self {
        let items = items(changes, |row| row.after.as_ref());
        let rbac = Rbac::new(&items, &[], Coverage::All);
        let mut lookups = Self::default();
        for item in &items {
            lookups.accounts.extend(PodView::all(item).iter().filter_map(|pod| rbac.carried(item, pod)));
            lookups.accounts.extend(accounts::of_token(item));
            lookups.roles.extend(accounts::role(item));
        }
        let planned: BTreeSet<_> = items.iter().map(|item| item.object.id()).collect();
        lookups.roles.retain(|role| !planned.contains(&role.id()));
        lookups
    }

    /// Whether nothing has to be known.
    pub fn is_nothing(&self) -> bool {
        self.accounts.is_empty() && self.roles.is_empty()
    }

    /// Whether bindings have to be known.
    pub fn has_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// The namespaces of the accounts.
    pub fn namespaces(&self) -> BTreeSet<&str> {
        self.accounts.iter().map(|(namespace, _)| namespace.as_str()).collect()
    }
}

/// Objects of the cluster that the plan neither changes nor removes.
pub(super) fn beside<'a>(
    changes: &[impl Borrow<ObjectChange>],
    context: &'a ClusterContext,
) -> Vec<Item<'a>> {
    let planned: BTreeSet<_> = changes.iter().map(|row| row.borrow().object.id()).collect();
    let there = context.objects.iter().filter(|(object, _)| !planned.contains(&object.id()));
    there.map(|(object, body)| Item { object, body }).collect()
}
