//! One rule of the scope, the product of four sets, and the comparisons that the scope is made of.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::Verb;
use super::atom::Atom;
use crate::capability::InvalidScope;
use crate::capability::pattern::Pattern;
use crate::kubernetes::object::ObjectRef;

/// Some verbs on some objects: the product of four sets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rule {
    pub(super) verbs: BTreeSet<Verb>,
    pub(super) kinds: BTreeSet<Pattern>,
    /// Empty: objects outside namespaces, and no others.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) namespaces: BTreeSet<Pattern>,
    pub(super) names: BTreeSet<Pattern>,
}

impl Rule {
    /// The product of these sets.
    ///
    /// # Errors
    /// [`InvalidScope::Empty`] for a set without members.
    pub(super) fn of(
        verbs: BTreeSet<Verb>,
        kinds: BTreeSet<Pattern>,
        namespaces: BTreeSet<Pattern>,
        names: BTreeSet<Pattern>,
    ) -> Result<Self, InvalidScope> {
        for (set, is_empty) in
            [("verbs", verbs.is_empty()), ("kinds", kinds.is_empty()), ("names", names.is_empty())]
        {
            if is_empty {
                return Err(InvalidScope::Empty(set));
            }
        }
        Ok(Self { verbs, kinds, namespaces, names })
    }

    /// The verbs.
    pub fn verbs(&self) -> impl Iterator<Item = Verb> {
        self.verbs.iter().copied()
    }

    /// Whether the verb on this object is in the product. `kind` is the object's, as `group/Kind`: it is the same for all
    /// rules.
    pub(super) fn allows(&self, verb: Verb, kind: &str, object: &ObjectRef) -> bool {
        let place = match &object.namespace {
            Some(namespace) => Pattern::any(&self.namespaces, namespace),
            None => self.namespaces.is_empty(),
        };
        self.verbs.contains(&verb)
            && place
            && Pattern::any(&self.names, &object.name)
            && Pattern::any(&self.kinds, kind)
    }

    /// Whether the rule may have been meant for the verb on this object. `kind` is the object's, as `group/Kind`.
    pub(super) fn may_mean(&self, verb: Verb, kind: &str, object: &ObjectRef) -> bool {
        let place = match &object.namespace {
            Some(namespace) => self.namespaces.is_empty() || Pattern::any(&self.namespaces, namespace),
            None => true,
        };
        let is_spelling = |pattern: &Pattern| match pattern {
            Pattern::Exact(text) => may_spell(text, kind),
            Pattern::Prefix(_) => pattern.matches(kind),
        };
        self.verbs.contains(&verb)
            && place
            && Pattern::any(&self.names, &object.name)
            && self.kinds.iter().any(is_spelling)
    }

    /// The rule as a union of atoms: one verb, one pattern for each of the rest.
    pub(super) fn atoms(&self) -> impl Iterator<Item = Atom> {
        self.atoms_in(|_| true)
    }

    /// The atoms in namespaces that are meant, or outside of them.
    pub(super) fn atoms_in(&self, is_meant: impl Fn(Option<&Pattern>) -> bool) -> impl Iterator<Item = Atom> {
        let mut namespaces: Vec<Option<&Pattern>> =
            if self.namespaces.is_empty() { vec![None] } else { self.namespaces.iter().map(Some).collect() };
        namespaces.retain(|namespace| is_meant(*namespace));
        self.verbs.iter().flat_map(move |verb| {
            let namespaces = namespaces.clone();
            self.kinds.iter().flat_map(move |kind| {
                namespaces.clone().into_iter().flat_map(move |namespace| {
                    self.names.iter().map(move |name| Atom {
                        verb: *verb,
                        kind: kind.clone(),
                        namespace: namespace.cloned(),
                        name: name.clone(),
                    })
                })
            })
        })
    }

    /// How many atoms the rule has.
    pub(super) fn size(&self) -> usize {
        let sets = [self.verbs.len(), self.kinds.len(), self.namespaces.len().max(1), self.names.len()];
        sets.into_iter().fold(1, usize::saturating_mul)
    }

    /// How many patterns the rule is made of.
    pub(super) fn patterns(&self) -> usize {
        self.kinds.len() + self.namespaces.len() + self.names.len()
    }

    /// Whether this rule alone holds all of the other one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let all = |wide: &BTreeSet<Pattern>, narrow: &BTreeSet<Pattern>| {
            narrow.iter().all(|pattern| Pattern::any_covers(wide, pattern))
        };
        self.namespaces.is_empty() == other.namespaces.is_empty()
            && other.verbs.is_subset(&self.verbs)
            && all(&self.kinds, &other.kinds)
            && all(&self.namespaces, &other.namespaces)
            && all(&self.names, &other.names)
    }

    /// The rule without the atoms that are wholly in another one, as few rules: an atom is, if each of its parts is. See
    /// [`Pattern`]: if any union of rules holds an atom, one of them does. Nothing is multiplied out for that.
    pub(super) fn without(self, other: &Self) -> Vec<Self> {
        if self.namespaces.is_empty() != other.namespaces.is_empty() {
            return vec![self];
        }
        let parts = |set: &BTreeSet<Pattern>, wide: &BTreeSet<Pattern>| {
            set.iter().cloned().partition::<BTreeSet<_>, _>(|pattern| Pattern::any_covers(wide, pattern))
        };
        let (verbs, other_verbs): (BTreeSet<_>, BTreeSet<_>) =
            self.verbs.iter().copied().partition(|verb| other.verbs.contains(verb));
        let (kinds, other_kinds) = parts(&self.kinds, &other.kinds);
        let (namespaces, other_namespaces) = parts(&self.namespaces, &other.namespaces);
        let (names, other_names) = parts(&self.names, &other.names);
        let is_outside = self.namespaces.is_empty();
        if verbs.is_empty() || kinds.is_empty() || names.is_empty() || !is_outside && namespaces.is_empty() {
            return vec![self];
        }
        let mut left = vec![Self { verbs: other_verbs, ..self.clone() }];
        left.push(Self { verbs: verbs.clone(), kinds: other_kinds, ..self.clone() });
        if !is_outside {
            let (verbs, kinds) = (verbs.clone(), kinds.clone());
            left.push(Self { verbs, kinds, namespaces: other_namespaces, names: self.names });
            left.retain(|rule| !rule.namespaces.is_empty());
        }
        left.push(Self { verbs, kinds, namespaces, names: other_names });
        left.retain(|rule| !rule.verbs.is_empty() && !rule.kinds.is_empty() && !rule.names.is_empty());
        left
    }

    /// The objects and verbs of both. None: there are none.
    pub(super) fn intersect(&self, other: &Self) -> Option<Self> {
        if self.namespaces.is_empty() != other.namespaces.is_empty() {
            return None;
        }
        let namespaces = common(&self.namespaces, &other.namespaces);
        if namespaces.is_empty() && !self.namespaces.is_empty() {
            return None;
        }
        let verbs = self.verbs.intersection(&other.verbs).copied().collect();
        Self::of(verbs, common(&self.kinds, &other.kinds), namespaces, common(&self.names, &other.names)).ok()
    }
}

/// Whether a text may be another spelling of a kind: in other letters, or its plural. The group is the same.
fn may_spell(text: &str, kind: &str) -> bool {
    let (text, kind) = (text.to_ascii_lowercase(), kind.to_ascii_lowercase());
    let plurals = [
        Some(format!("{kind}s")),
        Some(format!("{kind}es")),
        kind.strip_suffix('y').map(|it| format!("{it}ies")),
    ];
    text == kind || plurals.iter().flatten().any(|plural| *plural == text)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |patterns: &BTreeSet<Pattern>| {
            patterns.iter().map(Pattern::to_string).collect::<Vec<_>>().join(", ")
        };
        let verbs = self.verbs.iter().map(Verb::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "{verbs} {}", join(&self.kinds))?;
        if self.namespaces.is_empty() {
            f.write_str(" outside namespaces")?;
        } else {
            write!(f, " in {}", join(&self.namespaces))?;
        }
        write!(f, " named {}", join(&self.names))
    }
}

fn common(a: &BTreeSet<Pattern>, b: &BTreeSet<Pattern>) -> BTreeSet<Pattern> {
    let within = |narrow: &BTreeSet<Pattern>, wide: &BTreeSet<Pattern>| -> BTreeSet<Pattern> {
        narrow.iter().filter(|pattern| Pattern::any_covers(wide, pattern)).cloned().collect()
    };
    let (mut both, others) = (within(a, b), within(b, a));
    both.extend(others);
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_is_of_its_group_and_kind_alone() {
        for text in ["x.example/Thing", "x.example/thing", "x.example/THING", "x.example/things"] {
            assert!(may_spell(text, "x.example/Thing"), "{text}");
        }
        for (text, kind) in
            [("x.example/policies", "x.example/Policy"), ("x.example/meshes", "x.example/Mesh")]
        {
            assert!(may_spell(text, kind), "{text}");
        }
        for text in
            ["y.example/Thing", "Thing", "x.example/Thin", "x.example/Things2", "x.example/Policy", ""]
        {
            assert!(!may_spell(text, "x.example/Thing"), "{text}");
        }
    }
}
