//! Turns a bundle in a layout or registry into a signed one.

use std::sync::Arc;

use super::AuthorError;
use crate::digest::Digest;
use crate::fetch::{FetchError, fetch};
use crate::oci::file::open_directory;
use crate::oci::registry::{Registry, RegistryClient};
use crate::oci::{Layout, OciError, Repository};
use crate::reference::Reference;
use crate::signature::{NewSignature, PrivateKey};

/// The result of signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The digest of the index, which is what is signed.
    pub digest: Digest,
    /// The id of the key.
    pub key_id: Digest,
    /// Whether a signature was added. None is where the key's signature is there already.
    pub is_new: bool,
}

/// Signs a bundle in a layout or registry.
///
/// # Errors
/// [`AuthorError`] for bundles that are elsewhere or not whole, and when the place cannot be written.
pub async fn sign(
    reference: &Reference,
    key: &PrivateKey,
    registries: &Arc<RegistryClient>,
) -> Result<Signed, AuthorError> {
    let fetched = fetch(reference, registries).await?;
    // A signature says that the bundle may run, so it has to be one that can.
    fetched.component().map_err(|fault| FetchError::Component(fault.clone()))?;
    let signed = Signed { digest: fetched.digest(), key_id: key.public().id(), is_new: true };
    let mut signatures = fetched.signatures().iter().filter(|signature| signature.is_sigstore());
    if signatures.any(|signature| signature.signer(signed.digest, [((), key.public())]).is_ok()) {
        return Ok(Signed { is_new: false, ..signed });
    }
    let mut repository = match fetched.reference() {
        Reference::Layout(place) => {
            let directory =
                open_directory(&place.directory).map_err(AuthorError::system(&place.directory))?;
            Repository::Layout(Layout::open(directory).await?)
        }
        Reference::Registry(place) => Repository::Registry(
            Registry::to_write(registries, &place.host, &place.repository).map_err(OciError::from)?,
        ),
        _ => return Err(AuthorError::NotALayout(reference.to_string())),
    };
    NewSignature::of(fetched.descriptor(), key)?.write(signed.digest, &mut repository).await?;
    repository.finish().await?;
    Ok(signed)
}
