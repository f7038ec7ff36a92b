#![expect(clippy::disallowed_methods, reason = "tests make files")]

use serde_json::json;

use super::*;
use crate::oci::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Layout, Malformed};

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
    let bytes =
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string().into_bytes();
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
    for (subject, referrer) in [(&root, &signature), (&signature, &of_signature), (&images[1], &of_image)] {
        referrers::add(&mut from, subject.digest, std::slice::from_ref(referrer), "it").await.unwrap();
    }
    let classic = manifest(&from, "classic", None).await;
    let tag = format!("sha256-{}.sig", root.digest.hex());
    from.tag(&tag, &classic).await.unwrap();
    from.finish().await.unwrap();

    let mut to = there.open().await;
    let sum = copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await.unwrap();
    to.finish().await.unwrap();
    assert_eq!((sum.copied, sum.present), (6 + 8, 0), "6 blobs; 2 images, 2 indexes, 3 referrers, 1 classic");
    let to = there.open().await;
    for (subject, referrer) in [(&root, &signature), (&signature, &of_signature), (&images[1], &of_image)] {
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
    let bytes =
        json!({"schemaVersion": 2, "config": Descriptor::of("text/plain", b"x").to_value(), "layers": null});
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
    // A blob that is there already needs no source.
    let mut to = there.open().await;
    to.add(OCI_MANIFEST, b"absent").await.unwrap();
    assert!(copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await.unwrap().absent.is_empty());
}

#[tokio::test]
async fn damage_to_what_another_bundle_has_in_the_layout_does_not_stop_a_copy() {
    let (here, there) = (Home::new(), Home::new());
    let mut from = here.open().await;
    let (mine, other) = (manifest(&from, "mine", None).await, manifest(&from, "other", None).await);
    let (root, beside) = (index(&from, &[mine]).await, index(&from, &[other]).await);
    let signatures =
        [manifest(&from, "of mine", Some(&root)).await, manifest(&from, "of other", Some(&beside)).await];
    from.tag("1.0", &root).await.unwrap();
    from.tag("2.0", &beside).await.unwrap();
    // As some tools do: a signature is listed in `index.json`, and nowhere else.
    from.tag("signature", &signatures[0]).await.unwrap();
    from.tag("other-signature", &signatures[1]).await.unwrap();
    from.finish().await.unwrap();
    let damage = |blob: &Descriptor| {
        let path = here.0.path().join("blobs/sha256").join(blob.digest.hex());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[0] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    damage(&signatures[1]);
    damage(&beside);
    let from = here.open().await;
    let mut to = there.open().await;
    let sum = copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await.unwrap();
    assert_eq!(sum.copied, 2 + 3, "two blobs; manifest, index and its signature");
    assert!(to.has(&signatures[0]).await.unwrap());
    // A missing part of the bundle itself does stop it.
    damage(&root);
    let stopped = copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await;
    assert!(matches!(stopped, Err(OciError::Digest(_))));
}

#[tokio::test]
async fn what_other_tools_write_is_copied_as_it_is() {
    let (here, there) = (Home::new(), Home::new());
    let from = here.open().await;
    let blob = Descriptor::of("application/vnd.oci.image.layer.v1.tar+zstd", b"zstd");
    from.add("", b"zstd").await.unwrap();
    let document = |value: serde_json::Value| value.to_string().into_bytes();
    // OCI 1.0 leaves the type to whoever names a document; Docker has types of its own.
    let bare = document(json!({"schemaVersion": 2, "config": blob.to_value(), "layers": [blob.to_value()]}));
    let docker = document(json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
        "config": blob.to_value(), "layers": [blob.to_value()], "unknown": {"member": null}}));
    let named = [Descriptor::of(OCI_MANIFEST, &bare), Descriptor::of(DOCKER_MANIFEST, &docker)];
    let entries: Vec<_> = named.iter().map(Descriptor::to_value).collect();
    let list = document(json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": entries}));
    for bytes in [&bare, &docker, &list] {
        from.add("", bytes).await.unwrap();
    }
    let root = index(&from, &[Descriptor::of(DOCKER_LIST, &list)]).await;
    let mut to = there.open().await;
    let sum = copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await.unwrap();
    assert_eq!(sum.copied, 1 + 4);
    for document in &named {
        assert!(to.has(document).await.unwrap());
    }
    let both = document(json!({"schemaVersion": 2, "config": blob.to_value(), "layers": [],
        "manifests": []}));
    from.add("", &both).await.unwrap();
    let root = index(&from, &[Descriptor::of(OCI_MANIFEST, &both)]).await;
    let refused = copy_graph(&root, &from, &mut to, Absent::Refused, &silent()).await;
    assert!(matches!(refused, Err(OciError::Malformed(Malformed::Mixed))), "its type must not be a guess");
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
