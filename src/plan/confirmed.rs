//! The proof that a plan was shown, and that somebody said yes to it: what carrying it out takes, and what an identity for
//! its run is made by.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::grant::{Mint, Permitted, identity};
use crate::kubernetes::rbac::{IdentityRecord, Rights};
use crate::verify::{Approved, ApprovedBy};

use super::{Plan, Proposed};

/// A plan that somebody said yes to, after whoever else had to.
///
/// Nobody else can claim that:
/// ```compile_fail
/// let forged = carnet::plan::Confirmed { ..panic!() };
/// ```
/// ```compile_fail
/// let forged = carnet::grant::identity::confirmed(panic!());
/// ```
#[derive(Debug)]
pub struct Confirmed {
    /// The rights that it was shown to take.
    rights: Rights,
    /// The namespaces that it makes.
    makes: BTreeSet<String>,
    /// Who had approved it before.
    approved_by: Vec<ApprovedBy>,
}

impl Proposed {
    /// Asks whether the plan is to be carried out, which nobody says alone where others have to approve it. None: no, or
    /// another plan was approved. `tests/layers.rs` fails where anything but the story asks.
    pub(crate) fn confirm(
        &self,
        approved: Approved,
        answer: impl FnOnce(&Plan) -> bool,
    ) -> Option<Confirmed> {
        let is_confirmed = approved.plan() == self.plan().digest && answer(self.plan());
        is_confirmed.then(|| Confirmed {
            rights: self.acting_rights().clone(),
            makes: self.plan().namespaces_made().into_iter().collect(),
            approved_by: approved.into_by(),
        })
    }
}

impl Confirmed {
    /// Who had approved the plan before somebody said yes to it.
    pub fn approved_by(&self) -> &[ApprovedBy] {
        &self.approved_by
    }

    /// The permit to make an identity for the run, with the rights of its plan and no others.
    pub fn mint(&self, record: IdentityRecord, lifetime: Duration) -> Permitted<Mint> {
        let (rights, later) = (self.rights.clone(), self.makes.clone());
        identity::confirmed(Mint { record, rights, lifetime, later })
    }
}
