//! Brings an installation back to an earlier revision.

use crate::install::{Mode, Outcome};
use crate::state::Installation;

use super::act::{Attempt, Ready};
use super::decided::{check_consent, check_parameters};
use super::places::installation;
use super::revisions::{before, last_change, named};
use super::{Error, InstallationRequest, Notice, Services, undo};

/// Applies the bundle, the parameters and the grant of a recorded revision once more, as a new revision: of the one
/// whose name begins with `start`, else of the last one that
/// succeeded before the last change.
///
/// # Errors
/// [`Error`], by stage. Once anything was done, the installation is recorded as failed and can be finished or undone.
pub async fn rollback(
    start: Option<&str>,
    request: &InstallationRequest,
    services: &Services<'_>,
) -> Result<Outcome, Error> {
    let attempt = returning(start, request, Mode::Act, services).await?;
    undo::run(attempt, services).await
}

/// The action that goes back to a revision.
pub(super) async fn returning<'a>(
    start: Option<&str>,
    request: &'a InstallationRequest,
    mode: Mode,
    services: &Services<'_>,
) -> Result<Ready<'a>, Error> {
    let installation = installation(services.state(), &request.name, request.namespace.as_deref())?;
    let history = services.state().history(&request.name)?;
    let revision = match start {
        Some(start) => named(&history, start, &request.name)?,
        None => before(&history, last_change(&history))
            .ok_or_else(|| Error::NoEarlierRevision(request.name.clone()))?,
    };
    // Where others can write the record, nothing of it is settled.
    if !installation.is_shared() {
        check_parameters(&revision.secret_parameters, &request.inputs.parameters)?;
        check_consent(request.consent.get()?)?;
    }
    services.tell(&Notice::Returning(Box::new(revision.clone())));
    if revision.files.is_none() && !revision.grant.files.is_empty() {
        services.tell(&Notice::FilesNotRecorded);
    }
    let attempt = Attempt { mode, ..Attempt::new(action(&installation), request) };
    attempt.on_revision(revision, services).await
}

/// An installation that is not there any more has to be installed.
fn action(installation: &Installation) -> &'static str {
    if installation.is_deleted() { "install" } else { "upgrade" }
}
