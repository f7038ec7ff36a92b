//! Which plans somebody else has to approve, and what may not be done without: the part of a trust policy that is about
//! plans and not about bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PolicyError, TrustedKey};
use crate::capability::InvalidScope;
use crate::capability::kubernetes::{kind_pattern, namespace_pattern};
use crate::capability::pattern::Pattern;
use crate::capability::severity::Severity;

/// A demand for approvals: which plans it is about, how many keys of which have to approve them, and what is forbidden.
#[derive(Debug, Clone)]
pub(in crate::verify) struct ApprovalRule {
    /// Where the rule stands in the policy, from 1.
    pub(in crate::verify) number: usize,
    targets: BTreeSet<TargetKind>,
    namespaces: Vec<Pattern>,
    when: Vec<Condition>,
    /// How many of which keys. None: the rule only forbids.
    pub(in crate::verify) required: Option<Required>,
    pub(in crate::verify) forbid: BTreeSet<Forbidden>,
}

/// Approvals that a rule demands.
#[derive(Debug, Clone)]
pub(in crate::verify) struct Required {
    pub(in crate::verify) threshold: usize,
    pub(in crate::verify) any_of: BTreeSet<String>,
    /// Whether who signed the bundle may approve its plan as well.
    pub(in crate::verify) signers_may_approve: bool,
}

/// A kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// A directory of manifests.
    Dir,
    /// A cluster.
    Kube,
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dir => "dir",
            Self::Kube => "kube",
        })
    }
}

/// A way of going without somebody else's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Forbidden {
    /// Any `--dangerous-…` flag, and whatever else lowers a guard.
    Dangerous,
    /// Grants by flags or by `--approve`, and not by a file.
    GrantFlags,
    /// `--identity own`.
    OwnIdentity,
    /// `--yes` on a plan that nobody has seen.
    Yes,
}

/// The effects that make a rule apply to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// It removes or replaces objects of these kinds.
    Deletes(Vec<Pattern>),
    /// It installs what has powers of at least this severity.
    Powers(Severity),
    /// More is granted than to the installation before.
    WiderGrant,
}

/// The facts about a plan that decide which rules are about it.
#[derive(Debug, Clone, Default)]
pub struct PlanFacts {
    /// The namespaces that its changes and the installation itself are in.
    pub namespaces: BTreeSet<String>,
    /// Whether it changes objects outside of namespaces, which reach into all of them.
    pub is_cluster_wide: bool,
    /// The kinds, as `group/Kind`, of objects that it removes or replaces.
    pub deletes: BTreeSet<String>,
    /// Whether it removes namespaces, and with them objects of whatever kind is there.
    pub deletes_namespaces: bool,
    /// The most severe power of what it installs.
    pub powers: Option<Severity>,
    /// Whether anything is granted, to a component that runs.
    pub has_grant: bool,
    /// Whether more is granted than to the installation before, by this state.
    pub has_wider_grant: bool,
    /// The ids of the keys that signed the bundle.
    pub signers: BTreeSet<String>,
}

/// A rule for approvals in a policy file.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApprovalRuleSpec {
    #[serde(default)]
    targets: Option<Vec<TargetKind>>,
    #[serde(default)]
    namespaces: Option<Vec<String>>,
    #[serde(default)]
    when: Option<WhenSpec>,
    #[serde(default)]
    require: Option<RequireApprovalSpec>,
    #[serde(default)]
    forbid: Vec<Forbidden>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WhenSpec {
    #[serde(default)]
    deletes: Option<Vec<String>>,
    #[serde(default)]
    powers: Option<Severity>,
    #[serde(default)]
    wider_grant: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RequireApprovalSpec {
    threshold: usize,
    any_of: Vec<String>,
    #[serde(default)]
    signers_may_approve: bool,
}

impl ApprovalRule {
    /// Reads the rules of a policy file.
    pub(super) fn all(
        specs: Vec<ApprovalRuleSpec>,
        keys: &BTreeMap<String, TrustedKey>,
    ) -> Result<Vec<Self>, PolicyError> {
        specs.into_iter().enumerate().map(|(at, spec)| Self::of_spec(at + 1, spec, keys)).collect()
    }

    fn of_spec(
        number: usize,
        spec: ApprovalRuleSpec,
        keys: &BTreeMap<String, TrustedKey>,
    ) -> Result<Self, PolicyError> {
        let odd = |what: &str| PolicyError::Approvals { number, what: what.to_owned() };
        let targets: BTreeSet<_> = match spec.targets {
            Some(targets) if targets.is_empty() => return Err(odd("it is about no target")),
            Some(targets) => targets.into_iter().collect(),
            None => [TargetKind::Dir, TargetKind::Kube].into(),
        };
        let namespaces = match spec.namespaces {
            Some(namespaces) if namespaces.is_empty() => return Err(odd("it is about no namespace")),
            Some(namespaces) => namespaces,
            None => vec!["*".into()],
        };
        let unusable = |error: InvalidScope| odd(&error.to_string());
        let namespaces = namespaces.iter().map(|text| namespace_pattern(text).map_err(unusable));
        let namespaces = namespaces.collect::<Result<_, _>>()?;
        let when = spec.when.map(|when| conditions(when, number)).transpose()?.unwrap_or_default();
        let required = spec.require.map(|required| Required::of_spec(required, number, keys)).transpose()?;
        if required.is_none() && spec.forbid.is_empty() {
            return Err(odd("it demands nothing: it has neither `require` nor `forbid`"));
        }
        let forbid = spec.forbid.into_iter().collect();
        Ok(Self { number, targets, namespaces, when, required, forbid })
    }

    /// Whether the rule is about what happens there, whatever that is.
    fn is_about_place(&self, target: TargetKind, facts: &PlanFacts) -> bool {
        let holds = |name: &String| self.namespaces.iter().any(|pattern| pattern.matches(name));
        self.targets.contains(&target) && (facts.is_cluster_wide || facts.namespaces.iter().any(holds))
    }

    /// Whether the rule is about a plan. What is outside of namespaces reaches into all of them, and is in each rule's.
    pub(in crate::verify) fn is_about(&self, target: TargetKind, facts: &PlanFacts) -> bool {
        let holds = |condition: &Condition| condition.holds(facts);
        self.is_about_place(target, facts) && (self.when.is_empty() || self.when.iter().any(holds))
    }

    /// The conditions that hold, for people: what makes the rule one about this plan.
    pub(in crate::verify) fn reasons(&self, facts: &PlanFacts) -> Vec<String> {
        self.when.iter().filter(|it| it.holds(facts)).map(ToString::to_string).collect()
    }

    /// All that the rule says, for people.
    pub(super) fn described(&self) -> ApprovalRuleSummary {
        ApprovalRuleSummary {
            targets: self.targets.iter().copied().collect(),
            namespaces: self.namespaces.iter().map(ToString::to_string).collect(),
            when: self.when.iter().map(ToString::to_string).collect(),
            threshold: self.required.as_ref().map(|required| required.threshold),
            any_of: self
                .required
                .as_ref()
                .map(|required| required.any_of.iter().cloned().collect())
                .unwrap_or_default(),
            signers_may_approve: self.required.as_ref().is_some_and(|required| required.signers_may_approve),
            forbid: self.forbid.iter().copied().collect(),
        }
    }
}

/// A demand for approvals, to be looked at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRuleSummary {
    /// The kinds of targets.
    pub targets: Vec<TargetKind>,
    /// The namespaces, with a `*` at the end where it stands for more.
    pub namespaces: Vec<String>,
    /// Effects of a plan, any of which makes the rule apply. Empty: it always applies.
    pub when: Vec<String>,
    /// How many keys have to approve. None: nobody, the rule only forbids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<usize>,
    /// Of these.
    pub any_of: Vec<String>,
    /// Whether who signed the bundle may approve its plan.
    pub signers_may_approve: bool,
    /// The forbidden flags.
    pub forbid: Vec<Forbidden>,
}

impl Required {
    fn of_spec(
        spec: RequireApprovalSpec,
        number: usize,
        keys: &BTreeMap<String, TrustedKey>,
    ) -> Result<Self, PolicyError> {
        let any_of: BTreeSet<String> = spec.any_of.into_iter().collect();
        let rule = format!("approvals {number}");
        // Invariant: a threshold counts distinct keys, as for signatures.
        let mut approvers = BTreeSet::new();
        for name in &any_of {
            let key = keys.get(name);
            let key = key.ok_or_else(|| PolicyError::UnknownKey { rule: rule.clone(), key: name.clone() })?;
            approvers.insert(key.public.id());
        }
        let (threshold, signers) = (spec.threshold, approvers.len());
        if threshold == 0 || threshold > signers {
            return Err(PolicyError::Threshold { rule, threshold, signers });
        }
        Ok(Self { threshold, any_of, signers_may_approve: spec.signers_may_approve })
    }
}

impl Condition {
    fn holds(&self, facts: &PlanFacts) -> bool {
        match self {
            Self::Deletes(_) if facts.deletes_namespaces => true,
            Self::Deletes(kinds) => {
                facts.deletes.iter().any(|kind| kinds.iter().any(|wanted| wanted.matches(kind)))
            }
            Self::Powers(least) => facts.powers.is_some_and(|severity| severity >= *least),
            Self::WiderGrant => facts.has_wider_grant,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deletes(kinds) => {
                let kinds: Vec<_> = kinds.iter().map(ToString::to_string).collect();
                write!(f, "it removes or replaces objects of {}", kinds.join(", "))
            }
            Self::Powers(severity) => write!(f, "it installs powers of severity {severity} or more"),
            Self::WiderGrant => f.write_str("more is granted than before"),
        }
    }
}

impl Forbidden {
    /// Its spelling on a command line.
    pub fn words(self) -> &'static str {
        match self {
            Self::Dangerous => "lowering a guard (`--dangerous-…`, `--no-wait=all` and the like)",
            Self::GrantFlags => "granting by flags instead of a file",
            Self::OwnIdentity => "`--identity own`",
            Self::Yes => "`--yes` on a plan that nobody has seen",
        }
    }
}

fn conditions(spec: WhenSpec, number: usize) -> Result<Vec<Condition>, PolicyError> {
    let odd = |what: String| PolicyError::Approvals { number, what };
    let kinds = spec.deletes.unwrap_or_default();
    let kinds: Vec<_> = kinds
        .iter()
        .map(|text| kind_pattern(text))
        .collect::<Result<_, _>>()
        .map_err(|error| odd(error.to_string()))?;
    let deletes = (!kinds.is_empty()).then_some(Condition::Deletes(kinds));
    let powers = spec.powers.map(Condition::Powers);
    let wider = spec.wider_grant.then_some(Condition::WiderGrant);
    let found: Vec<_> = [deletes, powers, wider].into_iter().flatten().collect();
    if found.is_empty() {
        return Err(odd("its `when` never holds: leave it out for every plan".into()));
    }
    Ok(found)
}
