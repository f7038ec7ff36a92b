//! The settings for registries: from the configuration, flags and the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::oci::registry::{AuthFiles, Patience, Proxies, RegistrySettings};

use crate::reference::{InvalidHost, check_host, check_registry};

use super::{home, path_in, raw_variable, text, variable};

/// One registry, in the section `registries` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RegistryEntry {
    /// Whether it is reached without encryption.
    plain_http: bool,
    /// Hosts that make its tokens, beside its own.
    token_hosts: Vec<String>,
    /// A file with certificates of authorities, in PEM, that count beside the system's.
    ca: Option<PathBuf>,
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
    for (name, entry) in entries {
        checked(name, entry).with_context(|| format!("`registries` in `{}`", configuration(directory)))?;
    }
    let named = entries.iter().filter(|(_, entry)| entry.plain_http).map(|(name, _)| name);
    let plain_http: BTreeSet<String> = named.chain(plain).cloned().collect();
    let token_hosts = entries.iter().map(|(name, entry)| (name.clone(), entry.token_hosts.clone())).collect();
    let mut authorities = BTreeMap::new();
    for (name, entry) in entries {
        if let Some(file) = &entry.ca {
            authorities.insert(name.clone(), vec![text(&path_in(directory, file)?)?]);
        }
    }
    Ok(RegistrySettings {
        plain_http,
        token_hosts,
        authorities,
        credentials: Box::new(auth_files()),
        proxies: proxies(),
        patience: Patience::default(),
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

fn configuration(directory: &Path) -> String {
    directory.join("config.yaml").display().to_string()
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
        let read =
            read("{registry.example: {tokenHosts: [auth.example]}, 'lab:5000': {plainHttp: true}}").unwrap();
        assert_eq!(read.plain_http, BTreeSet::from(["lab:5000".to_owned()]));
        assert_eq!(read.token_hosts["registry.example"], ["auth.example"]);
    }
}
