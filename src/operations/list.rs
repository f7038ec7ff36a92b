//! The installations that are recorded.

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{chain, visible};
use crate::state::{State, StateError};

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
    /// Why the records of other installations cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Where that was looked for, in words.
    #[serde(skip)]
    pub looked_at: String,
}

impl Document for InstallationList {
    const KIND: &'static str = "InstallationList";
}

/// Lists installations. Their targets are not asked.
///
/// # Errors
/// [`Error::State`] when the state cannot be read.
pub fn list(request: &ListRequest, state: &State) -> Result<InstallationList, Error> {
    let found = state.readable(request.all_namespaces)?;
    let (mut items, mut unreadable) = (Vec::new(), found.unreadable);
    for installation in found.readable {
        let is_meant = request.namespace.as_ref().is_none_or(|named| *named == installation.namespace);
        if is_meant && (request.all || !installation.is_deleted()) {
            match InstallationStatus::of(&installation, &state.within(&installation.namespace)) {
                Ok(status) => items.push(status),
                Err(error) if error.is_of_a_record() => unreadable.push(error),
                Err(error) => return Err(error.into()),
            }
        }
    }
    let unreadable = unreadable.iter().map(|error| visible(&chain(error))).collect();
    let looked_at = state.looked_at(request.namespace.as_deref(), request.all_namespaces);
    Ok(InstallationList { items, unreadable, looked_at })
}

/// The namespace that the installation of this name is in, of all that the state knows. One that is there counts before
/// those that were uninstalled.
///
/// # Errors
/// [`Error::State`] when the state cannot be read or has no such installation, and [`Error::Namespaces`] when it has
/// several.
pub fn namespace_of(name: &str, state: &State) -> Result<String, Error> {
    let found = state.readable(true)?;
    let named: Vec<_> = found.readable.iter().filter(|it| it.name == name).collect();
    let there: Vec<_> = named.iter().filter(|it| !it.is_deleted()).collect();
    let candidates = if there.is_empty() { named.iter().collect() } else { there };
    match candidates.as_slice() {
        [one] => Ok(one.namespace.clone()),
        [] => Err(found
            .unreadable
            .into_iter()
            .next()
            .unwrap_or_else(|| StateError::Missing(name.into()))
            .into()),
        several => {
            let mut namespaces: Vec<_> = several.iter().map(|it| it.namespace.clone()).collect();
            namespaces.sort();
            Err(Error::Namespaces { name: name.into(), namespaces })
        }
    }
}
