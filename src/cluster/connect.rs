//! Finds the cluster and the caller's identity: kubeconfig files by kubectl's rules, else the pod that carnet runs in.
//!
//! Apart from the rest because this is where ambient authority comes in: the environment, the home
//! directory, the files that a kubeconfig names, and the credential plugin that it may name.

use std::io;
use std::path::{Path, PathBuf};

use http::Uri;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use crate::oci::file::open_named;

use super::connection::{self, explain};
use super::endpoint::Endpoint;

/// The longest kubeconfig that is read, in bytes. Something longer was named by mistake.
const MAX_KUBECONFIG: u64 = 4 << 20;

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
    /// Certificates, the proxy or the credential plugin are at fault.
    #[error("the connection cannot be prepared: {0}")]
    Client(String),
    /// A file is missing or wrong, or names no such context.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    /// There is no kubeconfig, and this is no pod.
    #[error("no kubeconfig was found, and carnet does not run inside a cluster")]
    Nowhere,
}

impl From<kube::Error> for Unconfigured {
    fn from(error: kube::Error) -> Self {
        Self::Client(explain(&error))
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
}

/// Reads the configuration and prepares the client.
pub(super) async fn connect(options: &ConnectOptions) -> Result<Connection, Unconfigured> {
    let mut config = configuration(options).await?;
    if let Some(user) = &options.as_user {
        config.auth_info.impersonate = Some(user.clone());
    }
    let (namespace, address) = (config.default_namespace.clone(), address(&config.cluster_url));
    let endpoint = Endpoint::of(&config);
    Ok(Connection { client: connection::client(config)?, endpoint, namespace, address })
}

async fn configuration(options: &ConnectOptions) -> Result<Config, Unconfigured> {
    let Some(kubeconfig) = kubeconfig(options)? else {
        return Config::incluster().map_err(|_| Unconfigured::Nowhere);
    };
    let proxy = proxy_of(&kubeconfig, options.context.as_ref());
    let chosen = KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &chosen).await.map_err(unusable)?;
    if proxy.is_none() && config.cluster_url.host().is_some_and(|host| is_exempt(host, &exemptions())) {
        config.proxy_url = None;
    }
    Ok(config)
}

/// The merged configuration, or None where no file exists.
///
/// # Ambient Authority
/// Reads `KUBECONFIG`, the home directory, and the files found there.
fn kubeconfig(options: &ConnectOptions) -> Result<Option<Kubeconfig>, Unconfigured> {
    if let Some(path) = &options.kubeconfig {
        return read(path).map(Some);
    }
    let found = default_files();
    if found.is_empty() {
        return Ok(None);
    }
    let merged = found
        .iter()
        .try_fold(Kubeconfig::default(), |merged, path| merged.merge(read(path)?).map_err(unusable));
    merged.map(Some)
}

/// Reads one file. It must be one that ends, or a stream that the program was started with.
fn read(path: &Path) -> Result<Kubeconfig, Unconfigured> {
    let wrong = |error: io::Error| Unconfigured::Kubeconfig(format!("`{}`: {error}", path.display()));
    let length = open_named(path).and_then(|file| file.metadata()).map_err(wrong)?.len();
    if length > MAX_KUBECONFIG {
        return Err(wrong(io::ErrorKind::FileTooLarge.into()));
    }
    Kubeconfig::read_from(path).map_err(unusable)
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
    listed.into_iter().filter(|path| path.is_file()).collect()
}

/// The proxy that the kubeconfig itself sets. It holds whatever the environment says.
fn proxy_of(kubeconfig: &Kubeconfig, context: Option<&String>) -> Option<String> {
    let current = context.or(kubeconfig.current_context.as_ref())?;
    let named = kubeconfig.contexts.iter().find(|it| it.name == *current)?.context.as_ref()?;
    kubeconfig.clusters.iter().find(|it| it.name == named.cluster)?.cluster.as_ref()?.proxy_url.clone()
}

#[expect(clippy::disallowed_methods, reason = "kubectl's rules for proxies")]
fn exemptions() -> String {
    std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")).unwrap_or_default()
}

/// Whether `NO_PROXY` (or plain sense: this very machine) keeps `host` away from the proxy. The client library compares
/// the list with the proxy's own name, which would send a cluster on this machine through the proxy.
fn is_exempt(host: &str, list: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>().ok();
    let here = host == "localhost" || address.is_some_and(|it| it.is_loopback());
    let is_named = |entry: &str| {
        let name = entry.trim_start_matches('.');
        !name.is_empty()
            && (entry == "*"
                || host == name
                || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')))
    };
    here || list
        .split(',')
        .map(str::trim)
        .any(|entry| is_named(entry) || address.is_some_and(|it| is_within(it, entry)))
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

/// Explains the fault of a kubeconfig without showing any of it: the YAML parser would print the lines around the fault, and
/// they hold tokens.
fn unusable(error: KubeconfigError) -> Unconfigured {
    Unconfigured::Kubeconfig(match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => format!("it is not a valid document (line {})", place.line()),
            None => "it is not a valid document".into(),
        },
        error => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unusable_text(text: &str) -> String {
        unusable(Kubeconfig::from_yaml(text).unwrap_err()).to_string()
    }

    #[test]
    fn a_broken_kubeconfig_is_not_quoted() {
        let shown =
            unusable_text("apiVersion: v1\nusers:\n- name: a\n  user: {token: hunter2, exec: [hunter2}\n");
        assert!(shown.starts_with("the kubeconfig cannot be used: it is not a valid document"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        let options = ConnectOptions {
            kubeconfig: Some("/nonexistent/kubeconfig".into()),
            ..ConnectOptions::default()
        };
        let error = kubeconfig(&options).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/kubeconfig"), "{error}");
    }

    #[test]
    fn the_recorded_address_has_no_password() {
        assert_eq!(
            address(&Uri::from_static("https://user:hunter2@api.example:6443/a/")),
            "https://api.example:6443/a"
        );
        assert_eq!(address(&Uri::from_static("https://[::1]:6443")), "https://[::1]:6443");
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
            ("fd00::1", "fd00::/8"),
        ] {
            assert!(is_exempt(host, list), "{host} {list}");
        }
        for (host, list) in [
            ("api.example", ""),
            ("api.example", "ample"),
            ("api.example", "pi.example"),
            ("10.1.3.4", "10.0.0.0/16"),
            ("10.0.3.4", "10.0.0.0/64"),
            ("10.0.3.4", "10.0.0.0"),
        ] {
            assert!(!is_exempt(host, list), "{host} {list}");
        }
    }
}
