//! Turns the operator's file into a trust policy: which keys may sign which bundles.
//!
//! A bundle that no rule admits is refused, and a member left out of a rule admits nothing. Whatever could be read in
//! two ways is an error when the file is loaded, not when a bundle comes: unknown members, two rules for one scope, a
//! threshold that no signatures could meet or that none could miss.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use crate::capability::severity::Severity;
use crate::digest::Digest;
use crate::reference::Reference;
use crate::signature::{InvalidPublicKey, PublicKey};

mod error;
mod scope;
mod approvals;
mod file;
mod summary;
mod explained;

pub(super) use approvals::{ApprovalRule, Required};
pub use approvals::{ApprovalRuleSummary, Forbidden, PlanFacts, TargetKind};
pub use error::PolicyError;
pub use explained::{KeyStanding, PlaceExplanation, PolicyRemark};
use scope::RuleScope;
pub use summary::{KeySummary, PolicySummary, RuleSummary};

/// Which keys may sign which bundles.
#[derive(Debug, Clone)]
pub struct TrustPolicy {
    pub(super) keys: BTreeMap<String, TrustedKey>,
    pub(super) rules: Vec<TrustRule>,
    pub(super) refused: BTreeSet<Digest>,
    /// Which plans somebody else has to approve.
    pub(super) approvals: Vec<ApprovalRule>,
    digest: Digest,
    pub(super) is_configured: bool,
    /// The machine's policy, which this one can only narrow.
    pub(super) machine: Option<Box<Self>>,
}

/// A key and when it counts. A signature without a trusted time does not say when it was made, so the window is
/// compared with the time of the check.
#[derive(Debug, Clone)]
pub(super) struct TrustedKey {
    pub(super) public: PublicKey,
    pub(super) from: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
}

/// The requirements for bundles from one place.
#[derive(Debug, Clone)]
pub(super) struct TrustRule {
    pub(super) scope: RuleScope,
    names: Vec<String>,
    pub(super) threshold: usize,
    pub(super) any_of: BTreeSet<String>,
    /// The severity from which on powers of installed objects are refused.
    pub(super) refuse_powers: Option<Severity>,
}

/// The name that a lone key has in reports.
const LONE_KEY: &str = "--key";

impl TrustPolicy {
    /// The policy of an operator who has none: it admits nothing, with that as the reason.
    pub fn none() -> Self {
        Self {
            keys: BTreeMap::new(),
            rules: Vec::new(),
            refused: BTreeSet::new(),
            approvals: Vec::new(),
            digest: Digest::of(b""),
            is_configured: false,
            machine: None,
        }
    }

    /// The policy that trusts this key alone, for any bundle.
    ///
    /// # Errors
    /// [`InvalidPublicKey`] when the text is not a public key.
    pub fn of_key(pem: &str) -> Result<Self, InvalidPublicKey> {
        let key = TrustedKey { public: PublicKey::parse(pem)?, from: None, until: None };
        let rule = TrustRule {
            scope: RuleScope::Any,
            names: vec!["**".into()],
            threshold: 1,
            any_of: [LONE_KEY.to_owned()].into(),
            refuse_powers: None,
        };
        Ok(Self {
            digest: Digest::of(pem.as_bytes()),
            keys: [(LONE_KEY.to_owned(), key)].into(),
            rules: vec![rule],
            refused: BTreeSet::new(),
            approvals: Vec::new(),
            is_configured: true,
            machine: None,
        })
    }

    /// This policy below that of the machine: whatever either of them refuses is refused, and what either demands is
    /// demanded, so whoever writes this one can only narrow the other.
    #[must_use]
    pub fn below(self, machine: Self) -> Self {
        Self { machine: Some(Box::new(machine)), ..self }
    }

    /// The digest of the text that the policy was read from. A changed policy means that everything is checked again.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of all that a rule demands: its scope, the names that it admits, whose signatures and how many of
    /// them, and which powers it refuses. Keys count by themselves, whatever the policy calls them.
    pub(super) fn terms(&self, rule: &TrustRule) -> Digest {
        let keys = rule.any_of.iter().filter_map(|name| self.keys.get(name));
        let keys: BTreeSet<_> = keys.map(|key| key.public.id().hex()).collect();
        let demands = json!({
            "scope": rule.scope.to_string(),
            "names": rule.names,
            "threshold": rule.threshold,
            "keys": keys,
            "refusePowers": rule.refuse_powers,
        });
        Digest::of(demands.to_string().as_bytes())
    }

    /// The rule with the longest scope that `reference` lies in. Rules are not merged: the more specific one decides
    /// alone, also where it demands less.
    pub(super) fn rule(&self, reference: &Reference) -> Option<&TrustRule> {
        self.rules
            .iter()
            .filter_map(|rule| Some((rule.scope.covers(reference)?, rule)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, rule)| rule)
    }
}

/// The `match` of a rule for the place that a reference is in, and for no other.
pub(super) fn place_of(reference: &Reference) -> String {
    RuleScope::of(reference).to_string()
}

impl TrustRule {
    /// Whether a bundle from here may call itself `name`.
    pub(super) fn admits(&self, name: &str) -> bool {
        self.names.iter().any(|pattern| match name.strip_prefix(literal(pattern)) {
            Some(rest) if pattern.ends_with("**") => !rest.is_empty(),
            Some(rest) if pattern.ends_with('*') => !rest.is_empty() && !rest.contains('/'),
            Some(rest) => rest.is_empty(),
            None => false,
        })
    }
}

/// A pattern without the stars at its end.
fn literal(pattern: &str) -> &str {
    pattern.strip_suffix("**").or_else(|| pattern.strip_suffix('*')).unwrap_or(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    const PEM: &str = include_str!("../../tests/signatures/cosign.pub");

    fn policy(keys: &[&str], rules: &str) -> Result<TrustPolicy, PolicyError> {
        let pem = PEM.trim_end().replace('\n', "\\n");
        let keys: String = keys.iter().map(|key| format!("    {key}, pem: \"{pem}\" }}\n")).collect();
        TrustPolicy::parse(&format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n{keys}  rules:\n{rules}\n"
        ))
    }

    fn rule(scope: &str) -> String {
        format!("  - {{ match: {scope}, names: ['*'], require: {{ threshold: 1, anyOf: [a] }} }}\n")
    }

    const A: &str = "a: { validFrom: 2026-01-01T00:00:00Z, validUntil: 2027-01-01T00:00:00Z";

    #[test]
    fn the_longest_scope_decides() {
        let scopes = ["ghcr.io/**", "ghcr.io/acme/**", "ghcr.io/acme/app", "layout", "archive"];
        let policy = policy(&[A], &scopes.map(rule).concat()).unwrap();
        for (reference, scope) in [
            ("ghcr.io/acme/app:1", Some("ghcr.io/acme/app")),
            ("ghcr.io/acme/app/more:1", Some("ghcr.io/acme/**")),
            ("ghcr.io/acme:1", Some("ghcr.io/**")),
            ("ghcr.io/acme-evil/app:1", Some("ghcr.io/**")),
            ("ghcr.io.evil.example/acme/app:1", None),
            ("ghcr.io:444/acme/app:1", None),
            ("layout:x", Some("layout")),
            ("./x", Some("layout")),
            ("archive:x", Some("archive")),
        ] {
            let found = policy.rule(&reference.parse().unwrap()).map(|rule| rule.scope.to_string());
            assert_eq!(found.as_deref(), scope, "{reference}");
        }
    }

    #[test]
    fn the_scope_of_a_place_covers_it() {
        for (reference, place) in [
            ("ghcr.io/acme/app:1", "ghcr.io/acme/app"),
            ("localhost:5000/web:1", "localhost:5000/web"),
            ("layout:x", "layout"),
            ("./x", "layout"),
            ("archive:x.tar", "archive"),
        ] {
            let reference = reference.parse().unwrap();
            assert_eq!(place_of(&reference), place);
            assert!(policy(&[A], &rule(place)).unwrap().rule(&reference).is_some(), "{place}");
        }
    }

    #[test]
    fn a_scope_ends_at_a_slash_and_is_written_in_full() {
        for text in [
            "ghcr.io/acme*",
            "ghcr.io/*",
            "ghcr.io",
            "acme/app",
            "**",
            "ghcr.io/a/../b",
            "ghcr.io/a:1",
            "./x",
        ] {
            assert!(
                matches!(policy(&[A], &rule(&format!("'{text}'"))), Err(PolicyError::Scope(_))),
                "{text}"
            );
        }
    }

    /// What is recorded of a run says which text admitted it, so a run is another one's only by the same text.
    #[test]
    fn a_policy_is_told_from_others_by_its_text() {
        let text = "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec: { rules: [] }\n";
        let policy = TrustPolicy::parse(text).unwrap();
        assert_eq!(policy.digest(), Digest::of(text.as_bytes()));
        assert_eq!(TrustPolicy::of_key(PEM).unwrap().digest(), Digest::of(PEM.as_bytes()));
        assert_eq!(TrustPolicy::none().digest(), Digest::of(b""));
        let configured =
            [policy, TrustPolicy::of_key(PEM).unwrap(), TrustPolicy::none()].map(|it| it.is_configured());
        assert_eq!(configured, [true, true, false]);
    }

    /// Consent is given to the terms of a rule, so they change with all that it demands and with nothing else.
    #[test]
    fn the_terms_of_a_rule_are_what_it_demands() {
        let second = crate::signature::PrivateKey::generate().unwrap().public().to_pem();
        let other = |name: &str| format!("    {name}: {{ pem: {second:?} }}\n");
        let terms = |keys: &str, rules: &str| {
            let pem = PEM.trim_end().replace('\n', "\\n");
            let text = format!(
                "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n    a: {{ pem: \"{pem}\" }}\n{keys}  rules:\n{rules}"
            );
            let policy = TrustPolicy::parse(&text).unwrap();
            policy.terms(&policy.rules[0])
        };
        let (one, both) = (rule("layout"), rule("layout").replace("[a]", "[a, b]"));
        let before = terms(&other("b"), &one);
        for (what, same) in [
            ("a rule for another place", terms(&other("b"), &format!("{one}{}", rule("archive")))),
            ("no other key", terms("", &one)),
            ("a remark", terms(&other("b"), &format!("{one}  # nothing\n"))),
        ] {
            assert_eq!(same, before, "{what}");
        }
        assert_eq!(
            terms(&other("b"), &both),
            terms(&other("c"), &both.replace("[a, b]", "[a, c]")),
            "its name"
        );
        for (what, changed) in [
            ("place", rule("archive")),
            ("names", one.replace("'*'", "'**'")),
            ("keys", both.clone()),
            ("another key", one.replace("[a]", "[b]")),
            ("powers", one.replace("require", "powers: { refuse: high }, require")),
        ] {
            assert_ne!(terms(&other("b"), &changed), before, "{what}");
        }
        let two = both.replace("threshold: 1", "threshold: 2");
        assert_ne!(terms(&other("b"), &both), terms(&other("b"), &two), "threshold");
    }

    #[test]
    fn kinds_of_targets_are_told_as_they_are_written() {
        assert_eq!([TargetKind::Dir, TargetKind::Kube].map(|kind| kind.to_string()), ["dir", "kube"]);
    }

    #[test]
    fn two_rules_for_one_scope_are_refused() {
        let error = policy(&[A], &[rule("layout"), rule("layout")].concat()).unwrap_err();
        assert!(matches!(error, PolicyError::Overlap(scope) if scope == "layout"));
    }

    #[test]
    fn a_threshold_is_between_one_and_the_distinct_keys() {
        for (threshold, signers) in [(0, "[a]"), (2, "[a]"), (2, "[a, a]"), (2, "[a, same]"), (1, "[]")] {
            let rules = format!(
                "  - {{ match: layout, names: ['*'], require: {{ threshold: {threshold}, anyOf: {signers} }} }}"
            );
            let error = policy(&[A, "same: { validUntil: 2030-01-01T00:00:00Z"], &rules).unwrap_err();
            assert!(matches!(error, PolicyError::Threshold { .. }), "{threshold} {signers}");
        }
    }

    #[test]
    fn unknown_members_keys_and_kinds_are_refused() {
        let attestations = rule("layout").replace("names", "attestations: [], names");
        let error = policy(&[A], &attestations).unwrap_err();
        assert!(
            matches!(error, PolicyError::Document(document::InvalidDocument::Unknown(found)) if found == ["/spec/rules/0/attestations"])
        );
        let other = rule("layout").replace("[a]", "[b]");
        assert!(matches!(policy(&[A], &other), Err(PolicyError::UnknownKey { key, .. }) if key == "b"));
        for (api_version, kind) in [
            ("v1", "Secret"),
            ("v1", "TrustPolicy"),
            ("carnet.dev/v1alpha1", "Grant"),
            ("carnet.dev/v1", "TrustPolicy"),
        ] {
            let text = format!("apiVersion: {api_version}\nkind: {kind}\nspec: {{ rules: [] }}\n");
            let error = TrustPolicy::parse(&text).unwrap_err();
            assert!(
                matches!(&error, PolicyError::Kind { api_version: version, kind: found } if (version.as_str(), found.as_str()) == (api_version, kind)),
                "{error}"
            );
        }
    }

    #[test]
    fn a_rule_may_refuse_powers_from_a_severity_on() {
        let refusing = |powers: &str| {
            policy(&[A], &rule("layout").replace("require", &format!("powers: {powers}, require")))
        };
        assert_eq!(policy(&[A], &rule("layout")).unwrap().rules[0].refuse_powers, None);
        assert_eq!(refusing("{ refuse: high }").unwrap().rules[0].refuse_powers, Some(Severity::High));
        for odd in ["{}", "{ refuse: High }", "{ refuse: none }", "{ refuse: 3 }", "high"] {
            assert!(matches!(refusing(odd), Err(PolicyError::Document(_))), "{odd}");
        }
        let unknown = refusing("{ refuse: high, allow: low }").unwrap_err();
        assert!(
            matches!(unknown, PolicyError::Document(document::InvalidDocument::Unknown(found)) if found == ["/spec/rules/0/powers/allow"])
        );
    }

    #[test]
    fn what_is_left_out_admits_nothing() {
        for member in ["names: ['*'], ", ", require: { threshold: 1, anyOf: [a] }", "threshold: 1, "] {
            let error = policy(&[A], &rule("layout").replace(member, "")).unwrap_err();
            assert!(matches!(error, PolicyError::Document(_)), "{member}");
        }
        let none = rule("layout").replace("['*']", "[]");
        assert!(matches!(policy(&[A], &none), Err(PolicyError::Unnamed(_))));
        let no_rules = TrustPolicy::parse("apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec: {}\n");
        assert!(matches!(no_rules, Err(PolicyError::Document(_))));
    }

    #[test]
    fn names_are_literal_but_for_stars_at_the_end() {
        let admits = |pattern: &str, name: &str| {
            let rules = rule("layout").replace("'*'", &format!("'{pattern}'"));
            policy(&[A], &rules).unwrap().rules[0].admits(name)
        };
        assert!(
            admits("acme/*", "acme/web") && admits("web", "web") && admits("*", "web") && admits("**", "a/b")
        );
        assert!(!admits("acme/*", "acme/a/b") && !admits("acme/*", "acme/") && !admits("*", "acme/web"));
        assert!(!admits("acme/*", "acme-evil/web") && !admits("web", "web2") && !admits("web", "Web"));
        let odd = rule("layout").replace("'*'", "'*a'");
        assert!(matches!(policy(&[A], &odd), Err(PolicyError::Name { .. })));
    }

    #[test]
    fn times_that_are_none_and_windows_that_never_open_are_refused() {
        let error = policy(&["a: { validFrom: yesterday"], &rule("layout")).unwrap_err();
        assert!(matches!(error, PolicyError::Time { text, .. } if text == "yesterday"));
        let window = "a: { validFrom: 2027-01-01T00:00:00Z, validUntil: 2026-01-01T00:00:00Z";
        assert!(matches!(policy(&[window], &rule("layout")), Err(PolicyError::Window(_))));
    }
}
