//! Decides what a run may do, and proves each decision with a permit.

use std::ops::Deref;

use crate::capability::object::{Object, ObjectRef};

/// The proof that one action was checked against the grant.
#[derive(Debug)]
pub struct Permitted<T>(T);

impl<T> Deref for Permitted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
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
