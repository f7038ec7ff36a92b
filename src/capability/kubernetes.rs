//! The scope of `carnet:kubernetes`: which verbs on which kinds, namespaces and names.

mod verb;
mod atom;
mod rule;
mod text;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde::Serialize;

use super::InvalidScope;
use super::invalid_scope::check_count;
use super::pattern::Pattern;
use super::template::Names;
use crate::kubernetes::api;
use crate::kubernetes::object::ObjectRef;
use crate::text::CommandLine;

use atom::Atom;
pub use rule::Rule;
pub(super) use text::patterns;
pub use text::{RuleText, kind_pattern, namespace_pattern};
pub use verb::Verb;

/// The most that a scope may name one by one: verbs times kinds times namespaces times names, of all rules together. A
/// product of four short lists could otherwise take all memory there is where it is written out, as lines to grant.
const MAX_ATOMS: usize = 50_000;

/// The flag that allows something, written `VERB:KIND:NAMESPACE/NAME`.
pub fn flag(action: impl Display) -> CommandLine {
    CommandLine::of("--allow-kube").quoted(action)
}

/// A set of verbs on objects: the union of some rules. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct KubernetesScope(Vec<Rule>);

impl KubernetesScope {
    /// The union of some rules.
    pub fn of(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// Reads rules and fills their placeholders.
    ///
    /// # Errors
    /// [`InvalidScope`] with the text that cannot be used.
    pub fn resolve<'a>(
        rules: impl IntoIterator<Item = &'a RuleText>,
        names: &Names,
    ) -> Result<Self, InvalidScope> {
        let (mut scope, mut atoms, mut patterns) = (Self::default(), 0_usize, 0_usize);
        for rule in rules {
            let rule = rule.resolve(names)?;
            atoms = atoms.saturating_add(rule.size());
            patterns = patterns.saturating_add(rule.patterns());
            if atoms > MAX_ATOMS {
                return Err(InvalidScope::Large);
            }
            check_count(patterns)?;
            scope.0.push(rule);
        }
        Ok(scope)
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether the verb on this object is in the set.
    pub fn allows(&self, verb: Verb, object: &ObjectRef) -> bool {
        let kind = object.group_kind();
        self.0.iter().any(|rule| rule.allows(verb, &kind, object))
    }

    /// Whether a rule may have been meant for the verb on this object: its kind is the object's in another spelling, or it
    /// leaves out the namespace that the object is in.
    pub fn may_mean(&self, verb: Verb, object: &ObjectRef) -> bool {
        let kind = object.group_kind();
        self.0.iter().any(|rule| rule.may_mean(verb, &kind, object))
    }

    /// Whether anything of this kind is in the set.
    pub fn concerns(&self, group_kind: &str) -> bool {
        self.0.iter().any(|rule| rule.kinds.iter().any(|pattern| pattern.matches(group_kind)))
    }

    /// Whether everything in `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        other.minus(self).is_empty()
    }

    /// The intersection of both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self(self.0.iter().flat_map(|a| other.0.iter().filter_map(|b| a.intersect(b))).collect())
    }

    /// The atoms of this set that are not wholly in `other`: at least the difference, and nothing from outside this
    /// set. Empty exactly when `other` covers this set.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let uncovered = self.0.iter().filter(|rule| !other.0.iter().any(|wide| wide.covers(rule)));
        let left = |rule: &Rule| {
            let whole = vec![rule.clone()];
            other
                .0
                .iter()
                .fold(whole, |left, wide| left.into_iter().flat_map(|it| it.without(wide)).collect())
        };
        Self(uncovered.flat_map(left).collect())
    }

    /// The set as few rules: equal ones are joined over their verbs and names.
    #[must_use]
    pub fn condensed(&self) -> Self {
        // What two scopes have in common may be far more than either was read with.
        if self.size() > MAX_ATOMS {
            return self.clone();
        }
        let mut by_verbs = BTreeMap::<_, BTreeSet<Pattern>>::new();
        for atom in self.0.iter().flat_map(Rule::atoms) {
            by_verbs.entry((atom.verb, atom.kind, atom.namespace)).or_default().insert(atom.name);
        }
        let mut by_rest = BTreeMap::<_, BTreeSet<Verb>>::new();
        for ((verb, kind, namespace), names) in by_verbs {
            by_rest.entry((namespace, names, kind)).or_default().insert(verb);
        }
        let mut by_kinds = BTreeMap::<_, BTreeSet<Pattern>>::new();
        for ((namespace, names, kind), verbs) in by_rest {
            by_kinds.entry((namespace, names, verbs)).or_default().insert(kind);
        }
        let rules = by_kinds.into_iter().map(|((namespace, names, verbs), kinds)| Rule {
            verbs,
            kinds,
            namespaces: namespace.into_iter().collect(),
            names,
        });
        Self(rules.collect())
    }

    /// The objects in these places of which the set names just this one, for reading. Scopes say nothing about versions,
    /// so neither do these references: they are for finding out how a kind is served.
    pub fn single_reads(&self, is_meant: impl Fn(Option<&str>) -> bool) -> Vec<ObjectRef> {
        let is_in_place = |namespace: Option<&Pattern>| match namespace {
            Some(Pattern::Exact(namespace)) => is_meant(Some(namespace)),
            Some(Pattern::Prefix(_)) => false,
            None => is_meant(None),
        };
        let exact = |pattern: &Pattern| match pattern {
            Pattern::Exact(name) => Some(name.clone()),
            Pattern::Prefix(_) => None,
        };
        let read = |atom: Atom| {
            let kind = exact(&atom.kind)?;
            let (group, kind) = kind.rsplit_once('/').unwrap_or(("", &kind));
            let namespace = match &atom.namespace {
                Some(namespace) => Some(exact(namespace)?),
                None => None,
            };
            let object = ObjectRef::new(api::v1(group), kind, namespace.as_deref(), exact(&atom.name)?);
            (Verb::read(&object) == atom.verb).then_some(object)
        };
        let atoms = self.0.iter().flat_map(|rule| rule.atoms_in(is_in_place));
        atoms.filter_map(read).take(MAX_ATOMS).collect()
    }

    /// The set, an atom a line, in the form `VERB:KIND:NAMESPACE/NAME`.
    pub fn lines(&self) -> Vec<String> {
        let atoms: BTreeSet<String> =
            self.0.iter().flat_map(Rule::atoms).take(MAX_ATOMS).map(|atom| atom.to_string()).collect();
        atoms.into_iter().collect()
    }

    fn size(&self) -> usize {
        self.0.iter().map(Rule::size).fold(0, usize::saturating_add)
    }
}
