//! The operator's settings for registries: which are plain HTTP, who makes their tokens, whose certificates count.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;
use secrecy::{ExposeSecret as _, SecretString};

use super::RegistryError;
use super::credential::{Anonymous, RegistryCredentials};
use super::mirror::Mirror;
use super::origin::Origin;
use super::transport::{Patience, Proxies};
use crate::oci::Store;

/// A certificate and its key, texts in PEM.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// The certificate, with those between it and the authority.
    pub certificate: String,
    /// The private key.
    pub key: SecretString,
}

/// The settings for all registries.
pub struct RegistrySettings {
    /// Whether registries, as references name them, are without encryption. Of those that are not here, those of this machine
    /// are.
    pub plain_http: BTreeMap<String, bool>,
    /// Hosts that make the tokens of a registry, beside its own and those that are known.
    pub token_hosts: BTreeMap<String, Vec<String>>,
    /// Authorities whose certificates count for a registry beside the system's: texts in PEM.
    pub authorities: BTreeMap<String, Vec<String>>,
    /// Who we are to a registry that wants a certificate.
    pub identities: BTreeMap<String, ClientIdentity>,
    /// Registries that are asked before another one, in their order.
    pub mirrors: BTreeMap<String, Vec<Mirror>>,
    /// Where credentials are looked up.
    pub credentials: Box<dyn RegistryCredentials>,
    /// The proxies.
    pub proxies: Proxies,
    /// How long each step may take.
    pub patience: Patience,
    /// Where what is read is kept, if anywhere.
    pub store: Option<Arc<Store>>,
    /// Whether no registry is asked, and all comes from the store.
    pub is_offline: bool,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            plain_http: BTreeMap::new(),
            token_hosts: BTreeMap::new(),
            authorities: BTreeMap::new(),
            identities: BTreeMap::new(),
            mirrors: BTreeMap::new(),
            credentials: Box::new(Anonymous),
            proxies: Proxies::default(),
            patience: Patience::default(),
            store: None,
            is_offline: false,
        }
    }
}

/// Docker's own registry is not at the host that its name says.
const DOCKER: &str = "docker.io";
const DOCKER_HOST: &str = "registry-1.docker.io";

/// Hosts that make the tokens of well-known registries.
const TOKEN_HOSTS: [(&str, &str); 3] =
    [(DOCKER, "auth.docker.io"), (DOCKER_HOST, "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

impl RegistrySettings {
    /// Where a registry is, and which hosts may make its tokens beside it.
    pub(super) fn registry(&self, name: &str) -> Result<(Origin, Vec<String>), RegistryError> {
        let host = if name == DOCKER { DOCKER_HOST } else { name };
        let unusable = || RegistryError::Unreachable { host: name.to_owned(), why: "it is no host".into() };
        let encrypted = Origin::of_registry(host, true).ok_or_else(unusable)?;
        let is_plain = self.plain_http.get(name).copied().unwrap_or_else(|| encrypted.is_loopback());
        let origin = Origin::of_registry(host, !is_plain).ok_or_else(unusable)?;
        let known =
            TOKEN_HOSTS.iter().filter(|(registry, _)| *registry == name).map(|(_, host)| (*host).to_owned());
        let named = self.token_hosts.get(name).into_iter().flatten().cloned();
        Ok((origin, known.chain(named).collect()))
    }
}

/// TLS that trusts the system's authorities, and those named, and shows a certificate where there is one to show.
pub(super) fn tls(
    authorities: &[String],
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, RegistryError> {
    let unusable = |why: &str| RegistryError::Unreachable { host: "a registry".into(), why: why.into() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut extra = Vec::new();
    for text in authorities {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        extra.extend(read.ok().filter(|read| !read.is_empty()).ok_or_else(|| {
            RegistryError::Configuration("a file with authorities holds no certificates in PEM".into())
        })?);
    }
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
        .map_err(|_| unusable("the certificates that are trusted cannot be used"))?;
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("TLS cannot be used"))?;
    let verified = versions.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let Some(identity) = identity else { return Ok(verified.with_no_client_auth()) };
    let wrong = |why: &str| RegistryError::Configuration(why.into());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| wrong("the file of a client's certificate holds none in PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.expose_secret().as_bytes())
        .map_err(|_| wrong("the file of a client's key holds no private key in PEM that is not encrypted"))?;
    verified
        .with_client_auth_cert(chain, key)
        .map_err(|_| wrong("the certificate and the key of a client do not belong together"))
}
