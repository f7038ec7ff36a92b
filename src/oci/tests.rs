//! Layouts as others damage them, and copies between repositories.

#![expect(clippy::disallowed_methods, reason = "tests make and damage files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use cap_std::fs::Dir;
use futures_util::stream;
use serde_json::json;

use super::media_type::{OCI_INDEX, OCI_MANIFEST};
use super::*;
use crate::digest::Hasher;

/// A layout in a directory of its own.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.path("blobs/sha256").join(digest.hex())
    }

    fn directory(&self) -> Dir {
        Dir::open_ambient_dir(self.0.path(), cap_std::ambient_authority()).unwrap()
    }

    async fn layout(&self) -> Layout {
        Layout::open_or_new(self.directory()).await.unwrap()
    }

    async fn repository(&self) -> Repository {
        Repository::Layout(self.layout().await)
    }

    /// The names of everything in `blobs/sha256`.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("blobs/sha256")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

async fn read(layout: &Layout, blob: &Descriptor) -> Result<Vec<u8>, OciError> {
    layout.stream(blob).await?.read(1 << 30).await
}

/// Its result within ten seconds; a read that waits for a pipe would never come.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.unwrap()
}

#[tokio::test]
async fn what_is_added_is_read_and_listed() {
    let home = Home::new();
    let mut layout = home.layout().await;
    let blob = Descriptor::of(OCI_MANIFEST, b"a blob");
    assert_eq!(layout.add(b"a blob").await.unwrap(), blob.digest);
    layout.tag("1.0", &blob);
    layout.write().await.unwrap();
    let layout = Layout::open(home.directory()).await.unwrap();
    assert_eq!(layout.listing().tagged("1.0").unwrap(), Some(blob.clone()));
    assert_eq!(layout.listing().tagged("2.0").unwrap(), None);
    assert_eq!(read(&layout, &blob).await.unwrap(), b"a blob");
    assert_eq!(home.names(), [blob.digest.hex()]);
}

#[tokio::test]
async fn a_layout_whose_writer_was_cut_off_is_begun_again() {
    let home = Home::new();
    let written = home.layout().await;
    written.add(b"a blob").await.unwrap();
    written.write().await.unwrap();
    // Of what is written, this comes last.
    fs::remove_file(home.path("index.json")).unwrap();
    home.layout().await.write().await.unwrap();
    Layout::open(home.directory()).await.unwrap();
}

#[tokio::test]
async fn a_blob_of_many_chunks_survives_the_way_there_and_back() {
    let home = Home::new();
    let bytes: Vec<u8> = (0..3_000_001_u32).flat_map(|number| number.to_le_bytes()).take(3_000_001).collect();
    let layout = home.layout().await;
    layout.add(&bytes).await.unwrap();
    let blob = Descriptor::of("x", &bytes);
    assert!(read(&layout, &blob).await.unwrap() == bytes);
    let pieces: Vec<_> = bytes.chunks(10_007).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let other = Home::new();
    other.layout().await.receive(BlobStream::new(&blob, stream::iter(pieces))).await.unwrap();
    assert!(fs::read(other.blob(blob.digest)).unwrap() == bytes);
}

#[tokio::test]
async fn what_is_not_the_blob_is_refused_and_nothing_of_it_stays() {
    let (from, to) = (Home::new(), Home::new());
    let bytes = vec![7; 600_000];
    let blob = Descriptor::of("x", &bytes);
    from.layout().await.add(&bytes).await.unwrap();
    let (source, sink) = (from.repository().await, to.repository().await);
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [&flipped[..], &bytes[..599_999], &[], &[&bytes[..], b"x"].concat()] {
        fs::write(from.blob(blob.digest), bad).unwrap();
        let (read, copied) = (source.read(&blob, 1 << 20).await, copy(&blob, &source, &sink).await);
        if bad.len() == bytes.len() {
            assert!(matches!(read, Err(OciError::Digest(_))) && matches!(copied, Err(OciError::Digest(_))));
        } else {
            assert!(matches!(read, Err(OciError::Size { expected: 600_000, .. })));
            assert!(matches!(copied, Err(OciError::Size { expected: 600_000, .. })));
        }
        assert_eq!(to.names(), Vec::<String>::new());
    }
    fs::remove_file(from.blob(blob.digest)).unwrap();
    assert!(
        matches!(copy(&blob, &source, &sink).await, Err(OciError::Absent(digest)) if digest == blob.digest)
    );
    fs::write(from.blob(blob.digest), &bytes).unwrap();
    copy(&blob, &source, &sink).await.unwrap();
    assert_eq!(to.names(), [blob.digest.hex()]);
}

#[tokio::test]
async fn a_copy_that_is_given_up_leaves_nothing() {
    let home = Home::new();
    let blob = Descriptor { size: 1 << 30, ..Descriptor::of("x", b"") };
    let layout = home.layout().await;
    let chunks = stream::repeat_with(|| Ok(Bytes::from(vec![0; 300_000])));
    // Each chunk gives way to others, so the time comes to stop it in the middle.
    let chunks = stream::StreamExt::then(chunks, |chunk| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        chunk
    });
    let copying = layout.receive(BlobStream::new(&blob, chunks));
    assert!(tokio::time::timeout(Duration::from_millis(100), copying).await.is_err());
    // A file half written at that moment is dropped as soon as it is.
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if home.names().is_empty() {
            return;
        }
    }
    panic!("{:?}", home.names());
}

#[tokio::test]
async fn links_pipes_and_directories_are_no_blobs() {
    let home = Home::new();
    let layout = home.layout().await;
    let blob = Descriptor::of("x", b"a blob");
    layout.add(b"a blob").await.unwrap();
    let (path, elsewhere) = (home.blob(blob.digest), home.path("elsewhere"));
    fs::rename(&path, &elsewhere).unwrap();
    let makers: [fn(&Path, &Path); 4] = [
        |path, elsewhere| std::os::unix::fs::symlink(elsewhere, path).unwrap(),
        |path, _| pipe(path),
        |path, _| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        |path, _| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
    ];
    for make in makers {
        make(&path, &elsewhere);
        let read = soon(read(&layout, &blob)).await;
        assert!(matches!(read, Err(OciError::NotAFile(_) | OciError::Outside(_))), "{read:?}");
        let is_link = path.is_symlink();
        assert_eq!(matches!(read, Err(OciError::Outside(_))), is_link, "{read:?}");
        fs::remove_file(&path).unwrap();
    }
    fs::create_dir(&path).unwrap();
    assert!(matches!(read(&layout, &blob).await, Err(OciError::NotAFile(_))));
}

#[tokio::test]
async fn a_blob_may_be_a_link_that_stays_in_the_layout() {
    let home = Home::new();
    let layout = home.layout().await;
    let blob = Descriptor::of("x", b"a blob");
    layout.add(b"a blob").await.unwrap();
    fs::create_dir(home.path("store")).unwrap();
    fs::rename(home.blob(blob.digest), home.path("store/it")).unwrap();
    std::os::unix::fs::symlink("../../store/it", home.blob(blob.digest)).unwrap();
    assert_eq!(read(&layout, &blob).await.unwrap(), b"a blob");
    fs::write(home.path("store/it"), b"a BLOB").unwrap();
    assert!(matches!(read(&layout, &blob).await, Err(OciError::Digest(_))));
    fs::remove_file(home.path("store/it")).unwrap();
    assert!(matches!(read(&layout, &blob).await, Err(OciError::Absent(_))));
}

#[tokio::test]
async fn a_tag_may_stand_behind_the_repository_that_it_was_copied_from() {
    let home = Home::new();
    let mut layout = home.layout().await;
    let (one, two) = (Descriptor::of(OCI_MANIFEST, b"one"), Descriptor::of(OCI_MANIFEST, b"two"));
    layout.tag("registry.example:5000/acme/web:1.2", &one);
    assert_eq!(layout.listing().tagged("1.2").unwrap(), Some(one.clone()));
    assert_eq!(layout.listing().tagged("registry.example:5000/acme/web:1.2").unwrap(), Some(one));
    assert_eq!(layout.listing().tagged("5000/acme/web:1.2").unwrap(), None);
    layout.tag("other.example/web:1.2", &two);
    assert!(matches!(layout.listing().tagged("1.2"), Err(OciError::Ambiguous(_))));
    layout.tag("1.2", &two);
    assert_eq!(layout.listing().tagged("1.2").unwrap(), Some(two), "the tag alone counts first");
}

#[tokio::test]
async fn a_digest_that_is_not_read_is_named_as_such() {
    let digest = format!("sha512:{}", "0".repeat(128));
    let error = Descriptor::parse(&json!({"mediaType": "x", "digest": digest, "size": 1})).unwrap_err();
    assert!(
        error.to_string().starts_with("it is named by its sha512 digest, and only sha256 is read"),
        "{error}"
    );
}

#[tokio::test]
async fn the_files_of_the_layout_itself_must_be_plain_too() {
    for name in ["oci-layout", "index.json"] {
        let home = Home::new();
        home.layout().await.write().await.unwrap();
        fs::remove_file(home.path(name)).unwrap();
        pipe(&home.path(name));
        let opened = soon(Layout::open(home.directory())).await.err().unwrap();
        assert!(matches!(&opened, OciError::NotAFile(found) if found == name), "{opened}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_size_alone() {
    let home = Home::new();
    let blob = Descriptor { size: 101, ..Descriptor::of("x", b"a blob") };
    // It is not even there.
    let read = home.repository().await.read(&blob, 100).await;
    assert!(matches!(read, Err(OciError::TooLong { limit: 100, .. })));
    home.layout().await.write().await.unwrap();
    fs::write(home.path("oci-layout"), vec![b' '; 1025]).unwrap();
    assert!(matches!(Layout::open(home.directory()).await, Err(OciError::TooLong { limit: 1024, .. })));
}

#[tokio::test]
async fn a_tag_that_is_there_twice_is_nobodys() {
    let home = Home::new();
    let entry = |bytes: &[u8]| {
        let mut entry = Descriptor::of(OCI_INDEX, bytes).to_value();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "1.0"});
        entry
    };
    home.layout().await.write().await.unwrap();
    let index = json!({"schemaVersion": 2, "manifests": [entry(b"a"), {"not": "a descriptor"}, entry(b"b")]});
    fs::write(home.path("index.json"), index.to_string()).unwrap();
    let mut layout = Layout::open(home.directory()).await.unwrap();
    assert!(matches!(layout.listing().tagged("1.0"), Err(OciError::Ambiguous(tag)) if tag == "1.0"));
    assert_eq!((layout.listing().entries().count(), layout.listing().descriptors().count()), (3, 2));
    // A tag that is written anew is there once, and entries of others stay as they are.
    layout.tag("1.0", &Descriptor::of(OCI_INDEX, b"c"));
    layout.write().await.unwrap();
    let layout = Layout::open(home.directory()).await.unwrap();
    assert_eq!(layout.listing().tagged("1.0").unwrap(), Some(Descriptor::of(OCI_INDEX, b"c")));
    assert_eq!(layout.listing().entries().count(), 2);
}

#[tokio::test]
async fn referrers_are_listed_once_and_found_again() {
    let home = Home::new();
    let mut repository = home.repository().await;
    let subject = Digest::of(b"subject");
    let referrer = Descriptor { artifact_type: Some("x/y".into()), ..Descriptor::of(OCI_MANIFEST, b"r") };
    assert_eq!(referrers::of(&repository, subject, "the list").await.unwrap(), []);
    for _ in 0..2 {
        referrers::add(&mut repository, subject, std::slice::from_ref(&referrer), "the list").await.unwrap();
    }
    repository.finish().await.unwrap();
    let repository = Repository::Layout(Layout::open(home.directory()).await.unwrap());
    let found = referrers::of(&repository, subject, "the list").await.unwrap();
    assert_eq!(found.iter().filter(|found| **found == referrer).count(), 1);
    assert_eq!(referrers::of(&repository, Digest::of(b"other"), "the list").await.unwrap(), []);
    // The list is checked like any other blob.
    let list = repository.tagged(&referrers::fallback_tag(subject)).await.unwrap().unwrap();
    fs::write(home.blob(list.digest), b"{}").unwrap();
    assert!(matches!(referrers::of(&repository, subject, "the list").await, Err(OciError::Size { .. })));
}

/// In a process of its own, since the peak of memory is that of the process.
const ALONE: &str = "CARNET_TEST_ALONE";

/// More than the memory that the copy may take.
const LARGE: u64 = 300 << 20;

#[test]
fn a_copy_streams_and_never_holds_the_blob() {
    alone("a_copy_streams_and_never_holds_the_blob", copy_alone);
}

#[test]
fn a_copy_never_holds_all_documents_at_once() {
    alone("a_copy_never_holds_all_documents_at_once", copy_documents_alone);
}

fn alone(name: &str, test: fn()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let output = alone.args(["--exact", &format!("oci::tests::{name}")]).env(ALONE, "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

/// 120 referrers of 1 MiB each.
fn copy_documents_alone() {
    let (from, to) = (Home::new(), Home::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut source = from.repository().await;
        let config = Descriptor::of("text/plain", b"c");
        source.add("text/plain", b"c").await.unwrap();
        let document = |subject: Option<&Descriptor>, note: String| {
            let mut document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.to_value(),
                "layers": [], "annotations": {"note": note}});
            if let Some(subject) = subject {
                document["subject"] = subject.to_value();
            }
            document.to_string().into_bytes()
        };
        let bytes = document(None, String::new());
        source.add(OCI_MANIFEST, &bytes).await.unwrap();
        let root = Descriptor::of(OCI_MANIFEST, &bytes);
        let mut listed = Vec::new();
        for number in 0..120 {
            let bytes = document(Some(&root), format!("{number}{}", "x".repeat(1 << 20)));
            source.add(OCI_MANIFEST, &bytes).await.unwrap();
            listed.push(Descriptor::of(OCI_MANIFEST, &bytes));
        }
        referrers::add(&mut source, root.digest, &listed, "the list").await.unwrap();
        source.finish().await.unwrap();
        drop((source, listed));
        let (source, mut target) = (from.repository().await, to.repository().await);
        let before = peak();
        let observer: std::sync::Arc<dyn CopyObserver> = std::sync::Arc::new(Unseen);
        let sum = copy_graph(&root, &source, &mut target, Absent::Refused, &observer).await.unwrap();
        assert_eq!(sum.copied, 1 + 121);
        assert!(peak() - before < 48 << 10, "{before} KiB, then {}", peak());
    });
}

struct Unseen;

impl CopyObserver for Unseen {
    fn planned(&self, _: usize, _: u64) {}
    fn moved(&self, _: u64) {}
    fn skipped(&self, _: &Descriptor) {}
}

fn copy_alone() {
    let (from, to) = (Home::new(), Home::new());
    let (mut hasher, zeroes) = (Hasher::default(), vec![0; 1 << 20]);
    (0..LARGE >> 20).for_each(|_| hasher.update(&zeroes));
    let blob = Descriptor { digest: hasher.finish(), size: LARGE, ..Descriptor::of("x", b"") };
    fs::create_dir_all(from.path("blobs/sha256")).unwrap();
    fs::File::create(from.blob(blob.digest)).unwrap().set_len(LARGE).unwrap();
    let before = peak();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { copy(&blob, &from.repository().await, &to.repository().await).await.unwrap() });
    assert_eq!(fs::metadata(to.blob(blob.digest)).unwrap().len(), LARGE);
    assert!(peak() - before < 16 << 10, "{} KiB, then {}", before, peak());
}

/// The most memory that this process ever held, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn those_who_write_a_layout_at_the_same_time_keep_what_the_others_added() {
    let home = Home::new();
    home.layout().await.write().await.unwrap();
    let (mut first, mut second) = (home.layout().await, home.layout().await);
    for (layout, tag) in [(&mut first, "one"), (&mut second, "two")] {
        layout.add(tag.as_bytes()).await.unwrap();
        layout.tag(tag, &Descriptor::of(OCI_MANIFEST, tag.as_bytes()));
    }
    first.write().await.unwrap();
    second.write().await.unwrap();
    let layout = home.layout().await;
    assert!(
        layout.listing().tagged("one").unwrap().is_some()
            && layout.listing().tagged("two").unwrap().is_some()
    );
}

#[tokio::test]
async fn a_blob_that_was_damaged_is_not_there_already() {
    let home = Home::new();
    let layout = Repository::Layout(home.layout().await);
    let blob = Descriptor::of("text/plain", b"a blob");
    assert!(!layout.has(&blob).await.unwrap());
    layout.add("text/plain", b"a blob").await.unwrap();
    assert!(layout.has(&blob).await.unwrap());
    fs::write(home.blob(blob.digest), b"a blot").unwrap();
    assert!(!layout.has(&blob).await.unwrap());
}
