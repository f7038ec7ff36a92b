//! Opens the place of a reference to write a bundle there.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::FetchError;
use super::error::system;
use crate::oci::file::{make_directory, open_directory};
use crate::oci::registry::{Registry, RegistryClient};
use crate::oci::{Archive, Layout, OciError, Repository};
use crate::reference::Reference;

/// Opens the place of a reference to write a bundle there. A layout or archive is made where there is none; of a path,
/// whichever is there, else an archive where its name ends so.
///
/// # Ambient Authority
/// The path is the operator's own word.
///
/// # Errors
/// [`FetchError`] when something else is there, or it cannot be reached.
pub async fn open_to_write(
    reference: &Reference,
    registries: &Arc<RegistryClient>,
) -> Result<Repository, FetchError> {
    match reference {
        Reference::Archive(archive) => archive_to_write(&archive.file).await,
        Reference::Layout(layout) => layout_to_write(&layout.directory).await,
        Reference::Path(path) if is_archive(path) => archive_to_write(path).await,
        Reference::Path(path) => layout_to_write(path).await,
        Reference::Registry(place) => {
            let registry = Registry::to_write(registries, &place.host, &place.repository);
            Ok(Repository::Registry(registry.map_err(OciError::from)?))
        }
    }
}

async fn archive_to_write(file: &Path) -> Result<Repository, FetchError> {
    Ok(Repository::Archive(Archive::open_or_new(file).await?))
}

async fn layout_to_write(directory: &Path) -> Result<Repository, FetchError> {
    let opened = make_directory(directory).map_err(system(directory.display()))?;
    Ok(Repository::Layout(Layout::open_or_new(opened).await?))
}

/// Whether a path is that of a file, or would be.
fn is_archive(path: &Path) -> bool {
    match open_directory(path) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => true,
        Err(_) => path.extension().is_some_and(|ending| ending == "tar"),
    }
}
