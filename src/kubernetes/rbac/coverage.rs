//! Leaves out rules that others cover.
//!
//! Whatever covers a rule holds its first group, resource and name, or all of them, so only rules that are found by
//! these are compared: a plan with thousands of roles has thousands of rules.

use std::collections::HashMap;

use super::condensed::Justified;
use super::rule::PolicyRule;

/// Stands for all groups, resources or URLs.
const ALL: &str = "*";

/// The rules that none of the others covers. Of equal ones the first stays.
pub(super) fn uncovered(rules: Vec<Justified>) -> Vec<Justified> {
    let index = Index::of(&rules);
    let is_covered = |at: usize, it: &Justified| {
        index.candidates(&it.rule).any(|other| {
            other != at
                && rules[other].rule.covers(&it.rule)
                && !(it.rule.covers(&rules[other].rule) && at < other)
        })
    };
    let covered: Vec<_> = rules.iter().enumerate().map(|(at, it)| is_covered(at, it)).collect();
    rules.into_iter().zip(covered).filter_map(|(rule, is_covered)| (!is_covered).then_some(rule)).collect()
}

/// Rules by what they are about.
#[derive(Default)]
struct Index<'a> {
    /// By group, resource and name. No name: all of them.
    objects: HashMap<(&'a str, &'a str, Option<&'a str>), Vec<usize>>,
    /// By URL.
    urls: HashMap<&'a str, Vec<usize>>,
    /// Those with URLs that begin in some way.
    url_patterns: Vec<usize>,
}

impl<'a> Index<'a> {
    fn of(rules: &'a [Justified]) -> Self {
        let mut index = Self::default();
        for (at, Justified { rule, .. }) in rules.iter().enumerate() {
            index.add(at, rule);
        }
        index
    }

    fn add(&mut self, at: usize, rule: &'a PolicyRule) {
        let names: Vec<_> = match rule.resource_names.is_empty() {
            true => vec![None],
            false => rule.resource_names.iter().map(|name| Some(name.as_str())).collect(),
        };
        for (group, resource) in rule
            .api_groups
            .iter()
            .flat_map(|group| rule.resources.iter().map(move |resource| (group.as_str(), resource.as_str())))
        {
            for name in &names {
                self.objects.entry((group, resource, *name)).or_default().push(at);
            }
        }
        for url in &rule.non_resource_urls {
            self.urls.entry(url.as_str()).or_default().push(at);
        }
        if rule.non_resource_urls.iter().any(|url| url.ends_with(ALL)) {
            self.url_patterns.push(at);
        }
    }

    /// The rules that may cover this one, in no order.
    fn candidates(&self, rule: &PolicyRule) -> impl Iterator<Item = usize> {
        let mut found = Vec::new();
        if let Some(url) = rule.non_resource_urls.first() {
            found.extend(self.urls.get(url.as_str()).into_iter().flatten());
            found.extend(&self.url_patterns);
        }
        if let (Some(group), Some(resource)) = (rule.api_groups.first(), rule.resources.first()) {
            let of_all = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
            let resources = [Some(resource.as_str()), Some(ALL), of_all.as_deref()].into_iter().flatten();
            let names = [None, rule.resource_names.first().map(String::as_str)];
            // Without names there is one key, not two.
            let names = &names[..1 + usize::from(names[1].is_some())];
            for resource in resources {
                for key in [group.as_str(), ALL]
                    .into_iter()
                    .flat_map(|group| names.iter().map(move |name| (group, resource, *name)))
                {
                    found.extend(self.objects.get(&key).into_iter().flatten());
                }
            }
        }
        found.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn justified(rule: PolicyRule) -> Justified {
        Justified { rule, why: BTreeSet::new() }
    }

    fn rule() -> impl Strategy<Value = PolicyRule> {
        let some = |texts: &'static [&'static str], least: usize| {
            btree_set(prop::sample::select(texts).prop_map(str::to_owned), least..3)
        };
        let objects = (
            some(&["", "apps", "*"], 1),
            some(&["pods", "pods/log", "*", "*/log"], 1),
            some(&["a", "b"], 0),
            some(&["get", "list", "*"], 1),
        )
            .prop_map(|(api_groups, resources, resource_names, verbs)| PolicyRule {
                api_groups,
                resources,
                resource_names,
                verbs,
                ..PolicyRule::default()
            });
        let urls = (some(&["/a", "/a/b", "/a/*", "*"], 1), some(&["get", "*"], 1)).prop_map(
            |(non_resource_urls, verbs)| PolicyRule { non_resource_urls, verbs, ..PolicyRule::default() },
        );
        prop_oneof![3 => objects, 1 => urls]
    }

    proptest! {
        /// The rules that are left are those that comparing each with each leaves.
        #[test]
        fn what_is_found_by_its_place_is_what_a_search_through_all_finds(rules in vec(rule(), 0..12)) {
            let is_covered = |at: usize| rules.iter().enumerate().any(|(other, wide)| {
                other != at && wide.covers(&rules[at]) && !(rules[at].covers(wide) && at < other)
            });
            let expected: Vec<_> =
                (0..rules.len()).filter(|at| !is_covered(*at)).map(|at| rules[at].clone()).collect();
            let left = uncovered(rules.iter().cloned().map(justified).collect());
            prop_assert_eq!(left.into_iter().map(|it| it.rule).collect::<Vec<_>>(), expected);
        }
    }

    /// How many rules are compared with one that names each of so many objects.
    fn compared(many: usize) -> usize {
        let named = |at: usize| PolicyRule {
            resource_names: [format!("n{at}")].into(),
            ..PolicyRule::all("", "configmaps", &[super::super::ApiVerb::Get])
        };
        let urls = |at: usize| PolicyRule {
            non_resource_urls: [format!("/n{at}")].into(),
            verbs: ["get".to_owned()].into(),
            ..PolicyRule::default()
        };
        let rules: Vec<_> = (0..many).flat_map(|at| [named(at), urls(at)]).map(justified).collect();
        let index = Index::of(&rules);
        rules.iter().map(|it| index.candidates(&it.rule).count()).sum()
    }

    #[test]
    fn no_rule_is_compared_with_all_others() {
        assert_eq!(compared(20), 40, "with itself alone");
        assert_eq!(compared(5_000), 250 * compared(20));
    }
}
