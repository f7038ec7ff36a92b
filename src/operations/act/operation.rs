//! What was asked for, and what was decided earlier, into one operation for the pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::grant::{Consent, LoweredGuard};
use crate::host::Supplied;
use crate::install::{Mode, Operation};
use crate::targets::Place;

use super::super::{Error, TrustMode};
use super::Attempt;

impl Attempt<'_> {
    pub(super) fn operation(
        &self,
        bundle: Option<&Bundle>,
        place: Place,
        namespace: &str,
    ) -> Result<Operation, Error> {
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
            goes_back: self.goes_back,
            undone: self.undone.clone(),
            requires: self.requires.clone(),
            made_for: self.made_for.clone(),
            dangers: self.dangers(&consent, &place),
            consent,
            ..Operation::new(action, &request.name, namespace, place)
        })
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
        let is_unsigned = self.request.trust == TrustMode::DangerouslyUnsigned;
        [
            (self.for_development, LoweredGuard::Development),
            (is_unsigned || self.for_development, LoweredGuard::Unsigned),
            (consent.dangerous_wildcards, LoweredGuard::Wildcards),
            (place.has_plain_secrets(), LoweredGuard::PlainSecrets),
        ]
        .into_iter()
        .filter_map(|(is_set, guard)| is_set.then_some(guard))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::InstallationRequest;
    use crate::operations::decided::EarlierDecisions;

    #[test]
    fn lowered_guards_are_those_of_this_request_unless_they_were_decided_earlier() {
        let consent = Consent { dangerous_wildcards: true, ..Consent::default() };
        let mut request = InstallationRequest::new("web");
        (request.trust, request.consent) = (TrustMode::DangerouslyUnsigned, consent.clone().into());
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
