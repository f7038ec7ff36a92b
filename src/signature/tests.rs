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
    // One that is too long by itself is only that one's fault.
    let long = Descriptor { size: (128 << 10) + 1, ..Descriptor::of(classic::SIMPLE_SIGNING, b"x") };
    classic(&mut repository, &[long.to_value()]).await;
    let found = gather(&repository, subject().digest).await.unwrap();
    assert!(found[0].content().unwrap_err().contains("more than the 131072 bytes"));
}
