//! Removes an installation.

use crate::install::Outcome;

use super::act::Attempt;
use super::{Error, InstallationRequest, Services, undo};

/// Removes what the inventory of an installation names, last applied first.
///
/// # Errors
/// [`Error`], by stage. Once anything was done, the installation is recorded as failed and can be finished or undone.
pub async fn uninstall(request: &InstallationRequest, services: &Services<'_>) -> Result<Outcome, Error> {
    undo::run(Attempt::new("uninstall", request).on_installation(services).await?, services).await
}
