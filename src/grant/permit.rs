//! The proof that one action was checked, and the actions that there are.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use crate::kubernetes::manifest::Object;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::{IdentityRecord, PolicyRule, Rights, RoleScope};

/// The proof that one action was checked against the grant.
#[derive(Debug)]
pub struct Permitted<T>(T);

impl<T> Permitted<T> {
    /// Claims that the check was made. A search for this name finds every place that does.
    pub(super) fn assertion(action: T) -> Self {
        Self(action)
    }

    /// The action itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Permitted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
impl<T> Permitted<T> {
    /// A permit that nobody checked, for tests of what takes one.
    pub(crate) fn for_tests(action: T) -> Self {
        Self(action)
    }
}

/// Reading one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get(pub ObjectRef);

/// Applying one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Apply(pub Object);

/// Removing one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete(pub ObjectRef);

/// Waiting for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait(pub ObjectRef);

/// Reading which rights accounts have in the cluster already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBindings;

/// Making an identity for one run, with just the rights of its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mint {
    /// The record of it: name, place and expiry.
    pub record: IdentityRecord,
    /// The rights that it is given.
    pub rights: Rights,
    /// The lifetime of its tokens.
    pub lifetime: Duration,
    /// Namespaces that the run makes itself: its rights in them have to wait.
    pub later: BTreeSet<String>,
}

/// Asking the cluster which of these rights the caller has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review(pub Vec<(RoleScope, PolicyRule)>);

/// Reading one file of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// The logical name.
    pub name: String,
    /// The file, or the directory below which it must lie.
    pub path: BoundPath,
}

/// The path that a logical name is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundPath {
    /// This file.
    File(PathBuf),
    /// The file of this relative name below this directory.
    Below(PathBuf, String),
}

/// Lending one credential, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lend(pub String);

/// Making one credential, or finding it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generate {
    /// The credential's name.
    pub name: String,
    /// The Secrets that it may live in.
    pub secrets: Vec<ObjectRef>,
}

/// Showing one credential to the component, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reveal(pub String);

/// Placing a credential into a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceCredential {
    /// The credential's name.
    pub credential: String,
    /// The Secret.
    pub secret: ObjectRef,
}
