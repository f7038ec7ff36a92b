//! The lock of an installation: who holds it, and breaking it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::state::{Holder, State};

use super::{Document, Error};

/// The lock of an installation, and its holder.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockReport {
    /// The installation.
    pub name: String,
    /// Who holds it. None: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Whether the lock was broken.
    pub unlocked: bool,
    /// Identities of its runs that could not be removed: a run that still goes on may write by them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities_left: Vec<String>,
    /// Whether the lock is released only by its process.
    #[serde(skip)]
    pub ends_with_process: bool,
}

impl Document for LockReport {
    const KIND: &'static str = "Lock";
}

/// Finds the holder of an installation's lock. A first run holds one before anything is recorded.
///
/// # Errors
/// [`Error::State`] when that cannot be found out, and where nobody holds and nothing records such an installation.
pub fn look(name: &str, state: &State) -> Result<LockReport, Error> {
    let (holder, ends_with_process) = (state.holder(name)?, state.namespace().is_none());
    if holder.is_none() {
        state.get(name)?;
    }
    let identities_left = Vec::new();
    Ok(LockReport { name: name.into(), holder, unlocked: false, identities_left, ends_with_process })
}

/// Breaks the lock that was found, and no other. A run that still goes on stops before it writes anything more; the
/// identity that it acts as is removed, so the server refuses what it has sent already.
///
/// # Errors
/// [`Error::State`] when somebody else holds the lock by now, or only its process can release it; and when the run's
/// record could not be taken from it, after its identity was.
pub fn unlock(lock: LockReport, state: &State) -> Result<LockReport, Error> {
    let Some(holder) = &lock.holder else { return Ok(lock) };
    state.unlock(&lock.name, holder)?;
    // The run has lost its lock by now: what it acts as is taken away also where its record cannot be.
    let fenced = state.fence(&lock.name);
    let identities_left = state.revoke(&lock.name)?;
    fenced?;
    Ok(LockReport { unlocked: true, identities_left, ..lock })
}
