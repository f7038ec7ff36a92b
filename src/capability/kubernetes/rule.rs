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

    /// The rule as a union of atoms: one verb, one pattern for each of the rest.
    pub(super) fn atoms(&self) -> impl Iterator<Item = Atom> {
        let namespaces: Vec<Option<&Pattern>> =
            if self.namespaces.is_empty() { vec![None] } else { self.namespaces.iter().map(Some).collect() };
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

    /// Whether this rule alone holds all of the atom. See [`Pattern`]: if any union of rules does, one of them does.
    pub(super) fn covers(&self, atom: &Atom) -> bool {
        let any = |patterns: &BTreeSet<Pattern>, narrow: &Pattern| {
            patterns.iter().any(|pattern| pattern.covers(narrow))
        };
        let place = match &atom.namespace {
            Some(namespace) => any(&self.namespaces, namespace),
            None => self.namespaces.is_empty(),
        };
        place
            && self.verbs.contains(&atom.verb)
            && any(&self.kinds, &atom.kind)
            && any(&self.names, &atom.name)
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

impl From<Atom> for Rule {
    fn from(atom: Atom) -> Self {
        Self {
            verbs: [atom.verb].into(),
            kinds: [atom.kind].into(),
            namespaces: atom.namespace.into_iter().collect(),
            names: [atom.name].into(),
        }
    }
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
    a.iter().flat_map(|a| b.iter().filter_map(|b| a.intersect(b))).collect()
}
