//! The verbs of the scope: reading a Secret is not reading, because it shows what is in it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::InvalidScope;
use crate::kubernetes::object::ObjectRef;

/// An action on an object, as scopes name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Reading an object of a kind that holds no secrets.
    Get,
    /// Reading an object of a kind that holds secrets; apart from `get`, because it shows their values.
    GetSecret,
    /// Creating or changing an object.
    Apply,
    /// Removing an object.
    Delete,
}

impl Verb {
    /// The verb that reading an object of this kind takes.
    pub fn read(object: &ObjectRef) -> Self {
        if object.is_secret() { Self::GetSecret } else { Self::Get }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::GetSecret => "get-secret",
            Self::Apply => "apply",
            Self::Delete => "delete",
        })
    }
}

impl FromStr for Verb {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        [Self::Get, Self::GetSecret, Self::Apply, Self::Delete]
            .into_iter()
            .find(|verb| verb.to_string() == text)
            .ok_or_else(|| InvalidScope::Verb(text.into()))
    }
}
