//! Requests of a caller, as typed values, with no defaults that depend on where it is asked. What a *bundle* asks for
//! is in [`Requests`](crate::capability::Requests).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;

use crate::bundle::Bundle;
use crate::bundle::parameters::value_from_text;
use crate::grant::Consent;
use crate::install::ChangeOptions;
use crate::reference::Reference;
use crate::targets::Place;

use super::approve::Approval;
use super::{Deferred, Error};

/// What a bundle has to be to be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrustMode {
    /// One that the trust policy admits.
    #[default]
    ByPolicy,
    /// One of this machine, signed or not, unless the trust policy forbids it.
    DangerouslyUnsigned,
}

/// An action on an installation: the part that all actions share.
#[derive(Debug)]
pub struct InstallationRequest {
    /// The name of the installation.
    pub name: String,
    /// Its namespace. None: the recorded one, else that of the state, else that of the target.
    pub namespace: Option<String>,
    /// How its cluster is reached from here.
    pub access: Access,
    /// The choices that a record does not decide where others can write it.
    pub own_word: OwnWord,
    /// The operator's consent: grants and flags.
    pub consent: Deferred<Consent>,
    /// Parameters and credentials.
    pub inputs: GivenInputs,
    /// What its bundle has to be.
    pub trust: TrustMode,
    /// Approvals of a saved plan.
    pub approvals: Vec<Approval>,
    /// How the change is carried out.
    pub change: ChangeOptions,
    /// Whether a failed run is rolled back.
    pub rollback_on_failure: bool,
    /// What is said of the bundle's dependencies, by their names; of one that is another's, with that one and `/` before it.
    pub dependencies: BTreeMap<String, DependencyRequest>,
    /// Where the bundle that is gone back to is from, with its digest. It has to be said where others can write the
    /// record.
    pub rollback_bundle: Option<Reference>,
}

/// What an operator says of a dependency. Nothing that is said of the bundle that depends on it holds for it as well.
#[derive(Debug, Clone, Default)]
pub struct DependencyRequest {
    /// The installation that it is, or is to be. None: that of the bundle, `-` and its name.
    pub installation: Option<String>,
    /// Where its bundle is. None: beside the one that depends on it, else where that one's author says.
    pub reference: Option<Reference>,
    /// The operator's consent: grants and flags.
    pub consent: Deferred<Consent>,
    /// Parameters and credentials.
    pub inputs: GivenInputs,
    /// What its bundle has to be.
    pub trust: TrustMode,
}

/// An action on an installation with a bundle that is named.
#[derive(Debug)]
pub struct InstallRequest {
    /// Where the bundle is.
    pub reference: Reference,
    /// Where the objects go.
    pub destination: RequestedPlace,
    /// The installation, and the rest.
    pub installation: InstallationRequest,
    /// Whether the bundle is a source directory of this machine that is used unsigned, with all that it asks for.
    pub for_development: bool,
}

/// Where the objects of an installation go.
#[derive(Debug, Clone, Default)]
pub struct RequestedPlace {
    /// The place that is named. None: where the installation is.
    pub named: Deferred<Option<Place>>,
    /// The place of an installation that is not there yet, where none is named.
    pub default: Deferred<Option<Place>>,
}

/// The operator's own word about an installation that is there. Where others can write its record it is needed;
/// elsewhere it has to agree with the record.
#[derive(Debug, Clone, Default)]
pub struct OwnWord {
    /// Where the bundle is from, with its digest. It is the one that is kept; trust is decided by where it is from.
    pub bundle: Option<Reference>,
    /// Where the objects are.
    pub place: Deferred<Option<Place>>,
}

/// How a cluster is reached from here.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The kubeconfig. None: the recorded one, else those that kubectl would use.
    pub kubeconfig: Option<PathBuf>,
    /// Whether the kubeconfig is one that was lent for a plan: it is not the way to the installation, so it is not
    /// recorded.
    pub is_lent: bool,
    /// The context of the kubeconfig.
    pub context: Option<String>,
    /// Somebody to act as.
    pub as_user: Option<String>,
}

/// A bundle's inputs.
#[derive(Debug, Clone, Default)]
pub struct GivenInputs {
    /// Values for parameters.
    pub parameters: Deferred<Parameters>,
    /// Where credentials come from. None: there are none.
    pub credentials: Option<Arc<dyn CredentialSource>>,
}

/// Values for parameters, by name.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    /// Values.
    pub values: BTreeMap<String, Value>,
    /// Texts that are parsed by the parameter's schema: taken as a string where it allows one, else parsed as JSON.
    /// They win over values.
    pub texts: BTreeMap<String, String>,
}

/// Where the values of credentials are found. Nothing is read before a bundle was admitted that may use it.
pub trait CredentialSource: fmt::Debug + Send + Sync {
    /// The values of those of these credentials that are known here.
    ///
    /// # Errors
    /// When one is known and its value cannot be read.
    fn values(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, SecretString>, Box<dyn std::error::Error + Send + Sync>>;
}

/// Values that are at hand.
impl CredentialSource for BTreeMap<String, SecretString> {
    fn values(&self, names: &[&str]) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let known = |name: &&str| Some(((*name).to_owned(), self.get(*name)?.clone()));
        Ok(names.iter().filter_map(known).collect())
    }
}

impl InstallationRequest {
    /// A request with nothing but the name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            namespace: None,
            access: Access::default(),
            own_word: OwnWord::default(),
            consent: Deferred::default(),
            inputs: GivenInputs::default(),
            approvals: Vec::new(),
            trust: TrustMode::default(),
            change: ChangeOptions::default(),
            rollback_on_failure: false,
            rollback_bundle: None,
            dependencies: BTreeMap::new(),
        }
    }

    /// The installation that a dependency of `owner` is, or is to be.
    pub(super) fn installation_of(&self, owner: &str, name: &str, path: &str) -> String {
        let given = self.dependencies.get(path).and_then(|given| given.installation.clone());
        given.unwrap_or_else(|| format!("{owner}-{name}"))
    }
}

impl InstallRequest {
    /// A request with nothing but the name, the bundle and the place.
    pub fn new(name: impl Into<String>, reference: Reference, place: Place) -> Self {
        let destination = RequestedPlace { named: Some(place).into(), ..RequestedPlace::default() };
        Self { reference, destination, installation: InstallationRequest::new(name), for_development: false }
    }
}

impl Parameters {
    /// The values that are given. Whether the bundle accepts them is not decided here.
    ///
    /// # Errors
    /// [`Error::Parameter`] when the bundle has no such parameter, or a text cannot be its value.
    pub fn read(&self, bundle: &Bundle) -> Result<BTreeMap<String, Value>, Error> {
        self.read_those(bundle, |_| true)
    }

    /// The values of those names alone.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub(super) fn read_those(
        &self,
        bundle: &Bundle,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Value>, Error> {
        let mut values = self.values.clone();
        values.retain(|name, _| is_wanted(name));
        for (name, text) in self.texts.iter().filter(|(name, _)| is_wanted(name)) {
            values.insert(name.clone(), value_from_text(bundle, name, text)?);
        }
        Ok(values)
    }
}
