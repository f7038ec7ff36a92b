//! Writes the OCI documents that carry a bundle, and reads them back.
//!
//! One index names the bundle's `bundle.json`, its component and its images by digest (CNAB-to-OCI). The bytes of an
//! index decide about its digest and so about the signature: they are those that the reference tools write, and what
//! was received is never written anew. Nothing here trusts a document: each is checked against the digest and size it
//! was asked for by, and against the bundle, in both directions.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Bundle, Image};
use crate::digest::Digest;
use crate::document;
use crate::oci::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Descriptor, ImageIndex, Malformed};

mod config;
mod component;
mod write;
mod relocation;

pub use component::{WASM, WASM_CONFIG, component_manifest, component_of, is_container_image};
pub use config::{CNAB_BUNDLE_CONFIG, CNAB_CONFIG, ConfigForm, config_manifest, config_of};
pub use relocation::relocation_map;
pub use write::{IndexForm, write_index};

const MANIFEST_TYPE: &str = "io.cnab.manifest.type";
const COMPONENT_NAME: &str = "io.cnab.component.name";
const ARTIFACT_TYPE: &str = "org.opencontainers.artifactType";
const CNAB_MANIFEST: &str = "application/vnd.cnab.manifest.v1";
const AUTHORS: &str = "org.opencontainers.image.authors";
const KEYWORDS: &str = "io.cnab.keywords";
const CHILD_TYPES: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

/// Why a document around a bundle is refused, or cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// An annotation says something else than the bundle.
    #[error("the annotation `{}` of the index is not what the bundle says", document::visible(.0))]
    Annotation(String),
    /// A child of the index is of a kind that CNAB does not know.
    #[error("child {0} of the index is neither `config` nor `invocation` nor a named `component`")]
    Child(Digest),
    /// The component's OCI manifest does not describe one WebAssembly component.
    #[error("the OCI manifest describes no WebAssembly component: {}", document::visible(.0))]
    Component(String),
    /// The index has not exactly one config manifest, first of all.
    #[error("the index must start with its only config manifest")]
    Config,
    /// The config manifest means something beside `bundle.json`.
    #[error("the config manifest has layers that mean something")]
    ConfigLayers,
    /// A descriptor carries or points to other bytes than those of its digest.
    #[error("a child of the index has a member `{0}`")]
    Embedded(&'static str),
    /// The image in the index is not the one in the bundle.
    #[error("`{}` has another {what} in the index than in the bundle", document::visible(.name))]
    Image {
        /// The name of the image, or `invocation image`.
        name: String,
        /// The member that differs.
        what: &'static str,
    },
    /// The index has not exactly one invocation image, after the config manifest.
    #[error("the index must name exactly one invocation image, right after the config manifest")]
    Invocation,
    /// The document breaks a rule of OCI.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The bundle has an image that the index does not name, or the index one that the bundle does not have.
    #[error("the image `{}` is not in both, index and bundle", document::visible(.0))]
    Missing(String),
    /// An image is named twice.
    #[error("the index names the image `{}` twice", document::visible(.0))]
    Twice(String),
    /// The bundle cannot be written down as an index.
    #[error("`{}` has no {what}, which an index needs", document::visible(.name))]
    Unset {
        /// The name of the image, or `invocation image`.
        name: String,
        /// The member that it lacks.
        what: &'static str,
    },
}

/// The index of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleIndex {
    config: Descriptor,
    invocation: Descriptor,
    components: BTreeMap<String, Descriptor>,
    annotations: BTreeMap<String, String>,
}

impl BundleIndex {
    /// Reads the index of a bundle.
    ///
    /// # Errors
    /// [`IndexError`] for everything that is not the index of exactly one bundle.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let index = ImageIndex::parse(bytes)?;
        let children = index.entries().iter().map(child).collect::<Result<Vec<_>, _>>()?;
        Self::of(children, index.annotations()?)
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

    /// Annotations about the bundle. Hints, until [`Self::check`] compared them.
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
        self.check_annotations(bundle)
    }

    fn check_annotations(&self, bundle: &Bundle) -> Result<(), IndexError> {
        let differs = |(name, value): &(String, String)| self.annotations.get(name) != Some(value);
        // Tools leave out an empty list of keywords or authors in one of the two places: these are hints for people.
        let compared = write::annotations(bundle)?
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

/// The tag for a version: `+`, which tags do not have, becomes `_`.
pub fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// Whether an index calls itself one of CNAB, as opposed to one of an image for several platforms.
pub fn is_bundle_index(bytes: &[u8]) -> bool {
    let index = document::json(bytes).ok();
    let annotations = index.as_ref().and_then(|index| index.get("annotations"));
    annotations.and_then(|annotations| annotations.get(ARTIFACT_TYPE)).is_some_and(|it| it == CNAB_MANIFEST)
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
        Err(Malformed::MediaType(child.media_type).into())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn image(name: &str, size: u64) -> Value {
        json!({"image": format!("registry.example/{name}:1"), "imageType": "oci", "mediaType": OCI_MANIFEST,
            "contentDigest": Digest::of(name.as_bytes()).to_string(), "size": size})
    }

    pub(super) fn bundle() -> Bundle {
        let text = json!({
            "schemaVersion": "v1.2.0", "name": "shop", "version": "1.0.0", "description": "a & b",
            "keywords": ["<x>"], "maintainers": [{"name": "Q&A", "email": ""}],
            "invocationImages": [image("component", 412)],
            "images": {"web": image("web", 10), "db": image("db", 11)},
        });
        Bundle::parse(text.to_string().as_bytes()).unwrap().0
    }

    fn written() -> Value {
        document::json(&write_index(&bundle(), ConfigForm::Default, IndexForm::Oci).unwrap()).unwrap()
    }

    /// Why an index is refused after a change, by itself or beside its bundle.
    fn refusal(change: impl FnOnce(&mut Value)) -> String {
        let mut index = written();
        change(&mut index);
        let bundle = bundle();
        let checked = BundleIndex::parse(index.to_string().as_bytes()).and_then(|index| index.check(&bundle));
        checked.unwrap_err().to_string()
    }

    fn children(index: &mut Value) -> &mut Vec<Value> {
        index["manifests"].as_array_mut().unwrap()
    }

    #[test]
    fn an_index_names_config_component_and_images_in_the_order_of_their_names() {
        let index = BundleIndex::parse(written().to_string().as_bytes()).unwrap();
        index.check(&bundle()).unwrap();
        assert_eq!(index.invocation().digest, Digest::of(b"component"));
        assert_eq!(index.components().keys().collect::<Vec<_>>(), ["db", "web"]);
        let map = relocation_map(&index, &bundle(), "docker.io/library/shop");
        assert_eq!(map["registry.example/web:1"], format!("shop@{}", Digest::of(b"web")));
        assert_eq!(map.len(), 3);
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
            BundleIndex::parse(br#"{"schemaVersion":2,"schemaVersion":2}"#),
            Err(IndexError::Malformed(Malformed::Document(_)))
        ));
        assert!(matches!(BundleIndex::parse(b"[]"), Err(IndexError::Malformed(Malformed::Member(_)))));
        assert!(matches!(
            BundleIndex::parse(&vec![b' '; document::MAX_BYTES + 1]),
            Err(IndexError::Malformed(Malformed::Document(document::InvalidDocument::TooLong(..))))
        ));
    }
}
