//! Builds a bundle from a source directory into an OCI layout.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::author;
use crate::reference::{LayoutReference, Reference};

use super::{Document, Error};

/// A bundle that was built.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// Where it is.
    pub reference: String,
    /// The digest of its index.
    pub digest: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its tag in the layout.
    pub tag: String,
    /// The digest of its component.
    pub component: String,
    /// The file that the component was read from, below the directory.
    pub file: String,
    /// Whether that was a core module, of which a component was made.
    pub is_made: bool,
    /// The size of the component, in bytes.
    pub size: usize,
    /// The interfaces that the component imports.
    pub imports: Vec<String>,
    /// Warnings about the source.
    pub warnings: Vec<String>,
}

impl Document for Build {
    const KIND: &'static str = "Build";
}

/// Builds a bundle into a layout, under `tag`, else under that of the layout, else under its version. Other bundles of
/// the layout stay.
///
/// # Errors
/// [`Error::Author`] with the mistake in the source, or the file that cannot be written.
pub async fn build(source: &Path, layout: LayoutReference, tag: Option<&str>) -> Result<Build, Error> {
    let tag = tag.or(layout.tag.as_deref());
    let built = author::build(source, &layout.directory, tag).await?;
    let reference = LayoutReference { tag: Some(built.tag.clone()), ..layout };
    Ok(Build {
        reference: Reference::Layout(reference).to_string(),
        digest: built.digest.to_string(),
        name: built.name,
        version: built.version,
        tag: built.tag,
        component: built.component.to_string(),
        file: built.file,
        is_made: built.is_made,
        size: built.size,
        imports: built.imports,
        warnings: built.warnings.iter().map(ToString::to_string).collect(),
    })
}
