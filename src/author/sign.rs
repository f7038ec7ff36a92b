//! Turns a bundle in a layout into a signed one.
//!
//! What is written is a Sigstore bundle over the digest of the index, in the form that cosign writes and reads, as an
//! OCI 1.1 referrer with the fallback tag. There is no time in it: nobody could trust it.

use jiff::Timestamp;
use serde_json::json;

use super::AuthorError;
use crate::bundle::index::{Descriptor, EMPTY, EMPTY_BLOB, OCI_MANIFEST};
use crate::digest::Digest;
use crate::document;
use crate::fetch::layout::{Layout, wire};
use crate::fetch::{fetch, open_directory, refer};
use crate::reference::Reference;
use crate::signature::{PrivateKey, sigstore};
use crate::verify::TrustPolicy;

/// What signing did.
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
pub fn sign(reference: &Reference, key: &PrivateKey) -> Result<Signed, AuthorError> {
    let fetched = fetch(reference)?;
    let Reference::Layout(place) = fetched.reference() else {
        return Err(AuthorError::NotALayout(reference.to_string()));
    };
    let signed = Signed { digest: fetched.digest(), key_id: key.public().id(), is_new: true };
    // Without a window, the time of the check makes no difference.
    let alone = TrustPolicy::of_key(&key.public().to_pem())?.examine(&fetched, Timestamp::UNIX_EPOCH);
    if alone.iter().any(|report| report.is_trusted && report.format == "sigstore-bundle") {
        return Ok(Signed { is_new: false, ..signed });
    }
    let mut layout =
        Layout::open(open_directory(&place.directory).map_err(AuthorError::system(&place.directory))?)?;
    let bundle = sigstore::sign(signed.digest, key)?;
    let carrier = carrier(fetched.descriptor(), &Descriptor::of(sigstore::MEDIA_TYPE, &bundle));
    for blob in [EMPTY_BLOB, &bundle, carrier.as_bytes()] {
        layout.add(blob)?;
    }
    let descriptor = Descriptor {
        artifact_type: Some(sigstore::MEDIA_TYPE.into()),
        annotations: sigstore::annotations().map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Descriptor::of(OCI_MANIFEST, carrier.as_bytes())
    };
    refer(&mut layout, signed.digest, &[descriptor])?;
    layout.write()?;
    Ok(signed)
}

/// The OCI manifest that says what the signature is about.
fn carrier(subject: &Descriptor, bundle: &Descriptor) -> String {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": sigstore::MEDIA_TYPE,
        "config": wire(&Descriptor::of(EMPTY, EMPTY_BLOB)),
        "layers": [wire(bundle)],
        "subject": wire(subject),
        "annotations": sigstore::annotations().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    });
    document::sorted(&manifest).to_string()
}
