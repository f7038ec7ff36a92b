//! The lock of an installation: who holds it, and breaking it.

use serde::Serialize;

use crate::state::{Holder, State};

use super::{Document, Error};

/// The lock of an installation, and its holder.
#[derive(Debug, Clone, Serialize)]
pub struct LockReport {
    /// The installation.
    pub name: String,
    /// Who holds it. None: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Whether the lock was broken.
    pub unlocked: bool,
    /// Whether the lock is released only by its process.
    #[serde(skip)]
    pub ends_with_process: bool,
}

impl Document for LockReport {
    const KIND: &'static str = "Lock";
}

/// Finds the holder of an installation's lock.
///
/// # Errors
/// [`Error::State`] when that cannot be found out.
pub fn look(name: &str, state: &State) -> Result<LockReport, Error> {
    let (holder, ends_with_process) = (state.holder(name)?, state.namespace().is_none());
    Ok(LockReport { name: name.into(), holder, unlocked: false, ends_with_process })
}

/// Breaks the lock that was found, and no other. A run that still goes on stops before it writes anything more.
///
/// # Errors
/// [`Error::State`] when somebody else holds the lock by now, or only its process can release it.
pub fn unlock(lock: LockReport, state: &State) -> Result<LockReport, Error> {
    let Some(holder) = &lock.holder else { return Ok(lock) };
    state.unlock(&lock.name, holder)?;
    Ok(LockReport { unlocked: true, ..lock })
}
