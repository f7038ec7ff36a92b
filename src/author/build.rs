//! Turns a source directory into a bundle in an OCI layout.
//!
//! A directory gives one digest on every machine: no time, no path and no name of a machine goes in.

use std::path::Path;

use serde_json::json;

use super::directory::{Source, bundle_bytes};
use super::lint::bundle_faults;
use super::source::BundleSource;
use super::{AuthorError, create_directory};
use crate::bundle::canonical::canonical;
use crate::bundle::component::Component;
use crate::bundle::index::{self, ConfigForm, IndexForm, WASM, WASM_CONFIG};
use crate::bundle::{Bundle, Fault};
use crate::capability::Requests;
use crate::capability::functions::{unprovided, unrequested};
use crate::digest::Digest;
use crate::document;
use crate::oci::media_type::{BYTES, OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Archive, Descriptor, EMPTY_BLOB, Layout, Repository};
use crate::reference::Reference;

/// A bundle that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The digest of its index.
    pub digest: Digest,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its tag in the layout.
    pub tag: String,
    /// The digest of its component's bytes.
    pub component: Digest,
    /// The file that the component was read from, below the directory.
    pub file: String,
    /// Whether that was a core module, of which a component was made.
    pub is_made: bool,
    /// The size of the component, in bytes.
    pub size: usize,
    /// The interfaces that the component imports.
    pub imports: Vec<String>,
    /// Faults that are no errors.
    pub warnings: Vec<Fault>,
}

/// Where a bundle is built: a layout or an archive, which is made where there is none.
#[derive(Debug, Clone, Copy)]
pub enum BuildPlace<'a> {
    /// A tar file.
    Archive(&'a Path),
    /// A directory.
    Layout(&'a Path),
}

/// Builds the bundle of a source directory into an OCI layout, which is made where there is none. Other bundles of the
/// layout stay. The tag is the bundle's version where none is given.
///
/// # Errors
/// [`AuthorError`] with the mistake in `carnet.yaml` or the component, or the file that cannot be written.
pub async fn build(source: &Path, layout: &Path, tag: Option<&str>) -> Result<Built, AuthorError> {
    build_to(source, BuildPlace::Layout(layout), tag).await
}

/// Builds the bundle of a source directory, into an archive too.
///
/// # Errors
/// As [`build`].
pub async fn build_to(source: &Path, place: BuildPlace<'_>, tag: Option<&str>) -> Result<Built, AuthorError> {
    let directory = Source::open(source)?;
    let source = directory.parsed()?;
    let (component, is_made) = directory.component(&source)?;
    check_imports(&component, &source)?;

    let config = component_config(&component)?;
    let wasm_config = Descriptor::of(WASM_CONFIG, &config);
    let manifest = index::component_manifest(&wasm_config, &Descriptor::of(WASM, component.bytes()));
    let bytes = bundle_bytes(&source, &Descriptor::of(OCI_MANIFEST, &manifest))?;
    let (bundle, warnings) = checked(&directory, &bytes)?;
    let config_manifest = index::config_manifest(bundle.bytes(), ConfigForm::Default);
    let index = index::write_index(&bundle, ConfigForm::Default, IndexForm::Oci)?;

    let tag = checked_tag(tag.map_or_else(|| index::tag_of(&source.version), Into::into))?;
    let mut to = open(place).await?;
    for blob in [EMPTY_BLOB, &config, component.bytes(), &manifest, bundle.bytes(), &config_manifest, &index]
    {
        to.add(BYTES, blob).await?;
    }
    to.tag(&tag, &Descriptor::of(OCI_INDEX, &index)).await?;
    to.finish().await?;
    Ok(Built {
        digest: Digest::of(&index),
        name: source.name,
        version: source.version,
        tag,
        component: component.digest(),
        file: source.component,
        is_made,
        size: component.bytes().len(),
        imports: component.imports().0.keys().cloned().collect(),
        warnings,
    })
}

async fn open(place: BuildPlace<'_>) -> Result<Repository, AuthorError> {
    Ok(match place {
        BuildPlace::Archive(file) => Repository::Archive(Archive::open_or_new(file).await?),
        BuildPlace::Layout(layout) => {
            let directory = create_directory(layout).map_err(AuthorError::system(layout))?;
            Repository::Layout(Layout::open_or_new(directory).await?)
        }
    })
}

/// A tag that a reference can name, and that no list of signatures has.
fn checked_tag(tag: String) -> Result<String, AuthorError> {
    let is_named = format!("layout:.:{tag}").parse::<Reference>().is_ok_and(|reference| match reference {
        Reference::Layout(layout) => layout.tag.as_deref() == Some(&tag),
        _ => false,
    });
    if is_named && !tag.starts_with("sha256-") { Ok(tag) } else { Err(AuthorError::Tag(tag)) }
}

/// Checks that there are requests for everything that a component can call.
fn check_imports(component: &Component, source: &BundleSource) -> Result<(), AuthorError> {
    let unprovided = unprovided(component.imports());
    if !unprovided.is_empty() {
        return Err(AuthorError::Unprovided(unprovided));
    }
    let unrequested = unrequested(component.imports(), &source.requests);
    if unrequested.is_empty() { Ok(()) } else { Err(AuthorError::Unrequested(unrequested)) }
}

/// The configuration of the component's artifact. What it says of imports is for people and registries: nothing here
/// reads it.
fn component_config(component: &Component) -> Result<Vec<u8>, AuthorError> {
    let imports: Vec<_> = component.imports().0.keys().collect();
    let config = json!({
        "architecture": "wasm",
        "component": { "exports": ["carnet:bundle/installer@0.1.0"], "imports": imports },
        "layerDigests": [component.digest()],
        "os": "wasip2",
    });
    Ok(canonical(&config).map_err(document::InvalidDocument::from)?)
}

/// The bundle, if it keeps every rule for those who publish one.
fn checked(directory: &Source<'_>, bytes: &[u8]) -> Result<(Bundle, Vec<Fault>), AuthorError> {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        directory.placed(bundle_faults(bytes)).into_iter().partition(Fault::is_error);
    if !errors.is_empty() {
        return Err(AuthorError::Faults(errors));
    }
    let (bundle, _) = Bundle::parse_published(bytes)?;
    Requests::of(&bundle)?;
    Ok((bundle, warnings))
}
