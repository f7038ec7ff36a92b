//! The bytes of published bundles equal those of the reference tools, and documents are judged by every rule of CNAB.
//!
//! `vectors/` holds inputs and expected outputs; `vectors/validate/manifest.json` says what is right about each
//! document.

#![expect(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used, reason = "tests read fixtures")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use carnet::bundle::canonical::canonical;
use carnet::bundle::index::{
    BundleIndex, ConfigForm, IndexForm, config_manifest, config_of, relocation_map, write_index,
};
use carnet::bundle::{Bundle, CnabKind, Fault, Whole, faults_on_reading, lint_as};
use carnet::digest::Digest;
use carnet::document;
use carnet::oci::{Descriptor, EMPTY_BLOB};

const SETS: [&str; 3] = ["01-minimal-wasm", "02-full", "05-dockerhub"];
const HISTORICAL: [(ConfigForm, &str, &str); 3] = [
    (ConfigForm::Cnab, "1", "1-cnab"),
    (ConfigForm::OciImage, "2", "2-ociimg"),
    (ConfigForm::Docker, "3", "3-docker"),
];

fn vector(path: &str) -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn bundle(set: &str) -> Bundle {
    Bundle::parse_published(&vector(&format!("{set}/config.json"))).unwrap().0
}

#[test]
fn canonical_json_of_the_source_is_the_published_blob() {
    for set in SETS {
        let mut source = document::json(&vector(&format!("src/{set}.bundle.json"))).unwrap();
        if let Some(image) = source.pointer_mut("/images/alpha") {
            image["description"] = "".into(); // the only thing that the reference tools add in these sets
        }
        assert_eq!(canonical(&source).unwrap(), vector(&format!("{set}/config.json")), "{set}");
    }
}

#[test]
fn config_manifests_and_indexes_have_the_bytes_of_the_reference_tools() {
    for set in SETS {
        let bundle = bundle(set);
        for (form, number, name) in HISTORICAL {
            let expected = vector(&format!("{set}/config-manifest.{name}.json"));
            assert_eq!(config_manifest(bundle.bytes(), form), expected, "{set} {name}");
            for (listing, name) in [(IndexForm::Oci, "oci"), (IndexForm::Docker, "dockerlist")] {
                let expected = vector(&format!("{set}/index.{name}.cfg{number}.json"));
                assert_eq!(write_index(&bundle, form, listing).unwrap(), expected, "{set} {name} {number}");
            }
        }
    }
}

#[test]
fn our_own_form_has_the_digests_that_were_published() {
    for (set, manifest_size, manifest, index_size, index) in [
        (
            "01-minimal-wasm",
            384,
            "sha256:dd1503b40a3afdea1ce4fe88694221d65d1aa68c8942b674e9d356b69fafc7ff",
            723,
            "sha256:9986743753ce17559b601e109fb1be89b6302109e2d2e866d4504e271ec90f3b",
        ),
        (
            "02-full",
            385,
            "sha256:69d075c01e2006af61882fa46a88e21af138a194304cccfda70752dd99cae5b4",
            1635,
            "sha256:eb7bf754969d3e63d37cba9b3a15087d691108dab6d229060ce8e9b114bcd9b9",
        ),
    ] {
        let bundle = bundle(set);
        let bytes = config_manifest(bundle.bytes(), ConfigForm::Default);
        assert_eq!((bytes.len(), Digest::of(&bytes).to_string()), (manifest_size, manifest.into()), "{set}");
        let bytes = write_index(&bundle, ConfigForm::Default, IndexForm::Oci).unwrap();
        assert_eq!((bytes.len(), Digest::of(&bytes).to_string()), (index_size, index.into()), "{set}");
    }
    assert_eq!(
        Digest::of(EMPTY_BLOB).hex(),
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
}

#[test]
fn every_form_reads_back_as_the_same_bundle_and_the_same_relocation_map() {
    for set in SETS {
        let bundle = bundle(set);
        let target = String::from_utf8(vector(&format!("src/{set}.target"))).unwrap();
        let repository = target.trim().split(':').next().unwrap();
        let expected = vector(&format!("{set}/relocation-map.json"));
        for (_, number, name) in HISTORICAL {
            let manifest = vector(&format!("{set}/config-manifest.{name}.json"));
            for kind in ["oci", "dockerlist"] {
                let index =
                    BundleIndex::parse(&vector(&format!("{set}/index.{kind}.cfg{number}.json"))).unwrap();
                index.check(&bundle).unwrap();
                let config = config_of(index.config(), &manifest).unwrap();
                config.check(bundle.bytes()).unwrap();
                let map: BTreeMap<_, _> = relocation_map(&index, &bundle, repository);
                let map = canonical(&serde_json::to_value(map).unwrap()).unwrap();
                assert_eq!(map, expected, "{set} {kind} {number}");
            }
        }
    }
}

#[test]
fn our_own_form_reads_back() {
    for set in SETS {
        let bundle = bundle(set);
        let index =
            BundleIndex::parse(&write_index(&bundle, ConfigForm::Default, IndexForm::Oci).unwrap()).unwrap();
        index.check(&bundle).unwrap();
        let config =
            config_of(index.config(), &config_manifest(bundle.bytes(), ConfigForm::Default)).unwrap();
        assert!(config.check(bundle.bytes()).is_ok());
        assert_eq!(config.digest, Descriptor::of("", bundle.bytes()).digest);
    }
}

/// The verdicts of `faults` as the manifest of the vectors has them.
fn verdict(faults: &[Fault]) -> &'static str {
    if faults.iter().any(Fault::is_error) {
        "reject"
    } else if faults.is_empty() {
        "accept"
    } else {
        "warn"
    }
}

#[test]
fn every_document_is_judged_as_its_vector_says() {
    let manifest = document::json(&vector("validate/manifest.json")).unwrap();
    let mut wrong = Vec::new();
    let cases = manifest.as_array().unwrap();
    for case in cases {
        let text = |member: &str| case[member].as_str().unwrap();
        let (id, bytes) = (text("id"), vector(&format!("validate/{}", text("file"))));
        let kind = CnabKind::ALL.into_iter().find(|kind| kind.name() == text("kind")).unwrap();
        let whole = match kind {
            // The bundle that the mappings are of, and the claim of the results.
            CnabKind::RelocationMapping => Whole::of(kind, &vector("validate/b000-base.json")),
            CnabKind::ClaimResult => Whole::of(kind, &vector("validate/c000-base.json")),
            _ => None,
        };
        let whole = whole.map(Result::unwrap).unwrap_or_default();
        let mut faults = lint_as(kind, &bytes, &whole);
        if id != "b115-not-canonical" {
            // No case is canonical, and each is about one point alone.
            faults.retain(|fault| !fault.what.contains("not canonical"));
        }
        let read = faults_on_reading(kind, &bytes, &whole);
        for (purpose, faults) in [("lint", &faults), ("read", &read)] {
            if case[purpose] != verdict(faults) {
                wrong.push(format!(
                    "{id}: {purpose} {} became {}: {faults:?}",
                    case[purpose],
                    verdict(faults)
                ));
            }
        }
        if kind == CnabKind::Bundle {
            let parsed = Bundle::parse(&bytes);
            assert_eq!(
                parsed.is_err(),
                verdict(&read) == "reject",
                "{id}: the reader judges as the check does"
            );
        }
        if let Some(published) = case.get("published") {
            let read = if Bundle::parse_published(&bytes).is_ok() { "accept" } else { "reject" };
            assert_eq!(*published, read, "{id}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cases.len(), 105);
}
