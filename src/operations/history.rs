//! The actions that were carried out on an installation.

use schemars::JsonSchema;
use serde::Serialize;

use crate::state::{Revision, State};

use super::places::installation;
use super::{Document, Error};

/// The revisions of an installation, oldest first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RevisionList {
    /// The actions.
    pub items: Vec<Revision>,
}

impl Document for RevisionList {
    const KIND: &'static str = "RevisionList";
}

/// Lists the revisions of an installation.
///
/// # Errors
/// [`Error::State`] when the state cannot be read, or has no such installation.
pub fn history(name: &str, namespace: Option<&str>, state: &State) -> Result<RevisionList, Error> {
    installation(state, name, namespace)?;
    Ok(RevisionList { items: state.history(name)? })
}
