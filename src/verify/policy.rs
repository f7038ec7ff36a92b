//! Turns the operator's file into a trust policy: which keys may sign which bundles.
//!
//! What no rule admits is refused, and what is left out of a rule admits nothing. Whatever could be read in two ways is
//! an error when the file is loaded, not when a bundle comes: unknown members, two rules for one scope, a threshold that
//! no signatures could meet or that none could miss.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use crate::capability::severity::Severity;
use crate::digest::{self, Digest};
use crate::document;
use crate::reference::Reference;
use crate::signature::{InvalidPublicKey, PublicKey};

/// Which keys may sign which bundles.
#[derive(Debug, Clone)]
pub struct TrustPolicy {
    pub(super) keys: BTreeMap<String, Key>,
    pub(super) rules: Vec<Rule>,
    pub(super) refused: BTreeSet<Digest>,
    digest: Digest,
    pub(super) is_configured: bool,
}

/// A key and when it counts. A signature without a trusted time does not say when it was made, so the window is compared
/// with the time of the check.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) public: PublicKey,
    pub(super) from: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
}

/// What it takes for bundles from one place.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) scope: Scope,
    names: Vec<String>,
    pub(super) threshold: usize,
    pub(super) any_of: BTreeSet<String>,
    /// From which severity on powers of what is installed are refused.
    pub(super) refuse_powers: Option<Severity>,
}

/// The place that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every place: only `verify --key` makes one.
    Any,
    /// Tar files on this machine.
    Archive,
    /// Directories on this machine.
    Layout,
    /// Everything below `HOST/…/`, which the text ends with.
    Below(String),
    /// The one repository `HOST/…`.
    Repository(String),
}

/// Why a trust policy was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text breaks a rule of YAML or of the format.
    #[error("the trust policy is not valid")]
    Document(#[from] document::Invalid),
    /// A refused digest is none.
    #[error("`refusedDigests` holds something else than digests")]
    Digest(#[from] digest::Invalid),
    /// The file is something else.
    #[error("the file is of `{api_version}`, kind `{kind}`, not of `{API_VERSION}`, kind `TrustPolicy`")]
    Kind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// The PEM text of a key is none.
    #[error("key `{name}` cannot be read")]
    Key {
        /// The key's name in the policy.
        name: String,
        /// What is wrong with it.
        source: InvalidPublicKey,
    },
    /// A pattern for names is empty, or has a `*` that is not at its end.
    #[error("rule `{rule}` admits names by `{pattern}`, where only a `*` or `**` at the end is understood")]
    Name {
        /// The rule's scope.
        rule: String,
        /// The pattern.
        pattern: String,
    },
    /// Two rules have one scope, so that neither is the more specific.
    #[error("there are two rules for `{0}`")]
    Overlap(String),
    /// The scope of a rule is none.
    #[error(
        "`{0}` is not a scope: write `HOST/REPOSITORY`, `HOST/**`, `HOST/REPOSITORY/**`, `layout` or `archive`"
    )]
    Scope(String),
    /// The threshold is 0, or more than the distinct keys that could meet it.
    #[error("rule `{rule}` wants {threshold} signers of {signers}: write a number from 1 to {signers}")]
    Threshold {
        /// The rule's scope.
        rule: String,
        /// The number that it demands.
        threshold: usize,
        /// How many distinct keys it lists.
        signers: usize,
    },
    /// A time is not one.
    #[error("key `{name}` has `{text}` for a time: write one such as `2026-01-31T00:00:00Z`")]
    Time {
        /// The key's name in the policy.
        name: String,
        /// The text.
        text: String,
    },
    /// A rule names a key that is not in the policy.
    #[error("rule `{rule}` names key `{key}`, which `keys` does not hold")]
    UnknownKey {
        /// The rule's scope.
        rule: String,
        /// The name.
        key: String,
    },
    /// A rule admits no names, so it would admit nothing.
    #[error("rule `{0}` has no `names`")]
    Unnamed(String),
    /// A key's window ends before it begins.
    #[error("key `{0}` is valid until before it is valid from")]
    Window(String),
}

const API_VERSION: &str = "carnet.dev/v1alpha1";

/// The name that a lone key has in what is reported.
const LONE_KEY: &str = "--key";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    keys: BTreeMap<String, KeySpec>,
    rules: Vec<RuleSpec>,
    #[serde(default)]
    refused_digests: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeySpec {
    pem: String,
    valid_from: Option<String>,
    valid_until: Option<String>,
}

#[derive(Deserialize)]
struct RuleSpec {
    r#match: String,
    names: Vec<String>,
    require: RequireSpec,
    powers: Option<PowersSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequireSpec {
    threshold: usize,
    any_of: Vec<String>,
}

#[derive(Deserialize)]
struct PowersSpec {
    refuse: Severity,
}

impl TrustPolicy {
    /// The policy of somebody who has none: it admits nothing and says why.
    pub fn none() -> Self {
        Self {
            keys: BTreeMap::new(),
            rules: Vec::new(),
            refused: BTreeSet::new(),
            digest: Digest::of(b""),
            is_configured: false,
        }
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] for everything that is unknown, contradictory or could not work.
    pub fn parse(yaml: &str) -> Result<Self, PolicyError> {
        let value = document::yaml(yaml)?;
        let (head, _) = document::typed::<Head>(value.clone())?;
        if head.api_version != API_VERSION || head.kind != "TrustPolicy" {
            return Err(PolicyError::Kind { api_version: head.api_version, kind: head.kind });
        }
        let (File { spec, .. }, unknown) = document::typed::<File>(value)?;
        if !unknown.is_empty() {
            return Err(document::Invalid::Unknown(unknown).into());
        }
        Self::of_spec(spec, Digest::of(yaml.as_bytes()))
    }

    /// The policy that trusts this key alone, for any bundle.
    ///
    /// # Errors
    /// [`InvalidPublicKey`] when the text is not a public key.
    pub fn of_key(pem: &str) -> Result<Self, InvalidPublicKey> {
        let key = Key { public: PublicKey::parse(pem)?, from: None, until: None };
        let rule = Rule {
            scope: Scope::Any,
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
            is_configured: true,
        })
    }

    /// The digest of the text that the policy was read from. A changed policy means that everything is checked again.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The rule with the longest scope that `reference` lies in. Rules are not merged: the more specific one decides
    /// alone, also where it demands less.
    pub(super) fn rule(&self, reference: &Reference) -> Option<&Rule> {
        self.rules
            .iter()
            .filter_map(|rule| Some((rule.scope.covers(reference)?, rule)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, rule)| rule)
    }

    fn of_spec(spec: Spec, digest: Digest) -> Result<Self, PolicyError> {
        let keys: BTreeMap<_, _> = spec
            .keys
            .into_iter()
            .map(|(name, key)| Ok((name.clone(), Key::of_spec(name, key)?)))
            .collect::<Result<_, PolicyError>>()?;
        let mut rules: Vec<Rule> = Vec::new();
        for rule in spec.rules {
            let rule = Rule::of_spec(rule, &keys)?;
            if rules.iter().any(|other| other.scope == rule.scope) {
                return Err(PolicyError::Overlap(rule.scope.to_string()));
            }
            rules.push(rule);
        }
        let refused = spec.refused_digests.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(Self { keys, rules, refused, digest, is_configured: true })
    }
}

impl Key {
    fn of_spec(name: String, spec: KeySpec) -> Result<Self, PolicyError> {
        let time = |text: Option<String>| {
            text.map(|text| text.parse().map_err(|_| PolicyError::Time { name: name.clone(), text }))
                .transpose()
        };
        let (from, until) = (time(spec.valid_from)?, time(spec.valid_until)?);
        if from.zip(until).is_some_and(|(from, until)| until <= from) {
            return Err(PolicyError::Window(name));
        }
        let public = PublicKey::parse(&spec.pem).map_err(|source| PolicyError::Key { name, source })?;
        Ok(Self { public, from, until })
    }
}

impl Rule {
    fn of_spec(spec: RuleSpec, keys: &BTreeMap<String, Key>) -> Result<Self, PolicyError> {
        let scope = Scope::parse(&spec.r#match)?;
        let rule = spec.r#match;
        if spec.names.is_empty() {
            return Err(PolicyError::Unnamed(rule));
        }
        let is_odd = |pattern: &&String| pattern.is_empty() || literal(pattern).contains('*');
        if let Some(pattern) = spec.names.iter().find(is_odd) {
            return Err(PolicyError::Name { rule, pattern: pattern.clone() });
        }
        let any_of: BTreeSet<String> = spec.require.any_of.into_iter().collect();
        // Invariant: a threshold counts distinct keys. Two names for one key are one signer, here and when counting.
        let mut signers = BTreeSet::new();
        for name in &any_of {
            let key = keys.get(name);
            let key = key.ok_or_else(|| PolicyError::UnknownKey { rule: rule.clone(), key: name.clone() })?;
            signers.insert(key.public.id());
        }
        let (threshold, signers) = (spec.require.threshold, signers.len());
        if threshold == 0 || threshold > signers {
            return Err(PolicyError::Threshold { rule, threshold, signers });
        }
        let refuse_powers = spec.powers.map(|powers| powers.refuse);
        Ok(Self { scope, names: spec.names, threshold, any_of, refuse_powers })
    }

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

impl Scope {
    fn parse(text: &str) -> Result<Self, PolicyError> {
        let invalid = || PolicyError::Scope(text.to_owned());
        let (place, scope) = match (text, text.strip_suffix("/**")) {
            ("archive", _) => return Ok(Self::Archive),
            ("layout", _) => return Ok(Self::Layout),
            (_, Some(prefix)) => (format!("{prefix}/x"), Self::Below(format!("{prefix}/"))),
            (_, None) => (text.to_owned(), Self::Repository(text.to_owned())),
        };
        match format!("{place}:x").parse() {
            Ok(Reference::Registry(found)) if format!("{}/{}", found.host, found.repository) == place => {
                Ok(scope)
            }
            _ => Err(invalid()),
        }
    }

    /// How many characters of `reference` the scope fixes, or none where it does not cover it.
    fn covers(&self, reference: &Reference) -> Option<usize> {
        let place = match reference {
            Reference::Registry(found) => format!("{}/{}", found.host, found.repository),
            _ => String::new(),
        };
        let (covers, length) = match (self, reference) {
            (Self::Any, _)
            | (Self::Archive, Reference::Archive(_))
            | (Self::Layout, Reference::Layout(_) | Reference::Path(_)) => (true, 0),
            (Self::Below(prefix), Reference::Registry(_)) => (place.starts_with(prefix), prefix.len()),
            (Self::Repository(name), Reference::Registry(_)) => (place == *name, name.len()),
            _ => (false, 0),
        };
        covers.then_some(length)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str(LONE_KEY),
            Self::Archive => f.write_str("archive"),
            Self::Layout => f.write_str("layout"),
            Self::Below(prefix) => write!(f, "{prefix}**"),
            Self::Repository(name) => f.write_str(name),
        }
    }
}

/// A pattern without the stars at its end.
fn literal(pattern: &str) -> &str {
    pattern.strip_suffix("**").or_else(|| pattern.strip_suffix('*')).unwrap_or(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            matches!(error, PolicyError::Document(document::Invalid::Unknown(found)) if found == ["/spec/rules/0/attestations"])
        );
        let other = rule("layout").replace("[a]", "[b]");
        assert!(matches!(policy(&[A], &other), Err(PolicyError::UnknownKey { key, .. }) if key == "b"));
        let error = TrustPolicy::parse("apiVersion: v1\nkind: Secret\n").unwrap_err();
        assert!(matches!(error, PolicyError::Kind { .. }));
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
            matches!(unknown, PolicyError::Document(document::Invalid::Unknown(found)) if found == ["/spec/rules/0/powers/allow"])
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
