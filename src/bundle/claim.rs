//! Claims and their results as CNAB Claims 1.0.0 (400) has them: what was done with a bundle, in a form that other
//! tools write and read.
//!
//! Both are checked by the same rules whoever wrote them; what others may add is tolerated where it is read, and an
//! error where it is to be published.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::definition::Definition;
use super::fault::{Fault, Purpose};
use super::validator::{Members, Validator, Weight, below};
use super::{BUILT_IN_ACTIONS, Bundle, is_graphic, read};
use crate::document;

mod result;
mod time;

pub use result::{ClaimResult, OutputMetadata, ResultStatus};

/// The action of a claim that could not be determined.
pub const UNKNOWN_ACTION: &str = "unknown";

/// The action on a bundle, as it was recorded before it began.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The id, a ULID.
    pub id: String,
    /// The name of the installation.
    pub installation: String,
    /// The revision, a ULID.
    pub revision: String,
    /// When it was made (ISO 8601).
    pub created: String,
    /// The action.
    pub action: String,
    /// The bundle.
    pub bundle: Bundle,
    /// Where the bundle came from.
    pub bundle_reference: Option<String>,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, Value>,
    /// Additions of the tool that wrote it.
    pub custom: Option<Value>,
}

impl Claim {
    /// Reads a claim that anybody wrote.
    ///
    /// # Errors
    /// The fault.
    pub fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let (read, faults) = claim(value, Purpose::Read);
        read.ok_or(faults)
    }

    /// As [`Claim::read`], of one claim among many: the checking of values takes from what is left for all of them.
    ///
    /// # Errors
    /// The fault.
    pub fn read_within(work: &mut usize, value: &Value) -> Result<Self, Vec<Fault>> {
        let mut validator = Validator::new(Purpose::Read).within(*work);
        let read = validator.claim(value).filter(|_| !validator.refused);
        *work = validator.budget.left();
        read.ok_or(validator.faults)
    }

    /// Reads a claim that is about to be published, which has to be without any fault.
    ///
    /// # Errors
    /// The fault.
    pub fn checked(value: &Value) -> Result<Self, Vec<Fault>> {
        let (read, faults) = claim(value, Purpose::Lint);
        read.ok_or(faults)
    }

    /// Reads a result of this claim that anybody wrote.
    ///
    /// # Errors
    /// The fault.
    pub fn result(&self, value: &Value) -> Result<ClaimResult, Vec<Fault>> {
        let (read, faults) = claim_result(value, Some(self), Purpose::Read);
        read.ok_or(faults)
    }

    /// Whether the action may have changed the installation: then there is a new revision.
    pub fn modifies(&self) -> bool {
        BUILT_IN_ACTIONS.contains(&self.action.as_str())
            || self.bundle.actions().get(&self.action).is_some_and(|action| action.modifies)
    }
}

/// Reads a claim.
pub(super) fn claim(value: &Value, purpose: Purpose) -> (Option<Claim>, Vec<Fault>) {
    let mut validator = Validator::new(purpose);
    let read = validator.claim(value).filter(|_| !validator.refused);
    (read, validator.faults)
}

/// Reads a result, of this claim if it is known.
pub(super) fn claim_result(
    value: &Value,
    claim: Option<&Claim>,
    purpose: Purpose,
) -> (Option<ClaimResult>, Vec<Fault>) {
    let mut validator = Validator::new(purpose);
    let read = validator.claim_result(value, claim).filter(|_| !validator.refused);
    (read, validator.faults)
}

/// Whether a text is a ULID: 26 digits of Crockford's base 32, of which the first is at most `7`.
pub fn is_ulid(text: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_alphanumeric() && !b"ILOU".contains(&b.to_ascii_uppercase());
    text.len() == 26 && text.bytes().all(is_digit) && text.starts_with(|c| ('0'..='7').contains(&c))
}

impl Validator {
    fn claim(&mut self, value: &Value) -> Option<Claim> {
        const RULE: &str = "CNAB 400 #146";
        const KNOWN: [&str; 10] = [
            "action",
            "bundle",
            "bundleReference",
            "created",
            "custom",
            "id",
            "installation",
            "parameters",
            "revision",
            // Of cnab-go, and not of the specification.
            "schemaVersion",
        ];
        let members = self.map(String::new(), value, RULE)?;
        self.check_no_credentials(&members);
        self.check_known(&members, &[&KNOWN[..], &CREDENTIALS].concat(), Weight::Author, RULE);
        let id = self.ulid(&members, "id", RULE);
        let installation = self.required_text(&members, "installation", RULE);
        if installation.as_deref().is_some_and(|name| !name.is_empty() && !is_graphic(name)) {
            let what = "may have visible characters only";
            self.fault(Weight::Must, members.below("installation"), what, "CNAB 103 #120");
        }
        let revision = self.ulid(&members, "revision", "CNAB 400 #147");
        let created = self.time(&members, "created", RULE);
        let action = self.required_text(&members, "action", RULE);
        let bundle = self.bundle_of_claim(&members);
        if let (Some(action), Some(bundle)) = (&action, &bundle) {
            self.check_action(&members, action, bundle);
        }
        let parameters = self.parameters_of_claim(&members, bundle.as_ref());
        Some(Claim {
            bundle_reference: self.bundle_reference(&members),
            custom: self.member(&members, "custom").cloned(),
            id: id?,
            installation: installation?,
            revision: revision?,
            created: created?,
            action: action?,
            bundle: bundle?,
            parameters,
        })
    }

    fn check_no_credentials(&mut self, members: &Members<'_>) {
        for name in CREDENTIALS.iter().filter(|name| members.map.contains_key(**name)) {
            let what = "holds credentials, which are never recorded";
            self.fault(Weight::Must, members.below(name), what, "CNAB 400 #143");
        }
    }

    fn ulid(&mut self, members: &Members<'_>, name: &str, rule: &'static str) -> Option<String> {
        let text = self.required_text(members, name, rule)?;
        if !text.is_empty() && !is_ulid(&text) {
            self.fault(Weight::Must, members.below(name), format!("`{text}` is not a ULID"), rule);
        } else if text.bytes().any(|b| b.is_ascii_lowercase()) {
            let what = "should be written in upper case, so that its order is that of its text";
            self.fault(Weight::Advice, members.below(name), what, rule);
        }
        Some(text)
    }

    fn time(&mut self, members: &Members<'_>, name: &str, rule: &'static str) -> Option<String> {
        let text = self.required_text(members, name, rule)?;
        match time::zone(&text) {
            _ if text.is_empty() => {}
            None => {
                let what = format!("`{text}` is not a time such as `2026-01-02T03:04:05Z` (ISO 8601)");
                self.fault(Weight::Must, members.below(name), what, rule);
            }
            Some(time::Zone::Unknown) => {
                let what = "should say its zone, as `Z` or `+01:00`";
                self.fault(Weight::Advice, members.below(name), what, rule);
            }
            Some(time::Zone::Known) => {}
        }
        Some(text)
    }

    /// The bundle was published by somebody else, so it is judged as one that is read.
    fn bundle_of_claim(&mut self, members: &Members<'_>) -> Option<Bundle> {
        let value = self.required(members, "bundle", "CNAB 400 #146")?;
        let mut work = self.budget.left();
        let (content, faults) = read::content_within(&mut work, value, Purpose::Read);
        self.budget.leave(work);
        self.adopt(&members.below("bundle"), faults);
        Some(Bundle { bytes: document::written(value).into_bytes(), content: content? })
    }

    fn check_action(&mut self, members: &Members<'_>, action: &str, bundle: &Bundle) {
        let declared = bundle.actions().get(action);
        let what = match declared {
            _ if action.is_empty() || action == UNKNOWN_ACTION || BUILT_IN_ACTIONS.contains(&action) => {
                return;
            }
            Some(declared) if declared.stateless => {
                format!("`{action}` is stateless, and leaves no claim")
            }
            Some(_) => return,
            None => format!("`{action}` is no action of the bundle"),
        };
        let rule = if declared.is_some() { "CNAB 101 #88" } else { "CNAB 400 #146" };
        self.fault(Weight::Must, members.below("action"), what, rule);
    }

    fn bundle_reference(&mut self, members: &Members<'_>) -> Option<String> {
        const RULE: &str = "CNAB 400 #148";
        let text = self.text(members, "bundleReference", RULE)?;
        let digest = text.split_once('@').map(|(_, digest)| digest);
        let what = match digest {
            Some(digest) if !super::is_digest(digest) => "has no valid digest",
            Some(_) => return Some(text),
            None => "should name the digest of the bundle",
        };
        let weight = if digest.is_some() { Weight::Must } else { Weight::Advice };
        self.fault(weight, members.below("bundleReference"), what, RULE);
        Some(text)
    }

    fn parameters_of_claim(
        &mut self,
        members: &Members<'_>,
        bundle: Option<&Bundle>,
    ) -> BTreeMap<String, Value> {
        const RULE: &str = "CNAB 400 #141";
        let Some(value) = self.member(members, "parameters") else { return BTreeMap::new() };
        let at = members.below("parameters");
        let Some(values) = self.map(at, value, RULE) else { return BTreeMap::new() };
        if let Some(bundle) = bundle {
            self.check_values(&values.at, values.map, bundle, RULE);
        }
        values.map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn check_values(&mut self, at: &str, values: &Map<String, Value>, bundle: &Bundle, rule: &'static str) {
        for (name, value) in values {
            let at = below(at, name);
            let Some(parameter) = bundle.parameters().get(name) else {
                self.fault(Weight::Must, at, "is no parameter of the bundle", rule);
                continue;
            };
            // Whether it is one was said at the bundle.
            let Some(schema) = bundle.definition(&parameter.definition) else { continue };
            let Ok(definition) = Definition::within(&mut self.budget, schema) else { continue };
            if let Err(faults) = definition.check_within(&mut self.budget, value) {
                let what = format!("is not a value that the bundle allows: {}", faults.join("; "));
                self.fault(Weight::Must, at, what, rule);
            }
        }
    }
}

/// Members that could only hold credentials.
const CREDENTIALS: [&str; 2] = ["credentialSets", "credentials"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::digest::Digest;

    pub(super) fn base() -> Value {
        json!({
            "id": "01E5G8ZYP714JVM8NHTJQ4FH15", "installation": "web", "revision": "01CP6XM0KVB9V1BQDZ9NK8VP29",
            "created": "2026-01-02T03:04:05.678901-06:00", "action": "install",
            "bundle": {
                "schemaVersion": "v1.2.0", "name": "shop", "version": "1.0.0",
                "invocationImages": [{ "image": "registry.example/c:1", "contentDigest": Digest::of(b"c") }],
                "actions": {
                    "org.example.look": { "stateless": true }, "org.example.rotate": { "modifies": true },
                    "org.example.log": {},
                },
                "definitions": { "port": { "type": "integer" }, "secret": { "writeOnly": true, "type": "string" } },
                "parameters": {
                    "PORT": { "definition": "port", "destination": { "env": "PORT" } },
                    "KEY": { "definition": "secret", "destination": { "env": "KEY" } },
                },
                "outputs": { "host": { "definition": "secret", "path": "/cnab/app/outputs/host", "applyTo": ["install"] } },
            },
            "bundleReference": format!("registry.example/shop:1@{}", Digest::of(b"i")),
            "parameters": { "PORT": 81 }, "custom": { "org.example": 1 },
        })
    }

    fn faults(pointer: &str, value: Value) -> Vec<String> {
        let mut document = base();
        match document.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => document[&pointer[1..]] = value,
        }
        claim(&document, Purpose::Lint).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_claim_is_what_its_document_says() {
        let (read, faults) = claim(&base(), Purpose::Lint);
        assert_eq!(faults, []);
        let read = read.unwrap();
        assert_eq!((read.installation.as_str(), read.bundle.name()), ("web", "shop"));
        assert!(read.modifies());
        for (action, modifies) in
            [("upgrade", true), ("org.example.rotate", true), ("org.example.log", false), ("unknown", false)]
        {
            let mut document = base();
            document["action"] = action.into();
            assert_eq!(claim(&document, Purpose::Lint).0.unwrap().modifies(), modifies, "{action}");
        }
    }

    #[test]
    fn every_fault_is_named_at_its_place() {
        for (pointer, value, expected) in [
            ("/id", json!(null), "/id: is missing"),
            ("/id", json!("81E5G8ZYP714JVM8NHTJQ4FH15"), "/id: `81E5G8ZYP714JVM8NHTJQ4FH15` is not a ULID"),
            ("/id", json!("01E5G8ZYP714JVM8NHTJQ4FH1U"), "/id: `01E5"),
            ("/id", json!("01e5g8zyp714jvm8nhtjq4fh15"), "/id: should be written in upper case"),
            ("/revision", json!("r1"), "/revision: `r1` is not a ULID"),
            ("/revision", json!(1), "/revision: must be a string"),
            ("/created", json!("yesterday"), "/created: `yesterday` is not a time"),
            ("/created", json!("2026-01-02T03:04:05"), "/created: should say its zone"),
            ("/installation", json!(""), "/installation: must not be empty"),
            ("/installation", json!("a\u{7}"), "/installation: may have visible characters only"),
            ("/action", json!("org.example.none"), "/action: `org.example.none` is no action"),
            ("/action", json!("org.example.look"), "/action: `org.example.look` is stateless"),
            ("/bundle", json!([]), "/bundle: must be an object"),
            ("/bundle/version", json!("1"), "/bundle/version: `1` is not a version"),
            ("/bundle/more", json!(1), "/bundle/more: is a member"),
            (
                "/bundleReference",
                json!("registry.example/shop:1"),
                "/bundleReference: should name the digest",
            ),
            (
                "/bundleReference",
                json!("registry.example/shop@sha256:1"),
                "/bundleReference: has no valid digest",
            ),
            ("/parameters", json!([]), "/parameters: must be an object"),
            ("/parameters", json!({ "NOPE": 1 }), "/parameters/NOPE: is no parameter of the bundle"),
            (
                "/parameters",
                json!({ "PORT": "x" }),
                "/parameters/PORT: is not a value that the bundle allows",
            ),
            ("/credentials", json!({}), "/credentials: holds credentials"),
            ("/outputs", json!({}), "/outputs: is a member that CNAB does not know"),
        ] {
            let mut faults = match pointer {
                "/bundle/more" => {
                    let mut document = base();
                    document["bundle"]["more"] = value;
                    claim(&document, Purpose::Lint).1.iter().map(ToString::to_string).collect()
                }
                _ => faults(pointer, value),
            };
            faults.retain(|fault| fault.starts_with(expected));
            assert_eq!(faults.len(), 1, "{expected}");
        }
        assert_eq!(faults("/schemaVersion", json!("1.0.0-DRAFT+b5ed2f3")), Vec::<String>::new());
        let secret = faults("/parameters", json!({ "KEY": 12 }));
        assert!(secret.len() == 1 && !secret[0].contains("12"), "{secret:?}");
    }

    #[test]
    fn what_others_add_is_tolerated_where_it_is_read() {
        let mut document = base();
        document["more"] = 1.into();
        let (read, faults) = claim(&document, Purpose::Read);
        assert!(read.is_some() && faults.len() == 1 && !faults[0].is_error(), "{faults:?}");
        assert!(claim(&document, Purpose::Lint).0.is_none());
        assert!(claim(&json!([]), Purpose::Read).0.is_none());
    }
}
