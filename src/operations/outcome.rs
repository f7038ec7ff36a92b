//! The outcome of an action as a document, without the values that must not be shown.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::bundle::claim::ResultStatus;
use crate::digest::Digest;
use crate::host::progress::LeftObject;
use crate::install::Outcome;
use crate::plan::{BundleName, PlannedChange};
use crate::text::CommandLine;

use super::Document;

/// The outcome of an action.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeDocument {
    /// The installation.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The action.
    pub action: String,
    /// The revision that it went back to, where it was a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<String>,
    /// The bundle.
    pub bundle: BundleName,
    /// The revision that the action made.
    pub revision: String,
    /// The result status of CNAB Claims.
    pub result: ResultStatus,
    /// The digest of the plan that was carried out.
    pub plan: Digest,
    /// The change of each object, as it was made.
    pub changes: Vec<PlannedChange>,
    /// The outputs that were set.
    pub outputs: BTreeMap<String, Value>,
    /// Calls that were not permitted, explained.
    pub denied: Vec<String>,
    /// Requests that the target refused, and after which the component went on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Objects that were left in place.
    pub kept: Vec<String>,
    /// Commands that remove what an uninstall left in place, ready to be copied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub by_hand: Vec<CommandLine>,
    /// Objects that were to be removed and were left in place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftObject>,
    /// Leftovers, and effects that going back has not undone, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub cautions: Vec<String>,
    /// What was done to installations that it needs, or that were made for it, in that order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub dependencies: Vec<Self>,
}

/// The placeholder for the value of an output that must not be shown.
const NOT_SHOWN: &str = "(not shown)";

impl OutcomeDocument {
    /// The document of an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        let plan = outcome.plan();
        Self {
            name: plan.installation.name.clone(),
            namespace: plan.installation.namespace.clone(),
            action: plan.action.clone(),
            rollback_to: plan.rollback_to.clone(),
            bundle: plan.bundle.clone(),
            revision: plan.revision.clone(),
            result: ResultStatus::Succeeded,
            plan: plan.digest,
            changes: plan.changes.clone(),
            outputs: shown(outcome),
            denied: outcome.denials.clone(),
            refused: plan.refused.clone(),
            left: outcome.left.clone(),
            kept: outcome.kept.iter().map(ToString::to_string).collect(),
            by_hand: outcome.by_hand.clone(),
            cautions: plan.cautions.clone(),
            dependencies: outcome.dependencies.iter().map(Self::of).collect(),
        }
    }
}

/// An outcome is written as the document that holds no values that must not be shown.
impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OutcomeDocument::of(self).serialize(serializer)
    }
}

impl JsonSchema for Outcome {
    fn schema_name() -> Cow<'static, str> {
        OutcomeDocument::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        OutcomeDocument::json_schema(generator)
    }
}

impl Document for Outcome {
    const KIND: &'static str = "Outcome";
}

fn shown(outcome: &Outcome) -> BTreeMap<String, Value> {
    let show = |(name, value): (&String, &Value)| {
        let is_hidden = outcome.write_only.contains(name);
        (name.clone(), if is_hidden { NOT_SHOWN.into() } else { value.clone() })
    };
    outcome.outputs.iter().map(show).collect()
}
