//! Where what came from registries is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::grant::limits::{InvalidLimit, parse_size};
use crate::oci::Store;
use crate::oci::file::open_directory;
use crate::state::{is_own, private_directory};

use super::environment::{directory, path_in, variable};

/// How much is kept, where nobody says.
const USUAL: u64 = 10 << 30;

/// The section `cache` of the configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CacheSettings {
    /// The directory. Without it, `carnet/registries` in the user's directory for such things.
    directory: Option<PathBuf>,
    /// How much is kept at most: bytes, or with `Ki`, `Mi` or `Gi`. Without it, 10Gi; 0 keeps nothing.
    size: Option<String>,
}

/// The place where it is kept, which is made where there is none.
///
/// # Errors
/// When there is no place, or others than the user can write there.
pub fn opened(settings: &CacheSettings) -> anyhow::Result<(Store, PathBuf)> {
    let place = place(settings)?;
    let size = settings.size.as_deref().map_or(Ok(USUAL), size)?;
    Ok((open(&place, size)?, place))
}

/// The same for those who can do without.
///
/// # Errors
/// When the configuration cannot be used.
pub fn usable(settings: &CacheSettings) -> anyhow::Result<Option<Arc<Store>>> {
    let size = settings.size.as_deref().map_or(Ok(USUAL), size)?;
    if size == 0 {
        return Ok(None);
    }
    Ok(place(settings).and_then(|place| open(&place, size)).ok().map(Arc::new))
}

/// A size on the command line.
///
/// # Errors
/// [`InvalidLimit`] when it is none.
pub fn size(text: &str) -> Result<u64, InvalidLimit> {
    parse_size(text)
}

fn place(settings: &CacheSettings) -> anyhow::Result<PathBuf> {
    if let Some(named) = variable("CARNET_CACHE") {
        return path_in(Path::new(""), Path::new(&named));
    }
    if let (Some(named), Some(home)) = (&settings.directory, directory("XDG_CONFIG_HOME", ".config")) {
        return path_in(&home, named);
    }
    let usual = directory("XDG_CACHE_HOME", ".cache").map(|folder| folder.join("registries"));
    usual
        .context("neither CARNET_CACHE, XDG_CACHE_HOME nor HOME says where what came from registries is kept")
}

/// Nobody else may write there: bytes are checked, but what a registry said of its tags is not.
fn open(place: &Path, size: u64) -> anyhow::Result<Store> {
    let unusable = || format!("cannot use `{}`, where what came from registries is kept", place.display());
    private_directory(place).with_context(unusable)?;
    anyhow::ensure!(is_own(place), "{}: others can write there", unusable());
    let directory = open_directory(place).with_context(unusable)?;
    Store::open(directory, size).with_context(unusable)
}
