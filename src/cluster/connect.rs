//! Finds the cluster and the caller's identity: kubeconfig files by kubectl's rules, else the pod that carnet runs in.
//!
//! Apart from the rest because this is where ambient authority comes in: the environment, the home
//! directory, the files that a kubeconfig names, and the credential plugin that it may name.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use kube::config::{AuthInfo, ExecConfig, KubeConfigOptions, KubeconfigError};
use kube::{Client, Config};
use secrecy::ExposeSecret as _;

use super::connection::{self, explain};
use super::credential::{CredentialError, RequestCredential};
use super::endpoint::Endpoint;
use super::kubeconfig::{InvalidKubeconfig, Kubeconfigs};
use super::plugin::{Plugin, PluginError};
use super::proxy;

/// Where a proxy is named.
const PROXY: &str = "cluster.proxy-url or HTTPS_PROXY";

/// The user's choice of kubeconfig, context and user.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// The one file to read. None: those of `KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// None: the file's current context.
    pub context: Option<String>,
    /// Somebody to act as, if the caller may impersonate them.
    pub as_user: Option<String>,
}

/// Why there is no cluster to talk to. No request was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unconfigured {
    /// Certificates or the proxy are at fault.
    #[error("the connection cannot be prepared: {0}")]
    Client(String),
    /// Nothing says who asks.
    #[error("there is no credential for the cluster: {0}")]
    Credential(CredentialError),
    /// A file is missing or wrong, or names no such context.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(InvalidKubeconfig),
    /// There is no kubeconfig, and this is no pod.
    #[error("no kubeconfig was found, and carnet does not run inside a cluster")]
    Nowhere,
    /// Nobody can be named so.
    #[error("the user to act as has characters that no header can hold")]
    User,
}

impl From<kube::Error> for Unconfigured {
    fn from(error: kube::Error) -> Self {
        Self::Client(explain(&error))
    }
}

impl From<CredentialError> for Unconfigured {
    fn from(error: CredentialError) -> Self {
        Self::Credential(error)
    }
}

impl From<InvalidKubeconfig> for Unconfigured {
    fn from(error: InvalidKubeconfig) -> Self {
        Self::Kubeconfig(error)
    }
}

/// A client that has not sent anything yet, and what the configuration says about the place.
pub(super) struct Connection {
    pub(super) client: Client,
    /// The way to the server, without the caller.
    pub(super) endpoint: Endpoint,
    pub(super) namespace: String,
    /// The address, as it is recorded and shown.
    pub(super) address: String,
    /// The context of the kubeconfig.
    pub(super) context: Option<String>,
}

/// A configuration, and who asks apart from it: kube is not told.
struct Configured {
    config: Config,
    credential: Option<RequestCredential>,
    context: Option<String>,
}

/// Reads the configuration and prepares the client.
pub(super) async fn connect(options: &ConnectOptions) -> Result<Connection, Unconfigured> {
    let Configured { mut config, credential, context } = configuration(options).await?;
    if let Some(user) = &options.as_user {
        HeaderValue::from_str(user).map_err(|_| Unconfigured::User)?;
        config.auth_info.impersonate = Some(user.clone());
    }
    let (namespace, address) = (config.default_namespace.clone(), address(&config.cluster_url));
    let endpoint = Endpoint::of(&config);
    Ok(Connection { client: connection::client(config, credential)?, endpoint, namespace, address, context })
}

async fn configuration(options: &ConnectOptions) -> Result<Configured, Unconfigured> {
    let files = options.kubeconfig.clone().map_or_else(default_files, |file| vec![file]);
    if files.is_empty() {
        let config = Config::incluster().map_err(|_| Unconfigured::Nowhere)?;
        return configured(config).await;
    }
    let kubeconfigs = Kubeconfigs::read(files)?;
    let chosen = kubeconfigs.choose(options.context.as_deref())?;
    let chosen_options =
        KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    let made = Config::from_custom_kubeconfig(kubeconfigs.merged()?, &chosen_options).await;
    let mut config = made.map_err(|error| chosen.fault(at_fault(&error), "cannot be used"))?;
    let has_proxy = chosen.cluster.proxy_url.as_deref().is_some_and(|proxy| !proxy.is_empty());
    if !has_proxy && is_exempt(&config.cluster_url, &exemptions()) {
        config.proxy_url = None;
    }
    config.proxy_url = config.proxy_url.map(with_scheme);
    let scheme = config.proxy_url.as_ref().and_then(Uri::scheme_str);
    if scheme.is_some_and(|scheme| !proxy::SCHEMES.contains(&scheme)) {
        return Err(chosen.fault(PROXY, "begins with neither `http://`, `https://` nor `socks5://`").into());
    }
    let context = Some(chosen.name.clone());
    Ok(Configured { context, ..configured(config).await? })
}

/// Takes out of a configuration what says who asks. Runs the credential plugin, if there is one.
async fn configured(mut config: Config) -> Result<Configured, Unconfigured> {
    let user = std::mem::take(&mut config.auth_info);
    let AuthInfo { auth_provider, username, password, token, token_file, exec, .. } = user.clone();
    config.auth_info = AuthInfo {
        auth_provider: None,
        username: None,
        password: None,
        token: None,
        token_file: None,
        exec: None,
        ..user
    };
    let id_token =
        auth_provider.and_then(|provider| provider.config.get("id-token").map(|it| it.as_str().into()));
    let (token, file) = (id_token.or(token), token_file.filter(|file| !file.is_empty()));
    let credential = match (username.zip(password), file, token, exec) {
        (Some((name, password)), ..) => Some(RequestCredential::password(&name, &password)?),
        // As for kubectl, the file counts, and the token only where the file cannot be read.
        (None, Some(file), Some(token), _) => {
            Some(RequestCredential::file(file.into()).or_else(|_| RequestCredential::token(&token))?)
        }
        (None, Some(file), None, _) => Some(RequestCredential::file(file.into())?),
        (None, None, Some(token), _) => Some(RequestCredential::token(&token)?),
        (None, None, None, Some(exec)) => issued(exec, &mut config.auth_info).await?,
        (None, None, None, None) => None,
    };
    Ok(Configured { config, credential, context: None })
}

/// Runs a credential plugin. A certificate that it gives goes where that of a kubeconfig would be.
async fn issued(exec: ExecConfig, user: &mut AuthInfo) -> Result<Option<RequestCredential>, Unconfigured> {
    let Ok(plugin) = Plugin::new(exec) else { return Ok(None) };
    let (running, name) = (plugin.clone(), plugin.name());
    let ran = tokio::task::spawn_blocking(move || running.run()).await;
    let ended = |_| PluginError::Answer(name, "it did not come to an end");
    let issued = ran.map_err(ended).and_then(|ran| ran).map_err(CredentialError::from)?;
    if let Some((certificate, key)) = &issued.certificate {
        user.client_certificate_data = Some(STANDARD.encode(certificate));
        user.client_key_data = Some(STANDARD.encode(key.expose_secret()).into());
    }
    Ok(RequestCredential::issued(plugin, &issued)?)
}

/// The member that kube has something against.
fn at_fault(error: &KubeconfigError) -> &'static str {
    match error {
        KubeconfigError::LoadCertificateAuthority(_) | KubeconfigError::ParseCertificates(_) => {
            "cluster.certificate-authority"
        }
        KubeconfigError::MissingClusterUrl | KubeconfigError::ParseClusterUrl(_) => "cluster.server",
        KubeconfigError::ParseNoProxy(_) => "NO_PROXY",
        KubeconfigError::ParseProxyUrl(_) => PROXY,
        _ => "context",
    }
}

/// The contexts that can be named: of this kubeconfig, or of those that are found. None of one that cannot be read.
pub fn contexts(kubeconfig: Option<PathBuf>) -> Vec<String> {
    let files = kubeconfig.map_or_else(default_files, |file| vec![file]);
    Kubeconfigs::read(files).map(|read| read.contexts()).unwrap_or_default()
}

/// The files to merge. Like kubectl, those of the list that do not exist are skipped.
#[expect(clippy::disallowed_methods, reason = "kubectl's rules for finding the kubeconfig")]
fn default_files() -> Vec<PathBuf> {
    let listed = match std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => std::env::split_paths(&list).collect(),
        None => {
            std::env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect::<Vec<_>>()
        }
    };
    listed.into_iter().filter(|path| path.exists()).collect()
}

#[expect(clippy::disallowed_methods, reason = "kubectl's rules for proxies")]
fn exemptions() -> String {
    std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")).unwrap_or_default()
}

/// A proxy that is written without a scheme, `HOST:PORT`, is one that speaks HTTP.
fn with_scheme(proxy: Uri) -> Uri {
    match proxy.scheme() {
        Some(_) => proxy,
        None => format!("http://{proxy}").parse().unwrap_or(proxy),
    }
}

/// Whether `NO_PROXY` (or plain sense: this very machine) keeps a server away from the proxy. The client library
/// compares the list with the proxy's own name, which would send a cluster on this machine through the proxy.
fn is_exempt(server: &Uri, list: &str) -> bool {
    let Some(host) = server.host() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let usual = if server.scheme_str() == Some("http") { 80 } else { 443 };
    let port = server.port_u16().unwrap_or(usual);
    let address = host.parse::<std::net::IpAddr>().ok();
    let here = host == "localhost" || address.is_some_and(|it| it.is_loopback());
    let is_named = |entry: &str| {
        let name = entry.trim_start_matches('.');
        !name.is_empty()
            && (entry == "*"
                || host == name
                || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')))
    };
    here || list.split(',').map(str::trim).any(|entry| {
        let (entry, only) = without_port(entry);
        only.is_none_or(|only| only == port)
            && (is_named(entry) || address.is_some_and(|it| is_within(it, entry)))
    })
}

/// An entry of `NO_PROXY`, and the port that it is about. None: all of them.
fn without_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((name, port)) if name.starts_with('[') || !name.contains(':') => match port.parse() {
            Ok(port) => (name.trim_start_matches('[').trim_end_matches(']'), Some(port)),
            Err(_) => (entry.trim_start_matches('[').trim_end_matches(']'), None),
        },
        _ => (entry, None),
    }
}

/// Whether `address` lies in a network written `address/bits`.
fn is_within(address: std::net::IpAddr, network: &str) -> bool {
    use std::net::IpAddr::{V4, V6};
    let Some((base, bits)) = network.split_once('/') else { return false };
    match (base.parse(), bits.parse::<u32>(), address) {
        (Ok(V4(base)), Ok(bits @ 0..=32), V4(it)) => {
            (u32::from(base) ^ u32::from(it)).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (Ok(V6(base)), Ok(bits @ 0..=128), V6(it)) => {
            (u128::from(base) ^ u128::from(it)).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// The address without the user and password that a URL may have: it is recorded and shown.
fn address(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme_str().unwrap_or("https"), url.path().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_address_has_no_password() {
        assert_eq!(
            address(&Uri::from_static("https://user:hunter2@api.example:6443/a/")),
            "https://api.example:6443/a"
        );
        assert_eq!(address(&Uri::from_static("https://[::1]:6443")), "https://[::1]:6443");
    }

    fn server(authority: &str) -> Uri {
        format!("https://{authority}").parse().unwrap()
    }

    #[test]
    fn a_proxy_without_a_scheme_speaks_http() {
        for (written, meant) in [
            ("proxy.example:3128", "http://proxy.example:3128/"),
            ("proxy.example", "http://proxy.example/"),
            ("https://proxy.example:3128", "https://proxy.example:3128/"),
        ] {
            assert_eq!(with_scheme(written.parse().unwrap()).to_string(), meant);
        }
    }

    #[test]
    fn the_proxy_is_not_used_where_the_environment_says_so() {
        for (host, list) in [
            ("127.0.0.1", ""),
            ("localhost", ""),
            ("[::1]", ""),
            ("api.example", "*"),
            ("api.example", "other.example, api.example"),
            ("api.example", ".example"),
            ("api.example", "example"),
            ("10.0.3.4", "10.0.0.0/16"),
            ("10.0.3.4", "0.0.0.0/0"),
            ("[fd00::1]", "fd00::/8"),
            ("[fd00::1]:6443", "[fd00::1]:6443"),
            ("[fd00::1]", "fd00::1"),
            ("api.example:6443", "api.example:6443"),
            ("api.example:6443", "api.example"),
            ("api.example", ".example:443"),
            ("10.0.3.4:6443", "10.0.3.4:6443"),
        ] {
            assert!(is_exempt(&server(host), list), "{host} {list}");
        }
        for (host, list) in [
            ("api.example", ""),
            ("api.example", "ample"),
            ("api.example", "pi.example"),
            ("10.1.3.4", "10.0.0.0/16"),
            ("10.0.3.4", "10.0.0.0/64"),
            ("10.0.3.4", "10.0.0.0"),
            ("api.example:6443", "api.example:443"),
            ("api.example", "api.example:6443"),
            ("[fd00::1]:6443", "[fd00::1]:443"),
        ] {
            assert!(!is_exempt(&server(host), list), "{host} {list}");
        }
    }
}
