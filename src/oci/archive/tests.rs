#![expect(clippy::disallowed_methods, reason = "tests make files")]

use std::fs;

use super::super::media_type::OCI_MANIFEST;
use super::*;
use crate::oci::Repository;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("it.tar")
    }

    async fn open(&self) -> Archive {
        Archive::open_or_new(&self.path()).await.unwrap()
    }

    /// Writes blobs, each under its text as its tag.
    async fn with(&self, texts: &[&str]) -> Vec<u8> {
        let mut archive = self.open().await;
        for text in texts {
            archive.add(text.as_bytes()).await.unwrap();
            archive.tag(text, &blob(text));
        }
        archive.write().await.unwrap();
        fs::read(self.path()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

async fn bytes_of(archive: &Archive, blob: &Descriptor) -> Result<Vec<u8>, OciError> {
    archive.stream(blob).await?.read(9).await
}

fn blob(text: &str) -> Descriptor {
    Descriptor::of(OCI_MANIFEST, text.as_bytes())
}

#[tokio::test]
async fn what_is_added_is_read_at_once_and_after_it_was_written() {
    let home = Home::new();
    let mut archive = home.open().await;
    archive.add(b"one").await.unwrap();
    archive.tag("1.0", &blob("one"));
    assert_eq!(bytes_of(&archive, &blob("one")).await.unwrap(), b"one");
    assert_eq!(home.names(), Vec::<String>::new(), "nothing is there before all of it is");
    archive.write().await.unwrap();
    assert_eq!(home.names(), ["it.tar"]);
    let archive = Archive::open(&home.path()).await.unwrap();
    assert_eq!(archive.listing().tagged("1.0").unwrap(), Some(blob("one")));
    assert_eq!(bytes_of(&archive, &blob("one")).await.unwrap(), b"one");
    assert!(matches!(bytes_of(&archive, &blob("two")).await, Err(OciError::Absent(_))));
    let other_size = Descriptor { size: 4, ..blob("one") };
    assert!(matches!(bytes_of(&archive, &other_size).await, Err(OciError::Size { expected: 4, .. })));
    let archive = Repository::Archive(archive);
    assert!(archive.has(&blob("one")).await.unwrap() && !archive.has(&blob("two")).await.unwrap());
    assert!(!archive.has(&other_size).await.unwrap());
}

#[tokio::test]
async fn the_same_bundles_give_the_same_bytes_whoever_wrote_first() {
    let (first, second) = (Home::new(), Home::new());
    let bytes = first.with(&["a", "b", "c"]).await;
    second.with(&["c"]).await;
    second.with(&["b"]).await;
    assert!(second.with(&["a"]).await == bytes);
    assert!(first.with(&[]).await == bytes, "what nothing was added to is not written anew");
}

#[tokio::test]
async fn other_programs_find_what_is_in_it() {
    let home = Home::new();
    home.with(&["a"]).await;
    let listed = std::process::Command::new("tar").arg("-tvf").arg(home.path()).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let own = path(blob("a").digest);
    assert_eq!(names, ["oci-layout", "index.json", "blobs/", "blobs/sha256/", &own]);
    assert!(text.contains("-rw-r--r-- 0/0") && text.contains("1970-01-01"), "{text}");
    // And what another program wrote is read.
    let (there, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let tar = |arguments: &[&str], file: &Path, at: &Path| {
        let mut tar = std::process::Command::new("tar");
        assert!(tar.args(arguments).arg(file).arg("-C").arg(at).arg(".").status().unwrap().success());
    };
    let mut unpack = std::process::Command::new("tar");
    unpack.arg("-xf").arg(home.path()).arg("-C").arg(folder.path());
    assert!(unpack.status().unwrap().success());
    for format in ["--format=gnu", "--format=ustar", "--format=pax", "--format=v7"] {
        tar(&[format, "-cf"], &there.path(), folder.path());
        let archive = Archive::open(&there.path()).await.unwrap();
        assert_eq!(bytes_of(&archive, &blob("a")).await.unwrap(), b"a", "{format}");
    }
}

#[tokio::test]
async fn what_others_added_in_the_meantime_stays() {
    let home = Home::new();
    let (mut first, mut second) = (home.open().await, home.open().await);
    for (archive, text) in [(&mut first, "a"), (&mut second, "b")] {
        archive.add(text.as_bytes()).await.unwrap();
        archive.tag(text, &blob(text));
    }
    first.write().await.unwrap();
    second.write().await.unwrap();
    let archive = home.open().await;
    for text in ["a", "b"] {
        assert_eq!(bytes_of(&archive, &blob(text)).await.unwrap(), text.as_bytes());
        assert_eq!(archive.listing().tagged(text).unwrap(), Some(blob(text)));
    }
}

#[tokio::test]
async fn members_of_others_stay_and_damage_to_one_blob_harms_no_other() {
    let home = Home::new();
    home.with(&["a", "b"]).await;
    let mut bytes = fs::read(home.path()).unwrap();
    let long = "x/".repeat(90) + "y";
    bytes.truncate(bytes.len() - 2 * BLOCK);
    for (name, content) in [("manifest.json", "[]"), (header::LONG_NAME, &*long), ("cut off", "long")] {
        let kind = if name == header::LONG_NAME { Kind::LongName } else { Kind::File };
        bytes.extend(Header::written(name, kind, length(content.as_bytes())));
        bytes.extend(content.bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.extend([0; 2 * BLOCK]);
    fs::write(home.path(), &bytes).unwrap();
    let place = home.open().await.read.unwrap().members.get(&path(blob("a").digest)).unwrap();
    bytes[usize::try_from(place.start).unwrap()] ^= 1;
    fs::write(home.path(), &bytes).unwrap();

    home.with(&["c"]).await;
    let archive = home.open().await;
    assert_eq!(bytes_of(&archive, &blob("b")).await.unwrap(), b"b");
    assert!(matches!(bytes_of(&archive, &blob("a")).await, Err(OciError::Digest(_))));
    let read = archive.read.as_ref().unwrap();
    let text = |name: &str| read.file.read_at(read.members.get(name).unwrap().start, 2).unwrap();
    assert_eq!((&text("manifest.json")[..], &text(&long)[..]), (&b"[]"[..], &b"lo"[..]));
    // A blob that was damaged is taken in anew.
    home.with(&["a"]).await;
    assert_eq!(bytes_of(&home.open().await, &blob("a")).await.unwrap(), b"a");
}

#[tokio::test]
async fn a_copy_that_fails_leaves_the_archive_as_it_was() {
    let home = Home::new();
    let before = home.with(&["a"]).await;
    let archive = home.open().await;
    let lost = stream::iter([Ok(Bytes::from_static(b"on")), Err(OciError::Absent(blob("one").digest))]);
    assert!(archive.receive(BlobStream::new(&blob("one"), lost)).await.is_err());
    let archive = Repository::Archive(archive);
    assert!(!archive.has(&blob("one")).await.unwrap(), "half of a blob is none");
    let flipped = stream::iter([Ok(Bytes::from_static(b"onE"))]);
    let refused = archive.receive(BlobStream::new(&blob("one"), flipped)).await;
    assert!(matches!(refused, Err(OciError::Digest(_))));
    drop(archive);
    assert!(fs::read(home.path()).unwrap() == before && home.names() == ["it.tar"]);
    // No disk holds what a registry may say that a blob has.
    let endless = Descriptor { size: u64::MAX, ..blob("one") };
    let refused = home.open().await.receive(BlobStream::new(&endless, stream::empty())).await;
    assert!(matches!(refused, Err(OciError::Size { expected: u64::MAX, .. })));
}

#[tokio::test]
async fn what_a_writer_left_behind_that_was_cut_off_is_cleared_away() {
    let home = Home::new();
    home.with(&["a"]).await;
    let left = |name: &str| home.0.path().join(name);
    let own = ulid::Ulid::generate().to_string();
    for name in [format!("it.tar.{own}"), format!("other.tar.{own}"), "it.tar.backup".into()] {
        fs::write(left(&name), b"half").unwrap();
    }
    // One that is being written is held.
    let held = format!("it.tar.{}", ulid::Ulid::generate());
    fs::write(left(&held), b"half").unwrap();
    let file = fs::File::open(left(&held)).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    home.with(&["b"]).await;
    let mut names = home.names();
    names.sort();
    let mut expected = vec!["it.tar".into(), "it.tar.backup".into(), held, format!("other.tar.{own}")];
    expected.sort();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn what_is_no_archive_of_a_layout_is_told_as_what_it_is() {
    let home = Home::new();
    let refused = |members: &[&str]| {
        let mut bytes = Vec::new();
        members.iter().for_each(|name| bytes.extend(Header::written(name, Kind::File, 0)));
        bytes.extend([0; 2 * BLOCK]);
        fs::write(home.path(), bytes).unwrap();
        opened(&home.path()).err().unwrap()
    };
    let of = |error: OciError| match error {
        OciError::Archive { source, .. } => source,
        other => panic!("{other}"),
    };
    assert!(matches!(of(refused(&[])), ArchiveFault::NotALayout("oci-layout")));
    assert!(matches!(of(refused(&["bundle.json", "artifacts/layout/index.json"])), ArchiveFault::Thick));
    assert!(matches!(refused(&["oci-layout"]), OciError::Archive { .. }));
    assert!(matches!(refused(&["oci-layout", "index.json"]), OciError::Document { .. }));
    fs::remove_file(home.path()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(home.path()).status().unwrap().success());
    let pipe = tokio::time::timeout(std::time::Duration::from_secs(10), Archive::open(&home.path())).await;
    assert!(matches!(pipe.unwrap(), Err(OciError::NotAFile(_))));
    let directory = Archive::open(home.0.path()).await.err().unwrap();
    assert!(matches!(directory, OciError::NotAFile(_)), "{directory}");
}

#[tokio::test]
async fn who_may_read_an_archive_stays_as_it_was_and_a_link_stays_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.with(&["a"]).await;
    let real = home.0.path().join("real");
    fs::rename(home.path(), &real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("real", home.path()).unwrap();
    home.with(&["b"]).await;
    assert!(home.path().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(home.open().await.listing().entries().count(), 2);
}

#[tokio::test]
async fn an_archive_that_is_gone_before_it_is_written_is_not_begun_anew() {
    let home = Home::new();
    home.with(&["a"]).await;
    let mut archive = home.open().await;
    archive.add(b"b").await.unwrap();
    archive.tag("b", &blob("b"));
    fs::remove_file(home.path()).unwrap();
    assert!(matches!(archive.write().await, Err(OciError::System { .. })));
    assert_eq!(home.names(), Vec::<String>::new());
}
