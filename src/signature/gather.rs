//! Turns a repository and a digest into everything there that may be a signature of it, without judging any of it.
//!
//! Two forms are looked for: Sigstore bundles that refer to the digest, and cosign's classic form at a tag of its own.
//! That the lists themselves cannot be read is an error, and so is damage: bytes that are not what their digest says.
//! That one signature is missing or cannot be understood is noted beside it, and does the others no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use super::classic::{SIGNATURE, SIMPLE_SIGNING};
use super::evidence::{Evidence, LIST, SignatureContent, classic_tag};
use super::sigstore::{MEDIA_TYPE, is_bundle};
use crate::digest::Digest;
use crate::oci::media_type::{EMPTY, OCI_MANIFEST};
use crate::oci::{Descriptor, Listing, MAX_DOCUMENT, MAX_ENTRIES, Manifest, OciError, Repository, referrers};

/// The longest signature that is read, in bytes: a payload of 64 KiB in base64, and room for what stands around it.
const MAX_SIGNATURE: u64 = 128 << 10;

/// The most bytes that all signatures may have together. They are held in memory, and there may be a thousand.
const MAX_TOTAL: u64 = 16 << 20;

/// Everything in a repository that may be a signature of the document `subject`.
///
/// # Errors
/// [`OciError`] when the lists of signatures cannot be read, or are more than is read.
pub async fn gather(repository: &Repository, subject: Digest) -> Result<Vec<Evidence>, OciError> {
    let mut found = BTreeMap::new();
    let mut reader = EvidenceReader { repository, subject, left: MAX_TOTAL };
    let named = carriers(referrers::of(repository, subject, LIST).await?);
    let listed = repository.listing().into_iter().flat_map(Listing::descriptors).collect();
    let (first, mut seen) = (named.len(), BTreeSet::new());
    for (at, carrier) in named.into_iter().chain(carriers(listed)).enumerate() {
        if !seen.insert(carrier.digest) {
            continue;
        }
        match reader.bundle(&carrier).await {
            Ok(Some(evidence)) => drop(found.insert(carrier.digest, evidence)),
            Ok(None) => {}
            // What a layout lists by itself may belong to another bundle, and damage to that does this one no harm.
            Err(OciError::Digest(_) | OciError::Size { .. }) if at >= first => {}
            Err(error) => return Err(error),
        }
    }
    let mut all: Vec<Evidence> = found.into_values().collect();
    let tagged = match repository.tagged(&classic_tag(subject)).await {
        // Whoever has signatures by a mirror needs no others. That there are none, a registry that is silent does not say.
        Err(error) if error.is_silence() && !all.is_empty() => None,
        tagged => tagged?,
    };
    let saved = repository
        .saved_signatures()
        .into_iter()
        .filter(|saved| tagged.as_ref().is_none_or(|tagged| tagged.digest != saved.digest));
    for carrier in tagged.iter().cloned().chain(saved) {
        all.extend(reader.classic(&carrier).await?);
    }
    Ok(all)
}

/// The OCI manifests that may carry a Sigstore bundle.
fn carriers(mut candidates: Vec<Descriptor>) -> Vec<Descriptor> {
    // Some tools leave the artifact type out of the list, or name the type of the configuration there. Of those, only
    // the OCI manifest itself can tell.
    candidates.retain(|carrier| {
        carrier.media_type == OCI_MANIFEST
            && carrier.artifact_type.as_deref().is_none_or(|found| is_bundle(found) || found == EMPTY)
    });
    candidates
}

/// Reads signatures as long as they are not too much together.
struct EvidenceReader<'a> {
    repository: &'a Repository,
    subject: Digest,
    left: u64,
}

impl EvidenceReader<'_> {
    /// The Sigstore bundle that an OCI manifest carries; none when it carries something else or for something else.
    async fn bundle(&mut self, carrier: &Descriptor) -> Result<Option<Evidence>, OciError> {
        let (bytes, manifest) = match self.manifest(carrier).await {
            Ok(read) => read,
            Err(error) if is_fatal(&error) => return Err(error),
            Err(error) if carrier.artifact_type.as_deref().is_some_and(is_bundle) => {
                return Ok(Some(unreadable(carrier, &error, false)));
            }
            // It is not declared as a signature.
            Err(_) => return Ok(None),
        };
        let is_ours = manifest.subject.as_ref().is_some_and(|subject| subject.digest == self.subject)
            && is_bundle(manifest.artifact_type.as_ref().unwrap_or(&manifest.config.media_type));
        if !is_ours {
            return Ok(None);
        }
        let mut blobs = BTreeMap::from([(carrier.digest, bytes)]);
        let content = match &manifest.layers[..] {
            [layer] => self.blob(layer).await?.map(|bytes| {
                blobs.insert(layer.digest, bytes.clone());
                SignatureContent::Bundle(bytes)
            }),
            layers => Err(format!("its OCI manifest has {} layers, not one", layers.len())),
        };
        // Annotations in the list may differ from list to list; those in the manifest do not.
        let carrier = Descriptor {
            artifact_type: Some(MEDIA_TYPE.into()),
            annotations: manifest.annotations,
            ..carrier.clone()
        };
        Ok(Some(Evidence { carrier, content, is_classic: false, blobs }))
    }

    /// The signatures in cosign's classic form, one for each layer.
    async fn classic(&mut self, carrier: &Descriptor) -> Result<Vec<Evidence>, OciError> {
        let (bytes, manifest) = match self.manifest(carrier).await {
            Ok(read) => read,
            Err(error) if is_fatal(&error) => return Err(error),
            Err(error) => return Ok(vec![unreadable(carrier, &error, true)]),
        };
        if manifest.layers.len() > MAX_ENTRIES {
            return Err(OciError::TooMany(LIST));
        }
        // The configuration says nothing; it is kept because the OCI manifest names it.
        let mut shared = BTreeMap::from([(carrier.digest, bytes)]);
        if let Ok(config) = self.blob(&manifest.config).await? {
            shared.insert(manifest.config.digest, config);
        }
        let mut all = Vec::new();
        for layer in manifest.layers.iter().filter(|layer| layer.media_type == SIMPLE_SIGNING) {
            let content = self.payload(layer, &mut shared).await?;
            let blobs = BTreeMap::new();
            all.push(Evidence { carrier: carrier.clone(), content, is_classic: true, blobs });
        }
        if let Some(first) = all.iter_mut().find(|evidence| evidence.content.is_ok()) {
            first.blobs = shared;
        }
        Ok(all)
    }

    /// The payload in a layer, and the signature beside it.
    async fn payload(
        &mut self,
        layer: &Descriptor,
        shared: &mut BTreeMap<Digest, Vec<u8>>,
    ) -> Result<Result<SignatureContent, String>, OciError> {
        Ok(match (self.blob(layer).await?, layer.annotations.get(SIGNATURE)) {
            (Ok(payload), Some(signature)) => {
                shared.insert(layer.digest, payload.clone());
                Ok(SignatureContent::Classic { payload, signature: signature.clone() })
            }
            (Ok(_), None) => Err(format!("its layer has no annotation `{SIGNATURE}`")),
            (Err(error), _) => Err(error),
        })
    }

    async fn manifest(&mut self, carrier: &Descriptor) -> Result<(Vec<u8>, Manifest), OciError> {
        self.spend(carrier.size.min(MAX_DOCUMENT))?;
        let bytes = self.repository.read(carrier, MAX_DOCUMENT).await?;
        let manifest = Manifest::parse(&bytes)?;
        Ok((bytes, manifest))
    }

    /// A blob, or why it could not be read. The error outside is that all signatures together are too much, or damage.
    async fn blob(&mut self, blob: &Descriptor) -> Result<Result<Vec<u8>, String>, OciError> {
        self.spend(blob.size.min(MAX_SIGNATURE))?;
        match self.repository.read(blob, MAX_SIGNATURE).await {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(error) if is_fatal(&error) => Err(error),
            Err(error) => Ok(Err(reason(&error))),
        }
    }

    fn spend(&mut self, size: u64) -> Result<(), OciError> {
        self.left = self.left.checked_sub(size).ok_or(OciError::TooMany(LIST))?;
        Ok(())
    }
}

/// Whether an error is about more than one signature: there is too much of them, or the place where they are is
/// damaged or does not answer. Whatever else a place holds that is not what it says cannot be told from here.
fn is_fatal(error: &OciError) -> bool {
    matches!(
        error,
        OciError::TooMany(_) | OciError::Digest(_) | OciError::Size { .. } | OciError::Registry(_)
    )
}

fn unreadable(carrier: &Descriptor, error: &OciError, is_classic: bool) -> Evidence {
    Evidence { carrier: carrier.clone(), content: Err(reason(error)), is_classic, blobs: BTreeMap::new() }
}

/// An error with its causes in one text.
fn reason(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", reason(source)))
}
