//! Copies a document with all that it names, and all that refers to it, from one repository to another: every byte as
//! it came, so that no digest and no signature changes on the way.
//!
//! Whatever is there already is not sent again. Blobs go several at once; a document goes after those that it names, so
//! that whoever sees it finds the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::media_type::{is_index, is_manifest};
use super::referrers;
use super::{
    CopyObserver, Descriptor, DocumentMembers, ImageIndex, Listing, MAX_DOCUMENT, Manifest, OciError,
    Repository,
};
use crate::digest::Digest;

/// How many blobs are under way at once.
const AT_ONCE: usize = 6;

/// The most documents of one copy, how many bytes they may have together, and how far they may name each other.
const MAX_DOCUMENTS: usize = 20_000;
const MAX_DOCUMENT_BYTES: u64 = 256 << 20;
const MAX_DEPTH: usize = 8;

/// The endings of the tags at which cosign keeps what belongs to a digest.
const COMPANIONS: [&str; 3] = ["sig", "att", "sbom"];

/// The treatment of a document that another one names and that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It is left out, as in the place that is copied.
    LeftOut,
    /// It is an error.
    Refused,
}

/// A sum of what a copy did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopySum {
    /// Blobs and documents that were copied.
    pub copied: usize,
    /// Bytes of these.
    pub bytes: u64,
    /// Blobs and documents that were there before.
    pub present: usize,
    /// Documents that are in neither place.
    pub absent: Vec<Digest>,
}

/// Copies the document `root` with all that it names, its signatures, and whatever else refers to it.
///
/// # Errors
/// [`OciError`] when anything of it is missing, is not what its digest says, or cannot be written. Nothing that was
/// copied until then has a tag.
pub async fn copy_graph(
    root: &Descriptor,
    from: &Repository,
    to: &mut Repository,
    absent: Absent,
    observer: &Arc<dyn CopyObserver>,
) -> Result<CopySum, OciError> {
    let mut graph = Graph {
        from,
        documents: Vec::new(),
        blobs: BTreeMap::new(),
        seen: BTreeSet::new(),
        left: MAX_DOCUMENT_BYTES,
        listed: listed(from).await,
        to,
        if_absent: absent,
        absent: Vec::new(),
    };
    graph.add(root, 0).await?;
    let subjects: Vec<Digest> = graph.documents.iter().map(|document| document.digest).collect();
    let mut lists = Vec::new();
    let mut tags = Vec::new();
    for subject in subjects {
        graph.add_companions(subject, &mut lists, &mut tags).await?;
    }
    let left_out = std::mem::take(&mut graph.absent);
    let sum = CopySum { absent: left_out, ..graph.send(to, observer).await? };
    for (subject, listed) in lists {
        referrers::add(to, subject, &listed, REFERRERS).await?;
    }
    for (tag, document) in tags {
        to.tag(&tag, &document).await?;
    }
    Ok(sum)
}

/// The name of a list of referrers in errors.
const REFERRERS: &str = "the list of referrers";

/// Everything that is to be copied.
struct Graph<'a> {
    from: &'a Repository,
    /// Those that others name come first. Their bytes are read again when they go: all of them at once would be too many.
    documents: Vec<Descriptor>,
    blobs: BTreeMap<Digest, Descriptor>,
    seen: BTreeSet<Digest>,
    left: u64,
    /// The referrers of each document, as far as the place lists them by itself.
    listed: BTreeMap<Digest, Vec<Descriptor>>,
    to: &'a Repository,
    if_absent: Absent,
    absent: Vec<Digest>,
}

impl Graph<'_> {
    /// Adds a document and all that it names.
    async fn add(&mut self, document: &Descriptor, depth: usize) -> Result<(), OciError> {
        if !self.seen.insert(document.digest) {
            return Ok(());
        }
        if depth > MAX_DEPTH || self.seen.len() > MAX_DOCUMENTS {
            return Err(OciError::TooMany("what a bundle names"));
        }
        self.left = self.left.checked_sub(document.size).ok_or(OciError::TooMany("what a bundle names"))?;
        let bytes = match self.from.read(document, MAX_DOCUMENT).await {
            Ok(bytes) => bytes,
            Err(OciError::Absent(_)) if self.to.has(document).await? => return Ok(()),
            Err(OciError::Absent(digest)) if depth > 0 && self.if_absent == Absent::LeftOut => {
                self.absent.push(digest);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if is_index(&document.media_type) {
            for entry in ImageIndex::parse(&bytes)?.entries() {
                let child = Descriptor::parse(entry)?.plain();
                self.add_child(child, depth + 1).await?;
            }
        } else {
            let manifest = Manifest::parse_as(&document.media_type, &bytes)?;
            for blob in std::iter::once(manifest.config).chain(manifest.layers) {
                self.blobs.insert(blob.digest, blob.plain());
            }
        }
        self.documents.push(document.clone().plain());
        Ok(())
    }

    async fn add_child(&mut self, child: Descriptor, depth: usize) -> Result<(), OciError> {
        if is_document(&child) {
            Box::pin(self.add(&child, depth)).await
        } else {
            self.blobs.insert(child.digest, child);
            Ok(())
        }
    }

    /// Adds what refers to a document, also by the tags of cosign, and what refers to that.
    async fn add_companions(
        &mut self,
        subject: Digest,
        lists: &mut Vec<(Digest, Vec<Descriptor>)>,
        tags: &mut Vec<(String, Descriptor)>,
    ) -> Result<(), OciError> {
        let mut left = vec![(subject, 0)];
        while let Some((subject, depth)) = left.pop() {
            let mut listed = Vec::new();
            let mut candidates = Vec::new();
            for candidate in referrers::of(self.from, subject, REFERRERS).await? {
                if refers_to(self.from, &candidate, subject).await? {
                    candidates.push(candidate);
                }
            }
            for other in self.listed.get(&subject).into_iter().flatten() {
                if candidates.iter().all(|known| known.digest != other.digest) {
                    candidates.push(other.clone());
                }
            }
            for candidate in candidates {
                let is_new = !self.seen.contains(&candidate.digest);
                self.add(&candidate.clone().plain(), depth + 1).await?;
                if is_new {
                    left.push((candidate.digest, depth + 1));
                }
                listed.push(as_listed(self.from, candidate).await?);
            }
            if !listed.is_empty() {
                listed.sort_by_key(|referrer| referrer.digest);
                lists.push((subject, listed));
            }
            for ending in COMPANIONS {
                let tag = format!("sha256-{}.{ending}", subject.hex());
                if let Some(found) = self.from.tagged(&tag).await? {
                    self.add(&found, depth + 1).await?;
                    tags.push((tag, found));
                }
            }
        }
        Ok(())
    }

    async fn send(&self, to: &Repository, observer: &Arc<dyn CopyObserver>) -> Result<CopySum, OciError> {
        let documents = self.documents.iter().map(|document| document.size);
        let bytes = self.blobs.values().map(|blob| blob.size).chain(documents).fold(0, u64::saturating_add);
        observer.planned(self.blobs.len() + self.documents.len(), bytes);
        let sent = stream::iter(self.blobs.values().map(|blob| self.send_blob(blob, to, observer)));
        let mut sum = sent
            .buffer_unordered(AT_ONCE)
            .try_fold(CopySum::default(), |sum, copied| async move { Ok(sum.with(copied)) })
            .await?;
        for document in &self.documents {
            let was_there = to.has(document).await?;
            if was_there {
                observer.skipped(document);
            } else {
                let bytes = self.from.read(document, MAX_DOCUMENT).await?;
                to.add(&document.media_type, &bytes).await?;
                observer.moved(document.size);
            }
            sum = sum.with((!was_there).then_some(document.size));
        }
        Ok(sum)
    }

    /// The size of a blob that was copied; none where it was there.
    async fn send_blob(
        &self,
        blob: &Descriptor,
        to: &Repository,
        observer: &Arc<dyn CopyObserver>,
    ) -> Result<Option<u64>, OciError> {
        let was_there = to.has(blob).await? || to.mount(blob, self.from).await?;
        if was_there {
            observer.skipped(blob);
        } else {
            to.take(blob, self.from, observer).await?;
        }
        Ok((!was_there).then_some(blob.size))
    }
}

/// The subjects of the documents that a layout lists by itself, looked up once for all subjects. Damage to one of them
/// does no harm to a bundle that it does not belong to; which that is cannot be told any more.
async fn listed(from: &Repository) -> BTreeMap<Digest, Vec<Descriptor>> {
    let (mut referrers, mut seen) = (BTreeMap::<_, Vec<_>>::new(), BTreeSet::new());
    for document in from.listing().into_iter().flat_map(Listing::descriptors) {
        if !seen.insert(document.digest) || !is_document(&document) {
            continue;
        }
        if let Ok(Some(subject)) = subject_of(from, &document).await {
            referrers.entry(subject).or_default().push(document);
        }
    }
    referrers
}

/// Whether a document names another as its subject. One that cannot be read as one does not.
async fn refers_to(from: &Repository, candidate: &Descriptor, subject: Digest) -> Result<bool, OciError> {
    if !is_document(candidate) {
        return Ok(false);
    }
    match subject_of(from, candidate).await {
        Ok(found) => Ok(found == Some(subject)),
        Err(OciError::Absent(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How many bytes of remarks a list has of a referrer. A thousand of those with more would be no list that anybody reads.
const MAX_REMARKS: usize = 1 << 10;

/// How a list has a referrer: with the type and the remarks that its own document gives (OCI distribution 1.1). Registries leave
/// them out of their lists, or have others, and a copy would differ by the way that it took.
async fn as_listed(from: &Repository, referrer: Descriptor) -> Result<Descriptor, OciError> {
    let members = DocumentMembers::parse(&from.read(&referrer, MAX_DOCUMENT).await?)?;
    let config = || members.descriptor("config").ok().map(|config| config.media_type);
    let artifact_type =
        members.optional_text("artifactType")?.filter(|text| !text.is_empty()).or_else(config);
    let mut annotations = members.texts("annotations")?;
    if annotations.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>() > MAX_REMARKS {
        annotations.clear();
    }
    Ok(Descriptor { artifact_type, annotations, ..referrer })
}

fn is_document(descriptor: &Descriptor) -> bool {
    is_manifest(&descriptor.media_type) || is_index(&descriptor.media_type)
}

async fn subject_of(from: &Repository, document: &Descriptor) -> Result<Option<Digest>, OciError> {
    let members = DocumentMembers::parse(&from.read(document, MAX_DOCUMENT).await?).ok();
    Ok(members.and_then(|it| it.descriptor("subject").ok()).map(|subject| subject.digest))
}

impl CopySum {
    fn with(self, copied: Option<u64>) -> Self {
        match copied {
            Some(size) => Self { copied: self.copied + 1, bytes: self.bytes.saturating_add(size), ..self },
            None => Self { present: self.present + 1, ..self },
        }
    }
}

#[cfg(test)]
mod tests;
