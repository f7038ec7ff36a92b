//! Reads a component's imports from its bytes, without compiling or running anything.
//!
//! This is the proof that the rest of the road builds on: whatever a component is to call, its binary has to name. It
//! is computed from the bytes that were hashed, never from what a document claims about them.
//!
//! A component may be read before anybody trusts it, so what that costs is bounded while it is read: by what the binary
//! holds, never by a clock, so that every machine reads the same components.

mod root;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use wasmparser::{Parser, WasmFeatures};
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

use crate::digest::Digest;
use crate::document::shortened;

mod allowance;
mod nesting;
mod footprint;
mod reader;

pub use footprint::Footprint;
use reader::Validated;

/// The largest component, in bytes: 64 MiB, three times a Python interpreter. A larger one would make every host that
/// inspects it spend memory and time before anybody trusts it.
pub const MAX_COMPONENT: usize = 64 << 20;

/// The longest text about a fault, in characters: it may quote names from the binary.
const MAX_TEXT: usize = 500;

/// The interface that a component exports, without its version.
const INSTALLER: &str = "carnet:bundle/installer";

/// A component whose bytes were read and found well-formed. Nothing is known about who made it.
#[derive(Clone)]
pub struct Component {
    bytes: Bytes,
    digest: Digest,
    imports: Imports,
    footprint: Footprint,
}

/// The interfaces that a component imports, each with the functions of it that the binary names, both sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imports(pub BTreeMap<String, BTreeSet<String>>);

/// Why bytes are not a component that could be an installer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidComponent {
    /// A core module: it has no typed imports.
    #[error("this is a core WebAssembly module, not a component")]
    CoreModule,
    /// Looking at it would cost too much.
    #[error("the component would take too much to look at: it has more than {most} {what}")]
    Costly {
        /// The things that it has too many of.
        what: &'static str,
        /// How many there may be.
        most: u64,
    },
    /// No bytes at all.
    #[error("the component is empty")]
    Empty,
    /// It would run what it is handed, and nobody can tell what that takes.
    #[error("the component instantiates code that it imports, so nobody can tell what it would take")]
    Handed,
    /// An import that is not an interface of a package, or a part of one that is neither function nor type: nobody
    /// could say what it means.
    #[error("the component imports {kind} `{name}`, which is no interface with a package")]
    Import {
        /// The kind of import, with its article.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// It exports no `carnet:bundle/installer`.
    #[error("the component does not export `{INSTALLER}@0.1.0`, so there is nothing to run")]
    NoInstaller,
    /// Neither a component nor a core module.
    #[error("this is not a WebAssembly component")]
    NotWasm,
    /// The bundle's program is no component at all: a container image, as other tools of CNAB run them.
    #[error(
        "the program of this bundle is a container image, which could do anything: it is carried and never run"
    )]
    Opaque,
    /// More than [`MAX_COMPONENT`] bytes.
    #[error("the component has {0} bytes, more than the {MAX_COMPONENT} that are read")]
    TooLarge(usize),
    /// The bytes break a rule of WebAssembly or the component model.
    #[error("the component is not valid: {0}")]
    Wasm(String),
    /// An encoded WIT package, which is a component in form only.
    #[error("this is an encoded WIT package, not a component that can run")]
    WitPackage,
}

impl Component {
    /// Checks that `bytes` are a component with an installer in it, and reads its imports.
    ///
    /// # Errors
    /// [`InvalidComponent`] with the fault.
    pub fn read(bytes: impl Into<Bytes>) -> Result<Self, InvalidComponent> {
        let bytes = bytes.into();
        check_form(&bytes)?;
        let Validated { footprint, types } = reader::validate(&bytes, features())?;
        if let Some(types) = &types {
            root::check_imports(&bytes, types.as_ref())?;
        }
        let (resolve, world) = match decode(&bytes).map_err(|error| invalid(&format!("{error:#}")))? {
            DecodedWasm::Component(resolve, world) => (resolve, world),
            DecodedWasm::WitPackage(..) => return Err(InvalidComponent::WitPackage),
        };
        if !exports_installer(&resolve, world) {
            return Err(InvalidComponent::NoInstaller);
        }
        let imports = imports(&resolve, world)?;
        Ok(Self { digest: Digest::of(&bytes), bytes, imports, footprint })
    }

    /// The component's bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The functions that the binary can call.
    pub fn imports(&self) -> &Imports {
        &self.imports
    }

    /// The bytes that an instance of it takes in the host, beside memories and tables.
    pub fn footprint(&self) -> Footprint {
        self.footprint
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// Checks that a core module is one, and may be made a component of, within the bounds for components.
///
/// # Errors
/// [`InvalidComponent`] with the fault.
pub fn check_module(bytes: &[u8]) -> Result<(), InvalidComponent> {
    reader::validate(bytes, features()).map(drop)
}

impl From<wasmparser::Error> for InvalidComponent {
    fn from(error: wasmparser::Error) -> Self {
        invalid(&error.to_string())
    }
}

fn invalid(text: &str) -> InvalidComponent {
    InvalidComponent::Wasm(shortened(text, MAX_TEXT))
}

impl Imports {
    /// The interfaces whose name starts with `prefix`, such as `wasi:`.
    pub fn starting_with(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }

    /// Whether the binary names the function of this interface, whatever the version of its package.
    pub fn calls(&self, interface: &str, function: &str) -> bool {
        self.0.iter().any(|(name, functions)| unversioned(name) == interface && functions.contains(function))
    }
}

/// The name of an interface without `@version`.
pub fn unversioned(interface: &str) -> &str {
    interface.split_once('@').map_or(interface, |(name, _)| name)
}

/// The features that wasmtime has on by default: the proposals of WebAssembly 2.0 and the component model.
fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::RELAXED_SIMD
}

fn check_form(bytes: &[u8]) -> Result<(), InvalidComponent> {
    if bytes.is_empty() {
        return Err(InvalidComponent::Empty);
    }
    if bytes.len() > MAX_COMPONENT {
        return Err(InvalidComponent::TooLarge(bytes.len()));
    }
    if Parser::is_core_wasm(bytes) {
        return Err(InvalidComponent::CoreModule);
    }
    if Parser::is_component(bytes) { Ok(()) } else { Err(InvalidComponent::NotWasm) }
}

fn exports_installer(resolve: &Resolve, world: WorldId) -> bool {
    resolve.worlds[world].exports.iter().any(|(key, item)| match item {
        WorldItem::Interface { id, .. } => {
            unversioned(&resolve.name_world_key(key)) == INSTALLER
                && resolve.interfaces[*id].functions.contains_key("run")
        }
        _ => false,
    })
}

fn imports(resolve: &Resolve, world: WorldId) -> Result<Imports, InvalidComponent> {
    let mut imports = Imports::default();
    for (key, item) in &resolve.worlds[world].imports {
        let name = resolve.name_world_key(key);
        let (WorldKey::Interface(_), WorldItem::Interface { id, .. }) = (key, item) else {
            return Err(InvalidComponent::Import { kind: "the instance", name });
        };
        imports.0.insert(name, resolve.interfaces[*id].functions.keys().cloned().collect());
    }
    Ok(imports)
}

#[cfg(test)]
mod tests;
