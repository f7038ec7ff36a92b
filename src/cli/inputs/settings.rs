//! The user's configuration file, and what flags and variables say instead of it: where installations are recorded, how
//! registries are reached.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::document;
use crate::oci::registry::RegistrySettings;
use crate::targets::Place;
use crate::text::CommandLine;

use super::super::exit::Usage;
use super::environment::{directory, path_in, raw_variable};
use super::files::{cannot_use, text_if_there};
use super::{registries, store};

/// The user's configuration file, `config.yaml`. Paths in it are below its directory.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Where objects go: `dir:PATH` or `kube`.
    pub target: Option<String>,
    /// Where installations are recorded: a directory, or `kube`.
    pub state: Option<String>,
    /// The trust policy.
    pub trust: Option<PathBuf>,
    /// Registries, by host.
    pub registries: BTreeMap<String, registries::RegistryEntry>,
    /// Where what came from registries is kept, and how much of it.
    pub cache: store::CacheSettings,
}

/// Where installations are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatePlace {
    /// In this directory.
    Directory(PathBuf),
    /// In the cluster.
    Kube,
}

impl Settings {
    /// Reads the configuration file; the default where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load() -> anyhow::Result<Self> {
        let Some(directory) = directory("XDG_CONFIG_HOME", ".config") else { return Ok(Self::default()) };
        let file = directory.join("config.yaml");
        let Some(text) = text_if_there(&file)? else { return Ok(Self::default()) };
        Self::parse(&text, &directory).with_context(|| cannot_use(&file))
    }

    /// The settings in a text. One without a value, as a file whose lines are all commented out, sets nothing.
    fn parse(text: &str, directory: &Path) -> anyhow::Result<Self> {
        if document::yaml(text)?.is_null() {
            return Ok(Self::default());
        }
        let mut settings: Self = document::yaml_as(text)?;
        settings.trust = settings.trust.map(|path| path_in(directory, &path)).transpose()?;
        if let Some(state) = settings.state.as_mut().filter(|state| *state != "kube") {
            *state = path_in(directory, Path::new(state))?.display().to_string();
        }
        if let Some(target) = &mut settings.target
            && let Ok(place) = target.parse::<Place>()
            && place.path_of_home().is_some()
        {
            *target = place.try_map_path(|path| path_in(directory, path))?.to_string();
        }
        Ok(settings)
    }
}

/// Where installations are recorded: the place that is named, else the configured one, else the user's data directory.
///
/// # Errors
/// When nothing says where, not even the home directory.
pub fn state(named: Option<&str>) -> anyhow::Result<StatePlace> {
    let settled = match given(named.map(str::as_ref), "CARNET_STATE", "--state DIR")?.and(named) {
        Some(text) => Some(text.to_owned()),
        None => Settings::load()?.state,
    };
    match settled.as_deref() {
        Some(path) if path.starts_with('~') => Err(unexpanded("--state", "", path)),
        Some("kube") => Ok(StatePlace::Kube),
        Some(path) => Ok(StatePlace::Directory(path.into())),
        None => directory("XDG_DATA_HOME", ".local/share")
            .map(StatePlace::Directory)
            .context("neither `--state`, CARNET_STATE nor HOME says where installations are recorded"),
    }
}

/// What a flag or its variable says. An empty variable is as good as none; a flag without a value is a mistake, such as a
/// variable of a script's that is not set, and what is usual would not be what was meant.
pub(super) fn given<'a>(
    text: Option<&'a OsStr>,
    name: &str,
    flag: &'static str,
) -> anyhow::Result<Option<&'a OsStr>> {
    let is_of_variable = raw_variable(name).is_some_and(|value| value.is_empty());
    match text.filter(|text| text.is_empty()) {
        Some(_) if is_of_variable => Ok(None),
        Some(_) => Err(Usage::new("a flag is there whose value is empty", flag).into()),
        None => Ok(text),
    }
}

/// The error about a path that a shell should have expanded, with what to type. A directory of that name is made by
/// mistake, and hardly ever meant.
pub fn unexpanded(flag: &'static str, prefix: &str, path: &str) -> anyhow::Error {
    let right = match path_in(Path::new("."), Path::new(path)) {
        Ok(right) => right.display().to_string(),
        Err(_) => format!("./{path}"),
    };
    let told = format!("`{prefix}{path}`: a shell did not expand the `~`, and nobody else does");
    Usage::new(told, CommandLine::of(flag).word(format_args!("{prefix}{right}"))).into()
}

/// The settings for registries. `plain` are those that a flag names as without encryption. None
/// is asked where `is_offline`.
///
/// # Errors
/// When the configuration, or a file that it names, cannot be read.
pub fn registry_settings(plain: &[String], is_offline: bool) -> anyhow::Result<RegistrySettings> {
    let directory = directory("XDG_CONFIG_HOME", ".config").unwrap_or_default();
    let settings = Settings::load()?;
    let store = store::usable(&settings.cache)?;
    let read = registries::settings(&settings.registries, &directory, plain)?;
    Ok(RegistrySettings { store, is_offline, ..read })
}

#[cfg(test)]
mod tests {
    use super::super::environment::home;
    use super::*;

    #[test]
    fn settings_without_a_value_are_none() {
        for text in ["", "# target: kube\n", "---\n", "{}\n"] {
            let settings = Settings::parse(text, Path::new("/c")).unwrap();
            assert!(
                settings.target.is_none() && settings.state.is_none() && settings.trust.is_none(),
                "{text}"
            );
        }
        let error = Settings::parse("7", Path::new("/c")).unwrap_err().to_string();
        assert!(!error.contains("struct"), "{error}");
    }

    #[test]
    fn paths_in_files_are_below_them_or_at_home() {
        let at = |path: &str| path_in(Path::new("/c"), Path::new(path));
        assert_eq!(at("a/b").unwrap(), Path::new("/c/a/b"));
        assert_eq!(at("/a").unwrap(), Path::new("/a"));
        assert_eq!(at("./~a").unwrap(), Path::new("/c/./~a"));
        let home = home().unwrap();
        assert_eq!((at("~").unwrap(), at("~/x").unwrap()), (home.clone(), home.join("x")));
        assert!(at("~bob/x").unwrap_err().to_string().contains("only `~/` is understood"));
        let settings =
            Settings::parse("{state: ~/s, target: 'dir:~/t', trust: t.yaml}", Path::new("/c")).unwrap();
        assert_eq!(settings.state, Some(home.join("s").display().to_string()));
        assert_eq!(settings.target, Some(format!("dir:{}", home.join("t").display())));
        assert_eq!(settings.trust, Some("/c/t.yaml".into()));
    }
}
