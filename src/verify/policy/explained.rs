//! What a policy says, for people: which rule decides about a place and what it demands, and which rules nobody could meet
//! now.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::{KeySummary, RuleSummary, TrustPolicy, TrustedKey, place_of};
use crate::reference::Reference;
use crate::text::counted;

/// How long before its end a key is told about.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What one policy says about a place.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceExplanation {
    /// The place, as the `match` of a rule for it alone.
    pub place: String,
    /// The rule that decides: of those that the place lies in, the one with the longest. None: nothing from there is
    /// trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleSummary>,
    /// The places of rules that the place lies in too, and that decide nothing.
    pub passed_over: Vec<String>,
    /// The keys of the rule.
    pub keys: Vec<KeyStanding>,
    /// Whether the policy can admit a bundle from there now.
    pub can_admit: bool,
    /// Why it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A key, and whether its signatures count now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeyStanding {
    /// The key.
    #[serde(flatten)]
    pub key: KeySummary,
    /// Whether its signatures count.
    pub counts: bool,
    /// Why they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Something about a policy that its author should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRemark {
    /// Whether something can never be met as the policy is now.
    pub is_fault: bool,
    /// The rule or key, and what is the matter.
    pub what: String,
}

impl TrustPolicy {
    /// The policy of the machine that this one is below.
    pub fn machine(&self) -> Option<&Self> {
        self.machine.as_deref()
    }

    /// What this policy says about a place, whatever the machine's says.
    pub fn explain(&self, reference: &Reference, now: Timestamp) -> PlaceExplanation {
        let rule = self.rule(reference);
        let scope = rule.map(|rule| rule.scope.to_string());
        let others = self.rules.iter().filter(|it| it.scope.covers(reference).is_some());
        let others = others.map(|it| it.scope.to_string()).filter(|it| Some(it) != scope.as_ref());
        let keys = rule.map(|rule| self.standings(&rule.any_of, now)).unwrap_or_default();
        let refused = reference.digest().filter(|digest| self.refused.contains(digest));
        let place = place_of(reference);
        let reason = match (refused, rule) {
            (Some(digest), _) => Some(format!("{digest} is among the bundles that never run")),
            (None, None) => Some(format!("no rule is about `{place}`")),
            (None, Some(rule)) => self.unmet(&rule.any_of, rule.threshold, now),
        };
        PlaceExplanation {
            place,
            rule: rule.map(RuleSummary::of),
            passed_over: others.collect(),
            keys,
            can_admit: reason.is_none(),
            reason,
        }
    }

    /// What its author should know about this policy, whatever the machine's says: the faults first.
    pub fn remarks(&self, now: Timestamp) -> Vec<PolicyRemark> {
        let fault = |what: String| PolicyRemark { is_fault: true, what };
        let of_rules = self.rules.iter().filter_map(|rule| {
            let why = self.unmet(&rule.any_of, rule.threshold, now)?;
            Some(fault(format!("rule `{}` admits nothing: {why}", rule.scope)))
        });
        let of_approvals = self.approvals.iter().filter_map(|rule| {
            let required = rule.required.as_ref()?;
            let why = self.unmet(&required.any_of, required.threshold, now)?;
            Some(fault(format!("rule {} of `approvals` can be met by nobody: {why}", rule.number)))
        });
        let mut remarks: Vec<_> = of_rules.chain(of_approvals).collect();
        let of_keys = self.keys.iter().filter_map(|(name, key)| self.remark(name, key, now));
        remarks.extend(of_keys.map(|what| PolicyRemark { is_fault: false, what }));
        remarks
    }

    fn remark(&self, name: &str, key: &TrustedKey, now: Timestamp) -> Option<String> {
        let of_rules = self.rules.iter().any(|rule| rule.any_of.contains(name));
        let required = self.approvals.iter().filter_map(|rule| rule.required.as_ref());
        if !of_rules && !required.into_iter().any(|required| required.any_of.contains(name)) {
            return Some(format!("no rule lists key `{name}`"));
        }
        if let Err(flaw) = self.window(name, now) {
            return Some(flaw.to_string());
        }
        let until = key.until.filter(|until| until.duration_since(now) < SOON)?;
        Some(format!("key `{name}` is valid until {until}, and no longer"))
    }

    fn standings(&self, names: &BTreeSet<String>, now: Timestamp) -> Vec<KeyStanding> {
        let standing = |name: &String| {
            let key = KeySummary::of(name, self.keys.get(name)?);
            let reason = self.window(name, now).err().map(|flaw| flaw.to_string());
            Some(KeyStanding { key, counts: reason.is_none(), reason })
        };
        names.iter().filter_map(standing).collect()
    }

    /// Why so many signatures of these keys cannot be had now.
    fn unmet(&self, names: &BTreeSet<String>, threshold: usize, now: Timestamp) -> Option<String> {
        let valid = names.iter().filter(|name| self.window(name, now).is_ok());
        let valid: BTreeSet<_> = valid.filter_map(|name| Some(self.keys.get(name)?.public.id())).collect();
        let count = valid.len();
        (count < threshold)
            .then(|| format!("it wants {}, and {count} of its keys count now", counted(threshold, "signer")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = include_str!("../../../tests/signatures/cosign.pub");

    fn policy(keys: &str, rest: &str) -> TrustPolicy {
        let pem = PEM.trim_end().replace('\n', "\\n");
        let keys = keys.replace("PEM", &format!("pem: \"{pem}\""));
        TrustPolicy::parse(&format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys: {keys}\n{rest}"
        ))
        .unwrap()
    }

    fn rule(place: &str, key: &str) -> String {
        format!("  - {{ match: {place}, names: ['*'], require: {{ threshold: 1, anyOf: [{key}] }} }}\n")
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn the_longest_place_decides_and_the_others_are_named() {
        let rules = ["r.example/**", "r.example/acme/**", "layout"].map(|place| rule(place, "a")).concat();
        let policy = policy("{ a: { PEM } }", &format!("  rules:\n{rules}"));
        let explain = |text: &str| policy.explain(&text.parse().unwrap(), at("2026-01-01T00:00:00Z"));
        let found = explain("r.example/acme/web:1");
        assert_eq!((found.place.as_str(), found.can_admit), ("r.example/acme/web", true));
        assert_eq!(found.rule.unwrap().r#match, "r.example/acme/**");
        assert_eq!(found.passed_over, ["r.example/**"]);
        assert_eq!(found.keys.len(), 1);
        let none = explain("archive:x");
        assert!(none.rule.is_none() && !none.can_admit && none.keys.is_empty());
        assert_eq!(none.reason.as_deref(), Some("no rule is about `archive`"));
    }

    #[test]
    fn a_digest_that_never_runs_is_told_whatever_rule_there_is() {
        let digest = crate::digest::Digest::of(b"x");
        let rest = format!("  rules:\n{}  refusedDigests: ['{digest}']\n", rule("layout", "a"));
        let policy = policy("{ a: { PEM } }", &rest);
        let explain = |text: &str| policy.explain(&text.parse().unwrap(), at("2026-01-01T00:00:00Z"));
        assert!(explain("layout:x").can_admit);
        let refused = explain(&format!("layout:x@{digest}"));
        assert!(!refused.can_admit && refused.reason.unwrap().contains("never run"));
    }

    #[test]
    fn rules_that_nobody_could_meet_now_are_faults_and_the_rest_remarks() {
        let keys = "{ old: { PEM, validUntil: 2026-01-01T00:00:00Z }, new: { PEM, validFrom: 2026-03-01T00:00:00Z, \
                    validUntil: 2026-04-01T00:00:00Z }, idle: { PEM } }";
        let rest = format!(
            "  rules:\n{}{}  approvals:\n  - require: {{ threshold: 1, anyOf: [old] }}\n",
            rule("layout", "old"),
            rule("archive", "'new'")
        );
        let policy = policy(keys, &rest);
        let told = |time: &str| {
            let remarks = policy.remarks(at(time)).into_iter();
            remarks.map(|it| (it.is_fault, it.what)).collect::<Vec<_>>()
        };
        let none = "it wants 1 signer, and 0 of its keys count now";
        assert_eq!(
            told("2026-02-01T00:00:00Z"),
            [
                (true, format!("rule `layout` admits nothing: {none}")),
                (true, format!("rule `archive` admits nothing: {none}")),
                (true, format!("rule 1 of `approvals` can be met by nobody: {none}")),
                (false, "no rule lists key `idle`".into()),
                (false, "key `new` is valid from 2026-03-01T00:00:00Z".into()),
                (false, "key `old` was valid until 2026-01-01T00:00:00Z".into()),
            ]
        );
        let soon = "key `new` is valid until 2026-04-01T00:00:00Z, and no longer";
        assert!(
            told("2026-03-03T00:00:00Z").contains(&(false, soon.into())),
            "{:?}",
            told("2026-03-03T00:00:00Z")
        );
        assert_eq!(
            told("2025-12-01T00:00:01Z").iter().filter(|it| it.0).count(),
            1,
            "only the new key is early"
        );
    }
}
