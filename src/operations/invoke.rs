//! Carries out an action that a bundle brings.

use crate::install::Outcome;

use super::act::Attempt;
use super::{Error, InstallationRequest, Services, undo};

/// Carries out an action of the bundle that is kept of the installation, which is verified again.
///
/// # Errors
/// [`Error`], by stage. Once anything was done, the installation is recorded as failed and can be finished or undone.
pub async fn invoke(
    action: &str,
    request: &InstallationRequest,
    services: &Services<'_>,
) -> Result<Outcome, Error> {
    undo::run(Attempt::new(action, request).on_installation(services).await?, services).await
}
