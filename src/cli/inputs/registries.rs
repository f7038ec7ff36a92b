//! The settings for registries: from the configuration, flags and the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::oci::registry::{AuthFiles, ClientIdentity, Mirror, Patience, Proxies, RegistrySettings};

use crate::reference::{InvalidHost, Reference, RegistryReference, check_host, check_registry};

use super::environment::{home, path_in, raw_variable, variable};
use super::files::text;

/// One registry, in the section `registries` of the configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RegistryEntry {
    /// Whether it is reached without encryption. Without this, those of this machine are.
    plain_http: Option<bool>,
    /// Hosts that make its tokens, beside its own.
    token_hosts: Vec<String>,
    /// A file with certificates of authorities, in PEM, that count beside the system's.
    ca: Option<PathBuf>,
    /// A file with our certificate, in PEM, where the registry wants one.
    client_certificate: Option<PathBuf>,
    /// A file with the key of that certificate, in PEM.
    client_key: Option<PathBuf>,
    /// Registries that are asked before it for what is read, in their order: `HOST` or `HOST/PATH`.
    mirrors: Vec<String>,
}

/// The settings of all registries. `plain` are those that a flag names as without encryption.
///
/// # Errors
/// When a registry or a host is not named as references name it, so that the entry would be for nothing, and when a file
/// with certificates cannot be read.
pub fn settings(
    entries: &BTreeMap<String, RegistryEntry>,
    directory: &Path,
    plain: &[String],
) -> anyhow::Result<RegistrySettings> {
    let configured = entries.iter().filter_map(|(name, entry)| Some((name.clone(), entry.plain_http?)));
    let plain_http = configured.chain(plain.iter().map(|name| (name.clone(), true))).collect();
    let token_hosts = entries.iter().map(|(name, entry)| (name.clone(), entry.token_hosts.clone())).collect();
    let mut authorities = BTreeMap::new();
    let mut identities = BTreeMap::new();
    let mut mirrors = BTreeMap::new();
    for (name, entry) in entries {
        let place = || format!("`registries` in `{}`", directory.join("config.yaml").display());
        checked(name, entry).with_context(place)?;
        let read = |file: &PathBuf| text(&path_in(directory, file)?);
        if let Some(file) = &entry.ca {
            authorities.insert(name.clone(), vec![read(file)?]);
        }
        match (&entry.client_certificate, &entry.client_key) {
            (None, None) => {}
            (Some(certificate), Some(key)) => {
                let identity = ClientIdentity { certificate: read(certificate)?, key: read(key)?.into() };
                identities.insert(name.clone(), identity);
            }
            _ => anyhow::bail!("{}: `{name}` needs both `clientCertificate` and `clientKey`", place()),
        }
        let named: Result<_, _> = entry.mirrors.iter().map(|text| mirror(text)).collect();
        mirrors.insert(name.clone(), named.with_context(place)?);
    }
    Ok(RegistrySettings {
        plain_http,
        token_hosts,
        authorities,
        identities,
        mirrors,
        credentials: Box::new(auth_files()),
        proxies: proxies(),
        patience: Patience::default(),
        store: None,
        is_offline: false,
    })
}

/// The name of a registry, on the command line.
///
/// # Errors
/// [`InvalidHost`] with the right spelling.
pub fn named(text: &str) -> Result<String, InvalidHost> {
    check_registry(text).map(|()| text.to_owned())
}

fn checked(name: &str, entry: &RegistryEntry) -> Result<(), InvalidHost> {
    check_registry(name)?;
    entry.token_hosts.iter().try_for_each(|host| check_host(host))
}

/// A mirror, by its host, or by its host and the path below which it has the repositories.
fn mirror(text: &str) -> anyhow::Result<Mirror> {
    let host = text.split('/').next().unwrap_or_default();
    check_registry(if text.contains("://") { text } else { host })?;
    match format!("{text}/x:x").parse()? {
        Reference::Registry(RegistryReference { host, repository, .. }) => {
            Ok(Mirror { host, below: repository.strip_suffix("/x").map(str::to_owned) })
        }
        other => anyhow::bail!("`{other}` is no mirror: name a registry"),
    }
}

/// Where container tools keep credentials: the file that REGISTRY_AUTH_FILE names alone, else those of Docker and of the
/// containers' libraries.
pub fn auth_files() -> AuthFiles {
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return AuthFiles { files: vec![file.into()] };
    }
    let docker =
        variable("DOCKER_CONFIG").map(PathBuf::from).or_else(|| home().map(|home| home.join(".docker")));
    let run = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let config =
        variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home().map(|home| home.join(".config")));
    let containers = run.into_iter().chain(config).map(|folder| folder.join("containers/auth.json"));
    AuthFiles {
        files: docker.map(|folder| folder.join("config.json")).into_iter().chain(containers).collect(),
    }
}

/// The proxies of the environment, in capitals or not, as everybody has them.
fn proxies() -> Proxies {
    let either = |name: &str| {
        raw_variable(name).or_else(|| raw_variable(&name.to_ascii_lowercase())).unwrap_or_default()
    };
    let all = either("ALL_PROXY");
    let or_all = |name: &str| Some(either(name)).filter(|it| !it.is_empty()).unwrap_or_else(|| all.clone());
    Proxies { https: or_all("HTTPS_PROXY"), http: or_all("HTTP_PROXY"), none: either("NO_PROXY") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    fn read(text: &str) -> Result<RegistrySettings, String> {
        let entries: BTreeMap<String, RegistryEntry> =
            document::yaml_as(text).map_err(|error| error.to_string())?;
        settings(&entries, Path::new("/etc/carnet"), &[]).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn an_entry_that_is_for_nothing_is_refused_with_the_right_spelling() {
        for (text, right) in [
            ("http://registry.example: { plainHttp: true }", "`registry.example`"),
            ("registry.example/acme: { plainHttp: true }", "`registry.example`"),
            ("Registry.Example: { plainHttp: true }", "`registry.example`"),
            ("'*': { plainHttp: true }", "`registry.example:5000`"),
            ("registry.example: { tokenHosts: ['https://auth.example/token'] }", "`auth.example`"),
            ("registry.example: { tokenHosts: ['auth.example:443'] }", "`auth.example`"),
            ("registry.example: { tokenHosts: ['*'] }", "`auth.example`"),
        ] {
            let told = read(text).err().unwrap_or_default();
            assert!(told.starts_with("`registries` in `/etc/carnet/config.yaml`: "), "{text}: {told}");
            assert!(
                told.contains(&format!("write {right}"))
                    || told.contains(&format!("such as {right}"))
                    || told.contains(&format!("or {right}")),
                "{text}: {told}"
            );
        }
        for (text, told) in [
            ("registry.example: { mirrors: ['https://mirror.example'] }", "write `mirror.example`"),
            ("registry.example: { mirrors: ['Mirror.example/cache'] }", "write `mirror.example`"),
            ("registry.example: { mirrors: ['mirror.example/UP'] }", "is not the name of a repository"),
            ("registry.example: { mirrors: ['./mirror'] }", "is not how a registry is named"),
            ("registry.example: { clientKey: key.pem }", "needs both `clientCertificate` and `clientKey`"),
        ] {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(told) && error.starts_with("`registries` in"), "{text}: {error}");
        }
        let mirrors =
            read("registry.example: { mirrors: ['lab:5000', 'mirror.example/cache/a'] }").unwrap().mirrors;
        let places: Vec<_> =
            mirrors["registry.example"].iter().map(|it| (it.host.as_str(), it.below.as_deref())).collect();
        assert_eq!(places, [("lab:5000", None), ("mirror.example", Some("cache/a"))]);
        let read =
            read("{registry.example: {tokenHosts: [auth.example]}, 'lab:5000': {plainHttp: true}}").unwrap();
        assert_eq!(read.plain_http, BTreeMap::from([("lab:5000".to_owned(), true)]));
        assert_eq!(read.token_hosts["registry.example"], ["auth.example"]);
    }
}
