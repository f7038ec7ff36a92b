//! Turns `carnet.yaml` into the `bundle.json` that it stands for.
//!
//! The file is for people: what follows from something else is left out of it, such as the digest of the component, the
//! place of an output or the name of a variable. What comes out holds nothing that is false or empty, so that other
//! CNAB tools, which leave such members out when they write a bundle anew, keep its digest.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::AuthorError;
use crate::capability::Requests;
use crate::capability::template::Names;
use crate::digest::Digest;
use crate::document;
use crate::oci::media_type::OCI_MANIFEST;

mod file;
mod bundle;

use file::{ActionSpec, CredentialSpec, ImageSpec, OutputSpec, ParameterSpec, each, invalid, typed};

pub use file::SourceSpec;

/// The name of the file.
pub(super) const FILE: &str = "carnet.yaml";

const API_VERSION: &str = "carnet.dev/v1alpha1";

/// The content of `carnet.yaml`.
pub(super) struct BundleSource {
    pub(super) name: String,
    pub(super) version: String,
    /// The component's file, relative to the directory.
    pub(super) component: String,
    pub(super) requests: Requests,
    file: SourceSpec,
    parameters: BTreeMap<String, ParameterSpec>,
    outputs: BTreeMap<String, OutputSpec>,
    credentials: BTreeMap<String, CredentialSpec>,
    images: BTreeMap<String, Value>,
    actions: BTreeMap<String, ActionSpec>,
}

impl BundleSource {
    pub(super) fn parse(yaml: &str) -> Result<Self, AuthorError> {
        let mut file: SourceSpec = typed("", document::yaml(yaml).map_err(|source| invalid("", source))?)?;
        if file.api_version != API_VERSION || file.kind != "Source" {
            return Err(AuthorError::Kind { api_version: file.api_version, kind: file.kind });
        }
        let parameters = each("/parameters", std::mem::take(&mut file.parameters))?;
        let requests = requests(&mut file, &parameters)?;
        Ok(Self {
            name: file.name.clone(),
            version: file.version.clone(),
            component: file.component.clone(),
            requests,
            outputs: each("/outputs", std::mem::take(&mut file.outputs))?,
            credentials: each("/credentials", std::mem::take(&mut file.credentials))?,
            images: images(each("/images", std::mem::take(&mut file.images))?)?,
            actions: each("/actions", std::mem::take(&mut file.actions))?,
            parameters,
            file,
        })
    }
}

/// The requests, each text of which could be filled for some installation.
fn requests(
    file: &mut SourceSpec,
    parameters: &BTreeMap<String, ParameterSpec>,
) -> Result<Requests, AuthorError> {
    let mut text = std::mem::take(&mut file.requests);
    if text.contains_key("handles") {
        let source = document::InvalidDocument::Unknown(vec!["/handles".into()]);
        return Err(invalid("/requests", source));
    }
    text.insert("handles".into(), json!(file.handles));
    let requests: Requests = typed("/requests", Value::Object(text))?;
    requests.check()?;
    let parameters = parameters.keys().map(|name| (name.clone(), "x".into())).collect();
    requests.all(&Names { installation: "x".into(), namespace: "x".into(), parameters })?;
    Ok(requests)
}

/// The images, each named by its digest.
fn images(images: BTreeMap<String, ImageSpec>) -> Result<BTreeMap<String, Value>, AuthorError> {
    let value = |(name, image): (String, ImageSpec)| {
        let digest = image.image.rsplit_once('@').and_then(|(_, digest)| digest.parse::<Digest>().ok());
        let value = json!({
            "image": image.image,
            "imageType": "oci",
            "contentDigest": digest.ok_or_else(|| AuthorError::Image(name.clone()))?,
            "size": image.size,
            "mediaType": image.media_type.as_deref().unwrap_or(OCI_MANIFEST),
            "description": image.description,
        });
        Ok((name, value))
    };
    images.into_iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::canonical::canonical;
    use crate::bundle::lint;
    use crate::oci::Descriptor;

    const FULL: &str = include_str!("../../tests/sources/full.yaml");

    fn bundle(yaml: &str) -> Value {
        let component = Descriptor::of(OCI_MANIFEST, b"{}");
        BundleSource::parse(yaml).unwrap().bundle(&component).unwrap()
    }

    fn refusal(from: &str, to: &str) -> String {
        assert!(FULL.contains(from), "{from}");
        let error = BundleSource::parse(&FULL.replacen(from, to, 1)).err().unwrap();
        std::error::Error::source(&error).map_or(error.to_string(), |source| format!("{error}: {source}"))
    }

    #[test]
    fn everything_that_may_be_written_makes_a_bundle_without_a_fault() {
        let bundle = bundle(FULL);
        // Lower-case names are fine here, as every parameter has a variable of its own name.
        let faults =
            lint(&canonical(&bundle).unwrap()).into_iter().filter(|fault| fault.rule != "CNAB 101 #51");
        let faults: Vec<_> = faults.map(|fault| fault.to_string()).collect();
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(bundle["parameters"]["site.host-name"]["destination"]["env"], "SITE_HOST_NAME");
        assert_eq!(bundle["outputs"]["url"]["path"], "/cnab/app/outputs/url");
        assert_eq!(bundle["requiredExtensions"], json!(["dev.carnet.capabilities"]));
        assert_eq!(bundle["custom"]["dev.carnet.capabilities"]["handles"], json!(["install", "upgrade"]));
    }

    #[test]
    fn nothing_false_or_empty_is_written_but_descriptions_that_readers_rely_on() {
        let bundle = bundle(
            "apiVersion: carnet.dev/v1alpha1\nkind: Source\nname: Web 2\nversion: 1.0.0\ncomponent: web.wasm\n",
        );
        let mut names: Vec<_> = bundle.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        let expected = [
            "custom",
            "description",
            "invocationImages",
            "name",
            "requiredExtensions",
            "schemaVersion",
            "version",
        ];
        assert_eq!(names, expected);
        let image = bundle["invocationImages"][0]["image"].as_str().unwrap();
        assert!(image.starts_with("carnet.invalid/web-2@sha256:"), "{image}");
    }

    #[test]
    fn mistakes_are_named_by_their_place() {
        assert_eq!(
            refusal("required: true", "requird: true"),
            "`carnet.yaml`, /parameters/site.host-name: unknown member `/requird`"
        );
        assert!(
            refusal("required: true", "required: 1").contains("/parameters/site.host-name: invalid type")
        );
        assert!(refusal("license:", "licence:").contains("unknown member `/licence`"));
        assert!(refusal("size: 528", "sise: 528").contains("/images/web: the member `size` is missing"));
        assert!(refusal("kind: Source", "kind: Grant").contains("kind `Grant`"));
        assert!(refusal("handles: [install", "handles: [instal").contains("`instal`"));
        assert!(refusal("${installation}", "${instalation}").contains("${instalation}"));
        assert!(refusal("verbs:", "verb:").contains("/requests"));
        assert!(refusal("@sha256:4", ":4").contains("/images/web: the image must be named by its digest"));
    }
}
