//! A registry whose blobs are kept: what is not asked for again, what goes on where it broke, and what nobody is asked for.

use std::fs;
use std::path::PathBuf;

use cap_std::fs::Dir;

use super::*;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn settings(&self, server: &Server) -> RegistrySettings {
        let directory = Dir::open_ambient_dir(self.0.path(), cap_std::ambient_authority()).unwrap();
        let store = Store::open(directory, 1 << 30).unwrap();
        RegistrySettings { store: Some(Arc::new(store)), ..settings(server) }
    }

    /// A repository as another process opens it.
    fn open(&self, server: &Server) -> Repository {
        open_with(self.settings(server), server)
    }

    fn open_offline(&self, server: &Server) -> Repository {
        open_with(RegistrySettings { is_offline: true, ..self.settings(server) }, server)
    }

    fn partial(&self, blob: &Descriptor) -> PathBuf {
        self.0.path().join("partial").join(blob.digest.hex())
    }
}

fn open_with(settings: RegistrySettings, server: &Server) -> Repository {
    let client = RegistryClient::new(settings);
    Repository::Registry(Registry::to_read(&client, &server.host(), "acme/web").unwrap())
}

/// A registry with a blob of so many bytes.
async fn serving(length: u32) -> (Server, Descriptor, Vec<u8>) {
    let server = Server::start().await;
    let bytes: Vec<u8> = (0..length).map(|number| u8::try_from(number % 251).unwrap()).collect();
    server.blob(&bytes);
    (server, Descriptor::of("text/plain", &bytes), bytes)
}

fn ranges(seen: &[Seen]) -> Vec<Option<&str>> {
    let blobs = seen.iter().filter(|it| it.path.contains("/blobs/"));
    blobs.map(|it| it.headers.get("range").map(String::as_str)).collect()
}

#[tokio::test]
async fn what_a_digest_names_is_asked_for_once_and_a_tag_each_time() {
    let (server, home) = (Server::start().await, Home::new());
    let bytes = manifest();
    server.blob(b"l");
    server.tag("1", &server.document(OCI_MANIFEST, &bytes));
    for _ in 0..2 {
        let registry = home.open(&server);
        let found = registry.tagged("1").await.unwrap().unwrap();
        assert_eq!(registry.read(&found, 1000).await.unwrap(), bytes);
        assert_eq!(registry.read(&Descriptor::of("text/plain", b"l"), 9).await.unwrap(), b"l");
        assert_eq!(registry.tagged("2").await.unwrap(), None);
    }
    let seen = server.seen();
    let asked = |end: &str| seen.iter().filter(|it| it.path.ends_with(end)).count();
    let blob = Descriptor::of("text/plain", b"l").digest.to_string();
    assert_eq!((asked("/manifests/1"), asked("/manifests/2"), asked(&blob)), (2, 2, 1), "{seen:?}");
    // By its digest, nobody is asked, and what is there is still hashed.
    let Repository::Registry(registry) = home.open(&server) else { unreachable!() };
    assert!(registry.described(Digest::of(&bytes)).await.unwrap().is_some() && server.seen().is_empty());
    fs::write(home.0.path().join("blobs/sha256").join(Digest::of(b"l").hex()), "L").unwrap();
    let again = home.open(&server).read(&Descriptor::of("text/plain", b"l"), 9).await.unwrap();
    assert!(again == b"l" && server.seen().len() == 1, "what was damaged is got again");
}

#[tokio::test]
async fn a_pull_that_is_cut_at_any_byte_goes_on_there_in_the_next_run() {
    let (server, blob, bytes) = serving(700_000).await;
    for step in 0..20_usize {
        let cut = (step * 36_841 + 1) % bytes.len();
        let home = Home::new();
        let mut is_cut = false;
        let whole = bytes.clone();
        server.answer(move |_| {
            let first = !std::mem::replace(&mut is_cut, true);
            Some(if first { reply(200, whole.clone()).sends(Sends::Cut(cut)) } else { reply(403, "") })
        });
        let broken = home.open(&server).read(&blob, 1 << 20).await;
        assert!(matches!(broken, Err(OciError::Registry(RegistryError::Denied { .. }))), "{broken:?}");
        server.answer(|_| None);
        server.seen();
        assert!(home.open(&server).read(&blob, 1 << 20).await.unwrap() == bytes, "{cut}");
        assert_eq!(ranges(&server.seen()), [Some(&*format!("bytes={cut}-"))]);
        assert!(!home.partial(&blob).exists());
    }
}

#[tokio::test]
async fn a_registry_that_knows_no_ranges_sends_all_and_half_of_it_is_passed_over() {
    let (server, blob, bytes) = serving(1000).await;
    let home = Home::new();
    drop(home.settings(&server));
    fs::write(home.partial(&blob), &bytes[..400]).unwrap();
    let whole = bytes.clone();
    server.answer(move |_| Some(reply(200, whole.clone())));
    assert!(home.open(&server).read(&blob, 1 << 20).await.unwrap() == bytes);
}

#[tokio::test]
async fn a_registry_that_does_not_go_on_from_there_is_asked_for_all_of_it() {
    let (server, blob, bytes) = serving(1000).await;
    let part = |start: u32| reply(206, vec![1; 600]).with("Content-Range", format!("bytes {start}-999/1000"));
    for refusal in [reply(416, ""), part(300), reply(206, vec![1; 600])] {
        let home = Home::new();
        drop(home.settings(&server));
        fs::write(home.partial(&blob), &bytes[..400]).unwrap();
        server.answer(move |seen| seen.headers.contains_key("range").then(|| refusal.clone()));
        assert!(home.open(&server).read(&blob, 1 << 20).await.unwrap() == bytes);
        assert_eq!(ranges(&server.seen()), [Some("bytes=400-"), None]);
    }
}

#[tokio::test]
async fn what_was_left_of_another_blob_is_no_part_of_this_one() {
    let (server, blob, bytes) = serving(1000).await;
    for left in [&b"something else"[..], &[7; 1000]] {
        let home = Home::new();
        drop(home.settings(&server));
        fs::write(home.partial(&blob), left).unwrap();
        server.seen();
        assert!(home.open(&server).read(&blob, 1 << 20).await.unwrap() == bytes);
        let all = server.seen();
        assert_eq!(ranges(&all).last().unwrap(), &None, "all of it is got again");
    }
    // Where the registry itself sends other bytes, nothing of them stays.
    let home = Home::new();
    server.answer(|_| Some(reply(200, [9; 1000])));
    assert!(matches!(home.open(&server).read(&blob, 1 << 20).await, Err(OciError::Digest(_))));
    assert!(!home.partial(&blob).exists());
}

#[tokio::test]
async fn eight_at_once_ask_for_a_blob_once() {
    let (server, blob, bytes) = serving(300_000).await;
    let home = Home::new();
    let readers: Vec<_> = (0..8).map(|_| home.open(&server)).collect();
    let all = futures_util::future::join_all(readers.iter().map(|it| it.read(&blob, 1 << 20))).await;
    assert!(all.into_iter().all(|read| read.unwrap() == bytes));
    assert_eq!(ranges(&server.seen()), [None]);
}

#[tokio::test]
async fn a_run_whose_store_cannot_be_written_goes_on_without_it() {
    let (server, blob, bytes) = serving(1000).await;
    let home = Home::new();
    let registry = home.open(&server);
    fs::remove_dir(home.0.path().join("partial")).unwrap();
    fs::write(home.0.path().join("partial"), "in the way").unwrap();
    assert!(registry.read(&blob, 1 << 20).await.unwrap() == bytes);
}

#[tokio::test]
async fn whoever_asks_nobody_has_what_was_said_and_takes_nothing_else_for_absent() {
    let (server, home) = (Server::start().await, Home::new());
    let bytes = manifest();
    server.tag("1", &server.document(OCI_MANIFEST, &bytes));
    server.blob(b"l");
    let subject = Digest::of(&bytes);
    let registry = home.open(&server);
    let found = registry.tagged("1").await.unwrap().unwrap();
    assert_eq!(registry.tagged("2").await.unwrap(), None);
    assert_eq!(referrers::of(&registry, subject, "it").await.unwrap(), []);
    let Repository::Registry(listing) = home.open(&server) else { unreachable!() };
    assert_eq!(listing.tags().await.unwrap(), Some(vec!["1".to_owned()]));
    server.seen();

    let Repository::Registry(listing) = home.open_offline(&server) else { unreachable!() };
    assert_eq!(listing.tags().await.unwrap(), Some(vec!["1".to_owned()]));
    let offline = home.open_offline(&server);
    assert_eq!(offline.tagged("1").await.unwrap(), Some(found.clone()));
    assert_eq!(offline.read(&found, 1000).await.unwrap(), bytes);
    assert_eq!(offline.tagged("2").await.unwrap(), None, "the registry said so");
    assert_eq!(referrers::of(&offline, subject, "it").await.unwrap(), []);
    let of = |error: OciError| match error {
        OciError::Registry(RegistryError::Offline { missing, .. }) => missing,
        other => panic!("{other:?}"),
    };
    assert_eq!(of(offline.tagged("3").await.unwrap_err()), "what `3` names");
    let list = referrers::of(&offline, Digest::of(b"x"), "it").await.unwrap_err();
    assert_eq!(of(list), format!("the list of what refers to {}", Digest::of(b"x")));
    let blob = Descriptor::of("text/plain", b"l");
    assert_eq!(of(offline.read(&blob, 9).await.unwrap_err()), format!("`{}`", blob.digest));
    // What the tag named is gone, and is told by its digest.
    fs::remove_file(home.0.path().join("blobs/sha256").join(subject.hex())).unwrap();
    let gone = home.open_offline(&server).tagged("1").await.unwrap_err();
    assert_eq!(of(gone), format!("`{subject}`"));
    assert!(server.seen().is_empty(), "nobody was asked");
    assert!(!home.partial(&blob).exists());
}

#[tokio::test]
async fn only_a_registry_s_own_word_is_a_proof_that_there_is_nothing() {
    let (server, mirror) = (Server::start().await, Server::start().await);
    let said = |status: u16, body: &'static str| server.answer(move |_| Some(reply(status, body)));
    for body in
        ["", "404 page not found", "<html>", "[]", r#"{"errors":[]}"#, r#"{"errors":[{"code":"DENIED"}]}"#]
    {
        said(404, body);
        let refused = Repository::Registry(open(&server)).tagged("1").await;
        assert!(
            matches!(refused, Err(OciError::Registry(RegistryError::Protocol { .. }))),
            "{body}: {refused:?}"
        );
    }
    said(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#);
    assert_eq!(Repository::Registry(open(&server)).tagged("1").await.unwrap(), None);

    // A mirror has nothing, and the registry does not say: nobody knows.
    said(500, "");
    let mirrored = |host: &str| {
        let mirrors = [(host.to_owned(), vec![Mirror { host: mirror.host(), below: None }])].into();
        let client = RegistryClient::new(RegistrySettings { mirrors, ..RegistrySettings::default() });
        Repository::Registry(Registry::to_read(&client, host, "acme/web").unwrap())
    };
    let refused = mirrored(&server.host()).tagged("1").await;
    assert!(matches!(refused, Err(OciError::Registry(RegistryError::Status { status: 500, .. }))));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let silent = mirrored(&nobody);
    assert!(matches!(silent.tagged("1").await, Err(error) if error.is_silence()));
    let list = referrers::of(&silent, Digest::of(b""), "it").await;
    assert!(matches!(list, Err(error) if error.is_silence()));
    // Where the mirror has the list at its tag, it is one.
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).to_string();
    let tag = referrers::fallback_tag(Digest::of(b""));
    mirror.tag(&tag, &mirror.document(OCI_INDEX, list.as_bytes()));
    assert_eq!(referrers::of(&silent, Digest::of(b""), "it").await.unwrap(), []);
}
