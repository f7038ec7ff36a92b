//! How the target differs from what was installed, line by line.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::PlannedChange;

use super::examine::{Comparison, Findings, examine};
use super::{Document, Error, InstallationRequest, Services};

/// How a target differs from what was installed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Difference {
    /// The installation.
    pub name: String,
    /// The changes that the plan of the last action would make now.
    pub changes: Vec<PlannedChange>,
    /// Findings beside them.
    #[serde(flatten)]
    pub findings: Findings,
}

impl Document for Difference {
    const KIND: &'static str = "Difference";
}

/// Compares the target with what was installed. Changes nothing.
///
/// # Errors
/// [`Error`], by stage.
pub async fn diff(request: &InstallationRequest, services: &Services<'_>) -> Result<Difference, Error> {
    let Comparison { changes, findings } = examine(request, services).await?;
    Ok(Difference { name: request.name.clone(), changes, findings })
}
