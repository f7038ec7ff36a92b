//! The members of `carnet.yaml`, and how they are read: strictly, with the place of each mistake.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::shape::{Misfits, below};
use crate::capability::Requests;
use crate::document::{self, InvalidDocument};

/// The content of a `carnet.yaml`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "members that are checked by their place, before the rest is read, are read from there"
)]
pub struct SourceSpec {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) version: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) license: Option<String>,
    #[serde(default)]
    pub(super) keywords: Vec<String>,
    #[serde(default)]
    pub(super) maintainers: Vec<MaintainerSpec>,
    pub(super) component: String,
    #[serde(default)]
    pub(super) handles: Vec<String>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ParameterSpec>")]
    pub(super) parameters: BTreeMap<String, Value>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, OutputSpec>")]
    pub(super) outputs: BTreeMap<String, Value>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, CredentialSpec>")]
    pub(super) credentials: BTreeMap<String, Value>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ImageSpec>")]
    pub(super) images: BTreeMap<String, Value>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, DependencySpec>")]
    pub(super) dependencies: BTreeMap<String, Value>,
    /// The names of dependencies in the order in which they are installed.
    #[serde(default)]
    pub(super) sequence: Vec<String>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ActionSpec>")]
    pub(super) actions: BTreeMap<String, Value>,
    #[serde(default)]
    #[schemars(schema_with = "requests")]
    pub(super) requests: Map<String, Value>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct MaintainerSpec {
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) url: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParameterSpec {
    pub(super) schema: Value,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    pub(super) apply_to: Vec<String>,
    pub(super) env: Option<String>,
    pub(super) path: Option<String>,
    pub(super) from: Option<ParameterOrigin>,
}

/// Where a parameter has its value from when nobody gives one.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParameterOrigin {
    /// The dependency whose output it is. None: an output of the installation itself.
    pub(super) dependency: Option<String>,
    pub(super) output: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DependencySpec {
    pub(super) bundle: String,
    #[serde(default)]
    pub(super) versions: Vec<String>,
    #[serde(default)]
    pub(super) prereleases: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputSpec {
    pub(super) schema: Value,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) apply_to: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CredentialSpec {
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    pub(super) apply_to: Vec<String>,
    pub(super) env: Option<String>,
    pub(super) path: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageSpec {
    pub(super) image: String,
    pub(super) size: u64,
    pub(super) media_type: Option<String>,
    #[serde(default)]
    pub(super) description: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionSpec {
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) modifies: bool,
    #[serde(default)]
    pub(super) stateless: bool,
}

/// The requests as they stand in this file: which actions the component handles is said beside them.
fn requests(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Requests::json_schema(generator);
    if let Some(Value::Object(members)) = schema.get_mut("properties") {
        members.remove("handles");
    }
    schema
}

/// The entries of a section that can be used, by type.
pub(super) fn each<T: DeserializeOwned>(
    at: &str,
    items: BTreeMap<String, Value>,
    misfits: &mut Misfits,
) -> BTreeMap<String, T> {
    let mut read = BTreeMap::new();
    for (name, value) in items {
        let place = below(at, &name);
        if misfits.has(&place) {
            continue;
        }
        match document::typed(value) {
            Ok((value, _)) => drop(read.insert(name, value)),
            Err(InvalidDocument::Misfit { place: inside, what, .. }) => {
                misfits.fault(&(place + &inside), what);
            }
            Err(error) => drop(misfits.fault(&place, error.to_string())),
        }
    }
    read
}
