//! Turns a bundle into the bytes of its index, as cnab-to-oci writes them.
//!
//! The order of the members is part of the format: the digest, and so the signature, is over these bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::canonical::go_json;
use super::super::{Bundle, Image, Maintainer};
use super::config::{ConfigForm, config_manifest};
use super::{
    ARTIFACT_TYPE, AUTHORS, CHILD_TYPES, CNAB_MANIFEST, COMPONENT_NAME, IndexError, KEYWORDS, MANIFEST_TYPE,
};
use crate::digest::Digest;
use crate::document;
use crate::oci::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_MANIFEST};
use crate::oci::{Descriptor, Malformed};

/// The form of an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IndexForm {
    /// A Docker manifest list, for registries without OCI.
    Docker,
    /// An OCI index.
    #[default]
    Oci,
}

/// The bytes of the index for a bundle with a config manifest in the given form.
///
/// # Errors
/// [`IndexError::Unset`] and [`IndexError::Invocation`] for bundles that cannot be written down as an index.
pub fn write_index(bundle: &Bundle, form: ConfigForm, listing: IndexForm) -> Result<Vec<u8>, IndexError> {
    let [invocation] = bundle.invocation_images() else { return Err(IndexError::Invocation) };
    let config = config_manifest(bundle.bytes(), form);
    let mut manifests = vec![
        WireChild::new(Descriptor::of(form.media_type(), &config), "config", None),
        WireChild::of("invocation image", invocation, "invocation")?,
    ];
    for (name, image) in bundle.images() {
        manifests.push(WireChild::of(name, image, "component")?);
    }
    let media_type = (listing == IndexForm::Docker).then_some(DOCKER_LIST);
    let wire = WireIndex { schema_version: 2, manifests, annotations: annotations(bundle)?, media_type };
    Ok(go_json(&wire).map_err(json)?.into_bytes())
}

/// The index as it is serialized. The order of the members is part of the format.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireIndex {
    schema_version: u8,
    manifests: Vec<WireChild>,
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'static str>,
}

/// A child of the index as it is serialized.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireChild {
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

impl WireChild {
    fn new(child: Descriptor, kind: &str, name: Option<&str>) -> Self {
        let Descriptor { media_type, digest, size, .. } = child;
        let name = name.map(|name| (COMPONENT_NAME, name.to_owned()));
        let annotations = name.into_iter().chain([(MANIFEST_TYPE, kind.to_owned())]).collect();
        Self { media_type, digest, size, annotations }
    }

    fn of(name: &str, image: &Image, kind: &str) -> Result<Self, IndexError> {
        let unset = |what| IndexError::Unset { name: name.into(), what };
        let media_type = match (image.media_type.as_deref(), image.image_type.as_str()) {
            (Some(media_type), _) if CHILD_TYPES.contains(&media_type) => media_type,
            (Some(media_type), _) => return Err(Malformed::MediaType(media_type.into()).into()),
            (None, "oci") => OCI_MANIFEST,
            (None, "docker") => DOCKER_MANIFEST,
            (None, _) => return Err(unset("media type")),
        };
        let size = image.size.filter(|size| *size > 0).ok_or_else(|| unset("size"))?;
        let child = Descriptor { digest: image.digest, size, ..Descriptor::of(media_type, b"") };
        Ok(Self::new(child, kind, (kind == "component").then_some(name)))
    }
}

/// The annotations that the index of a bundle has.
pub(super) fn annotations(bundle: &Bundle) -> Result<BTreeMap<String, String>, IndexError> {
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
        annotations.insert(KEYWORDS.into(), go_json(&keywords).map_err(json)?);
    }
    if let Some(maintainers) = bundle.maintainers() {
        let authors: Vec<_> = maintainers.iter().map(Author::of).collect();
        annotations.insert(AUTHORS.into(), go_json(&authors).map_err(json)?);
    }
    Ok(annotations)
}

fn json(error: serde_json::Error) -> IndexError {
    Malformed::Document(document::InvalidDocument::from(error)).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{bundle, image};
    use super::*;

    #[test]
    fn lists_inside_annotations_are_escaped_twice() {
        let text =
            String::from_utf8(write_index(&bundle(), ConfigForm::Default, IndexForm::Oci).unwrap()).unwrap();
        assert!(text.contains(r#""io.cnab.keywords":"[\"\\u003cx\\u003e\"]""#), "{text}");
        assert!(
            text.contains(r#""org.opencontainers.image.authors":"[{\"name\":\"Q\\u0026A\"}]""#),
            "{text}"
        );
        assert!(text.contains(r#""org.opencontainers.image.description":"a \u0026 b""#), "{text}");
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
            let error = write_index(&bundle, ConfigForm::Default, IndexForm::Oci).unwrap_err();
            assert_eq!(error.to_string(), format!("`invocation image` has no {what}, which an index needs"));
        }
    }
}
