//! Why a registry could not be used. No credential, and no text that a registry may have put one into, is in it.

/// Why a registry could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The operator's settings for registries cannot be read.
    #[error("the settings for registries cannot be used: {0}")]
    Configuration(String),
    /// A credential cannot be had from where it is configured to be.
    #[error("the credential for {host} cannot be used: {why}")]
    Credential {
        /// The registry.
        host: String,
        /// Why not.
        why: String,
    },
    /// The registry refuses to serve us.
    #[error("{host} refuses {action}{} ({status}{})", quoted(.repository), reason(.said))]
    Denied {
        /// The registry.
        host: String,
        /// `a pull from`, `a push to` or `a token for`.
        action: &'static str,
        /// The repository; empty where it is about the registry as a whole.
        repository: String,
        /// 401 or 403.
        status: u16,
        /// The registry's reason.
        said: Option<String>,
        /// Whether it was told who asks.
        with_credential: bool,
    },
    /// No registry is to be asked, and the store has not what it would be asked for.
    #[error("{missing} of {place} is not in the cache, and with --offline no registry is asked")]
    Offline {
        /// What is missing.
        missing: String,
        /// Registry and repository.
        place: String,
    },
    /// An answer that the distribution specification does not know.
    #[error("{host} answered against the rules of registries: {why}")]
    Protocol {
        /// The registry.
        host: String,
        /// The rule.
        why: String,
    },
    /// Tokens would be made at a host that may not know our credentials.
    #[error(
        "{registry} wants its tokens made by {realm}, which is not known to belong to it: nothing was sent there"
    )]
    Realm {
        /// The registry.
        registry: String,
        /// The host that it named.
        realm: String,
    },
    /// A redirect, or another address that came from the registry, leads to where no request is sent.
    #[error("{registry} sends us to {to}, {why}: nothing was sent there")]
    SentOn {
        /// The registry.
        registry: String,
        /// The host that it named.
        to: String,
        /// The rule.
        why: &'static str,
    },
    /// The registry, or the place where its tokens are made, has an error.
    #[error("{host} failed to answer ({status}{})", reason(.said))]
    Status {
        /// Who answered.
        host: String,
        /// The status.
        status: u16,
        /// The reason given.
        said: Option<String>,
    },
    /// Nothing came for too long.
    #[error("{host} did not answer in time: {stage}")]
    TimedOut {
        /// Who should have answered.
        host: String,
        /// The stage that took too long.
        stage: &'static str,
    },
    /// No connection, or one that broke.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// Who should have answered.
        host: String,
        /// The reason.
        why: String,
    },
}

impl RegistryError {
    /// Whether nobody answered at all.
    pub(in crate::oci) fn is_silence(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Unreachable { .. })
    }
}

fn quoted(repository: &str) -> String {
    if repository.is_empty() { " us".into() } else { format!(" `{repository}`") }
}

fn reason(said: &Option<String>) -> String {
    said.as_ref().map_or_else(String::new, |said| format!(": {said}"))
}
