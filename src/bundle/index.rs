//! Turns a bundle into the OCI documents that carry it, and those documents back into what they say.
//!
//! One index names the bundle's `bundle.json`, its component and its images by digest (CNAB-to-OCI). The bytes of an
//! index decide about its digest and so about the signature: they are those that the reference tools write, and what
//! was received is never written anew. Nothing here trusts a document: each is checked against the digest and size it
//! was asked for by, and against the bundle, in both directions.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::digest::{self, Digest};
use crate::document;

use super::canonical::go_json;
use super::{Bundle, Image, Maintainer};

/// Media type of an OCI manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a Docker manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of a Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Media type of a `bundle.json`, as tools write it.
pub const CNAB_CONFIG: &str = "application/vnd.cnab.config.v1+json";
/// Media type of a `bundle.json`, as the specification writes it.
pub const CNAB_BUNDLE_CONFIG: &str = "application/vnd.cnab.bundle.config.v1+json";
/// Media type of an OCI image configuration, the second historical form of a config manifest.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of a Docker image configuration, the third historical form of a config manifest.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Media type of a component's configuration (CNCF Wasm OCI artifact).
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of a component.
pub const WASM: &str = "application/wasm";
/// Media type of the empty blob.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The empty blob. A config manifest in the default form names it as its layer.
pub const EMPTY_BLOB: &[u8] = b"{}";

const MANIFEST_TYPE: &str = "io.cnab.manifest.type";
const COMPONENT_NAME: &str = "io.cnab.component.name";
const ARTIFACT_TYPE: &str = "org.opencontainers.artifactType";
const CNAB_MANIFEST: &str = "application/vnd.cnab.manifest.v1";
const AUTHORS: &str = "org.opencontainers.image.authors";
const KEYWORDS: &str = "io.cnab.keywords";
const CHILD_TYPES: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];
const CONFIG_TYPES: [&str; 4] = [CNAB_CONFIG, CNAB_BUNDLE_CONFIG, OCI_CONFIG, DOCKER_CONFIG];
/// Component artifacts are written in the first form; the others are older and still around.
const WASM_CONFIGS: [&str; 2] = [WASM_CONFIG, "application/vnd.wasm.config.v1+json"];
const WASM_LAYERS: [&str; 3] =
    [WASM, "application/vnd.wasm.content.layer.v1+wasm", "application/vnd.module.wasm.content.layer.v1+wasm"];

/// What an OCI document says about another one: what it is, and which bytes exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What the bytes are.
    pub media_type: String,
    /// Their digest.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
    /// Remarks.
    pub annotations: BTreeMap<String, String>,
    /// The type of the artifact that an OCI manifest describes.
    pub artifact_type: Option<String>,
}

/// The form of a config manifest. Readers understand all; they differ in what registries accept, and in their digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// As the reference tools write it first.
    Cnab,
    /// As OCI 1.1 wants it: carnet's own form.
    #[default]
    Default,
    /// Pretends to be a Docker image, for old registries.
    Docker,
    /// Pretends to be an OCI image, for old registries.
    OciImage,
}

/// The form of an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Listing {
    /// A Docker manifest list, for registries without OCI.
    Docker,
    /// An OCI index.
    #[default]
    Oci,
}

/// Why a document around a bundle is refused, or cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// An annotation says something else than the bundle.
    #[error("the annotation `{0}` of the index is not what the bundle says")]
    Annotation(String),
    /// The bytes are not those that were asked for.
    #[error(transparent)]
    Bytes(#[from] digest::Mismatch),
    /// A child of the index is of a kind that CNAB does not know.
    #[error("child {0} of the index is neither `config` nor `invocation` nor a named `component`")]
    Child(Digest),
    /// The component's OCI manifest does not describe one WebAssembly component.
    #[error("the OCI manifest describes no WebAssembly component: {0}")]
    Component(String),
    /// The index has not exactly one config manifest, first of all.
    #[error("the index must start with its only config manifest")]
    Config,
    /// The config manifest means something beside `bundle.json`.
    #[error("the config manifest has layers that mean something")]
    ConfigLayers,
    /// The text is not a JSON document that is read at all.
    #[error("the document cannot be read")]
    Document(#[from] document::Invalid),
    /// A descriptor carries or points to other bytes than those of its digest.
    #[error("a child of the index has a member `{0}`")]
    Embedded(&'static str),
    /// The image in the index is not the one in the bundle.
    #[error("`{name}` has another {what} in the index than in the bundle")]
    Image {
        /// The name of the image, or `invocation image`.
        name: String,
        /// What differs.
        what: &'static str,
    },
    /// The index has not exactly one invocation image, after the config manifest.
    #[error("the index must name exactly one invocation image, right after the config manifest")]
    Invocation,
    /// A document is a manifest and an index at once, and readers would disagree about what it is.
    #[error("the document has `manifests` beside `config` or `layers`")]
    Mixed,
    /// A document has another media type than it must have.
    #[error("the media type is `{0}`")]
    MediaType(String),
    /// A member is missing or has the wrong type.
    #[error("the member `{0}` is missing or of the wrong type")]
    Member(String),
    /// The bundle has an image that the index does not name, or the index one that the bundle does not have.
    #[error("the image `{0}` is not in both, index and bundle")]
    Missing(String),
    /// The document is of another version.
    #[error("`schemaVersion` is not 2")]
    SchemaVersion,
    /// The number of bytes is not the one that was promised.
    #[error("{actual} bytes came where {expected} were promised")]
    Size {
        /// The promised number.
        expected: u64,
        /// The actual one.
        actual: usize,
    },
    /// The same image is named twice.
    #[error("the index names the image `{0}` twice")]
    Twice(String),
    /// The bundle cannot be written down as an index.
    #[error("`{name}` has no {what}, which an index needs")]
    Unset {
        /// The name of the image, or `invocation image`.
        name: String,
        /// What it lacks.
        what: &'static str,
    },
}

/// The index of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    config: Descriptor,
    invocation: Descriptor,
    components: BTreeMap<String, Descriptor>,
    annotations: BTreeMap<String, String>,
}

/// An OCI manifest that is not the config manifest of a bundle: of a component, an image for one platform, a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// OCI or Docker manifest.
    pub media_type: String,
    /// What the artifact is.
    pub artifact_type: Option<String>,
    /// Its configuration.
    pub config: Descriptor,
    /// Its content.
    pub layers: Vec<Descriptor>,
    /// What the artifact is about.
    pub subject: Option<Descriptor>,
    /// Remarks.
    pub annotations: BTreeMap<String, String>,
}

/// The bytes of the config manifest for the `bundle.json` that has the bytes `config`. In the default form,
/// [`EMPTY_BLOB`] has to be stored with it.
pub fn config_manifest(config: &[u8], form: Form) -> Vec<u8> {
    let (digest, size) = (Digest::of(config), config.len());
    let media_type = match form {
        Form::Cnab | Form::Default => CNAB_CONFIG,
        Form::Docker => DOCKER_CONFIG,
        Form::OciImage => OCI_CONFIG,
    };
    // Nothing here needs escaping: digests, numbers and constants.
    let text = match form {
        Form::Default => format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}},"layers":[{{"mediaType":"{EMPTY}","digest":"{}","size":{}}}]}}"#,
            Digest::of(EMPTY_BLOB),
            EMPTY_BLOB.len()
        ),
        Form::Cnab | Form::OciImage => format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}},"layers":null}}"#
        ),
        Form::Docker => format!(
            r#"{{
   "schemaVersion": 2,
   "mediaType": "{DOCKER_MANIFEST}",
   "config": {{
      "mediaType": "{media_type}",
      "size": {size},
      "digest": "{digest}"
   }},
   "layers": [
      {{
         "mediaType": "{media_type}",
         "size": {size},
         "digest": "{digest}"
      }}
   ]
}}"#
        ),
    };
    text.into_bytes()
}

/// The bytes of a component's OCI manifest (CNCF Wasm OCI artifact).
pub fn component_manifest(config: &Descriptor, layer: &Descriptor) -> Vec<u8> {
    let part = |part: &Descriptor, media_type: &str| {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#, part.digest, part.size)
    };
    let (config, layer) = (part(config, WASM_CONFIG), part(layer, WASM));
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{config},"layers":[{layer}]}}"#)
        .into_bytes()
}

/// The bytes of the index for a bundle with a config manifest in the given form.
///
/// # Errors
/// [`IndexError::Unset`] and [`IndexError::Invocation`] for bundles that cannot be written down as an index.
pub fn write_index(bundle: &Bundle, form: Form, listing: Listing) -> Result<Vec<u8>, IndexError> {
    let [invocation] = bundle.invocation_images() else { return Err(IndexError::Invocation) };
    let config = config_manifest(bundle.bytes(), form);
    let mut manifests = vec![
        Child::new(form.media_type(), Digest::of(&config), size_of(&config), "config", None),
        Child::of("invocation image", invocation, "invocation")?,
    ];
    for (name, image) in bundle.images() {
        manifests.push(Child::of(name, image, "component")?);
    }
    let media_type = (listing == Listing::Docker).then_some(DOCKER_LIST);
    let wire = Wire { schema_version: 2, manifests, annotations: annotations(bundle)?, media_type };
    Ok(go_json(&wire).map_err(document::Invalid::from)?.into_bytes())
}

/// The descriptor of `bundle.json` in a config manifest, in any of its forms. `child` is what the index says of the
/// config manifest.
///
/// # Errors
/// [`IndexError`] where the bytes are not those of `child`, or not a config manifest.
pub fn config_of(child: &Descriptor, manifest: &[u8]) -> Result<Descriptor, IndexError> {
    child.check(manifest)?;
    let members = members(document::json(manifest)?)?;
    let media_type = optional_text(&members, "mediaType")?;
    if child.media_type != media_type.as_deref().unwrap_or(OCI_MANIFEST) {
        return Err(IndexError::MediaType(child.media_type.clone()));
    }
    check_manifest(&members)?;
    let config = Descriptor::read(members.get("config"), "config")?;
    if !CONFIG_TYPES.contains(&config.media_type.as_str()) {
        return Err(IndexError::MediaType(config.media_type));
    }
    let layers = match members.get("layers") {
        None | Some(Value::Null) => Vec::new(),
        Some(layers) => descriptors(Some(layers), "layers")?,
    };
    let empty = |layer: &Descriptor| layer.media_type == EMPTY && layer.check(EMPTY_BLOB).is_ok();
    match (media_type.as_deref(), layers.as_slice()) {
        (_, []) => Ok(config),
        (Some(OCI_MANIFEST), [layer]) if empty(layer) => Ok(config),
        (Some(DOCKER_MANIFEST), [layer]) if layer.is_same(&config) => Ok(config),
        _ => Err(IndexError::ConfigLayers),
    }
}

/// The descriptors of configuration and bytes of a component. `child` is what the index says of its OCI manifest.
///
/// # Errors
/// [`IndexError`] where the bytes are not those of `child`, or do not describe exactly one component.
pub fn component_of(child: &Descriptor, manifest: &[u8]) -> Result<(Descriptor, Descriptor), IndexError> {
    child.check(manifest)?;
    let Manifest { media_type, config, layers, .. } = Manifest::parse(manifest)?;
    if media_type != OCI_MANIFEST || media_type != child.media_type {
        return Err(IndexError::MediaType(child.media_type.clone()));
    }
    if !WASM_CONFIGS.contains(&config.media_type.as_str()) {
        return Err(IndexError::Component(format!("its config has the media type `{}`", config.media_type)));
    }
    match <[Descriptor; 1]>::try_from(layers) {
        Ok([layer]) if WASM_LAYERS.contains(&layer.media_type.as_str()) => Ok((config, layer)),
        Ok([layer]) => {
            Err(IndexError::Component(format!("its layer has the media type `{}`", layer.media_type)))
        }
        Err(layers) => Err(IndexError::Component(format!("it has {} layers instead of one", layers.len()))),
    }
}

/// Where the images of the bundle are after they were copied to `repository`: reference in the bundle → reference
/// there, pinned by digest.
pub fn relocation_map(index: &Index, bundle: &Bundle, repository: &str) -> BTreeMap<String, String> {
    let repository = familiar(repository);
    let invocation = bundle.invocation_images().iter().map(|image| (image, &index.invocation));
    let named = bundle.images().iter().filter_map(|(name, image)| Some((image, index.components.get(name)?)));
    invocation
        .chain(named)
        .map(|(image, child)| (image.image.clone(), format!("{repository}@{}", child.digest)))
        .collect()
}

impl Descriptor {
    /// Describes `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.into(),
            digest: Digest::of(bytes),
            size: size_of(bytes),
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }

    /// Reads a descriptor. Its `urls` and `data` are ignored: bytes come from where the document came from.
    ///
    /// # Errors
    /// [`IndexError::Member`] naming the member that is wrong.
    pub fn parse(value: &Value) -> Result<Self, IndexError> {
        Self::read(Some(value), "descriptor")
    }

    /// Checks that `bytes` are the ones described.
    ///
    /// # Errors
    /// [`IndexError::Size`] and [`IndexError::Bytes`].
    pub fn check(&self, bytes: &[u8]) -> Result<(), IndexError> {
        if size_of(bytes) != self.size {
            return Err(IndexError::Size { expected: self.size, actual: bytes.len() });
        }
        Ok(self.digest.check(bytes)?)
    }

    fn read(value: Option<&Value>, name: &str) -> Result<Self, IndexError> {
        let members = value.and_then(Value::as_object).ok_or_else(|| IndexError::Member(name.into()))?;
        let digest = text(members, "digest")?.parse().map_err(|_| IndexError::Member("digest".into()))?;
        Ok(Self {
            media_type: text(members, "mediaType")?,
            digest,
            size: members
                .get("size")
                .and_then(Value::as_u64)
                .ok_or_else(|| IndexError::Member("size".into()))?,
            annotations: texts(members, "annotations")?,
            artifact_type: optional_text(members, "artifactType")?,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.media_type, self.digest, self.size) == (&other.media_type, other.digest, other.size)
    }
}

impl Form {
    /// The media type of a config manifest in this form.
    pub fn media_type(self) -> &'static str {
        if self == Self::Docker { DOCKER_MANIFEST } else { OCI_MANIFEST }
    }
}

impl Index {
    /// Reads the index of a bundle.
    ///
    /// # Errors
    /// [`IndexError`] for everything that is not the index of exactly one bundle.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let members = members(document::json(bytes)?)?;
        check_version(&members)?;
        if members.contains_key("config") || members.contains_key("layers") {
            return Err(IndexError::Mixed);
        }
        match optional_text(&members, "mediaType")? {
            Some(other) if ![OCI_INDEX, DOCKER_LIST].contains(&other.as_str()) => {
                return Err(IndexError::MediaType(other));
            }
            _ => {}
        }
        let manifests = members.get("manifests").and_then(Value::as_array);
        let children = manifests.ok_or_else(|| IndexError::Member("manifests".into()))?;
        let children = children.iter().map(child).collect::<Result<Vec<_>, _>>()?;
        Self::of(children, texts(&members, "annotations")?)
    }

    /// The config manifest, which names `bundle.json`.
    pub fn config(&self) -> &Descriptor {
        &self.config
    }

    /// The OCI manifest of the component.
    pub fn invocation(&self) -> &Descriptor {
        &self.invocation
    }

    /// The manifests or indexes of the bundle's images, by name. (CNAB calls them components; ours is
    /// [`Self::invocation`].)
    pub fn components(&self) -> &BTreeMap<String, Descriptor> {
        &self.components
    }

    /// What the index says about the bundle. Hints, until [`Self::check`] compared them.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// Checks that index and bundle speak of the same images, all of them, and of the same bundle.
    ///
    /// # Errors
    /// [`IndexError`] saying where they differ.
    pub fn check(&self, bundle: &Bundle) -> Result<(), IndexError> {
        let [invocation] = bundle.invocation_images() else { return Err(IndexError::Invocation) };
        check_image("invocation image", invocation, &self.invocation)?;
        for (name, image) in bundle.images() {
            let child = self.components.get(name).ok_or_else(|| IndexError::Missing(name.clone()))?;
            check_image(name, image, child)?;
        }
        if let Some(name) = self.components.keys().find(|name| !bundle.images().contains_key(*name)) {
            return Err(IndexError::Missing(name.clone()));
        }
        let differs = |(name, value): &(String, String)| self.annotations.get(name) != Some(value);
        // Tools leave out an empty list of keywords or authors in one of the two places: these are hints for people.
        let compared = annotations(bundle)?
            .into_iter()
            .filter(|(name, _)| ![AUTHORS, KEYWORDS].contains(&name.as_str()));
        compared.into_iter().find(differs).map_or(Ok(()), |(name, _)| Err(IndexError::Annotation(name)))
    }

    fn of(children: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Result<Self, IndexError> {
        let kind = |child: &Descriptor| child.annotations.get(MANIFEST_TYPE).cloned().unwrap_or_default();
        let mut children = children.into_iter();
        let config = children.next().filter(|child| kind(child) == "config").ok_or(IndexError::Config)?;
        let invocation =
            children.next().filter(|child| kind(child) == "invocation").ok_or(IndexError::Invocation)?;
        let mut components = BTreeMap::new();
        for child in children {
            match (kind(&child).as_str(), child.annotations.get(COMPONENT_NAME)) {
                ("component", Some(name)) => {
                    let name = name.clone();
                    if components.insert(name.clone(), child).is_some() {
                        return Err(IndexError::Twice(name));
                    }
                }
                ("config", _) => return Err(IndexError::Config),
                ("invocation", _) => return Err(IndexError::Invocation),
                _ => return Err(IndexError::Child(child.digest)),
            }
        }
        Ok(Self { config, invocation, components, annotations })
    }
}

impl Manifest {
    /// Reads an OCI or Docker manifest.
    ///
    /// # Errors
    /// [`IndexError`] for everything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let members = members(document::json(bytes)?)?;
        let media_type = text(&members, "mediaType")?;
        if ![OCI_MANIFEST, DOCKER_MANIFEST].contains(&media_type.as_str()) {
            return Err(IndexError::MediaType(media_type));
        }
        check_manifest(&members)?;
        Ok(Self {
            media_type,
            artifact_type: optional_text(&members, "artifactType")?,
            config: Descriptor::read(members.get("config"), "config")?,
            layers: descriptors(members.get("layers"), "layers")?,
            subject: members
                .get("subject")
                .map(|subject| Descriptor::read(Some(subject), "subject"))
                .transpose()?,
            annotations: texts(&members, "annotations")?,
        })
    }
}

/// The index as it is written. The order of the members is part of the format.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u8,
    manifests: Vec<Child>,
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'static str>,
}

/// A child of the index as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Child {
    media_type: String,
    digest: Digest,
    size: u64,
    annotations: BTreeMap<&'static str, String>,
}

/// A maintainer as the index shows it.
#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

impl<'a> Author<'a> {
    fn of(maintainer: &'a Maintainer) -> Self {
        let set = |text: &'a Option<String>| text.as_deref().filter(|text| !text.is_empty());
        Self { name: &maintainer.name, email: set(&maintainer.email), url: set(&maintainer.url) }
    }
}

impl Child {
    fn new(media_type: &str, digest: Digest, size: u64, kind: &str, name: Option<&str>) -> Self {
        let name = name.map(|name| (COMPONENT_NAME, name.to_owned()));
        let annotations = name.into_iter().chain([(MANIFEST_TYPE, kind.to_owned())]).collect();
        Self { media_type: media_type.into(), digest, size, annotations }
    }

    fn of(name: &str, image: &Image, kind: &str) -> Result<Self, IndexError> {
        let unset = |what| IndexError::Unset { name: name.into(), what };
        let media_type = match (image.media_type.as_deref(), image.image_type.as_str()) {
            (Some(media_type), _) if CHILD_TYPES.contains(&media_type) => media_type,
            (Some(media_type), _) => return Err(IndexError::MediaType(media_type.into())),
            (None, "oci") => OCI_MANIFEST,
            (None, "docker") => DOCKER_MANIFEST,
            (None, _) => return Err(unset("media type")),
        };
        let size = image.size.filter(|size| *size > 0).ok_or_else(|| unset("size"))?;
        Ok(Self::new(media_type, image.digest, size, kind, (kind == "component").then_some(name)))
    }
}

fn annotations(bundle: &Bundle) -> Result<BTreeMap<String, String>, IndexError> {
    let mut annotations: BTreeMap<String, String> = [
        ("io.cnab.runtime_version", bundle.schema_version().to_owned()),
        (ARTIFACT_TYPE, CNAB_MANIFEST.to_owned()),
        ("org.opencontainers.image.description", bundle.description().to_owned()),
        ("org.opencontainers.image.title", bundle.name().to_owned()),
        ("org.opencontainers.image.version", bundle.version().to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(keywords) = bundle.keywords() {
        annotations.insert(KEYWORDS.into(), go_json(&keywords).map_err(document::Invalid::from)?);
    }
    if let Some(maintainers) = bundle.maintainers() {
        let authors: Vec<_> = maintainers.iter().map(Author::of).collect();
        annotations.insert(AUTHORS.into(), go_json(&authors).map_err(document::Invalid::from)?);
    }
    Ok(annotations)
}

fn child(value: &Value) -> Result<Descriptor, IndexError> {
    for name in ["data", "urls"] {
        if value.get(name).is_some() {
            return Err(IndexError::Embedded(name));
        }
    }
    let child = Descriptor::read(Some(value), "manifests")?;
    if CHILD_TYPES.contains(&child.media_type.as_str()) {
        Ok(child)
    } else {
        Err(IndexError::MediaType(child.media_type))
    }
}

fn check_image(name: &str, image: &Image, child: &Descriptor) -> Result<(), IndexError> {
    let differs = |what| Err(IndexError::Image { name: name.into(), what });
    if image.digest != child.digest {
        differs("digest")
    } else if image.size.is_some_and(|size| size != child.size) {
        differs("size")
    } else if image.media_type.as_ref().is_some_and(|media_type| *media_type != child.media_type) {
        differs("media type")
    } else {
        Ok(())
    }
}

fn check_manifest(members: &Map<String, Value>) -> Result<(), IndexError> {
    check_version(members)?;
    if members.contains_key("manifests") { Err(IndexError::Mixed) } else { Ok(()) }
}

fn check_version(members: &Map<String, Value>) -> Result<(), IndexError> {
    let version = members.get("schemaVersion").and_then(Value::as_u64);
    if version == Some(2) { Ok(()) } else { Err(IndexError::SchemaVersion) }
}

fn members(value: Value) -> Result<Map<String, Value>, IndexError> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(IndexError::Member(String::new())),
    }
}

fn text(members: &Map<String, Value>, name: &str) -> Result<String, IndexError> {
    optional_text(members, name)?.ok_or_else(|| IndexError::Member(name.into()))
}

fn optional_text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, IndexError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(IndexError::Member(name.into())),
    }
}

fn texts(members: &Map<String, Value>, name: &str) -> Result<BTreeMap<String, String>, IndexError> {
    let wrong = || IndexError::Member(name.into());
    let Some(value) = members.get(name) else { return Ok(BTreeMap::new()) };
    let entries = value.as_object().ok_or_else(wrong)?.iter();
    entries.map(|(name, value)| Ok((name.clone(), value.as_str().ok_or_else(wrong)?.to_owned()))).collect()
}

fn descriptors(value: Option<&Value>, name: &str) -> Result<Vec<Descriptor>, IndexError> {
    let items = value.and_then(Value::as_array).ok_or_else(|| IndexError::Member(name.into()))?;
    items.iter().map(|item| Descriptor::read(Some(item), name)).collect()
}

/// Docker Hub's repositories are written without host, and the official ones without `library`.
fn familiar(repository: &str) -> &str {
    let Some(rest) =
        repository.strip_prefix("docker.io/").or_else(|| repository.strip_prefix("index.docker.io/"))
    else {
        return repository;
    };
    rest.strip_prefix("library/").filter(|name| !name.contains('/')).unwrap_or(rest)
}

/// Lengths of what is in memory always fit.
fn size_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(name: &str, size: u64) -> Value {
        json!({"image": format!("registry.example/{name}:1"), "imageType": "oci", "mediaType": OCI_MANIFEST,
            "contentDigest": Digest::of(name.as_bytes()).to_string(), "size": size})
    }

    fn bundle() -> Bundle {
        let text = json!({
            "schemaVersion": "v1.2.0", "name": "shop", "version": "1.0.0", "description": "a & b",
            "keywords": ["<x>"], "maintainers": [{"name": "Q&A", "email": ""}],
            "invocationImages": [image("component", 412)],
            "images": {"web": image("web", 10), "db": image("db", 11)},
        });
        Bundle::parse(text.to_string().as_bytes()).unwrap().0
    }

    fn written() -> Value {
        document::json(&write_index(&bundle(), Form::Default, Listing::Oci).unwrap()).unwrap()
    }

    /// What happens to an index after a change: why it is refused, by itself or beside its bundle.
    fn refusal(change: impl FnOnce(&mut Value)) -> String {
        let mut index = written();
        change(&mut index);
        let bundle = bundle();
        let checked = Index::parse(index.to_string().as_bytes()).and_then(|index| index.check(&bundle));
        checked.unwrap_err().to_string()
    }

    fn children(index: &mut Value) -> &mut Vec<Value> {
        index["manifests"].as_array_mut().unwrap()
    }

    #[test]
    fn an_index_names_config_component_and_images_in_the_order_of_their_names() {
        let index = Index::parse(written().to_string().as_bytes()).unwrap();
        index.check(&bundle()).unwrap();
        assert_eq!(index.invocation().digest, Digest::of(b"component"));
        assert_eq!(index.components().keys().collect::<Vec<_>>(), ["db", "web"]);
        let map = relocation_map(&index, &bundle(), "docker.io/library/shop");
        assert_eq!(map["registry.example/web:1"], format!("shop@{}", Digest::of(b"web")));
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn lists_inside_annotations_are_escaped_twice() {
        let text = String::from_utf8(write_index(&bundle(), Form::Default, Listing::Oci).unwrap()).unwrap();
        assert!(text.contains(r#""io.cnab.keywords":"[\"\\u003cx\\u003e\"]""#), "{text}");
        assert!(
            text.contains(r#""org.opencontainers.image.authors":"[{\"name\":\"Q\\u0026A\"}]""#),
            "{text}"
        );
        assert!(text.contains(r#""org.opencontainers.image.description":"a \u0026 b""#), "{text}");
    }

    #[test]
    fn an_index_without_exactly_one_config_at_its_head_is_refused() {
        let head = "the index must start with its only config manifest";
        assert_eq!(refusal(|index| drop(children(index).remove(0))), head);
        assert_eq!(refusal(|index| children(index).clear()), head);
        assert_eq!(refusal(|index| children(index).swap(0, 1)), head);
        assert_eq!(
            refusal(|index| {
                let config = children(index)[0].clone();
                children(index).push(config);
            }),
            head
        );
    }

    #[test]
    fn an_index_without_exactly_one_component_is_refused() {
        let one = "the index must name exactly one invocation image, right after the config manifest";
        assert_eq!(refusal(|index| drop(children(index).remove(1))), one);
        assert_eq!(
            refusal(|index| {
                let invocation = children(index)[1].clone();
                children(index).push(invocation);
            }),
            one
        );
    }

    #[test]
    fn index_and_bundle_must_have_the_same_images() {
        assert_eq!(
            refusal(|index| drop(children(index).pop())),
            "the image `web` is not in both, index and bundle"
        );
        let named = |name: &'static str| {
            move |index: &mut Value| {
                let mut child = children(index)[2].clone();
                child["annotations"][COMPONENT_NAME] = name.into();
                children(index).push(child);
            }
        };
        assert_eq!(refusal(named("cache")), "the image `cache` is not in both, index and bundle");
        assert_eq!(refusal(named("web")), "the index names the image `web` twice");
    }

    #[test]
    fn a_child_that_differs_from_the_bundle_is_refused() {
        for (child, name) in [(1, "invocation image"), (2, "db")] {
            let differs = |what: &str| format!("`{name}` has another {what} in the index than in the bundle");
            let digest = Digest::of(b"evil").to_string();
            assert_eq!(refusal(|index| children(index)[child]["digest"] = digest.into()), differs("digest"));
            assert_eq!(refusal(|index| children(index)[child]["size"] = 413.into()), differs("size"));
            let media_type = refusal(|index| children(index)[child]["mediaType"] = OCI_INDEX.into());
            assert_eq!(media_type, differs("media type"));
        }
    }

    #[test]
    fn a_child_of_an_unknown_kind_is_refused() {
        let child = format!(
            "child {} of the index is neither `config` nor `invocation` nor a named `component`",
            Digest::of(b"web")
        );
        assert_eq!(refusal(|index| children(index)[3]["annotations"] = json!({})), child);
        assert_eq!(
            refusal(|index| children(index)[3]["annotations"] = json!({MANIFEST_TYPE: "sbom"})),
            child
        );
        assert_eq!(
            refusal(|index| children(index)[3]["annotations"] = json!({MANIFEST_TYPE: "component"})),
            child
        );
        let media_type = refusal(|index| children(index)[3]["mediaType"] = WASM.into());
        assert_eq!(media_type, "the media type is `application/wasm`");
        for (name, value) in [("urls", json!(["http://evil.example/"])), ("data", json!("e30="))] {
            let embedded = refusal(|index| children(index)[3][name] = value);
            assert_eq!(embedded, format!("a child of the index has a member `{name}`"));
        }
    }

    #[test]
    fn annotations_must_speak_of_the_bundle() {
        for name in ["org.opencontainers.image.title", "org.opencontainers.image.version", ARTIFACT_TYPE] {
            let wrong = format!("the annotation `{name}` of the index is not what the bundle says");
            assert_eq!(refusal(|index| index["annotations"][name] = "other".into()), wrong);
            assert_eq!(
                refusal(|index| drop(index["annotations"].as_object_mut().unwrap().remove(name))),
                wrong
            );
        }
    }

    #[test]
    fn what_is_no_index_is_refused() {
        assert_eq!(refusal(|index| index["schemaVersion"] = 1.into()), "`schemaVersion` is not 2");
        assert_eq!(refusal(|index| index["schemaVersion"] = "2".into()), "`schemaVersion` is not 2");
        let mixed = "the document has `manifests` beside `config` or `layers`";
        assert_eq!(refusal(|index| index["layers"] = json!([])), mixed);
        assert_eq!(refusal(|index| index["config"] = Value::Null), mixed);
        let media_type = refusal(|index| index["mediaType"] = OCI_MANIFEST.into());
        assert_eq!(media_type, format!("the media type is `{OCI_MANIFEST}`"));
        for (name, value) in [("digest", json!("sha256:zz")), ("size", json!(-1)), ("size", json!(1.5))] {
            let wrong = refusal(|index| children(index)[1][name] = value);
            assert_eq!(wrong, format!("the member `{name}` is missing or of the wrong type"));
        }
        assert!(matches!(
            Index::parse(br#"{"schemaVersion":2,"schemaVersion":2}"#),
            Err(IndexError::Document(_))
        ));
        assert!(matches!(Index::parse(b"[]"), Err(IndexError::Member(_))));
        assert!(matches!(
            Index::parse(&vec![b' '; document::MAX_BYTES + 1]),
            Err(IndexError::Document(document::Invalid::TooLong(_)))
        ));
    }

    fn config_refusal(media_type: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string().into_bytes();
        config_of(&Descriptor::of(media_type, &bytes), &bytes).unwrap_err().to_string()
    }

    #[test]
    fn every_form_of_config_manifest_is_read_and_nothing_else() {
        for form in [Form::Cnab, Form::Default, Form::Docker, Form::OciImage] {
            let bytes = config_manifest(b"{}", form);
            let config = config_of(&Descriptor::of(form.media_type(), &bytes), &bytes).unwrap();
            assert_eq!((config.digest, config.size), (Digest::of(b"{}"), 2), "{form:?}");
        }
        let config = json!({"mediaType": CNAB_CONFIG, "digest": Digest::of(b"").to_string(), "size": 0});
        let manifest = |name: &str, value: Value| {
            let mut manifest = json!({"schemaVersion": 2, "config": config});
            manifest[name] = value;
            manifest
        };
        let layers = "the config manifest has layers that mean something";
        assert_eq!(config_refusal(OCI_MANIFEST, &manifest("layers", json!([config]))), layers);
        let empty = json!({"mediaType": EMPTY, "digest": Digest::of(EMPTY_BLOB).to_string(), "size": 2});
        assert_eq!(config_refusal(OCI_MANIFEST, &manifest("layers", json!([empty]))), layers);
        assert_eq!(
            config_refusal(OCI_MANIFEST, &manifest("manifests", json!([]))),
            "the document has `manifests` beside `config` or `layers`"
        );
        assert_eq!(
            config_refusal(OCI_MANIFEST, &manifest("mediaType", DOCKER_MANIFEST.into())),
            format!("the media type is `{OCI_MANIFEST}`")
        );
        assert_eq!(
            config_refusal(DOCKER_MANIFEST, &manifest("layers", Value::Null)),
            format!("the media type is `{DOCKER_MANIFEST}`")
        );
        assert_eq!(
            config_refusal(OCI_MANIFEST, &manifest("schemaVersion", 1.into())),
            "`schemaVersion` is not 2"
        );
    }

    #[test]
    fn other_bytes_than_those_described_are_refused() {
        let bytes = config_manifest(b"{}", Form::Default);
        let child = Descriptor::of(OCI_MANIFEST, &bytes);
        let mut longer = bytes.clone();
        longer.push(b'\n');
        assert!(matches!(config_of(&child, &longer), Err(IndexError::Size { .. })));
        let mut changed = bytes;
        changed[1] = b' ';
        assert!(matches!(config_of(&child, &changed), Err(IndexError::Bytes(_))));
    }

    fn component_refusal(change: impl FnOnce(&mut Value)) -> String {
        let bytes = component_manifest(&Descriptor::of(WASM_CONFIG, b"{}"), &Descriptor::of(WASM, b"\0asm"));
        let mut manifest = document::json(&bytes).unwrap();
        change(&mut manifest);
        let bytes = manifest.to_string().into_bytes();
        component_of(&Descriptor::of(OCI_MANIFEST, &bytes), &bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_component_has_one_layer_and_a_wasm_configuration() {
        let bytes = component_manifest(&Descriptor::of(WASM_CONFIG, b"{}"), &Descriptor::of(WASM, b"\0asm"));
        let (config, layer) = component_of(&Descriptor::of(OCI_MANIFEST, &bytes), &bytes).unwrap();
        assert_eq!((config, layer), (Descriptor::of(WASM_CONFIG, b"{}"), Descriptor::of(WASM, b"\0asm")));
        let reason = |what| format!("the OCI manifest describes no WebAssembly component: {what}");
        let two = |manifest: &mut Value| {
            let layer = manifest["layers"][0].clone();
            manifest["layers"].as_array_mut().unwrap().push(layer);
        };
        assert_eq!(component_refusal(two), reason("it has 2 layers instead of one"));
        assert_eq!(component_refusal(|m| m["layers"] = json!([])), reason("it has 0 layers instead of one"));
        assert_eq!(
            component_refusal(|m| m["layers"][0]["mediaType"] = "text/plain".into()),
            reason("its layer has the media type `text/plain`")
        );
        assert_eq!(
            component_refusal(|m| m["config"]["mediaType"] = "text/plain".into()),
            reason("its config has the media type `text/plain`")
        );
        assert_eq!(
            component_refusal(|m| m["mediaType"] = DOCKER_MANIFEST.into()),
            format!("the media type is `{OCI_MANIFEST}`")
        );
        assert_eq!(
            component_refusal(|m| drop(m.as_object_mut().unwrap().remove("mediaType"))),
            "the member `mediaType` is missing or of the wrong type"
        );
    }

    #[test]
    fn a_bundle_that_lacks_what_an_index_needs_is_not_written() {
        for (name, what) in [("size", "size"), ("mediaType", "media type")] {
            let mut component = image("component", 412);
            component["imageType"] = "wasm".into();
            component.as_object_mut().unwrap().remove(name);
            let text = json!({"schemaVersion": "v1.2.0", "name": "a", "version": "1.0.0",
                "invocationImages": [component]});
            let (bundle, _) = Bundle::parse(text.to_string().as_bytes()).unwrap();
            let error = write_index(&bundle, Form::Default, Listing::Oci).unwrap_err();
            assert_eq!(error.to_string(), format!("`invocation image` has no {what}, which an index needs"));
        }
    }
}
