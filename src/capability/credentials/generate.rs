//! The scope of `carnet:credentials/generate`: which credentials may be made, and in which Secrets each of them lives.
//!
//! A Secret is named whole, without a `*`: the host reads it by its name to find the credential again.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::InvalidScope;
use crate::capability::invalid_scope::check_count;
use crate::capability::template::{Names, outlines};
use crate::document;
use crate::kubernetes::object::{ObjectRef, is_label};
use crate::text::CommandLine;

/// A credential that is made, as a document names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateText {
    /// Its name, a DNS label.
    pub name: String,
    /// The Secrets that it lives in, `NAMESPACE/Secret/NAME`.
    pub into: Vec<String>,
}

/// Credentials that may be made, by name, with the Secrets that each may live in. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenerateScope(BTreeMap<String, BTreeSet<ObjectRef>>);

impl GenerateText {
    /// The credential with any value in the place of its placeholders.
    ///
    /// # Errors
    /// [`InvalidScope`] for a placeholder that is none.
    pub(in crate::capability) fn outlined(&self) -> Result<Self, InvalidScope> {
        Ok(Self { into: outlines(&self.into)?, ..self.clone() })
    }
}

impl GenerateScope {
    /// Reads credentials and fills their placeholders. Of one credential named twice, both count.
    ///
    /// # Errors
    /// [`InvalidScope`] with the text that cannot be used.
    pub fn resolve(credentials: &[GenerateText], names: &Names) -> Result<Self, InvalidScope> {
        check_count(credentials.iter().map(|it| 1 + it.into.len()).sum())?;
        let mut scope = Self::default();
        for credential in credentials {
            if !is_label(&credential.name) {
                return Err(InvalidScope::Generated(document::visible(&credential.name)));
            }
            if credential.into.is_empty() {
                return Err(InvalidScope::Empty("into"));
            }
            let secrets: BTreeSet<_> =
                credential.into.iter().map(|text| parse(text, names)).collect::<Result<_, _>>()?;
            scope.0.entry(credential.name.clone()).or_default().extend(secrets);
        }
        Ok(scope)
    }

    /// Whether the credential may be made.
    pub fn allows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether the credential may live in this Secret.
    pub fn allows_into(&self, name: &str, secret: &ObjectRef) -> bool {
        self.secrets(name).any(|allowed| allowed.id() == secret.id())
    }

    /// The Secrets that the credential may live in.
    pub fn secrets(&self, name: &str) -> impl Iterator<Item = &ObjectRef> {
        self.0.get(name).into_iter().flatten()
    }

    /// Whether everything in `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        other.minus(self).0.is_empty()
    }

    /// The difference: credentials of this set that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.with(|name, secrets| {
            secrets.iter().filter(|secret| !other.allows_into(name, secret)).cloned().collect()
        })
    }

    /// The intersection of both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        self.with(|name, secrets| {
            secrets.iter().filter(|secret| other.allows_into(name, secret)).cloned().collect()
        })
    }

    /// The set as flags that would grant it.
    pub fn lines(&self) -> Vec<CommandLine> {
        let line = |(name, secrets): (&String, &BTreeSet<ObjectRef>)| {
            secrets.iter().map(|secret| flag(name, secret)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(line).collect()
    }

    /// The credentials that may be made, a line each, for people.
    pub fn explained(&self) -> Vec<String> {
        let line = |(name, secrets): (&String, &BTreeSet<ObjectRef>)| {
            let secrets: Vec<_> = secrets.iter().map(written).collect();
            format!("make the credential {name}, and keep it in {}", secrets.join(", "))
        };
        self.0.iter().map(line).collect()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The credentials that are left with any Secret.
    fn with(&self, left: impl Fn(&str, &BTreeSet<ObjectRef>) -> BTreeSet<ObjectRef>) -> Self {
        let all = self.0.iter().map(|(name, secrets)| (name.clone(), left(name, secrets)));
        Self(all.filter(|(_, secrets)| !secrets.is_empty()).collect())
    }
}

/// The flag that lets a credential be made, for a Secret that is still to be named.
pub fn flag_of(name: &str) -> CommandLine {
    CommandLine::of("--allow-generate").word(format_args!("{name}=NAMESPACE/Secret/NAME"))
}

/// The flag that lets a credential be made for a Secret.
pub fn flag(name: &str, secret: &ObjectRef) -> CommandLine {
    CommandLine::of("--allow-generate").word(format_args!("{name}={}", written(secret)))
}

fn written(secret: &ObjectRef) -> String {
    format!("{}/Secret/{}", secret.namespace.as_deref().unwrap_or_default(), secret.name)
}

/// Reads `NAMESPACE/Secret/NAME`.
fn parse(text: &str, names: &Names) -> Result<ObjectRef, InvalidScope> {
    let filled = names.fill(text)?;
    let parts: Vec<_> = filled.split('/').collect();
    let [namespace, "Secret", name] = parts[..] else { return Err(InvalidScope::Destination(text.into())) };
    if filled.contains('*') {
        return Err(InvalidScope::Several(text.into()));
    }
    let secret = ObjectRef::new("v1", "Secret", Some(namespace), name);
    secret.check().map_err(|_| InvalidScope::Destination(text.into()))?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(name: &str, into: &[&str]) -> GenerateText {
        GenerateText { name: name.into(), into: into.iter().map(|text| (*text).to_owned()).collect() }
    }

    fn refusal(name: &str, into: &[&str]) -> InvalidScope {
        GenerateScope::resolve(&[text(name, into)], &Names::default()).unwrap_err()
    }

    fn secret(namespace: &str, name: &str) -> ObjectRef {
        parse(&format!("{namespace}/Secret/{name}"), &Names::default()).unwrap()
    }

    #[test]
    fn a_credential_lives_in_secrets_that_are_named_whole() {
        assert_eq!(refusal("key", &[]), InvalidScope::Empty("into"));
        assert_eq!(refusal("key", &["prod/Secret/web-*"]), InvalidScope::Several("prod/Secret/web-*".into()));
        for into in
            ["prod/ConfigMap/web", "web", "prod/Secret/", "prod/Secret/a/b", "Prod/Secret/a", "/Secret/a"]
        {
            assert_eq!(refusal("key", &[into]), InvalidScope::Destination(into.into()));
        }
    }

    #[test]
    fn a_name_that_could_deceive_is_none() {
        for name in ["", "a/b", "A", "a=b", "a b", "a.b", "-a", &"a".repeat(64)] {
            assert_eq!(refusal(name, &["prod/Secret/web"]), InvalidScope::Generated(name.into()));
        }
    }

    #[test]
    fn a_credential_goes_where_it_is_said_and_nowhere_else() {
        let scope = GenerateScope::resolve(&[text("key", &["prod/Secret/web"])], &Names::default()).unwrap();
        assert!(scope.allows_into("key", &secret("prod", "web")));
        assert!(!scope.allows_into("other", &secret("prod", "web")));
        assert!(!scope.allows_into("key", &secret("test", "web")));
        let config = ObjectRef { kind: "ConfigMap".into(), ..secret("prod", "web") };
        assert!(!scope.allows_into("key", &config));
        let other_group = ObjectRef { api_version: "example.com/v1".into(), ..secret("prod", "web") };
        assert!(!scope.allows_into("key", &other_group));
        assert_eq!(scope.lines(), ["--allow-generate key=prod/Secret/web"]);
        assert_eq!(scope.explained(), ["make the credential key, and keep it in prod/Secret/web"]);
    }

    fn scope() -> impl Strategy<Value = GenerateScope> {
        let into = prop::collection::vec("[ab]/Secret/[ab]{1,2}", 1..4);
        let text = ("[xy]", into).prop_map(|(name, into)| GenerateText { name, into });
        prop::collection::vec(text, 0..4)
            .prop_map(|texts| GenerateScope::resolve(&texts, &Names::default()).unwrap())
    }

    proptest! {
        #[test]
        fn an_intersection_allows_what_both_allow(
            a in scope(), b in scope(), name in "[xy]", namespace in "[ab]", object in "[ab]{1,2}"
        ) {
            let secret = secret(&namespace, &object);
            let both = a.allows_into(&name, &secret) && b.allows_into(&name, &secret);
            prop_assert_eq!(a.intersect(&b).allows_into(&name, &secret), both);
        }

        #[test]
        fn a_difference_is_what_only_one_allows(
            a in scope(), b in scope(), name in "[xy]", namespace in "[ab]", object in "[ab]{1,2}"
        ) {
            let secret = secret(&namespace, &object);
            let only = a.allows_into(&name, &secret) && !b.allows_into(&name, &secret);
            prop_assert_eq!(a.minus(&b).allows_into(&name, &secret), only);
            prop_assert_eq!(a.minus(&b).lines().is_empty(), b.covers(&a));
        }

        #[test]
        fn what_covers_allows_everything(a in scope(), b in scope(), name in "[xy]", object in "[ab]{1,2}") {
            let secret = secret("a", &object);
            if a.covers(&b) && b.allows_into(&name, &secret) {
                prop_assert!(a.allows_into(&name, &secret));
            }
            prop_assert!(a.covers(&a.intersect(&b)) && b.covers(&a.intersect(&b)));
        }
    }
}
