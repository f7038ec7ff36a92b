//! Carries out an action, and rolls back when it fails, if the request says so.

use crate::capability::Requests;
use crate::document::chain;
use crate::grant::{Consent, Shortfall};
use crate::install::{self, Outcome};
use crate::reference::Reference;
use crate::state::Revision;
use crate::targets::Place;

use super::act::{Attempt, Ready};
use super::revisions::before;
use super::{ChangeOptions, Deferred, Error, InstallationRequest, Notice, OwnWord, Services};

/// Carries out an action. A failed run is rolled back if the request says so.
pub(super) async fn run(ready: Ready<'_>, services: &Services<'_>) -> Result<Outcome, Error> {
    if !ready.attempt.request.rollback_on_failure {
        return ready.run(services).await;
    }
    let typed = ready.attempt.reference.parse::<Reference>().ok().zip(ready.verified.as_ref());
    let failed = Failed {
        made_by: typed.map(|(reference, verified)| reference.pinned(verified.digest())),
        place: ready.located.place.clone(),
        action: ready.attempt.action,
        request: ready.attempt.request,
        consent: ready.attempt.consent.clone(),
        change: undoing(&ready.attempt.change),
        last: services.state().find(&ready.attempt.request.name)?.and_then(|earlier| earlier.last),
    };
    failed.check(services).await?;
    match ready.run(services).await {
        Err(Error::Install(error)) => Err(failed.undo(error, services).await),
        ended => ended,
    }
}

/// The context for rolling back an action that may fail.
struct Failed<'a> {
    action: &'a str,
    request: &'a InstallationRequest,
    consent: Deferred<Consent>,
    /// Where the bundle of the action is from.
    made_by: Option<Reference>,
    /// Where the action put objects.
    place: Place,
    /// The options of the rollback.
    change: ChangeOptions,
    /// The last revision before it.
    last: Option<Revision>,
}

impl Failed<'_> {
    /// Rolls back to the last revision that succeeded, or uninstalls where there is none. Returns the error to report.
    /// A run that the operator stopped is not rolled back.
    async fn undo(&self, error: install::Error, services: &Services<'_>) -> Error {
        if !self.has_begun(services) || matches!(error, install::Error::Canceled) {
            return error.into();
        }
        let (action, name) = (self.action, &self.request.name);
        services.tell(&Notice::Undoing { action: action.to_owned(), name: name.clone() });
        let what = match self.go_back(services).await {
            Ok(place) => format!("the {action} of `{name}` failed, and {place}"),
            Err(error) => {
                format!("the {action} of `{name}` failed, and going back did too ({})", chain(&error))
            }
        };
        Error::Undone { what, source: error }
    }

    /// Checks before anything is done that there is a way back: where others can write the record, the operator has to
    /// have said where the earlier bundle is from.
    async fn check(&self, services: &Services<'_>) -> Result<(), Error> {
        if !services.state().find(&self.request.name)?.is_some_and(|earlier| earlier.is_shared()) {
            return Ok(());
        }
        let history = services.state().history(&self.request.name)?;
        match before(&history, None) {
            Some(revision) => check_grant(&self.back().on_revision(revision, services).await?),
            None => Ok(()),
        }
    }

    /// The attempt to go back to a revision.
    fn back(&self) -> Attempt<'_> {
        let InstallationRequest { rollback_bundle, own_word, .. } = self.request;
        let bundle = rollback_bundle.as_ref().or(own_word.bundle.as_ref()).cloned();
        Attempt { bundle_flag: "--rollback-bundle", ..self.attempt("upgrade", bundle) }
    }

    /// Whether the action was recorded. If not, there is nothing to roll back.
    fn has_begun(&self, services: &Services<'_>) -> bool {
        match services.state().find(&self.request.name) {
            Ok(Some(now)) => now.last.as_ref().map(|it| &it.claim) != self.last.as_ref().map(|it| &it.claim),
            Ok(None) | Err(_) => false,
        }
    }

    /// Rolls back, and returns a phrase that says to where.
    async fn go_back(&self, services: &Services<'_>) -> Result<String, Error> {
        let history = services.state().history(&self.request.name)?;
        let last = history.iter().rfind(|revision| revision.modifies);
        match before(&history, last) {
            Some(revision) => {
                // The grant is part of the revision, but the paths of files may not be.
                self.back().on_revision(revision, services).await?.run(services).await?;
                Ok(format!("it is back at revision {}", revision.revision))
            }
            None => {
                let attempt = self.attempt("uninstall", self.made_by.clone());
                attempt.on_installation(services).await?.run(services).await?;
                Ok("what it had made was removed".into())
            }
        }
    }

    /// An attempt with the consent of the action that failed. Where the record is one that others can write, what is
    /// known of the action counts in its place.
    fn attempt<'a>(&'a self, action: &'a str, bundle: Option<Reference>) -> Attempt<'a> {
        let own_word = OwnWord { bundle, place: Some(self.place.clone()).into() };
        let (consent, change) = (self.consent.clone(), self.change.clone());
        Attempt { consent, own_word, change, goes_back: false, ..Attempt::new(action, self.request) }
    }
}

/// Checks that what is granted here is granted to the bundle that is gone back to as well: nothing else grants it.
fn check_grant(ready: &Ready<'_>) -> Result<(), Error> {
    let Some(verified) = &ready.verified else { return Ok(()) };
    let requests = Requests::of(verified.bundle()).map_err(Shortfall::from)?;
    ready.attempt.consent.get()?.grant(verified.digest(), &requests)?;
    Ok(())
}

/// The options for rolling back a failed change. Powers are not refused: the earlier revision had them before.
fn undoing(change: &ChangeOptions) -> ChangeOptions {
    ChangeOptions { confirmed: true, refuse_powers: None, ..change.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::severity::Severity;
    use crate::install::Identity;
    use crate::plan::Waits;

    #[test]
    fn a_rollback_asks_nobody_and_refuses_no_powers_and_is_otherwise_carried_out_alike() {
        let change = ChangeOptions {
            waits: Waits::Nothing,
            refuse_powers: Some(Severity::Low),
            identity: Identity::Own,
            ..ChangeOptions::default()
        };
        let back = undoing(&change);
        assert!(back.confirmed && back.refuse_powers.is_none());
        assert!(back.waits == Waits::Nothing && back.identity == Identity::Own);
    }
}
