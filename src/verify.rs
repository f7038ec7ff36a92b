//! Turns fetched bytes into a bundle that may run, or refuses them.
//!
//! Everything after this stage takes [`Verified`], which only this module makes: from a signature that satisfies the
//! operator's trust policy, or from the one exception, [`dangerously_unsigned`], which says so in what it makes.
//!
//! The steps, in this order, for one index digest:
//!
//! 1. The reference was resolved once; index and children match their digests ([`crate::fetch`]).
//! 2. Signatures were gathered; an error while gathering was an error ([`crate::fetch`]).
//! 3. For each: one signature in the envelope, made by a key of the policy over the exact bytes; only then is the
//!    payload read: its type, what it states, and that it is about this digest.
//! 4. The rule for the place: refused digests, validity windows, distinct signers, the name in the signed bundle.
//! 5. No policy, no rule, no signature, nothing readable, too few signers: refused.
//! 6. Only then is the component's binary read, within bounds.
//! 7. What is recorded names the digest, the signers and the policy; everything later goes by the digest.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::bundle::Bundle;
use crate::bundle::component::Component;
use crate::capability::severity::Severity;
use crate::digest::Digest;
use crate::fetch::Fetched;
use crate::signature::Evidence;

mod refusal;
mod policy;
mod approval;

pub use approval::{Approved, ApprovedBy, GivenApproval, MAX_VALIDITY, PlanToApprove, Unapproved};
pub use policy::{
    ApprovalRuleSummary, Forbidden, KeyStanding, KeySummary, PlaceExplanation, PlanFacts, PolicyError,
    PolicyRemark, PolicySummary, RuleSummary, TargetKind, TrustPolicy,
};
use policy::{TrustRule, TrustedKey};
pub use refusal::{Flaw, Refusal, Unruled};

/// A bundle that may run: a signature over its digest satisfied the trust policy.
///
/// ```compile_fail
/// let verified = carnet::verify::Verified { fetched: todo!(), component: todo!(), decision: todo!() };
/// ```
#[derive(Debug)]
pub struct Verified {
    fetched: Fetched,
    component: Component,
    decision: TrustDecision,
}

/// Why a bundle may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustDecision {
    /// Enough trusted keys signed it.
    Signed {
        /// The scope of the rule that it satisfied.
        rule: String,
        /// The keys that count, each once.
        signers: Vec<Signer>,
        /// The digest of the policy.
        policy: Digest,
        /// The digest of all that the rule demands, the keys themselves included.
        terms: Digest,
        /// The severity from which on the rule refuses powers of installed objects.
        refuse_powers: Option<Severity>,
    },
    /// The operator allowed it to be unsigned.
    Unsigned,
}

impl TrustDecision {
    /// The decision of two policies that both have to agree: the terms of both, and the lower of both bounds.
    fn and(self, theirs: Self) -> Self {
        match (self, theirs) {
            (
                Self::Signed { rule, signers, policy, terms, refuse_powers },
                Self::Signed { policy: machine, terms: demanded, refuse_powers: refused, .. },
            ) => Self::Signed {
                rule,
                signers,
                policy: both(policy, machine),
                terms: both(terms, demanded),
                refuse_powers: [refuse_powers, refused].into_iter().flatten().min(),
            },
            _ => Self::Unsigned,
        }
    }
}

/// One digest for two.
fn both(one: Digest, other: Digest) -> Digest {
    Digest::of(format!("{one} {other}").as_bytes())
}

/// A key that signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key's name in the policy.
    pub name: String,
    /// The SHA-256 of the key's SubjectPublicKeyInfo in hexadecimal digits.
    pub key_id: String,
}

/// A report on one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureReport {
    /// `sigstore-bundle` or `cosign-classic`.
    pub format: &'static str,
    /// The digest of the OCI manifest that carries the signature.
    pub carrier: Digest,
    /// The id of the key that made it; where no key of the policy did, the id that the signature claims.
    pub key_id: Option<String>,
    /// The name of the key in the policy.
    pub key: Option<String>,
    /// Whether it counts towards the rule.
    pub is_trusted: bool,
    /// Why it does not count.
    pub reason: Option<String>,
}

/// Lets a bundle of this machine run although nobody signed it. What the policy refuses by its digest stays refused.
///
/// # Errors
/// [`Refusal::RefusedDigest`], and [`Refusal::Remote`] for a bundle from elsewhere: who built it is not the one who
/// asks. [`Refusal::Component`] for a component that cannot be read.
pub fn dangerously_unsigned(fetched: Fetched, policy: &TrustPolicy) -> Result<Verified, Refusal> {
    policy.check_refused(&fetched)?;
    // Invariant: no flag widens what the machine's policy admits.
    if policy.machine.is_some() {
        return Err(Refusal::UnsignedHere);
    }
    if fetched.reference().is_local() {
        Verified::assertion(fetched, TrustDecision::Unsigned)
    } else {
        Err(Refusal::Remote(fetched.reference().to_string()))
    }
}

impl TrustPolicy {
    /// Lets a bundle run that enough trusted keys signed. `now` is the time that validity windows are compared with.
    /// The component is read once they did.
    ///
    /// # Errors
    /// [`Refusal`] for everything else.
    pub fn verify(&self, fetched: Fetched, now: Timestamp) -> Result<Verified, Refusal> {
        self.decide(&fetched, now).and_then(|decision| Verified::assertion(fetched, decision))
    }

    /// A report on each signature, for people: nothing is decided here.
    pub fn examine(&self, fetched: &Fetched, now: Timestamp) -> Vec<SignatureReport> {
        let rule = self.rule(fetched.reference());
        let report = |evidence: &Evidence| {
            let opened = self.open(evidence, fetched.digest());
            let signer = match (&opened, rule) {
                (Ok((_, key)), Some(rule)) => self.signer(key, rule, now).map_err(|flaw| flaw.to_string()),
                (Ok(_), None) => Err(self.without_rule(fetched).to_string()),
                (Err(flaw), _) => Err(flaw.to_string()),
            };
            SignatureReport {
                format: evidence.format(),
                carrier: evidence.carrier(),
                key_id: opened
                    .as_ref()
                    .ok()
                    .map(|(_, key)| key.public.id())
                    .or(evidence.claimed())
                    .map(|id| id.hex()),
                key: signer.as_ref().ok().cloned().or(opened.ok().map(|(name, _)| name.clone())),
                is_trusted: signer.is_ok(),
                reason: signer.err(),
            }
        };
        fetched.signatures().iter().map(report).collect()
    }

    /// The decision that [`TrustPolicy::verify`] would make, for people: nothing may run by it.
    ///
    /// # Errors
    /// [`Refusal`] as for [`TrustPolicy::verify`].
    pub fn decide(&self, fetched: &Fetched, now: Timestamp) -> Result<TrustDecision, Refusal> {
        let own = self.decide_alone(fetched, now)?;
        let Some(machine) = &self.machine else { return Ok(own) };
        let theirs =
            machine.decide_alone(fetched, now).map_err(|refusal| Refusal::Machine(Box::new(refusal)))?;
        Ok(own.and(theirs))
    }

    /// The decision of this policy, whatever the machine's says.
    fn decide_alone(&self, fetched: &Fetched, now: Timestamp) -> Result<TrustDecision, Refusal> {
        self.check_refused(fetched)?;
        let rule = self.rule(fetched.reference()).ok_or_else(|| self.without_rule(fetched))?;
        let signers = self.signers(fetched, rule, now)?;
        // Invariant: what the bundle says about itself counts only after its signature did.
        let name = fetched.bundle().name();
        if !rule.admits(name) {
            return Err(Refusal::Name { name: name.to_owned(), rule: rule.scope.to_string() });
        }
        Ok(TrustDecision::Signed {
            rule: rule.scope.to_string(),
            signers,
            policy: self.digest(),
            terms: self.terms(rule),
            refuse_powers: rule.refuse_powers,
        })
    }

    /// No flag and no signature makes up for a digest that is refused.
    fn check_refused(&self, fetched: &Fetched) -> Result<(), Refusal> {
        self.machine.as_ref().map_or(Ok(()), |machine| machine.check_refused(fetched))?;
        if self.refused.contains(&fetched.digest()) {
            return Err(Refusal::RefusedDigest(fetched.digest()));
        }
        Ok(())
    }

    /// The distinct trusted keys that signed, if they are enough.
    fn signers(&self, fetched: &Fetched, rule: &TrustRule, now: Timestamp) -> Result<Vec<Signer>, Refusal> {
        if fetched.signatures().is_empty() {
            return Err(Refusal::Unsigned(fetched.digest()));
        }
        let (mut signers, mut flaws) = (Vec::<Signer>::new(), Vec::new());
        for evidence in fetched.signatures() {
            let found = self.open(evidence, fetched.digest()).and_then(|(_, key)| {
                Ok(Signer { name: self.signer(key, rule, now)?, key_id: key.public.id().hex() })
            });
            match found {
                Ok(signer) if signers.iter().any(|other| other.key_id == signer.key_id) => {}
                Ok(signer) => signers.push(signer),
                Err(flaw) => flaws.push((evidence.carrier(), flaw)),
            }
        }
        if signers.len() < rule.threshold {
            let (rule, threshold, found) = (rule.scope.to_string(), rule.threshold, signers.len());
            return Err(Refusal::Signers { rule, threshold, found, flaws });
        }
        Ok(signers)
    }

    /// The key of the policy that signed `digest` by this evidence.
    fn open(&self, evidence: &Evidence, digest: Digest) -> Result<(&String, &TrustedKey), Flaw> {
        let keys = self.keys.iter().map(|(name, key)| ((name, key), &key.public));
        Ok(evidence.signer(digest, keys)?)
    }

    /// The name under which the rule lists `key` for now.
    fn signer(&self, key: &TrustedKey, rule: &TrustRule, now: Timestamp) -> Result<String, Flaw> {
        self.listed(key, &rule.any_of, now)
    }

    /// The one of `names` that `key` has for now.
    fn listed(&self, key: &TrustedKey, names: &BTreeSet<String>, now: Timestamp) -> Result<String, Flaw> {
        let same = |name: &&String| self.keys.get(*name).is_some_and(|other| other.public == key.public);
        let listed: Vec<&String> = names.iter().filter(same).collect();
        let Some(last) = listed.last() else {
            let name = self.keys.keys().find(same).cloned();
            return Err(Flaw::Unlisted(name.unwrap_or_default()));
        };
        let valid = listed.iter().find(|name| self.window(name, now).is_ok());
        valid.map_or_else(|| self.window(last, now).map(|()| (*last).clone()), |name| Ok((*name).clone()))
    }

    pub(in crate::verify) fn window(&self, name: &str, now: Timestamp) -> Result<(), Flaw> {
        let Some(TrustedKey { from, until, .. }) = self.keys.get(name) else {
            return Err(Flaw::Unlisted(name.to_owned()));
        };
        match (*from, *until) {
            (Some(from), _) if now < from => Err(Flaw::NotYetValid { key: name.to_owned(), from }),
            (_, Some(until)) if now >= until => Err(Flaw::Expired { key: name.to_owned(), until }),
            _ => Ok(()),
        }
    }

    fn without_rule(&self, fetched: &Fetched) -> Refusal {
        let (reference, name) = (fetched.reference(), fetched.bundle().name());
        // In a rule a star stands for more than itself.
        let is_plain = |name: &&str| !name.contains('*');
        let unruled = Box::new(Unruled {
            reference: reference.to_string(),
            place: policy::place_of(reference),
            name: Some(name).filter(is_plain).map(str::to_owned),
        });
        if self.is_configured { Refusal::NoRule(unruled) } else { Refusal::NoPolicy(Some(unruled)) }
    }
}

impl Verified {
    /// The only maker. Invariant: no component is instantiated that no trusted key signed.
    fn assertion(fetched: Fetched, decision: TrustDecision) -> Result<Self, Refusal> {
        let component = fetched.component().cloned().map_err(|fault| Refusal::Component(fault.clone()))?;
        Ok(Self { fetched, component, decision })
    }

    /// The fetched bundle.
    pub fn fetched(&self) -> &Fetched {
        &self.fetched
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        self.fetched.bundle()
    }

    /// The bundle's component.
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// The digest of the bundle's index, which is what was signed.
    pub fn digest(&self) -> Digest {
        self.fetched.digest()
    }

    /// Why the bundle may run.
    pub fn decision(&self) -> &TrustDecision {
        &self.decision
    }
}

#[cfg(test)]
mod tests;
