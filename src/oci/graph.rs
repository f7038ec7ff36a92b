//! Copies a document with all that it names, and all that refers to it, from one repository to another: every byte as
//! it came, so that no digest and no signature changes on the way.
//!
//! What is there already is not sent again. Blobs go several at once; a document goes after those that it names, so
//! that whoever sees it finds the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::media_type::{is_index, is_manifest};
use super::referrers;
use super::{
    CopyObserver, Descriptor, DocumentMembers, ImageIndex, MAX_DOCUMENT, Manifest, OciError, Repository,
};
use crate::digest::Digest;

/// How many blobs are under way at once.
const AT_ONCE: usize = 6;

/// The most documents of one copy, how many bytes they may have together (they are held until all that they name is
/// there), and how far they may name each other.
const MAX_DOCUMENTS: usize = 20_000;
const MAX_DOCUMENT_BYTES: u64 = 256 << 20;
const MAX_DEPTH: usize = 8;

/// The endings of the tags at which cosign keeps what belongs to a digest.
const COMPANIONS: [&str; 3] = ["sig", "att", "sbom"];

/// What becomes of a document that another one names and that is not there.
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
        named: BTreeMap::new(),
        to,
        if_absent: absent,
        absent: Vec::new(),
    };
    graph.add(root, 0).await?;
    let subjects: Vec<Digest> = graph.documents.iter().map(|(document, _)| document.digest).collect();
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
    /// Those that others name come first.
    documents: Vec<(Descriptor, Vec<u8>)>,
    blobs: BTreeMap<Digest, Descriptor>,
    seen: BTreeSet<Digest>,
    left: u64,
    /// The subjects of documents that may be referrers: in a layout, each of them may be one of each document.
    named: BTreeMap<Digest, Option<Digest>>,
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
        self.documents.push((document.clone().plain(), bytes));
        Ok(())
    }

    async fn add_child(&mut self, child: Descriptor, depth: usize) -> Result<(), OciError> {
        if is_index(&child.media_type) || is_manifest(&child.media_type) {
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
            for candidate in referrers::of(self.from, subject, REFERRERS).await? {
                if self.refers_to(&candidate, subject).await? {
                    let is_new = !self.seen.contains(&candidate.digest);
                    self.add(&candidate.clone().plain(), depth + 1).await?;
                    if is_new {
                        left.push((candidate.digest, depth + 1));
                    }
                    listed.push(candidate);
                }
            }
            if !listed.is_empty() {
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

    /// Whether a document names another as its subject. One that cannot be read as one does not.
    async fn refers_to(&mut self, candidate: &Descriptor, subject: Digest) -> Result<bool, OciError> {
        if !is_manifest(&candidate.media_type) && !is_index(&candidate.media_type) {
            return Ok(false);
        }
        if let Some(named) = self.named.get(&candidate.digest) {
            return Ok(*named == Some(subject));
        }
        let bytes = match self.from.read(candidate, MAX_DOCUMENT).await {
            Ok(bytes) => bytes,
            Err(OciError::Absent(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let members = DocumentMembers::parse(&bytes).ok();
        let named = members.and_then(|it| it.descriptor("subject").ok()).map(|named| named.digest);
        self.named.insert(candidate.digest, named);
        Ok(named == Some(subject))
    }

    async fn send(&self, to: &Repository, observer: &Arc<dyn CopyObserver>) -> Result<CopySum, OciError> {
        let documents = self.documents.iter().map(|(document, _)| document.size);
        let bytes = self.blobs.values().map(|blob| blob.size).chain(documents).fold(0, u64::saturating_add);
        observer.planned(self.blobs.len() + self.documents.len(), bytes);
        let sent = stream::iter(self.blobs.values().map(|blob| self.send_blob(blob, to, observer)));
        let mut sum = sent
            .buffer_unordered(AT_ONCE)
            .try_fold(CopySum::default(), |sum, copied| async move { Ok(sum.with(copied)) })
            .await?;
        for (document, bytes) in &self.documents {
            let was_there = to.has(document).await?;
            if was_there {
                observer.skipped(document);
            } else {
                to.add(&document.media_type, bytes).await?;
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
            to.receive(self.from.stream(blob).await?.watched(observer)).await?;
        }
        Ok((!was_there).then_some(blob.size))
    }
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
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make files")]

    use serde_json::json;

    use super::super::media_type::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
    use super::super::{Layout, Malformed};
    use super::*;

    /// Sees nothing.
    struct Silent;

    impl CopyObserver for Silent {
        fn planned(&self, _: usize, _: u64) {}
        fn moved(&self, _: u64) {}
        fn skipped(&self, _: &Descriptor) {}
    }

    fn silent() -> Arc<dyn CopyObserver> {
        Arc::new(Silent)
    }

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        async fn open(&self) -> Repository {
            let directory =
                cap_std::fs::Dir::open_ambient_dir(self.0.path(), cap_std::ambient_authority()).unwrap();
            Repository::Layout(Layout::open_or_new(directory).await.unwrap())
        }
    }

    async fn manifest(at: &Repository, text: &str, subject: Option<&Descriptor>) -> Descriptor {
        let config = Descriptor::of("text/plain", text.as_bytes());
        at.add("text/plain", text.as_bytes()).await.unwrap();
        let mut document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.to_value(),
            "layers": [config.to_value()]});
        if let Some(subject) = subject {
            document["subject"] = subject.to_value();
        }
        let bytes = document.to_string().into_bytes();
        at.add(OCI_MANIFEST, &bytes).await.unwrap();
        Descriptor::of(OCI_MANIFEST, &bytes)
    }

    async fn index(at: &Repository, entries: &[Descriptor]) -> Descriptor {
        let entries: Vec<_> = entries.iter().map(Descriptor::to_value).collect();
        let bytes = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
            .to_string()
            .into_bytes();
        at.add(OCI_INDEX, &bytes).await.unwrap();
        Descriptor::of(OCI_INDEX, &bytes)
    }

    #[tokio::test]
    async fn a_graph_is_copied_with_its_signatures_and_what_is_there_stays() {
        let (here, there) = (Home::new(), Home::new());
        let mut from = here.open().await;
        let images = [manifest(&from, "a", None).await, manifest(&from, "b", None).await];
        let inner = index(&from, &images[1..]).await;
        let root = index(&from, &[images[0].clone(), inner]).await;
        let signature = manifest(&from, "signature", Some(&root)).await;
        let of_signature = manifest(&from, "of the signature", Some(&signature)).await;
        let of_image = manifest(&from, "of the image", Some(&images[1])).await;
        for (subject, referrer) in [(&root, &signature), (&signature, &of_signature), (&images[1], &of_image)]
        {
            referrers::add(&mut from, subject.digest, std::slice::from_ref(referrer), "it").await.unwrap();
        }
        let classic = manifest(&from, "classic", None).await;
        let tag = format!("sha256-{}.sig", root.digest.hex());
        from.tag(&tag, &classic).await.unwrap();
        from.finish().await.unwrap();

        let mut to = there.open().await;
        let sum = copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await.unwrap();
        to.finish().await.unwrap();
        assert_eq!(
            (sum.copied, sum.present),
            (6 + 8, 0),
            "6 blobs; 2 images, 2 indexes, 3 referrers, 1 classic"
        );
        let to = there.open().await;
        for (subject, referrer) in [(&root, &signature), (&signature, &of_signature), (&images[1], &of_image)]
        {
            let found = referrers::of(&to, subject.digest, "it").await.unwrap();
            assert!(found.iter().any(|it| it.digest == referrer.digest));
        }
        assert_eq!(to.tagged(&tag).await.unwrap(), Some(classic));

        let mut to = there.open().await;
        let again = copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await.unwrap();
        assert_eq!((again.copied, again.bytes, again.present), (0, 0, sum.copied));
    }

    #[tokio::test]
    async fn a_manifest_without_its_type_is_copied_as_what_it_was_named_and_no_other() {
        let (here, there) = (Home::new(), Home::new());
        let from = here.open().await;
        from.add("text/plain", b"x").await.unwrap();
        let bytes = json!({"schemaVersion": 2, "config": Descriptor::of("text/plain", b"x").to_value(), "layers": null});
        let bytes = bytes.to_string().into_bytes();
        from.add(OCI_MANIFEST, &bytes).await.unwrap();
        let root = index(&from, &[Descriptor::of(OCI_MANIFEST, &bytes)]).await;
        let mut to = there.open().await;
        let sum = copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await.unwrap();
        assert_eq!(sum.copied, 3, "the blob, the manifest, the index");

        let typed = manifest(&from, "typed", None).await;
        let misnamed = index(&from, &[Descriptor { media_type: DOCKER_MANIFEST.into(), ..typed }]).await;
        let refused = copy_graph(&misnamed, &from, &mut to, Absent::Refused, &silent()).await;
        assert!(matches!(refused, Err(OciError::Malformed(Malformed::MediaType(_)))), "{refused:?}");
    }

    #[tokio::test]
    async fn what_is_missing_or_damaged_stops_the_copy() {
        let (here, there) = (Home::new(), Home::new());
        let from = here.open().await;
        let image = manifest(&from, "a", None).await;
        let absent = Descriptor::of(OCI_MANIFEST, b"absent");
        let root = index(&from, &[image, absent.clone()]).await;
        let mut to = there.open().await;
        let stopped = copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await;
        assert!(matches!(stopped, Err(OciError::Absent(digest)) if digest == absent.digest));
        assert!(!to.has(&root).await.unwrap());

        let sum = copy_graph(&root, &from, &mut to, Absent::LeftOut, &silent()).await.unwrap();
        assert_eq!(sum.absent, [absent.digest]);
        assert!(to.has(&root).await.unwrap());
        // What is there already needs no source.
        let mut to = there.open().await;
        to.add(OCI_MANIFEST, b"absent").await.unwrap();
        assert!(
            copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await.unwrap().absent.is_empty()
        );
    }

    #[tokio::test]
    async fn documents_that_name_each_other_too_far_are_refused() {
        let (here, there) = (Home::new(), Home::new());
        let from = here.open().await;
        let mut root = manifest(&from, "a", None).await;
        for _ in 0..=MAX_DEPTH {
            root = index(&from, &[root]).await;
        }
        let mut to = there.open().await;
        assert!(matches!(
            copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await,
            Err(OciError::TooMany(_))
        ));
    }
}
