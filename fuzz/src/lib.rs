//! Properties of each reader of untrusted bytes, whatever the bytes are: one function for each, called by the fuzz
//! target of that name and by `tests/corpus.rs`, which runs on stable. Each panics where its reader breaks a promise:
//!
//! - what was read, and is written again, reads as the same;
//! - what was read stays within the bounds that the reader documents;
//! - an error can be shown on one line of a terminal.
//!
//! Where a reader decides something (`policy`, `kubeconfig`), it is asked for the laws of that as well.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a broken promise is a panic, which is what a fuzzer looks for"
)]
#![allow(unreachable_pub, missing_docs, reason = "the file is a crate of its own and a module of a test")]

mod kubeconfig;
mod oci;
mod policy;

use std::error::Error;
use std::path::Path;

use carnet::bundle::Bundle;
use carnet::bundle::component::{Component, Imports};
use carnet::bundle::index::BundleIndex;
use carnet::capability::Requests;
use carnet::capability::functions::{unprovided, unrequested};
use carnet::capability::template::Names;
use carnet::digest::Digest;
use carnet::document::{self, MAX_BYTES, MAX_DEPTH, MemoryBudget};
use carnet::grant::is_wider;
use carnet::grant::spec::{Deny, FileGrant, GrantFile, GrantSpec};
use carnet::kubernetes::kinds::Kinds;
use carnet::kubernetes::manifest::{Object, read};
use carnet::signature::sigstore::{SigstoreBundle, sign};
use carnet::signature::{PrivateKey, PublicKey, classic};
use carnet::state::record_text::{installation_record, packed_record, unpacked_record};
use serde_json::Value;

pub use kubeconfig::kubeconfig;
pub use oci::{oci, reference};
pub use policy::policy;

/// A target: a function of bytes, whatever they are.
pub type FuzzTarget = fn(&[u8]);

/// The readers by the names of their targets and of their folders in `corpus`.
pub const TARGETS: [(&str, FuzzTarget); 10] = [
    ("component", component),
    ("grant", grant),
    ("index", index),
    ("kubeconfig", kubeconfig),
    ("manifest", manifest),
    ("oci", oci),
    ("policy", policy),
    ("reference", reference),
    ("signature", signature),
    ("state", state),
];

/// The memory that the smallest document may take, and how much more than its text a longer one may:
/// `document::MemoryBudget`.
const MIN_MEMORY: usize = 256 << 10;
const MAX_GROWTH: usize = 128;

/// Manifests that a component hands over, YAML or JSON.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let memory = MemoryBudget::default();
    match read(text, &memory) {
        Ok(value) => {
            assert!(text.len() <= MAX_BYTES, "{} bytes were read", text.len());
            assert!(
                memory.spent() <= MIN_MEMORY + MAX_GROWTH * text.len(),
                "{} bytes were taken",
                memory.spent()
            );
            document_holds(&value);
        }
        Err(error) => shown(&error),
    }
    // What was read is written as JSON, which may hold characters that YAML has escapes for alone.
    match Object::parse(text, "default", &Kinds::default()) {
        Ok(object) => {
            let body = document::json(object.body().to_string().as_bytes()).unwrap();
            let again = Object::of(body, "default", &Kinds::default()).unwrap();
            assert_eq!(again, object);
            object.reference().check().unwrap();
        }
        Err(error) => shown(&error),
    }
}

/// Grants.
pub fn grant(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match GrantFile::parse(text, Path::new("/")) {
        Ok(grant) => {
            let written = serde_json::to_value(&grant).unwrap();
            let again: GrantFile = document::json_as(written.to_string().as_bytes()).unwrap().0;
            assert_eq!(serde_json::to_value(&again).unwrap(), written);
            is_wider_than_its_parts_alone(grant.spec.into());
        }
        Err(error) => shown(&error),
    }
}

/// A grant allows what it says and no more: less of it is never wider, and other denials are another decision.
fn is_wider_than_its_parts_alone(spec: GrantSpec) {
    let names = Names { installation: "web".into(), namespace: "prod".into(), ..Names::default() };
    // One that cannot be used is as wide as can be.
    if is_wider(&spec, &spec, &names) {
        return;
    }
    let mut less = spec.clone();
    drop((less.kubernetes.pop(), less.files.pop(), less.credentials.pop(), less.generate.pop()));
    assert!(!is_wider(&spec, &less, &names), "less is wider");
    let mut twice = GrantSpec { deny: Deny::default(), ..spec.clone() };
    twice.add(less).unwrap();
    twice.deny = spec.deny.clone();
    assert!(!is_wider(&spec, &twice, &names), "a part of it was added");
    let other = FileGrant { name: "of-nobody".into(), path: "/of-nobody".into() };
    let mut more = spec.clone();
    more.files.push(other);
    assert!(is_wider(&spec, &more, &names), "a file was added");
    let mut denying = spec.clone();
    denying.deny.credentials.push("of-nobody".into());
    assert!(is_wider(&spec, &denying, &names) && is_wider(&denying, &spec, &names), "denials were changed");
}

/// Components.
pub fn component(bytes: &[u8]) {
    match Component::read(bytes.to_vec()) {
        Ok(component) => {
            assert_eq!(component.bytes().as_ref(), bytes);
            assert_eq!(component.digest(), Digest::of(bytes));
            powers_are_requested(component.imports());
        }
        Err(error) => shown(&error),
    }
}

/// What reaches a target or a file is refused as long as nobody requests it, in words that can be shown.
fn powers_are_requested(imports: &Imports) {
    let refused = [unprovided(imports), unrequested(imports, &Requests::default())].concat();
    refused.iter().for_each(|import| plain(import));
    for (interface, functions) in &imports.0 {
        let is_power = ["carnet:kubernetes/", "carnet:files/"].iter().any(|it| interface.starts_with(it));
        let is_refused = refused.iter().any(|import| import.contains(interface.as_str()));
        assert!(!is_power || functions.is_empty() || is_refused, "{interface} is nobody's request");
    }
}

/// The documents of a bundle: `bundle.json` and the index.
pub fn index(bytes: &[u8]) {
    match document::json(bytes) {
        Ok(value) => {
            assert!(bytes.len() <= MAX_BYTES);
            document_holds(&value);
        }
        Err(error) => shown(&error),
    }
    match Bundle::parse(bytes) {
        Ok((bundle, warnings)) => {
            warnings.iter().for_each(|fault| plain(&fault.to_string()));
            let (again, _) = Bundle::parse(document::json(bytes).unwrap().to_string().as_bytes()).unwrap();
            assert_eq!((again.name(), again.version()), (bundle.name(), bundle.version()));
            assert_eq!((again.images(), again.parameters()), (bundle.images(), bundle.parameters()));
        }
        Err(error) => shown(&error),
    }
    match BundleIndex::parse(bytes) {
        Ok(index) => {
            let again = BundleIndex::parse(document::json(bytes).unwrap().to_string().as_bytes()).unwrap();
            assert_eq!(again, index);
        }
        Err(error) => shown(&error),
    }
}

/// Signatures in both forms, and key files. Nobody's key signed what a fuzzer makes up.
pub fn signature(bytes: &[u8]) {
    let key = PublicKey::parse(KEY).unwrap();
    match SigstoreBundle::parse(bytes) {
        Ok(bundle) => {
            if let Ok((_, statement)) = bundle.open([((), &key)]) {
                statement.check(Digest::of(SUBJECT)).unwrap();
                assert!(statement.check(Digest::of(b"another")).is_err());
            }
        }
        Err(error) => shown(&error),
    }
    let text = String::from_utf8_lossy(bytes);
    let (payload, signature) = text.split_once('\n').unwrap_or((&text, ""));
    if let Err(error) = classic::open(payload.as_bytes(), signature, [((), &key)]).map(drop) {
        shown(&error);
    }
    match PublicKey::parse(&text) {
        Ok(key) => assert_eq!(PublicKey::parse(&key.to_pem()).unwrap(), key),
        Err(error) => shown(&error),
    }
    match PrivateKey::open(&text, &String::new().into()) {
        Ok(key) => drop(sign(Digest::of(SUBJECT), &key).unwrap()),
        Err(error) => shown(&error),
    }
}

/// Records in a cluster: the text of an installation's, and a header (the first line) with a piece (the rest).
pub fn state(bytes: &[u8]) {
    match installation_record(bytes) {
        Ok(written) => assert_eq!(installation_record(&written).unwrap(), written),
        Err(why) => plain(&why),
    }
    let (header, pieces) = packed_record(bytes).unwrap();
    assert_eq!(unpacked_record(&header, &pieces).unwrap(), bytes);
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (header, piece) = bytes.split_at(end);
    for pieces in [vec![piece.get(1..).unwrap_or_default().to_vec()], pieces] {
        match unpacked_record(header, &pieces) {
            Ok(content) => assert!(content.len() <= 32 << 20),
            Err(why) => plain(&why),
        }
    }
}

/// Promises about every value that was read.
fn document_holds(value: &Value) {
    assert!(depth(value) <= MAX_DEPTH, "nested {} deep", depth(value));
    let written = value.to_string();
    if written.len() <= MAX_BYTES {
        assert_eq!(&document::json(written.as_bytes()).unwrap(), value);
    }
}

/// A document in another notation. YAML has no way to write some characters that JSON holds.
fn as_json(document: &Value) -> Option<String> {
    let written = document.to_string();
    document::yaml(&written).is_ok_and(|again| again == *document).then_some(written)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn shown(error: &(dyn Error + 'static)) {
    plain(&error.to_string());
    plain(&document::chain(error));
}

fn plain(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

const KEY: &str = include_str!("../../tests/signatures/cosign.pub");
const SUBJECT: &[u8] = include_bytes!("../../tests/signatures/subject-manifest.json");
