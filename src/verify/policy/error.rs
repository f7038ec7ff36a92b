//! Why the text of a policy file is no trust policy.

use crate::digest;
use crate::document::{self, visible};
use crate::signature::InvalidPublicKey;

/// The version of the format.
pub(super) const API_VERSION: &str = "carnet.dev/v1alpha1";

/// Why a trust policy was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A rule for approvals could not work.
    #[error("rule {number} of `approvals`: {}", visible(.what))]
    Approvals {
        /// Where it stands, from 1.
        number: usize,
        /// The fault.
        what: String,
    },
    /// A refused digest is none.
    #[error("`refusedDigests` holds something else than digests")]
    Digest(#[from] digest::InvalidDigest),
    /// The text breaks a rule of YAML or of the format.
    #[error("the trust policy is not valid")]
    Document(#[from] document::InvalidDocument),
    /// The PEM text of a key is none.
    #[error("key `{}` cannot be read", visible(.name))]
    Key {
        /// The key's name in the policy.
        name: String,
        /// The reason.
        source: InvalidPublicKey,
    },
    /// The file is something else.
    #[error(
        "the file is of `{}`, kind `{}`, not of `{API_VERSION}`, kind `TrustPolicy`",
        visible(.api_version), visible(.kind)
    )]
    Kind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// A pattern for names is empty, or has a `*` that is not at its end.
    #[error(
        "rule `{}` admits names by `{}`, where only a `*` or `**` at the end is understood",
        visible(.rule), visible(.pattern)
    )]
    Name {
        /// The rule's scope.
        rule: String,
        /// The pattern.
        pattern: String,
    },
    /// Two rules have one scope, so that neither is the more specific.
    #[error("there are two rules for `{}`", visible(.0))]
    Overlap(String),
    /// The scope of a rule is none.
    #[error(
        "`{}` is not a scope: write `HOST/REPOSITORY`, `HOST/**`, `HOST/REPOSITORY/**`, `layout` or `archive`",
        visible(.0)
    )]
    Scope(String),
    /// The threshold is 0, or more than the distinct keys that could meet it.
    #[error("rule `{}` wants {threshold} signers of {signers}: write a number from 1 to {signers}", visible(.rule))]
    Threshold {
        /// The rule's scope.
        rule: String,
        /// The number that it demands.
        threshold: usize,
        /// How many distinct keys it lists.
        signers: usize,
    },
    /// A time is not one.
    #[error("key `{}` has `{}` for a time: write one such as `2026-01-31T00:00:00Z`", visible(.name), visible(.text))]
    Time {
        /// The key's name in the policy.
        name: String,
        /// The text.
        text: String,
    },
    /// A rule names a key that is not in the policy.
    #[error("rule `{}` names key `{}`, which `keys` does not hold", visible(.rule), visible(.key))]
    UnknownKey {
        /// The rule's scope.
        rule: String,
        /// The name.
        key: String,
    },
    /// A rule admits no names, so it would admit nothing.
    #[error("rule `{}` has no `names`", visible(.0))]
    Unnamed(String),
    /// A key's window ends before it begins.
    #[error("key `{}` is valid until before it is valid from", visible(.0))]
    Window(String),
}
