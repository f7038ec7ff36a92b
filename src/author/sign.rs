//! Turns a bundle in a layout into a signed one.

use super::AuthorError;
use crate::digest::Digest;
use crate::fetch::{FetchError, fetch};
use crate::oci::file::open_directory;
use crate::oci::{Layout, Repository};
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

/// Signs a bundle in a layout.
///
/// # Errors
/// [`AuthorError`] for bundles that are not in a layout or not whole, and when the layout cannot be written.
pub async fn sign(reference: &Reference, key: &PrivateKey) -> Result<Signed, AuthorError> {
    let fetched = fetch(reference).await?;
    // A signature says that the bundle may run, so it has to be one that can.
    fetched.component().map_err(|fault| FetchError::Component(fault.clone()))?;
    let Reference::Layout(place) = fetched.reference() else {
        return Err(AuthorError::NotALayout(reference.to_string()));
    };
    let signed = Signed { digest: fetched.digest(), key_id: key.public().id(), is_new: true };
    let mut signatures = fetched.signatures().iter().filter(|signature| signature.is_sigstore());
    if signatures.any(|signature| signature.signer(signed.digest, [((), key.public())]).is_ok()) {
        return Ok(Signed { is_new: false, ..signed });
    }
    let directory = open_directory(&place.directory).map_err(AuthorError::system(&place.directory))?;
    let mut repository = Repository::Layout(Layout::open(directory).await?);
    NewSignature::of(fetched.descriptor(), key)?.write(signed.digest, &mut repository).await?;
    repository.finish().await?;
    Ok(signed)
}
