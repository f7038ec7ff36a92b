//! The document: what a plan says, member by member.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cluster::FieldConflict;
use crate::digest::Digest;
use crate::grant::LoweredGuard;
use crate::grant::spec::GrantSpec;
use crate::kubernetes::object::ObjectRef;
use crate::targets::{Change, NotDryRun, Overrides, Protected, Take};

use super::powers::{CredentialReader, Power};
use super::trace::Step;

/// The plan of one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The digest of all the rest, but for the revision and the texts of differences.
    pub digest: Digest,
    /// The bundle.
    pub bundle: BundleName,
    /// The digest of the component; none where the runtime acts alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub component: Option<Digest>,
    /// The installation.
    pub installation: InstallationName,
    /// The action.
    pub action: String,
    /// The revision that it goes back to, where it is a rollback.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rollback_to: Option<String>,
    /// The revision that the action makes, a ULID.
    pub revision: String,
    /// The target, as the command line writes it.
    pub target: String,
    /// The operator's inputs: with credentials added, enough to carry out the plan on another machine.
    pub inputs: PlanInputs,
    /// Every object, in the order of the run.
    pub changes: Vec<PlannedChange>,
    /// The rights that the run takes.
    pub rbac: Vec<Value>,
    /// How the run hands rights on, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub escalations: Vec<String>,
    /// The powers that the installed objects will have, the worst first.
    pub powers: Vec<Power>,
    /// Powers that objects have now and lose by this plan.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub powers_gone: Vec<Power>,
    /// Where credentials go.
    pub credentials: Vec<Flow>,
    /// How often the component calls the host.
    pub host_calls: Vec<HostCall>,
    /// Requests that are not granted, as lines that would grant them.
    pub withheld: Vec<String>,
    /// Requests that the target refused in the dry run, after which the component went on. For people: the wording is
    /// the target's own.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused: Vec<String>,
    /// Leftovers of the plan, and effects that going back does not undo, a sentence each. For people.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub cautions: Vec<String>,
    /// The writes of the run, in order.
    pub steps: Vec<Step>,
}

/// An operator's inputs to a run, without those that are secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanInputs {
    /// Where the bundle is, as it was typed.
    pub reference: String,
    /// The values of all parameters but those that are `writeOnly`.
    pub parameters: BTreeMap<String, Value>,
    /// The names of `writeOnly` parameters that have a value: they have to be given again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_parameters: Vec<String>,
    /// The grant.
    pub grant: GrantSpec,
    /// Guards of ownership and conflicts that the operator overrides.
    pub overrides: Overrides,
    /// Protected kinds that may be removed, although their contents are deleted with them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub delete: BTreeSet<Protected>,
    /// Fields and objects of others that are taken over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub take: Vec<Take>,
    /// Guards that are lowered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangers: Vec<LoweredGuard>,
    /// The ids of the keys, as far as the trust policy knows them, that signed the bundle where the plan was made. Another
    /// copy may have fewer signatures.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub signers: BTreeSet<String>,
}

/// A bundle's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BundleName {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The digest of its index.
    pub digest: Digest,
}

/// An installation's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstallationName {
    /// The name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// One object's row in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// The action on the object.
    pub action: Change,
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The manifest of an object that is created or changed, as the component wrote it: without values of Secrets, and
    /// credentials by their names.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub manifest: Option<Value>,
    /// The difference, as a unified diff of YAML. For people: the digest of the plan does not cover it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub diff: Option<String>,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fields: Vec<String>,
    /// The digest of the changed fields, with their values before and after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delta: Option<Digest>,
    /// The object exists without an owner: this installation adopts it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub adopts: bool,
    /// Why there was no dry run on the server. The difference is then computed locally, and only an estimate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dry_run: Option<NotDryRun>,
    /// That reason in a sentence. For people: the digest of the plan does not cover it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_tried: Option<String>,
    /// The immutable fields for which the object has to be replaced.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub immutable: Vec<String>,
    /// The fields that other managers hold. A run takes them over only where it is told to.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub conflicts: Vec<FieldConflict>,
    /// Warnings of the server. For people: the digest of the plan does not cover it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

/// Fields of an object that other managers hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFields {
    /// The object.
    pub object: ObjectRef,
    /// The fields.
    pub fields: Vec<FieldConflict>,
}

/// Where a credential goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// The credential.
    pub name: String,
    /// `NAMESPACE/Secret/NAME:KEY`, each.
    pub into: Vec<String>,
    /// The readers of the credential there.
    #[serde(default)]
    pub readers: Vec<CredentialReader>,
}

/// How often a function is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostCall {
    /// The interface.
    pub interface: String,
    /// The function.
    pub function: String,
    /// How often.
    pub count: u64,
}

/// The subject of a plan: which action of which bundle, on which installation.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The bundle.
    pub bundle: BundleName,
    /// The installation.
    pub installation: InstallationName,
    /// The action.
    pub action: String,
    /// The revision that it goes back to, where it is a rollback.
    pub rollback_to: Option<String>,
    /// The revision.
    pub revision: String,
    /// The target.
    pub target: String,
    /// The operator's inputs.
    pub inputs: PlanInputs,
}
