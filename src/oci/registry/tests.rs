//! A registry that is well, one that is hostile, and one that is tired.

#![expect(clippy::disallowed_methods, reason = "tests are a registry")]

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;

use super::super::media_type::{OCI_INDEX, OCI_MANIFEST};
use super::super::{Descriptor, OciError, Repository, copy, referrers};
use super::*;

mod copies;
mod kept;
mod server;
mod tags;

use server::{Reply, Seen, Sends, Server, reply};

const USER: &str = "somebody";
const PASSWORD: &str = "hunter2-of-the-registry";

/// Knows one password, for one registry.
struct Known(String);

impl RegistryCredentials for Known {
    fn credential(&self, registry: &str, _: &str) -> Result<Option<RegistryCredential>, String> {
        let password =
            || RegistryCredential::Password { user: USER.into(), password: PASSWORD.to_owned().into() };
        Ok((registry == self.0).then(password))
    }
}

/// Knows one password.
fn settings(server: &Server) -> RegistrySettings {
    RegistrySettings { credentials: Box::new(Known(server.host())), ..RegistrySettings::default() }
}

/// Opens a repository with little patience: enough of it for this machine, however busy that is.
fn open_impatiently(server: &Server, silence: Duration) -> Repository {
    let patience = Patience { connect: Duration::from_secs(3), silence, document: silence * 2 };
    let client = RegistryClient::new(RegistrySettings { patience, ..settings(server) });
    Repository::Registry(Registry::to_write(&client, &server.host(), "acme/web").unwrap())
}

fn open(server: &Server) -> Registry {
    let client = RegistryClient::new(settings(server));
    Registry::to_write(&client, &server.host(), "acme/web").unwrap()
}

fn manifest() -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor::of("text/plain", b"c").to_value(),
        "layers": [Descriptor::of("text/plain", b"l").to_value()],
    });
    manifest.to_string().into_bytes()
}

fn why(error: &OciError) -> String {
    format!("{error} {error:?}")
}

fn authorization(seen: &Seen) -> Option<&str> {
    seen.headers.get("authorization").map(String::as_str)
}

/// Wants a bearer token, which `realm` makes.
fn wants_token(seen: &Seen, realm: &str) -> Option<Reply> {
    let challenge =
        format!("Bearer realm=\"{realm}\",service=\"registry\",scope=\"repository:other/one:pull\"");
    match authorization(seen) {
        _ if !seen.path.starts_with("/v2/") => None,
        Some("Bearer token-1") => None,
        _ => Some(reply(401, "").with("WWW-Authenticate", challenge)),
    }
}

#[tokio::test]
async fn blobs_documents_and_tags_go_there_and_come_back() {
    let server = Server::start().await;
    let mut registry = Repository::Registry(open(&server));
    for (media_type, bytes) in [("text/plain", &b"c"[..]), ("text/plain", b"l"), ("text/plain", b"")] {
        registry.add(media_type, bytes).await.unwrap();
    }
    let bytes = manifest();
    registry.add(OCI_MANIFEST, &bytes).await.unwrap();
    let document = Descriptor::of(OCI_MANIFEST, &bytes);
    registry.tag("1.0", &document).await.unwrap();

    let again = Repository::Registry(open(&server));
    let found = again.tagged("1.0").await.unwrap().unwrap();
    assert_eq!(found, document);
    assert_eq!(again.read(&found, 1000).await.unwrap(), bytes);
    assert_eq!(again.read(&Descriptor::of("text/plain", b"l"), 10).await.unwrap(), b"l");
    assert_eq!(again.read(&Descriptor::of("text/plain", b""), 10).await.unwrap(), b"");
    assert_eq!(again.tagged("2.0").await.unwrap(), None);
    let absent = again.read(&Descriptor::of("text/plain", b"x"), 10).await.unwrap_err();
    assert!(matches!(absent, OciError::Absent(_)));
    // A document that was read once is not asked for again, and a blob that is there is not sent again.
    let asked = server.seen();
    assert_eq!(asked.iter().filter(|it| it.method == "GET" && it.path.ends_with("manifests/1.0")).count(), 1);
    again.add("text/plain", b"c").await.unwrap();
    assert!(server.seen().iter().all(|it| it.method == "HEAD"));
    assert!(asked.iter().all(|it| it.headers["accept-encoding"] == "identity"));
    assert!(asked.iter().all(|it| it.headers["user-agent"].starts_with("carnet/")));
}

#[tokio::test]
async fn a_token_is_made_once_by_the_registry_itself_and_sent_to_it_alone() {
    let server = Server::start().await;
    server.blob(b"blob");
    let realm = format!("http://{}/token?x=y", server.host());
    server.answer(move |seen| match &*seen.path {
        path if path.starts_with("/token") => {
            Some(reply(200, json!({"token": "token-1", "expires_in": 300}).to_string()))
        }
        _ => wants_token(seen, &realm),
    });
    let registry = Repository::Registry(open(&server));
    for _ in 0..3 {
        registry.read(&Descriptor::of("text/plain", b"blob"), 10).await.unwrap();
    }
    let asked = server.seen();
    let tokens: Vec<_> = asked.iter().filter(|it| it.path.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1);
    // For our own scope, whatever the registry wrote there.
    assert_eq!(tokens[0].path, "/token?x=y&service=registry&scope=repository%3Aacme%2Fweb%3Apull%2Cpush");
    assert!(authorization(tokens[0]).unwrap().starts_with("Basic "));
    let basics = asked.iter().filter(|it| authorization(it).is_some_and(|it| it.starts_with("Basic")));
    assert_eq!(basics.count(), 1, "the password goes to where tokens are made, and nowhere else");
}

/// Knows one token that is sent as it is.
struct FixedToken;

impl RegistryCredentials for FixedToken {
    fn credential(&self, _: &str, _: &str) -> Result<Option<RegistryCredential>, String> {
        Ok(Some(RegistryCredential::Token(PASSWORD.to_owned().into())))
    }
}

#[tokio::test]
async fn a_credential_that_a_registry_sends_back_is_not_shown_whatever_its_form() {
    let server = Server::start().await;
    let realm = format!("http://{}/token", server.host());
    // A token that lives for so short that it is hardly one.
    for life in [0, 5, 300] {
        let realm = realm.clone();
        server.answer(move |seen| match (&*seen.path, authorization(seen)) {
            (path, _) if path.starts_with("/token") => {
                Some(reply(200, json!({"token": "token-1", "expires_in": life}).to_string()))
            }
            (_, None) => wants_token(seen, &realm),
            (_, Some(sent)) => {
                let said = json!({"errors": [{"code": "DENIED", "message": format!("not for {sent}")}]});
                Some(reply(403, said.to_string()))
            }
        });
        let refused = Repository::Registry(open(&server)).tagged("1").await.unwrap_err();
        assert!(!why(&refused).contains("token-1"), "{refused}");
        let OciError::Registry(RegistryError::Denied { with_credential: true, .. }) = refused else {
            panic!("{refused}")
        };

        let fixed = RegistrySettings { credentials: Box::new(FixedToken), ..settings(&server) };
        let registry = Registry::to_write(&RegistryClient::new(fixed), &server.host(), "acme/web").unwrap();
        let refused = Repository::Registry(registry).tagged("1").await.unwrap_err();
        assert!(!why(&refused).contains(PASSWORD), "{refused}");
    }
}

#[tokio::test]
async fn no_text_of_a_registry_brings_a_credential_into_an_error_wherever_it_stands() {
    use base64::Engine as _;
    let hex: String = PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect();
    let sent = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let of_type = |body: String| reply(200, body).with("Content-Type", OCI_MANIFEST);
    let lead = |to: String| reply(307, "").with("Location", to);
    for form in [PASSWORD.to_owned(), PASSWORD.to_uppercase(), hex, sent] {
        let host = form.trim_end_matches('=');
        let answers = [
            ("a type", reply(200, "{}").with("Content-Type", format!("application/{form}"))),
            ("a type in the document", of_type(json!({"schemaVersion": 2, "mediaType": form}).to_string())),
            ("a member twice", of_type(format!(r#"{{"{form}": 1, "{form}": 2}}"#))),
            ("a document that is none", of_type(form.clone())),
            ("a host of old", lead(format!("http://{host}.0x7f/"))),
            ("another scheme", lead(format!("ftp://{host}.example/"))),
            ("no scheme", lead(format!("{form}://x"))),
            ("a reason", reply(403, json!({"errors": [{"code": form}]}).to_string())),
            (
                "another host for tokens",
                reply(401, "").with("WWW-Authenticate", format!("Bearer realm=\"https://{host}.example/\"")),
            ),
            (
                "text for a host for tokens",
                reply(401, "").with("WWW-Authenticate", format!("Bearer realm=\"{form}\"")),
            ),
        ];
        for (place, answer) in answers {
            let server = Server::start().await;
            // The credential is known to the registry by then.
            let registry = Repository::Registry(open(&server));
            server.answer(|seen| match authorization(seen) {
                Some(_) => Some(reply(404, r#"{"errors": [{"code": "MANIFEST_UNKNOWN"}]}"#)),
                None => Some(reply(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")),
            });
            assert_eq!(registry.tagged("1").await.unwrap(), None);
            server.answer(move |_| Some(answer.clone()));
            let told = why(&registry.tagged("1").await.unwrap_err()).to_lowercase();
            assert!(!told.contains(&form.to_lowercase()), "{place}: {told}");
            assert!(!told.contains(&host.to_lowercase()), "{place}: {told}");
        }
    }
}

#[tokio::test]
async fn a_fixed_token_goes_with_uploads_too() {
    let server = Server::start().await;
    server.answer(|seen| {
        let is_known = authorization(seen) == Some(&format!("Bearer {PASSWORD}"));
        (!is_known)
            .then(|| reply(401, "").with("WWW-Authenticate", "Bearer realm=\"http://elsewhere.example/\""))
    });
    let fixed = RegistrySettings { credentials: Box::new(FixedToken), ..settings(&server) };
    let registry = Registry::to_write(&RegistryClient::new(fixed), &server.host(), "acme/web").unwrap();
    Repository::Registry(registry).add("text/plain", b"bytes").await.unwrap();
    assert_eq!(server.contents().blobs.len(), 1);
}

#[tokio::test]
async fn requests_at_once_are_introduced_once_and_all_of_them_answered() {
    for wants_basic in [true, false] {
        let server = Server::start().await;
        let bytes: Vec<Vec<u8>> = (0..8_u8).map(|byte| vec![byte]).collect();
        bytes.iter().for_each(|bytes| drop(server.blob(bytes)));
        let realm = format!("http://{}/token", server.host());
        server.answer(move |seen| match authorization(seen) {
            _ if seen.path.starts_with("/token") => Some(reply(200, json!({"token": "token-1"}).to_string())),
            Some(_) if wants_basic => None,
            None if wants_basic => Some(reply(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")),
            _ => wants_token(seen, &realm),
        });
        let registry = Repository::Registry(open(&server));
        let blobs: Vec<_> = bytes.iter().map(|bytes| Descriptor::of("text/plain", bytes)).collect();
        let read = futures_util::future::join_all(blobs.iter().map(|blob| registry.read(blob, 10))).await;
        assert!(read.into_iter().zip(&bytes).all(|(read, bytes)| read.unwrap() == *bytes));
        let tokens = server.seen().iter().filter(|it| it.path.starts_with("/token")).count();
        assert_eq!(tokens, usize::from(!wants_basic));
    }
}

#[tokio::test]
async fn a_realm_elsewhere_gets_nothing_and_is_named() {
    let (server, foreign) = (Server::start().await, Server::start().await);
    let realm = format!("http://{}/token", foreign.host());
    server.answer(move |seen| wants_token(seen, &realm));
    let refused = Repository::Registry(open(&server)).tagged("1").await.unwrap_err();
    assert!(
        matches!(&refused, OciError::Registry(RegistryError::Realm { realm, .. }) if *realm == foreign.host())
    );
    assert!(foreign.seen().is_empty() && server.seen().iter().all(|it| authorization(it).is_none()));
}

#[tokio::test]
async fn a_token_that_is_refused_is_an_error_and_never_a_request_as_nobody() {
    let server = Server::start().await;
    let realm = format!("http://{}/token", server.host());
    server.answer(move |seen| match &*seen.path {
        path if path.starts_with("/token") => Some(reply(
            401,
            json!({"errors": [{"code": "UNAUTHORIZED",
            "message": format!("no such user, or not {PASSWORD}")}]})
            .to_string(),
        )),
        _ => wants_token(seen, &realm),
    });
    let refused = Repository::Registry(open(&server)).tagged("1").await.unwrap_err();
    assert!(matches!(
        &refused,
        OciError::Registry(RegistryError::Denied { status: 401, with_credential: true, .. })
    ));
    assert!(!why(&refused).contains(PASSWORD), "{refused}");
    assert_eq!(server.seen().iter().filter(|it| it.path.starts_with("/token")).count(), 1);
}

#[tokio::test]
async fn a_password_goes_to_a_registry_that_asks_for_it_and_only_once() {
    let server = Server::start().await;
    server.blob(b"blob");
    server.answer(|seen| match authorization(seen) {
        Some(_) => None,
        None => Some(reply(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")),
    });
    let registry = Repository::Registry(open(&server));
    registry.read(&Descriptor::of("text/plain", b"blob"), 10).await.unwrap();
    registry.read(&Descriptor::of("text/plain", b"blob"), 10).await.unwrap();
    assert_eq!(server.seen().iter().filter(|it| authorization(it).is_none()).count(), 1);

    // Where it is wrong, that is said after one try, and the password is in no error.
    server.answer(|_| {
        let said = json!({"errors": [{"code": "DENIED", "message": format!("wrong: {PASSWORD}")}]});
        Some(reply(401, said.to_string()).with("WWW-Authenticate", "Basic realm=\"x\""))
    });
    server.seen();
    let refused = Repository::Registry(open(&server)).tagged("1").await.unwrap_err();
    assert!(matches!(&refused, OciError::Registry(RegistryError::Denied { status: 401, .. })));
    assert!(!why(&refused).contains(PASSWORD), "{refused}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_redirect_is_followed_without_saying_who_asks() {
    let (server, foreign) = (Server::start().await, Server::start().await);
    server.blob(b"blob");
    let place = format!("http://{}/blob?signature=secret", foreign.host());
    server.answer(move |seen| match authorization(seen) {
        None => Some(reply(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")),
        Some(_) if seen.path.contains("/blobs/") => Some(reply(307, "").with("Location", place.clone())),
        Some(_) => None,
    });
    foreign.answer(|_| Some(reply(200, "blob")));
    let read = Repository::Registry(open(&server)).read(&Descriptor::of("text/plain", b"blob"), 10).await;
    assert_eq!(read.unwrap(), b"blob");
    assert!(foreign.seen().iter().all(|it| authorization(it).is_none()));
    // Its bytes are checked like any others.
    foreign.answer(|_| Some(reply(200, "evil")));
    let read = Repository::Registry(open(&server)).read(&Descriptor::of("text/plain", b"blob"), 10).await;
    assert!(matches!(read, Err(OciError::Digest(_))));
    // A challenge there is answered to nobody.
    foreign.answer(|_| Some(reply(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")));
    let read = Repository::Registry(open(&server)).read(&Descriptor::of("text/plain", b"blob"), 10).await;
    assert!(matches!(read, Err(OciError::Registry(RegistryError::Denied { .. }))));
    assert!(foreign.seen().iter().all(|it| authorization(it).is_none()));
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start().await;
    server.answer(|seen| Some(reply(302, "").with("Location", format!("{}x", seen.path))));
    let error = Repository::Registry(open(&server)).tagged("1").await.unwrap_err();
    assert!(matches!(error, OciError::Registry(RegistryError::Protocol { .. })));
    assert_eq!(server.seen().len(), 6);
    server.answer(|_| Some(reply(302, "").with("Location", "http://169.254.169.254/latest/meta-data")));
    let error = Repository::Registry(open(&server)).tagged("1").await.unwrap_err();
    assert!(matches!(error, OciError::Registry(RegistryError::SentOn { .. })));
}

#[tokio::test]
async fn an_upload_goes_to_the_registry_itself_or_nowhere() {
    let (server, foreign) = (Server::start().await, Server::start().await);
    let place = format!("http://{}/v2/acme/web/blobs/uploads/1", foreign.host());
    server
        .answer(move |seen| (seen.method == "POST").then(|| reply(202, "").with("Location", place.clone())));
    let refused = Repository::Registry(open(&server)).add("text/plain", b"secret bytes").await.unwrap_err();
    assert!(matches!(refused, OciError::Registry(RegistryError::SentOn { .. })));
    assert!(foreign.seen().is_empty());
    // A redirect of the upload itself is not followed either.
    let place = format!("http://{}/", foreign.host());
    server.answer(move |seen| (seen.method == "PUT").then(|| reply(307, "").with("Location", place.clone())));
    assert!(Repository::Registry(open(&server)).add("text/plain", b"secret bytes").await.is_err());
    assert!(foreign.seen().is_empty());
}

#[tokio::test]
async fn a_blob_that_is_not_what_it_should_be_is_refused() {
    let server = Server::start().await;
    let blob = Descriptor::of("text/plain", b"0123456789");
    type Answer = fn() -> Reply;
    let cases: [(&str, Answer); 5] = [
        ("other bytes", || reply(200, "0123456788")),
        ("more bytes", || reply(200, "0123456789x")),
        ("more bytes than it says", || reply(200, "0123456789x").with("Content-Length", "10")),
        ("fewer bytes", || reply(200, "012345678")),
        ("no bytes", || reply(200, "")),
    ];
    for (case, answer) in cases {
        server.answer(move |_| Some(answer()));
        let read = Repository::Registry(open(&server)).read(&blob, 100).await;
        match case {
            // The connection ends where the answer should: those bytes are the right ones.
            "more bytes than it says" => assert_eq!(read.unwrap(), b"0123456789"),
            _ => {
                assert!(matches!(read, Err(OciError::Digest(_) | OciError::Size { .. })), "{case}: {read:?}")
            }
        }
    }
}

#[tokio::test]
async fn a_download_that_breaks_anywhere_goes_on_from_there() {
    let server = Server::start().await;
    let bytes: Vec<u8> = (0..4000_u32).flat_map(u32::to_le_bytes).collect();
    let blob = Descriptor::of("text/plain", &bytes);
    server.blob(&bytes);
    for (at, understands_ranges) in (0..20).map(|at| (at * 797, at % 2 == 0)) {
        let (whole, mut first) = (bytes.clone(), true);
        server.answer(move |seen| {
            let is_first = std::mem::take(&mut first) && seen.path.contains("/blobs/");
            let start = reply(200, whole.clone()).sends(Sends::Cut(at));
            match is_first {
                true => Some(start),
                false if understands_ranges => None,
                false => Some(reply(200, whole.clone())),
            }
        });
        let read = Repository::Registry(open(&server)).read(&blob, 1 << 20).await.unwrap();
        assert!(read == bytes, "cut after {at}");
        let asked = server.seen();
        let range = asked[1].headers.get("range").map(String::as_str);
        assert_eq!(range, (at > 0).then(|| format!("bytes={at}-")).as_deref());
    }
}

#[tokio::test]
async fn a_download_that_never_gets_further_ends() {
    let server = Server::start().await;
    server.answer(|_| Some(reply(200, "0123456789").sends(Sends::Cut(0))));
    let read =
        Repository::Registry(open(&server)).read(&Descriptor::of("text/plain", b"0123456789"), 100).await;
    assert!(matches!(read, Err(OciError::Registry(RegistryError::Unreachable { .. }))), "{read:?}");
    // A part that was not asked for is none.
    let mut first = true;
    server.answer(move |_| {
        let part = reply(206, "0123456789").with("Content-Range", "bytes 0-9/10");
        Some(if std::mem::take(&mut first) { reply(200, "0123456789").sends(Sends::Cut(5)) } else { part })
    });
    let read =
        Repository::Registry(open(&server)).read(&Descriptor::of("text/plain", b"0123456789"), 100).await;
    assert!(matches!(read, Err(OciError::Registry(RegistryError::Protocol { .. }))), "{read:?}");
}

#[tokio::test]
async fn a_registry_that_stalls_is_given_up_at_each_stage_and_the_stage_is_named() {
    let server = Server::start().await;
    let document = || reply(200, manifest()).with("Content-Type", OCI_MANIFEST);
    for (sends, stage) in [
        (Sends::Nothing, "no answer"),
        (Sends::Stops(0), "never came"),
        (Sends::Stops(10), "never came"),
        (Sends::Drips, "too slowly"),
    ] {
        server.answer(move |_| Some(document().with("Content-Length", "1000000").sends(sends)));
        let error = open_impatiently(&server, Duration::from_secs(1)).tagged("1").await.unwrap_err();
        assert!(matches!(error, OciError::Registry(RegistryError::TimedOut { .. })), "{sends:?} {error}");
        assert!(error.to_string().contains(stage), "{sends:?} {error}");
    }
    server.answer(|_| Some(reply(200, "0123456789").sends(Sends::Stops(3))));
    let registry = open_impatiently(&server, Duration::from_millis(300));
    let error = registry.read(&Descriptor::of("text/plain", b"0123456789"), 100).await;
    assert!(matches!(error, Err(OciError::Registry(RegistryError::TimedOut { .. }))));
    // An upload that it takes no more of.
    server.answer(|seen| (seen.method == "PUT").then(|| reply(201, "").sends(Sends::Nothing)));
    let registry = open_impatiently(&server, Duration::from_millis(300));
    let error = registry.add("text/plain", b"bytes").await.unwrap_err();
    assert!(matches!(error, OciError::Registry(RegistryError::TimedOut { .. })), "{error}");
}

#[tokio::test]
async fn a_tired_registry_is_asked_again_and_left_alone_for_as_long_as_it_wants() {
    let server = Server::start().await;
    server.blob(b"blob");
    let (mut came, mut first) = (Vec::new(), true);
    let (sender, times) = std::sync::mpsc::channel();
    server.answer(move |_| {
        came.push(std::time::Instant::now());
        drop(sender.send(came.clone()));
        std::mem::take(&mut first).then(|| reply(429, "").with("Retry-After", "1"))
    });
    Repository::Registry(open(&server)).read(&Descriptor::of("text/plain", b"blob"), 10).await.unwrap();
    let came: Vec<_> = times.try_iter().last().unwrap();
    assert!(came.len() == 2 && came[1].duration_since(came[0]) >= Duration::from_secs(1), "{came:?}");

    for status in [429, 500, 502, 503, 504] {
        let mut left = 2;
        server.answer(move |_| {
            left -= i32::from(left > 0);
            (left > 0).then(|| reply(status, "").with("Retry-After", "0"))
        });
        let read = Repository::Registry(open(&server)).read(&Descriptor::of("text/plain", b"blob"), 10).await;
        assert_eq!(read.unwrap(), b"blob", "{status}");
    }
    server.seen();
    server.answer(|_| {
        Some(reply(503, json!({"errors": [{"code": "UNAVAILABLE"}]}).to_string()).with("Retry-After", "0"))
    });
    let error = Repository::Registry(open(&server)).tagged("1").await.unwrap_err();
    assert!(
        matches!(&error, OciError::Registry(RegistryError::Status { status: 503, said: Some(it), .. }) if it == "UNAVAILABLE")
    );
    assert_eq!(server.seen().len(), 4);
    // A write is sent again only where nothing was done.
    let mut left = 2;
    server.answer(move |seen| {
        left -= i32::from(left > 0 && seen.method == "PUT");
        (left > 0 && seen.method == "PUT").then(|| reply(429, "").with("Retry-After", "0"))
    });
    Repository::Registry(open(&server)).add(OCI_MANIFEST, &manifest()).await.unwrap();
    server.seen();
    server.answer(|seen| (seen.method == "PUT").then(|| reply(503, "")));
    assert!(Repository::Registry(open(&server)).add(OCI_MANIFEST, &manifest()).await.is_err());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn documents_that_readers_would_disagree_about_are_refused() {
    let server = Server::start().await;
    let as_manifest = |body: Vec<u8>| reply(200, body).with("Content-Type", OCI_MANIFEST);
    let with = |name: &str, value: serde_json::Value| {
        let mut document: serde_json::Value = serde_json::from_slice(&manifest()).unwrap();
        document[name] = value;
        document.to_string().into_bytes()
    };
    let twice = String::from_utf8(manifest()).unwrap().replacen('{', r#"{"layers":[],"#, 1);
    let cases: Vec<(&str, Reply)> = vec![
        ("another type than it says", reply(200, manifest()).with("Content-Type", OCI_INDEX)),
        ("no type", reply(200, "{}")),
        ("a type of another kind", reply(200, "{}").with("Content-Type", "text/html")),
        ("a manifest without its type, as HTML", reply(200, "<html>").with("Content-Type", OCI_MANIFEST)),
        ("both kinds", as_manifest(with("manifests", json!([])))),
        ("a member twice", as_manifest(twice.into_bytes())),
        ("version 1", as_manifest(with("schemaVersion", json!(1)))),
        (
            "another digest than it says",
            as_manifest(manifest()).with("Docker-Content-Digest", server::digest(b"x")),
        ),
        ("too long", as_manifest(vec![b' '; (4 << 20) + 1])),
        ("too long by its word", as_manifest(manifest()).with("Content-Length", "99999999999")),
    ];
    for (case, answer) in cases {
        server.answer(move |_| Some(answer.clone()));
        let read = Repository::Registry(open(&server)).tagged("1").await;
        assert!(
            matches!(read, Err(OciError::Malformed(_) | OciError::Digest(_) | OciError::TooLong { .. })),
            "{case}: {read:?}"
        );
    }
    // By digest, the digest counts, whatever the registry says of it.
    let digest: Digest = server::digest(b"x").parse().unwrap();
    let answer = as_manifest(manifest());
    server.answer(move |_| Some(answer.clone()));
    let read = open(&server).described(digest).await;
    assert!(matches!(read, Err(OciError::Digest(_))));
    // Named as an index and found as a manifest.
    let named = Descriptor { media_type: OCI_INDEX.into(), ..Descriptor::of(OCI_MANIFEST, &manifest()) };
    let read = Repository::Registry(open(&server)).read(&named, 10_000).await;
    assert!(matches!(read, Err(OciError::Malformed(_))));
    // Nor does it pass where it was read before, as what it is.
    let answer = as_manifest(manifest());
    server.answer(move |_| Some(answer.clone()));
    let registry = Repository::Registry(open(&server));
    registry.tagged("1").await.unwrap().unwrap();
    assert!(matches!(registry.read(&named, 10_000).await, Err(OciError::Malformed(_))));
}

#[tokio::test]
async fn an_index_may_leave_its_type_to_the_registry() {
    let server = Server::start().await;
    let index = br#"{"schemaVersion":2,"manifests":[]}"#;
    let at = server.document(OCI_INDEX, index);
    server.tag("1", &at);
    let found = Repository::Registry(open(&server)).tagged("1").await.unwrap().unwrap();
    assert_eq!((found.media_type.as_str(), found.size), (OCI_INDEX, 34));
}

fn referrer(subject: &Descriptor, number: usize) -> Vec<u8> {
    let mut document: serde_json::Value = serde_json::from_slice(&manifest()).unwrap();
    document["subject"] = subject.to_value();
    document["annotations"] = json!({"n": number.to_string()});
    document.to_string().into_bytes()
}

#[tokio::test]
async fn referrers_are_found_with_and_without_an_api_for_them() {
    for has_api in [true, false] {
        let server = Server::start().await;
        server.contents().lists_referrers = has_api;
        let subject = Descriptor::of(OCI_MANIFEST, &manifest());
        let mut registry = Repository::Registry(open(&server));
        for number in 0..3 {
            let bytes = referrer(&subject, number);
            registry.add(OCI_MANIFEST, &bytes).await.unwrap();
            let document = Descriptor::of(OCI_MANIFEST, &bytes);
            referrers::add(&mut registry, subject.digest, &[document], "the list").await.unwrap();
        }
        assert_eq!(
            server.contents().tags.len(),
            usize::from(!has_api),
            "the tag is for registries without the API"
        );
        let found =
            referrers::of(&Repository::Registry(open(&server)), subject.digest, "the list").await.unwrap();
        assert_eq!(found.len(), 3);
        let none =
            referrers::of(&Repository::Registry(open(&server)), Digest::of(b"x"), "the list").await.unwrap();
        assert!(none.is_empty());
    }
}

#[tokio::test]
async fn a_list_of_referrers_that_is_not_shown_is_never_an_empty_one() {
    let server = Server::start().await;
    let index = || json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).to_string();
    let cases: Vec<(&str, Reply)> = vec![
        ("401", reply(401, "")),
        ("403", reply(403, "")),
        ("500", reply(500, "").with("Retry-After", "0")),
        ("302 to nowhere", reply(302, "")),
        ("of another type", reply(200, index()).with("Content-Type", "application/json")),
        ("without a type", reply(200, index())),
        ("no index", reply(200, "[]").with("Content-Type", OCI_INDEX)),
        ("cut", reply(200, index()).with("Content-Type", OCI_INDEX).sends(Sends::Cut(5))),
    ];
    for (case, answer) in cases {
        server.answer(move |seen| seen.path.contains("/referrers/").then(|| answer.clone()));
        let found = referrers::of(&Repository::Registry(open(&server)), Digest::of(b"x"), "it").await;
        assert!(found.is_err(), "{case}");
    }
    // Nor is one at the tag.
    server.answer(|seen| seen.path.contains("/manifests/sha256-").then(|| reply(403, "")));
    let found = referrers::of(&Repository::Registry(open(&server)), Digest::of(b"x"), "it").await;
    assert!(matches!(found, Err(OciError::Registry(RegistryError::Denied { .. }))));
}

#[tokio::test]
async fn pages_of_referrers_are_read_to_an_end() {
    let server = Server::start().await;
    let subject = Digest::of(b"x");
    let page = |from: usize, count: usize| {
        let entry = |at: usize| Descriptor::of(OCI_MANIFEST, at.to_string().as_bytes()).to_value();
        let entries: Vec<_> = (from..from + count).map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
        reply(200, index.to_string()).with("Content-Type", OCI_INDEX)
    };
    let number = |seen: &Seen| seen.path.split_once("page=").map_or(0, |(_, it)| it.parse().unwrap());
    let read = || async { referrers::of(&Repository::Registry(open(&server)), subject, "it").await };

    server.answer(move |seen| {
        let at: usize = number(seen);
        let next = format!("</v2/acme/web/referrers/{subject}?page={}>; rel=\"next\"", at + 1);
        Some(if at < 3 { page(at * 10, 10).with("Link", next) } else { page(30, 1) })
    });
    assert_eq!(read().await.unwrap().len(), 31);
    // Pages without end, and pages with too much.
    for count in [0, 100] {
        server.seen();
        server.answer(move |seen| {
            let at: usize = number(seen);
            let next = format!("<?page={}>; rel=next", at + 1);
            Some(page(at * count, count).with("Link", next))
        });
        assert!(matches!(read().await, Err(OciError::TooMany("it"))));
        assert!(server.seen().len() <= 21);
    }
    // A next page elsewhere, or of something else.
    for next in ["http://127.0.0.1:1/v2/acme/web/referrers/x", "/v2/other/referrers/x", "?", "//127.0.0.1:1/"]
    {
        server.answer(move |_| Some(page(0, 1).with("Link", format!("<{next}>; rel=\"next\""))));
        assert!(matches!(read().await, Err(OciError::Registry(_))), "{next}");
    }
}

#[tokio::test]
async fn a_list_that_others_write_at_the_same_time_keeps_what_both_add() {
    let server = Server::start().await;
    let subject = Descriptor::of(OCI_MANIFEST, &manifest());
    let tag = referrers::fallback_tag(subject.digest);
    let theirs = json!({"schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [Descriptor::of(OCI_MANIFEST, b"theirs").to_value()]});
    let at = server.document(OCI_INDEX, theirs.to_string().as_bytes());
    // Somebody puts their own list over ours just after ours was written, once.
    let (mut was_written, mut is_over) = (false, false);
    server.answer({
        let (tag, list) = (tag.clone(), theirs.to_string());
        move |seen| {
            was_written |= seen.method == "PUT" && seen.path.ends_with(&tag);
            let is_read = seen.method == "GET" && seen.path.ends_with(&tag);
            if was_written && is_read && !std::mem::replace(&mut is_over, true) {
                return Some(reply(200, list.clone()).with("Content-Type", OCI_INDEX));
            }
            None
        }
    });
    let ours = Descriptor::of(OCI_MANIFEST, b"ours");
    let mut registry = Repository::Registry(open(&server));
    referrers::add(&mut registry, subject.digest, std::slice::from_ref(&ours), "it").await.unwrap();
    let contents = server.contents();
    let (_, list) = &contents.documents[&contents.tags[&tag]];
    let list = String::from_utf8(list.clone()).unwrap();
    assert!(
        list.contains(&ours.digest.to_string()) && list.contains(&Digest::of(b"theirs").to_string()),
        "{at}"
    );
}

#[tokio::test]
async fn a_blob_is_copied_from_registry_to_registry_and_mounted_within_one() {
    let (from, to) = (Server::start().await, Server::start().await);
    let bytes = vec![7; 300_000];
    let blob = Descriptor::of("text/plain", &bytes);
    from.blob(&bytes);
    copy(&blob, &Repository::Registry(open(&from)), &Repository::Registry(open(&to))).await.unwrap();
    assert_eq!(to.contents().blobs[&blob.digest.to_string()], bytes);

    let client = RegistryClient::new(settings(&from));
    let there = Registry::to_write(&client, &from.host(), "other/web").unwrap();
    assert!(there.mount(blob.digest, &open(&from)).await.unwrap());
    assert!(!there.mount(Digest::of(b"x"), &open(&from)).await.unwrap());
    assert!(!there.mount(blob.digest, &open(&to)).await.unwrap(), "not from another registry");
    // A source that turns out not to be the blob stores nothing.
    let evil = BlobStream::new(&blob, futures_util::stream::iter([Ok(vec![8; 300_000].into())]).boxed());
    to.contents().blobs.clear();
    let stored = Repository::Registry(open(&to)).receive(evil).await;
    assert!(matches!(stored, Err(OciError::Digest(_))), "{stored:?}");
    assert!(to.contents().blobs.is_empty());
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_unreachable_and_not_empty() {
    let server = Server::start().await;
    let registry = open(&server);
    let host = server.host();
    drop(server);
    let error = Repository::Registry(registry).tagged("1").await.unwrap_err();
    assert!(
        matches!(&error, OciError::Registry(RegistryError::Unreachable { host: named, .. }) if *named == host)
    );
}
