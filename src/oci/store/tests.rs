#![expect(clippy::disallowed_methods, reason = "tests make and damage files")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use super::*;

const LIMIT: u64 = 1 << 20;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn directory(&self) -> Dir {
        Dir::open_ambient_dir(self.0.path(), cap_std::ambient_authority()).unwrap()
    }

    /// The store, as another process opens it.
    fn store(&self) -> Store {
        self.store_of(LIMIT)
    }

    fn store_of(&self, limit: u64) -> Store {
        Store::open(self.directory(), limit).unwrap()
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.0.path().join(path(digest))
    }

    fn partial(&self, digest: Digest) -> PathBuf {
        self.0.path().join(partial_path(digest))
    }

    /// Says that a blob was last of use so many seconds ago.
    fn age(&self, digest: Digest, seconds: u64) {
        let file = fs::File::options().append(true).open(self.blob(digest)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }
}

fn blob(text: &str) -> Descriptor {
    Descriptor::of("text/plain", text.as_bytes())
}

fn of(blob: &Descriptor, text: &str) -> BlobStream {
    BlobStream::new(blob, stream::iter([Ok(Bytes::copy_from_slice(text.as_bytes()))]))
}

async fn begun(store: &Store, blob: &Descriptor) -> Partial {
    match store.begin(blob).await.unwrap() {
        Begun::Partial(partial) => partial,
        Begun::Busy | Begun::TooLong | Begun::Whole => panic!("it is not to be begun"),
    }
}

async fn keep(store: &Store, text: &str) -> Descriptor {
    let blob = blob(text);
    let mut partial = begun(store, &blob).await;
    partial.fill(of(&blob, text)).await.unwrap();
    partial.finish().await.unwrap();
    blob
}

async fn read(store: &Store, blob: &Descriptor) -> Option<Vec<u8>> {
    match store.stream(blob).await.unwrap() {
        Some(stream) => Some(stream.read(100).await.unwrap()),
        None => None,
    }
}

#[tokio::test]
async fn what_came_before_a_run_ended_is_there_for_the_next_one() {
    let home = Home::new();
    let blob = blob("0123456789");
    let mut partial = begun(&home.store(), &blob).await;
    let lost = || Err(OciError::system("x")(io::ErrorKind::ConnectionReset.into()));
    let cut = stream::iter([Ok(Bytes::from_static(b"0123")), lost()]);
    assert!(partial.fill(BlobStream::new(&blob, cut)).await.is_err());
    drop(partial);

    let store = home.store();
    assert!(!store.holds(&blob).await.unwrap(), "half a blob is none");
    let mut partial = begun(&store, &blob).await;
    assert_eq!(partial.length(), 4);
    // The stream is that of all bytes: those that are there are hashed with the others, and not written again.
    partial.fill(of(&blob, "0123456789")).await.unwrap();
    partial.finish().await.unwrap();
    assert_eq!(read(&home.store(), &blob).await.unwrap(), b"0123456789");
    assert!(!home.partial(blob.digest).exists());
}

#[tokio::test]
async fn a_file_that_is_longer_than_the_blob_is_begun_anew() {
    let home = Home::new();
    let store = home.store();
    let blob = blob("0123456789");
    fs::write(home.partial(blob.digest), "0123456789x").unwrap();
    assert_eq!(begun(&store, &blob).await.length(), 0);
    fs::write(home.partial(blob.digest), "0123456789").unwrap();
    assert_eq!(begun(&store, &blob).await.length(), 10, "one that only lacks its name is read");
}

#[tokio::test]
async fn whoever_wants_the_same_blob_waits_for_the_first_and_then_has_it() {
    let home = Home::new();
    let blob = blob("0123456789");
    let mut first = begun(&home.store(), &blob).await;
    let second = tokio::spawn({
        let (store, blob) = (home.store(), blob.clone());
        async move { matches!(store.begin(&blob).await, Ok(Begun::Whole)) }
    });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    first.fill(of(&blob, "0123456789")).await.unwrap();
    first.finish().await.unwrap();
    assert!(second.await.unwrap());
    assert!(!home.partial(blob.digest).exists(), "whoever waited leaves nothing");
}

#[tokio::test]
async fn a_damaged_blob_is_removed_and_is_none() {
    let home = Home::new();
    let store = home.store();
    for damaged in ["0123456780", "", "0123456789x"] {
        let blob = keep(&store, "0123456789").await;
        fs::write(home.blob(blob.digest), damaged).unwrap();
        if damaged.len() == 10 {
            let refused = store.stream(&blob).await.unwrap().unwrap().read(100).await;
            assert!(matches!(refused, Err(OciError::Digest(_))), "what is read is hashed, whoever reads it");
        }
        assert!(!store.holds(&blob).await.unwrap());
        fs::remove_file(home.blob(blob.digest)).ok();
    }
    // A link is no blob, wherever it leads.
    let blob = keep(&store, "0123456789").await;
    fs::rename(home.blob(blob.digest), home.0.path().join("it")).unwrap();
    std::os::unix::fs::symlink("../../it", home.blob(blob.digest)).unwrap();
    assert!(matches!(store.stream(&blob).await, Err(OciError::NotAFile(_))));
}

#[tokio::test]
async fn all_damage_is_found_told_and_gone() {
    let home = Home::new();
    let store = home.store();
    let (good, bad) = (keep(&store, "good").await, keep(&store, "bad").await);
    fs::write(home.blob(bad.digest), "BAD").unwrap();
    assert_eq!(store.verify().await.unwrap(), [bad.digest]);
    assert_eq!(store.verify().await.unwrap(), []);
    assert!(home.blob(good.digest).exists() && !home.blob(bad.digest).exists());
}

#[tokio::test]
async fn what_was_not_of_use_for_the_longest_time_goes_first() {
    let home = Home::new();
    let store = home.store();
    let [old, middle, new] =
        [keep(&store, "old").await, keep(&store, "middle").await, keep(&store, "new").await];
    for (blob, age) in [(&old, 30), (&middle, 20), (&new, 10)] {
        home.age(blob.digest, age);
    }
    // It was the oldest, and is of use now.
    assert_eq!(read(&store, &old).await.unwrap(), b"old");
    let order: Vec<_> = store.list().await.unwrap().iter().map(|kept| kept.digest).collect();
    assert_eq!(order, [old.digest, new.digest, middle.digest]);
    assert_eq!(store.prune(6).await.unwrap(), Removed { blobs: 1, bytes: 6 });
    assert_eq!(store.prune(6).await.unwrap(), Removed::default());
    assert!(store.holds(&old).await.unwrap() && !store.holds(&middle).await.unwrap());
}

#[tokio::test]
async fn a_store_makes_room_by_itself_and_takes_nothing_that_has_no_room_at_all() {
    let home = Home::new();
    let store = home.store_of(20);
    let first = keep(&store, "0123456789").await;
    home.age(first.digest, 60);
    let second = keep(&store, "123456789").await;
    assert!(store.holds(&first).await.unwrap(), "there is room for both");
    home.age(first.digest, 60);
    let third = keep(&store, "23456789").await;
    let there = |blob: &Descriptor| home.blob(blob.digest).exists();
    assert_eq!((there(&first), there(&second), there(&third)), (false, true, true));
    let long = blob("012345678901234567890");
    assert!(matches!(store.begin(&long).await.unwrap(), Begun::TooLong));
    assert!(!home.partial(long.digest).exists());
}

#[tokio::test]
async fn what_an_installation_has_as_well_takes_no_room_and_stays_there() {
    let (home, other) = (Home::new(), Home::new());
    let store = home.store();
    let blob = keep(&store, "0123456789").await;
    assert!(store.lend(&blob, &other.directory(), "it"));
    assert!(store.list().await.unwrap()[0].is_shared);
    assert_eq!(store.prune(0).await.unwrap(), Removed::default(), "nothing would be free then");
    assert_eq!(store.clear().await.unwrap(), Removed { blobs: 1, bytes: 0 });
    assert_eq!(fs::read(other.0.path().join("it")).unwrap(), b"0123456789");
    assert!(!store.lend(&blob, &other.directory(), "it"), "what is not there cannot be lent");
    assert_eq!(fs::read_dir(other.0.path()).unwrap().count(), 1, "nothing else is left there");
}

#[tokio::test]
async fn what_never_came_whole_goes_but_not_what_is_on_its_way() {
    let home = Home::new();
    let store = home.store();
    let (left, coming) = (blob("left"), blob("coming"));
    fs::write(home.partial(left.digest), "le").unwrap();
    let held = begun(&store, &coming).await;
    assert_eq!(store.prune(LIMIT).await.unwrap(), Removed { blobs: 1, bytes: 2 });
    assert!(!home.partial(left.digest).exists() && home.partial(coming.digest).exists());
    drop(held);
    assert_eq!(store.clear().await.unwrap(), Removed { blobs: 1, bytes: 0 });
    assert!(!home.partial(coming.digest).exists());
}

#[tokio::test]
async fn an_answer_is_that_to_its_own_question_and_the_last_one() {
    let home = Home::new();
    let store = home.store();
    assert_eq!(store.answer("a").await, None);
    store.note("a", json!({"b": 1})).await;
    store.note("a", Value::Null).await;
    assert_eq!(home.store().answer("a").await, Some(Value::Null), "that there is nothing is an answer");
    // A file that somebody moved answers no other question, and half a file none.
    let file = |question: &str| home.0.path().join("answers").join(Digest::of(question.as_bytes()).hex());
    fs::rename(file("a"), file("b")).unwrap();
    assert_eq!((store.answer("a").await, store.answer("b").await), (None, None));
    store.note("a", json!([])).await;
    let text = fs::read(file("a")).unwrap();
    fs::write(file("a"), &text[..text.len() - 1]).unwrap();
    assert_eq!(store.answer("a").await, None);
    store.note("a", json!([])).await;
    store.clear().await.unwrap();
    assert_eq!(store.answer("a").await, None);
}
