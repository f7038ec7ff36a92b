//! Why a bundle may not run, and why a signature of it does not count.

use jiff::Timestamp;

use crate::bundle::component::InvalidComponent;
use crate::digest::Digest;
use crate::document;
use crate::signature::SignatureFault;

/// Why a bundle may not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It may run by its signatures, and its component cannot.
    #[error("the bundle's component cannot be used")]
    Component(#[source] InvalidComponent),
    /// The machine's policy refuses it, whatever other policies say.
    #[error("the trust policy of this machine refuses it: {0}")]
    Machine(Box<Self>),
    /// The rule does not admit the name that the signed bundle gives itself.
    #[error("rule `{rule}` does not admit bundles named `{}`", document::visible(.name))]
    Name {
        /// The name in `bundle.json`.
        name: String,
        /// The rule's scope.
        rule: String,
    },
    /// There is no trust policy. It would need a rule for this, where a bundle was asked about.
    #[error("there is no trust policy, so nothing is trusted")]
    NoPolicy(Option<Box<Unruled>>),
    /// No rule is about the place.
    #[error("no rule of the trust policy matches `{}`", .0.reference)]
    NoRule(Box<Unruled>),
    /// The policy refuses this digest, whoever signed it.
    #[error("the trust policy refuses {0}")]
    RefusedDigest(Digest),
    /// Only what is on this machine may run unsigned.
    #[error("`{0}` is not on this machine, so it must be signed")]
    Remote(String),
    /// Signatures are there, but not enough of them count.
    #[error("rule `{rule}` wants {threshold} trusted signer{}, and there {}{}", plural(*.threshold), are(*.found), list(.flaws))]
    Signers {
        /// The rule's scope.
        rule: String,
        /// How many distinct keys the rule demands.
        threshold: usize,
        /// How many there are.
        found: usize,
        /// The flaws of the other signatures, by the OCI manifest that carries each.
        flaws: Vec<(Digest, Flaw)>,
    },
    /// There is no signature at all.
    #[error("{0} is not signed")]
    Unsigned(Digest),
    /// The machine has a policy, which no flag widens.
    #[error("this machine has a trust policy of its own, so nothing runs unsigned here")]
    UnsignedHere,
}

/// A bundle that no rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unruled {
    /// Where it is.
    pub reference: String,
    /// The place, as the `match` of a rule for it alone.
    pub place: String,
    /// The name that it gives itself, where nobody vouches for that. None: it is no plain one.
    pub name: Option<String>,
}

/// Why one signature does not count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The key's time is over.
    #[error("key `{key}` was valid until {until}")]
    Expired {
        /// The key's name in the policy.
        key: String,
        /// When it ended.
        until: Timestamp,
    },
    /// The key's time has not come.
    #[error("key `{key}` is valid from {from}")]
    NotYetValid {
        /// The key's name in the policy.
        key: String,
        /// When it begins.
        from: Timestamp,
    },
    /// It is no signature of this digest, whoever made it.
    #[error(transparent)]
    Signature(SignatureFault),
    /// No key of the policy made it. The id is what it claims.
    #[error("no key of the trust policy made it{}", .0.map(|id| format!(" (it claims key {})", id.short())).unwrap_or_default())]
    UnknownKey(Option<Digest>),
    /// The key is in the policy, but not in the rule.
    #[error("key `{0}` signed it, which the rule does not list")]
    Unlisted(String),
}

impl From<SignatureFault> for Flaw {
    fn from(fault: SignatureFault) -> Self {
        match fault {
            SignatureFault::OtherKey(claimed) => Self::UnknownKey(claimed),
            fault => Self::Signature(fault),
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn are(count: usize) -> String {
    match count {
        0 => "is none".into(),
        1 => "is 1".into(),
        more => format!("are {more}"),
    }
}

fn list(flaws: &[(Digest, Flaw)]) -> String {
    flaws.iter().map(|(carrier, flaw)| format!("; signature {}: {flaw}", carrier.short())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is refused reads how many signers are wanted and there, and why each other signature does not count.
    #[test]
    fn too_few_signers_are_counted_and_each_flaw_is_told_with_its_signature() {
        let carrier = Digest::of(b"signature");
        let until = "2026-01-01T00:00:00Z".parse().unwrap();
        let refusal = |threshold, found, flaws| {
            Refusal::Signers { rule: "layout".into(), threshold, found, flaws }.to_string()
        };
        assert_eq!(refusal(1, 0, vec![]), "rule `layout` wants 1 trusted signer, and there is none");
        assert_eq!(refusal(2, 1, vec![]), "rule `layout` wants 2 trusted signers, and there is 1");
        let flaws = vec![
            (carrier, Flaw::Expired { key: "alice".into(), until }),
            (carrier, Flaw::UnknownKey(None)),
            (carrier, Flaw::Unlisted("bob".into())),
        ];
        let short = carrier.short();
        assert_eq!(
            refusal(3, 2, flaws),
            format!(
                "rule `layout` wants 3 trusted signers, and there are 2; signature {short}: key `alice` was valid until \
                 2026-01-01T00:00:00Z; signature {short}: no key of the trust policy made it; signature {short}: key `bob` \
                 signed it, which the rule does not list"
            )
        );
    }
}
