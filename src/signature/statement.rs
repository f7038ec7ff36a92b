//! Turns a digest into the in-toto statement "I signed this" or "I approve this plan", and such a statement into the
//! digests that it is about.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::SignatureFault;
use crate::digest::Digest;
use crate::document;

/// The predicate of a statement that counts as a signature. Anything else that the key's holder signed, say where an
/// artifact came from, is not consent to run it.
pub(super) const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The predicate of a statement that approves a plan: nothing that was signed for another reason does.
const APPROVAL: &str = "https://carnet.dev/approval/v1";

/// The type of statement in the payload.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// An in-toto statement.
#[derive(Debug, Deserialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<StatementSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    predicate: serde_json::Value,
}

/// The approval of a plan, as its approver stated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalStatement {
    /// The digest of the plan.
    pub plan: Digest,
    /// When it was approved.
    pub approved_at: Timestamp,
    /// When the approval ends.
    pub expires_at: Timestamp,
}

/// The predicate of an approval on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApprovalPredicate {
    approved_at: String,
    expires_at: String,
}

#[derive(Debug, Deserialize)]
struct StatementSubject {
    digest: BTreeMap<String, String>,
}

impl Statement {
    /// Reads the payload of an envelope.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, SignatureFault> {
        let (statement, _) = document::json_as(payload)?;
        Ok(statement)
    }

    fn check_kind(&self) -> Result<(), SignatureFault> {
        if self.kind == STATEMENT { Ok(()) } else { Err(SignatureFault::Statement(self.kind.clone())) }
    }

    /// Checks that this is a signature, and one for `digest`. It may name other subjects too.
    ///
    /// # Errors
    /// [`SignatureFault::Statement`], [`SignatureFault::Predicate`] and [`SignatureFault::OtherDigest`].
    pub fn check(&self, digest: Digest) -> Result<(), SignatureFault> {
        self.check_kind()?;
        if self.predicate_type != PREDICATE {
            return Err(SignatureFault::Predicate(self.predicate_type.clone()));
        }
        let names =
            |subject: &StatementSubject| subject.digest.get("sha256").is_some_and(|hex| *hex == digest.hex());
        if self.subject.iter().any(names) { Ok(()) } else { Err(SignatureFault::OtherDigest) }
    }
}

impl ApprovalStatement {
    /// The approval in a statement. It is about one plan, and says from when to when.
    ///
    /// # Errors
    /// [`SignatureFault::Statement`], [`SignatureFault::NoApproval`], [`SignatureFault::Subjects`],
    /// [`SignatureFault::Time`], and [`SignatureFault::Malformed`] for anything else.
    pub fn of(statement: &Statement) -> Result<Self, SignatureFault> {
        statement.check_kind()?;
        let other = || SignatureFault::NoApproval(statement.predicate_type.clone());
        if statement.predicate_type != APPROVAL {
            return Err(other());
        }
        let [subject] = &statement.subject[..] else {
            return Err(SignatureFault::Subjects(statement.subject.len()));
        };
        let hex = subject.digest.get("sha256").ok_or_else(other)?;
        let plan = format!("sha256:{hex}").parse().map_err(|_| other())?;
        let (predicate, _) = document::typed::<ApprovalPredicate>(statement.predicate.clone())?;
        let time = |text: String| text.parse().map_err(|_| SignatureFault::Time(text));
        Ok(Self { plan, approved_at: time(predicate.approved_at)?, expires_at: time(predicate.expires_at)? })
    }

    /// The statement on the wire.
    pub(super) fn written(&self) -> String {
        document::written(&json!({
            "_type": STATEMENT,
            "subject": [{ "name": "plan", "digest": { "sha256": self.plan.hex() } }],
            "predicateType": APPROVAL,
            "predicate": {
                "approvedAt": self.approved_at.to_string(),
                "expiresAt": self.expires_at.to_string(),
            },
        }))
    }
}

/// The statement that its signer signed `digest`.
pub(super) fn signed(digest: Digest) -> String {
    let statement = json!({
        "_type": STATEMENT,
        "subject": [{ "digest": { "sha256": digest.hex() } }],
        "predicateType": PREDICATE,
    });
    document::written(&statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement::parse(signed(Digest::of(b"subject")).as_bytes()).unwrap()
    }

    #[test]
    fn a_statement_of_something_else_is_not_a_signature() {
        let mut statement = statement();
        assert!(statement.check(Digest::of(b"subject")).is_ok());
        assert!(matches!(statement.check(Digest::of(b"other")), Err(SignatureFault::OtherDigest)));
        statement.predicate_type = "https://slsa.dev/provenance/v1".into();
        assert!(matches!(statement.check(Digest::of(b"subject")), Err(SignatureFault::Predicate(_))));
        statement.predicate_type = PREDICATE.into();
        statement.kind = "https://in-toto.io/Statement/v0.1".into();
        assert!(matches!(statement.check(Digest::of(b"subject")), Err(SignatureFault::Statement(_))));
    }

    #[test]
    fn a_second_subject_counts_as_well() {
        let mut statement = statement();
        let digest = [("sha256".to_owned(), Digest::of(b"second").hex())].into();
        statement.subject.push(StatementSubject { digest });
        assert!(statement.check(Digest::of(b"second")).is_ok());
        assert!(statement.check(Digest::of(b"subject")).is_ok());
    }

    #[test]
    fn another_algorithm_with_the_digits_of_the_digest_is_another_digest() {
        let mut statement = statement();
        let hex = Digest::of(b"subject").hex();
        statement.subject = vec![StatementSubject { digest: [("sha512".to_owned(), hex)].into() }];
        assert!(matches!(statement.check(Digest::of(b"subject")), Err(SignatureFault::OtherDigest)));
    }

    fn approval() -> ApprovalStatement {
        let time = |text: &str| text.parse().unwrap();
        ApprovalStatement {
            plan: Digest::of(b"plan"),
            approved_at: time("2026-01-01T00:00:00Z"),
            expires_at: time("2026-01-02T00:00:00Z"),
        }
    }

    /// The approval that is read from the statement on the wire, changed so.
    fn read(change: impl Fn(&mut serde_json::Value)) -> Result<ApprovalStatement, SignatureFault> {
        let mut wire = serde_json::from_str(&approval().written()).unwrap();
        change(&mut wire);
        ApprovalStatement::of(&Statement::parse(wire.to_string().as_bytes())?)
    }

    #[test]
    fn an_approval_reads_as_it_was_written_and_is_no_signature() {
        assert_eq!(read(|_| ()).unwrap(), approval());
        let statement = Statement::parse(approval().written().as_bytes()).unwrap();
        let error = statement.check(Digest::of(b"plan")).unwrap_err();
        assert!(matches!(error, SignatureFault::Predicate(_)), "{error}");
        let error = ApprovalStatement::of(&self::statement()).unwrap_err();
        assert!(matches!(error, SignatureFault::NoApproval(_)), "a signature approves no plan: {error}");
    }

    #[test]
    fn an_approval_is_about_one_plan_and_has_both_times() {
        let subject = json!({"digest": {"sha256": Digest::of(b"other").hex()}});
        let more = read(|wire| wire["subject"].as_array_mut().unwrap().push(subject.clone()));
        assert!(matches!(more, Err(SignatureFault::Subjects(2))), "{more:?}");
        let none = read(|wire| wire["subject"] = json!([]));
        assert!(matches!(none, Err(SignatureFault::Subjects(0))), "{none:?}");
        let odd = read(|wire| wire["subject"][0]["digest"] = json!({"sha512": "00"}));
        assert!(matches!(odd, Err(SignatureFault::NoApproval(_))), "{odd:?}");
        for member in ["approvedAt", "expiresAt"] {
            for value in [json!(null), json!(1)] {
                let odd = read(|wire| wire["predicate"][member] = value.clone());
                assert!(matches!(odd, Err(SignatureFault::Malformed(_))), "{member} {value}: {odd:?}");
            }
            let odd = read(|wire| wire["predicate"][member] = json!("soon"));
            assert!(matches!(odd, Err(SignatureFault::Time(_))), "{member}: {odd:?}");
        }
        let kind = read(|wire| wire["_type"] = json!("https://in-toto.io/Statement/v0.1"));
        assert!(matches!(kind, Err(SignatureFault::Statement(_))), "{kind:?}");
    }
}
