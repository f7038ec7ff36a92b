//! Decides an action's inputs and grant before anything runs.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::bundle::parameters;
use crate::capability::Requests;
use crate::capability::template::Names;
use crate::digest::Digest;
use crate::grant::spec::GrantSpec;
use crate::grant::{Granted, Shortfall};
use crate::host::{InstallationContext, Supplied};
use crate::run::{Compiled, Engine};
use crate::state::{Installation, InstallationSettings, ulid};
use crate::verify::{TrustDecision, Verified};

use super::responsibilities::Responsibilities;
use super::{Decision, Environment, Error, Mode, Operation};

/// A bundle with the decisions for its run.
pub(super) struct DecidedRun {
    pub(super) granted: Option<Arc<Granted>>,
    pub(super) terms: GrantSpec,
    pub(super) context: InstallationContext,
    pub(super) credentials: Supplied,
    pub(super) decision: Decision,
}

pub(super) fn decide(
    verified: Option<Verified>,
    operation: &Operation,
    earlier: Option<&Installation>,
    responsibilities: &Responsibilities,
    mode: Mode,
) -> Result<DecidedRun, Error> {
    let Some(verified) = verified else { return Ok(DecidedRun::by_the_runtime(operation, earlier)) };
    let earlier = earlier.filter(|_| !operation.complete);
    let previous = earlier.and_then(|earlier| earlier.last.as_ref()).map(|last| last.parameters.clone());
    let resolved = parameters::resolve(
        verified.bundle(),
        &operation.action,
        &operation.parameters,
        &previous.unwrap_or_default(),
    )
    .map_err(Error::Parameters)?;
    let credentials = if mode == Mode::Examine {
        stand_ins(verified.bundle(), operation)
    } else {
        check_credentials(verified.bundle(), operation, responsibilities)?;
        operation.credentials.clone()
    };

    let requests = Requests::of(verified.bundle())?;
    let mut terms = operation.consent.terms(verified.digest(), &requests)?;
    let kept = earlier
        .filter(|earlier| continues(earlier, operation, mode))
        .and_then(|earlier| kept(&verified, operation, earlier));
    let carried_over = kept.as_ref().is_some_and(|(_, is_new)| *is_new);
    if let Some((kept, _)) = kept {
        terms.add(kept).map_err(Shortfall::from)?;
    }
    let names = Names {
        installation: operation.name.clone(),
        namespace: operation.namespace.clone(),
        parameters: resolved.values.clone(),
    };
    let context = context(verified.bundle(), operation, resolved.values);
    let trust = Some(verified.decision().clone());
    let granted = if responsibilities.modifies {
        Granted::new(verified, &terms, names)?
    } else {
        Granted::new(verified, &terms, names)?.reading_only()
    };
    let decision = Decision {
        trust,
        granted: granted.explained(),
        carried_over,
        confirmed: operation.confirmed,
        warnings: resolved.warnings,
    };
    Ok(DecidedRun { granted: Some(Arc::new(granted)), terms, context, credentials, decision })
}

/// Whether earlier decisions about the installation still apply: not for one that is installed anew.
fn continues(earlier: &Installation, operation: &Operation, mode: Mode) -> bool {
    mode == Mode::Examine || (operation.action != "install" && !earlier.is_deleted())
}

/// The grant of the last run, for the same bundle, or for a new one that the consent covers as well. An explicit grant
/// file or approval is a decision of its own.
fn kept(verified: &Verified, operation: &Operation, earlier: &Installation) -> Option<(GrantSpec, bool)> {
    let is_new = verified.digest() != earlier.settings.bundle;
    let decided_anew = !operation.consent.documents.is_empty() || operation.consent.approve.is_some();
    (!decided_anew && (!is_new || is_covered(verified, &earlier.settings)))
        .then(|| (earlier.settings.terms.clone(), is_new))
}

/// Whether consent to the last bundle covers this one: it has the same name, the same rule admitted it, and all keys that
/// counted then have signed it.
fn is_covered(verified: &Verified, last: &InstallationSettings) -> bool {
    let TrustDecision::Signed { rule, signers, .. } = verified.decision() else { return false };
    let has_signed = |name: &String| signers.iter().any(|signer| signer.name == *name);
    last.bundle_name == verified.bundle().name()
        && last.rule.as_ref() == Some(rule)
        && last.signers.iter().all(has_signed)
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
    let missing = bundle.credentials().iter().find(|(name, credential)| {
        credential.required
            && credential.applies_to(&operation.action)
            && !operation.credentials.names().any(|given| given == *name)
    });
    missing.map_or(Ok(()), |(name, _)| Err(Error::Credential(name.clone())))
}

/// Placeholder credentials for a comparison, which leaves out every field that holds one.
fn stand_ins(bundle: &Bundle, operation: &Operation) -> Supplied {
    let wanted =
        bundle.credentials().iter().filter(|(_, credential)| credential.applies_to(&operation.action));
    Supplied::new(wanted.map(|(name, _)| (name.clone(), "unknown".into())).collect())
}

fn context(
    bundle: &Bundle,
    operation: &Operation,
    parameters: BTreeMap<String, Value>,
) -> InstallationContext {
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
            .map(|(name, image)| (name.clone(), pinned(&image.image, image.digest)))
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
            granted: None,
            terms: earlier.map(|earlier| earlier.settings.terms.clone()).unwrap_or_default(),
            context: InstallationContext { revision: ulid(), ..InstallationContext::default() },
            credentials: Supplied::default(),
            decision: Decision {
                trust: None,
                granted: Vec::new(),
                carried_over: false,
                confirmed: operation.confirmed,
                warnings: Vec::new(),
            },
        }
    }

    pub(super) fn compile(
        &self,
        environment: &Environment<'_>,
        responsibilities: &Responsibilities,
    ) -> Result<Option<Compiled>, Error> {
        let (Some(granted), Some(_)) = (&self.granted, &responsibilities.component) else { return Ok(None) };
        let engine = Engine::new(environment.cache.as_deref()).map_err(Error::SetUp)?;
        engine.compile(granted).map(Some).map_err(Error::SetUp)
    }
}
