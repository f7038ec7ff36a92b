//! Capabilities: the requests of a bundle's author, their scopes, and the meaning of imports.
//!
//! Everything here is pure. A request never grants anything; it is compared with what the binary imports on one side
//! and with what the operator grants on the other.

pub mod severity;
pub mod pattern;
pub mod template;
mod invalid_scope;
mod grammar;
pub mod kubernetes;
pub mod files;
pub mod credentials;
pub mod functions;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::bundle::dependencies::DEPENDENCIES;
use crate::bundle::parameter_sources::PARAMETER_SOURCES;
use crate::bundle::{Bundle, is_own_action};
use crate::document;
use crate::text::CommandLine;

use credentials::generate::{GenerateScope, GenerateText};
use credentials::{CredentialScope, CredentialText};
use files::{FileScope, FileText};
pub use invalid_scope::InvalidScope;
pub(crate) use invalid_scope::check_count;
use kubernetes::{KubernetesScope, RuleText, Verb};
use template::Names;

/// The key of the requests in a bundle's `custom` and `requiredExtensions`.
pub const EXTENSION: &str = "dev.carnet.capabilities";

/// The requests of a bundle: the capabilities that its author says the component needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    /// The built-in actions that the component carries out itself. For the others the runtime has defaults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handles: Vec<String>,
    /// Objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kubernetes: Vec<ScopeRequest<RuleText>>,
    /// Files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ScopeRequest<FileText>>,
    /// Credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<ScopeRequest<CredentialText>>,
    /// Credentials that the host makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generate: Vec<ScopeRequest<GenerateText>>,
}

/// One request: a scope, the author's reason for it, and whether the bundle can do without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScopeRequest<T> {
    /// The scope, its members beside the reason.
    #[serde(flatten)]
    pub text: T,
    /// Why the author asks.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(default)]
    pub reason: String,
    /// Whether a run can do without.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub optional: bool,
}

/// By hand, because serde's `flatten` would pass over members that it does not know: each could ask for something that
/// nobody would see.
impl<'de, T: DeserializeOwned> Deserialize<'de> for ScopeRequest<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Map::deserialize(deserializer)?;
        let reason =
            members.remove("reason").map(String::deserialize).transpose().map_err(D::Error::custom)?;
        let optional =
            members.remove("optional").map(bool::deserialize).transpose().map_err(D::Error::custom)?;
        let text = T::deserialize(Value::Object(members)).map_err(D::Error::custom)?;
        Ok(Self { text, reason: reason.unwrap_or_default(), optional: optional.unwrap_or_default() })
    }
}

/// Scopes of all APIs together. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Objects.
    pub kubernetes: KubernetesScope,
    /// Files.
    pub files: FileScope,
    /// Credentials.
    pub credentials: CredentialScope,
    /// Credentials that the host makes.
    pub generate: GenerateScope,
}

/// The extensions that a bundle may require.
const SUPPORTED: [&str; 3] = [EXTENSION, DEPENDENCIES, PARAMETER_SOURCES];

/// Why requests cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequests {
    /// The component is said to handle something that is no built-in action.
    #[error("`handles` names `{0}`, which is not one of install, upgrade, uninstall")]
    Handles(String),
    /// The bundle has no requests, so it was not made for carnet.
    #[error("the bundle has no `custom[\"{EXTENSION}\"]`")]
    Missing,
    /// The extension is there but not required, so that others could run the bundle without it.
    #[error("`requiredExtensions` does not name `{EXTENSION}`")]
    NotRequired,
    /// A scope that cannot be used.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
    /// The document has the wrong shape.
    #[error("`custom[\"{EXTENSION}\"]`: {0}")]
    Shape(#[from] document::InvalidDocument),
    /// One name for a credential that is handed over and for one that is made: a placeholder would stand for both.
    #[error("`credentials` and `generate` both name `{0}`")]
    Twice(String),
    /// A request asks for something that carnet does not know.
    #[error("`custom[\"{EXTENSION}\"]` has members that carnet does not know: {0}")]
    Unknown(String),
    /// The bundle must not be run by who does not know an extension (CNAB 101), and carnet does not.
    #[error("the bundle requires extensions that carnet does not support: {0}")]
    Unsupported(String),
}

impl Requests {
    /// Reads the requests out of a bundle.
    ///
    /// # Errors
    /// [`InvalidRequests`] with what cannot be used. Unknown members are refused: they could ask for something that
    /// nobody would see.
    pub fn of(bundle: &Bundle) -> Result<Self, InvalidRequests> {
        let value = bundle.custom(EXTENSION).ok_or(InvalidRequests::Missing)?;
        if !bundle.required_extensions().iter().any(|name| name == EXTENSION) {
            return Err(InvalidRequests::NotRequired);
        }
        let is_unsupported = |name: &&String| !SUPPORTED.contains(&name.as_str());
        let unsupported: Vec<_> = bundle.required_extensions().iter().filter(is_unsupported).collect();
        if !unsupported.is_empty() {
            let names: Vec<_> =
                unsupported.iter().map(|name| format!("`{}`", document::visible(name))).collect();
            return Err(InvalidRequests::Unsupported(names.join(", ")));
        }
        let (requests, unknown) = document::typed::<Self>(value.clone())?;
        if !unknown.is_empty() {
            return Err(InvalidRequests::Unknown(document::visible(&unknown.join(", "))));
        }
        let mut requests = requests;
        requests.kubernetes.iter_mut().for_each(|request| request.text.leave_out_misplaced());
        requests.check()?;
        Ok(requests)
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`InvalidRequests::Handles`] for an action that is not built in, [`InvalidRequests::Twice`] for a credential of
    /// two kinds, [`InvalidRequests::Scope`] for a name that cannot be one.
    pub fn check(&self) -> Result<(), InvalidRequests> {
        let unknown = self.handles.iter().find(|action| is_own_action(action));
        if let Some(action) = unknown {
            return Err(InvalidRequests::Handles(document::visible(action)));
        }
        let lent: BTreeSet<_> = self.credentials.iter().map(|request| &request.text.name).collect();
        let twice = self.generate.iter().map(|request| &request.text.name).find(|name| lent.contains(name));
        twice.map_or(Ok(()), |name| Err(InvalidRequests::Twice(document::visible(name))))?;
        self.check_names()
    }

    /// Checks that each name is one of what it names, with any value in the place of its placeholders.
    fn check_names(&self) -> Result<(), InvalidRequests> {
        let names = Names::default();
        let kubernetes: Vec<_> =
            self.kubernetes.iter().map(|request| request.text.outlined()).collect::<Result<_, _>>()?;
        KubernetesScope::resolve(&kubernetes, &names)?;
        let files: Vec<_> =
            self.files.iter().map(|request| request.text.outlined()).collect::<Result<_, _>>()?;
        FileScope::resolve(&files, &names)?;
        let lent = self.credentials.iter().map(|request| request.text.outlined());
        CredentialScope::resolve(&lent.collect::<Result<Vec<_>, _>>()?, &names)?;
        let made = self.generate.iter().map(|request| request.text.outlined());
        GenerateScope::resolve(&made.collect::<Result<Vec<_>, _>>()?, &names)?;
        Ok(())
    }

    /// Adds requests to these.
    pub(crate) fn add(&mut self, more: Self) {
        self.handles.extend(more.handles);
        self.kubernetes.extend(more.kubernetes);
        self.files.extend(more.files);
        self.credentials.extend(more.credentials);
        self.generate.extend(more.generate);
    }

    /// Whether the component carries out this built-in action itself.
    pub fn handle(&self, action: &str) -> bool {
        self.handles.iter().any(|handled| handled == action)
    }

    /// Everything that is requested.
    ///
    /// # Errors
    /// [`InvalidRequests::Scope`] with the text that cannot be used.
    pub fn all(&self, names: &Names) -> Result<Capabilities, InvalidRequests> {
        self.resolve(names, |_| true)
    }

    /// The required requests.
    ///
    /// # Errors
    /// [`InvalidRequests::Scope`] with the text that cannot be used.
    pub fn required(&self, names: &Names) -> Result<Capabilities, InvalidRequests> {
        self.resolve(names, |optional| !optional)
    }

    /// The required requests, each by itself.
    ///
    /// # Errors
    /// [`InvalidRequests::Scope`] with the text that cannot be used.
    pub fn required_each(&self, names: &Names) -> Result<Vec<Capabilities>, InvalidRequests> {
        let kubernetes = each(&self.kubernetes, |kubernetes| Self { kubernetes, ..Self::default() });
        let files = each(&self.files, |files| Self { files, ..Self::default() });
        let credentials = each(&self.credentials, |credentials| Self { credentials, ..Self::default() });
        let generate = each(&self.generate, |generate| Self { generate, ..Self::default() });
        let alone = [kubernetes, files, credentials, generate].concat();
        alone.iter().map(|request| request.required(names)).collect()
    }

    fn resolve(&self, names: &Names, wanted: impl Fn(bool) -> bool) -> Result<Capabilities, InvalidRequests> {
        Ok(Capabilities {
            kubernetes: KubernetesScope::resolve(&texts(&self.kubernetes, &wanted), names)?,
            files: FileScope::resolve(&texts(&self.files, &wanted), names)?,
            credentials: CredentialScope::resolve(&texts(&self.credentials, &wanted), names)?,
            generate: GenerateScope::resolve(&texts(&self.generate, &wanted), names)?,
        })
    }

    fn asks_for(&self, verbs: &[Verb]) -> bool {
        self.kubernetes.iter().any(|request| request.text.verbs.iter().any(|verb| verbs.contains(verb)))
    }
}

/// Each required request as if it were the only one.
fn each<T: Clone>(
    requests: &[ScopeRequest<T>],
    alone: impl Fn(Vec<ScopeRequest<T>>) -> Requests,
) -> Vec<Requests> {
    requests.iter().filter(|request| !request.optional).map(|request| alone(vec![request.clone()])).collect()
}

fn texts<T: Clone>(requests: &[ScopeRequest<T>], wanted: impl Fn(bool) -> bool) -> Vec<T> {
    requests.iter().filter(|request| wanted(request.optional)).map(|request| request.text.clone()).collect()
}

impl Capabilities {
    /// Whether everything in `other` is in these.
    pub fn covers(&self, other: &Self) -> bool {
        self.missing(other).is_empty()
    }

    /// The capabilities of `other` that are not in these, as flags that would grant them.
    pub fn missing(&self, other: &Self) -> Vec<CommandLine> {
        let kubernetes = other.kubernetes.minus(&self.kubernetes).lines();
        kubernetes
            .iter()
            .map(kubernetes::flag)
            .chain(self.files.missing(&other.files).map(files::flag))
            .chain(self.credentials.missing(&other.credentials))
            .chain(other.generate.minus(&self.generate).lines())
            .collect()
    }

    /// The intersection of both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self {
            kubernetes: self.kubernetes.intersect(&other.kubernetes),
            files: self.files.intersect(&other.files),
            credentials: self.credentials.intersect(&other.credentials),
            generate: self.generate.intersect(&other.generate),
        }
    }
}

#[cfg(test)]
mod tests;
