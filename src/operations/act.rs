//! The steps that all acting operations share: from a request, and earlier decisions, to the pipeline in `install`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::parameter_sources::{self, ParameterSource};
use crate::bundle::{Bundle, parameters};
use crate::capability::Requests;
use crate::capability::template::Names;
use crate::digest::Digest;
use crate::fetch::Fetched;
use crate::grant::{Consent, LoweredGuard, Shortfall, shortfall};
use crate::host::Supplied;
use crate::install::{Mode, Operation, Outcome, act};
use crate::reference::Reference;
use crate::state::{Installation, RecordedFiles, Revision};
use crate::targets::Place;
use crate::text::CommandLine;
use crate::verify::Verified;

use super::decided::EarlierDecisions;
use super::places::{Located, installation, unsaid_place};
use super::revisions::undone;
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
    /// Whether all that a source directory asks for is granted.
    pub(super) for_development: bool,
    /// Decisions of a plan or revision that replace grants, parameters and overrides of the request.
    pub(super) decided: Option<EarlierDecisions>,
    /// The operator's files as they are to be read, unless `decided` says so.
    pub(super) files: RecordedFiles,
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
            for_development: false,
            decided: None,
            files: RecordedFiles::default(),
        }
    }

    /// The action on an installation, with the bundle that is kept of it where the action needs one.
    pub(super) async fn on_installation(self, services: &Services<'_>) -> Result<Ready<'a>, Error> {
        let InstallationRequest { name, namespace, access, .. } = self.request;
        let installation = installation(services.state(), name, namespace.as_deref())?;
        let verified = self.kept(&installation, services).await?;
        let located = Located::of(&installation, access, self.own_word.place.get()?.as_ref())?;
        let reference = self.reference_of(&installation.settings.reference);
        Ok(Ready { attempt: Self { reference, ..self }, verified, located })
    }

    /// The action that brings an installation back to one of its revisions, with the bundle that is kept of it.
    pub(super) async fn on_revision(
        self,
        revision: &Revision,
        services: &Services<'_>,
    ) -> Result<Ready<'a>, Error> {
        let InstallationRequest { name, namespace, access, is_unsigned, .. } = self.request;
        let installation = installation(services.state(), name, namespace.as_deref())?;
        let kept = KeptBundle { digest: revision.digest, reference: &revision.reference };
        let fetched = self.fetched(&installation, kept, services).await?;
        let verified = Some(services.bundles.admitted(fetched, *is_unsigned)?);
        let located = Located::of(&installation, access, self.own_word.place.get()?.as_ref())?;
        let consent = self.consent.get()?;
        let decided = if installation.is_shared() {
            EarlierDecisions::by_shared_revision(revision, consent, &self.change)
        } else {
            EarlierDecisions::by_revision(revision, consent, &self.change)
        };
        let reference = self.reference_of(&revision.reference);
        let rollback_to = Some(revision.revision.clone());
        let undone = undone(&services.state().history(name)?, &revision.revision, None);
        let attempt = Self { reference, rollback_to, undone, decided: Some(decided), ..self };
        Ok(Ready { attempt, verified, located })
    }

    /// The bundle that is kept of an installation, verified again. An uninstall that the component does not handle
    /// needs none, so neither a lost trust policy nor a damaged copy can keep it from happening.
    async fn kept(
        &self,
        installation: &Installation,
        services: &Services<'_>,
    ) -> Result<Option<Verified>, Error> {
        let settings = &installation.settings;
        if self.action == "uninstall" {
            let fetched = services.state().load(settings.bundle, &settings.reference).await;
            let requests = fetched.as_ref().ok().and_then(|fetched| Requests::of(fetched.bundle()).ok());
            if !requests.is_some_and(|requests| requests.handle("uninstall")) {
                return Ok(None);
            }
        }
        let kept = KeptBundle { digest: settings.bundle, reference: &settings.reference };
        let fetched = self.fetched(installation, kept, services).await?;
        services.bundles.admitted(fetched, self.request.is_unsigned).map(Some)
    }

    /// The bundle that a record names. Where others can write the record, the operator says where the bundle is from:
    /// that decides which rule of the trust policy it is admitted by.
    async fn fetched(
        &self,
        installation: &Installation,
        kept: KeptBundle<'_>,
        services: &Services<'_>,
    ) -> Result<Fetched, Error> {
        let Some(named) = &self.own_word.bundle else {
            let mut lines = self.unsaid(installation, &kept)?;
            let found = services.state().load(kept.digest, kept.reference).await;
            if lines.is_empty() {
                return Ok(found?);
            }
            lines.extend(
                found.ok().and_then(|found| self.ungranted(installation, &found)).unwrap_or_default(),
            );
            return Err(Error::Shared { name: installation.name.clone(), lines });
        };
        let found = match named.digest() {
            Some(digest) if digest == kept.digest => {
                return Ok(services.state().load(digest, &named.to_string()).await?);
            }
            Some(digest) => digest,
            None => {
                let fetched = services.bundles.fetched(named).await?;
                if fetched.digest() == kept.digest {
                    return Ok(fetched);
                }
                fetched.digest()
            }
        };
        Err(Error::OtherBundle { name: installation.name.clone(), recorded: kept.digest, found })
    }

    /// Flags that only the operator can give for an installation whose record others can write.
    fn unsaid(&self, installation: &Installation, kept: &KeptBundle<'_>) -> Result<Vec<CommandLine>, Error> {
        if !installation.is_shared() {
            return Ok(Vec::new());
        }
        let mut lines = vec![CommandLine::of(self.bundle_flag).word(kept.as_word())];
        lines.extend(unsaid_place(installation, self.own_word.place.get()?.as_ref()));
        Ok(lines)
    }

    /// What the action would lack then, as flags, so that all is asked for at once. Nothing of the bundle is believed or run:
    /// whoever asks decides from what they know themselves. None: it cannot be told yet.
    fn ungranted(&self, installation: &Installation, found: &Fetched) -> Option<Vec<CommandLine>> {
        let (bundle, component) = (found.bundle(), found.component().ok()?);
        let requests = Requests::of(bundle).ok()?;
        let grant = self.consent.get().ok()?.grant(found.digest(), &requests).ok()?;
        let given = self.request.inputs.parameters.get().ok()?.read(bundle).ok()?;
        let recorded = installation.last.as_ref().map(|last| last.parameters.clone()).unwrap_or_default();
        let resolved = parameters::resolve(bundle, self.action, &given, &recorded).ok()?;
        let is_own = |name: &String| given.contains_key(name) || !recorded.contains_key(name);
        let names = Names {
            installation: installation.name.clone(),
            namespace: installation.namespace.clone(),
            parameters: resolved.values.into_iter().filter(|(name, _)| is_own(name)).collect(),
        };
        match shortfall(bundle, component, &grant, &names) {
            Err(Shortfall::Missing(missing)) => Some(missing),
            _ => None,
        }
    }

    /// Where the bundle is from, to be recorded: as the operator says, else as it is recorded.
    fn reference_of(&self, recorded: &str) -> String {
        self.own_word.bundle.as_ref().map_or_else(|| recorded.to_owned(), Reference::to_string)
    }

    fn operation(&self, bundle: Option<&Bundle>, place: Place, namespace: &str) -> Result<Operation, Error> {
        let Self { action, request, change, decided, .. } = self;
        let parameters = bundle.map(|bundle| self.parameters(bundle)).transpose()?.unwrap_or_default();
        let credentials = bundle.map(|bundle| self.credentials(bundle)).transpose();
        let (credentials, unsupplied) = match credentials {
            Ok(credentials) => (credentials.unwrap_or_default(), None),
            Err(error) => (Supplied::default(), Some(Arc::from(error))),
        };
        let consent = match decided {
            Some(decided) => decided.consent(),
            None => self.consent.get()?.clone(),
        };
        Ok(Operation {
            parameters,
            doubtful: self.doubtful()?,
            complete: decided.is_some(),
            files: decided.as_ref().map_or(&self.files, |decided| &decided.files).clone(),
            plan: decided.as_ref().and_then(|decided| decided.plan.clone()),
            credentials,
            unsupplied,
            options: decided.as_ref().map_or_else(|| change.clone(), |decided| decided.options(change)),
            reference: self.reference.clone(),
            rollback_to: self.rollback_to.clone(),
            undone: self.undone.clone(),
            dangers: self.dangers(&consent, &place),
            consent,
            ..Operation::new(action, &request.name, namespace, place)
        })
    }

    /// The operation with outputs of its installation as values of parameters that nobody gives (CNAB 810). A component chose
    /// them, so they are checked as any value, and fill no scope.
    fn with_sources(
        &self,
        mut operation: Operation,
        bundle: &Bundle,
        services: &Services<'_>,
    ) -> Result<Operation, Error> {
        let sources = parameter_sources::of(bundle).map_err(Error::ParameterSources)?;
        // A comparison, and what corrects by it, goes by what was recorded.
        if self.mode == Mode::Examine || self.change.waits_for_changes_only {
            return Ok(operation);
        }
        let is_open = |name: &String| {
            let is_asked = bundle.parameters().get(name).is_some_and(|it| it.applies_to(self.action));
            is_asked && !operation.parameters.contains_key(name)
        };
        let mut sources: Vec<_> = sources.into_iter().filter(|(name, _)| is_open(name)).collect();
        sources.retain(|(_, sources)| !sources.is_empty());
        if sources.is_empty() || self.decided.is_some() {
            return Ok(operation);
        }
        let outputs = services.state().outputs(&self.request.name)?;
        for (name, sources) in sources {
            let value = sources.iter().find_map(|source| match source {
                ParameterSource::Output(output) => outputs.get(output),
                // No dependency is installed from here.
                ParameterSource::DependencyOutput { .. } => None,
            });
            if let Some(value) = value {
                operation.doubtful.insert(name.clone());
                operation.parameters.insert(name, value.clone());
            }
        }
        Ok(operation)
    }

    /// The parameters that others may have recorded, and that are not given again.
    fn doubtful(&self) -> Result<BTreeSet<String>, Error> {
        let Some(decided) = &self.decided else { return Ok(BTreeSet::new()) };
        let given = self.request.inputs.parameters.get()?;
        let is_given = |name: &String| given.values.contains_key(name) || given.texts.contains_key(name);
        Ok(decided.doubtful.iter().filter(|name| !is_given(name)).cloned().collect())
    }

    /// The parameters that are given, or those that were decided.
    fn parameters(&self, bundle: &Bundle) -> Result<BTreeMap<String, Value>, Error> {
        let given = self.request.inputs.parameters.get()?;
        match &self.decided {
            Some(decided) => decided.parameters(given, bundle),
            None => given.read(bundle),
        }
    }

    /// The values of the credentials that the action may use. Whether a required one is missing is checked by
    /// `install`.
    fn credentials(&self, bundle: &Bundle) -> Result<Supplied, Box<dyn std::error::Error + Send + Sync>> {
        let Some(source) = self.request.inputs.credentials.as_ref().filter(|_| self.mode != Mode::Examine)
        else {
            return Ok(Supplied::default());
        };
        let wanted = bundle.credentials().iter().filter(|(_, credential)| credential.applies_to(self.action));
        let names: Vec<_> = wanted.map(|(name, _)| name.as_str()).collect();
        source.values(&names).map(Supplied::new)
    }

    /// The guards that are lowered.
    fn dangers(&self, consent: &Consent, place: &Place) -> Vec<LoweredGuard> {
        [
            (self.for_development, LoweredGuard::Development),
            (self.request.is_unsigned || self.for_development, LoweredGuard::Unsigned),
            (consent.dangerous_wildcards, LoweredGuard::Wildcards),
            (place.has_plain_secrets(), LoweredGuard::PlainSecrets),
        ]
        .into_iter()
        .filter_map(|(is_set, guard)| is_set.then_some(guard))
        .collect()
    }
}

/// A bundle as a record names it.
struct KeptBundle<'a> {
    digest: Digest,
    reference: &'a str,
}

impl KeptBundle<'_> {
    /// The reference with its digest, as one word of a shell. What a record says stands there only if it is a plain
    /// one: others may have written it.
    fn as_word(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:@+".contains(c);
        match self.reference.parse::<Reference>() {
            Ok(reference) if self.reference.chars().all(is_plain) => {
                reference.pinned(self.digest).to_string()
            }
            _ => format!("REF@{}", self.digest),
        }
    }
}

impl Ready<'_> {
    /// Carries it out. A failed run is not rolled back.
    pub(super) async fn run(self, services: &Services<'_>) -> Result<Outcome, Error> {
        let Self { attempt, verified, located } = self;
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
        (services.bundles.verified(reference, asked.is_unsigned).await?, asked.consent.clone())
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

    #[test]
    fn what_a_record_says_is_copied_into_a_line_only_if_it_is_plain() {
        let digest = Digest::of(b"");
        let word = |reference: &str| KeptBundle { digest, reference }.as_word();
        assert_eq!(word("registry.example/web:1"), format!("registry.example/web:1@{digest}"));
        assert_eq!(word("layout:/a/b"), format!("layout:/a/b@{digest}"));
        for odd in ["layout:/a;touch x", "layout:/a b", "layout:/$(x)", "layout:/a'b", "", "no reference"] {
            assert_eq!(word(odd), format!("REF@{digest}"), "{odd}");
        }
    }

    #[test]
    fn where_others_can_write_the_record_the_operator_says_what_it_is_about() {
        let request = InstallationRequest::new("web");
        let attempt = Attempt::new("dev.carnet.test.look", &request);
        let digest = Digest::of(b"");
        let kept = || KeptBundle { digest, reference: "layout:/a" };
        let own = ended("install", "succeeded");
        assert_eq!(attempt.unsaid(&own, &kept()).unwrap(), Vec::<&str>::new());
        let lines = attempt.unsaid(&own.shared(), &kept()).unwrap();
        assert_eq!(lines, [format!("--bundle layout:/a@{digest}"), "--target dir:PATH".into()]);
    }

    #[test]
    fn lowered_guards_are_those_of_this_request_unless_they_were_decided_earlier() {
        let consent = Consent { dangerous_wildcards: true, ..Consent::default() };
        let mut request = InstallationRequest::new("web");
        (request.is_unsigned, request.consent) = (true, consent.clone().into());
        let dangers = |attempt: &Attempt<'_>| {
            attempt.operation(None, Place::directory("/rendered"), "prod").unwrap().dangers
        };
        let attempt = Attempt::new("install", &request);
        let expected = [LoweredGuard::Unsigned, LoweredGuard::Wildcards];
        assert_eq!(dangers(&attempt), expected);
        let revision = crate::operations::revisions::tests::succeeded();
        let decided = EarlierDecisions::by_revision(&revision, &consent, &request.change);
        let attempt = Attempt { decided: Some(decided), ..attempt };
        assert_eq!(dangers(&attempt), [LoweredGuard::Unsigned]);
    }
}
