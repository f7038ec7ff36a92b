//! What all repositories of a command share: connections, tokens, and what the operator says about registries.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::RegistryError;
use super::credential::RegistryCredential;
use super::mirror::Mirror;
use super::origin::Origin;
use super::secrets::Secrets;
use super::settings::{self, RegistrySettings};
use super::token::Token;
use super::transport::Transport;
use crate::oci::Store;
use crate::sync::Mutex;

/// Reads the settings, or says why they cannot be read.
type Load = Box<dyn Fn() -> Result<RegistrySettings, String> + Send + Sync>;

/// The clients and tokens of a command.
pub struct RegistryClient {
    settings: OnceLock<RegistrySettings>,
    load: Load,
    /// Made when they are first used: reading the system's certificates takes some milliseconds. Registries with
    /// authorities of their own have their own; the others share that of no name.
    transports: Mutex<BTreeMap<String, Arc<Transport>>>,
    /// By host and scope.
    pub(super) tokens: Mutex<BTreeMap<(Origin, String), Token>>,
    /// Credentials that are sent as they are with each request, by host and scope.
    pub(super) lasting: Mutex<BTreeMap<(Origin, String), RegistryCredential>>,
    pub(super) introducing: tokio::sync::Mutex<()>,
    /// All of these, in whatever a server says.
    pub(super) secrets: Secrets,
}

impl RegistryClient {
    /// A client that has not sent anything yet.
    pub fn new(settings: RegistrySettings) -> Arc<Self> {
        let client = Self::reading(|| Err("they are there already".into()));
        drop(client.settings.set(settings));
        client
    }

    /// A client that nobody knows, with the usual settings.
    pub fn anonymous() -> Arc<Self> {
        Self::new(RegistrySettings::default())
    }

    /// A client whose settings are read when a registry is first named.
    pub fn reading(load: impl Fn() -> Result<RegistrySettings, String> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            settings: OnceLock::new(),
            load: Box::new(load),
            transports: Mutex::default(),
            tokens: Mutex::default(),
            lasting: Mutex::default(),
            introducing: tokio::sync::Mutex::default(),
            secrets: Secrets::default(),
        })
    }

    pub(super) fn settings(&self) -> Result<&RegistrySettings, RegistryError> {
        if let Some(read) = self.settings.get() {
            return Ok(read);
        }
        let read = (self.load)().map_err(RegistryError::Configuration)?;
        Ok(self.settings.get_or_init(|| read))
    }

    pub(super) fn transport(&self, registry: &str) -> Result<Arc<Transport>, RegistryError> {
        let settings = self.settings()?;
        let (authorities, identity) = (settings.authorities.get(registry), settings.identities.get(registry));
        let name = if authorities.is_some() || identity.is_some() { registry } else { "" };
        if let Some(made) = self.transports.lock().get(name) {
            return Ok(Arc::clone(made));
        }
        let authorities = authorities.map_or(&[][..], Vec::as_slice);
        let tls = settings::tls(authorities, None)?;
        let own = identity.map(|identity| settings::tls(authorities, Some(identity))).transpose()?;
        let own = own.as_ref().unwrap_or(&tls);
        let made = Arc::new(Transport::new(own, &tls, &settings.proxies, settings.patience));
        self.transports.lock().insert(name.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    /// Where what is read is kept.
    pub(super) fn store(&self) -> Result<Option<Arc<Store>>, RegistryError> {
        Ok(self.settings()?.store.clone())
    }

    pub(super) fn is_offline(&self) -> Result<bool, RegistryError> {
        Ok(self.settings()?.is_offline)
    }

    /// The registries that are asked before this one.
    pub(super) fn mirrors(&self, name: &str) -> Result<&[Mirror], RegistryError> {
        Ok(self.settings()?.mirrors.get(name).map_or(&[], Vec::as_slice))
    }
}
