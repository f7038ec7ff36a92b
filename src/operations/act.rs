//! The steps that all acting operations share: from a request, and earlier decisions, to the pipeline in `install`.

mod kept;
mod operation;
mod requires;

use std::collections::BTreeSet;

use crate::grant::Consent;
use crate::install::{Mode, Operation, Outcome, act};
use crate::reference::Reference;
use crate::state::{Installation, MadeFor, RecordedFiles, RequiredInstallation};
use crate::verify::Verified;

use super::decided::EarlierDecisions;
use super::places::Located;
use super::{ChangeOptions, Deferred, Error, InstallRequest, InstallationRequest, Notice, OwnWord, Services};

/// One action of a request.
pub(super) struct Attempt<'a> {
    pub(super) action: &'a str,
    pub(super) request: &'a InstallationRequest,
    /// Consent of this request, unless `decided` replaces it.
    pub(super) consent: Deferred<Consent>,
    /// The choices that a record does not decide where others can write it.
    pub(super) own_word: OwnWord,
    /// How it is carried out, which may differ from the request.
    pub(super) change: ChangeOptions,
    /// Where the bundle came from, as it was typed.
    pub(super) reference: String,
    /// The flag by which the operator says where a recorded bundle is from.
    pub(super) bundle_flag: &'static str,
    pub(super) mode: Mode,
    /// The revision that it goes back to, if it does.
    pub(super) rollback_to: Option<String>,
    /// The revisions that it goes back behind, or that the one before it has.
    pub(super) undone: BTreeSet<String>,
    /// Whether it is rolled back where it fails.
    pub(super) goes_back: bool,
    /// Whether all that a source directory asks for is granted.
    pub(super) for_development: bool,
    /// Decisions of a plan or revision that replace grants, parameters and overrides of the request.
    pub(super) decided: Option<EarlierDecisions>,
    /// The operator's files as they are to be read, unless `decided` says so.
    pub(super) files: RecordedFiles,
    /// The installations that it needs. None: those that are recorded, or are found by their names.
    pub(super) requires: Option<Vec<RequiredInstallation>>,
    /// The installation that it is made for.
    pub(super) made_for: Option<MadeFor>,
}

/// An action whose bundle was admitted, and whose place is known.
pub(super) struct Ready<'a> {
    pub(super) attempt: Attempt<'a>,
    /// The bundle; none where the runtime acts alone.
    pub(super) verified: Option<Verified>,
    pub(super) located: Located,
}

impl<'a> Attempt<'a> {
    /// An action as the request has it.
    pub(super) fn new(action: &'a str, request: &'a InstallationRequest) -> Self {
        Self {
            action,
            request,
            consent: request.consent.clone(),
            own_word: request.own_word.clone(),
            change: request.change.clone(),
            reference: String::new(),
            bundle_flag: "--bundle",
            mode: Mode::Act,
            rollback_to: None,
            undone: BTreeSet::new(),
            goes_back: request.rollback_on_failure,
            for_development: false,
            decided: None,
            files: RecordedFiles::default(),
            requires: None,
            made_for: None,
        }
    }
}

impl Ready<'_> {
    /// Carries it out. A failed run is not rolled back.
    pub(super) async fn run(self, services: &Services<'_>) -> Result<Outcome, Error> {
        let Self { mut attempt, verified, located } = self;
        if let Some(verified) = &verified {
            attempt.find_required(verified.bundle(), services)?;
        }
        let InstallationRequest { name, access, .. } = attempt.request;
        let (target, namespace) = located.open(name, access).await?;
        let place = located.into_recorded(&target, access);
        let operation = attempt.operation(verified.as_ref().map(Verified::bundle), place, &namespace)?;
        let operation = match &verified {
            Some(verified) => attempt.with_sources(operation, verified.bundle(), services)?,
            None => operation,
        };
        let approvals = services.bundles.approvals(&attempt.request.approvals)?;
        let operation = Operation { approvals, ..operation };
        if attempt.mode == Mode::Act && operation.acts_as_caller() {
            services.tell(&Notice::OwnIdentity);
        }
        if attempt.mode == Mode::Act && operation.is_unawaited() {
            services.tell(&Notice::Unawaited);
        }
        Ok(act(verified, target, operation, &services.environment, attempt.mode).await?)
    }
}

/// The action on a bundle that is named. Without an action, it is an upgrade where there is something to upgrade, else
/// an install.
pub(super) async fn on_bundle<'a>(
    action: Option<&'a str>,
    request: &'a InstallRequest,
    mode: Mode,
    services: &Services<'_>,
) -> Result<Ready<'a>, Error> {
    let InstallRequest { reference, destination, installation: asked, for_development } = request;
    let (verified, consent) = if *for_development {
        let verified = services.bundles.developed(reference).await?;
        let approve = Some(verified.digest());
        (verified, Consent { approve, ..asked.consent.get()?.clone() }.into())
    } else {
        (services.bundles.verified(reference, asked.trust).await?, asked.consent.clone())
    };
    let earlier = services.state().find(&asked.name)?;
    let action = action.unwrap_or_else(|| usual(earlier.as_ref()));
    let located = Located::of_request(destination, asked, earlier.as_ref(), services.state())?;
    let attempt = Attempt {
        reference: recorded(reference, verified.fetched().reference()),
        mode,
        consent,
        for_development: *for_development,
        ..Attempt::new(action, asked)
    };
    Ok(Ready { attempt, verified: Some(verified), located })
}

/// The reference as it is recorded: as it was typed, but for a path that turned out to be an archive. What the policy
/// says of archives is said of it later on, too, when the file may be gone.
fn recorded(typed: &Reference, found: &Reference) -> String {
    match (typed, found) {
        (Reference::Path(_), Reference::Archive(_)) => found.to_string(),
        _ => typed.to_string(),
    }
}

/// The action that brings a bundle to where it is, or is not yet.
fn usual(earlier: Option<&Installation>) -> &'static str {
    if earlier.is_some_and(Installation::is_installed) { "upgrade" } else { "install" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::places::tests::ended;

    #[test]
    fn what_is_installed_is_upgraded_and_everything_else_installed() {
        assert_eq!(usual(None), "install");
        for (action, result, expected) in [
            ("install", "succeeded", "upgrade"),
            ("upgrade", "succeeded", "upgrade"),
            ("install", "failed", "install"),
            ("upgrade", "unknown", "install"),
            ("uninstall", "succeeded", "install"),
        ] {
            assert_eq!(usual(Some(&ended(action, result))), expected, "{action} {result}");
        }
    }
}
