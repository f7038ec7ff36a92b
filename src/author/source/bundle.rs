//! Turns `carnet.yaml` into `bundle.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::AuthorError;
use super::BundleSource;
use super::file::{ActionSpec, CredentialSpec, MaintainerSpec, OutputSpec, ParameterOrigin, ParameterSpec};
use crate::bundle::OUTPUTS;
use crate::bundle::dependencies::DEPENDENCIES;
use crate::bundle::parameter_sources::PARAMETER_SOURCES;
use crate::capability;
use crate::document;
use crate::oci::Descriptor;

impl BundleSource {
    /// The `bundle.json` with a component that has this OCI manifest.
    pub(in crate::author) fn bundle(&self, component: &Descriptor) -> Result<Value, AuthorError> {
        let requests = serde_json::to_value(&self.requests).map_err(document::InvalidDocument::from)?;
        let bundle = json!({
            "schemaVersion": "v1.2.0",
            "name": self.name,
            "version": self.version,
            "license": self.file.license,
            "keywords": self.file.keywords,
            "maintainers": self.file.maintainers.iter().map(MaintainerSpec::value).collect::<Vec<_>>(),
            "invocationImages": [component_image(&self.name, component)],
            "images": self.images,
            "actions": values(&self.actions, |_, action| action.value()),
            "parameters": values(&self.parameters, ParameterSpec::value),
            "credentials": values(&self.credentials, CredentialSpec::value),
            "outputs": values(&self.outputs, OutputSpec::value),
            "definitions": self.definitions(),
        });
        let mut bundle = without_empty(bundle);
        // These two stand whatever they are: readers rely on them.
        bundle["description"] = self.file.description.clone().into();
        let extensions = [
            (capability::EXTENSION, requests),
            (DEPENDENCIES, self.dependencies()),
            (PARAMETER_SOURCES, self.parameter_sources()),
        ];
        let extensions =
            extensions.into_iter().filter(|(name, value)| *name == capability::EXTENSION || !value.is_null());
        let custom: Map<_, _> = extensions.map(|(name, value)| (name.to_owned(), value)).collect();
        bundle["requiredExtensions"] = custom.keys().cloned().collect::<Vec<_>>().into();
        bundle["custom"] = custom.into();
        Ok(bundle)
    }

    /// The bundles that it depends on (CNAB 500). Null: none.
    fn dependencies(&self) -> Value {
        if self.dependencies.is_empty() && self.file.sequence.is_empty() {
            return Value::Null;
        }
        let requires = values(&self.dependencies, |_, it| {
            let version = json!({ "ranges": it.versions, "prereleases": it.prereleases });
            without_empty(json!({ "bundle": it.bundle, "version": without_empty(version) }))
        });
        let mut dependencies = json!({ "requires": requires });
        if !self.file.sequence.is_empty() {
            dependencies["sequence"] = json!(self.file.sequence);
        }
        dependencies
    }

    /// The outputs that parameters have their values from (CNAB 810). Null: none.
    fn parameter_sources(&self) -> Value {
        let source = |(name, parameter): (&String, &ParameterSpec)| {
            let ParameterOrigin { dependency, output } = parameter.from.as_ref()?;
            let (kind, source) = match dependency {
                Some(dependency) => {
                    ("dependencies.output", json!({ "dependency": dependency, "name": output }))
                }
                None => ("output", json!({ "name": output })),
            };
            Some((name.clone(), json!({ "priority": [kind], "sources": { kind: source } })))
        };
        let sources: Map<_, _> = self.parameters.iter().filter_map(source).collect();
        if sources.is_empty() { Value::Null } else { sources.into() }
    }

    fn definitions(&self) -> Map<String, Value> {
        let parameters =
            self.parameters.iter().map(|(name, it)| (parameter_definition(name), it.schema.clone()));
        let outputs = self.outputs.iter().map(|(name, it)| (output_definition(name), it.schema.clone()));
        parameters.chain(outputs).collect()
    }
}

impl MaintainerSpec {
    fn value(&self) -> Value {
        without_empty(json!({ "name": self.name, "email": self.email, "url": self.url }))
    }
}

impl ParameterSpec {
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

impl CredentialSpec {
    fn value(name: &str, it: &Self) -> Value {
        let mut value = destination(name, it.env.as_deref(), it.path.as_deref());
        value["description"] = it.description.clone().into();
        value["required"] = it.required.into();
        value["applyTo"] = json!(it.apply_to);
        without_empty(value)
    }
}

impl OutputSpec {
    fn value(name: &str, it: &Self) -> Value {
        without_empty(json!({
            "definition": output_definition(name),
            "description": it.description,
            "applyTo": it.apply_to,
            "path": format!("{OUTPUTS}/{name}"),
        }))
    }
}

impl ActionSpec {
    fn value(&self) -> Value {
        without_empty(json!({
            "description": self.description,
            "modifies": self.modifies,
            "stateless": self.stateless,
        }))
    }
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

/// An object without the members that other tools leave out: null, `false` and empty values.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;

    const HEAD: &str =
        "apiVersion: carnet.dev/v1alpha1\nkind: Source\nname: web\nversion: 1.0.0\ncomponent: x.wasm\n";

    fn bundle(rest: &str) -> Value {
        let source =
            BundleSource::parse(&format!("{HEAD}{rest}")).map_err(|faults| format!("{faults:?}")).unwrap();
        source.bundle(&Descriptor::of(crate::oci::media_type::OCI_MANIFEST, b"x")).unwrap()
    }

    #[test]
    fn what_it_depends_on_stands_where_other_tools_look_for_it() {
        let written = bundle(
            "parameters:\n  address: { schema: { type: string }, from: { dependency: db, output: url } }\n  state: \
             { schema: { type: string }, from: { output: state } }\noutputs:\n  state: { schema: { type: string } }\n\
             dependencies:\n  db: { bundle: registry.example/acme/db, versions: [1.x, 2.1.x], prereleases: true }\n  \
             cache: { bundle: registry.example/acme/cache }\nsequence: [db, cache]\n",
        );
        assert_eq!(
            written["custom"][DEPENDENCIES],
            json!({ "sequence": ["db", "cache"], "requires": {
                "cache": { "bundle": "registry.example/acme/cache" },
                "db": { "bundle": "registry.example/acme/db",
                    "version": { "ranges": ["1.x", "2.1.x"], "prereleases": true } },
            } })
        );
        assert_eq!(
            written["custom"][PARAMETER_SOURCES],
            json!({
                "address": { "priority": ["dependencies.output"],
                    "sources": { "dependencies.output": { "dependency": "db", "name": "url" } } },
                "state": { "priority": ["output"], "sources": { "output": { "name": "state" } } },
            })
        );
        let required = json!([capability::EXTENSION, DEPENDENCIES, PARAMETER_SOURCES]);
        assert_eq!(written["requiredExtensions"], required);
        let (read, _) = Bundle::parse(written.to_string().as_bytes()).unwrap();
        let dependencies = crate::bundle::dependencies::of(&read).unwrap();
        assert_eq!(dependencies.order(), ["db", "cache"]);
    }

    #[test]
    fn who_depends_on_nothing_says_nothing_of_it() {
        let written = bundle("");
        assert_eq!(written["requiredExtensions"], json!([capability::EXTENSION]));
        assert_eq!(written["custom"].as_object().unwrap().len(), 1);
    }
}
