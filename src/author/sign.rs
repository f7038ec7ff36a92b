//! Turns a bundle in a layout, an archive or a registry into a signed one.

use std::sync::Arc;

use super::AuthorError;
use crate::digest::Digest;
use crate::fetch::{FetchError, fetch, open_to_write};
use crate::oci::registry::RegistryClient;
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

/// Signs a bundle in a layout, an archive or a registry.
///
/// # Errors
/// [`AuthorError`] for bundles that are not whole, and when the place cannot be written.
pub async fn sign(
    reference: &Reference,
    key: &PrivateKey,
    registries: &Arc<RegistryClient>,
) -> Result<Signed, AuthorError> {
    let fetched = fetch(reference, registries).await?;
    // A signature says that the bundle may run, so it has to be one that can. One that is carried alone is signed as well.
    if !fetched.is_opaque() {
        fetched.component().map_err(|fault| FetchError::Component(fault.clone()))?;
    }
    let signed = Signed { digest: fetched.digest(), key_id: key.public().id(), is_new: true };
    let mut signatures = fetched.signatures().iter().filter(|signature| signature.is_sigstore());
    if signatures.any(|signature| signature.signer(signed.digest, [((), key.public())]).is_ok()) {
        return Ok(Signed { is_new: false, ..signed });
    }
    let mut repository = open_to_write(fetched.reference(), registries).await?;
    NewSignature::of(fetched.descriptor(), key)?.write(signed.digest, &mut repository).await?;
    repository.finish().await?;
    Ok(signed)
}
