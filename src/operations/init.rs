//! Makes a source directory to start from.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::author::{self, Begun};
use crate::text::CommandLine;

use super::{Document, Error};

pub use crate::author::Language;

/// A source directory that was made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SourceDirectory {
    /// The name of the bundle.
    pub name: String,
    /// Where it is.
    pub directory: PathBuf,
    /// Its language.
    pub language: &'static str,
    /// The commands that build and try it, in order.
    pub attempt: Vec<CommandLine>,
    /// The commands that then lead to a bundle that somebody else can trust and install, in order.
    pub publish: Vec<CommandLine>,
}

impl Document for SourceDirectory {
    const KIND: &'static str = "SourceDirectory";
}

/// Makes a source directory in one that is empty or not there yet.
///
/// # Errors
/// [`Error::Author`] when it is neither, or cannot be written.
pub fn init(directory: &Path, language: Language) -> Result<SourceDirectory, Error> {
    let begun = author::init(directory, language)?;
    let (attempt, publish) = (attempt(directory, &begun), publish(&begun));
    let directory = directory.to_owned();
    Ok(SourceDirectory { name: begun.name, directory, language: language.name(), attempt, publish })
}

/// From the source to an installation in a directory.
fn attempt(directory: &Path, begun: &Begun) -> Vec<CommandLine> {
    vec![
        CommandLine::of("cd").word(directory.display()),
        begun.build.clone(),
        "carnet lint".into(),
        "carnet test".into(),
        "carnet install try ./ --target dir:out --approve-all-for-development".into(),
    ]
}

/// From the source to a bundle that is signed, and admitted and installed by who has the key and a grant.
fn publish(begun: &Begun) -> Vec<CommandLine> {
    vec![
        "carnet build --to dist".into(),
        "carnet inspect layout:dist".into(),
        "carnet key generate release".into(),
        "carnet sign layout:dist --key release.key".into(),
        CommandLine::of("carnet trust new --key release.pub --name").word(&begun.name).own("--to trust.yaml"),
        "carnet grant new layout:dist --to grant.yaml".into(),
        CommandLine::of("carnet install")
            .word(&begun.name)
            .own("layout:dist --target dir:out --trust trust.yaml --grants grant.yaml"),
    ]
}
