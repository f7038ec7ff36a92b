//! Decides whether a plan may be carried out as far as somebody else has to approve it.
//!
//! Whoever acts does not say yes to it alone where the policy wants others: each rule that is about a plan has to be met,
//! the machine's as well as the user's. An approval is the signature of a key over the digest of one plan, with a time
//! at which it ends; who handed it over, and in which file, proves nothing.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::digest::Digest;
use crate::document::visible;
use crate::fetch::Fetched;
use crate::signature::sigstore::SigstoreBundle;
use crate::signature::{ApprovalStatement, SignatureFault};

use super::policy::{ApprovalRule, Forbidden, PlanFacts, Required, TargetKind};
use super::{Flaw, TrustPolicy};

/// How long an approval counts at most. One without an end would be for whoever finds it years later.
pub const MAX_VALIDITY: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How far the clock of an approver may be ahead.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A plan that is to be carried out, as far as approvals depend on it.
#[derive(Debug, Clone)]
pub struct PlanToApprove {
    /// The digest of the plan that was made just now, which is what is carried out.
    pub made: Digest,
    /// The digest of the plan that was saved, which is what approvals are about. None: it was not saved, so nobody can
    /// have approved it.
    pub digest: Option<Digest>,
    /// Where its objects go.
    pub target: TargetKind,
    /// Whether it changes anything.
    pub changes_anything: bool,
    /// The rest.
    pub facts: PlanFacts,
    /// Effects that a rule may forbid.
    pub liberties: BTreeSet<Forbidden>,
}

/// An approval that somebody handed over.
#[derive(Debug, Clone)]
pub struct GivenApproval {
    /// The file that it is from, for people.
    pub file: String,
    /// The bytes of a Sigstore bundle.
    pub bytes: Vec<u8>,
}

/// Somebody who approved a plan, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedBy {
    /// The key's name in the policy.
    pub name: String,
    /// The id of the key.
    pub key_id: String,
    /// When it was approved.
    pub approved_at: Timestamp,
    /// When the approval ends.
    pub expires_at: Timestamp,
}

/// The proof that nobody else has to approve a plan any more: as many have as the policy wants, or it wants nobody.
///
/// Nobody else can claim that:
/// ```compile_fail
/// let forged = carnet::verify::Approved { ..panic!() };
/// ```
/// ```compile_fail,E0624
/// # fn forge(plan: &carnet::verify::PlanToApprove) {
/// let forged = carnet::verify::Approved::undemanded(plan);
/// # }
/// ```
#[derive(Debug)]
pub struct Approved {
    plan: Digest,
    by: Vec<ApprovedBy>,
}

/// Why a plan may not be carried out, as far as others have a say in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unapproved {
    /// Something is done that the policy forbids there.
    #[error("rule {rule} of `approvals` in the trust policy{origin} forbids {what} here")]
    Forbidden {
        /// Where the rule stands, from 1.
        rule: usize,
        /// Which policy, if it is the machine's.
        origin: &'static str,
        /// The thing, in words.
        what: &'static str,
    },
    /// Too few have approved it.
    #[error(
        "rule {rule} of `approvals` in the trust policy{origin} wants {threshold} of {} to approve this plan{}, and {}{}",
        .any_of.join(", "), because(.reasons), have(.found), list(.flaws)
    )]
    Missing {
        /// Where the rule stands, from 1.
        rule: usize,
        /// Which policy, if it is the machine's.
        origin: &'static str,
        /// How many distinct keys it demands.
        threshold: usize,
        /// Of these.
        any_of: Vec<String>,
        /// Why the rule is about the plan.
        reasons: Vec<String>,
        /// Who has approved it.
        found: Vec<String>,
        /// Why the other approvals do not count, a clause each.
        flaws: Vec<String>,
    },
}

/// Why one approval does not count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum ApprovalFlaw {
    #[error("key `{key}` has approved it already, in `{}`, and counts once", visible(.file))]
    Again { key: String, file: String },
    #[error("it ended at {0}")]
    Expired(Timestamp),
    #[error("it is of {0}, which has not come")]
    Future(Timestamp),
    #[error(transparent)]
    Key(#[from] Flaw),
    #[error("it is for more than 90 days, from {0} to {1}")]
    Long(Timestamp, Timestamp),
    #[error("it approves another plan, {0}")]
    OtherPlan(Digest),
    #[error("key `{0}` signed the bundle, and who did so may not approve its plan")]
    Signer(String),
    #[error("this plan was not saved, so it cannot be about it")]
    Unsaved,
}

impl Approved {
    /// Takes it that no policy demands anything. `tests/layers.rs` fails where anything but the place that knows
    /// whether there is one says so.
    pub(crate) fn undemanded(plan: &PlanToApprove) -> Self {
        Self { plan: plan.made, by: Vec::new() }
    }

    /// The digest of the plan that may be carried out, as far as others have a say in it.
    pub fn plan(&self) -> Digest {
        self.plan
    }

    /// Who has approved it, as it is recorded.
    pub fn into_by(self) -> Vec<ApprovedBy> {
        self.by
    }
}

impl TrustPolicy {
    /// Who has approved a plan, if that is enough for each rule that is about it. `given` are the approvals that are at
    /// hand.
    ///
    /// # Errors
    /// [`Unapproved`] with the first rule that is not met.
    pub fn approved(
        &self,
        plan: &PlanToApprove,
        given: &[GivenApproval],
        now: Timestamp,
    ) -> Result<Approved, Unapproved> {
        let (made, mut all) = (plan.made, Vec::<ApprovedBy>::new());
        for (policy, origin) in self.each() {
            let plan = &policy.seen(plan, origin);
            for rule in &policy.approvals {
                for by in policy.meets(rule, origin, plan, given, now)? {
                    if all.iter().all(|known| known.key_id != by.key_id) {
                        all.push(by);
                    }
                }
            }
        }
        Ok(Approved { plan: made, by: all })
    }

    /// Demands before a plan may be carried out, a sentence for each rule.
    pub fn demands(&self, plan: &PlanToApprove) -> Vec<String> {
        let mut said = Vec::new();
        for (policy, origin) in self.each() {
            let plan = &policy.seen(plan, origin);
            for rule in policy.approvals.iter().filter(|rule| is_demanded(rule, plan)) {
                let Some(required) = &rule.required else { continue };
                let names: Vec<_> = required.any_of.iter().cloned().collect();
                let reasons = because(&rule.reasons(&plan.facts));
                let (threshold, names) = (required.threshold, names.join(", "));
                let rule = rule.number;
                said.push(format!(
                    "approved by {threshold} of {names} (rule {rule} of `approvals` in the trust policy{origin}{reasons})"
                ));
            }
        }
        said
    }

    /// The ids of the keys of either policy that signed a bundle, whichever rules list them.
    pub fn signers_of(&self, fetched: &Fetched) -> BTreeSet<String> {
        let signed = |policy: &Self| {
            let opened = fetched.signatures().iter().filter_map(|it| policy.open(it, fetched.digest()).ok());
            opened.map(|(_, key)| key.public.id().hex()).collect::<Vec<_>>()
        };
        self.each().flat_map(|(policy, _)| signed(policy)).collect()
    }

    /// The policies that have to agree, each with the words that tell it from the other.
    fn each(&self) -> impl Iterator<Item = (&Self, &'static str)> {
        self.machine.as_deref().map(|machine| (machine, " of this machine")).into_iter().chain([(self, "")])
    }

    /// The plan as this policy believes it. The state is a file of the user's, who could write a wider grant into it
    /// before; to the machine's policy every grant is a wider one.
    fn seen(&self, plan: &PlanToApprove, origin: &str) -> PlanToApprove {
        let mut plan = plan.clone();
        plan.facts.has_wider_grant |= !origin.is_empty() && plan.facts.has_grant;
        plan
    }

    fn meets(
        &self,
        rule: &ApprovalRule,
        origin: &'static str,
        plan: &PlanToApprove,
        given: &[GivenApproval],
        now: Timestamp,
    ) -> Result<Vec<ApprovedBy>, Unapproved> {
        if !is_demanded(rule, plan) {
            return Ok(Vec::new());
        }
        if let Some(liberty) = rule.forbid.intersection(&plan.liberties).next() {
            return Err(Unapproved::Forbidden { rule: rule.number, origin, what: liberty.words() });
        }
        let Some(required) = &rule.required else { return Ok(Vec::new()) };
        let (mut found, mut flaws) = (Vec::<ApprovedBy>::new(), Vec::new());
        let mut files = Vec::<&str>::new();
        for approval in given {
            let counted = self.counts(&approval.bytes, required, plan, now).and_then(|by| {
                // Invariant: a threshold counts distinct keys.
                match found.iter().position(|known| known.key_id == by.key_id) {
                    Some(at) => Err(ApprovalFlaw::Again {
                        key: by.name,
                        file: files.get(at).copied().unwrap_or_default().to_owned(),
                    }),
                    None => Ok(by),
                }
            });
            match counted {
                Ok(by) => {
                    found.push(by);
                    files.push(&approval.file);
                }
                Err(flaw) => flaws.push(format!("`{}`: {flaw}", visible(&approval.file))),
            }
        }
        if found.len() >= required.threshold {
            return Ok(found);
        }
        Err(Unapproved::Missing {
            rule: rule.number,
            origin,
            threshold: required.threshold,
            any_of: required.any_of.iter().cloned().collect(),
            reasons: rule.reasons(&plan.facts),
            found: found.into_iter().map(|by| by.name).collect(),
            flaws,
        })
    }

    /// Who made an approval, if it counts.
    fn counts(
        &self,
        bytes: &[u8],
        required: &Required,
        plan: &PlanToApprove,
        now: Timestamp,
    ) -> Result<ApprovedBy, ApprovalFlaw> {
        let keys = self.keys.iter().map(|(name, key)| ((name, key), &key.public));
        let fault = |fault: SignatureFault| ApprovalFlaw::Key(fault.into());
        // The signature first: nothing that an unsigned payload says is looked at.
        let ((_, key), statement) = SigstoreBundle::parse(bytes).map_err(fault)?.open(keys).map_err(fault)?;
        let stated = ApprovalStatement::of(&statement).map_err(fault)?;
        let digest = plan.digest.ok_or(ApprovalFlaw::Unsaved)?;
        if stated.plan != digest {
            return Err(ApprovalFlaw::OtherPlan(stated.plan));
        }
        if stated.expires_at.duration_since(stated.approved_at) > MAX_VALIDITY {
            return Err(ApprovalFlaw::Long(stated.approved_at, stated.expires_at));
        }
        if now >= stated.expires_at {
            return Err(ApprovalFlaw::Expired(stated.expires_at));
        }
        if now.checked_add(SKEW).is_ok_and(|latest| stated.approved_at > latest) {
            return Err(ApprovalFlaw::Future(stated.approved_at));
        }
        let name = self.listed(key, &required.any_of, now)?;
        let key_id = key.public.id().hex();
        if !required.signers_may_approve && plan.facts.signers.contains(&key_id) {
            return Err(ApprovalFlaw::Signer(name));
        }
        Ok(ApprovedBy { name, key_id, approved_at: stated.approved_at, expires_at: stated.expires_at })
    }
}

/// Whether a rule wants anything of a plan. One that changes nothing needs nobody's approval.
fn is_demanded(rule: &ApprovalRule, plan: &PlanToApprove) -> bool {
    plan.changes_anything && rule.is_about(plan.target, &plan.facts)
}

fn because(reasons: &[String]) -> String {
    if reasons.is_empty() { String::new() } else { format!(", since {}", reasons.join(", and ")) }
}

fn have(found: &[String]) -> String {
    match found {
        [] => "nobody has".into(),
        [one] => format!("only {one} has"),
        more => format!("only {} have", more.join(", ")),
    }
}

fn list(flaws: &[String]) -> String {
    flaws.iter().map(|flaw| format!("; an approval does not count: {flaw}")).collect()
}

#[cfg(test)]
mod tests;
