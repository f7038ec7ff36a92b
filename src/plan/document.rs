//! The document: what a plan says, member by member.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::grant::spec::GrantSpec;
use crate::kubernetes::object::ObjectRef;
use crate::targets::{Change, NotDryRun, Overrides, Protected};

use super::powers::{Power, Reader};
use super::trace::Step;

/// The plan of one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The revision that the action makes, a ULID.
    pub revision: String,
    /// The target, as the command line writes it.
    pub target: String,
    /// What the operator put in: all that it takes to carry out the plan elsewhere, but for credentials.
    pub inputs: Inputs,
    /// Every object, in the order of the run.
    pub changes: Vec<Planned>,
    /// The rights that the run takes.
    pub rbac: Vec<Value>,
    /// How the run hands rights on, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub escalations: Vec<String>,
    /// What the installed objects will be able to do, the worst first.
    pub powers: Vec<Power>,
    /// What those that are there could do, and no longer will.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub powers_gone: Vec<Power>,
    /// Where credentials go.
    pub credentials: Vec<Flow>,
    /// How often the component calls the host.
    pub host_calls: Vec<HostCall>,
    /// Requests that are not granted, as lines that would grant them.
    pub withheld: Vec<String>,
    /// What the target refused, and the component went on without. For people: another target says it in other words.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused: Vec<String>,
    /// The writes of the run, in order.
    pub steps: Vec<Step>,
}

/// What an operator puts into a run, as far as it is no secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// Where the bundle is, as it was typed.
    pub reference: String,
    /// The values of all parameters but those that are `writeOnly`.
    pub parameters: BTreeMap<String, Value>,
    /// The names of `writeOnly` parameters that have a value: they have to be given again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_parameters: Vec<String>,
    /// What is granted.
    pub grant: GrantSpec,
    /// What the operator insists on.
    pub overrides: Overrides,
    /// Kinds that are removed although what they hold would go with them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub delete: BTreeSet<Protected>,
    /// Guards that are lowered, as flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangers: Vec<String>,
}

/// A bundle's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleName {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The digest of its index.
    pub digest: Digest,
}

/// An installation's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationName {
    /// The name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// What happens to one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// What happens.
    pub action: Change,
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The difference, as a unified diff of YAML. For people: the digest of the plan does not cover it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub diff: Option<String>,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fields: Vec<String>,
    /// The digest of the fields that change, with what they are and what they will be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delta: Option<Digest>,
    /// The object is there and belongs to nobody: it becomes this installation's.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub adopts: bool,
    /// Why the server did not try the change out, so that the difference is only foretold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dry_run: Option<NotDryRun>,
    /// The fields for which it has to be replaced: they stay as they were created.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub immutable: Vec<String>,
}

/// Where a credential goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The credential.
    pub name: String,
    /// `NAMESPACE/Secret/NAME:KEY`, each.
    pub into: Vec<String>,
    /// What reads it there.
    #[serde(default)]
    pub readers: Vec<Reader>,
}

/// How often a function is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCall {
    /// The interface.
    pub interface: String,
    /// The function.
    pub function: String,
    /// How often.
    pub count: u64,
}

/// What a plan is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The bundle.
    pub bundle: BundleName,
    /// The installation.
    pub installation: InstallationName,
    /// The action.
    pub action: String,
    /// The revision.
    pub revision: String,
    /// The target.
    pub target: String,
    /// What the operator put in.
    pub inputs: Inputs,
}
