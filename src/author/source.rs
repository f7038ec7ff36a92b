//! Turns `carnet.yaml` into the `bundle.json` that it stands for.
//!
//! The file is for people: what follows from something else is left out of it, such as the digest of the component, the
//! place of an output or the name of a variable. What comes out holds nothing that is false or empty, so that other
//! CNAB tools, which leave such members out when they write a bundle anew, keep its digest.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::AuthorError;
use crate::bundle::OUTPUTS;
use crate::capability::template::Names;
use crate::capability::{self, Requests};
use crate::digest::Digest;
use crate::document;
use crate::oci::Descriptor;
use crate::oci::media_type::OCI_MANIFEST;

/// The name of the file.
pub(super) const FILE: &str = "carnet.yaml";

const API_VERSION: &str = "carnet.dev/v1alpha1";

/// What `carnet.yaml` says.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) version: String,
    /// The component's file, relative to the directory.
    pub(super) component: String,
    pub(super) requests: Requests,
    file: File,
    parameters: BTreeMap<String, Parameter>,
    outputs: BTreeMap<String, Output>,
    credentials: BTreeMap<String, Credential>,
    images: BTreeMap<String, Value>,
    actions: BTreeMap<String, Action>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    api_version: String,
    kind: String,
    name: String,
    version: String,
    #[serde(default)]
    description: String,
    license: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    maintainers: Vec<Maintainer>,
    component: String,
    #[serde(default)]
    handles: Vec<String>,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
    #[serde(default)]
    outputs: BTreeMap<String, Value>,
    #[serde(default)]
    credentials: BTreeMap<String, Value>,
    #[serde(default)]
    images: BTreeMap<String, Value>,
    #[serde(default)]
    actions: BTreeMap<String, Value>,
    #[serde(default)]
    requests: Map<String, Value>,
}

#[derive(Deserialize)]
struct Maintainer {
    name: String,
    email: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameter {
    schema: Value,
    #[serde(default)]
    description: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    apply_to: Vec<String>,
    env: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    schema: Value,
    #[serde(default)]
    description: String,
    #[serde(default)]
    apply_to: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    #[serde(default)]
    description: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    apply_to: Vec<String>,
    env: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    image: String,
    size: u64,
    media_type: Option<String>,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    #[serde(default)]
    description: String,
    #[serde(default)]
    modifies: bool,
    #[serde(default)]
    stateless: bool,
}

impl Source {
    pub(super) fn parse(yaml: &str) -> Result<Self, AuthorError> {
        let mut file: File = typed("", document::yaml(yaml).map_err(|source| invalid("", source))?)?;
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

    /// The `bundle.json` with a component that has this OCI manifest.
    pub(super) fn bundle(&self, component: &Descriptor) -> Result<Value, AuthorError> {
        let requests =
            serde_json::to_value(&self.requests).map_err(|error| invalid("/requests", error.into()))?;
        let bundle = json!({
            "schemaVersion": "v1.2.0",
            "name": self.name,
            "version": self.version,
            "license": self.file.license,
            "keywords": self.file.keywords,
            "maintainers": self.file.maintainers.iter().map(Maintainer::value).collect::<Vec<_>>(),
            "invocationImages": [component_image(&self.name, component)],
            "images": self.images,
            "actions": values(&self.actions, |_, action| action.value()),
            "parameters": values(&self.parameters, Parameter::value),
            "credentials": values(&self.credentials, Credential::value),
            "outputs": values(&self.outputs, Output::value),
            "definitions": self.definitions(),
            "requiredExtensions": [capability::EXTENSION],
        });
        let mut bundle = without_empty(bundle);
        // These two stand whatever they are: readers rely on them.
        bundle["description"] = self.file.description.clone().into();
        bundle["custom"] = json!({ capability::EXTENSION: requests });
        Ok(bundle)
    }

    fn definitions(&self) -> Map<String, Value> {
        let parameters =
            self.parameters.iter().map(|(name, it)| (parameter_definition(name), it.schema.clone()));
        let outputs = self.outputs.iter().map(|(name, it)| (output_definition(name), it.schema.clone()));
        parameters.chain(outputs).collect()
    }
}

impl Maintainer {
    fn value(&self) -> Value {
        without_empty(json!({ "name": self.name, "email": self.email, "url": self.url }))
    }
}

impl Parameter {
    fn value(name: &str, it: &Self) -> Value {
        without_empty(json!({
            "definition": parameter_definition(name),
            "description": it.description,
            "required": it.required,
            "applyTo": it.apply_to,
            "destination": destination(name, it.env.as_deref(), it.path.as_deref()),
        }))
    }
}

impl Credential {
    fn value(name: &str, it: &Self) -> Value {
        let mut value = destination(name, it.env.as_deref(), it.path.as_deref());
        value["description"] = it.description.clone().into();
        value["required"] = it.required.into();
        value["applyTo"] = json!(it.apply_to);
        without_empty(value)
    }
}

impl Output {
    fn value(name: &str, it: &Self) -> Value {
        without_empty(json!({
            "definition": output_definition(name),
            "description": it.description,
            "applyTo": it.apply_to,
            "path": format!("{OUTPUTS}/{name}"),
        }))
    }
}

impl Action {
    fn value(&self) -> Value {
        without_empty(json!({
            "description": self.description,
            "modifies": self.modifies,
            "stateless": self.stateless,
        }))
    }
}

/// The requests, each text of which could be filled for some installation.
fn requests(file: &mut File, parameters: &BTreeMap<String, Parameter>) -> Result<Requests, AuthorError> {
    let mut text = std::mem::take(&mut file.requests);
    if text.contains_key("handles") {
        let source = document::Invalid::Unknown(vec!["/handles".into()]);
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
fn images(images: BTreeMap<String, Image>) -> Result<BTreeMap<String, Value>, AuthorError> {
    let value = |(name, image): (String, Image)| {
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

/// The component as an image. Where it will be is not known when it is built and does not matter, as it is found by its
/// digest; the name is one that can never be looked up (RFC 2606).
fn component_image(name: &str, component: &Descriptor) -> Value {
    json!({
        "image": format!("carnet.invalid/{}@{}", repository(name), component.digest),
        "imageType": "oci",
        "contentDigest": component.digest,
        "size": component.size,
        "mediaType": component.media_type,
    })
}

/// A name of a repository that is made from the name of a bundle, which may hold any character that leaves a mark.
fn repository(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    if name.is_empty() { "bundle".into() } else { name }
}

fn parameter_definition(name: &str) -> String {
    format!("parameter-{name}")
}

fn output_definition(name: &str) -> String {
    format!("output-{name}")
}

/// Where a value goes: where the author says, else into a variable named after it.
fn destination(name: &str, env: Option<&str>, path: Option<&str>) -> Value {
    let default = || path.is_none().then(|| name.to_uppercase().replace(['-', '.'], "_"));
    without_empty(json!({ "env": env.map(Into::into).or_else(default), "path": path }))
}

/// An object without the members that other tools leave out: nothing, `false`, and what is empty.
fn without_empty(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let holds = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    Value::Object(members.into_iter().filter(|(_, value)| holds(value)).collect())
}

fn values<T>(items: &BTreeMap<String, T>, value: impl Fn(&str, &T) -> Value) -> Map<String, Value> {
    items.iter().map(|(name, item)| (name.clone(), value(name, item))).collect()
}

fn each<T: DeserializeOwned>(
    at: &str,
    items: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, T>, AuthorError> {
    items
        .into_iter()
        .map(|(name, value)| Ok((name.clone(), typed(&format!("{at}/{name}"), value)?)))
        .collect()
}

/// Reads a value strictly; errors name the place in the file.
fn typed<T: DeserializeOwned>(at: &str, value: Value) -> Result<T, AuthorError> {
    let (found, unknown) = document::typed(value).map_err(|source| invalid(at, source))?;
    if unknown.is_empty() { Ok(found) } else { Err(invalid(at, document::Invalid::Unknown(unknown))) }
}

fn invalid(at: &str, source: document::Invalid) -> AuthorError {
    AuthorError::Source { at: at.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::canonical::canonical;
    use crate::bundle::lint;

    const FULL: &str = include_str!("../../tests/sources/full.yaml");

    fn bundle(yaml: &str) -> Value {
        let component = Descriptor::of(OCI_MANIFEST, b"{}");
        Source::parse(yaml).unwrap().bundle(&component).unwrap()
    }

    fn refusal(from: &str, to: &str) -> String {
        assert!(FULL.contains(from), "{from}");
        let error = Source::parse(&FULL.replacen(from, to, 1)).err().unwrap();
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
        assert!(refusal("size: 528", "sise: 528").contains("/images/web: missing field `size`"));
        assert!(refusal("kind: Source", "kind: Grant").contains("kind `Grant`"));
        assert!(refusal("handles: [install", "handles: [instal").contains("`instal`"));
        assert!(refusal("${installation}", "${instalation}").contains("${instalation}"));
        assert!(refusal("verbs:", "verb:").contains("/requests"));
        assert!(refusal("@sha256:4", ":4").contains("/images/web: the image must be named by its digest"));
    }
}
