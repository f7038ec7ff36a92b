//! The installations that are recorded.

use schemars::JsonSchema;
use serde::Serialize;

use crate::state::State;

use super::status::InstallationStatus;
use super::{Document, Error};

/// Which installations are listed.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Those of this namespace alone.
    pub namespace: Option<String>,
    /// Those of all namespaces: of a state in a cluster, else only one is listed.
    pub all_namespaces: bool,
    /// Also those that were uninstalled.
    pub all: bool,
}

/// Installations, as they are recorded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct InstallationList {
    /// The installations, by name.
    pub items: Vec<InstallationStatus>,
}

impl Document for InstallationList {
    const KIND: &'static str = "InstallationList";
}

/// Lists installations. Their targets are not asked.
///
/// # Errors
/// [`Error::State`] when the state cannot be read.
pub fn list(request: &ListRequest, state: &State) -> Result<InstallationList, Error> {
    let mut items = Vec::new();
    for installation in if request.all_namespaces { state.list_all()? } else { state.list()? } {
        let is_meant = request.namespace.as_ref().is_none_or(|named| *named == installation.namespace);
        if is_meant && (request.all || !installation.is_deleted()) {
            items.push(InstallationStatus::of(&installation, &state.within(&installation.namespace))?);
        }
    }
    Ok(InstallationList { items })
}
