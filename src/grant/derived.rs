//! Permits that follow from another permit: whoever may do the one may do the other.

use super::permit::{Apply, Delete, Generate, Get, Permitted, Wait};

/// Looking at an object before it is removed: to show it in the plan, never to the component.
pub fn before_delete(permit: &Permitted<Delete>) -> Permitted<Get> {
    Permitted::assertion(Get(permit.0.clone()))
}

/// Looking into the Secrets that a credential may live in, to find it again: by the host alone, never for the
/// component.
pub fn before_generate(permit: &Permitted<Generate>) -> Vec<Permitted<Get>> {
    permit.secrets.iter().cloned().map(|secret| Permitted::assertion(Get(secret))).collect()
}

/// Waiting for an object that is applied.
pub fn after_apply(permit: &Permitted<Apply>) -> Permitted<Wait> {
    Permitted::assertion(Wait(permit.0.reference().clone()))
}

/// Waiting until an object that is removed is gone: for the host alone, never for the component.
pub fn after_delete(permit: &Permitted<Delete>) -> Permitted<Wait> {
    Permitted::assertion(Wait(permit.0.clone()))
}
