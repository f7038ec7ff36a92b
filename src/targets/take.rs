//! The fields and objects of others that an operator takes over by name, and no others.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::FieldConflict;
use crate::kubernetes::object::ObjectRef;

use super::overrides::Overrides;

/// A field that is taken over wherever another manager holds it, or an object with all that others hold of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Take {
    /// A field with all that is below it, such as `.spec.replicas`.
    Field(String),
    /// An object, such as `apps/Deployment:prod/web`.
    Object(String),
}

/// The text names neither a field nor an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a field, such as `.spec.replicas`, nor an object, such as `apps/Deployment:prod/web`"
)]
pub struct InvalidTake(String);

impl Take {
    /// The object, as it is written here.
    pub fn of(object: &ObjectRef) -> Self {
        let namespace =
            object.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
        Self::Object(format!("{}:{namespace}{}", object.group_kind(), object.name))
    }

    /// Whether it is about this field of this object.
    fn is_of(&self, object: &ObjectRef, field: &str) -> bool {
        match self {
            Self::Field(taken) => field
                .strip_prefix(&**taken)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])),
            Self::Object(_) => *self == Self::of(object),
        }
    }
}

/// The fields that are not taken over.
pub fn untaken<'a>(
    takes: &'a [Take],
    object: &'a ObjectRef,
    conflicts: &'a [FieldConflict],
) -> impl Iterator<Item = &'a FieldConflict> {
    conflicts.iter().filter(move |held| !takes.iter().any(|take| take.is_of(object, &held.path)))
}

/// The guards that are overridden for an object: all of them where it is taken over as a whole.
pub fn overrides_of(overrides: Overrides, takes: &[Take], object: &ObjectRef) -> Overrides {
    let is_taken = takes.contains(&Take::of(object));
    Overrides {
        force_conflicts: overrides.force_conflicts || is_taken,
        take_ownership: overrides.take_ownership || is_taken,
        ..overrides
    }
}

impl FromStr for Take {
    type Err = InvalidTake;

    fn from_str(text: &str) -> Result<Self, InvalidTake> {
        let is_object = text.split_once(':').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
        match text {
            _ if text.chars().any(char::is_control) => Err(InvalidTake(text.escape_debug().to_string())),
            _ if text.starts_with('.') && text.len() > 1 => Ok(Self::Field(text.into())),
            _ if is_object => Ok(Self::Object(text.into())),
            _ => Err(InvalidTake(text.into())),
        }
    }
}

impl TryFrom<String> for Take {
    type Error = InvalidTake;

    fn try_from(text: String) -> Result<Self, InvalidTake> {
        text.parse()
    }
}

impl From<Take> for String {
    fn from(take: Take) -> Self {
        take.to_string()
    }
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(text) | Self::Object(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(name: &str) -> ObjectRef {
        ObjectRef::new("apps/v1", "Deployment", Some("prod"), name)
    }

    fn held(path: &str) -> FieldConflict {
        FieldConflict { path: path.into(), manager: "kubectl".into() }
    }

    fn takes(texts: &[&str]) -> Vec<Take> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_field_is_taken_with_what_is_below_it_and_with_nothing_beside_it() {
        let conflicts =
            [".spec.replicas", ".spec.replicasWanted", ".spec.template.spec", ".spec.template[0]"].map(held);
        for (taken, left) in [
            (&[".spec.replicas"][..], &[1, 2, 3][..]),
            (&[".spec.template", ".spec.replicas"], &[1]),
            (&[".spec"], &[]),
            (&[".spe"], &[0, 1, 2, 3]),
            (&["apps/Deployment:prod/web"], &[]),
            (&["apps/Deployment:prod/other", "Deployment:prod/web", "apps/Deployment:web"], &[0, 1, 2, 3]),
        ] {
            let (takes, web) = (takes(taken), deployment("web"));
            let found: Vec<_> = untaken(&takes, &web, &conflicts).collect();
            assert_eq!(found, left.iter().map(|at| &conflicts[*at]).collect::<Vec<_>>(), "{taken:?}");
        }
    }

    #[test]
    fn of_an_object_that_is_taken_over_every_guard_but_replacing_is_overridden() {
        let takes = takes(&["apps/Deployment:prod/web", ".spec"]);
        let all = Overrides { force_conflicts: true, take_ownership: true, replace: false };
        assert_eq!(overrides_of(Overrides::default(), &takes, &deployment("web")), all);
        assert_eq!(overrides_of(Overrides::default(), &takes, &deployment("api")), Overrides::default());
    }

    #[test]
    fn an_object_is_written_as_it_is_read_and_anything_else_is_refused() {
        let cluster_wide = ObjectRef::new("v1", "Namespace", None, "a");
        for (object, text) in [(deployment("web"), "apps/Deployment:prod/web"), (cluster_wide, "Namespace:a")]
        {
            assert_eq!(Take::of(&object).to_string(), text);
            assert_eq!(text.parse::<Take>().unwrap(), Take::of(&object));
        }
        for text in ["", ".", "web", "Deployment:", ":web", "a:\n"] {
            assert!(text.parse::<Take>().is_err(), "{text:?}");
        }
    }
}
