//! Turns `carnet.yaml` into the `bundle.json` that it stands for.
//!
//! The file is for people: what follows from something else is left out of it, such as the digest of the component, the
//! place of an output or the name of a variable. What comes out holds nothing that is false or empty, so that other
//! CNAB tools, which leave such members out when they write a bundle anew, keep its digest.
//!
//! Reading goes on after a fault, so that the author hears of everything at once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::bundle::Fault;
use crate::capability::template::Names;
use crate::capability::{InvalidRequests, Requests};
use crate::digest::Digest;
use crate::document;
use crate::oci::media_type::OCI_MANIFEST;

pub(super) mod shape;
mod file;
mod bundle;

use file::{ActionSpec, CredentialSpec, DependencySpec, ImageSpec, OutputSpec, ParameterSpec, each};
use shape::{Misfits, Shape, below};

pub use file::SourceSpec;

/// The name of the file.
pub(super) const FILE: &str = "carnet.yaml";

/// The rule that faults of the file break.
pub(super) const RULE: &str = "Source of carnet.dev/v1alpha1";

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
    dependencies: BTreeMap<String, DependencySpec>,
}

/// A `carnet.yaml` that was looked through.
pub(super) struct Reading {
    /// Its content, without what could not be used. None: nothing could.
    pub(super) source: Option<BundleSource>,
    /// Everything that is wrong with it.
    pub(super) faults: Vec<Fault>,
}

impl BundleSource {
    /// Reads the text of a `carnet.yaml`, whatever is wrong with it.
    pub(super) fn read(yaml: &str) -> Reading {
        let none =
            |fault: String| Reading { source: None, faults: vec![Fault::error(String::new(), fault, RULE)] };
        let mut value = match document::yaml(yaml) {
            Ok(value) => value,
            Err(error) => return none(error.to_string()),
        };
        let mut misfits = Shape::of::<SourceSpec>().check(&mut value, RULE);
        let Value::Object(mut members) = value else {
            return Reading { source: None, faults: misfits.faults };
        };
        for (name, expected) in [("apiVersion", API_VERSION), ("kind", "Source")] {
            if members.get(name).is_some_and(|found| found != expected) {
                misfits.fault(&below("", name), format!("must be `{expected}`"));
            }
        }
        check_name(&members, &mut misfits);
        for fault in misfits.faults.iter_mut().filter(|fault| fault.pointer == "/version") {
            fault.what.push_str(", and as three numbers (`\"1.0.0\"`)");
        }
        let requests = requests(&mut members, &mut misfits);
        replace_unusable(&mut members, &misfits);
        match document::typed::<SourceSpec>(Value::Object(members)) {
            Ok((file, _)) => {
                let source = Self::of(file, requests, &mut misfits);
                Reading { source: Some(source), faults: misfits.faults }
            }
            Err(error) => {
                misfits.fault("", error.to_string());
                Reading { source: None, faults: misfits.faults }
            }
        }
    }

    fn of(mut file: SourceSpec, requests: Requests, misfits: &mut Misfits) -> Self {
        Self {
            name: file.name.clone(),
            version: file.version.clone(),
            component: file.component.clone(),
            requests,
            parameters: each("/parameters", std::mem::take(&mut file.parameters), misfits),
            outputs: each("/outputs", std::mem::take(&mut file.outputs), misfits),
            credentials: each("/credentials", std::mem::take(&mut file.credentials), misfits),
            images: images(each("/images", std::mem::take(&mut file.images), misfits), misfits),
            actions: each("/actions", std::mem::take(&mut file.actions), misfits),
            dependencies: each("/dependencies", std::mem::take(&mut file.dependencies), misfits),
            file,
        }
    }

    #[cfg(test)]
    pub(super) fn parse(yaml: &str) -> Result<Self, Vec<Fault>> {
        let Reading { source, faults } = Self::read(yaml);
        source.filter(|_| faults.is_empty()).ok_or(faults)
    }
}

/// The name goes into references, rules of trust and command lines, where a space would end it. CNAB allows more.
fn check_name(members: &Map<String, Value>, misfits: &mut Misfits) {
    let is_part = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    let Some(name) = members.get("name").and_then(Value::as_str) else { return };
    if let Some(strange) = name.chars().find(|c| !is_part(*c)) {
        let strange = document::visible(&strange.to_string());
        let what = format!("has `{strange}` in it: a name is made of letters, digits and `.`, `_`, `-`, `/`");
        misfits.fault("/name", what);
    }
}

/// Puts something in the place of members that cannot be used, so that the rest can be checked.
fn replace_unusable(members: &mut Map<String, Value>, misfits: &Misfits) {
    let bad: Vec<_> = members.keys().filter(|name| misfits.has(&below("", name))).cloned().collect();
    bad.iter().for_each(|name| drop(members.remove(name)));
    for (name, value) in [
        ("apiVersion", API_VERSION),
        ("kind", "Source"),
        ("name", "unnamed"),
        ("version", "0.0.0"),
        ("component", "component.wasm"),
    ] {
        members.entry(name).or_insert_with(|| value.into());
    }
    if let Some(Value::Array(items)) = members.get_mut("maintainers") {
        let mut places = (0..).map(|index: usize| format!("/maintainers/{index}"));
        items.retain(|_| places.next().is_none_or(|place| !misfits.has(&place)));
    }
}

/// The requests that can be used, each text of which could be filled for some installation. They are checked one by one, so
/// that one fault hides no other.
fn requests(members: &mut Map<String, Value>, misfits: &mut Misfits) -> Requests {
    let names: BTreeSet<_> = members
        .get("parameters")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
        .cloned()
        .collect();
    let parameters = names.into_iter().map(|name| (name, "x".into())).collect();
    let names = Names { installation: "x".into(), namespace: "x".into(), parameters };
    let mut all = Requests::default();
    for (index, handled) in members.get("handles").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        let Some(action) = handled.as_str() else { continue };
        let one = Requests { handles: vec![action.to_owned()], ..Requests::default() };
        noted(&one, &names, &format!("/handles/{index}"), misfits);
        all.handles.push(action.to_owned());
    }
    let declared: BTreeSet<_> = members
        .get("credentials")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
        .cloned()
        .collect();
    let Some(Value::Object(sections)) = members.remove("requests") else { return all };
    for (at, what) in undeclared(&sections, &declared) {
        misfits.fault(&format!("/requests{at}"), what);
    }
    for (section, items) in sections {
        for (index, item) in items.as_array().cloned().unwrap_or_default().into_iter().enumerate() {
            let at = format!("/requests/{section}/{index}");
            if misfits.has(&at) || misfits.has(&format!("/requests/{section}")) {
                continue;
            }
            // A fault of one text of a request is told at that text, and one of all of it at the request.
            let parts = parts_of(&item, |below, part| {
                read(&section, part, &names, &format!("{at}{below}"), misfits).is_some()
            });
            let whole = parts.then(|| read(&section, item, &names, &at, misfits)).flatten();
            whole.into_iter().for_each(|one| all.add(one));
        }
    }
    // Faults of several of them together.
    if let Err(error @ InvalidRequests::Twice(_)) = all.check() {
        misfits.fault("/requests", error.to_string());
    }
    all
}

/// One request of a section, if it can be used.
fn read(section: &str, item: Value, names: &Names, at: &str, misfits: &mut Misfits) -> Option<Requests> {
    let one = Map::from_iter([(section.to_owned(), Value::Array(vec![item]))]);
    match document::typed::<Requests>(Value::Object(one)) {
        Ok((one, _)) => noted(&one, names, at, misfits).then_some(one),
        Err(error) => {
            misfits.fault(at, error.to_string());
            None
        }
    }
}

/// Has each text of a request looked at alone, with something that is sound in the place of the others. Whether all are.
fn parts_of(item: &Value, mut is_sound: impl FnMut(String, Value) -> bool) -> bool {
    let mut all = true;
    let mut sound = item.clone();
    for (member, instead) in
        [("kinds", "ConfigMap"), ("namespaces", "x"), ("names", "x"), ("into", "x/Secret/x")]
    {
        let Some(texts) = item.get(member).and_then(Value::as_array) else { continue };
        let mut alone = sound.clone();
        for (other, text) in [("namespaces", "x"), ("names", "x")] {
            if other != member && item.get(other).is_some() {
                alone[other] = json!([text]);
            }
        }
        let mut are = true;
        for (index, text) in texts.iter().enumerate() {
            alone[member] = json!([text]);
            are &= is_sound(format!("/{member}/{index}"), alone.clone());
        }
        if !are {
            sound[member] = json!([instead]);
        }
        all &= are;
    }
    all
}

/// Requests for credentials that the bundle does not have, by their places below the requests.
pub(super) fn undeclared(
    requests: &Map<String, Value>,
    declared: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let items = requests.get("credentials").and_then(Value::as_array).into_iter().flatten().enumerate();
    let found = items.filter_map(|(index, item)| {
        let name = item.get("name")?.as_str().filter(|name| !declared.contains(*name))?;
        let known = document::slip::known(name, declared.iter().map(String::as_str));
        let what = format!("the bundle has no credential `{}` {known}", document::visible(name));
        Some((format!("/credentials/{index}/name"), what))
    });
    found.collect()
}

/// Whether one request can be used.
fn noted(one: &Requests, names: &Names, at: &str, misfits: &mut Misfits) -> bool {
    match one.check().and_then(|()| one.all(names).map(drop)) {
        Ok(()) => true,
        Err(error) => misfits.fault(at, error.to_string()),
    }
}

/// The images, each named by its digest.
fn images(images: BTreeMap<String, ImageSpec>, misfits: &mut Misfits) -> BTreeMap<String, Value> {
    let mut named = BTreeMap::new();
    for (name, image) in images {
        let digest = image.image.rsplit_once('@').and_then(|(_, digest)| digest.parse::<Digest>().ok());
        let Some(digest) = digest else {
            let at = below(&below("/images", &name), "image");
            misfits.fault(&at, "the image must be named by its digest (`…@sha256:…`)".into());
            continue;
        };
        let value = json!({
            "image": image.image,
            "imageType": "oci",
            "contentDigest": digest,
            "size": image.size,
            "mediaType": image.media_type.as_deref().unwrap_or(OCI_MANIFEST),
            "description": image.description,
        });
        named.insert(name, value);
    }
    named
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

    /// The faults of the file with one text in the place of another.
    fn faults(from: &str, to: &str) -> Vec<String> {
        assert!(FULL.contains(from), "{from}");
        let faults = BundleSource::parse(&FULL.replacen(from, to, 1)).err().unwrap();
        faults.iter().map(ToString::to_string).collect()
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
            "apiVersion: carnet.dev/v1alpha1\nkind: Source\nname: Web/2\nversion: 1.0.0\ncomponent: web.wasm\n",
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
        for (from, to, expected) in [
            (
                "required: true",
                "requird: true",
                "/parameters/site.host-name/requird: is not known here; is `required` meant?",
            ),
            (
                "required: true",
                "required: 1",
                "/parameters/site.host-name/required: must be `true` or `false`",
            ),
            ("license:", "licence:", "/licence: is not known here; is `license` meant?"),
            ("kind: Source", "kind: Grant", "/kind: must be `Source`"),
            ("handles: [install", "handles: [instal", "/handles/0: `handles` names `instal`, which"),
            ("${installation}", "${instalation}", "/requests/kubernetes/0/names/0: `${instalation}"),
            ("name: guestbook\n", "name: Guest Book\n", "/name: has ` ` in it: a name is made of letters"),
            (
                "[apply]",
                "[aply]",
                "/requests/kubernetes/0/verbs/0: must be one of `get`, `get-secret`, `apply`, `delete`; is `apply` meant?",
            ),
            ("@sha256:4", ":4", "/images/web/image: the image must be named by its digest"),
            ("name: guestbook\n", "name: [\n", "/: while parsing"),
        ] {
            let faults = faults(from, to);
            assert!(faults.len() == 1 && faults[0].starts_with(expected), "{to}: {faults:?}");
        }
        let missing = faults("size: 528", "sise: 528");
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(missing[1].starts_with("/images/web: the member `size` is missing"), "{missing:?}");
    }

    #[test]
    fn no_fault_of_a_request_hides_another() {
        let text = "apiVersion: carnet.dev/v1alpha1
kind: Source
name: web
version: 1.0
component: web.wasm
credentials: {known: {}}
images: {a: {image: \"r.example/a:1\", size: 1}}
requests:
  kubernetes:
  - {verbs: [apply], kinds: [configMap, Secret], namespaces: ['${namespac}', ok], names: ['${instalation}', ok, '${parameters.x}']}
  - {verbs: [get-secret], kinds: [Secret], namespaces: ['${namespace}'], names: ['${installation}-x']}
  - {verbs: [apply], kinds: [Namespace], names: ['${installation}', 'b*d']}
  credentials:
  - {name: knownn, into: ['${namespace}/secret/x', '${namespace}/Secret/y']}
";
        let faults = BundleSource::read(text).faults;
        let at: BTreeSet<_> = faults.iter().map(|fault| &*fault.pointer).collect();
        let expected = [
            "/images/a/image",
            "/requests/credentials/0/into/0",
            "/requests/credentials/0/name",
            "/requests/kubernetes/0/kinds/0",
            "/requests/kubernetes/0/names/0",
            "/requests/kubernetes/0/names/2",
            "/requests/kubernetes/0/namespaces/0",
            "/requests/kubernetes/2/names/1",
            "/version",
        ];
        assert_eq!(at, expected.into(), "{faults:#?}");
        let what = |at: &str| faults.iter().find(|fault| fault.pointer == at).unwrap().what.clone();
        assert_eq!(what("/version"), "must be text: write it in quotes, and as three numbers (`\"1.0.0\"`)");
        assert!(what("/requests/credentials/0/name").contains("did you mean `known`?"), "{faults:#?}");
    }

    #[test]
    fn a_request_for_one_name_of_two_kinds_is_told_beside_other_faults() {
        let twice = "generate:\n  - { name: db-password, into: [\"${namespace}/Secret/x\"] }\n  credentials:";
        let faults = faults("credentials:\n  - {", &format!("{twice}\n  - {{"));
        assert_eq!(
            faults,
            [
                "/requests: `credentials` and `generate` both name `db-password` (Source of carnet.dev/v1alpha1)"
            ]
        );
    }

    #[test]
    fn of_a_file_with_many_faults_each_is_told_and_the_rest_is_read() {
        let text = FULL
            .replace("license:", "licence:")
            .replace("version: 1.0.0", "version: 1")
            .replace("required: true\n    applyTo", "requird: true\n    applyTo")
            .replace("verbs: [apply]", "verbs: [appply]")
            .replace("@sha256:4", ":4")
            .replace("handles: [install, upgrade]", "handles: [install, upgrad]");
        let Reading { source, faults } = BundleSource::read(&text);
        let at: Vec<_> = faults.iter().map(|fault| &*fault.pointer).collect();
        let expected = [
            "/handles/1",
            "/images/web/image",
            "/licence",
            "/parameters/site.host-name/requird",
            "/requests/kubernetes/0/verbs/0",
            "/version",
        ];
        assert_eq!(at.iter().copied().collect::<BTreeSet<_>>(), expected.into(), "{faults:?}");
        let source = source.unwrap();
        assert_eq!((&*source.name, &*source.version, source.parameters.len()), ("guestbook", "0.0.0", 2));
        assert_eq!(source.requests.credentials.len(), 1, "what is right is still requested");
        assert!(source.requests.kubernetes.is_empty());
    }
}
