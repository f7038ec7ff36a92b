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
    let joins: [fn(&mut PolicyRule) -> BTreeSet<String>; 2] =
        [|rule| std::mem::take(&mut rule.resource_names), |rule| std::mem::take(&mut rule.resources)];
    let puts: [fn(&mut PolicyRule, BTreeSet<String>); 2] =
        [|rule, set| rule.resource_names = set, |rule, set| rule.resources = set];
    let mut rules = joined_over_verbs(parts);
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

/// Rules that differ in their verbs alone are neighbours, so one walk over thousands of them joins them.
fn joined_over_verbs(parts: &BTreeMap<PolicyRule, BTreeSet<String>>) -> Vec<(PolicyRule, BTreeSet<String>)> {
    let mut rules: Vec<(PolicyRule, BTreeSet<String>)> = Vec::new();
    for (part, why) in parts {
        match rules.last_mut() {
            Some((rule, reasons)) if rule.is_about_the_same(part) && !rule.verbs.is_empty() => {
                rule.verbs.extend(part.verbs.iter().cloned());
                reasons.extend(why.iter().cloned());
            }
            _ => rules.push((part.clone(), why.clone())),
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, btree_set};
    use proptest::prelude::*;

    use super::*;

    fn any_parts() -> impl Strategy<Value = BTreeMap<PolicyRule, BTreeSet<String>>> {
        let set = || btree_set("[ab]", 0..2);
        let rule = (set(), set(), set(), set(), set()).prop_map(
            |(api_groups, resources, resource_names, non_resource_urls, verbs)| PolicyRule {
                api_groups,
                resources,
                resource_names,
                non_resource_urls,
                verbs,
            },
        );
        btree_map(rule, btree_set("[xy]", 0..3), 0..40)
    }

    proptest! {
        #[test]
        fn neighbours_are_all_that_differ_in_their_verbs_alone(parts in any_parts()) {
            let mut found = BTreeMap::<(PolicyRule, bool), (BTreeSet<String>, BTreeSet<String>)>::new();
            for (part, why) in &parts {
                let key = (PolicyRule { verbs: BTreeSet::new(), ..part.clone() }, part.verbs.is_empty());
                let (verbs, reasons) = found.entry(key).or_default();
                verbs.extend(part.verbs.iter().cloned());
                reasons.extend(why.iter().cloned());
            }
            let mut found: Vec<_> = found
                .into_iter()
                .map(|((rule, _), (verbs, why))| (PolicyRule { verbs, ..rule }, why))
                .collect();
            found.sort();
            let mut joined = joined_over_verbs(&parts);
            joined.sort();
            prop_assert_eq!(joined, found);
        }
    }
}
