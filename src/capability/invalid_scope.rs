//! Why a scope, of whichever host API, cannot be read from its document.

use super::pattern::InvalidPattern;
use super::template::InvalidTemplate;

/// The most names and patterns in the rules of one kind: each of those requested is compared with each that is granted.
const MAX_NAMES: usize = 20_000;

/// Checks that there are not too many of them to be compared with as many others.
///
/// # Errors
/// [`InvalidScope::Many`] where there are.
pub(crate) fn check_count(names: usize) -> Result<(), InvalidScope> {
    if names > MAX_NAMES { Err(InvalidScope::Many(names)) } else { Ok(()) }
}

/// Why a scope cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidScope {
    /// A destination of a credential that is not a Secret.
    #[error("`{0}` is not of the form NAMESPACE/Secret/NAME")]
    Destination(String),
    /// A set without members, which must never mean "all".
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// A text of the form `VERB:KIND:NAMESPACE/NAME` was expected.
    #[error("`{0}` is not of the form VERB:KIND:NAMESPACE/NAME (or VERB:KIND:NAME outside namespaces)")]
    Form(String),
    /// A name that a generated credential cannot have.
    #[error("`{0}` cannot name a generated credential: it must be a DNS label")]
    Generated(String),
    /// A rule without namespaces, for a kind that lives in them.
    #[error(
        "`{0}` lives in namespaces: write VERB:{0}:NAMESPACE/NAME, in a document a rule with `namespaces`"
    )]
    InNamespaces(String),
    /// A kind in another spelling than the API's, which would cover nothing.
    #[error("`{text}` names no kind: write `{kind}`")]
    Kind {
        /// The text.
        text: String,
        /// The kind that it means, as `group/Kind`.
        kind: String,
    },
    /// A product of lists that is too large.
    #[error(
        "the rules name more than 50000 objects one by one (verbs × kinds × namespaces × names); write fewer, or \
         names that end in `*`"
    )]
    Large,
    /// More names than anybody reads.
    #[error("the rules have {0} names, more than {MAX_NAMES}; write fewer, or names that end in `*`")]
    Many(usize),
    /// A name that cannot be one of what it should name.
    #[error("`{text}` is not {what}")]
    Name {
        /// The kind that it should name.
        what: &'static str,
        /// The text, made visible and cut.
        text: String,
    },
    /// A kind that nobody serves: of the core group, or of one that is no domain, and none of Kubernetes itself.
    #[error(
        "`{0}` names no kind: write `Kind` for the core group, else `group/Kind`, as in `apps/Deployment`"
    )]
    NoKind(String),
    /// A rule with namespaces, for a kind that lives outside of them.
    #[error("`{0}` lives outside namespaces: write VERB:{0}:NAME, in a document a rule without `namespaces`")]
    OutsideNamespaces(String),
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// Several Secrets where one was expected.
    #[error("`{0}` does not name one Secret, as it must for a credential that is found again there")]
    Several(String),
    /// A placeholder that cannot be filled.
    #[error(transparent)]
    Template(#[from] InvalidTemplate),
    /// A verb that does not exist.
    #[error("`{0}` is not one of the verbs get, get-secret, apply, delete")]
    Verb(String),
}
