//! Writes many small rules as few that allow just the same.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::PolicyRule;

/// One rule of a role, and why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Justified {
    /// The rule.
    pub rule: PolicyRule,
    /// The reasons.
    pub why: BTreeSet<String>,
}

impl Justified {
    /// Verbs and resources, and why.
    pub(super) fn line(&self) -> String {
        let why: Vec<_> = self.why.iter().map(String::as_str).collect();
        format!("{}: {}", self.rule.summary(), why.join("; "))
    }
}

/// Joins parts into few rules, without reasons.
pub fn condensed(parts: impl IntoIterator<Item = PolicyRule>) -> Vec<PolicyRule> {
    let parts = parts.into_iter().map(|part| (part, BTreeSet::new())).collect();
    joined(&parts).into_iter().map(|justified| justified.rule).collect()
}

/// Few rules that together allow just what these parts do, none of which has more than one member in any set: first
/// joined over verbs, then over names, then over the resources of a group that have the same names and verbs. Each step
/// keeps the product exact.
pub(super) fn joined(parts: &BTreeMap<PolicyRule, BTreeSet<String>>) -> Vec<Justified> {
    let joins: [fn(&mut PolicyRule) -> BTreeSet<String>; 3] = [
        |rule| std::mem::take(&mut rule.verbs),
        |rule| std::mem::take(&mut rule.resource_names),
        |rule| std::mem::take(&mut rule.resources),
    ];
    let puts: [fn(&mut PolicyRule, BTreeSet<String>); 3] = [
        |rule, set| rule.verbs = set,
        |rule, set| rule.resource_names = set,
        |rule, set| rule.resources = set,
    ];
    let mut rules = parts.clone();
    for (take, put) in joins.into_iter().zip(puts) {
        let mut joined = BTreeMap::<(PolicyRule, bool), (BTreeSet<String>, BTreeSet<String>)>::new();
        for (mut rule, why) in rules {
            let set = take(&mut rule);
            // Without names a rule is about all objects: another with names must not narrow it.
            let (members, reasons) = joined.entry((rule, set.is_empty())).or_default();
            members.extend(set);
            reasons.extend(why);
        }
        let whole = |((mut rule, _), (members, why)): ((PolicyRule, bool), _)| {
            put(&mut rule, members);
            (rule, why)
        };
        rules = joined.into_iter().map(whole).collect();
    }
    rules.into_iter().map(|(rule, why)| Justified { rule, why }).collect()
}
