//! Installs a bundle and what it depends on, or upgrades an installation to another bundle or other inputs.

use crate::install::{Mode, Outcome};

use super::act::on_bundle;
use super::dependencies::with_dependencies;
use super::{Error, InstallRequest, Services};

/// Installs a bundle. The same request finishes an installation that failed or was interrupted.
///
/// # Errors
/// [`Error`], by stage. Once anything was done, the installation is recorded as failed and can be finished or undone.
pub async fn install(request: &InstallRequest, services: &Services<'_>) -> Result<Outcome, Error> {
    with_dependencies(on_bundle(Some("install"), request, Mode::Act, services).await?, services).await
}

/// Upgrades an installation to another bundle, or to other inputs.
///
/// # Errors
/// As for [`install`].
pub async fn upgrade(request: &InstallRequest, services: &Services<'_>) -> Result<Outcome, Error> {
    with_dependencies(on_bundle(Some("upgrade"), request, Mode::Act, services).await?, services).await
}
