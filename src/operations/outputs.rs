//! The outputs of an installation.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::state::State;

use super::places::installation;
use super::{Document, Error};

/// The outputs of an installation: of each, the last value.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OutputList {
    /// The installation.
    pub name: String,
    /// The outputs.
    pub outputs: BTreeMap<String, Value>,
    /// The parameters of the installation, but for those that must not be shown.
    pub parameters: BTreeMap<String, Value>,
}

/// One output of an installation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Output")]
pub struct OutputValue {
    /// The installation.
    pub name: String,
    /// The output.
    pub output: String,
    /// Its last value.
    pub value: Value,
}

impl Document for OutputValue {
    const KIND: &'static str = "Output";
}

impl Document for OutputList {
    const KIND: &'static str = "OutputList";
}

/// Lists the outputs of an installation.
///
/// # Errors
/// [`Error::State`] when the state cannot be read, or has no such installation.
pub fn outputs(name: &str, namespace: Option<&str>, state: &State) -> Result<OutputList, Error> {
    let parameters = installation(state, name, namespace)?.last.map(|last| last.parameters);
    let parameters = parameters.unwrap_or_default();
    Ok(OutputList { name: name.into(), outputs: state.outputs(name)?, parameters })
}

impl OutputList {
    /// One output.
    ///
    /// # Errors
    /// [`Error::NoOutput`] when there is none of this name.
    pub fn get(&self, output: &str) -> Result<OutputValue, Error> {
        let known = || self.outputs.keys().cloned().collect();
        let missing = || Error::NoOutput { name: self.name.clone(), output: output.into(), known: known() };
        let value = self.outputs.get(output).cloned().ok_or_else(missing)?;
        Ok(OutputValue { name: self.name.clone(), output: output.into(), value })
    }
}
