//! Turns a directory that a person named into what a bundle is made of: `carnet.yaml` and the component that it names.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use wasmparser::Parser;
use wit_component::ComponentEncoder;

use super::AuthorError;
use super::init::Language;
use super::places::placed;
use super::source::{BundleSource, FILE, Reading};
use crate::bundle::Fault;
use crate::bundle::canonical::canonical;
use crate::bundle::component::{Component, MAX_COMPONENT, check_module};
use crate::document;
use crate::oci::file::{open_directory, read};
use crate::oci::{Descriptor, OciError};
use crate::text::CommandLine;

/// A directory with a `carnet.yaml`.
pub(super) struct Source<'a> {
    path: &'a Path,
    directory: Dir,
    pub(super) yaml: String,
}

impl<'a> Source<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self, AuthorError> {
        let directory = open_directory(path).map_err(AuthorError::system(path))?;
        let limit = u64::try_from(document::MAX_BYTES).unwrap_or(u64::MAX);
        let yaml =
            String::from_utf8(read(&directory, FILE, limit)?).map_err(|_| document::InvalidDocument::Utf8)?;
        Ok(Self { path, directory, yaml })
    }

    /// The content of `carnet.yaml`, if nothing is wrong with it.
    pub(super) fn parsed(&self) -> Result<BundleSource, AuthorError> {
        let Reading { source, faults } = BundleSource::read(&self.yaml);
        let faulty = || AuthorError::Faults(self.placed(faults.clone()));
        source.filter(|_| faults.is_empty()).ok_or_else(faulty)
    }

    /// The faults with their places in `carnet.yaml`.
    pub(super) fn placed(&self, faults: Vec<Fault>) -> Vec<Fault> {
        placed(faults, &self.yaml)
    }

    /// The component, and whether it was made of a core module.
    pub(super) fn component(&self, source: &BundleSource) -> Result<(Component, bool), AuthorError> {
        let limit = u64::try_from(MAX_COMPONENT).unwrap_or(u64::MAX);
        let read = read(&self.directory, &source.component, limit);
        let mut bytes = read.map_err(|error| self.without_component(source, error))?;
        let is_made = Parser::is_core_wasm(&bytes);
        if is_made {
            check_module(&bytes)?;
            // Compilers that know nothing of components leave a core module, which carries its world and lacks only the
            // wrapping.
            let encoded = ComponentEncoder::default()
                .validate(true)
                .module(&bytes)
                .and_then(|mut module| module.encode());
            bytes = encoded.map_err(|error| AuthorError::Encode(format!("{error:#}")))?;
        }
        Ok((Component::read(bytes)?, is_made))
    }

    fn without_component(&self, source: &BundleSource, error: OciError) -> AuthorError {
        match error {
            OciError::System { source: system, .. } if system.kind() == io::ErrorKind::NotFound => {
                let is_here = is_here(self.path);
                let file = if is_here { PathBuf::new() } else { self.path.into() }.join(&source.component);
                AuthorError::NoComponent { file, build: build_line(self.path, &self.directory) }
            }
            error => error.into(),
        }
    }
}

/// The `bundle.json`, with a component that has this OCI manifest.
pub(super) fn bundle_bytes(source: &BundleSource, component: &Descriptor) -> Result<Vec<u8>, AuthorError> {
    Ok(canonical(&source.bundle(component)?).map_err(document::InvalidDocument::from)?)
}

/// What makes the component of a directory, by the files of build tools that are there. It is not for `carnet.yaml` to say:
/// that may come from somebody else, and the line is one to be copied.
fn build_line(path: &Path, directory: &Dir) -> Option<CommandLine> {
    let lines = [
        ("Cargo.toml", Language::Rust.build()),
        ("package.json", Language::JavaScript.build()),
        ("Makefile", Language::C.build()),
    ];
    let (_, line) = lines.into_iter().find(|(file, _)| directory.is_file(file))?;
    Some(if is_here(path) {
        CommandLine::of(line)
    } else {
        CommandLine::of("cd").word(path.display()).own("&&").own(line)
    })
}

/// Whether a path is that of the working directory.
fn is_here(path: &Path) -> bool {
    path.components().all(|part| part == std::path::Component::CurDir)
}
