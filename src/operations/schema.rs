//! Published schemas of the documents: what each member is, for whoever writes a document or reads one.
//!
//! They are JSON Schemas (2020-12), derived from the types that write and read the documents. Where a type is read by
//! hand, to say more about what is wrong or to refuse more, its schema is its own, and a test compares it with what is
//! read. Members that a document does not have are not valid, so a misspelt one is found.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::author::{CasesSpec, SourceSpec};
use crate::grant::spec::GrantFile;
use crate::install::Outcome;
use crate::plan::Plan;
use crate::verify::TrustPolicy;

use super::approve::Approval;

use super::build::Build;
use super::cache::{CacheCheck, CacheContents, CacheRemoval, CachedBundle};
use super::claims::{ClaimList, ClaimsImported};
use super::copy::Copied;
use super::diff::Difference;
use super::doctor::Diagnosis;
use super::drift::Drift;
use super::explain::Explanation;
use super::grant::check::GrantCheck;
use super::history::RevisionList;
use super::init::SourceDirectory;
use super::inspect::Inspection;
use super::lint::Lint;
use super::list::InstallationList;
use super::login::Login;
use super::outputs::{OutputList, OutputValue};
use super::rbac::{Account, RightsCheck, RightsReport};
use super::sign::{KeyPair, Signature};
use super::status::InstallationStatus;
use super::test::TestReport;
use super::trust::{Trust, TrustCheck, TrustExplanation};
use super::unlock::LockReport;
use super::verify::Verification;
use super::version::Version;
use super::{API_VERSION, Document};

/// A kind of document that has a schema.
pub struct DocumentKind {
    /// Its `kind`.
    pub kind: &'static str,
    /// Who writes it.
    pub written_by: Writer,
    schema: fn(SchemaGenerator) -> Schema,
    is_headed: bool,
}

/// Who writes a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Writer {
    /// The program prints it.
    Carnet,
    /// A person writes it, and the program reads it.
    Person,
}

/// The kinds of documents that have a schema.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SchemaList {
    /// The kinds, by name.
    pub items: Vec<KindSummary>,
}

/// A kind of document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindSummary {
    /// Its name, as `kind` has it.
    pub name: &'static str,
    /// Who writes it.
    pub written_by: Writer,
}

impl Document for SchemaList {
    const KIND: &'static str = "SchemaList";
}

/// The kinds of documents of the library: those that it makes, and those that it reads.
pub fn kinds() -> Vec<DocumentKind> {
    vec![
        DocumentKind::printed::<Account>(),
        DocumentKind::printed::<Approval>(),
        DocumentKind::printed::<Build>(),
        DocumentKind::printed::<CacheContents>(),
        DocumentKind::printed::<CacheCheck>(),
        DocumentKind::printed::<CacheRemoval>(),
        DocumentKind::printed::<CachedBundle>(),
        DocumentKind::printed::<ClaimList>(),
        DocumentKind::printed::<ClaimsImported>(),
        DocumentKind::printed::<Copied>(),
        DocumentKind::printed::<Diagnosis>(),
        DocumentKind::printed::<Difference>(),
        DocumentKind::printed::<Drift>(),
        DocumentKind::printed::<Explanation>(),
        DocumentKind::read::<GrantFile>("Grant"),
        DocumentKind::printed::<GrantCheck>(),
        DocumentKind::printed::<Inspection>(),
        DocumentKind::printed::<InstallationStatus>(),
        DocumentKind::printed::<InstallationList>(),
        DocumentKind::printed::<KeyPair>(),
        DocumentKind::printed::<Lint>(),
        DocumentKind::printed::<LockReport>(),
        DocumentKind::printed::<Login>(),
        DocumentKind::printed::<Outcome>(),
        DocumentKind::printed::<OutputValue>(),
        DocumentKind::printed::<OutputList>(),
        DocumentKind::printed::<Plan>(),
        DocumentKind::printed::<RevisionList>(),
        DocumentKind::printed::<RightsReport>(),
        DocumentKind::printed::<RightsCheck>(),
        DocumentKind::printed::<SchemaList>(),
        DocumentKind::printed::<Signature>(),
        DocumentKind::read::<SourceSpec>("Source"),
        DocumentKind::printed::<SourceDirectory>(),
        DocumentKind::read::<CasesSpec>("SourceTest"),
        DocumentKind::printed::<TestReport>(),
        DocumentKind::printed::<Trust>(),
        DocumentKind::printed::<TrustCheck>(),
        DocumentKind::printed::<TrustExplanation>(),
        DocumentKind::read::<TrustPolicy>("TrustPolicy"),
        DocumentKind::printed::<Verification>(),
        DocumentKind::printed::<Version>(),
    ]
}

/// These kinds as a document.
pub fn list(kinds: &[DocumentKind]) -> SchemaList {
    let mut items: Vec<_> =
        kinds.iter().map(|kind| KindSummary { name: kind.kind, written_by: kind.written_by }).collect();
    items.sort_by_key(|item| item.name);
    SchemaList { items }
}

impl DocumentKind {
    /// A document that is printed.
    pub fn printed<T: Document>() -> Self {
        Self::printed_as::<T>(T::KIND)
    }

    /// A document that is printed as this kind.
    pub fn printed_as<T: JsonSchema>(kind: &'static str) -> Self {
        Self {
            kind,
            written_by: Writer::Carnet,
            schema: SchemaGenerator::into_root_schema_for::<T>,
            is_headed: true,
        }
    }

    /// A document that a person writes.
    pub fn read<T: JsonSchema>(kind: &'static str) -> Self {
        Self { written_by: Writer::Person, ..Self::printed_as::<T>(kind) }
    }

    /// A document of others, which says neither `apiVersion` nor `kind` in our way.
    pub fn foreign<T: JsonSchema>(kind: &'static str) -> Self {
        Self { is_headed: false, ..Self::read::<T>(kind) }
    }

    /// The kind in lower case: `GrantCheck` as `grant-check`.
    pub fn hyphenated(&self) -> String {
        hyphenated(self.kind)
    }

    /// Whether a document of this kind says so itself, with `apiVersion` and `kind`.
    pub fn is_headed(&self) -> bool {
        self.is_headed
    }

    /// Whether a text names this kind: as `kind` has it, or in lower case with hyphens.
    pub fn is_named(&self, text: &str) -> bool {
        text == self.kind || text == self.hyphenated()
    }

    /// The schema.
    pub fn schema(&self) -> Value {
        let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(closed));
        let settings = match self.written_by {
            Writer::Carnet => settings.for_serialize(),
            Writer::Person => settings.for_deserialize(),
        };
        let mut schema = (self.schema)(settings.into_generator());
        schema.insert("title".into(), self.kind.into());
        if self.is_headed {
            head(&mut schema, self.kind);
        }
        schema.into()
    }
}

/// `GrantCheck` as `grant-check`.
fn hyphenated(kind: &str) -> String {
    let mut text = String::new();
    for (at, c) in kind.char_indices() {
        if at > 0 && c.is_ascii_uppercase() {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// No member beside those that are named, unless any name will do.
fn closed(schema: &mut Schema) {
    let is_open = schema.get("additionalProperties").is_none() && schema.get("properties").is_some();
    if is_open {
        schema.insert("additionalProperties".into(), false.into());
    }
}

/// Says which document it is.
fn head(schema: &mut Schema, kind: &str) {
    let object = schema.ensure_object();
    if let Value::Object(members) = object.entry("properties").or_insert_with(|| Map::new().into()) {
        members.insert("apiVersion".into(), json!({ "const": API_VERSION }));
        members.insert("kind".into(), json!({ "const": kind }));
    }
    if let Value::Array(required) = object.entry("required").or_insert_with(|| json!([])) {
        for member in ["apiVersion", "kind"] {
            if !required.iter().any(|name| name == member) {
                required.push(member.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::capability::ScopeRequest;
    use crate::capability::credentials::CredentialText;
    use crate::capability::credentials::generate::GenerateText;
    use crate::capability::files::FileText;
    use crate::capability::kubernetes::RuleText;

    #[test]
    fn every_schema_is_one_and_says_which_document_it_is_of() {
        for kind in kinds() {
            let schema = kind.schema();
            jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{}: {error}", kind.kind));
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{}", kind.kind);
            assert_eq!(schema["title"], kind.kind);
            assert_eq!(schema["properties"]["kind"], json!({"const": kind.kind}));
            assert_eq!(schema["properties"]["apiVersion"], json!({"const": API_VERSION}));
            for member in ["apiVersion", "kind"] {
                assert!(schema["required"].as_array().unwrap().contains(&member.into()), "{}", kind.kind);
            }
        }
    }

    #[test]
    fn kinds_are_in_order_and_named_in_both_ways() {
        let names: Vec<_> = kinds().iter().map(|kind| kind.kind).collect();
        assert_eq!(names, list(&kinds()).items.iter().map(|item| item.name).collect::<Vec<_>>());
        for (kind, names, others) in [
            ("TrustPolicy", ["TrustPolicy", "trust-policy"], ["trustpolicy", "Trust-Policy"]),
            ("Plan", ["Plan", "plan"], ["PLAN", ""]),
        ] {
            let kind = kinds().into_iter().find(|found| found.kind == kind).unwrap();
            assert!(names.iter().all(|name| kind.is_named(name)), "{names:?}");
            assert!(!others.iter().any(|name| kind.is_named(name)), "{others:?}");
        }
    }

    /// An object with named members has no others, wherever it stands.
    #[test]
    fn no_object_with_named_members_has_others() {
        fn check(at: &str, schema: &Value) {
            match schema {
                Value::Object(members) => {
                    let is_named = members.get("properties").is_some_and(Value::is_object)
                        && at.rsplit('/').next() != Some("properties");
                    assert!(!is_named || members["additionalProperties"] == false, "{at}");
                    members.iter().for_each(|(name, member)| check(&format!("{at}/{name}"), member));
                }
                Value::Array(items) => items.iter().for_each(|item| check(at, item)),
                _ => {}
            }
        }
        kinds().iter().for_each(|kind| check(kind.kind, &kind.schema()));
    }

    /// Each member left out, and with each of these values, and one more member.
    fn variants(whole: &Value) -> Vec<Value> {
        let values =
            json!([null, true, 7, "", "x", [], ["x"], ["get"], ["Get"], [7], [["x"]], {}, { "name": "x" }]);
        let members = whole.as_object().unwrap();
        let without = members.keys().map(|name| {
            let mut variant = members.clone();
            drop(variant.remove(name));
            variant
        });
        let names = members.keys().map(String::as_str).chain(["more", "Reason"]);
        let with = names.flat_map(|name| {
            values.as_array().unwrap().iter().map(move |value| {
                let mut variant = members.clone();
                drop(variant.insert(name.to_owned(), value.clone()));
                variant
            })
        });
        without
            .chain(with)
            .map(Value::Object)
            .chain([whole.clone(), json!([]), json!("x"), json!(null)])
            .collect()
    }

    /// Requests are read by hand: their scope, and beside it why and whether they are optional.
    #[test]
    fn a_request_is_valid_by_its_schema_just_if_it_can_be_read() {
        fn compare<T: DeserializeOwned + JsonSchema>(whole: &Value) {
            let schema = DocumentKind::foreign::<ScopeRequest<T>>("Request").schema();
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            assert!(validator.is_valid(whole), "{schema}");
            for request in variants(whole) {
                let read = serde_json::from_value::<ScopeRequest<T>>(request.clone());
                assert_eq!(validator.is_valid(&request), read.is_ok(), "{request}: {:?}", read.err());
            }
        }
        let with_reason = |scope: Value| {
            let mut request = json!({ "reason": "so that it runs", "optional": true });
            request.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
            request
        };
        compare::<RuleText>(&with_reason(
            json!({ "verbs": ["get"], "kinds": ["Pod"], "namespaces": ["a"], "names": ["b"] }),
        ));
        compare::<FileText>(&with_reason(json!({ "name": "a" })));
        compare::<CredentialText>(&with_reason(json!({ "name": "a", "into": ["b"], "reveal": true })));
        compare::<GenerateText>(&with_reason(json!({ "name": "a", "into": ["b"] })));
    }

    #[test]
    fn a_grant_that_is_read_is_valid_and_one_with_another_member_is_not() {
        let kind = kinds().into_iter().find(|kind| kind.kind == "Grant").unwrap();
        let validator = jsonschema::draft202012::new(&kind.schema()).unwrap();
        let digest = crate::digest::Digest::of(b"");
        let grant = |more: Value| {
            let mut spec =
                json!({"bundle": digest, "files": [{"name": "a", "path": "/a"}], "limits": {"hostCalls": 1}});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"apiVersion": API_VERSION, "kind": "Grant", "metadata": {"name": "x"}, "spec": spec})
        };
        let rule = json!({"verbs": ["get-secret"], "kinds": ["Secret"], "names": ["a"]});
        assert!(validator.is_valid(&grant(json!({"kubernetes": [rule]}))));
        for wrong in [
            json!({"network": []}),
            json!({"bundle": "sha256:00"}),
            json!({"limits": {"cpu": 1}}),
            json!({"deny": {"generate": []}}),
            json!({"kubernetes": [{"verbs": ["all"], "kinds": ["Secret"], "names": ["a"]}]}),
        ] {
            assert!(!validator.is_valid(&grant(wrong.clone())), "{wrong}");
        }
    }
}
