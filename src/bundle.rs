//! Turns the bytes of a `bundle.json` into a [`Bundle`] that keeps every rule of CNAB Core 1.2.0 that matters to its
//! reader.
//!
//! A bundle keeps the bytes it was read from: its digest, the signature over it and what is stored all speak of those
//! bytes, and nothing that was read is ever written anew from the types here. `custom` is opaque on this level.

use std::collections::BTreeMap;

use semver::Version;
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::document;
use crate::oci::media_type::OCI_MANIFEST;

pub mod component;
pub mod canonical;
pub mod definition;
mod fault;
mod validator;
pub mod dependencies;
pub mod parameter_sources;
pub mod status;
mod relocation;
mod read;
pub mod claim;
mod lint;
pub mod parameters;
pub mod index;

use fault::Purpose;
pub use fault::{Fault, FaultSeverity};
pub use lint::{CnabKind, Whole, faults_on_reading, lint, lint_as};

/// The actions that every bundle has.
pub const BUILT_IN_ACTIONS: [&str; 3] = [INSTALL, UNINSTALL, UPGRADE];

/// The action that puts a bundle where it is not yet.
pub const INSTALL: &str = "install";

/// The action that removes it.
pub const UNINSTALL: &str = "uninstall";

/// The action that changes it.
pub const UPGRADE: &str = "upgrade";

/// Whether an action is one of the bundle's own, and not one that every bundle has.
pub fn is_own_action(action: &str) -> bool {
    !BUILT_IN_ACTIONS.contains(&action)
}

/// Whether an action leaves an installation with this bundle's objects.
pub fn is_installing(action: &str) -> bool {
    [INSTALL, UPGRADE].contains(&action)
}

/// The directory that holds what a bundle puts out. Every output is a file in it, and nothing else is.
pub const OUTPUTS: &str = "/cnab/app/outputs";

/// Why bytes are not a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBundle {
    /// The text is not a JSON document that is read at all.
    #[error("bundle.json is not a JSON document that can be read")]
    Document(#[from] document::InvalidDocument),
    /// A published `bundle.json` has other bytes than the canonical form of what it says.
    #[error("the published bundle.json is not canonical JSON (RFC 8785)")]
    NotCanonical,
    /// The document breaks rules of CNAB. At least one of the faults is an error.
    #[error("bundle.json breaks the rules of CNAB: {}", list(.0))]
    Rules(Vec<Fault>),
}

/// A CNAB bundle: what is installed, with which inputs, outputs and images. Only reading makes one.
#[derive(Debug, Clone)]
pub struct Bundle {
    bytes: Vec<u8>,
    content: Content,
}

/// The content of a `bundle.json`.
#[derive(Debug, Clone)]
struct Content {
    schema_version: String,
    name: String,
    version: Version,
    description: String,
    license: Option<String>,
    keywords: Option<Vec<String>>,
    maintainers: Option<Vec<Maintainer>>,
    invocation_images: Vec<Image>,
    images: BTreeMap<String, Image>,
    actions: BTreeMap<String, Action>,
    parameters: BTreeMap<String, Parameter>,
    credentials: BTreeMap<String, Credential>,
    outputs: BTreeMap<String, Output>,
    definitions: BTreeMap<String, Value>,
    custom: Map<String, Value>,
    required_extensions: Vec<String>,
}

/// A maintainer of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintainer {
    /// The name. CNAB's schema requires it and its text does not, so it may be empty in other people's bundles.
    pub name: String,
    /// The mail address.
    pub email: Option<String>,
    /// A web page.
    pub url: Option<String>,
}

/// An image that a bundle consists of: its component, or one that its objects run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The reference, as the author wrote it. It is the key of the relocation map.
    pub image: String,
    /// The digest of the image's OCI manifest or index.
    pub digest: Digest,
    /// The size of that manifest or index in bytes.
    pub size: Option<u64>,
    /// The media type of that manifest or index.
    pub media_type: Option<String>,
    /// The kind of image. `oci` where the bundle says nothing.
    pub image_type: String,
    /// The purpose of the image.
    pub description: String,
    /// Labels, for people.
    pub labels: BTreeMap<String, String>,
}

/// Where the runtime puts the value of a parameter or credential. At least one is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueDestination {
    /// The environment variable.
    pub env: Option<String>,
    /// The file, as an absolute path without `.` and `..`.
    pub path: Option<String>,
}

/// An input of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name of the definition that values must satisfy.
    pub definition: String,
    /// The purpose of the parameter.
    pub description: String,
    /// Whether an action fails without a value.
    pub required: bool,
    /// The actions that the parameter is for; all where empty.
    pub apply_to: Vec<String>,
    /// Where the component finds the value.
    pub destination: ValueDestination,
}

/// A secret input of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The purpose of the credential.
    pub description: String,
    /// Whether an action fails without it.
    pub required: bool,
    /// The actions that the credential is for; all where empty.
    pub apply_to: Vec<String>,
    /// Where the component would find the value.
    pub destination: ValueDestination,
}

/// Something that a bundle makes known after an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The name of the definition that the value must satisfy.
    pub definition: String,
    /// The meaning of the output.
    pub description: String,
    /// The file below [`OUTPUTS`] that stands for it, without `.` and `..`.
    pub path: String,
    /// The actions that make the output; all where empty.
    pub apply_to: Vec<String>,
}

/// An action beside the built-in ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The name to show.
    pub title: Option<String>,
    /// The effect of the action.
    pub description: String,
    /// Whether the action changes anything that the installation manages.
    pub modifies: bool,
    /// Whether the action needs no installation, leaves no record and runs without credentials.
    pub stateless: bool,
}

impl Bundle {
    /// Reads a `bundle.json`, canonical or not. Faults that do not make the bundle unusable are returned as warnings:
    /// members that CNAB does not know, defaults that do not match their schema.
    ///
    /// # Errors
    /// [`InvalidBundle::Document`] and [`InvalidBundle::Rules`].
    pub fn parse(bytes: &[u8]) -> Result<(Self, Vec<Fault>), InvalidBundle> {
        let (content, faults) = read::content(&document::json(bytes)?, Purpose::Read);
        match content {
            Some(content) => Ok((Self { bytes: bytes.into(), content }, faults)),
            None => Err(InvalidBundle::Rules(faults)),
        }
    }

    /// Reads the `bundle.json` of a published bundle, which must be canonical: otherwise tools that write it anew
    /// would change its digest without changing what it says.
    ///
    /// # Errors
    /// [`InvalidBundle`], [`InvalidBundle::NotCanonical`] included.
    pub fn parse_published(bytes: &[u8]) -> Result<(Self, Vec<Fault>), InvalidBundle> {
        let value = document::json(bytes)?;
        if canonical::canonical(&value).map_err(document::InvalidDocument::from)? != bytes {
            return Err(InvalidBundle::NotCanonical);
        }
        Self::parse(bytes)
    }

    /// The bytes that were read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The version of CNAB Core that the bundle follows, with a leading `v`.
    pub fn schema_version(&self) -> &str {
        &self.content.schema_version
    }

    /// The name of the bundle.
    pub fn name(&self) -> &str {
        &self.content.name
    }

    /// The version of the bundle.
    pub fn version(&self) -> &Version {
        &self.content.version
    }

    /// A description of what the bundle installs; may be empty.
    pub fn description(&self) -> &str {
        &self.content.description
    }

    /// The licence.
    pub fn license(&self) -> Option<&str> {
        self.content.license.as_deref()
    }

    /// Words to find the bundle by. A list without any words is something else than no list: the index shows it.
    pub fn keywords(&self) -> Option<&[String]> {
        self.content.keywords.as_deref()
    }

    /// The bundle's maintainers. As with the keywords, an empty list is not the same as none.
    pub fn maintainers(&self) -> Option<&[Maintainer]> {
        self.content.maintainers.as_deref()
    }

    /// The images that hold invocation logic, in the order of preference. There is at least one.
    pub fn invocation_images(&self) -> &[Image] {
        &self.content.invocation_images
    }

    /// The images that the bundle's objects run, by name.
    pub fn images(&self) -> &BTreeMap<String, Image> {
        &self.content.images
    }

    /// The inputs, by name.
    pub fn parameters(&self) -> &BTreeMap<String, Parameter> {
        &self.content.parameters
    }

    /// The secret inputs, by name.
    pub fn credentials(&self) -> &BTreeMap<String, Credential> {
        &self.content.credentials
    }

    /// The outputs, by name.
    pub fn outputs(&self) -> &BTreeMap<String, Output> {
        &self.content.outputs
    }

    /// The actions beside the built-in ones, by name.
    pub fn actions(&self) -> &BTreeMap<String, Action> {
        &self.content.actions
    }

    /// The JSON Schema of that name.
    pub fn definition(&self, name: &str) -> Option<&Value> {
        self.content.definitions.get(name)
    }

    /// The content of one extension.
    pub fn custom(&self, key: &str) -> Option<&Value> {
        self.content.custom.get(key)
    }

    /// The extensions without which the bundle must not be run.
    pub fn required_extensions(&self) -> &[String] {
        &self.content.required_extensions
    }

    /// Whether values of this parameter must not be shown.
    pub fn is_write_only_parameter(&self, name: &str) -> bool {
        self.parameters().get(name).is_some_and(|parameter| self.is_write_only(&parameter.definition))
    }

    /// Whether values of this output must not be shown.
    pub fn is_write_only_output(&self, name: &str) -> bool {
        self.outputs().get(name).is_some_and(|output| self.is_write_only(&output.definition))
    }

    fn is_write_only(&self, definition: &str) -> bool {
        self.definition(definition).is_some_and(definition::is_write_only)
    }
}

impl Image {
    /// Whether this can be an invocation image of ours: an OCI manifest.
    pub fn is_runnable(&self) -> bool {
        self.image_type == "oci"
            && self.media_type.as_deref().is_none_or(|media_type| media_type == OCI_MANIFEST)
    }
}

impl Parameter {
    /// Whether the parameter is for `action`.
    pub fn applies_to(&self, action: &str) -> bool {
        applies(&self.apply_to, action)
    }
}

impl Credential {
    /// Whether the credential is for `action`.
    pub fn applies_to(&self, action: &str) -> bool {
        applies(&self.apply_to, action)
    }
}

impl Output {
    /// Whether `action` makes the output.
    pub fn applies_to(&self, action: &str) -> bool {
        applies(&self.apply_to, action)
    }
}

/// Whether `text` has only characters that leave a mark or a space (Unicode categories L, M, N, P, S and Zs), and at
/// least one. Names of bundles and installations must (CNAB 101, 103). Code points that Unicode has not assigned yet
/// count as graphic.
pub fn is_graphic(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !(c.is_control() || is_format(c) || is_private(c)))
}

fn applies(apply_to: &[String], action: &str) -> bool {
    apply_to.is_empty() || apply_to.iter().any(|name| name == action)
}

/// Whether a text is a digest as OCI has them, of an algorithm that CNAB's documents may name. Of these only SHA-256 is
/// computed here, where bytes are checked.
fn is_digest(text: &str) -> bool {
    let is_hex = |hex: &str, length| {
        hex.len() == length && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match text.split_once(':') {
        Some(("sha256", hex)) => is_hex(hex, 64),
        Some(("sha512", hex)) => is_hex(hex, 128),
        _ => false,
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().filter(|fault| fault.is_error()).map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Unicode categories Cf, Zl and Zp: characters that change how the text around them looks.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// Code points that never have a meaning of their own: private use and non-characters.
fn is_private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{f0000}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}
