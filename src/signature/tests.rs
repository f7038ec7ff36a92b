//! Signatures in a repository: what is found, what is not, and what a copy keeps.

#![expect(clippy::disallowed_methods, reason = "tests make files")]

use cap_std::fs::Dir;
use serde_json::{Value, json};

use super::*;
use crate::oci::media_type::{BYTES, EMPTY, OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Descriptor, EMPTY_BLOB, Layout, OciError, Repository, referrers};

const SUBJECT: &[u8] = b"{\"what\":\"is signed\"}";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn repository(&self) -> Repository {
        let directory = Dir::open_ambient_dir(self.0.path(), cap_std::ambient_authority()).unwrap();
        Repository::Layout(Layout::open_or_new(directory).await.unwrap())
    }
}

fn subject() -> Descriptor {
    Descriptor::of(OCI_INDEX, SUBJECT)
}

fn key() -> PrivateKey {
    PrivateKey::generate().unwrap()
}

async fn signed(repository: &mut Repository, key: &PrivateKey) {
    NewSignature::of(&subject(), key).unwrap().write(subject().digest, repository).await.unwrap();
}

/// Adds a manifest in cosign's classic form with these layers.
async fn classic(repository: &mut Repository, layers: &[Value]) {
    repository.add(EMPTY, EMPTY_BLOB).await.unwrap();
    let config = Descriptor::of(EMPTY, EMPTY_BLOB).to_value();
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers})
        .to_string();
    repository.add(OCI_MANIFEST, manifest.as_bytes()).await.unwrap();
    let tag = format!("{}.sig", referrers::fallback_tag(subject().digest));
    repository.tag(&tag, &Descriptor::of(OCI_MANIFEST, manifest.as_bytes())).await.unwrap();
}

fn layer(bytes: &[u8], signature: Option<&str>) -> Value {
    let mut layer = Descriptor::of(classic::SIMPLE_SIGNING, bytes).to_value();
    if let Some(signature) = signature {
        layer["annotations"] = json!({classic::SIGNATURE: signature});
    }
    layer
}

#[tokio::test]
async fn what_was_written_is_found_and_names_its_key() {
    let home = Home::new();
    let (mut repository, one, two) = (home.repository().await, key(), key());
    assert!(gather(&repository, subject().digest).await.unwrap().is_empty());
    signed(&mut repository, &one).await;
    signed(&mut repository, &two).await;
    let found = gather(&repository, subject().digest).await.unwrap();
    assert_eq!(found.len(), 2);
    let keys = [("one", one.public()), ("two", two.public())];
    let mut names: Vec<_> = found.iter().map(|it| it.signer(subject().digest, keys).unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["one", "two"]);
    let other = found[0].signer(Digest::of(b"other"), keys);
    assert!(matches!(other, Err(SignatureFault::OtherDigest)));
    assert!(gather(&repository, Digest::of(b"other")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_copy_has_the_same_signatures_but_for_those_that_cannot_be_read() {
    let (from, to) = (Home::new(), Home::new());
    let (mut repository, key) = (from.repository().await, key());
    signed(&mut repository, &key).await;
    repository.add(BYTES, b"payload").await.unwrap();
    classic(&mut repository, &[layer(b"payload", Some("c2ln")), layer(b"not there", Some("c2ln"))]).await;
    let found = gather(&repository, subject().digest).await.unwrap();
    assert_eq!(
        found.iter().map(Evidence::format).collect::<Vec<_>>(),
        ["sigstore-bundle", "cosign-classic", "cosign-classic"]
    );
    assert!(found[2].content().unwrap_err().ends_with(" is not there"));
    let mut copy = to.repository().await;
    save(&found, subject().digest, &mut copy).await.unwrap();
    let again = gather(&copy, subject().digest).await.unwrap();
    assert_eq!(again.len(), 3, "the manifest that names the missing one is kept as it came");
    for (one, other) in found.iter().zip(&again) {
        assert_eq!((one.carrier(), one.content()), (other.carrier(), other.content()));
    }
}

#[tokio::test]
async fn signatures_that_a_layout_marks_as_such_need_no_tag() {
    let home = Home::new();
    let mut repository = home.repository().await;
    repository.add(BYTES, b"payload").await.unwrap();
    classic(&mut repository, &[layer(b"payload", Some("c2ln"))]).await;
    repository.finish().await.unwrap();
    let index = home.0.path().join("index.json");
    let mut entries: Value = serde_json::from_slice(&std::fs::read(&index).unwrap()).unwrap();
    let write = |entries: &Value| std::fs::write(&index, entries.to_string()).unwrap();
    entries["manifests"][0]["annotations"] = json!({"kind": "dev.cosignproject.cosign/sigs"});
    write(&entries);
    let found = gather(&home.repository().await, subject().digest).await.unwrap();
    assert_eq!(found.iter().map(Evidence::format).collect::<Vec<_>>(), ["cosign-classic"]);
    assert!(found[0].content().is_ok());
    entries["manifests"][0]["annotations"] = json!({"kind": "dev.cosignproject.cosign/atts"});
    write(&entries);
    assert!(gather(&home.repository().await, subject().digest).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_classic_layer_without_signature_and_one_of_another_type_are_none() {
    let home = Home::new();
    let mut repository = home.repository().await;
    repository.add(BYTES, b"payload").await.unwrap();
    let foreign = Descriptor::of("text/plain", b"payload").to_value();
    classic(&mut repository, &[foreign, layer(b"payload", None)]).await;
    let found = gather(&repository, subject().digest).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].content().unwrap_err().contains("has no annotation"));
    assert!(matches!(found[0].signer::<()>(subject().digest, []), Err(SignatureFault::Unreadable(_))));
}

#[tokio::test]
async fn what_refers_to_something_else_or_is_something_else_is_passed_over() {
    let home = Home::new();
    let mut repository = home.repository().await;
    for (artifact, subject) in
        [(sigstore::MEDIA_TYPE, Descriptor::of(OCI_INDEX, b"other")), ("application/spdx+json", subject())]
    {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact, "subject": subject.to_value(),
            "config": Descriptor::of(EMPTY, EMPTY_BLOB).to_value(), "layers": [],
        });
        let manifest = manifest.to_string();
        repository.add(OCI_MANIFEST, manifest.as_bytes()).await.unwrap();
        let listed = Descriptor::of(OCI_MANIFEST, manifest.as_bytes());
        referrers::add(&mut repository, self::subject().digest, &[listed], "the list").await.unwrap();
    }
    assert!(gather(&repository, subject().digest).await.unwrap().is_empty());
}

/// Whoever looks for signatures in the list finds the type of the artifact and cosign's annotations there, and a copy has
/// them even where the list that it was made from lacked them.
#[tokio::test]
async fn the_list_says_what_a_signature_is() {
    let (from, to) = (Home::new(), Home::new());
    let (mut repository, key) = (from.repository().await, key());
    signed(&mut repository, &key).await;
    let listed = referrers::of(&repository, subject().digest, "the list").await.unwrap();
    let [carrier] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(carrier.artifact_type.as_deref(), Some("application/vnd.dev.sigstore.bundle.v0.3+json"));
    let annotations: Vec<_> =
        carrier.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("dev.sigstore.bundle.content", "dsse-envelope"),
        ("dev.sigstore.bundle.predicateType", "https://sigstore.dev/cosign/sign/v1"),
    ];
    assert_eq!(annotations, expected);
    let mut bare = gather(&repository, subject().digest).await.unwrap();
    assert_eq!((bare[0].carrier(), bare[0].is_sigstore()), (carrier.digest, true));
    let mut copy = to.repository().await;
    save(&bare, subject().digest, &mut copy).await.unwrap();
    assert_eq!(referrers::of(&copy, subject().digest, "the list").await.unwrap(), listed);
    // Lists of others, without either, or with the type of the configuration.
    for artifact_type in [None, Some(EMPTY.to_owned())] {
        let other = Home::new();
        let mut repository = other.repository().await;
        bare[0].carrier.artifact_type = artifact_type;
        bare[0].carrier.annotations.clear();
        save(&bare, subject().digest, &mut repository).await.unwrap();
        let found = gather(&repository, subject().digest).await.unwrap();
        assert_eq!(found[0].carrier, *carrier);
        assert_eq!(found[0].claimed(), Some(key.public().id()));
    }
    repository.add(BYTES, b"payload").await.unwrap();
    classic(&mut repository, &[layer(b"payload", Some("c2ln"))]).await;
    let found = gather(&repository, subject().digest).await.unwrap();
    assert!(!found[1].is_sigstore() && found[1].claimed().is_none());
}

/// Damage is told, whatever else could be read: a signature that was there must not go unnoticed.
#[tokio::test]
async fn damaged_bytes_of_a_signature_are_an_error_and_missing_ones_are_noted() {
    let blob = |home: &Home, digest: Digest| home.0.path().join("blobs/sha256").join(digest.hex());
    for (what, is_classic) in [("manifest", false), ("content", false), ("manifest", true), ("content", true)]
    {
        let home = Home::new();
        let mut repository = home.repository().await;
        if is_classic {
            repository.add(BYTES, b"payload").await.unwrap();
            classic(&mut repository, &[layer(b"payload", Some("c2ln"))]).await;
        } else {
            signed(&mut repository, &key()).await;
        }
        let found = gather(&repository, subject().digest).await.unwrap();
        let carrier = found[0].carrier();
        let content = match found[0].content().unwrap() {
            SignatureContent::Bundle(bytes) => Digest::of(bytes),
            SignatureContent::Classic { payload, .. } => Digest::of(payload),
        };
        let path = blob(&home, if what == "manifest" { carrier } else { content });
        let whole = std::fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[0] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let error = gather(&repository, subject().digest).await.unwrap_err();
        assert!(matches!(error, OciError::Digest(_)), "{what} {is_classic}: {error}");
        std::fs::write(&path, &whole[1..]).unwrap();
        let error = gather(&repository, subject().digest).await.unwrap_err();
        assert!(matches!(error, OciError::Size { .. }), "{what} {is_classic}: {error}");
        std::fs::remove_file(&path).unwrap();
        let found = gather(&repository, subject().digest).await.unwrap();
        assert!(found[0].content().unwrap_err().contains("is not there"), "{what} {is_classic}");
        let refusal = found[0].signer::<()>(subject().digest, []);
        assert!(matches!(refusal, Err(SignatureFault::Unreadable(_))), "{what} {is_classic}");
    }
}

/// What nobody declared a signature is none that is missing.
#[tokio::test]
async fn what_is_not_declared_a_signature_and_cannot_be_read_is_passed_over() {
    let home = Home::new();
    let mut repository = home.repository().await;
    for (artifact_type, noted) in [(None, 0), (Some(EMPTY), 0), (Some(sigstore::MEDIA_TYPE), 1)] {
        let bytes = artifact_type.unwrap_or("none").as_bytes();
        let listed = Descriptor {
            artifact_type: artifact_type.map(str::to_owned),
            ..Descriptor::of(OCI_MANIFEST, bytes)
        };
        referrers::add(&mut repository, subject().digest, &[listed], "the list").await.unwrap();
        let found = gather(&repository, subject().digest).await.unwrap();
        assert_eq!(found.len(), noted, "{artifact_type:?}");
        assert!(found.iter().all(|it| it.content().is_err()));
    }
}

/// What a layout lists by itself may belong to another bundle.
#[tokio::test]
async fn damage_to_what_a_layout_only_lists_does_no_harm_to_signatures() {
    let home = Home::new();
    let (mut repository, key) = (home.repository().await, key());
    signed(&mut repository, &key).await;
    let foreign = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": Descriptor::of(EMPTY, EMPTY_BLOB).to_value(), "layers": [],
    })
    .to_string();
    repository.add(OCI_MANIFEST, foreign.as_bytes()).await.unwrap();
    let foreign = Descriptor::of(OCI_MANIFEST, foreign.as_bytes());
    repository.tag("foreign", &foreign).await.unwrap();
    repository.finish().await.unwrap();
    let path = home.0.path().join("blobs/sha256").join(foreign.digest.hex());
    let whole = std::fs::read(&path).unwrap();
    for damaged in [&whole[1..], &[&b" "[..], &whole[1..]].concat()] {
        std::fs::write(&path, damaged).unwrap();
        let found = gather(&home.repository().await, subject().digest).await.unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].signer(subject().digest, [((), key.public())]).is_ok());
    }
}

/// A signature is read up to its bounds, and these are what the documents say.
#[test]
fn the_longest_bundle_and_payload_are_read_and_no_longer_ones() {
    let key = key();
    let bundle = String::from_utf8(sigstore::sign(subject().digest, &key).unwrap()).unwrap();
    let padded = |length: usize| format!("{bundle}{}", " ".repeat(length - bundle.len()));
    assert!(sigstore::SigstoreBundle::parse(padded(128 << 10).as_bytes()).is_ok());
    let refused = sigstore::SigstoreBundle::parse(padded((128 << 10) + 1).as_bytes()).err().unwrap();
    assert!(matches!(refused, SignatureFault::TooLong(131_073)));
    let payload =
        |length: usize| classic::open(" ".repeat(length).as_bytes(), "c2ln", [((), key.public())]).err();
    assert!(matches!(payload(MAX_PAYLOAD), Some(SignatureFault::OtherKey(None))));
    assert!(matches!(payload(MAX_PAYLOAD + 1), Some(SignatureFault::TooLong(_))));
    let enveloped = |length: usize| {
        let envelope = dsse::envelope(" ".repeat(length).as_bytes(), b"signature");
        serde_json::from_value::<dsse::Envelope>(envelope).unwrap().parts().err()
    };
    let refusal = enveloped(MAX_PAYLOAD);
    assert!(!matches!(refusal, Some(SignatureFault::TooLong(_))), "{refusal:?}");
    assert!(matches!(enveloped(MAX_PAYLOAD + 1), Some(SignatureFault::TooLong(_))));
    assert_eq!(format!("{:?}", key.public()), format!("PublicKey({:?})", key.public().id()));
}

#[tokio::test]
async fn signatures_are_read_within_bounds() {
    let home = Home::new();
    let mut repository = home.repository().await;
    let large = Descriptor { size: 128 << 10, ..Descriptor::of(classic::SIMPLE_SIGNING, b"x") };
    classic(&mut repository, &vec![large.to_value(); 200]).await;
    assert!(matches!(
        gather(&repository, subject().digest).await,
        Err(OciError::TooMany("the list of signatures"))
    ));
    classic(&mut repository, &vec![layer(b"x", None); 1001]).await;
    assert!(matches!(
        gather(&repository, subject().digest).await,
        Err(OciError::TooMany("the list of signatures"))
    ));
    classic(&mut repository, &vec![layer(b"x", None); 1000]).await;
    assert_eq!(gather(&repository, subject().digest).await.unwrap().len(), 1000);
    // One that is too long by itself is only that one's fault.
    let long = Descriptor { size: (128 << 10) + 1, ..Descriptor::of(classic::SIMPLE_SIGNING, b"x") };
    classic(&mut repository, &[long.to_value()]).await;
    let found = gather(&repository, subject().digest).await.unwrap();
    assert!(found[0].content().unwrap_err().contains("more than the 131072 bytes"));
}
