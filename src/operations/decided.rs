//! Decisions taken from a plan or an earlier revision, in the place of grants, parameters and overrides of the request.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::bundle::Bundle;
use crate::grant::spec::{FileGrant, GrantSpec};
use crate::grant::{Consent, LoweredGuard, RecordedGuard};
use crate::plan::Plan;
use crate::state::{RecordedFiles, Revision};
use crate::targets::{Overrides, Protected, Take};

use super::{ChangeOptions, Deferred, Error, Parameters};

/// Earlier decisions.
pub(super) struct EarlierDecisions {
    pub(super) parameters: BTreeMap<String, Value>,
    /// Those of them that others may have written, unless they are given again.
    pub(super) doubtful: BTreeSet<String>,
    /// Parameters that have to be given again.
    pub(super) secret_parameters: Vec<String>,
    /// The grant.
    pub(super) consent: Consent,
    pub(super) overrides: Overrides,
    pub(super) delete: BTreeSet<Protected>,
    pub(super) take: Vec<Take>,
    pub(super) plan: Option<Box<Plan>>,
    /// The operator's files as they were read.
    pub(super) files: RecordedFiles,
}

impl EarlierDecisions {
    /// The decisions of a plan.
    pub(super) fn by_plan(plan: &Plan) -> Self {
        let inputs = plan.inputs.clone();
        Self {
            parameters: inputs.parameters,
            doubtful: BTreeSet::new(),
            secret_parameters: inputs.secret_parameters,
            consent: consent_to(inputs.grant, &inputs.dangers),
            overrides: inputs.overrides,
            delete: inputs.delete,
            take: inputs.take,
            plan: Some(Box::new(plan.clone())),
            files: RecordedFiles::default(),
        }
    }

    /// The decisions of a revision. The paths of files may not be recorded in it, so `consent` gives them again.
    pub(super) fn by_revision(revision: &Revision, consent: &Consent, change: &ChangeOptions) -> Self {
        Self {
            parameters: revision.parameters.clone(),
            doubtful: BTreeSet::new(),
            secret_parameters: revision.secret_parameters.clone(),
            consent: consent_to(
                GrantSpec { files: files(&revision.grant, consent), ..revision.grant.clone() },
                &revision.dangers.iter().filter_map(RecordedGuard::known).collect::<Vec<_>>(),
            ),
            overrides: change.overrides,
            delete: change.delete.clone(),
            take: change.take.clone(),
            plan: None,
            files: revision.files.clone().unwrap_or_default(),
        }
    }

    /// The rest of the decisions of a revision where others can write its record: the values of parameters, which
    /// are inputs and no powers. What is granted and which guards are lowered is decided again.
    pub(super) fn by_shared_revision(revision: &Revision, consent: &Consent, change: &ChangeOptions) -> Self {
        Self {
            parameters: revision.parameters.clone(),
            doubtful: revision.parameters.keys().cloned().collect(),
            secret_parameters: revision.secret_parameters.clone(),
            consent: consent.clone(),
            overrides: change.overrides,
            delete: change.delete.clone(),
            take: change.take.clone(),
            plan: None,
            files: revision.files.clone().unwrap_or_default(),
        }
    }

    /// How the change is carried out: as it is asked for now, where that was not decided.
    pub(super) fn options(&self, change: &ChangeOptions) -> ChangeOptions {
        let (delete, take) = (self.delete.clone(), self.take.clone());
        ChangeOptions { overrides: self.overrides, delete, take, ..change.clone() }
    }

    /// The grant.
    pub(super) fn consent(&self) -> Consent {
        self.consent.clone()
    }

    /// The parameters: as they were decided, and, given again, those that are recorded nowhere.
    ///
    /// # Errors
    /// [`Error::UnrecordedParameter`] when one of those is not given.
    pub(super) fn parameters(
        &self,
        given: &Parameters,
        bundle: &Bundle,
    ) -> Result<BTreeMap<String, Value>, Error> {
        let secret = given.read_those(bundle, |name| self.is_secret(name) || self.doubtful.contains(name))?;
        if let Some(missing) = self.secret_parameters.iter().find(|name| !secret.contains_key(*name)) {
            return Err(Error::UnrecordedParameter(missing.clone()));
        }
        Ok(self.parameters.clone().into_iter().chain(secret).collect())
    }

    fn is_secret(&self, name: &str) -> bool {
        self.secret_parameters.iter().any(|secret| secret == name)
    }
}

/// Refuses a parameter that was decided before, when `secret` names those that are recorded nowhere: giving it again
/// would have no effect. Parameters that cannot be read are refused later, when the bundle was admitted.
///
/// # Errors
/// [`Error::SettledParameter`] with its name.
pub(super) fn check_parameters(secret: &[String], given: &Deferred<Parameters>) -> Result<(), Error> {
    let Ok(given) = given.get() else { return Ok(()) };
    let settled = given.texts.keys().find(|name| !secret.contains(name));
    settled.map_or(Ok(()), |name| Err(Error::SettledParameter(name.clone())))
}

/// Refuses a grant of anything but files where a revision has its own: it would have no effect.
///
/// # Errors
/// [`Error::SettledGrant`].
pub(super) fn check_consent(given: &Consent) -> Result<(), Error> {
    let files = GrantSpec { files: given.grant.files.clone(), ..GrantSpec::default() };
    let is_of_files = given.grant == files && given.documents.is_empty() && given.approve.is_none();
    if is_of_files { Ok(()) } else { Err(Error::SettledGrant) }
}

/// Consent to a grant, where these guards were lowered.
fn consent_to(grant: GrantSpec, dangers: &[LoweredGuard]) -> Consent {
    Consent { grant, dangerous_wildcards: dangers.contains(&LoweredGuard::Wildcards), ..Consent::default() }
}

/// The files of `grant`, and those that are granted now under other names.
fn files(grant: &GrantSpec, consent: &Consent) -> Vec<FileGrant> {
    let mut files = grant.files.clone();
    let granted = consent.documents.iter().flat_map(|document| &document.spec.files);
    for file in granted.chain(&consent.grant.files) {
        if files.iter().all(|known| known.name != file.name) {
            files.push(file.clone());
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::spec::GrantFile;
    use std::path::Path;

    fn decided(secret: &[&str], dangers: &[LoweredGuard]) -> EarlierDecisions {
        EarlierDecisions {
            parameters: BTreeMap::from([("host".to_owned(), Value::from("a"))]),
            doubtful: BTreeSet::new(),
            secret_parameters: secret.iter().map(|&name| name.to_owned()).collect(),
            consent: consent_to(GrantSpec::default(), dangers),
            overrides: Overrides::default(),
            delete: BTreeSet::new(),
            take: Vec::new(),
            plan: None,
            files: RecordedFiles::default(),
        }
    }

    fn check(secret: &[&str], given: Parameters) -> Result<(), Error> {
        check_parameters(&decided(secret, &[]).secret_parameters, &given.into())
    }

    fn given(texts: &[(&str, &str)]) -> Parameters {
        let texts = texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Parameters { texts, ..Parameters::default() }
    }

    fn file(name: &str, path: &str) -> FileGrant {
        FileGrant { name: name.into(), path: path.into() }
    }

    #[test]
    fn a_parameter_that_was_decided_cannot_be_given_again() {
        assert!(check(&["pin"], given(&[])).is_ok());
        assert!(check(&["pin"], given(&[("pin", "1")])).is_ok(), "it is recorded nowhere");
        let error = check(&["pin"], given(&[("pin", "1"), ("host", "b")])).unwrap_err();
        assert_eq!(error.to_string(), "the parameter `host` is settled already");
    }

    #[test]
    fn values_from_files_may_name_more_than_is_used() {
        let values = BTreeMap::from([("host".to_owned(), Value::from("b"))]);
        let given = Parameters { values, ..Parameters::default() };
        assert!(check(&[], given).is_ok());
    }

    #[test]
    fn a_wildcard_that_was_accepted_stays_accepted_and_no_other_is() {
        assert!(decided(&[], &[LoweredGuard::Wildcards]).consent().dangerous_wildcards);
        for dangers in [&[][..], &[LoweredGuard::Unsigned, LoweredGuard::PlainSecrets]] {
            assert!(!decided(&[], dangers).consent().dangerous_wildcards);
        }
    }

    #[test]
    fn a_revision_of_another_version_lowers_no_guard_that_is_not_known() {
        let mut revision = crate::operations::revisions::tests::succeeded();
        revision.dangers = vec!["--dangerous-new".to_owned().into(), LoweredGuard::PlainSecrets.into()];
        let (consent, change) = (Consent::default(), ChangeOptions::default());
        let decided = EarlierDecisions::by_revision(&revision, &consent, &change);
        assert!(!decided.consent().dangerous_wildcards);
    }

    #[test]
    fn a_revision_that_others_can_write_decides_nothing() {
        let mut revision = crate::operations::revisions::tests::succeeded();
        revision.grant.files = vec![file("passwd", "/etc/passwd")];
        revision.dangers = LoweredGuard::ALL.map(RecordedGuard::from).to_vec();
        revision.parameters = BTreeMap::from([("team".to_owned(), Value::from("kube-system"))]);
        let own = Consent {
            grant: GrantSpec { files: vec![file("a", "/own")], ..GrantSpec::default() },
            ..Consent::default()
        };
        let decided = EarlierDecisions::by_shared_revision(&revision, &own, &ChangeOptions::default());
        assert_eq!(decided.consent().grant, own.grant);
        assert!(!decided.consent().dangerous_wildcards && decided.overrides == Overrides::default());
        assert!(decided.doubtful.contains("team"), "no scope is filled with it");
    }

    #[test]
    fn files_are_those_of_the_revision_and_new_names_beside_them() {
        let grant = GrantSpec { files: vec![file("a", "/old")], ..GrantSpec::default() };
        let text = format!(
            "{{apiVersion: carnet.dev/v1alpha1, kind: Grant, metadata: {{name: x}}, \
             spec: {{bundle: '{}', files: [{{name: b, path: b}}, {{name: a, path: a}}]}}}}",
            crate::digest::Digest::of(b"")
        );
        let documents = vec![GrantFile::parse(&text, Path::new("/new")).unwrap()];
        let flags = GrantSpec { files: vec![file("b", "/flag"), file("c", "/flag")], ..GrantSpec::default() };
        let consent = Consent { documents, grant: flags, ..Consent::default() };
        let expected = [file("a", "/old"), file("b", "/new/b"), file("c", "/flag")];
        assert_eq!(files(&grant, &consent), expected);
    }
}
