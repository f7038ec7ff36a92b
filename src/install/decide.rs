//! Decides an action's inputs and grant before anything runs.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::parameters::{self, RecordedValues, Resolved};
use crate::bundle::{Bundle, Image};
use crate::capability::Requests;
use crate::capability::template::Names;
use crate::digest::Digest;
use crate::fetch::Fetched;
use crate::grant::spec::GrantSpec;
use crate::grant::{ConsentKey, Granted, Shortfall};
use crate::host::{InstallationContext, Supplied};
use crate::state::{Installation, InstallationSettings, ulid};
use crate::verify::{TrustDecision, Verified};

use super::responsibilities::Responsibilities;
use super::{Decision, Error, Mode, Operation};

/// The decisions for a run.
pub(super) struct DecidedRun {
    pub(super) grant: GrantSpec,
    /// Whom the grant was given to.
    pub(super) consent: Option<ConsentKey>,
    pub(super) context: InstallationContext,
    pub(super) credentials: Supplied,
    pub(super) decision: Decision,
}

/// The bundle, where there is one, with what is granted to it, and the other decisions for its run.
pub(super) fn decide(
    verified: Option<Verified>,
    operation: &Operation,
    earlier: Option<&Installation>,
    responsibilities: &Responsibilities,
    mode: Mode,
) -> Result<(Option<Arc<Granted>>, DecidedRun), Error> {
    let Some(verified) = verified else { return Ok((None, DecidedRun::by_the_runtime(operation, earlier))) };
    let earlier = earlier.filter(|_| !operation.complete);
    // An uninstalled bundle is installed anew.
    let there = earlier.filter(|earlier| !earlier.is_deleted());
    let recorded = there.map(Installation::last_parameters).unwrap_or_default();
    let resolved = parameters::resolve(verified.bundle(), &operation.action, &operation.parameters, recorded);
    // Everything missing is said at once, so none of it ends this before the grant is looked at.
    let credentials = credentials(verified.bundle(), operation, responsibilities, mode);
    let (mut resolved, unresolved) = match resolved {
        Ok(resolved) => (resolved, None),
        Err(error) => (Resolved::default(), Some(Error::Parameters(error))),
    };
    resolved.doubtful.extend(operation.doubtful.iter().cloned());
    let requests = Requests::of(verified.bundle())?;
    let mut grant = operation.consent.grant(verified.digest(), &requests)?;
    let earlier = earlier.filter(|earlier| continues(earlier, operation, mode));
    let given_to = earlier.and_then(|earlier| given_to(&earlier.settings, &verified));
    let earlier = earlier.map(|earlier| Earlier::of(&verified, operation, earlier)).unwrap_or_default();
    // Invariant: what is kept stays given to whom it was given to, also where others have signed the same bytes by now.
    let consent = if earlier.kept.is_some() { given_to } else { ConsentKey::of(&verified) };
    if let Some(kept) = &earlier.kept {
        grant.add(kept.clone()).map_err(Shortfall::from)?;
        operation.consent.check(&grant)?;
    }
    let (carried_over, warning) = (earlier.is_carried_over, earlier.warning());
    let names = Names::of(&operation.name, &operation.namespace, &resolved);
    let context = context(verified.fetched(), operation, resolved.values);
    let trust = Some(verified.decision().clone());
    let guard = operation.consent.unsaid_guard(&requests);
    let granted = Granted::new(verified, &grant, names);
    let granted = granted.map_err(|shortfall| Error::from(earlier.explain(shortfall.with(guard))));
    let (granted, credentials) = all_there(granted, unresolved, credentials)?;
    // Invariant: a consent holds the names that it was given to. What fills them later is not the operator's word.
    let grant = grant.filled(granted.names()).map_err(Shortfall::from)?;
    let granted = if responsibilities.modifies { granted } else { granted.reading_only() };
    let decision = Decision {
        trust,
        granted: granted.explained(),
        carried_over,
        confirmed: operation.options.confirmed,
        warnings: resolved.warnings.into_iter().chain(warning).collect(),
    };
    Ok((Some(Arc::new(granted)), DecidedRun { grant, consent, context, credentials, decision }))
}

/// The needs of a run, or all of them that are missing. Missing grants decide about the exit code.
fn all_there(
    granted: Result<Granted, Error>,
    unresolved: Option<Error>,
    credentials: Result<Supplied, Error>,
) -> Result<(Granted, Supplied), Error> {
    // A scope that a parameter fills cannot be looked at without its value.
    let is_told = |error: &Error| matches!(error, Error::Shortfall(it) if it.names_requests());
    match (granted, unresolved, credentials) {
        (Ok(granted), None, Ok(credentials)) => Ok((granted, credentials)),
        (Ok(_), None, Err(unsupplied)) => Err(unsupplied),
        (Err(ungranted), None, credentials) => Err(missing(ungranted, [credentials.err()])),
        (granted, Some(unresolved), credentials) => Err(match granted.err().filter(is_told) {
            Some(ungranted) => missing(ungranted, [Some(unresolved), credentials.err()]),
            None => missing(unresolved, [credentials.err()]),
        }),
    }
}

fn missing(first: Error, more: impl IntoIterator<Item = Option<Error>>) -> Error {
    let more: Vec<_> = more.into_iter().flatten().collect();
    if more.is_empty() { first } else { Error::Missing { first: Box::new(first), more } }
}

/// Whether earlier decisions about the installation still apply: not for one that is installed anew.
fn continues(earlier: &Installation, operation: &Operation, mode: Mode) -> bool {
    mode == Mode::Examine || (operation.action != "install" && !earlier.is_deleted())
}

/// What was granted to an installation, with the names that it was granted for. An earlier version of the program recorded
/// the texts, which are filled with the parameters of that run. None: they are not on record.
pub(super) fn granted_before(earlier: &Installation, names: &Names) -> Option<GrantSpec> {
    let parameters = match earlier.last_parameters() {
        RecordedValues::Own(values) => values.clone(),
        RecordedValues::Nothing | RecordedValues::OfOthers(_) => BTreeMap::new(),
    };
    earlier.settings.grant.filled(&Names { parameters, ..names.clone() }).ok()
}

/// The grant of the last run.
#[derive(Default)]
struct Earlier {
    /// The part of it that still holds.
    kept: Option<GrantSpec>,
    /// Whether it holds for another bundle than it was given to.
    is_carried_over: bool,
    /// Why it does not hold any more, a clause each.
    changes: Vec<String>,
    /// Whether its record is where others can write it, so that it is no grant.
    is_shared: bool,
}

impl Earlier {
    /// A bundle keeps its own grant. A new one gets it as long as it has the name, the signers and the terms that the
    /// grant was given to. An explicit grant file or approval is a decision of its own.
    fn of(verified: &Verified, operation: &Operation, earlier: &Installation) -> Self {
        let settings = &earlier.settings;
        // Invariant: whoever can write the state widens nothing that an operator decided.
        if earlier.is_shared() {
            return Self { is_shared: true, ..Self::default() };
        }
        if !operation.consent.documents.is_empty() || operation.consent.approve.is_some() {
            return Self::default();
        }
        let kept =
            granted_before(earlier, &Names::of(&operation.name, &operation.namespace, &Resolved::default()));
        let mut changes: Vec<String> = kept
            .is_none()
            .then(|| "a parameter that filled a scope of it is not on record".to_owned())
            .into_iter()
            .collect();
        if verified.digest() == settings.bundle {
            return Self { kept, changes, ..Self::default() };
        }
        changes.extend(ConsentKey::changes(settings.consent.as_ref(), ConsentKey::of(verified).as_ref()));
        let kept = kept.filter(|_| changes.is_empty());
        Self { is_carried_over: kept.is_some(), kept, changes, is_shared: false }
    }

    /// A warning that nothing is carried over, where there was something.
    fn warning(&self) -> Option<String> {
        let changes = (!self.changes.is_empty()).then(|| self.changes.join(", and "))?;
        Some(format!("the grant of the last run is not carried over, since {changes}"))
    }

    /// A shortfall, with the reason why the last grant does not make up for it.
    fn explain(self, shortfall: Shortfall) -> Shortfall {
        match shortfall {
            Shortfall::Missing(missing) if !self.changes.is_empty() => {
                Shortfall::GivenToAnother { changes: self.changes, missing }
            }
            Shortfall::Missing(missing) if self.is_shared => Shortfall::Shared(missing),
            other => other,
        }
    }
}

/// Whom a grant was given to that is kept for the same bytes. An earlier version of the program recorded names alone, which
/// are those of the same keys as long as the rule has them.
fn given_to(settings: &InstallationSettings, verified: &Verified) -> Option<ConsentKey> {
    let is_known = match verified.decision() {
        TrustDecision::Signed { rule, signers, .. } => {
            settings.rule.as_ref() == Some(rule)
                && settings.signers.iter().eq(signers.iter().map(|signer| &signer.name))
        }
        TrustDecision::Unsigned => false,
    };
    settings.consent.clone().or_else(|| ConsentKey::of(verified).filter(|_| is_known))
}

/// The credentials of the run.
fn credentials(
    bundle: &Bundle,
    operation: &Operation,
    responsibilities: &Responsibilities,
    mode: Mode,
) -> Result<Supplied, Error> {
    if mode == Mode::Examine {
        return Ok(stand_ins(bundle, operation));
    }
    if let Some(error) = &operation.unsupplied {
        return Err(Error::Credentials(Arc::clone(error)));
    }
    check_credentials(bundle, operation, responsibilities)?;
    Ok(operation.credentials.clone())
}

/// CNAB 101: a required credential must be there, for a tracked action that it applies to.
fn check_credentials(
    bundle: &Bundle,
    operation: &Operation,
    responsibilities: &Responsibilities,
) -> Result<(), Error> {
    if responsibilities.stateless {
        return Ok(());
    }
    let missing = bundle.credentials().iter().filter(|(name, credential)| {
        credential.required
            && credential.applies_to(&operation.action)
            && !operation.credentials.names().any(|given| given == *name)
    });
    let missing: Vec<_> =
        missing.map(|(name, credential)| (name.clone(), credential.description.clone())).collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::Credential(missing)) }
}

/// Placeholder credentials for a comparison, which leaves out every field that holds one.
fn stand_ins(bundle: &Bundle, operation: &Operation) -> Supplied {
    let wanted =
        bundle.credentials().iter().filter(|(_, credential)| credential.applies_to(&operation.action));
    Supplied::new(wanted.map(|(name, _)| (name.clone(), "unknown".into())).collect())
}

fn context(
    fetched: &Fetched,
    operation: &Operation,
    parameters: BTreeMap<String, Value>,
) -> InstallationContext {
    let bundle = fetched.bundle();
    // A registry that has the bundle has its images beside it, and may be the only one that can be reached.
    let relocated = fetched.relocation_map(fetched.reference()).unwrap_or_default();
    let there = |image: &Image| relocated.get(&image.image).cloned();
    let outputs = bundle.outputs().iter().filter(|(_, output)| output.applies_to(&operation.action));
    let schema = |definition: &str| bundle.definition(definition).cloned().unwrap_or_default();
    InstallationContext {
        action: operation.action.clone(),
        name: operation.name.clone(),
        namespace: operation.namespace.clone(),
        revision: ulid(),
        bundle_name: bundle.name().to_owned(),
        bundle_version: bundle.version().to_string(),
        parameters,
        images: bundle
            .images()
            .iter()
            .map(|(name, image)| {
                let reference = there(image).unwrap_or_else(|| pinned(&image.image, image.digest));
                (name.clone(), reference)
            })
            .collect(),
        outputs: outputs.map(|(name, output)| (name.clone(), schema(&output.definition))).collect(),
    }
}

/// A reference without its tag, by digest.
fn pinned(image: &str, digest: Digest) -> String {
    let repository = image.split_once('@').map_or(image, |(repository, _)| repository);
    let repository = match repository.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => repository,
    };
    format!("{repository}@{digest}")
}

impl DecidedRun {
    fn by_the_runtime(operation: &Operation, earlier: Option<&Installation>) -> Self {
        Self {
            grant: earlier.map(|earlier| earlier.settings.grant.clone()).unwrap_or_default(),
            consent: earlier.and_then(|earlier| earlier.settings.consent.clone()),
            context: InstallationContext { revision: ulid(), ..InstallationContext::default() },
            credentials: Supplied::default(),
            decision: Decision {
                trust: None,
                granted: Vec::new(),
                carried_over: false,
                confirmed: operation.options.confirmed,
                warnings: Vec::new(),
            },
        }
    }
}
