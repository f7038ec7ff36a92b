//! The approvals that are at hand, and the policy that may demand some.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::fetch::Fetched;
use crate::verify::{Approved, GivenApproval, PlanToApprove, TrustPolicy, Unapproved};

/// The approvals that are at hand, and the policy that may demand some. The default demands none.
#[derive(Clone, Default)]
pub struct Approvals {
    policy: Option<Arc<TrustPolicy>>,
    given: Vec<GivenApproval>,
    now: Timestamp,
}

impl Approvals {
    /// These approvals, under a policy. None: nothing is demanded.
    pub fn new(policy: Option<Arc<TrustPolicy>>, given: Vec<GivenApproval>, now: Timestamp) -> Self {
        Self { policy, given, now }
    }

    /// The proof that a plan is approved, as far as the policy wants that.
    ///
    /// # Errors
    /// [`Unapproved`] where the policy wants more.
    pub fn check(&self, plan: &PlanToApprove) -> Result<Approved, Unapproved> {
        match &self.policy {
            Some(policy) => policy.approved(plan, &self.given, self.now),
            None => Ok(Approved::undemanded(plan)),
        }
    }

    /// The ids of the policy's keys that signed a bundle.
    pub(super) fn signers(&self, fetched: &Fetched) -> BTreeSet<String> {
        self.policy.as_ref().map(|policy| policy.signers_of(fetched)).unwrap_or_default()
    }

    /// The policy's demands on a plan, a sentence for each rule.
    pub fn demands(&self, plan: &PlanToApprove) -> Vec<String> {
        self.policy.as_ref().map(|policy| policy.demands(plan)).unwrap_or_default()
    }
}

impl fmt::Debug for Approvals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approvals").field("given", &self.given.len()).finish_non_exhaustive()
    }
}
