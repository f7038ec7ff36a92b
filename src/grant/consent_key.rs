//! A grant's receiver: a bundle of this name, signed by these keys, under these terms of the trust policy.
//!
//! A grant outlives the bundle that it was given to only as long as all of that stays as it is. Whoever changes one of
//! them asks for a new decision.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::document::visible;
use crate::verify::{TrustDecision, Verified};

/// The receiver of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsentKey {
    /// The bundle's name.
    bundle: String,
    /// The keys that count, each with its name in the policy: the SHA-256 of its SubjectPublicKeyInfo.
    signers: BTreeMap<String, String>,
    /// The scope of the rule that admitted it.
    rule: String,
    /// The digest of all that the rule demands.
    terms: Digest,
}

impl ConsentKey {
    /// The receiver of a grant to this bundle. None: nobody vouches for it, so there is nothing that outlives its
    /// digest.
    pub fn of(verified: &Verified) -> Option<Self> {
        match verified.decision() {
            TrustDecision::Signed { rule, signers, terms, .. } => Some(Self {
                bundle: verified.bundle().name().to_owned(),
                signers: signers.iter().map(|signer| (signer.key_id.clone(), signer.name.clone())).collect(),
                rule: rule.clone(),
                terms: *terms,
            }),
            TrustDecision::Unsigned => None,
        }
    }

    /// Why a grant that was given to `earlier` is not one to `now`, a clause each. Empty: it is.
    pub fn changes(earlier: Option<&Self>, now: Option<&Self>) -> Vec<String> {
        match (earlier, now) {
            (Some(earlier), Some(now)) => earlier.changes_to(now),
            (None, Some(_)) => vec!["the record of the installation does not say who signed the last bundle, and under which terms".into()],
            (_, None) => vec!["the bundle is not signed".into()],
        }
    }

    fn changes_to(&self, now: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.bundle != now.bundle {
            changes.push(format!(
                "the bundle is named `{}`, not `{}`",
                visible(&now.bundle),
                visible(&self.bundle)
            ));
        }
        if !self.signers.keys().eq(now.signers.keys()) {
            changes.push(format!("it is signed by {}, not by {}", now.signed_by(), self.signed_by()));
        }
        if self.rule != now.rule {
            changes
                .push(format!("the rule `{}` of the trust policy admits it, not `{}`", now.rule, self.rule));
        } else if self.terms != now.terms {
            changes.push(format!("the rule `{}` of the trust policy was changed", now.rule));
        }
        changes
    }

    fn signed_by(&self) -> String {
        let short = |(id, name): (&String, &String)| {
            format!("{} ({})", visible(name), id.chars().take(12).collect::<String>())
        };
        self.signers.iter().map(short).collect::<Vec<_>>().join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bundle: &str, signer: (&str, &str), rule: &str, terms: &str) -> ConsentKey {
        ConsentKey {
            bundle: bundle.into(),
            signers: [(signer.0.to_owned(), signer.1.to_owned())].into(),
            rule: rule.into(),
            terms: Digest::of(terms.as_bytes()),
        }
    }

    #[test]
    fn each_change_is_said() {
        let alice = ("aaaaaaaaaaaa0001", "alice");
        let good = key("good", alice, "layout", "one");
        for (now, expected) in [
            (key("good", alice, "layout", "one"), vec![]),
            // Another name for the same key is the same signer.
            (key("good", ("aaaaaaaaaaaa0001", "alicia"), "layout", "one"), vec![]),
            (key("other", alice, "layout", "one"), vec!["the bundle is named `other`, not `good`"]),
            (
                key("good", ("bbbbbbbbbbbb0002", "alice"), "layout", "one"),
                vec!["it is signed by alice (bbbbbbbbbbbb), not by alice (aaaaaaaaaaaa)"],
            ),
            (key("good", alice, "layout", "two"), vec!["the rule `layout` of the trust policy was changed"]),
            (
                key("good", alice, "archive", "two"),
                vec!["the rule `archive` of the trust policy admits it, not `layout`"],
            ),
        ] {
            assert_eq!(good.changes_to(&now), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_not_the_same() {
        let good = key("good", ("a", "alice"), "layout", "one");
        assert_eq!(ConsentKey::changes(Some(&good), Some(&good)), Vec::<String>::new());
        assert!(!ConsentKey::changes(None, Some(&good)).is_empty());
        assert!(!ConsentKey::changes(Some(&good), None).is_empty());
        assert!(!ConsentKey::changes(None, None).is_empty());
    }
}
