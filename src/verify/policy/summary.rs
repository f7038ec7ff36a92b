//! A trust policy as people look at it: its keys by their digests, and what each rule demands.

use schemars::JsonSchema;
use serde::Serialize;

use super::{ApprovalRule, ApprovalRuleSummary, TrustPolicy, TrustRule, TrustedKey};
use crate::capability::severity::Severity;
use crate::digest::Digest;

/// A trust policy, as it was loaded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySummary {
    /// The keys, by name.
    pub keys: Vec<KeySummary>,
    /// The rules.
    pub rules: Vec<RuleSummary>,
    /// Bundles that never run.
    pub refused_digests: Vec<Digest>,
    /// Which plans somebody else has to approve, and what is forbidden.
    pub approvals: Vec<ApprovalRuleSummary>,
    /// Whether the machine's policy has to agree as well.
    pub is_below_machine: bool,
}

/// A key of a policy.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeySummary {
    /// Its name in the policy.
    pub name: String,
    /// The digest of the key.
    pub key_id: String,
    /// When it begins to count (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// When it no longer counts (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
}

/// A rule of a policy.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleSummary {
    /// The place that it is about.
    pub r#match: String,
    /// The names that bundles from there may have.
    pub names: Vec<String>,
    /// How many keys must have signed.
    pub threshold: usize,
    /// Of these.
    pub any_of: Vec<String>,
    /// The severity from which on powers are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuse_powers: Option<Severity>,
}

impl TrustPolicy {
    /// The policy, to be looked at.
    pub fn summary(&self) -> PolicySummary {
        PolicySummary {
            keys: self.keys.iter().map(|(name, key)| KeySummary::of(name, key)).collect(),
            rules: self.rules.iter().map(RuleSummary::of).collect(),
            refused_digests: self.refused.iter().copied().collect(),
            approvals: self.approvals.iter().map(ApprovalRule::described).collect(),
            is_below_machine: self.machine.is_some(),
        }
    }

    /// Whether there is one at all: without, nothing is trusted.
    pub fn is_configured(&self) -> bool {
        self.is_configured
    }
}

impl KeySummary {
    pub(super) fn of(name: &str, key: &TrustedKey) -> Self {
        Self {
            name: name.into(),
            key_id: key.public.id().hex(),
            valid_from: key.from.map(|time| time.to_string()),
            valid_until: key.until.map(|time| time.to_string()),
        }
    }
}

impl RuleSummary {
    pub(super) fn of(rule: &TrustRule) -> Self {
        Self {
            r#match: rule.scope.to_string(),
            names: rule.names.clone(),
            threshold: rule.threshold,
            any_of: rule.any_of.iter().cloned().collect(),
            refuse_powers: rule.refuse_powers,
        }
    }
}
