//! Turns keys and digests into signatures, and the bytes of signatures into what a key signed.
//!
//! Two formats are read: Sigstore bundles v0.3 ([`sigstore`]: a DSSE envelope around an in-toto statement), which are
//! also written, and cosign's classic form ([`classic`]), which is read only. Key files are cosign's, both ways.
//! Nothing here knows whom an operator trusts: whoever decides that gives the keys, and gets back the one that signed.
//! Reading is in two steps that cannot be swapped, the signature first and what it says afterwards, so nothing in an
//! unsigned payload is ever looked at.

use crate::digest::Digest;
use crate::document;

mod pem;
mod public_key;
mod private_key;
mod dsse;
mod statement;
pub mod classic;
pub mod sigstore;
mod evidence;
mod gather;
mod attach;

pub use attach::{NewSignature, save};
pub use evidence::{Evidence, SignatureContent};
pub use gather::gather;
pub use private_key::{KeyError, PrivateKey};
pub use public_key::{InvalidPublicKey, PublicKey};
pub use statement::ApprovalStatement;

/// The longest payload that is read, in bytes. One that names a digest has 200; more could only cost time.
const MAX_PAYLOAD: usize = 64 << 10;

/// Why some bytes are not a signature of a digest by one of the keys in question.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// Text that should be base64 is not.
    #[error("it holds something else where base64 should be")]
    Base64,
    /// The envelope does not have exactly one signature.
    #[error("its envelope holds {0} signatures, not one")]
    Envelope(usize),
    /// The JSON breaks a rule.
    #[error("it is malformed: {0}")]
    Malformed(#[from] document::InvalidDocument),
    /// The blob is something else.
    #[error("it is of media type `{}`, not a Sigstore bundle v0.3", document::visible(.0))]
    MediaType(String),
    /// The key's holder stated something else than "I approve this plan".
    #[error("it states `{}`, which is not the approval of a plan", document::visible(.0))]
    NoApproval(String),
    /// It is a good signature of something else.
    #[error("it signs another digest")]
    OtherDigest,
    /// None of the keys made it. The id is the one that it claims to be made with.
    #[error("none of the keys made it")]
    OtherKey(Option<Digest>),
    /// The envelope holds something else than an in-toto statement.
    #[error("its payload is of type `{}`, not an in-toto statement", document::visible(.0))]
    PayloadType(String),
    /// The key's holder stated something else than "I signed this".
    #[error("it states `{}`, which is not a signature", document::visible(.0))]
    Predicate(String),
    /// The payload is something else.
    #[error("it signs a document of type `{}`", document::visible(.0))]
    Statement(String),
    /// An approval is about one plan.
    #[error("it is about {0} documents, not about one plan")]
    Subjects(usize),
    /// A time is not one.
    #[error("it has `{}` for a time", document::visible(.0))]
    Time(String),
    /// It is longer than any signature.
    #[error("it has {0} bytes, more than are read")]
    TooLong(usize),
    /// The bytes could not be read, or are not what their digest says.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

#[cfg(test)]
mod tests;
