//! Who holds an installation, and ending that hold.

use serde::Serialize;

use crate::state::{Holder, State};

use super::{Document, Error};

/// Whose hold it is, or was.
#[derive(Debug, Clone, Serialize)]
pub struct Lock {
    /// The installation.
    pub name: String,
    /// Who holds it. None: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Whether the hold was ended.
    pub unlocked: bool,
    /// Whether the hold ends with its process, and in no other way.
    #[serde(skip)]
    pub ends_with_process: bool,
}

impl Document for Lock {
    const KIND: &'static str = "Lock";
}

/// Looks who holds an installation.
///
/// # Errors
/// [`Error::State`] when that cannot be found out.
pub fn look(name: &str, state: &State) -> Result<Lock, Error> {
    let (holder, ends_with_process) = (state.holder(name)?, state.namespace().is_none());
    Ok(Lock { name: name.into(), holder, unlocked: false, ends_with_process })
}

/// Ends the hold that was found, and no other. A run that still goes on stops before it writes anything more.
///
/// # Errors
/// [`Error::State`] when it is another hold by now, or one that ends with its process.
pub fn unlock(lock: Lock, state: &State) -> Result<Lock, Error> {
    let Some(holder) = &lock.holder else { return Ok(lock) };
    state.unlock(&lock.name, holder)?;
    Ok(Lock { unlocked: true, ..lock })
}
