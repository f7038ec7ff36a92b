//! Drift: finds objects that were changed since they were installed, and puts them back.

use schemars::JsonSchema;
use serde::Serialize;

use crate::install::Outcome;
use crate::kubernetes::object::ObjectRef;
use crate::plan::PlannedChange;
use crate::targets::Change;

use super::act::Attempt;
use super::examine::{Comparison, Findings, examine, files};
use super::revisions::undone_by_last;
use super::{Document, Error, InstallationRequest, Services, undo};

/// The objects of an installation that have drifted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Drift {
    /// The installation.
    pub name: String,
    /// The objects.
    pub objects: Vec<DriftedObject>,
    /// Findings beside them.
    #[serde(flatten)]
    pub findings: Findings,
}

/// An object that has drifted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DriftedObject {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The kind of drift.
    pub state: DriftState,
    /// The fields that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// The way in which an object has drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DriftState {
    /// Some of its fields differ.
    Changed,
    /// It exists, and should not.
    Extra,
    /// It is missing.
    Missing,
}

impl Document for Drift {
    const KIND: &'static str = "Drift";
}

/// Finds the objects that have drifted. Changes nothing.
///
/// # Errors
/// [`Error`], by stage.
pub async fn drift(request: &InstallationRequest, services: &Services<'_>) -> Result<Drift, Error> {
    let Comparison { changes, findings } = examine(request, services).await?;
    let objects = changes.into_iter().map(DriftedObject::of).collect();
    Ok(Drift { name: request.name.clone(), objects, findings })
}

/// Corrects drift: an upgrade to the installed bundle that overwrites changes of others. The operator's files are taken as
/// they were when they were installed: one that holds something else by now is rolled out by an upgrade alone. Where nothing
/// is wrong, nothing is waited for.
///
/// # Errors
/// [`Error`], by stage. Once anything was done, the installation is recorded as failed and can be finished or undone.
pub async fn fix(request: &InstallationRequest, services: &Services<'_>) -> Result<Outcome, Error> {
    let mut attempt = Attempt::new("upgrade", request);
    attempt.change.overrides.force_conflicts = true;
    attempt.change.waits_for_changes_only = true;
    attempt.files = files(&request.name, services)?;
    attempt.undone = undone_by_last(&services.state().history(&request.name)?);
    undo::run(attempt.on_installation(services).await?, services).await
}

impl DriftedObject {
    fn of(row: PlannedChange) -> Self {
        let state = match row.action {
            Change::Create => DriftState::Missing,
            Change::Delete => DriftState::Extra,
            Change::Replace | Change::Update | Change::Unchanged => DriftState::Changed,
        };
        Self { object: row.object, state, fields: row.fields }
    }
}

impl std::fmt::Display for DriftState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::Extra => "extra",
            Self::Missing => "missing",
        })
    }
}
