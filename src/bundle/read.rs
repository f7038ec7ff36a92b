//! Turns the JSON value of a `bundle.json` into its content, and collects everything that is wrong on the way.
//!
//! One pass serves the reader and the linter, so that they can never disagree about what a rule is, only about how bad
//! it is to break it ([`Weight`]).

use semver::Version;
use serde_json::{Map, Value};

use super::definition::{Definition, MAX_WORK_TOGETHER, children};
use super::dependencies::DEPENDENCIES;
use super::fault::{Fault, FaultSeverity, Purpose};
use super::parameter_sources::PARAMETER_SOURCES;
use super::validator::{Members, Validator, Weight, below};
use super::{Action, BUILT_IN_ACTIONS, Content, Maintainer, dependencies, is_graphic, parameter_sources};
use crate::document;

mod path;
mod images;
mod values;
mod consistency;

/// Reads the content of a bundle. It is there if and only if no fault is an error.
pub(super) fn content(value: &Value, purpose: Purpose) -> (Option<Content>, Vec<Fault>) {
    content_within(&mut { MAX_WORK_TOGETHER }, value, purpose)
}

/// As [`content`], of which the checking of values takes from what is left for it.
pub(super) fn content_within(
    work: &mut usize,
    value: &Value,
    purpose: Purpose,
) -> (Option<Content>, Vec<Fault>) {
    let mut validator = Validator::new(purpose).within(*work);
    let content = validator.bundle(value).filter(|_| !validator.refused);
    *work = validator.budget.left();
    (content, validator.faults)
}

/// The parts of a bundle.
impl Validator {
    fn bundle(&mut self, value: &Value) -> Option<Content> {
        const KNOWN: [&str; 16] = [
            "actions",
            "credentials",
            "custom",
            "definitions",
            "description",
            "images",
            "invocationImages",
            "keywords",
            "license",
            "maintainers",
            "name",
            "outputs",
            "parameters",
            "requiredExtensions",
            "schemaVersion",
            "version",
        ];
        let members = self.object(String::new(), value, &KNOWN)?;
        let schema_version = self.schema_version(&members);
        let name = self.name(&members);
        let version = self.version(&members);
        let license = self.license(&members);
        let invocation_images = self.invocation_images(&members);
        let images = self.entries(&members, "images", "CNAB 101 #34", |validator, at, _, value| {
            validator.image(at, value, true)
        });
        let actions = self.entries(&members, "actions", "CNAB 101 #84", Self::action);
        let definitions = self.entries(&members, "definitions", "CNAB 101 #38", Self::definition);
        let parameters =
            self.entries(&members, "parameters", "CNAB 101 #45", |validator, at, name, value| {
                validator.parameter(at, name, value, &definitions)
            });
        let credentials = self.entries(&members, "credentials", "CNAB 101 #69", |validator, at, _, value| {
            validator.credential(at, value)
        });
        let outputs = self.entries(&members, "outputs", "CNAB 101 #103", |validator, at, _, value| {
            validator.output(at, value, &definitions)
        });
        let content = Content {
            schema_version: schema_version?,
            name: name?,
            version: version?,
            description: self.description(&members),
            license,
            keywords: self.texts(&members, "keywords", "CNAB 101 #16"),
            maintainers: self.items(&members, "maintainers", "CNAB 101 #16", Self::maintainer),
            invocation_images: invocation_images?,
            images,
            actions,
            parameters,
            credentials,
            outputs,
            definitions,
            custom: self.custom(&members),
            required_extensions: self.required_extensions(&members),
        };
        self.check_together(&content);
        Some(content)
    }

    fn schema_version(&mut self, members: &Members<'_>) -> Option<String> {
        let text = self.required_text(members, "schemaVersion", "CNAB 101 #11")?;
        let pointer = members.below("schemaVersion");
        match parse_schema_version(&text) {
            Some(version) if version.major != 1 => {
                self.fault(
                    Weight::Must,
                    pointer,
                    format!("`{text}` is not a version 1 of CNAB Core"),
                    "CNAB 901 #5",
                );
            }
            Some(version) if !version.pre.is_empty() => {
                let what = format!("`{text}` is a draft, and drafts are compatible with nothing");
                self.fault(Weight::Must, pointer, what, "CNAB 901 #6");
            }
            Some(_) => {}
            None => {
                self.fault(
                    Weight::Must,
                    pointer,
                    format!("`{text}` is not a version such as `v1.2.0`"),
                    "CNAB 101 #11",
                );
            }
        }
        Some(text)
    }

    fn name(&mut self, members: &Members<'_>) -> Option<String> {
        let name = self.required_text(members, "name", "CNAB 101 #12")?;
        if !name.is_empty() && !is_graphic(&name) {
            self.fault(
                Weight::Must,
                members.below("name"),
                "may have visible characters only",
                "CNAB 101 #13",
            );
        }
        Some(name)
    }

    fn version(&mut self, members: &Members<'_>) -> Option<Version> {
        let text = self.required_text(members, "version", "CNAB 101 #12")?;
        let version = Version::parse(&text).ok();
        if version.is_none() {
            let what = format!("`{text}` is not a version such as `1.2.3` (Semantic Versioning 2)");
            self.fault(Weight::Must, members.below("version"), what, "CNAB 101 #14");
        }
        version
    }

    fn license(&mut self, members: &Members<'_>) -> Option<String> {
        let license = self.text(members, "license", "CNAB 101 #15")?;
        if !is_license_expression(&license) {
            self.fault(
                Weight::Advice,
                members.below("license"),
                "should be an SPDX identifier",
                "CNAB 101 #15",
            );
        }
        Some(license)
    }

    fn maintainer(&mut self, at: String, value: &Value) -> Option<Maintainer> {
        const RULE: &str = "CNAB 101, bundle schema";
        let members = self.object(at, value, &["email", "name", "url"])?;
        if self.member(&members, "name").is_none() {
            self.fault(Weight::Author, members.below("name"), "is missing", RULE);
        }
        Some(Maintainer {
            name: self.text(&members, "name", RULE).unwrap_or_default(),
            email: self.text(&members, "email", RULE),
            url: self.text(&members, "url", RULE),
        })
    }

    fn action(&mut self, at: String, name: &str, value: &Value) -> Option<Action> {
        if BUILT_IN_ACTIONS.contains(&name) {
            self.fault(Weight::Must, at.clone(), "is built in and must not be declared", "CNAB 101 #84");
        } else if !is_dotted(name) {
            self.fault(Weight::Advice, at.clone(), NOT_DOTTED, "CNAB 101 #85");
        }
        let members = self.object(at, value, &["description", "modifies", "stateless", "title"])?;
        if members.map.contains_key("title") {
            self.fault(Weight::Advice, members.below("title"), LOST, "CNAB 101 #87");
        }
        let action = Action {
            title: self.text(&members, "title", "CNAB 101 #87"),
            description: self.description(&members),
            modifies: self.flag(&members, "modifies", "CNAB 101 #86"),
            stateless: self.flag(&members, "stateless", "CNAB 101 #88"),
        };
        self.well_known(members.at, name, &action);
        Some(action)
    }

    /// Whoever asks for one of these expects nothing to change (CNAB 804).
    fn well_known(&mut self, at: String, name: &str, action: &Action) {
        const RULE: &str = "CNAB 804 #162, #163";
        let stateless = match name {
            "io.cnab.dry-run" | "io.cnab.help" => true,
            "io.cnab.log" | "io.cnab.status" => false,
            _ => return,
        };
        if action.modifies {
            self.fault(
                Weight::Advice,
                below(&at, "modifies"),
                "should be false: it is asked for to look",
                RULE,
            );
        }
        if action.stateless != stateless {
            let what = format!("should be {stateless}, as its users expect");
            self.fault(Weight::Advice, below(&at, "stateless"), what, RULE);
        }
    }

    fn definition(&mut self, at: String, _: &str, value: &Value) -> Option<Value> {
        const RULE: &str = "CNAB 101 #38";
        match Definition::within(&mut self.budget, value) {
            Ok(definition) => {
                if let Some(Err(faults)) =
                    definition.default().map(|default| definition.check_within(&mut self.budget, default))
                {
                    let what = format!("breaks its own schema: {}", faults.join("; "));
                    self.fault(Weight::Author, below(&at, "default"), what, "CNAB 101 #41");
                }
            }
            Err(invalid) => self.fault(Weight::Must, at.clone(), invalid.to_string(), RULE),
        }
        if repeats_a_value(value) {
            self.fault(Weight::Author, at.clone(), "has an `enum` with a value twice", RULE);
        }
        for name in ["maxItems", "maxProperties"] {
            if value.get(name).is_some() {
                self.fault(Weight::Advice, below(&at, name), LOST, RULE);
            }
        }
        Some(value.clone())
    }

    fn custom(&mut self, members: &Members<'_>) -> Map<String, Value> {
        let Some(value) = self.member(members, "custom") else { return Map::new() };
        let Some(custom) = self.map(members.below("custom"), value, "CNAB 101 #98") else {
            return Map::new();
        };
        for name in custom.map.keys().filter(|name| !is_dotted(name)) {
            self.fault(Weight::Advice, custom.below(name), NOT_DOTTED, "CNAB 101 #98");
        }
        self.extensions(&custom);
        custom.map.clone()
    }

    /// The extensions of CNAB's own. A bundle without them would do as well, so its readers are warned of their faults,
    /// and whoever uses one of them refuses it.
    fn extensions(&mut self, custom: &Members<'_>) {
        let purpose = self.purpose;
        for (name, value) in custom.map {
            let faults = match name.as_str() {
                DEPENDENCIES => dependencies::read(value, purpose).1,
                PARAMETER_SOURCES => parameter_sources::read(value, purpose).1,
                _ => continue,
            };
            let severity = |fault: &Fault| match purpose {
                Purpose::Lint => fault.severity,
                Purpose::Read => FaultSeverity::Warning,
            };
            let faults =
                faults.into_iter().map(|fault| Fault { severity: severity(&fault), ..fault }).collect();
            self.adopt(&custom.below(name), faults);
        }
    }

    fn required_extensions(&mut self, members: &Members<'_>) -> Vec<String> {
        const NAME: &str = "requiredExtensions";
        const RULE: &str = "CNAB 101 #99";
        let names = self.texts(members, NAME, RULE).unwrap_or_default();
        let custom = members.map.get("custom").and_then(Value::as_object);
        let mut seen = std::collections::BTreeSet::new();
        for name in &names {
            if !seen.insert(name) {
                self.fault(Weight::Must, members.below(NAME), format!("names `{name}` twice"), RULE);
            }
            if !custom.is_some_and(|custom| custom.contains_key(name)) {
                let what = format!("names `{name}`, which `custom` does not have");
                self.fault(Weight::Must, members.below(NAME), what, RULE);
            }
        }
        names
    }
}

const LOST: &str = "is lost when tools written in Go publish the bundle again, which voids its signature";
const NOT_DOTTED: &str = "should be a dotted name: letters and `-`, with at least one `.`";

/// `v1`, `v1.2` and `v1.2.0`; the marker of a draft follows a `-`.
fn parse_schema_version(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v')?;
    let padded = match text.bytes().filter(|b| *b == b'.').count() {
        0 => format!("{text}.0.0"),
        1 if !text.contains(['-', '+']) => format!("{text}.0"),
        _ => text.into(),
    };
    Version::parse(&padded).ok()
}

/// A dotted name (CNAB 101): components of letters and `-`, at least two.
fn is_dotted(name: &str) -> bool {
    name.contains('.')
        && name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphabetic() || c == '-'))
}

/// Whether an `enum` lists a value twice, at any depth (CNAB 101: its values are unique).
fn repeats_a_value(schema: &Value) -> bool {
    let values = schema.get("enum").and_then(Value::as_array);
    let texts: std::collections::BTreeSet<_> = values.into_iter().flatten().map(document::written).collect();
    texts.len() < values.map_or(0, Vec::len) || children(schema).any(|(_, child)| repeats_a_value(child))
}

/// The form of an SPDX expression. Whether the licence exists is not looked up.
fn is_license_expression(text: &str) -> bool {
    let is_word = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || ".-+:()".contains(c));
    let words: Vec<_> = text.split(' ').collect();
    let joined = |pair: &[&str]| pair.iter().any(|word| ["AND", "OR", "WITH"].contains(word));
    !text.is_empty()
        && words.iter().all(|word| !word.is_empty() && is_word(word))
        && words.windows(2).all(joined)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::validator::{MAX_FAULTS, MAX_TEXT};
    use super::super::{Bundle, InvalidBundle};
    use super::*;
    use crate::digest::Digest;

    fn base() -> Value {
        let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
        json!({
            "schemaVersion": "v1.2.0", "name": "shop", "version": "1.0.0",
            "invocationImages": [{"image": "registry.example/c:1", "contentDigest": digest("c")}],
            "images": {"web": {"image": format!("registry.example/w@{}", digest("w")), "contentDigest": digest("w")}},
            "actions": {"org.example.rotate": {"modifies": true}},
            "definitions": {"text": {"type": "string"}},
            "parameters": {"P": {"definition": "text", "destination": {"env": "P", "path": "in/p"}}},
            "credentials": {"c": {"env": "C", "path": "/in/c"}},
            "outputs": {"o": {"definition": "text", "path": "/cnab/app/outputs/./o"}},
        })
    }

    /// The faults that are reported after a change at a JSON pointer; `None` removes the member.
    fn faults(purpose: Purpose, pointer: &str, value: Option<Value>) -> Vec<String> {
        let mut bundle = base();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        let parent = bundle.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(parent.insert(name, value)),
            None => drop(parent.remove(&name)),
        }
        content(&bundle, purpose).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_bundle_is_what_its_document_says() {
        let (bundle, faults) = Bundle::parse(base().to_string().as_bytes()).unwrap();
        assert_eq!(faults, []);
        assert_eq!((bundle.name(), bundle.version().to_string().as_str()), ("shop", "1.0.0"));
        assert_eq!(bundle.parameters()["P"].destination.path.as_deref(), Some("/in/p"));
        assert_eq!(bundle.outputs()["o"].path, "/cnab/app/outputs/o");
        assert_eq!(bundle.actions().keys().collect::<Vec<_>>(), ["org.example.rotate"]);
        assert_eq!(bundle.invocation_images()[0].image_type, "oci");
    }

    #[test]
    fn what_must_not_be_read_is_refused_with_its_place_and_reason() {
        let image = "/invocationImages";
        for (pointer, value, expected) in [
            ("/schemaVersion", json!("v1.2.x"), "/schemaVersion: `v1.2.x` is not a version such as `v1.2.0`"),
            ("/schemaVersion", json!("1.2.0"), "/schemaVersion: `1.2.0` is not a version such as `v1.2.0`"),
            ("/name", json!("a\tb"), "/name: may have visible characters only"),
            ("/name", json!("a\u{202e}b"), "/name: may have visible characters only"),
            ("/version", json!("x1y"), "/version: `x1y` is not a version"),
            (image, Value::Null, "/invocationImages: is missing"),
            (image, json!({}), "/invocationImages: must be an array"),
            (image, json!([[]]), "/invocationImages/0: must be an object"),
            ("/images", json!([]), "/images: must be an object"),
            ("/images/web/size", json!(1.5), "/images/web/size: must be a number of bytes"),
            ("/images/web/contentDigest", json!("11"), "/images/web/contentDigest: `11` is not a digest"),
            ("/actions/upgrade", json!({}), "/actions/upgrade: is built in"),
            (
                "/actions/org.example.rotate/stateless",
                json!("no"),
                "/actions/org.example.rotate/stateless: must be true",
            ),
            ("/parameters/P/definition", json!("x"), "/parameters/P/definition: `x` is not defined"),
            ("/parameters/P/required", json!("true"), "/parameters/P/required: must be true or false"),
            ("/parameters/P/applyTo", json!("install"), "/parameters/P/applyTo: must be an array"),
            ("/parameters/P/applyTo", json!([1]), "/parameters/P/applyTo/0: must be a string"),
            (
                "/parameters/P/destination/env",
                json!("A=B"),
                "/parameters/P/destination/env: is not the name of",
            ),
            (
                "/parameters/P/destination/env",
                json!("A\0"),
                "/parameters/P/destination/env: is not the name of",
            ),
            ("/parameters/P/destination/path", json!("/"), "/parameters/P/destination/path: names no file"),
            (
                "/parameters/P/destination/path",
                json!("a\0"),
                "/parameters/P/destination/path: must not contain a NUL",
            ),
            (
                "/parameters/P/destination/path",
                json!("/cnab/app/run"),
                "/parameters/P/destination/path: is reserved",
            ),
            (
                "/parameters/P/destination/path",
                json!("/in/c"),
                "/parameters/P/destination/path: `/in/c` is the same path as `/credentials/c/path`",
            ),
            (
                "/credentials/c/path",
                json!("/in/p/c"),
                "/credentials/c/path: `/in/p/c` is the same path as `/parameters/P/destination/path`, or inside it",
            ),
            ("/credentials/c/path", json!("/cnab/app/outputs/c"), "/credentials/c/path: must not be below"),
            (
                "/credentials/\n",
                json!({"env": "X"}),
                "/credentials/\\u{a}: must have a name of visible characters",
            ),
            ("/outputs/o/path", json!("/etc/o"), "/outputs/o/path: must be a path below `/cnab/app/outputs`"),
            ("/outputs/o/path", json!("cnab/app/outputs/o"), "/outputs/o/path: must be a path below"),
            ("/outputs/o/definition", json!("x"), "/outputs/o/definition: `x` is not defined"),
            (
                "/definitions/text",
                json!({"minLength": -1}),
                "/definitions/text: is not a JSON Schema (draft-07): `/minLength`",
            ),
            (
                "/definitions/text",
                json!({"pattern": "("}),
                "/definitions/text: is not a JSON Schema (draft-07)",
            ),
            ("/definitions/text", json!(null), "/definitions/text: is not a JSON Schema (draft-07)"),
            ("/custom", json!([]), "/custom: must be an object"),
            ("/requiredExtensions", json!([1]), "/requiredExtensions/0: must be a string"),
            (
                "/images/c",
                json!({"image": "registry.example/c:1", "contentDigest": Digest::of(b"x").to_string()}),
                "/images/c/image: stands for",
            ),
        ] {
            let faults = faults(Purpose::Read, pointer, Some(value));
            assert!(
                faults.first().is_some_and(|fault| fault.starts_with(expected)),
                "{expected}: {faults:?}"
            );
        }
        let faults = faults(Purpose::Read, "/parameters/P/destination", None);
        assert_eq!(faults, ["/parameters/P/destination: is missing (CNAB 101 #46)"]);
    }

    #[test]
    fn authors_are_told_more_than_readers() {
        for (pointer, value, expected) in [
            ("/license", json!("do what you want"), "should be an SPDX identifier"),
            ("/images/web/image", json!("registry.example/w:1"), "should name its digest, not a tag"),
            ("/actions/org.example.rotate/title", json!("Rotate"), "is lost when tools written in Go"),
            (
                "/definitions/text",
                json!({"type": "array", "maxItems": 1}),
                "is lost when tools written in Go",
            ),
            ("/outputs/o/applyTo", json!(["org.example.none"]), "names the action `org.example.none`"),
            ("/invocationImages/0/imageType", json!("docker"), "has no OCI artifact"),
            ("/custom", json!({"dev.k8s": 1}), "should be a dotted name"),
        ] {
            let (pointer, value) = match pointer.strip_prefix("/invocationImages/0/") {
                Some(name) => {
                    let mut image = base()["invocationImages"][0].clone();
                    image[name] = value;
                    ("/invocationImages", json!([image]))
                }
                None => (pointer, value),
            };
            let quiet = faults(Purpose::Read, pointer, Some(value.clone()));
            assert_eq!(quiet, Vec::<String>::new(), "{pointer}");
            let told = faults(Purpose::Lint, pointer, Some(value));
            assert!(told.iter().any(|fault| fault.contains(expected)), "{expected}: {told:?}");
        }
        for good in ["Apache-2.0", "MIT OR Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"] {
            assert!(is_license_expression(good), "{good}");
        }
    }

    #[test]
    fn paths_that_only_look_alike_are_apart() {
        for path in ["/cnab/app/outputs-other/x", "/in/c2", "/cnab/app/porter/x", "/in/./p"] {
            let faults = faults(Purpose::Read, "/parameters/P/destination/path", Some(json!(path)));
            assert_eq!(faults, Vec::<String>::new(), "{path}");
        }
    }

    fn faults_of_long_name() -> Vec<Fault> {
        let mut bundle = base();
        bundle["images"]["x".repeat(100_000)] = json!({"image": 1});
        content(&bundle, Purpose::Read).1
    }

    #[test]
    fn a_document_full_of_faults_gives_a_bounded_answer_that_says_why_it_is_refused() {
        let mut bundle = base();
        for number in 0..1000 {
            bundle[format!("x{number}")] = 1.into();
        }
        bundle["version"] = "latest".into();
        let Err(InvalidBundle::Rules(faults)) = Bundle::parse(bundle.to_string().as_bytes()) else {
            panic!("it was read")
        };
        assert_eq!(faults.len(), MAX_FAULTS);
        assert_eq!(faults.iter().filter(|fault| fault.is_error()).count(), 1);
        let long = faults_of_long_name();
        assert!(long.iter().all(|fault| fault.to_string().len() < 2 * MAX_TEXT), "{long:?}");
    }
}
