//! The versions of this program, and of what it understands.

use schemars::JsonSchema;
use serde::Serialize;

use crate::capability::functions;

use super::Document;

/// The versions of this program, and of what it understands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// That of the program.
    pub version: &'static str,
    /// That of CNAB Core.
    pub cnab: &'static str,
    /// That of the host's interfaces.
    pub host_interfaces: String,
}

impl Document for Version {
    const KIND: &'static str = "Version";
}

/// The versions.
pub fn version() -> Version {
    Version {
        version: env!("CARGO_PKG_VERSION"),
        cnab: "1.2.0",
        host_interfaces: functions::VERSION.to_string(),
    }
}
