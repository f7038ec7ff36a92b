//! Which bundle a reference means, and what is refused on the way to it.

#![expect(clippy::disallowed_methods, reason = "tests make and damage files")]

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::bundle::index::IndexError;
use crate::document;
use crate::oci::ArchiveFault;
use crate::oci::file::open_directory;
use crate::oci::media_type::{DOCKER_LIST, OCI_INDEX, OCI_MANIFEST};

const SOURCE: &str = "\
apiVersion: carnet.dev/v1alpha1
kind: Source
name: hello
version: 1.0.0
description: Says hello
component: ./hello.wasm
";

async fn fetch(reference: &Reference) -> Result<Fetched, FetchError> {
    super::fetch(reference, &RegistryClient::anonymous()).await
}

/// A layout with one bundle.
struct Site(tempfile::TempDir);

impl Site {
    async fn new() -> Self {
        Self::of(SOURCE).await
    }

    /// A bundle with these images, none of which is in the layout.
    async fn with_images(images: &[(&str, &[u8])]) -> Self {
        let image = |(name, bytes): &(&str, &[u8])| {
            let (digest, size) = (Digest::of(bytes), bytes.len());
            format!("  {name}: {{ image: 'registry.example/{name}@{digest}', size: {size} }}\n")
        };
        Self::of(&format!("{SOURCE}images:\n{}", images.iter().map(image).collect::<String>())).await
    }

    async fn of(source: &str) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::create_dir(site.path("source")).unwrap();
        fs::write(site.path("source/carnet.yaml"), source).unwrap();
        fs::write(site.path("source/hello.wasm"), component()).unwrap();
        crate::author::build(&site.path("source"), &site.path("layout"), None).await.unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn index(&self) -> Value {
        document::json(&fs::read(self.path("layout/index.json")).unwrap()).unwrap()
    }

    /// Replaces the entries of `index.json`.
    fn write(&self, entries: &[Value]) {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
        fs::write(self.path("layout/index.json"), index.to_string()).unwrap();
    }

    fn entry(&self) -> Value {
        self.index()["manifests"][0].clone()
    }

    fn add(&self, media_type: &str, bytes: &[u8]) -> Descriptor {
        fs::write(self.blob(Digest::of(bytes)), bytes).unwrap();
        Descriptor::of(media_type, bytes)
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.path("layout/blobs/sha256").join(digest.hex())
    }

    fn blobs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("layout/blobs/sha256")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Fetches within ten seconds: what waits for a pipe would never come back.
    async fn fetch(&self, suffix: &str) -> Result<Fetched, FetchError> {
        let reference = format!("layout:{}{suffix}", self.path("layout").display()).parse().unwrap();
        tokio::time::timeout(Duration::from_secs(10), fetch(&reference)).await.unwrap()
    }

    /// Asserts that the bundle is refused in this way while something else is in the place of one of its blobs,
    /// whichever that is. `put` is given the place, and where the blob is meanwhile.
    async fn assert_refused_with(&self, put: impl Fn(&Path, &Path), is_it: impl Fn(&OciError) -> bool) {
        let empty = self.blob(Digest::of(b"{}"));
        for blob in self.blobs().into_iter().filter(|blob| *blob != empty) {
            let aside = self.path("aside");
            fs::rename(&blob, &aside).unwrap();
            put(&blob, &aside);
            let fetched = self.fetch("").await;
            assert!(matches!(&fetched, Err(FetchError::Oci(error)) if is_it(error)), "{blob:?}");
            if blob.is_dir() {
                fs::remove_dir(&blob).unwrap();
            }
            fs::rename(&aside, &blob).unwrap();
        }
    }
}

/// An installer that answers `ok`.
pub(crate) fn component() -> Vec<u8> {
    installer("", "i32.const 16")
}

/// An installer that does this, and what it needs for it. An answer is at 16: zeroes are `ok`.
pub(crate) fn installer(fields: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {fields} (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
        (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32) {body}))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir("wit").unwrap();
    let world = resolve.select_world(&[package], Some("bundle")).unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    module
}

fn tagged(mut entry: Value, tag: &str) -> Value {
    entry["annotations"]["org.opencontainers.image.ref.name"] = tag.into();
    entry
}

#[tokio::test]
async fn a_bundle_is_found_by_nothing_by_its_tag_and_by_its_digest() {
    let site = Site::new().await;
    let digest = site.fetch("").await.unwrap().digest();
    for suffix in [":1.0.0".to_owned(), format!("@{digest}"), format!(":1.0.0@{digest}")] {
        assert_eq!(site.fetch(&suffix).await.unwrap().digest(), digest);
    }
    let other = Digest::of(b"other");
    let absent = site.fetch(&format!("@{other}")).await;
    assert!(matches!(absent, Err(FetchError::NoDigest(found)) if found == other));
    let moved = site.fetch(&format!(":1.0.0@{other}")).await;
    assert!(matches!(moved, Err(FetchError::OtherDigest { found, .. }) if found == digest));
    assert!(matches!(site.fetch(":2").await, Err(FetchError::Tag { tags, .. }) if tags == ["1.0.0"]));
}

#[tokio::test]
async fn what_else_is_in_a_layout_is_not_taken_for_the_bundle() {
    let site = Site::new().await;
    let (bundle, digest) = (site.entry(), site.fetch("").await.unwrap().digest());
    let list = site.add(OCI_INDEX, br#"{"schemaVersion":2,"manifests":[]}"#);
    let docker = site.add(DOCKER_LIST, br#"{"schemaVersion":2,"manifests":[] }"#);
    let manifest = site.add(OCI_MANIFEST, b"{}");
    let referrers = format!("sha256-{}", digest.hex());
    site.write(&[
        list.to_value(),
        tagged(docker.to_value(), "image"),
        tagged(manifest.to_value(), "1.0.0-manifest"),
        tagged(list.to_value(), &referrers),
        json!({"mediaType": OCI_INDEX, "digest": "sha512:00", "size": 1}),
        json!("no descriptor"),
        bundle.clone(),
        // One bundle that is named twice is still one.
        tagged(bundle, "latest"),
    ]);
    assert_eq!(site.fetch("").await.unwrap().digest(), digest);
    let image = site.fetch(":1.0.0-manifest").await;
    assert!(matches!(image, Err(FetchError::NotABundle(tag)) if tag == "1.0.0-manifest"));
    let unknown = site.fetch(":none").await;
    assert!(matches!(unknown, Err(FetchError::Tag { tags, .. }) if tags == ["1.0.0", "image", "latest"]));
}

#[tokio::test]
async fn an_index_in_an_index_is_not_entered() {
    let site = Site::new().await;
    let inner = site.entry();
    let outer = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [inner]}).to_string();
    let outer = site.add(OCI_INDEX, outer.as_bytes());
    site.write(&[tagged(outer.to_value(), "1.0.0")]);
    assert!(matches!(site.fetch("").await, Err(FetchError::Empty)));
    // By its tag it is taken at its word, and is no bundle then.
    assert!(matches!(site.fetch(":1.0.0").await, Err(FetchError::Index(IndexError::Config))));
}

#[tokio::test]
async fn two_that_one_tag_names_are_none() {
    let site = Site::new().await;
    let other = site.add(OCI_INDEX, b"{}").to_value();
    site.write(&[site.entry(), tagged(other, "1.0.0")]);
    assert!(matches!(site.fetch(":1.0.0").await, Err(FetchError::Ambiguous(tags)) if tags == ["1.0.0"]));
}

#[tokio::test]
async fn a_descriptor_that_lies_about_the_size_is_found_out() {
    let site = Site::new().await;
    let entry = site.entry();
    let size = entry["size"].as_u64().unwrap();
    for wrong in [0, size - 1, size + 1, 4 << 20] {
        let mut lie = entry.clone();
        lie["size"] = wrong.into();
        site.write(&[lie]);
        let fetched = site.fetch(":1.0.0").await;
        assert!(
            matches!(fetched, Err(FetchError::Oci(OciError::Size { expected, .. })) if expected == wrong)
        );
    }
    let mut lie = entry;
    lie["size"] = ((4 << 20) + 1).into();
    site.write(&[lie]);
    assert!(matches!(site.fetch(":1.0.0").await, Err(FetchError::Oci(OciError::TooLong { .. }))));
}

#[tokio::test]
async fn a_blob_that_is_gone_or_a_folder_is_damage_to_the_bundle() {
    let site = Site::new().await;
    site.assert_refused_with(|_, _| (), |error| matches!(error, OciError::Absent(_))).await;
    let is_no_file = |error: &OciError| matches!(error, OciError::NotAFile(_));
    site.assert_refused_with(|blob, _| fs::create_dir(blob).unwrap(), is_no_file).await;
    site.fetch("").await.unwrap();
}

#[tokio::test]
async fn no_blob_may_be_a_pipe_or_a_link_out_of_the_layout_and_none_is_waited_for() {
    let site = Site::new().await;
    let pipe = |blob: &Path, _: &Path| assert!(Command::new("mkfifo").arg(blob).status().unwrap().success());
    site.assert_refused_with(pipe, |error| matches!(error, OciError::NotAFile(_))).await;
    let link = |blob: &Path, aside: &Path| std::os::unix::fs::symlink(aside, blob).unwrap();
    site.assert_refused_with(link, |error| matches!(error, OciError::Outside(_))).await;
    site.fetch("").await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_a_document_is_said_of_the_bundle() {
    let site = Site::new().await;
    site.write(&[tagged(json!({"mediaType": OCI_INDEX, "digest": "sha256:zz", "size": 1}), "1.0.0")]);
    let error = site.fetch(":1.0.0").await.unwrap_err();
    assert_eq!(error.to_string(), "the documents around the bundle are not valid");
    assert_eq!(error.source().unwrap().to_string(), "the member `digest` is missing or of the wrong type");
    // A fault of a blob is told once.
    let error = FetchError::from(OciError::Absent(Digest::of(b"")));
    assert!(error.source().is_none() && error.to_string().ends_with(" is not there"));
}

#[tokio::test]
async fn a_kept_bundle_is_checked_as_if_it_were_new() {
    let site = Site::new().await;
    let fetched = site.fetch("").await.unwrap();
    fs::create_dir(site.path("kept")).unwrap();
    let kept = open_directory(&site.path("kept")).unwrap();
    fetched.save(&kept).await.unwrap();
    let origin: Reference = "registry.example/hello:1".parse().unwrap();
    let loaded = load(&kept, fetched.digest(), origin.clone()).await.unwrap();
    assert_eq!((loaded.digest(), loaded.reference()), (fetched.digest(), &origin));
    assert_eq!(loaded.component_bytes(), fetched.component_bytes());
    let blob = site.path("kept/blobs/sha256").join(fetched.component_digest().hex());
    let mut bytes = fs::read(&blob).unwrap();
    bytes[20] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let refused = load(&kept, fetched.digest(), origin).await;
    assert!(matches!(refused, Err(FetchError::Oci(OciError::Digest(_)))));
}

#[tokio::test]
async fn an_image_that_is_not_there_is_named_and_one_that_is_there_goes_along_and_is_checked() {
    let site = Site::with_images(&[("one", b"{\"a\":1}"), ("two", b"{\"a\":2}")]).await;
    assert_eq!(site.fetch("").await.unwrap().absent_images(), ["one", "two"]);
    let one = site.add(OCI_MANIFEST, b"{\"a\":1}").digest;
    let fetched = site.fetch("").await.unwrap();
    assert_eq!(fetched.absent_images(), ["two"]);
    fs::create_dir(site.path("kept")).unwrap();
    let kept = open_directory(&site.path("kept")).unwrap();
    fetched.save(&kept).await.unwrap();
    assert!(site.path("kept/blobs/sha256").join(one.hex()).exists());
    let origin: Reference = "registry.example/hello:1".parse().unwrap();
    assert_eq!(load(&kept, fetched.digest(), origin).await.unwrap().absent_images(), ["two"]);
    fs::write(site.blob(one), b"{\"a\":3}").unwrap();
    assert!(matches!(site.fetch("").await, Err(FetchError::Oci(OciError::Digest(_)))));
}

#[tokio::test]
async fn manifests_of_images_have_a_bound_each_and_together() {
    let whole = usize::try_from(MAX_DOCUMENT).unwrap();
    let site = Site::with_images(&[("long", &vec![b' '; whole + 1])]).await;
    site.add(OCI_MANIFEST, &vec![b' '; whole + 1]);
    assert!(matches!(site.fetch("").await, Err(FetchError::Oci(OciError::TooLong { .. }))));

    let manifests: Vec<_> = (b'a'..=b'i').map(|letter| vec![letter; whole]).collect();
    let names: Vec<_> = (b'a'..=b'i').map(|letter| char::from(letter).to_string()).collect();
    let images: Vec<_> = names.iter().map(String::as_str).zip(manifests.iter().map(Vec::as_slice)).collect();
    assert_eq!(u64::try_from((images.len() - 1) * whole).unwrap(), MAX_IMAGES);
    for (count, is_too_much) in [(images.len() - 1, false), (images.len(), true)] {
        let site = Site::with_images(&images[..count]).await;
        manifests[..count].iter().for_each(|bytes| drop(site.add(OCI_MANIFEST, bytes)));
        let fetched = site.fetch("").await;
        assert_eq!(matches!(fetched, Err(FetchError::Oci(OciError::TooLong { .. }))), is_too_much, "{count}");
        assert!(is_too_much || fetched.unwrap().absent_images().is_empty());
    }
}

/// A bundle is kept under the tag that it was fetched by; without one, under its version.
#[tokio::test]
async fn a_kept_bundle_has_the_tag_that_it_came_with() {
    let site = Site::new().await;
    let tags = async |site: &Site| {
        fs::create_dir(site.path("kept")).unwrap();
        let kept = open_directory(&site.path("kept")).unwrap();
        site.fetch("").await.unwrap().save(&kept).await.unwrap();
        let index: Value = document::json(&fs::read(site.path("kept/index.json")).unwrap()).unwrap();
        fs::remove_dir_all(site.path("kept")).unwrap();
        index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"].clone()
    };
    let mut entry = site.entry();
    site.write(&[tagged(entry.clone(), "stable")]);
    assert_eq!(tags(&site).await, "stable");
    entry.as_object_mut().unwrap().remove("annotations");
    site.write(&[entry]);
    assert_eq!(tags(&site).await, "1.0.0");
}

#[tokio::test]
async fn a_layout_may_list_thousands_of_documents() {
    let site = Site::new().await;
    let other = |media_type: &str, number: u32| {
        let mut entry = Descriptor::of(media_type, &number.to_le_bytes()).to_value();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": format!("other-{number}")});
        entry
    };
    let mut entries: Vec<_> = (0..3000).map(|number| other(OCI_MANIFEST, number)).collect();
    entries.insert(1500, site.entry());
    entries.extend(vec![site.entry(); 2]);
    site.write(&entries);
    assert!(matches!(site.fetch(":1.0.0").await, Err(FetchError::Ambiguous(_))), "it is there three times");
    entries.truncate(3001);
    site.write(&entries);
    for suffix in ["", ":1.0.0"] {
        site.fetch(suffix).await.unwrap();
    }
}

#[tokio::test]
async fn a_path_is_what_is_found_there() {
    let site = Site::new().await;
    let at = |path: PathBuf| async move { fetch(&Reference::Path(path)).await };
    let layout = at(site.path("layout")).await.unwrap();
    assert!(matches!(layout.reference(), Reference::Layout(place) if place.directory == site.path("layout")));
    assert!(matches!(at(site.path("source")).await, Err(FetchError::Source(_))));
    assert!(matches!(at(site.0.path().to_owned()).await, Err(FetchError::Place(_))));
    let no_archive = at(site.path("source/carnet.yaml")).await;
    assert!(matches!(
        no_archive,
        Err(FetchError::Oci(OciError::Archive { source: ArchiveFault::NotATar, .. }))
    ));
    assert!(matches!(at(site.path("none")).await, Err(FetchError::Oci(OciError::System { .. }))));
    let archive = fetch(&"archive:x.tar".parse().unwrap()).await;
    assert!(matches!(archive, Err(FetchError::Oci(OciError::System { .. }))));
}
