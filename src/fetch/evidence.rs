//! Gathers what may be signatures of a bundle, without judging any of it.
//!
//! Two forms are looked for: Sigstore bundles that refer to the index (listed at the fallback tag, or in `index.json`
//! itself), and cosign's older form at a tag of its own. That the lists themselves cannot be read is an error; that one
//! signature cannot be read is written down beside it, and does the others no harm.

use std::collections::BTreeMap;
use std::error::Error;

use serde_json::{Value, json};

use super::FetchError;
use super::layout::{self, Layout, MAX_ENTRIES, MAX_MANIFEST};
use crate::bundle::index::{Descriptor, EMPTY, Manifest, OCI_INDEX, OCI_MANIFEST};
use crate::digest::Digest;
use crate::document;
use crate::signature::classic::{SIGNATURE, SIMPLE_SIGNING};
use crate::signature::sigstore::MEDIA_TYPE as SIGSTORE;

/// The longest signature that is read, in bytes: a payload of 64 KiB in base64, and what stands around it.
const MAX_SIGNATURE: u64 = 128 << 10;

/// The most bytes that all signatures may have together. They are held in memory, and there may be a thousand.
const MAX_TOTAL: u64 = 16 << 20;

/// How the list of signatures is called in errors.
const LIST: &str = "the list of signatures";

/// What may be a signature of a bundle.
#[derive(Debug)]
pub struct Evidence {
    carrier: Descriptor,
    content: Result<Content, String>,
    is_classic: bool,
    /// Everything that belongs to it, to be stored with the bundle.
    blobs: BTreeMap<Digest, Vec<u8>>,
}

/// The bytes that a signature consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A Sigstore bundle.
    Bundle(Vec<u8>),
    /// A payload and its signature in base64: cosign's older form.
    Classic {
        /// The payload.
        payload: Vec<u8>,
        /// The signature.
        signature: String,
    },
}

impl Evidence {
    /// The digest of the OCI manifest that carries it.
    pub fn carrier(&self) -> Digest {
        self.carrier.digest
    }

    /// `sigstore-bundle` or `cosign-classic`.
    pub fn format(&self) -> &'static str {
        if self.is_classic { "cosign-classic" } else { "sigstore-bundle" }
    }

    /// The bytes, or why they could not be read.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn content(&self) -> Result<&Content, &String> {
        self.content.as_ref()
    }

    fn unreadable(carrier: &Descriptor, error: &FetchError, is_classic: bool) -> Self {
        Self { carrier: carrier.clone(), content: Err(reason(error)), is_classic, blobs: BTreeMap::new() }
    }
}

/// Everything in the layout that may be a signature of the document `subject`.
pub(super) fn gather(layout: &Layout, subject: Digest) -> Result<Vec<Evidence>, FetchError> {
    let mut found = BTreeMap::new();
    let mut reader = Reader { layout, subject, left: MAX_TOTAL };
    for carrier in carriers(layout, subject)? {
        if found.contains_key(&carrier.digest) {
            continue;
        }
        if let Some(evidence) = reader.bundle(&carrier)? {
            found.insert(carrier.digest, evidence);
        }
    }
    let mut all: Vec<Evidence> = found.into_values().collect();
    if let Some(carrier) = layout.tagged(&classic_tag(subject))? {
        all.extend(reader.classic(&carrier)?);
    }
    Ok(all)
}

/// Writes signatures into a layout, in the places where [`gather`] finds them.
pub(super) fn save(signatures: &[Evidence], subject: Digest, layout: &mut Layout) -> Result<(), FetchError> {
    let mut carriers = Vec::new();
    for evidence in signatures.iter().filter(|evidence| evidence.content.is_ok()) {
        for bytes in evidence.blobs.values() {
            layout.add(bytes)?;
        }
        if evidence.is_classic {
            layout.tag(&classic_tag(subject), &evidence.carrier);
        } else {
            carriers.push(evidence.carrier.clone());
        }
    }
    refer(layout, subject, &carriers)
}

/// Adds the OCI manifests `carriers` to the list of what refers to `subject`.
pub(crate) fn refer(layout: &mut Layout, subject: Digest, carriers: &[Descriptor]) -> Result<(), FetchError> {
    if carriers.is_empty() {
        return Ok(());
    }
    let mut entries = listed(layout, subject)?;
    for carrier in carriers {
        let mut named = entries.iter().filter_map(|entry| Descriptor::parse(entry).ok());
        if !named.any(|entry| entry.digest == carrier.digest) {
            entries.push(layout::wire(carrier));
        }
    }
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    let bytes = document::sorted(&index).to_string();
    layout.add(bytes.as_bytes())?;
    layout.tag(&layout::fallback_tag(subject), &Descriptor::of(OCI_INDEX, bytes.as_bytes()));
    Ok(())
}

/// The OCI manifests that may carry a Sigstore bundle.
fn carriers(layout: &Layout, subject: Digest) -> Result<Vec<Descriptor>, FetchError> {
    let listed = listed(layout, subject)?;
    let mut carriers = listed.iter().map(Descriptor::parse).collect::<Result<Vec<_>, _>>()?;
    carriers.extend(layout.descriptors());
    // Some tools leave the artifact type out of the list, or name the type of the configuration there. Of those, only
    // the OCI manifest itself can tell.
    carriers.retain(|carrier| {
        carrier.media_type == OCI_MANIFEST
            && carrier.artifact_type.as_deref().is_none_or(|found| [SIGSTORE, EMPTY].contains(&found))
    });
    Ok(carriers)
}

/// The entries at the fallback tag.
fn listed(layout: &Layout, subject: Digest) -> Result<Vec<Value>, FetchError> {
    let Some(descriptor) = layout.tagged(&layout::fallback_tag(subject))? else { return Ok(Vec::new()) };
    let bytes = layout.blob(&descriptor, MAX_MANIFEST)?;
    let index = document::json(&bytes).map_err(|source| FetchError::Document { name: LIST, source })?;
    layout::manifests(index, LIST)
}

/// Where cosign keeps signatures in its older form.
fn classic_tag(subject: Digest) -> String {
    format!("{}.sig", layout::fallback_tag(subject))
}

/// Reads signatures as long as they are not too much together.
struct Reader<'a> {
    layout: &'a Layout,
    subject: Digest,
    left: u64,
}

impl Reader<'_> {
    /// The Sigstore bundle that an OCI manifest carries; none when it carries something else or for something else.
    fn bundle(&mut self, carrier: &Descriptor) -> Result<Option<Evidence>, FetchError> {
        let (bytes, manifest) = match self.manifest(carrier) {
            Ok(read) => read,
            Err(error @ FetchError::TooMany(_)) => return Err(error),
            Err(error) if carrier.artifact_type.as_deref() == Some(SIGSTORE) => {
                return Ok(Some(Evidence::unreadable(carrier, &error, false)));
            }
            // Nobody said that it is a signature.
            Err(_) => return Ok(None),
        };
        let is_ours = manifest.subject.as_ref().is_some_and(|subject| subject.digest == self.subject)
            && manifest.artifact_type.as_ref().unwrap_or(&manifest.config.media_type) == SIGSTORE;
        if !is_ours {
            return Ok(None);
        }
        let mut blobs = BTreeMap::from([(carrier.digest, bytes)]);
        let content = match &manifest.layers[..] {
            [layer] => self.blob(layer)?.map(|bytes| {
                blobs.insert(layer.digest, bytes.clone());
                Content::Bundle(bytes)
            }),
            layers => Err(format!("its OCI manifest has {} layers, not one", layers.len())),
        };
        // What the list said about it may differ from list to list; what is in it does not.
        let carrier = Descriptor {
            artifact_type: Some(SIGSTORE.into()),
            annotations: manifest.annotations,
            ..carrier.clone()
        };
        Ok(Some(Evidence { carrier, content, is_classic: false, blobs }))
    }

    /// The signatures in cosign's older form, one for each layer.
    fn classic(&mut self, carrier: &Descriptor) -> Result<Vec<Evidence>, FetchError> {
        let (bytes, manifest) = match self.manifest(carrier) {
            Ok(read) => read,
            Err(error @ FetchError::TooMany(_)) => return Err(error),
            Err(error) => return Ok(vec![Evidence::unreadable(carrier, &error, true)]),
        };
        if manifest.layers.len() > MAX_ENTRIES {
            return Err(FetchError::TooMany(LIST));
        }
        // The configuration says nothing; it is kept because the OCI manifest names it.
        let mut shared = BTreeMap::from([(carrier.digest, bytes)]);
        if let Ok(config) = self.blob(&manifest.config)? {
            shared.insert(manifest.config.digest, config);
        }
        let mut all = Vec::new();
        for layer in manifest.layers.iter().filter(|layer| layer.media_type == SIMPLE_SIGNING) {
            let content = match (self.blob(layer)?, layer.annotations.get(SIGNATURE)) {
                (Ok(payload), Some(signature)) => {
                    shared.insert(layer.digest, payload.clone());
                    Ok(Content::Classic { payload, signature: signature.clone() })
                }
                (Ok(_), None) => Err(format!("its layer has no annotation `{SIGNATURE}`")),
                (Err(error), _) => Err(error),
            };
            all.push(Evidence {
                carrier: carrier.clone(),
                content,
                is_classic: true,
                blobs: BTreeMap::new(),
            });
        }
        if let Some(first) = all.iter_mut().find(|evidence| evidence.content.is_ok()) {
            first.blobs = shared;
        }
        Ok(all)
    }

    fn manifest(&mut self, carrier: &Descriptor) -> Result<(Vec<u8>, Manifest), FetchError> {
        self.spend(carrier.size.min(MAX_MANIFEST))?;
        let bytes = self.layout.blob(carrier, MAX_MANIFEST)?;
        let manifest = Manifest::parse(&bytes)?;
        Ok((bytes, manifest))
    }

    /// A blob, or why it could not be read. The error outside is that all signatures together are too much.
    fn blob(&mut self, blob: &Descriptor) -> Result<Result<Vec<u8>, String>, FetchError> {
        self.spend(blob.size.min(MAX_SIGNATURE))?;
        Ok(self.layout.blob(blob, MAX_SIGNATURE).map_err(|error| reason(&error)))
    }

    fn spend(&mut self, size: u64) -> Result<(), FetchError> {
        self.left = self.left.checked_sub(size).ok_or(FetchError::TooMany(LIST))?;
        Ok(())
    }
}

/// An error with its causes in one text.
fn reason(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", reason(source)))
}
