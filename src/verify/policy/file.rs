//! Turns the text of a policy file into a [`TrustPolicy`], or names the part of it that is ambiguous or cannot work.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::approvals::{ApprovalRule, ApprovalRuleSpec};
use super::error::{API_VERSION, PolicyError};
use super::scope::RuleScope;
use super::{TrustPolicy, TrustRule, TrustedKey, literal};
use crate::capability::severity::Severity;
use crate::digest::Digest;
use crate::document::{self, InvalidDocument};
use crate::signature::PublicKey;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyHead {
    api_version: String,
    kind: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PolicyFile {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    spec: Spec,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    keys: BTreeMap<String, KeySpec>,
    rules: Vec<RuleSpec>,
    #[serde(default)]
    #[schemars(with = "Vec<Digest>")]
    refused_digests: Vec<String>,
    #[serde(default)]
    approvals: Vec<ApprovalRuleSpec>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KeySpec {
    pem: String,
    valid_from: Option<String>,
    valid_until: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct RuleSpec {
    r#match: String,
    names: Vec<String>,
    require: RequireSpec,
    powers: Option<PowersSpec>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RequireSpec {
    threshold: usize,
    any_of: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
struct PowersSpec {
    refuse: Severity,
}

impl JsonSchema for TrustPolicy {
    fn schema_name() -> Cow<'static, str> {
        "TrustPolicy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PolicyFile::json_schema(generator)
    }
}

impl TrustPolicy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] for everything that is unknown, contradictory or could not work.
    pub fn parse(yaml: &str) -> Result<Self, PolicyError> {
        let value = document::yaml(yaml)?;
        let on_its_line = |error: InvalidDocument| error.on_its_line(yaml);
        let (head, _) = document::typed::<PolicyHead>(value.clone()).map_err(on_its_line)?;
        if head.api_version != API_VERSION || head.kind != "TrustPolicy" {
            return Err(PolicyError::Kind { api_version: head.api_version, kind: head.kind });
        }
        let (PolicyFile { spec, .. }, unknown) = document::typed::<PolicyFile>(value).map_err(on_its_line)?;
        if !unknown.is_empty() {
            return Err(InvalidDocument::Unknown(unknown).into());
        }
        Self::of_spec(spec, Digest::of(yaml.as_bytes()))
    }

    fn of_spec(spec: Spec, digest: Digest) -> Result<Self, PolicyError> {
        let keys: BTreeMap<_, _> = spec
            .keys
            .into_iter()
            .map(|(name, key)| Ok((name.clone(), TrustedKey::of_spec(name, key)?)))
            .collect::<Result<_, PolicyError>>()?;
        let mut rules: Vec<TrustRule> = Vec::new();
        for rule in spec.rules {
            let rule = TrustRule::of_spec(rule, &keys)?;
            if rules.iter().any(|other| other.scope == rule.scope) {
                return Err(PolicyError::Overlap(rule.scope.to_string()));
            }
            rules.push(rule);
        }
        let refused = spec.refused_digests.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        let approvals = ApprovalRule::all(spec.approvals, &keys)?;
        Ok(Self { keys, rules, refused, approvals, digest, is_configured: true, machine: None })
    }
}

impl TrustedKey {
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

impl TrustRule {
    fn of_spec(spec: RuleSpec, keys: &BTreeMap<String, TrustedKey>) -> Result<Self, PolicyError> {
        let scope =
            RuleScope::parse(&spec.r#match).ok_or_else(|| PolicyError::Scope(spec.r#match.clone()))?;
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
}
