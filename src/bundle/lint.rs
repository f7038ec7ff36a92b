//! Turns a document that CNAB specifies into the list of everything that is wrong with it, for its author.
//!
//! Reading ([`super::Bundle::parse`]) goes by the same rules and is milder: what would be a shame to publish may still
//! be safe to install.

use serde_json::Value;

use super::canonical::canonical;
use super::claim::Claim;
use super::fault::{Fault, FaultSeverity, Purpose};
use super::{Bundle, claim, dependencies, parameter_sources, read, relocation, status};
use crate::document;

/// The kinds of documents that CNAB specifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CnabKind {
    /// A `bundle.json` (101).
    Bundle,
    /// A claim (400).
    Claim,
    /// The result of a claim (400).
    ClaimResult,
    /// The value of `io.cnab.dependencies` (500).
    Dependencies,
    /// The value of `io.cnab.parameter-sources` (810).
    ParameterSources,
    /// A relocation mapping (103).
    RelocationMapping,
    /// The output `status` of the action `io.cnab.status` (804).
    Status,
}

/// The document that another one belongs to, and has to agree with.
#[derive(Debug, Default)]
pub enum Whole {
    /// The bundle of a relocation mapping.
    Bundle(Box<Bundle>),
    /// The claim of a result.
    Claim(Box<Claim>),
    /// It is not known.
    #[default]
    Unknown,
}

impl CnabKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Bundle,
        Self::Claim,
        Self::ClaimResult,
        Self::Dependencies,
        Self::ParameterSources,
        Self::RelocationMapping,
        Self::Status,
    ];

    /// The name, as `lint --kind` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Claim => "claim",
            Self::ClaimResult => "claim-result",
            Self::Dependencies => "dependencies",
            Self::ParameterSources => "parameter-sources",
            Self::RelocationMapping => "relocation-mapping",
            Self::Status => "status",
        }
    }

    /// The kind that the members of a document show it to be. None: they could be those of another.
    pub fn of(value: &Value) -> Option<Self> {
        let members = value.as_object()?;
        let has = |names: &[&str]| names.iter().all(|name| members.contains_key(*name));
        let all = |is: fn(&Value) -> bool| !members.is_empty() && members.values().all(is);
        match () {
            () if has(&["invocationImages"]) => Some(Self::Bundle),
            () if has(&["installation", "action", "bundle"]) => Some(Self::Claim),
            () if has(&["claimId", "status"]) => Some(Self::ClaimResult),
            () if members.get("requires").is_some_and(Value::is_object) => Some(Self::Dependencies),
            () if all(|value| value.get("priority").is_some() && value.get("sources").is_some()) => {
                Some(Self::ParameterSources)
            }
            () if all(|value| value.as_str().is_some_and(|text| text.contains("@sha256:"))) => {
                Some(Self::RelocationMapping)
            }
            () => None,
        }
    }
}

impl Whole {
    /// Reads the document that one of this kind belongs to. None: such a document belongs to no other.
    ///
    /// # Errors
    /// The faults of that document.
    pub fn of(kind: CnabKind, bytes: &[u8]) -> Option<Result<Self, Vec<Fault>>> {
        let read = |read: fn(&Value) -> (Option<Self>, Vec<Fault>)| match document::json(bytes) {
            Err(invalid) => Err(unread(&invalid)),
            Ok(value) => match read(&value) {
                (Some(whole), _) => Ok(whole),
                (None, faults) => Err(faults),
            },
        };
        match kind {
            CnabKind::RelocationMapping => Some(match Bundle::parse(bytes) {
                Ok((bundle, _)) => Ok(Self::Bundle(Box::new(bundle))),
                Err(super::InvalidBundle::Rules(faults)) => Err(faults),
                Err(other) => Err(vec![Fault::error(String::new(), document::chain(&other), "CNAB 101 #9")]),
            }),
            CnabKind::ClaimResult => Some(read(|value| {
                let (claim, faults) = claim::claim(value, Purpose::Read);
                (claim.map(|claim| Self::Claim(Box::new(claim))), faults)
            })),
            _ => None,
        }
    }
}

/// Every fault of a `bundle.json`, in the order of the rules of CNAB.
pub fn lint(bytes: &[u8]) -> Vec<Fault> {
    let value = match document::json(bytes) {
        Ok(value) => value,
        Err(invalid) => return unread(&invalid),
    };
    let (_, mut faults) = read::content(&value, Purpose::Lint);
    if canonical(&value).is_ok_and(|canonical| canonical != bytes) {
        let what = "is not canonical JSON (RFC 8785), as it must be where it is published".into();
        faults.push(Fault {
            severity: FaultSeverity::Warning,
            ..Fault::error(String::new(), what, "CNAB 101 #9")
        });
    }
    faults
}

/// Every fault of a document of this kind.
pub fn lint_as(kind: CnabKind, bytes: &[u8], whole: &Whole) -> Vec<Fault> {
    match kind {
        CnabKind::Bundle => lint(bytes),
        _ => judge(kind, bytes, whole, Purpose::Lint),
    }
}

/// The faults of a document of this kind that somebody else made, and that is to be used.
pub fn faults_on_reading(kind: CnabKind, bytes: &[u8], whole: &Whole) -> Vec<Fault> {
    judge(kind, bytes, whole, Purpose::Read)
}

fn judge(kind: CnabKind, bytes: &[u8], whole: &Whole, purpose: Purpose) -> Vec<Fault> {
    let value = match document::json(bytes) {
        Ok(value) => value,
        Err(invalid) => return unread(&invalid),
    };
    let (bundle, of) = match whole {
        Whole::Bundle(bundle) => (Some(&**bundle), None),
        Whole::Claim(claim) => (None, Some(&**claim)),
        Whole::Unknown => (None, None),
    };
    match kind {
        CnabKind::Bundle => read::content(&value, purpose).1,
        CnabKind::Claim => claim::claim(&value, purpose).1,
        CnabKind::ClaimResult => claim::claim_result(&value, of, purpose).1,
        CnabKind::Dependencies => dependencies::read(&value, purpose).1,
        CnabKind::ParameterSources => parameter_sources::read(&value, purpose).1,
        CnabKind::RelocationMapping => relocation::check(&value, bundle, purpose),
        CnabKind::Status => status::read(&value, purpose).1,
    }
}

fn unread(invalid: &document::InvalidDocument) -> Vec<Fault> {
    vec![Fault::error(String::new(), invalid.to_string(), "CNAB 101 #9")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_its_members_where_they_are_its_own() {
        for (text, kind) in [
            (r#"{"invocationImages":[]}"#, Some(CnabKind::Bundle)),
            (r#"{"installation":"a","action":"install","bundle":{}}"#, Some(CnabKind::Claim)),
            (r#"{"claimId":"x","status":"failed"}"#, Some(CnabKind::ClaimResult)),
            (r#"{"requires":{}}"#, Some(CnabKind::Dependencies)),
            (r#"{"a":{"priority":[],"sources":{}}}"#, Some(CnabKind::ParameterSources)),
            (r#"{"r/a:1":"r/b@sha256:00"}"#, Some(CnabKind::RelocationMapping)),
            (r#"{"status":"Ready"}"#, None),
            ("{}", None),
            ("[]", None),
        ] {
            assert_eq!(CnabKind::of(&document::json(text.as_bytes()).unwrap()), kind, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_document_is_one_fault_of_every_kind() {
        for kind in CnabKind::ALL {
            for text in ["", "{", "{} {}", "\u{feff}{}", r#"{"a":1,"a":2}"#, &"[".repeat(100_000)] {
                let faults = lint_as(kind, text.as_bytes(), &Whole::Unknown);
                assert!(faults.len() == 1 && faults[0].is_error(), "{kind:?}: {faults:?}");
            }
        }
    }
}
