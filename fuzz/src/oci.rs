//! Documents of OCI, and the texts that name what has them.

use carnet::digest::Digest;
use carnet::document;
use carnet::oci::media_type::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use carnet::oci::{Descriptor, ImageIndex, Manifest};
use carnet::reference::{Reference, check_host, check_registry};

use super::{plain, shown};

/// Manifests, indexes and descriptors. Nothing is two of them.
pub fn oci(bytes: &[u8]) {
    let read = [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX].map(|named| Manifest::parse_as(named, bytes));
    for (manifest, is_manifest) in read.into_iter().zip([true, true, false]) {
        match manifest {
            Ok(manifest) => {
                assert!(is_manifest, "a manifest is no index");
                assert!(ImageIndex::parse(bytes).is_err(), "a document is two things");
                manifest
                    .layers
                    .iter()
                    .chain([&manifest.config])
                    .chain(&manifest.subject)
                    .for_each(descriptor);
            }
            Err(error) => shown(&error),
        }
    }
    match Manifest::parse(bytes) {
        Ok(manifest) => assert_eq!(Manifest::parse_as(&manifest.media_type, bytes).unwrap(), manifest),
        Err(error) => shown(&error),
    }
    match ImageIndex::parse(bytes) {
        Ok(index) => {
            let again = ImageIndex::parse(document::json(bytes).unwrap().to_string().as_bytes()).unwrap();
            assert_eq!(again.entries(), index.entries());
            index
                .entries()
                .iter()
                .filter_map(|entry| Descriptor::parse(entry).ok())
                .for_each(|it| descriptor(&it));
        }
        Err(error) => shown(&error),
    }
    if let Ok(value) = document::json(bytes)
        && let Ok(found) = Descriptor::parse(&value)
    {
        descriptor(&found);
    }
}

fn descriptor(found: &Descriptor) {
    assert_eq!(Descriptor::parse(&found.to_value()).as_ref().ok(), Some(found));
}

/// References, and the names of registries in them.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Reference>() {
        Ok(found) => {
            assert_eq!(found.to_string().parse(), Ok(found.clone()));
            if let Reference::Registry(place) = &found {
                assert_eq!(check_registry(&place.host), Ok(()));
                assert!(!place.repository.contains(".."), "a path leads upwards");
            }
            // A file whose name ends as if by a tag has no text of its own without one.
            if !matches!(found, Reference::Archive(_)) {
                let pinned = found.pinned(Digest::of(bytes));
                assert_eq!(pinned.to_string().parse(), Ok(pinned));
            }
        }
        Err(error) => shown(&error),
    }
    for error in [check_registry(text).err(), check_host(text).err()].into_iter().flatten() {
        plain(&error.to_string());
    }
}
