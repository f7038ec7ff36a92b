//! Turns a definition of a bundle into a check of values: JSON Schema draft-07, nothing of which is ever fetched.

use std::fmt;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// How much a regular expression may go back, so that a hostile pattern cannot keep the host busy.
const MAX_BACKTRACKING: usize = 100_000;

/// How much memory a compiled regular expression may take, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The most faults of one value that are told.
const MAX_FAULTS: usize = 10;

/// A definition, ready to check values.
pub struct Definition<'a> {
    schema: &'a Value,
    validator: Validator,
}

/// Why a definition is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// It is not JSON Schema draft-07.
    #[error("is not a JSON Schema (draft-07): {0}")]
    Schema(String),
}

impl<'a> Definition<'a> {
    /// Reads a definition.
    ///
    /// # Errors
    /// [`Invalid`] where it is not JSON Schema draft-07.
    pub fn new(schema: &'a Value) -> Result<Self, Invalid> {
        jsonschema::draft7::meta::validate(schema).map_err(|error| Invalid::Schema(error.to_string()))?;
        let patterns = PatternOptions::fancy_regex()
            .backtrack_limit(MAX_BACKTRACKING)
            .size_limit(MAX_PATTERN_BYTES)
            .dfa_size_limit(MAX_PATTERN_BYTES);
        let validator = jsonschema::options()
            .with_draft(Draft::Draft7)
            .with_pattern_options(patterns)
            .offline()
            .build(schema)
            .map_err(|error| Invalid::Schema(error.to_string()))?;
        Ok(Self { schema, validator })
    }

    /// Checks a value.
    ///
    /// # Errors
    /// What is wrong with it, one text per fault. The texts do not repeat the value of a `writeOnly` definition.
    pub fn check(&self, value: &Value) -> Result<(), Vec<String>> {
        let faults: Vec<_> = self
            .validator
            .iter_errors(value)
            .take(MAX_FAULTS)
            .map(|error| error.masked().to_string())
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Whether values must not be shown.
    pub fn is_write_only(&self) -> bool {
        is_write_only(self.schema)
    }

    /// The value that is used where none is given.
    pub fn default(&self) -> Option<&'a Value> {
        self.schema.get("default")
    }
}

impl fmt::Debug for Definition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Definition").field(self.schema).finish()
    }
}

/// Whether values of this schema must not be shown.
pub fn is_write_only(schema: &Value) -> bool {
    schema.get("writeOnly").and_then(Value::as_bool).unwrap_or(false)
}
