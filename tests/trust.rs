//! Only what is whole and signed by a trusted key is let in: from a source directory to a verified bundle, and every
//! way in which that is refused.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests make and damage files"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::fs::Dir;
use carnet::author::{self, AuthorError, Built, Signed};
use carnet::digest::Digest;
use carnet::fetch::{self, FetchError, Fetched};
use carnet::oci::media_type::{EMPTY, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use carnet::oci::registry::RegistryClient;
use carnet::oci::{ArchiveFault, Descriptor, OciError};
use carnet::reference::Reference;
use carnet::signature::{PrivateKey, SignatureFault};
use carnet::verify::{Flaw, Refusal, TrustDecision, TrustPolicy, Verified, dangerously_unsigned};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const SIGSTORE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// An installer that answers `ok` and imports what is given.
fn module(imports: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {imports} (memory (export "memory") 1)
           (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
           (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32) i32.const 16))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir("wit").unwrap();
    let world = resolve.select_world(&[package], Some("bundle")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

const APPLY: &str = r#"(import "carnet:kubernetes/apply@0.1.0" "apply" (func (param i32 i32 i32)))"#;

/// A directory with a source in `source` and, after building, a layout in `layout`.
struct Site(TempDir);

impl Site {
    fn source(yaml: &str, module: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("carnet.yaml"), yaml).unwrap();
        fs::write(source.join("guestbook.wasm"), module).unwrap();
        Self(directory)
    }

    fn built() -> Self {
        let site = Self::source(include_str!("sources/full.yaml"), &module(APPLY));
        site.build();
        site
    }

    fn signed(key: &PrivateKey) -> Self {
        let site = Self::built();
        sign(&site.reference(), key).unwrap();
        site
    }

    fn build(&self) -> Digest {
        let built = build(&self.path("source"), &self.layout(), None).unwrap();
        assert_eq!(built.warnings, []);
        built.digest
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn layout(&self) -> PathBuf {
        self.path("layout")
    }

    fn reference(&self) -> Reference {
        reference(&self.layout(), "")
    }

    fn fetch(&self) -> Result<Fetched, FetchError> {
        fetch(&self.reference())
    }

    fn verify(&self, policy: &str) -> Result<Verified, Refusal> {
        TrustPolicy::parse(policy).unwrap().verify(self.fetch().unwrap(), now())
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.layout().join(name)).unwrap()).unwrap()
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.layout().join("blobs/sha256").join(digest.hex())
    }

    fn add(&self, bytes: &[u8]) -> Descriptor {
        fs::write(self.blob(Digest::of(bytes)), bytes).unwrap();
        Descriptor::of(OCI_MANIFEST, bytes)
    }

    /// Adds an entry to `index.json`.
    fn enter(&self, descriptor: &Descriptor, tag: Option<&str>) {
        let mut index = self.json("index.json");
        let mut entry =
            json!({"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size});
        if let Some(tag) = tag {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        }
        index["manifests"].as_array_mut().unwrap().push(entry);
        fs::write(self.layout().join("index.json"), index.to_string()).unwrap();
    }

    /// Attaches `content` as a signature in the form of a Sigstore bundle.
    fn attach(&self, content: &[u8]) {
        let fetched = self.fetch().unwrap();
        let subject =
            json!({"mediaType": OCI_INDEX, "digest": fetched.digest(), "size": fetched.index_bytes().len()});
        let layer = self.add(content);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": SIGSTORE, "subject": subject,
            "config": {"mediaType": EMPTY, "digest": Digest::of(b"{}"), "size": 2},
            "layers": [{"mediaType": SIGSTORE, "digest": layer.digest, "size": layer.size}],
        });
        let manifest = self.add(manifest.to_string().as_bytes());
        self.enter(&manifest, None);
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn fetch(reference: &Reference) -> Result<Fetched, FetchError> {
    wait(fetch::fetch(reference, &RegistryClient::anonymous()))
}

fn load(from: &Dir, digest: Digest, origin: Reference) -> Result<Fetched, FetchError> {
    wait(fetch::load(from, digest, origin))
}

fn build(source: &Path, layout: &Path, tag: Option<&str>) -> Result<Built, AuthorError> {
    wait(author::build(source, layout, tag))
}

fn sign(reference: &Reference, key: &PrivateKey) -> Result<Signed, AuthorError> {
    wait(author::sign(reference, key, &RegistryClient::anonymous()))
}

fn reference(layout: &Path, suffix: &str) -> Reference {
    format!("layout:{}{suffix}", layout.display()).parse().unwrap()
}

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn key() -> PrivateKey {
    PrivateKey::generate().unwrap()
}

/// A policy with the keys `a`, `b`, … and one rule.
fn policy(keys: &[&PrivateKey], rule: &str) -> String {
    let names = ["a", "b", "c"].into_iter().zip(keys);
    let keys: String =
        names.map(|(name, key)| format!("    {name}: {{ pem: {:?} }}\n", key.public().to_pem())).collect();
    format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n{keys}  rules:\n  - {rule}\n"
    )
}

const RULE: &str = "{ match: layout, names: [guestbook], require: { threshold: 1, anyOf: [a] } }";

/// The one flaw that a refusal names.
fn flaw(refused: Result<Verified, Refusal>) -> Flaw {
    match refused {
        Err(Refusal::Signers { mut flaws, .. }) if flaws.len() == 1 => flaws.remove(0).1,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signed_bundle_is_verified_and_says_by_whom() {
    let key = key();
    let site = Site::signed(&key);
    let policy = policy(&[&key], RULE);
    let verified = site.verify(&policy).unwrap();
    let TrustDecision::Signed { rule, signers, policy: digest, .. } = verified.decision() else { panic!() };
    assert_eq!((&**rule, *digest), ("layout", Digest::of(policy.as_bytes())));
    assert_eq!(signers.len(), 1);
    assert_eq!((&*signers[0].name, &*signers[0].key_id), ("a", &*key.public().id().hex()));
    assert_eq!(verified.bundle().name(), "guestbook");
    assert!(verified.component().imports().calls("carnet:kubernetes/apply", "apply"));
}

#[test]
fn the_same_source_gives_the_same_digest() {
    let (one, two) = (Site::built(), Site::built());
    assert_eq!(one.fetch().unwrap().digest(), two.fetch().unwrap().digest());
    assert_eq!(one.build(), two.fetch().unwrap().digest());
}

#[test]
fn building_again_keeps_the_other_bundles_of_the_layout() {
    let site = Site::built();
    let first = site.fetch().unwrap().digest();
    let yaml = include_str!("sources/full.yaml").replace("version: 1.0.0", "version: 1.1.0+b");
    fs::write(site.path("source/carnet.yaml"), &yaml).unwrap();
    let second = site.build();
    assert_eq!(fetch(&reference(&site.layout(), ":1.0.0")).unwrap().digest(), first);
    assert_eq!(fetch(&reference(&site.layout(), ":1.1.0_b")).unwrap().digest(), second);
    assert_eq!(fetch(&reference(&site.layout(), &format!("@{first}"))).unwrap().digest(), first);
    assert!(matches!(site.fetch(), Err(FetchError::Ambiguous(tags)) if tags == ["1.0.0", "1.1.0_b"]));
    let unknown = fetch(&reference(&site.layout(), ":2.0.0"));
    assert!(matches!(unknown, Err(FetchError::Tag { tags, .. }) if tags.len() == 2));
    let other = fetch(&reference(&site.layout(), &format!(":1.0.0@{second}")));
    assert!(matches!(other, Err(FetchError::OtherDigest { found, .. }) if found == first));
    // The same version again takes the place of what was there.
    fs::write(site.path("source/carnet.yaml"), yaml.replace("A guestbook", "Another")).unwrap();
    assert_ne!(site.build(), second);
    assert_eq!(site.json("index.json")["manifests"].as_array().unwrap().len(), 2);
}

#[test]
fn an_import_that_nobody_requests_is_named() {
    let yaml = include_str!("sources/full.yaml").replace("verbs: [apply]", "verbs: [get]");
    let site = Site::source(&yaml, &module(APPLY));
    let error = build(&site.path("source"), &site.layout(), None).unwrap_err();
    assert!(
        matches!(error, AuthorError::Unrequested(imports) if imports == ["carnet:kubernetes/apply@0.1.0"])
    );
    assert!(!site.layout().exists());
}

#[test]
fn a_component_outside_the_source_directory_is_not_reached() {
    let yaml = include_str!("sources/full.yaml").replace("./guestbook.wasm", "../guestbook.wasm");
    let site = Site::source(&yaml, &[]);
    fs::write(site.path("guestbook.wasm"), module(APPLY)).unwrap();
    let error = build(&site.path("source"), &site.layout(), None).unwrap_err();
    assert!(matches!(error, AuthorError::Oci(OciError::System { .. })), "{error:?}");
}

#[test]
fn signing_twice_adds_nothing_and_a_second_key_adds_one() {
    let (one, two) = (key(), key());
    let site = Site::built();
    assert!(sign(&site.reference(), &one).unwrap().is_new);
    let before = site.json("index.json");
    assert!(!sign(&site.reference(), &one).unwrap().is_new);
    assert_eq!(site.json("index.json"), before);
    assert!(sign(&site.reference(), &two).unwrap().is_new);
    assert_eq!(site.fetch().unwrap().signatures().len(), 2);
    let both = RULE.replace("threshold: 1, anyOf: [a]", "threshold: 2, anyOf: [a, b]");
    assert!(site.verify(&policy(&[&one, &two], &both)).is_ok());
}

#[test]
fn two_signatures_of_one_key_are_one_signer() {
    let (one, two) = (key(), key());
    let (site, other) = (Site::signed(&one), Site::signed(&one));
    let into = Dir::open_ambient_dir(site.layout(), cap_std::ambient_authority()).unwrap();
    wait(other.fetch().unwrap().save(&into)).unwrap();
    assert_eq!(site.fetch().unwrap().signatures().len(), 2);
    let both = RULE.replace("threshold: 1, anyOf: [a]", "threshold: 2, anyOf: [a, b]");
    let refused = site.verify(&policy(&[&one, &two], &both));
    assert!(matches!(refused, Err(Refusal::Signers { found: 1, threshold: 2, .. })));
}

#[test]
fn a_copy_is_the_same_to_the_last_byte_and_still_signed() {
    let key = key();
    let site = Site::signed(&key);
    site.attach(b"not a signature");
    let fetched = site.fetch().unwrap();
    let copy = site.path("copy");
    fs::create_dir(&copy).unwrap();
    let into = Dir::open_ambient_dir(&copy, cap_std::ambient_authority()).unwrap();
    wait(fetched.save(&into)).unwrap();
    let again = fetch(&reference(&copy, ":1.0.0")).unwrap();
    assert_eq!(again.index_bytes(), fetched.index_bytes());
    assert_eq!(again.bundle().bytes(), fetched.bundle().bytes());
    assert_eq!(again.component_bytes(), fetched.component_bytes());
    let contents = |fetched: &Fetched| -> Vec<_> {
        fetched
            .signatures()
            .iter()
            .map(|it| (it.carrier(), it.content().cloned().map_err(Clone::clone)))
            .collect()
    };
    assert_eq!(contents(&again), contents(&fetched));
    assert!(TrustPolicy::of_key(&key.public().to_pem()).unwrap().verify(again, now()).is_ok());
    // Nothing but whole blobs under their own names is left behind.
    for entry in fs::read_dir(copy.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), Digest::of(&fs::read(&path).unwrap()).hex());
    }
}

#[test]
fn every_blob_is_checked_against_digest_and_size() {
    let site = Site::built();
    let fetched = site.fetch().unwrap();
    let names: Vec<_> =
        fs::read_dir(site.layout().join("blobs/sha256")).unwrap().map(|it| it.unwrap().path()).collect();
    let empty = site.blob(Digest::of(b"{}"));
    assert_eq!(
        names.len(),
        7,
        "index, config manifest, bundle.json, component's manifest, config and bytes, the empty blob"
    );
    for blob in names.iter().filter(|name| **name != empty) {
        let good = fs::read(blob).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        fs::write(blob, &bad).unwrap();
        assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::Digest(_)))), "{blob:?}");
        fs::write(blob, &good[..good.len() - 1]).unwrap();
        assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::Size { .. }))), "{blob:?}");
        fs::write(blob, [&good[..], b" "].concat()).unwrap();
        assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::Size { .. }))), "{blob:?}");
        fs::remove_file(blob).unwrap();
        assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::Absent(_)))), "{blob:?}");
        fs::write(blob, &good).unwrap();
    }
    assert_eq!(site.fetch().unwrap().index_bytes(), fetched.index_bytes());
}

#[test]
fn images_may_be_absent_but_not_wrong() {
    let yaml = include_str!("sources/full.yaml");
    let image = br#"{"schemaVersion":2}"#;
    let yaml = yaml.replace(&format!("sha256:{}", "4".repeat(64)), &Digest::of(image).to_string());
    let site = Site::source(&yaml.replace("528", "19"), &module(APPLY));
    site.build();
    assert_eq!(site.fetch().unwrap().absent_images(), ["web"]);
    let descriptor = site.add(image);
    assert!(site.fetch().unwrap().absent_images().is_empty());
    fs::write(site.blob(descriptor.digest), br#"{"schemaVersion":3}"#).unwrap();
    assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::Digest(_)))));
}

#[test]
fn links_are_not_followed() {
    let site = Site::built();
    let digest = site.fetch().unwrap().component_digest();
    let elsewhere = site.path("component");
    fs::rename(site.blob(digest), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, site.blob(digest)).unwrap();
    assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::Outside(_)))));
    fs::remove_file(site.blob(digest)).unwrap();
    fs::create_dir(site.blob(digest)).unwrap();
    assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::NotAFile(_)))));
    // A directory of blobs somewhere else is not entered either.
    let site = Site::built();
    fs::rename(site.layout().join("blobs"), site.path("blobs")).unwrap();
    std::os::unix::fs::symlink(site.path("blobs"), site.layout().join("blobs")).unwrap();
    assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::System { .. }))));
}

#[test]
fn a_layout_that_is_none_is_refused() {
    let site = Site::built();
    let refused = |name: &str, bytes: &[u8]| {
        let path = site.layout().join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let error = site.fetch().unwrap_err();
        fs::write(&path, good).unwrap();
        error
    };
    let entry = site.json("index.json")["manifests"][0].clone();
    let index = |value: Value| value.to_string().into_bytes();
    let mixed = index(json!({"schemaVersion": 2, "manifests": [entry], "layers": []}));
    assert!(matches!(
        refused("oci-layout", br#"{"imageLayoutVersion":"2.0.0"}"#),
        FetchError::Oci(OciError::Version)
    ));
    assert!(matches!(refused("index.json", b"{}"), FetchError::Oci(OciError::Form(_))));
    assert!(matches!(refused("index.json", &mixed), FetchError::Oci(OciError::Form(_))));
    assert!(matches!(
        refused("index.json", br#"{"schemaVersion":2,"schemaVersion":2}"#),
        FetchError::Oci(OciError::Document { .. })
    ));
    assert!(matches!(
        refused("index.json", &[b' '; (4 << 20) + 1]),
        FetchError::Oci(OciError::TooLong { .. })
    ));
    assert!(matches!(refused("index.json", br#"{"schemaVersion":2,"manifests":[]}"#), FetchError::Empty));
}

#[test]
fn a_path_is_looked_at() {
    let site = Site::built();
    let at = |path: &Path| fetch(&path.display().to_string().parse().unwrap());
    assert_eq!(at(&site.layout()).unwrap().reference(), &site.reference());
    assert!(matches!(at(&site.path("source")), Err(FetchError::Source(_))));
    assert!(matches!(at(site.0.path()), Err(FetchError::Place(_))));
    let no_archive = at(&site.path("source/carnet.yaml"));
    assert!(matches!(
        no_archive,
        Err(FetchError::Oci(OciError::Archive { source: ArchiveFault::NotATar, .. }))
    ));
}

#[test]
fn without_policy_rule_or_signature_nothing_runs() {
    let key = key();
    let site = Site::built();
    let none = TrustPolicy::none().verify(site.fetch().unwrap(), now());
    assert!(matches!(none, Err(Refusal::NoPolicy(_))));
    assert!(matches!(site.verify(&policy(&[&key], RULE)), Err(Refusal::Unsigned(_))));
    sign(&site.reference(), &key).unwrap();
    let elsewhere = RULE.replace("layout", "registry.example/**");
    assert!(matches!(site.verify(&policy(&[&key], &elsewhere)), Err(Refusal::NoRule(_))));
}

#[test]
fn another_key_is_refused_whether_the_policy_knows_it_or_not() {
    let (mine, other) = (key(), key());
    let site = Site::signed(&other);
    let id = other.public().id();
    assert!(
        matches!(flaw(site.verify(&policy(&[&mine], RULE))), Flaw::UnknownKey(Some(claimed)) if claimed == id)
    );
    assert!(
        matches!(flaw(site.verify(&policy(&[&mine, &other], RULE))), Flaw::Unlisted(name) if name == "b")
    );
    let text = site.verify(&policy(&[&mine], RULE)).unwrap_err().to_string();
    assert!(text.contains("no key of the trust policy made it"), "{text}");
}

#[test]
fn a_key_counts_in_its_window_alone() {
    let key = key();
    let site = Site::signed(&key);
    let with = |window: &str| {
        let policy = policy(&[&key], RULE).replace("a: { pem", &format!("a: {{ {window}, pem"));
        site.verify(&policy)
    };
    assert!(matches!(flaw(with("validUntil: 2026-06-01T00:00:00Z")), Flaw::Expired { .. }));
    assert!(matches!(flaw(with("validFrom: 2026-06-01T00:00:01Z")), Flaw::NotYetValid { .. }));
    assert!(with("validFrom: 2026-06-01T00:00:00Z, validUntil: 2026-06-01T00:00:01Z").is_ok());
}

#[test]
fn a_refused_digest_and_another_name_are_refused_though_signed() {
    let key = key();
    let site = Site::signed(&key);
    let digest = site.fetch().unwrap().digest();
    let refused = format!("{}  refusedDigests: ['{digest}']\n", policy(&[&key], RULE));
    assert!(matches!(site.verify(&refused), Err(Refusal::RefusedDigest(found)) if found == digest));
    let renamed = policy(&[&key], &RULE.replace("guestbook", "guest"));
    assert!(matches!(site.verify(&renamed), Err(Refusal::Name { name, .. }) if name == "guestbook"));
}

#[test]
fn a_signature_of_something_else_is_refused() {
    let site = Site::built();
    site.attach(include_bytes!("signatures/bundle.sigstore.json"));
    let cosign = include_str!("signatures/cosign.pub");
    let refused = TrustPolicy::of_key(cosign).unwrap().verify(site.fetch().unwrap(), now());
    assert!(matches!(flaw(refused), Flaw::Signature(SignatureFault::OtherDigest)));
}

#[test]
fn a_classic_signature_is_found_at_its_tag() {
    let site = Site::built();
    let digest = site.fetch().unwrap().digest();
    let manifest = site.add(include_bytes!("signatures/classic-sig-manifest.json"));
    site.add(include_bytes!("signatures/classic-sig-config.json"));
    let payload = site.add(include_bytes!("signatures/classic-payload.json"));
    site.enter(&manifest, Some(&format!("sha256-{}.sig", digest.hex())));
    let fetched = site.fetch().unwrap();
    let policy = TrustPolicy::of_key(include_str!("signatures/cosign.pub")).unwrap();
    let reports = policy.examine(&fetched, now());
    assert_eq!((reports.len(), reports[0].format), (1, "cosign-classic"));
    assert_eq!(reports[0].reason.as_deref(), Some("it signs another digest"));
    assert!(matches!(flaw(policy.verify(fetched, now())), Flaw::Signature(SignatureFault::OtherDigest)));
    fs::remove_file(site.blob(payload.digest)).unwrap();
    assert!(matches!(
        flaw(policy.verify(site.fetch().unwrap(), now())),
        Flaw::Signature(SignatureFault::Unreadable(_))
    ));
}

/// A key that signs whatever it is given, and its public part.
fn plain_key() -> (EcdsaKeyPair, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let spki = STANDARD.encode(pair.public_key().as_der().unwrap().as_ref());
    (pair, format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n"))
}

#[test]
fn what_a_trusted_key_stated_is_a_signature_only_when_it_says_so() {
    let (pair, pem) = plain_key();
    let judged = |payload: &dyn Fn(Digest) -> String| {
        let site = Site::built();
        let payload = payload(site.fetch().unwrap().digest());
        let kind = "application/vnd.in-toto+json";
        let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let signature = STANDARD.encode(pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap());
        let envelope = json!({
            "payload": STANDARD.encode(payload), "payloadType": kind, "signatures": [{"sig": signature, "keyid": ""}],
        });
        let material = json!({"publicKey": {"hint": ""}, "tlogEntries": []});
        let bundle =
            json!({"mediaType": SIGSTORE, "verificationMaterial": material, "dsseEnvelope": envelope});
        site.attach(bundle.to_string().as_bytes());
        TrustPolicy::of_key(&pem).unwrap().verify(site.fetch().unwrap(), now())
    };
    let statement = |kind: &str, predicate: &str, digest: Digest| {
        let other = json!({"digest": {"sha256": Digest::of(b"other").hex()}});
        let subjects = json!([other, {"digest": {"sha256": digest.hex()}, "annotations": {"a": "b"}}]);
        json!({"_type": kind, "subject": subjects, "predicateType": predicate, "predicate": {}}).to_string()
    };
    let (v1, sign) = ("https://in-toto.io/Statement/v1", "https://sigstore.dev/cosign/sign/v1");
    assert!(judged(&|digest| statement(v1, sign, digest)).is_ok());
    let provenance = judged(&|digest| statement(v1, "https://slsa.dev/provenance/v1", digest));
    assert!(
        matches!(flaw(provenance), Flaw::Signature(SignatureFault::Predicate(found)) if found.contains("slsa"))
    );
    let old = judged(&|digest| statement("https://in-toto.io/Statement/v0.1", sign, digest));
    assert!(matches!(flaw(old), Flaw::Signature(SignatureFault::Statement(_))));
    let other = judged(&|_| statement(v1, sign, Digest::of(b"else")));
    assert!(matches!(flaw(other), Flaw::Signature(SignatureFault::OtherDigest)));
    let twice = judged(&|digest| statement(v1, sign, digest).replacen('{', "{\"predicateType\":\"\",", 1));
    assert!(matches!(flaw(twice), Flaw::Signature(SignatureFault::Malformed(_))));
}

#[test]
fn a_classic_signature_by_a_trusted_key_counts() {
    let (pair, pem) = plain_key();
    let site = Site::built();
    let digest = site.fetch().unwrap().digest();
    let payload = include_str!("signatures/classic-payload.json");
    let signed = "sha256:086b73f78880ee1ce85219b942ace4b3566a3225979cfb401a282c20cb7eef03";
    let payload = payload.replace(signed, &digest.to_string());
    let signature = STANDARD.encode(pair.sign(&SystemRandom::new(), payload.as_bytes()).unwrap());
    let layer = site.add(payload.as_bytes());
    let config = site.add(include_bytes!("signatures/classic-sig-config.json"));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config.digest, "size": config.size},
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": layer.digest, "size": layer.size,
            "annotations": {"dev.cosignproject.cosign/signature": signature},
        }],
    });
    let manifest = site.add(manifest.to_string().as_bytes());
    site.enter(&manifest, Some(&format!("sha256-{}.sig", digest.hex())));
    let policy = TrustPolicy::of_key(&pem).unwrap();
    assert!(policy.verify(site.fetch().unwrap(), now()).is_ok());
    // It is copied as well.
    let copy = Dir::open_ambient_dir(site.0.path(), cap_std::ambient_authority()).unwrap();
    wait(site.fetch().unwrap().save(&copy)).unwrap();
    assert!(policy.verify(fetch(&reference(site.0.path(), "")).unwrap(), now()).is_ok());
}

#[test]
fn a_list_of_signatures_is_read_within_bounds() {
    let site = Site::signed(&key());
    let fetched = site.fetch().unwrap();
    let carrier = fetched.signatures()[0].carrier();
    let entry = |digest: Digest, size: u64| json!({"mediaType": OCI_MANIFEST, "artifactType": SIGSTORE, "digest": digest, "size": size});
    let listed = |entries: Vec<Value>| {
        let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
        let descriptor = Descriptor { media_type: OCI_INDEX.into(), ..site.add(list.as_bytes()) };
        let mut index = site.json("index.json");
        let tag = format!("sha256-{}", fetched.digest().hex());
        let named = |it: &Value| it["annotations"]["org.opencontainers.image.ref.name"] == tag;
        index["manifests"].as_array_mut().unwrap().retain(|it| !named(it));
        fs::write(site.layout().join("index.json"), index.to_string()).unwrap();
        site.enter(&descriptor, Some(&tag));
        site.fetch()
    };
    let size = fs::metadata(site.blob(carrier)).unwrap().len();
    assert_eq!(listed(vec![entry(carrier, size); 1000]).unwrap().signatures().len(), 1);
    assert!(matches!(listed(vec![entry(carrier, size); 1001]), Err(FetchError::Oci(OciError::TooMany(_)))));
    // Five that claim 4 MiB each are too much together, whether they are there or not.
    let absent = |n: u8| entry(Digest::of(&[n]), 4 << 20);
    assert!(matches!(listed((0..5).map(absent).collect()), Err(FetchError::Oci(OciError::TooMany(_)))));
    let found = listed(vec![entry(carrier, size), absent(0)]).unwrap();
    assert_eq!(found.signatures().iter().filter(|evidence| evidence.content().is_err()).count(), 1);
    assert!(matches!(listed(vec![json!({"digest": "sha256:../x"})]), Err(FetchError::Index(_))));
}

#[test]
fn unreadable_evidence_is_refused_and_does_no_harm_beside_a_good_one() {
    let key = key();
    for bad in [&b""[..], b"{", b"garbage", &[b' '; 200 << 10], include_bytes!("signatures/cosign.pub")] {
        let site = Site::built();
        site.attach(bad);
        let found = flaw(site.verify(&policy(&[&key], RULE)));
        let Flaw::Signature(found) = found else { panic!("{found:?}") };
        assert!(matches!(found, SignatureFault::Malformed(_) | SignatureFault::Unreadable(_)), "{found:?}");
        sign(&site.reference(), &key).unwrap();
        assert!(site.verify(&policy(&[&key], RULE)).is_ok());
        let policy = TrustPolicy::of_key(&key.public().to_pem()).unwrap();
        let reports = policy.examine(&site.fetch().unwrap(), now());
        assert_eq!(reports.iter().filter(|report| report.is_trusted).count(), 1);
        assert_eq!(reports.iter().filter(|report| report.reason.is_some()).count(), 1);
    }
}

#[test]
fn a_damaged_signature_is_an_error_also_beside_a_good_one() {
    let site = Site::signed(&key());
    sign(&site.reference(), &key()).unwrap();
    let fetched = site.fetch().unwrap();
    for evidence in fetched.signatures() {
        let carrier = site.blob(evidence.carrier());
        let manifest: Value = serde_json::from_slice(&fs::read(&carrier).unwrap()).unwrap();
        let layer = site.blob(manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap());
        for blob in [carrier, layer] {
            let sound = fs::read(&blob).unwrap();
            let mut changed = sound.clone();
            changed[0] ^= 1;
            fs::write(&blob, changed).unwrap();
            assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::Digest(_)))));
            fs::write(&blob, sound).unwrap();
        }
    }
    assert!(site.fetch().is_ok());
}

#[test]
fn a_list_of_signatures_that_cannot_be_read_is_an_error() {
    let key = key();
    let site = Site::signed(&key);
    let tag = format!("sha256-{}", site.fetch().unwrap().digest().hex());
    let index = site.json("index.json");
    let entries = index["manifests"].as_array().unwrap().iter();
    let list =
        entries.clone().find(|it| it["annotations"]["org.opencontainers.image.ref.name"] == tag).unwrap();
    let digest: Digest = list["digest"].as_str().unwrap().parse().unwrap();
    let good = fs::read(site.blob(digest)).unwrap();
    fs::write(site.blob(digest), vec![b' '; good.len()]).unwrap();
    assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::Digest(_)))));
    fs::remove_file(site.blob(digest)).unwrap();
    assert!(matches!(site.fetch(), Err(FetchError::Oci(OciError::Absent(_)))));
}

#[test]
fn a_stored_copy_is_judged_by_where_it_came_from() {
    let key = key();
    let site = Site::signed(&key);
    let digest = site.fetch().unwrap().digest();
    let stored = || {
        let store = Dir::open_ambient_dir(site.layout(), cap_std::ambient_authority()).unwrap();
        load(&store, digest, "registry.example/acme/guestbook:1".parse().unwrap()).unwrap()
    };
    let verify = |scope: &str| {
        let policy = TrustPolicy::parse(&policy(&[&key], &RULE.replace("layout", scope))).unwrap();
        policy.verify(stored(), now())
    };
    assert!(verify("registry.example/acme/**").is_ok());
    assert!(
        matches!(verify("layout"), Err(Refusal::NoRule(it)) if it.reference == "registry.example/acme/guestbook:1")
    );
    assert!(matches!(dangerously_unsigned(stored(), &TrustPolicy::none()), Err(Refusal::Remote(_))));
    fs::write(site.blob(stored().component_digest()), b"other").unwrap();
    let store = Dir::open_ambient_dir(site.layout(), cap_std::ambient_authority()).unwrap();
    assert!(matches!(load(&store, digest, site.reference()), Err(FetchError::Oci(OciError::Size { .. }))));
}

#[test]
fn a_tag_that_no_reference_could_name_is_refused() {
    let site = Site::built();
    for tag in ["", "a b", "a/b", "-a", "sha256-0000", &"a".repeat(129)] {
        let error = build(&site.path("source"), &site.layout(), Some(tag)).unwrap_err();
        assert!(matches!(error, AuthorError::Tag(found) if found == tag));
    }
    build(&site.path("source"), &site.layout(), Some("latest")).unwrap();
    // One bundle under two tags is still one.
    assert!(site.fetch().is_ok());
}

#[test]
fn only_what_is_here_runs_unsigned_and_says_so() {
    let site = Site::built();
    let verified = dangerously_unsigned(site.fetch().unwrap(), &TrustPolicy::none()).unwrap();
    assert_eq!(verified.decision(), &TrustDecision::Unsigned);
}

#[test]
fn a_digest_that_the_policy_refuses_runs_neither_signed_nor_unsigned() {
    let key = key();
    let site = Site::signed(&key);
    let digest = site.fetch().unwrap().digest();
    let text = format!("{}  refusedDigests: ['{digest}']\n", policy(&[&key], RULE));
    let policy = TrustPolicy::parse(&text).unwrap();
    let is_refused = |refusal: Refusal| matches!(refusal, Refusal::RefusedDigest(found) if found == digest);
    assert!(is_refused(policy.verify(site.fetch().unwrap(), now()).unwrap_err()));
    assert!(is_refused(dangerously_unsigned(site.fetch().unwrap(), &policy).unwrap_err()));
}

#[test]
fn what_is_signed_is_in_the_form_that_cosign_reads() {
    let key = key();
    let site = Site::signed(&key);
    let digest = site.fetch().unwrap().digest();
    let list = site.json("index.json")["manifests"][1].clone();
    assert_eq!(list["annotations"]["org.opencontainers.image.ref.name"], format!("sha256-{}", digest.hex()));
    let blob = |digest: &Value| -> Value {
        let digest: Digest = digest.as_str().unwrap().parse().unwrap();
        serde_json::from_slice(&fs::read(site.blob(digest)).unwrap()).unwrap()
    };
    let entry = blob(&list["digest"])["manifests"][0].clone();
    assert_eq!(entry["artifactType"], SIGSTORE);
    let carrier = blob(&entry["digest"]);
    let members: BTreeMap<String, Value> = serde_json::from_value(carrier.clone()).unwrap();
    let expected =
        ["annotations", "artifactType", "config", "layers", "mediaType", "schemaVersion", "subject"];
    assert_eq!(members.keys().collect::<Vec<_>>(), expected);
    assert_eq!(carrier["subject"]["digest"], digest.to_string());
    assert_eq!(carrier["layers"][0]["mediaType"], SIGSTORE);
    assert_eq!(carrier["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
    let bundle = blob(&carrier["layers"][0]["digest"]);
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&bundle), ["dsseEnvelope", "mediaType", "verificationMaterial"]);
    assert_eq!(members(&bundle["dsseEnvelope"]), ["payload", "payloadType", "signatures"]);
    assert_eq!(members(&bundle["dsseEnvelope"]["signatures"][0]), ["sig"]);
    assert_eq!(members(&bundle["verificationMaterial"]["publicKey"]), ["hint"]);
}

#[test]
fn a_bundle_that_is_not_whole_is_not_signed() {
    let site = Site::built();
    fs::remove_file(site.blob(site.fetch().unwrap().component_digest())).unwrap();
    let error = sign(&site.reference(), &key()).unwrap_err();
    assert!(error.source().is_some_and(|source| source.to_string().contains("is not there")), "{error:?}");
}
