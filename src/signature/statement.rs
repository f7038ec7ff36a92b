//! Turns a digest into the in-toto statement "I signed this", and such a statement into the digests that it is about.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::SignatureFault;
use crate::digest::Digest;
use crate::document;

/// The predicate of a statement that counts as a signature. Anything else that the key's holder signed, say where an
/// artifact came from, is not consent to run it.
pub(super) const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

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

    /// Checks that this is a signature, and one for `digest`. It may name other subjects too.
    ///
    /// # Errors
    /// [`SignatureFault::Statement`], [`SignatureFault::Predicate`] and [`SignatureFault::OtherDigest`].
    pub fn check(&self, digest: Digest) -> Result<(), SignatureFault> {
        if self.kind != STATEMENT {
            return Err(SignatureFault::Statement(self.kind.clone()));
        }
        if self.predicate_type != PREDICATE {
            return Err(SignatureFault::Predicate(self.predicate_type.clone()));
        }
        let names =
            |subject: &StatementSubject| subject.digest.get("sha256").is_some_and(|hex| *hex == digest.hex());
        if self.subject.iter().any(names) { Ok(()) } else { Err(SignatureFault::OtherDigest) }
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
}
