//! Compares the target with what was installed: the plan of the last action, made once more.

use crate::install::Mode;
use crate::plan::PlannedChange;
use crate::targets::{Change, Overrides};

use super::act::Attempt;
use super::places::installation;
use super::{ChangeOptions, Error, InstallationRequest, Services};

/// The objects that differ from how they were installed.
pub(super) async fn examine(
    request: &InstallationRequest,
    services: &Services<'_>,
) -> Result<Vec<PlannedChange>, Error> {
    let installation = installation(services.state(), &request.name, request.namespace.as_deref())?;
    if installation.is_deleted() {
        return Err(Error::Uninstalled(request.name.clone()));
    }
    let last = installation.last.map_or_else(|| "install".to_owned(), |last| last.action);
    let action = if ["install", "upgrade"].contains(&last.as_str()) { &last } else { "upgrade" };
    // Ownership conflicts would stop a run, but must not stop a comparison, so the guards are overridden. Nothing is
    // written.
    let overrides = Overrides { force_conflicts: true, take_ownership: true, replace: false };
    let change = ChangeOptions { overrides, ..ChangeOptions::default() };
    let attempt = Attempt { change, mode: Mode::Examine, ..Attempt::new(action, request) };
    let outcome = attempt.on_installation(services).await?.run(services).await?;
    Ok(outcome
        .proposed
        .into_plan()
        .changes
        .into_iter()
        .filter(|row| row.action != Change::Unchanged)
        .collect())
}
