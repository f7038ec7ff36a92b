//! Builds a bundle from a source directory into an OCI layout or an archive.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::author::{self, BuildPlace};
use crate::reference::{ArchiveReference, LayoutReference, Reference};

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
    /// Its tag there.
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

/// A place on this machine that a bundle is built into.
#[derive(Debug, Clone)]
pub enum LocalReference {
    /// A tar file.
    Archive(ArchiveReference),
    /// A directory.
    Layout(LayoutReference),
}

impl LocalReference {
    fn tagged(self, tag: &str) -> Reference {
        let tag = Some(tag.to_owned());
        match self {
            Self::Archive(archive) => Reference::Archive(ArchiveReference { tag, ..archive }),
            Self::Layout(layout) => Reference::Layout(LayoutReference { tag, ..layout }),
        }
    }
}

impl Document for Build {
    const KIND: &'static str = "Build";
}

/// Builds a bundle into a layout or archive, under `tag`, else under that of the place, else under its version. Other
/// bundles there stay.
///
/// # Errors
/// [`Error::Author`] with the mistake in the source, or the file that cannot be written.
pub async fn build(source: &Path, place: LocalReference, tag: Option<&str>) -> Result<Build, Error> {
    let built = match &place {
        LocalReference::Archive(archive) => {
            let tag = tag.or(archive.tag.as_deref());
            author::build_to(source, BuildPlace::Archive(&archive.file), tag).await?
        }
        LocalReference::Layout(layout) => {
            let tag = tag.or(layout.tag.as_deref());
            author::build(source, &layout.directory, tag).await?
        }
    };
    Ok(Build {
        reference: place.tagged(&built.tag).to_string(),
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
