//! Copies by way of a registry, which are what direct ones are.

use std::fs;
use std::path::Path;

use cap_std::fs::Dir;

use super::*;
use crate::oci::{Absent, Archive, CopyObserver, Layout, copy_graph};

/// Sees nothing.
struct Silent;

impl CopyObserver for Silent {
    fn planned(&self, _: usize, _: u64) {}
    fn moved(&self, _: u64) {}
    fn skipped(&self, _: &Descriptor) {}
}

async fn copied(root: &Descriptor, from: &Repository, mut to: Repository) -> Repository {
    let silent: Arc<dyn CopyObserver> = Arc::new(Silent);
    copy_graph(root, from, &mut to, Absent::Refused, &silent).await.unwrap();
    to.tag("1", root).await.unwrap();
    to.finish().await.unwrap();
    to
}

async fn archive(folder: &Path, name: &str) -> Repository {
    Repository::Archive(Archive::open_or_new(&folder.join(name)).await.unwrap())
}

#[tokio::test]
async fn an_archive_is_the_same_whatever_a_registry_on_the_way_says_of_referrers() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
    let mut layout = Repository::Layout(Layout::open_or_new(directory).await.unwrap());
    for bytes in [&b"c"[..], b"l", b"{}"] {
        layout.add("text/plain", bytes).await.unwrap();
    }
    let bytes = manifest();
    layout.add(OCI_MANIFEST, &bytes).await.unwrap();
    let root = Descriptor::of(OCI_MANIFEST, &bytes);
    let mut listed = Vec::new();
    for (number, artifact_type) in [(1, Some("text/signature")), (2, None), (3, Some(""))] {
        let mut document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "subject": root.to_value(),
            "config": Descriptor::of("text/config", b"{}").to_value(), "layers": [],
            "annotations": {"number": number.to_string()}});
        if let Some(artifact_type) = artifact_type {
            document["artifactType"] = artifact_type.into();
        }
        let bytes = document.to_string().into_bytes();
        layout.add(OCI_MANIFEST, &bytes).await.unwrap();
        // As registries write their lists: they look into the document, or they do not.
        listed.push(Descriptor {
            artifact_type: Some("text/wrong".into()),
            ..Descriptor::of(OCI_MANIFEST, &bytes)
        });
    }
    referrers::add(&mut layout, root.digest, &listed, "it").await.unwrap();

    copied(&root, &layout, archive(folder.path(), "direct.tar").await).await;
    let direct = fs::read(folder.path().join("direct.tar")).unwrap();
    for has_api in [true, false] {
        let server = Server::start().await;
        server.contents().lists_referrers = has_api;
        let registry = copied(&root, &layout, Repository::Registry(open(&server))).await;
        let name = format!("by-registry-{has_api}.tar");
        let by_registry = copied(&root, &registry, archive(folder.path(), &name).await).await;
        assert!(fs::read(folder.path().join(&name)).unwrap() == direct, "{has_api}");
        let found = referrers::of(&by_registry, root.digest, "it").await.unwrap();
        let types: Vec<_> =
            found.iter().map(|it| (it.annotations["number"].as_str(), it.artifact_type.as_deref())).collect();
        for expected in
            [("1", Some("text/signature")), ("2", Some("text/config")), ("3", Some("text/config"))]
        {
            assert!(types.contains(&expected), "{types:?}");
        }
    }
}
