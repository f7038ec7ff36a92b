//! How an action ended.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Claim;
use crate::bundle::validator::{Members, Validator, Weight};

/// How an action has ended, or how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(with = "String")]
pub enum ResultStatus {
    /// It was stopped.
    Canceled,
    /// It failed.
    Failed,
    /// It was to begin.
    Pending,
    /// It was going on.
    Running,
    /// It was carried out.
    Succeeded,
    /// It was cut off, or nobody knows.
    Unknown,
}

impl ResultStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Canceled, Self::Failed, Self::Pending, Self::Running, Self::Succeeded, Self::Unknown];

    /// The status that a text says. None: it is none.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Its text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canceled => "canceled",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ResultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Outputs of a tool's own, which no bundle declares.
const RESERVED_OUTPUTS: &str = "io.cnab.outputs.";

const RULE: &str = "CNAB 400 #151";

/// How an action ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimResult {
    /// The id, a ULID.
    pub id: String,
    /// The claim.
    pub claim: String,
    /// When it ended (ISO 8601).
    pub created: String,
    /// How it ended, or how far it was.
    pub status: ResultStatus,
    /// For people.
    pub message: Option<String>,
    /// Its outputs, without their values.
    pub outputs: BTreeMap<String, OutputMetadata>,
}

/// The metadata of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputMetadata {
    /// The digest of the value. Tools leave it out where the value is empty.
    pub digest: Option<String>,
}

impl Validator {
    pub(super) fn claim_result(&mut self, value: &Value, claim: Option<&Claim>) -> Option<ClaimResult> {
        const KNOWN: [&str; 8] =
            ["claimId", "created", "custom", "id", "message", "outputs", "schemaVersion", "status"];
        let members = self.map(String::new(), value, RULE)?;
        self.check_no_credentials(&members);
        self.check_known(&members, &[&KNOWN[..], &super::CREDENTIALS].concat(), Weight::Author, RULE);
        let id = self.ulid(&members, "id", RULE);
        let of = self.ulid(&members, "claimId", RULE);
        if let (Some(of), Some(claim)) = (&of, claim)
            && !of.eq_ignore_ascii_case(&claim.id)
        {
            let what = format!("is not the id of the claim, {}", claim.id);
            self.fault(Weight::Must, members.below("claimId"), what, RULE);
        }
        let created = self.time(&members, "created", RULE);
        let status = self.status(&members);
        let message = self.text(&members, "message", "CNAB 400 #153");
        let outputs = self.entries(&members, "outputs", "CNAB 400 #152", |validator, at, name, value| {
            validator.output_metadata(at, name, value, claim)
        });
        Some(ClaimResult { id: id?, claim: of?, created: created?, status: status?, message, outputs })
    }

    fn status(&mut self, members: &Members<'_>) -> Option<ResultStatus> {
        let text = self.required_text(members, "status", RULE)?;
        let status = ResultStatus::of(&text);
        if !text.is_empty() && status.is_none() {
            let known = ResultStatus::ALL.map(|it| format!("`{it}`")).join(", ");
            let what = format!("`{text}` is none of {known}");
            self.fault(Weight::Must, members.below("status"), what, RULE);
        }
        status
    }

    fn output_metadata(
        &mut self,
        at: String,
        name: &str,
        value: &Value,
        claim: Option<&Claim>,
    ) -> Option<OutputMetadata> {
        const RULE: &str = "CNAB 400 #152";
        if let Some(claim) = claim.filter(|_| !name.starts_with(RESERVED_OUTPUTS)) {
            let what = match claim.bundle.outputs().get(name) {
                None => Some("is no output of the bundle".to_owned()),
                Some(output) if !output.applies_to(&claim.action) => {
                    Some(format!("is no output of the action `{}`", claim.action))
                }
                Some(_) => None,
            };
            if let Some(what) = what {
                self.fault(Weight::Must, at.clone(), what, RULE);
            }
        }
        let Value::Object(map) = value else {
            let what = "must be an object: values of outputs are not part of a result";
            self.fault(Weight::Must, at, what, RULE);
            return None;
        };
        let members = Members { at, map };
        for name in ["content", "value"].iter().filter(|name| map.contains_key(**name)) {
            let what = "must not be here: values of outputs are not part of a result";
            self.fault(Weight::Author, members.below(name), what, RULE);
        }
        let digest = self.text(&members, "contentDigest", RULE);
        if digest.as_deref().is_some_and(|digest| !crate::bundle::is_digest(digest)) {
            self.fault(Weight::Must, members.below("contentDigest"), "is not a digest", RULE);
        }
        Some(OutputMetadata { digest })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fault::Purpose;
    use super::super::tests::base as base_of_claim;
    use super::super::{claim, claim_result};
    use super::*;
    use crate::digest::Digest;

    fn base() -> Value {
        json!({
            "id": "01E2ZZ2FKSE0V41DCXFCSW5D1M", "claimId": "01E5G8ZYP714JVM8NHTJQ4FH15",
            "created": "2026-01-02T03:05:05Z", "status": "succeeded", "message": "", "custom": {},
            "outputs": { "host": { "contentDigest": Digest::of(b"h"), "generatedByBundle": "true" } },
        })
    }

    fn faults(name: &str, value: Value, of: Option<&Claim>) -> Vec<String> {
        let mut document = base();
        document[name] = value;
        claim_result(&document, of, Purpose::Lint).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_result_is_what_its_document_says() {
        let of = claim(&base_of_claim(), Purpose::Lint).0.unwrap();
        for status in ResultStatus::ALL {
            assert_eq!(faults("status", json!(status), Some(&of)), Vec::<String>::new());
            assert_eq!(ResultStatus::of(status.as_str()), Some(status));
            assert_eq!(json!(status), json!(status.as_str()), "it is written as it is shown");
        }
        for none in ["", "Succeeded", "succeeded ", "done"] {
            assert_eq!(ResultStatus::of(none), None, "{none}");
        }
        let read = claim_result(&base(), Some(&of), Purpose::Lint).0.unwrap();
        assert_eq!(read.outputs["host"].digest, Some(Digest::of(b"h").to_string()));
        let empty = json!({ "host": { "contentDigest": null }, "io.cnab.outputs.invocationImageLogs": {} });
        let faults = faults("outputs", empty, Some(&of));
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn every_fault_is_named_at_its_place() {
        let long = format!("sha512:{}", "0".repeat(128));
        assert_eq!(faults("outputs", json!({ "a": { "contentDigest": long } }), None), Vec::<String>::new());
        for (name, value, expected) in [
            ("id", json!(null), "/id: is missing"),
            ("id", json!("1"), "/id: `1` is not a ULID"),
            ("claimId", json!("1"), "/claimId: `1` is not a ULID"),
            ("created", json!(1), "/created: must be a string"),
            ("status", json!("success"), "/status: `success` is none of `canceled`"),
            ("status", json!(""), "/status: must not be empty"),
            ("message", json!(1), "/message: must be a string"),
            ("outputs", json!([]), "/outputs: must be an object"),
            ("outputs", json!({ "host": "example.org" }), "/outputs/host: must be an object"),
            (
                "outputs",
                json!({ "host": { "value": "example.org" } }),
                "/outputs/host/value: must not be here",
            ),
            (
                "outputs",
                json!({ "host": { "contentDigest": "md5:1" } }),
                "/outputs/host/contentDigest: is not a digest",
            ),
            ("credentials", json!({}), "/credentials: holds credentials"),
            ("more", json!({}), "/more: is a member that CNAB does not know"),
        ] {
            let faults = faults(name, value, None);
            assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{expected}: {faults:?}");
        }
    }

    #[test]
    fn a_result_agrees_with_its_claim() {
        let mut document = base_of_claim();
        document["action"] = "upgrade".into();
        let of = claim(&document, Purpose::Lint).0.unwrap();
        let told = faults("status", json!("failed"), Some(&of));
        assert!(told.len() == 1 && told[0].contains("is no output of the action `upgrade`"), "{told:?}");
        let told = faults("outputs", json!({ "x": {} }), Some(&of));
        assert!(told.len() == 1 && told[0].contains("is no output of the bundle"), "{told:?}");
        let told = faults("claimId", json!("01E2ZZ2FKSE0V41DCXFCSW5D1M"), Some(&of));
        assert!(told.iter().any(|fault| fault.contains("is not the id of the claim")), "{told:?}");
    }
}
