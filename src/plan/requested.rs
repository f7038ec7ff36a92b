//! The proof that an operator asked for an account with the rights of a plan, to make and carry it out later.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::grant::{Mint, Permitted, identity};
use crate::kubernetes::rbac::{IdentityRecord, Rights};
use crate::verify::Approved;

use super::Proposed;

/// A request for an account with the rights of a plan. Nobody is asked about the plan: naming a file for the account's
/// kubeconfig is the operator's word, and whoever uses the account is asked about their own plan.
///
/// Nobody else can claim that there was one:
/// ```compile_fail
/// let forged = carnet::plan::Requested { ..panic!() };
/// ```
/// ```compile_fail
/// let forged = carnet::grant::identity::requested(panic!());
/// ```
#[derive(Debug)]
pub struct Requested {
    rights: Rights,
}

impl Proposed {
    /// Takes it that an operator asked for an account with the rights of this plan, which nobody gets that somebody else
    /// has to approve first. `tests/layers.rs` fails where anything but `rbac` does.
    ///
    /// # Errors
    /// A namespace that the plan makes itself: no rights can be given in it before.
    pub(crate) fn requested(&self, _approved: Approved) -> Result<Requested, String> {
        match self.plan().namespaces_made().into_iter().next() {
            Some(namespace) => Err(namespace),
            None => Ok(Requested { rights: self.all_rights().clone() }),
        }
    }
}

impl Requested {
    /// Rights of an account that also keeps the state of its installation.
    #[must_use]
    pub fn keeping_state(mut self, rights: Rights) -> Self {
        self.rights.add(rights);
        self
    }

    /// The rights that the account is to have.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// The permit to make the account, with the rights of its plan and no others.
    pub fn mint(&self, record: IdentityRecord, lifetime: Duration) -> Permitted<Mint> {
        let (rights, later) = (self.rights.clone(), BTreeSet::new());
        identity::requested(Mint { record, rights, lifetime, later })
    }
}
