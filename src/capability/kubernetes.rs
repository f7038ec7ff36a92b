//! The scope of `carnet:kubernetes`: which verbs on which kinds, namespaces and names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::pattern::{self, Pattern};
use super::template::{self, Names};
use crate::kubernetes::api;
use crate::kubernetes::object::ObjectRef;

/// What is done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Reading an object of a kind that holds no secrets.
    Get,
    /// Reading an object of a kind that holds secrets; apart from [`Verb::Get`], because it shows their values.
    GetSecret,
    /// Creating or changing an object.
    Apply,
    /// Removing an object.
    Delete,
}

/// Some verbs on some objects, as a document writes it: its texts may still hold `${…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// The verbs.
    pub verbs: Vec<Verb>,
    /// `group/Kind`, or a bare kind for the core group.
    pub kinds: Vec<String>,
    /// Namespaces. Left out for objects that live outside namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Names of objects.
    pub names: Vec<String>,
}

/// Some verbs on some objects: the product of four sets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rule {
    verbs: BTreeSet<Verb>,
    kinds: BTreeSet<Pattern>,
    /// Empty: objects outside namespaces, and no others.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    namespaces: BTreeSet<Pattern>,
    names: BTreeSet<Pattern>,
}

/// A set of verbs on objects: the union of some rules. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct KubernetesScope(Vec<Rule>);

/// Why a rule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidScope {
    /// A destination of a credential that is not a Secret.
    #[error("`{0}` is not of the form NAMESPACE/Secret/NAME")]
    Destination(String),
    /// A set without members, which must never mean "all".
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// A text of the form `VERB:KIND:NAMESPACE/NAME` was expected.
    #[error("`{0}` is not of the form VERB:KIND:NAMESPACE/NAME (or VERB:KIND:NAME outside namespaces)")]
    Form(String),
    /// A name that a generated credential cannot have.
    #[error("`{0}` cannot name a generated credential: it must be a DNS label")]
    Generated(String),
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] pattern::InvalidPattern),
    /// Several Secrets where one was expected.
    #[error("`{0}` does not name one Secret, as it must for a credential that is found again there")]
    Several(String),
    /// A placeholder that cannot be filled.
    #[error(transparent)]
    Template(#[from] template::InvalidTemplate),
    /// A verb that does not exist.
    #[error("`{0}` is not one of the verbs get, get-secret, apply, delete")]
    Verb(String),
}

impl Verb {
    /// The verb that reading an object of this kind takes.
    pub fn read(object: &ObjectRef) -> Self {
        if object.is_secret() { Self::GetSecret } else { Self::Get }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::GetSecret => "get-secret",
            Self::Apply => "apply",
            Self::Delete => "delete",
        })
    }
}

impl FromStr for Verb {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        [Self::Get, Self::GetSecret, Self::Apply, Self::Delete]
            .into_iter()
            .find(|verb| verb.to_string() == text)
            .ok_or_else(|| InvalidScope::Verb(text.into()))
    }
}

impl RuleText {
    /// Fills the placeholders.
    ///
    /// # Errors
    /// [`InvalidScope`] with the text that cannot be used.
    pub fn resolve(&self, names: &Names) -> Result<Rule, InvalidScope> {
        Rule::of(
            self.verbs.iter().copied().collect(),
            patterns(&self.kinds, names)?,
            patterns(&self.namespaces, names)?,
            patterns(&self.names, names)?,
        )
    }
}

impl fmt::Display for RuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbs = self.verbs.iter().map(Verb::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "{verbs} {}", self.kinds.join(", "))?;
        if self.namespaces.is_empty() {
            f.write_str(" outside namespaces")?;
        } else {
            write!(f, " in {}", self.namespaces.join(", "))?;
        }
        write!(f, " named {}", self.names.join(", "))
    }
}

impl Rule {
    fn of(
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

    /// Reads `VERB:KIND:NAMESPACE/NAME`, or `VERB:KIND:NAME` for objects outside namespaces.
    ///
    /// # Errors
    /// [`InvalidScope`] with the part that cannot be used.
    pub fn parse(text: &str, names: &Names) -> Result<Self, InvalidScope> {
        let form = || InvalidScope::Form(text.into());
        let (verb, rest) = text.split_once(':').ok_or_else(form)?;
        let (kind, object) = rest.split_once(':').ok_or_else(form)?;
        let (namespaces, name) = match object.split_once('/') {
            Some((namespace, name)) => (vec![namespace.to_owned()], name),
            None => (Vec::new(), object),
        };
        RuleText {
            verbs: vec![verb.parse()?],
            kinds: vec![kind.into()],
            namespaces,
            names: vec![name.into()],
        }
        .resolve(names)
    }

    /// The verbs.
    pub fn verbs(&self) -> impl Iterator<Item = Verb> {
        self.verbs.iter().copied()
    }

    fn allows(&self, verb: Verb, object: &ObjectRef) -> bool {
        let any =
            |patterns: &BTreeSet<Pattern>, name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        let place = match &object.namespace {
            Some(namespace) => any(&self.namespaces, namespace),
            None => self.namespaces.is_empty(),
        };
        place
            && self.verbs.contains(&verb)
            && any(&self.kinds, &object.group_kind())
            && any(&self.names, &object.name)
    }

    /// The rule as a union of atoms: one verb, one pattern for each of the rest.
    fn atoms(&self) -> impl Iterator<Item = Atom> {
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
    fn covers(&self, atom: &Atom) -> bool {
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

    fn intersect(&self, other: &Self) -> Option<Self> {
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
        rules.into_iter().map(|rule| rule.resolve(names)).collect::<Result<_, _>>().map(Self)
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
        self.0.iter().any(|rule| rule.allows(verb, object))
    }

    /// Whether anything of this kind is in the set.
    pub fn concerns(&self, group_kind: &str) -> bool {
        self.0.iter().any(|rule| rule.kinds.iter().any(|pattern| pattern.matches(group_kind)))
    }

    /// Whether everything in `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().flat_map(Rule::atoms).all(|atom| self.covers_atom(&atom))
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self(self.0.iter().flat_map(|a| other.0.iter().filter_map(|b| a.intersect(b))).collect())
    }

    /// What of this set is not wholly in `other`: at least the difference, in whole atoms, and nothing from outside this
    /// set. Empty exactly when `other` covers this set.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let left = self.0.iter().flat_map(Rule::atoms).filter(|atom| !other.covers_atom(atom));
        Self(left.map(Atom::into_rule).collect())
    }

    /// The set as few rules: equal ones are joined over their verbs and names.
    #[must_use]
    pub fn condensed(&self) -> Self {
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

    /// The objects of which the set names just this one, for reading. Scopes say nothing about versions, so neither do these
    /// references: they are for finding out how a kind is served.
    pub fn single_reads(&self) -> Vec<ObjectRef> {
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
        self.0.iter().flat_map(Rule::atoms).filter_map(read).collect()
    }

    /// The set, an atom a line, in the form `VERB:KIND:NAMESPACE/NAME`.
    pub fn lines(&self) -> Vec<String> {
        let atoms: BTreeSet<String> =
            self.0.iter().flat_map(Rule::atoms).map(|atom| atom.to_string()).collect();
        atoms.into_iter().collect()
    }

    fn covers_atom(&self, atom: &Atom) -> bool {
        self.0.iter().any(|rule| rule.covers(atom))
    }
}

/// One verb, and one pattern for each of kind, namespace (none: outside namespaces) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Atom {
    verb: Verb,
    kind: Pattern,
    namespace: Option<Pattern>,
    name: Pattern,
}

impl Atom {
    fn into_rule(self) -> Rule {
        Rule {
            verbs: [self.verb].into(),
            kinds: [self.kind].into(),
            namespaces: self.namespace.into_iter().collect(),
            names: [self.name].into(),
        }
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.verb, self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}", self.name)
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

pub(super) fn patterns(texts: &[String], names: &Names) -> Result<BTreeSet<Pattern>, InvalidScope> {
    texts.iter().map(|text| Ok(Pattern::parse(&names.fill(text)?)?)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    pub(crate) fn pattern() -> impl Strategy<Value = Pattern> {
        "[ab]{0,2}\\*?".prop_filter_map("empty", |text| Pattern::parse(&text).ok())
    }

    fn verb() -> impl Strategy<Value = Verb> {
        prop::sample::select(vec![Verb::Get, Verb::GetSecret, Verb::Apply, Verb::Delete])
    }

    pub(crate) fn rule() -> impl Strategy<Value = Rule> {
        (
            btree_set(verb(), 1..3),
            btree_set(pattern(), 1..3),
            btree_set(pattern(), 0..3),
            btree_set(pattern(), 1..3),
        )
            .prop_map(|(verbs, kinds, namespaces, names)| Rule { verbs, kinds, namespaces, names })
    }

    pub(crate) fn scope() -> impl Strategy<Value = KubernetesScope> {
        vec(rule(), 0..4).prop_map(KubernetesScope)
    }

    pub(crate) fn action() -> impl Strategy<Value = (Verb, ObjectRef)> {
        let object = ("[ab]{1,3}", prop::option::of("[ab]{1,3}"), "[ab]{1,3}")
            .prop_map(|(kind, namespace, name)| ObjectRef::new("v1", kind, namespace.as_deref(), name));
        (verb(), object)
    }

    fn parse(text: &str) -> KubernetesScope {
        KubernetesScope(vec![Rule::parse(text, &Names::default()).unwrap()])
    }

    #[test]
    fn the_default_is_nothing() {
        assert!(KubernetesScope::default().is_empty());
        assert!(!KubernetesScope::default().covers(&parse("get:ConfigMap:a/b")));
    }

    #[test]
    fn a_rule_without_a_set_is_refused_rather_than_taken_for_everything() {
        let names = Names::default();
        let text = RuleText {
            verbs: vec![],
            kinds: vec!["Service".into()],
            namespaces: vec![],
            names: vec!["a".into()],
        };
        assert_eq!(text.resolve(&names), Err(InvalidScope::Empty("verbs")));
        assert_eq!(
            RuleText { verbs: vec![Verb::Get], kinds: vec![], ..text.clone() }.resolve(&names),
            Err(InvalidScope::Empty("kinds"))
        );
        assert_eq!(
            RuleText { verbs: vec![Verb::Get], names: vec![], ..text }.resolve(&names),
            Err(InvalidScope::Empty("names"))
        );
        assert_eq!(
            Rule::parse("get:Service:/a", &names),
            Err(InvalidScope::Pattern(pattern::InvalidPattern::Empty))
        );
        assert_eq!(Rule::parse("list:Service:a/a", &names), Err(InvalidScope::Verb("list".into())));
        assert_eq!(Rule::parse("get:Service", &names), Err(InvalidScope::Form("get:Service".into())));
    }

    #[test]
    fn a_rule_without_namespaces_is_for_objects_outside_them_alone() {
        let scope = parse("get:Namespace:prod");
        let object = |namespace: Option<&str>| ObjectRef::new("v1", "Namespace", namespace, "prod");
        assert!(scope.allows(Verb::Get, &object(None)));
        assert!(!scope.allows(Verb::Get, &object(Some("prod"))));
        assert!(!parse("get:*:*/*").allows(Verb::Get, &object(None)));
    }

    #[test]
    fn reading_secrets_is_not_reading() {
        let secret = ObjectRef::new("v1", "Secret", Some("a"), "b");
        assert_eq!(Verb::read(&secret), Verb::GetSecret);
        assert!(!parse("get:Secret:a/b").allows(Verb::read(&secret), &secret));
    }

    #[test]
    fn condensing_joins_what_belongs_together() {
        let mut scope = parse("apply:Service:a/x");
        scope.extend(parse("delete:Service:a/x"));
        scope.extend(parse("apply:ConfigMap:a/x"));
        scope.extend(parse("delete:ConfigMap:a/x"));
        let rules: Vec<_> = scope.condensed().rules().iter().map(Rule::to_string).collect();
        assert_eq!(rules, ["apply, delete ConfigMap, Service in a named x"]);
    }

    proptest! {
        #[test]
        fn an_intersection_allows_what_both_allow(a in scope(), b in scope(), (verb, object) in action()) {
            prop_assert_eq!(a.intersect(&b).allows(verb, &object), a.allows(verb, &object) && b.allows(verb, &object));
        }

        #[test]
        fn what_covers_allows_everything(a in scope(), b in scope(), (verb, object) in action()) {
            if a.covers(&b) && b.allows(verb, &object) {
                prop_assert!(a.allows(verb, &object));
            }
        }

        #[test]
        fn a_difference_is_empty_exactly_when_covered(a in scope(), b in scope()) {
            prop_assert_eq!(a.minus(&b).is_empty(), b.covers(&a));
        }

        #[test]
        fn a_difference_loses_nothing_and_adds_nothing(a in scope(), b in scope(), (verb, object) in action()) {
            let left = a.minus(&b).allows(verb, &object);
            if a.allows(verb, &object) && !b.allows(verb, &object) {
                prop_assert!(left);
            }
            if left {
                prop_assert!(a.allows(verb, &object));
            }
        }

        #[test]
        fn granting_the_difference_is_enough(a in scope(), mut b in scope()) {
            b.extend(a.minus(&b));
            prop_assert!(b.covers(&a));
        }

        #[test]
        fn adding_never_removes(mut a in scope(), b in scope(), (verb, object) in action()) {
            let before = a.allows(verb, &object);
            a.extend(b);
            prop_assert!(!before || a.allows(verb, &object));
        }

        #[test]
        fn condensing_changes_nothing(a in scope(), (verb, object) in action()) {
            let condensed = a.condensed();
            prop_assert_eq!(condensed.allows(verb, &object), a.allows(verb, &object));
            prop_assert!(condensed.covers(&a) && a.covers(&condensed));
        }
    }
}
