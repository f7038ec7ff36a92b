//! Removes an installation.

use crate::install::Outcome;

use super::act::Attempt;
use super::dependencies::{check_needed, removed_with_dependencies};
use super::{Error, InstallationRequest, Services, undo};

/// Removes what the inventory of an installation names, last applied first.
///
/// # Errors
/// [`DependencyError::Needed`](super::DependencyError::Needed) where others need it; else [`Error`], by stage. Once anything was done, the installation is recorded as failed and can be finished or undone.
pub async fn uninstall(request: &InstallationRequest, services: &Services<'_>) -> Result<Outcome, Error> {
    check_needed(services.state(), &request.name)?;
    undo::run(Attempt::new("uninstall", request).on_installation(services).await?, services).await
}

/// Removes an installation, and then what was made for it and nobody else needs.
///
/// # Errors
/// As for [`uninstall`]. The same request goes on where one was interrupted.
pub async fn uninstall_with_dependencies(
    request: &InstallationRequest,
    services: &Services<'_>,
) -> Result<Outcome, Error> {
    removed_with_dependencies(request, services).await
}
