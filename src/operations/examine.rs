//! Compares the target with what was installed: the plan of the last action, made once more, and what no plan looks at.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::claim::ResultStatus;
use crate::bundle::is_installing;
use crate::install::{ChangedInput, Examined, Mode, ObjectReason};
use crate::kubernetes::object::ObjectRef;
use crate::plan::PlannedChange;
use crate::plan::foreign::ForeignFields;
use crate::plan::powers::Power;
use crate::state::{Installation, RecordedFiles};
use crate::targets::{Change, Overrides};

use super::act::Attempt;
use super::places::installation;
use super::revisions::{bundled, undone_by_last};
use super::{ChangeOptions, Error, InstallationRequest, Services};

/// Findings of a comparison beside the changes.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// How many objects were looked at.
    pub looked_at: usize,
    /// The last action, where it did not succeed: not all that it was to do is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// Objects on record that are there and were not compared, since the target refuses the call that they are in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<ObjectRef>,
    /// Objects on record that could not be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<ObjectReason>,
    /// Objects that are not ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unready: Vec<ObjectReason>,
    /// Requests that the target refuses, and after which the component goes on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Fields that others hold in the objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<ForeignFields>,
    /// The powers that the objects have by these fields, the worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign_powers: Vec<Power>,
    /// The operator's files that are not what they were. The objects are compared with what they were, where that is recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ChangedInput>,
}

/// An action that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unfinished {
    /// The action.
    pub action: String,
    /// The result status of CNAB Claims.
    pub result: ResultStatus,
}

/// A comparison.
pub(super) struct Comparison {
    /// The changes that would bring all back to what was installed.
    pub(super) changes: Vec<PlannedChange>,
    pub(super) findings: Findings,
}

impl Findings {
    /// Whether nothing is known that is not as it was installed, as far as this installation goes.
    pub fn is_as_installed(&self) -> bool {
        self.unfinished.is_none() && self.not_compared.is_empty() && self.unknown.is_empty()
    }

    /// Whether there is nothing at all to say.
    pub fn is_silent(&self) -> bool {
        self.is_as_installed()
            && self.unready.is_empty()
            && self.refused.is_empty()
            && self.foreign.is_empty()
            && self.inputs.is_empty()
    }

    /// Whether others hold anything in the objects.
    pub fn has_foreign(&self) -> bool {
        !self.foreign.is_empty()
    }

    fn of(installation: &Installation, examined: Examined, refused: Vec<String>) -> Self {
        let last = installation.last.as_ref().filter(|last| last.result != ResultStatus::Succeeded);
        Self {
            looked_at: examined.looked_at,
            unfinished: last.map(|last| Unfinished { action: last.action.clone(), result: last.result }),
            not_compared: examined.not_compared,
            unknown: examined.unknown,
            unready: examined.unready,
            refused,
            foreign: examined.foreign.fields,
            foreign_powers: examined.foreign.powers,
            inputs: examined.inputs,
        }
    }
}

/// Compares what is there with what was installed.
pub(super) async fn examine(
    request: &InstallationRequest,
    services: &Services<'_>,
) -> Result<Comparison, Error> {
    let installation = installation(services.state(), &request.name, request.namespace.as_deref())?;
    if installation.is_deleted() {
        return Err(Error::Uninstalled(request.name.clone()));
    }
    let last = installation.last.as_ref().map_or("install", |last| last.action.as_str());
    let action = if is_installing(last) { last } else { "upgrade" };
    // Ownership conflicts would stop a run, but must not stop a comparison, so the guards are overridden. Nothing is
    // written.
    let overrides = Overrides { force_conflicts: true, take_ownership: true, replace: false };
    let change = ChangeOptions { overrides, ..ChangeOptions::default() };
    let files = files(&request.name, services)?;
    let undone = undone_by_last(&services.state().history(&request.name)?);
    let attempt = Attempt { change, files, undone, mode: Mode::Examine, ..Attempt::new(action, request) };
    let outcome = attempt.on_installation(services).await?.run(services).await?;
    let mut examined = outcome.examined.unwrap_or_default();
    let plan = outcome.proposed.into_plan();
    let mut changes: Vec<_> =
        plan.changes.into_iter().filter(|row| row.action != Change::Unchanged).collect();
    changes.extend(std::mem::take(&mut examined.missing).into_iter().map(PlannedChange::missing));
    Ok(Comparison { changes, findings: Findings::of(&installation, examined, plan.refused) })
}

/// The operator's files as the last run of the bundle read them.
pub(super) fn files(name: &str, services: &Services<'_>) -> Result<RecordedFiles, Error> {
    let history = services.state().history(name)?;
    Ok(bundled(&history).and_then(|last| last.files.clone()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::places::tests::ended;

    #[test]
    fn what_did_not_end_well_is_not_as_it_was_installed() {
        let findings = |result: &str| {
            Findings::of(&ended("install", result), Examined::default(), Vec::new()).is_as_installed()
        };
        assert!(findings("succeeded"));
        assert!(!findings("failed") && !findings("unknown") && !findings("canceled"));
    }

    #[test]
    fn all_is_well_is_said_only_where_nothing_else_is_known() {
        let object = ObjectRef::new("v1", "ConfigMap", Some("prod"), "a");
        let reason = || vec![ObjectReason { object: object.clone(), reason: "x".into() }];
        let foreign = vec![ForeignFields {
            object: object.clone(),
            manager: "x".into(),
            fields: vec!["/data/a".into()],
        }];
        let input = ChangedInput { name: "values".into(), was: None, is: None, is_recorded: true };
        assert!(Findings::default().is_silent());
        for (findings, is_as_installed) in [
            (Findings { not_compared: vec![object.clone()], ..Findings::default() }, false),
            (Findings { unknown: reason(), ..Findings::default() }, false),
            (Findings { unready: reason(), ..Findings::default() }, true),
            (Findings { refused: vec!["no".into()], ..Findings::default() }, true),
            (Findings { foreign, ..Findings::default() }, true),
            (Findings { inputs: vec![input], ..Findings::default() }, true),
        ] {
            assert!(!findings.is_silent(), "{findings:?}");
            assert_eq!(findings.is_as_installed(), is_as_installed, "{findings:?}");
        }
    }
}
