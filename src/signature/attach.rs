//! Writes signatures into a repository, where [`gather`](super::gather()) finds them: new ones, and those that came
//! from another repository.

use std::collections::BTreeMap;

use super::evidence::{Evidence, LIST, classic_tag};
use super::sigstore::{self, MEDIA_TYPE};
use super::{KeyError, PrivateKey};
use crate::digest::Digest;
use crate::document;
use crate::oci::media_type::{BYTES, EMPTY, OCI_MANIFEST};
use crate::oci::{Descriptor, EMPTY_BLOB, OciError, Repository, referrers};

/// Writes signatures into a repository, byte for byte. Those that could not be read are left out.
///
/// # Errors
/// [`OciError`] when the repository cannot be written.
pub async fn save(
    signatures: &[Evidence],
    subject: Digest,
    repository: &mut Repository,
) -> Result<(), OciError> {
    let mut carriers = Vec::new();
    for evidence in signatures.iter().filter(|evidence| evidence.content.is_ok()) {
        // The OCI manifest comes after those that it names.
        let (carrier, others): (Vec<_>, Vec<_>) =
            evidence.blobs.iter().partition(|(digest, _)| **digest == evidence.carrier.digest);
        for (_, bytes) in others {
            repository.add(BYTES, bytes).await?;
        }
        for (_, bytes) in carrier {
            repository.add(&evidence.carrier.media_type, bytes).await?;
        }
        if evidence.is_classic {
            repository.tag(&classic_tag(subject), &evidence.carrier).await?;
        } else {
            carriers.push(evidence.carrier.clone());
        }
    }
    referrers::add(repository, subject, &carriers, LIST).await
}

/// A signature that was not written yet.
pub struct NewSignature {
    bundle: Vec<u8>,
    carrier: Vec<u8>,
}

impl NewSignature {
    /// Signs a document: a Sigstore bundle in an OCI manifest that refers to the document.
    ///
    /// # Errors
    /// [`KeyError`] when the key cannot sign.
    pub fn of(subject: &Descriptor, key: &PrivateKey) -> Result<Self, KeyError> {
        let bundle = sigstore::sign(subject.digest, key)?;
        let carrier = carrier(subject, &Descriptor::of(MEDIA_TYPE, &bundle));
        Ok(Self { bundle, carrier })
    }

    /// Writes the signature into the repository where the document is, and into the list of its referrers.
    ///
    /// # Errors
    /// [`OciError`] when the repository cannot be read or written.
    pub async fn write(&self, subject: Digest, repository: &mut Repository) -> Result<(), OciError> {
        for (media_type, bytes) in
            [(EMPTY, EMPTY_BLOB), (MEDIA_TYPE, &self.bundle), (OCI_MANIFEST, &self.carrier)]
        {
            repository.add(media_type, bytes).await?;
        }
        let carrier = Descriptor {
            artifact_type: Some(MEDIA_TYPE.into()),
            annotations: annotations(),
            ..Descriptor::of(OCI_MANIFEST, &self.carrier)
        };
        referrers::add(repository, subject, &[carrier], LIST).await
    }
}

/// The OCI manifest of a signature, whose subject is the signed document.
fn carrier(subject: &Descriptor, bundle: &Descriptor) -> Vec<u8> {
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": MEDIA_TYPE,
        "config": Descriptor::of(EMPTY, EMPTY_BLOB).to_value(),
        "layers": [bundle.to_value()],
        "subject": subject.to_value(),
        "annotations": annotations(),
    });
    document::written(&manifest).into_bytes()
}

fn annotations() -> BTreeMap<String, String> {
    let texts = sigstore::annotations();
    texts.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
