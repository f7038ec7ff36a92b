//! The scope of `carnet:credentials`: which credentials, where each may go, and which may be shown or made.

pub mod generate;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::InvalidScope;
use super::grammar::Grammar;
use super::invalid_scope::check_count;
use super::pattern::Pattern;
use super::template::{Names, outlines};
use crate::kubernetes::object::ObjectRef;
use crate::text::CommandLine;

/// A credential, as a document names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialText {
    /// The credential's name in the bundle.
    pub name: String,
    /// Secrets that it may go into, `NAMESPACE/Secret/NAME`. Left out: any Secret that may be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<Vec<String>>,
    /// Whether the component may see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reveal: bool,
}

/// Some Secrets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialDestination {
    namespace: Pattern,
    name: Pattern,
}

/// The permitted uses of one credential.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Use {
    /// Where it may go: nowhere, some Secrets, or any Secret that may be applied.
    into: Places,
    /// Whether the component may see it.
    reveal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Places {
    Any,
    These(Vec<CredentialDestination>),
}

impl Default for Places {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

/// The permitted uses of credentials, by name. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialScope(BTreeMap<String, Use>);

/// The flag that lends a credential, into the Secrets that stand behind its name or into any.
pub fn flag(credential: impl fmt::Display) -> CommandLine {
    CommandLine::of("--allow-credential").word(credential)
}

/// The flag that lets the component see a credential.
pub fn reveal_flag(credential: impl fmt::Display) -> CommandLine {
    CommandLine::of("--allow-reveal").word(credential)
}

impl CredentialText {
    /// The credential with any value in the place of its placeholders.
    ///
    /// # Errors
    /// [`InvalidScope`] for a placeholder that is none.
    pub(super) fn outlined(&self) -> Result<Self, InvalidScope> {
        let into = self.into.as_deref().map(outlines).transpose()?;
        Ok(Self { into, ..self.clone() })
    }
}

impl CredentialScope {
    /// Reads credentials and fills their placeholders. Of one credential named twice, both count.
    ///
    /// # Errors
    /// [`InvalidScope`] with the text that cannot be used.
    pub fn resolve(credentials: &[CredentialText], names: &Names) -> Result<Self, InvalidScope> {
        check_count(credentials.iter().map(|it| 1 + it.into.as_ref().map_or(0, Vec::len)).sum())?;
        let mut scope = Self::default();
        for credential in credentials {
            Grammar::Credential.check(&credential.name)?;
            scope.add(credential.name.clone(), Use::resolve(credential, names)?);
        }
        Ok(scope)
    }

    /// Adds another set.
    pub fn extend(&mut self, other: Self) {
        for (name, granted) in other.0 {
            self.add(name, granted);
        }
    }

    /// Allows showing a credential, and nothing else of it.
    pub fn reveal(&mut self, name: &str) {
        self.0.entry(name.into()).or_default().reveal = true;
    }

    /// Whether anything may be done with the credential.
    pub fn allows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether the component may see the credential.
    pub fn allows_reveal(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|granted| granted.reveal)
    }

    /// Whether the credential may go anywhere.
    pub fn allows_any_place(&self, name: &str) -> bool {
        let nowhere = Places::default();
        self.0.get(name).is_some_and(|granted| granted.into != nowhere)
    }

    /// Whether the credential may go into this Secret.
    pub fn allows_into(&self, name: &str, secret: &ObjectRef) -> bool {
        secret.is_secret() && self.0.get(name).is_some_and(|granted| granted.into.allows(secret))
    }

    /// Whether everything in `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        self.missing(other).is_empty()
    }

    /// The uses of `other` that are not in this set, as flags that would grant them.
    pub fn missing(&self, other: &Self) -> Vec<CommandLine> {
        let none = Use::default();
        let missing = |(name, wanted): (&String, &Use)| {
            let granted = self.0.get(name).unwrap_or(&none);
            let mut lines = granted.into.missing(&wanted.into, name);
            if wanted.reveal && !granted.reveal {
                lines.push(reveal_flag(name));
            }
            lines
        };
        other.0.iter().flat_map(missing).collect()
    }

    /// The intersection of both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let both = |(name, a): (&String, &Use)| {
            let b = other.0.get(name)?;
            Some((name.clone(), Use { into: a.into.intersect(&b.into), reveal: a.reveal && b.reveal }))
        };
        Self(self.0.iter().filter_map(both).collect())
    }

    /// The permitted uses of each credential, a line each, for people.
    pub fn explained(&self) -> Vec<String> {
        let line = |(name, granted): (&String, &Use)| {
            let into = match &granted.into {
                Places::Any => " into any Secret it may apply".to_owned(),
                Places::These(these) if these.is_empty() => String::new(),
                Places::These(these) => {
                    format!(
                        " into {}",
                        these.iter().map(CredentialDestination::to_string).collect::<Vec<_>>().join(", ")
                    )
                }
            };
            let verb = if granted.reveal { "SEE the credential" } else { "place the credential" };
            format!("{verb} {name}{into}")
        };
        self.0.iter().map(line).collect()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn add(&mut self, name: String, more: Use) {
        let granted = self.0.entry(name).or_default();
        granted.reveal |= more.reveal;
        granted.into.extend(more.into);
    }
}

impl Use {
    /// A credential that is to be shown and names no destination goes nowhere else.
    fn resolve(text: &CredentialText, names: &Names) -> Result<Self, InvalidScope> {
        let into = match &text.into {
            None if text.reveal => Places::default(),
            None => Places::Any,
            Some(texts) => Places::These(
                texts
                    .iter()
                    .map(|text| CredentialDestination::parse(text, names))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Self { into, reveal: text.reveal })
    }
}

impl Places {
    fn allows(&self, secret: &ObjectRef) -> bool {
        match self {
            Self::Any => true,
            Self::These(these) => these.iter().any(|destination| destination.matches(secret)),
        }
    }

    fn missing(&self, wanted: &Self, name: &str) -> Vec<CommandLine> {
        match (self, wanted) {
            (Self::Any, _) => Vec::new(),
            (_, Self::Any) => vec![flag(name)],
            (Self::These(have), Self::These(want)) => want
                .iter()
                .filter(|want| !have.iter().any(|have| have.covers(want)))
                .map(|want| flag(format_args!("{name}={want}")))
                .collect(),
        }
    }

    fn intersect(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, into) | (into, Self::Any) => into.clone(),
            (Self::These(a), Self::These(b)) => {
                Self::These(a.iter().flat_map(|a| b.iter().filter_map(|b| a.intersect(b))).collect())
            }
        }
    }

    fn extend(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::These(these), Self::These(more)) => these.extend(more),
            _ => *self = Self::Any,
        }
    }
}

impl CredentialDestination {
    /// Reads `NAMESPACE/Secret/NAME`.
    fn parse(text: &str, names: &Names) -> Result<Self, InvalidScope> {
        let filled = names.fill(text)?;
        let parts: Vec<_> = filled.split('/').collect();
        let [namespace, "Secret", name] = parts[..] else {
            return Err(InvalidScope::Destination(text.into()));
        };
        Ok(Self { namespace: Grammar::Namespace.pattern(namespace)?, name: Grammar::Secret.pattern(name)? })
    }

    fn matches(&self, secret: &ObjectRef) -> bool {
        secret.namespace.as_deref().is_some_and(|namespace| self.namespace.matches(namespace))
            && self.name.matches(&secret.name)
    }

    fn covers(&self, other: &Self) -> bool {
        self.namespace.covers(&other.namespace) && self.name.covers(&other.name)
    }

    fn intersect(&self, other: &Self) -> Option<Self> {
        Some(Self {
            namespace: self.namespace.intersect(&other.namespace)?,
            name: self.name.intersect(&other.name)?,
        })
    }
}

impl fmt::Display for CredentialDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/Secret/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(namespace: &str, name: &str) -> ObjectRef {
        ObjectRef::new("v1", "Secret", Some(namespace), name)
    }

    fn scope(into: Option<&str>, reveal: bool) -> CredentialScope {
        let into = into.map(|text| vec![text.to_owned()]);
        let text = CredentialText { name: "key".into(), into, reveal };
        CredentialScope::resolve(&[text], &Names::default()).unwrap()
    }

    #[test]
    fn a_credential_goes_into_secrets_only() {
        let anywhere = scope(None, false);
        assert!(anywhere.allows_into("key", &secret("a", "b")));
        let config = ObjectRef { kind: "ConfigMap".into(), ..secret("a", "b") };
        assert!(!anywhere.allows_into("key", &config));
        assert!(!anywhere.allows_into("other", &secret("a", "b")));
    }

    #[test]
    fn lending_is_not_showing_and_showing_is_not_lending() {
        assert!(!scope(None, false).allows_reveal("key"));
        assert!(scope(None, true).allows_reveal("key"));
        assert!(!scope(None, true).allows_into("key", &secret("a", "b")));
    }

    #[test]
    fn what_is_missing_is_named_by_the_flag_that_grants_it() {
        let granted = scope(Some("prod/Secret/db"), false);
        assert_eq!(granted.missing(&scope(Some("prod/Secret/db"), false)), Vec::<&str>::new());
        assert_eq!(
            granted.missing(&scope(Some("prod/Secret/*"), true)),
            ["--allow-credential 'key=prod/Secret/*'", "--allow-reveal key"]
        );
        assert_eq!(granted.missing(&scope(None, false)), ["--allow-credential key"]);
    }

    #[test]
    fn what_is_permitted_is_told_a_credential_a_line() {
        for (into, reveal, line) in [
            (Some("prod/Secret/db*"), false, "place the credential key into prod/Secret/db*"),
            (Some("prod/Secret/db"), true, "SEE the credential key into prod/Secret/db"),
            (None, false, "place the credential key into any Secret it may apply"),
            (None, true, "SEE the credential key"),
        ] {
            assert_eq!(scope(into, reveal).explained(), [line]);
        }
        assert!(CredentialScope::default().explained().is_empty());
    }

    #[test]
    fn of_one_credential_both_scopes_count_and_showing_alone_places_it_nowhere() {
        let mut both = scope(Some("prod/Secret/a"), false);
        both.extend(scope(Some("prod/Secret/b"), true));
        assert_eq!(both.explained(), ["SEE the credential key into prod/Secret/a, prod/Secret/b"]);
        both.extend(scope(None, false));
        assert_eq!(both.explained(), ["SEE the credential key into any Secret it may apply"]);
        let mut shown = CredentialScope::default();
        shown.reveal("key");
        assert!(shown.allows("key") && shown.allows_reveal("key") && !shown.allows_any_place("key"));
        assert!(!shown.allows_into("key", &secret("prod", "a")) && !shown.allows_reveal("other"));
        assert!(scope(Some("prod/Secret/a"), false).allows_any_place("key"));
        assert_eq!(both.names().collect::<Vec<_>>(), ["key"]);
    }

    #[test]
    fn a_scope_covers_what_it_lacks_nothing_of() {
        let (one, many, any) =
            (scope(Some("prod/Secret/db"), false), scope(Some("prod/Secret/*"), false), scope(None, false));
        for (wide, narrow) in
            [(&one, &one), (&many, &one), (&any, &many), (&any, &CredentialScope::default())]
        {
            assert!(wide.covers(narrow), "{wide:?} {narrow:?}");
        }
        for (narrow, wide) in [(&one, &many), (&many, &any), (&CredentialScope::default(), &one)] {
            assert!(!narrow.covers(wide), "{narrow:?} {wide:?}");
        }
        assert!(!any.covers(&scope(None, true)), "showing is no placing");
    }

    #[test]
    fn a_destination_must_be_a_secret() {
        let text = CredentialText {
            name: "key".into(),
            into: Some(vec!["prod/ConfigMap/db".into()]),
            reveal: false,
        };
        let refusal = CredentialScope::resolve(&[text], &Names::default()).unwrap_err();
        assert_eq!(refusal, InvalidScope::Destination("prod/ConfigMap/db".into()));
    }

    pub(crate) fn any_scope() -> impl Strategy<Value = CredentialScope> {
        let destination = "[ab]{1,2}\\*?/Secret/[ab]{1,2}\\*?";
        let text = ("[xy]", prop::option::of(prop::collection::vec(destination, 0..3)), any::<bool>())
            .prop_map(|(name, into, reveal)| CredentialText { name, into, reveal });
        prop::collection::vec(text, 0..4)
            .prop_map(|texts| CredentialScope::resolve(&texts, &Names::default()).unwrap_or_default())
    }

    proptest! {
        #[test]
        fn an_intersection_allows_what_both_allow(
            a in any_scope(), b in any_scope(), name in "[xy]", namespace in "[ab]{1,3}", object in "[ab]{1,3}"
        ) {
            let (both, secret) = (a.intersect(&b), secret(&namespace, &object));
            prop_assert_eq!(both.allows_into(&name, &secret), a.allows_into(&name, &secret) && b.allows_into(&name, &secret));
            prop_assert_eq!(both.allows_reveal(&name), a.allows_reveal(&name) && b.allows_reveal(&name));
        }

        #[test]
        fn what_covers_allows_everything(a in any_scope(), b in any_scope(), name in "[xy]", object in "[ab]{1,3}") {
            if a.covers(&b) && b.allows_into(&name, &secret("a", &object)) {
                prop_assert!(a.allows_into(&name, &secret("a", &object)));
            }
        }
    }
}
