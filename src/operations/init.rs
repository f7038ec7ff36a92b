//! Makes a source directory to start from.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::author;

use super::{Document, Error};

/// A source directory that was made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SourceDirectory {
    /// The name of the bundle.
    pub name: String,
    /// Where it is.
    pub directory: PathBuf,
}

impl Document for SourceDirectory {
    const KIND: &'static str = "SourceDirectory";
}

/// Makes a source directory in one that is empty or not there yet.
///
/// # Errors
/// [`Error::Author`] when it is neither, or cannot be written.
pub fn init(directory: &Path) -> Result<SourceDirectory, Error> {
    let name = author::init(directory)?;
    Ok(SourceDirectory { name, directory: directory.to_owned() })
}
