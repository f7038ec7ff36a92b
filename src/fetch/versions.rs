//! The versions of a bundle that a place has, as its tags name them.
//!
//! A tag is a name that somebody gave: which version a bundle is, its own `bundle.json` says, once it is fetched.

use std::sync::Arc;

use semver::Version;

use super::place::listing_of;
use super::{FetchError, entry};
use crate::oci::registry::{Registry, RegistryClient};
use crate::oci::{LayoutEntry, OciError};
use crate::reference::{Reference, RegistryReference};

/// A version, and the bundle that has its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedVersion {
    /// The version.
    pub version: Version,
    /// Where it is: in a layout or archive by its digest, in a registry by its tag.
    pub reference: Reference,
}

/// The versions that a registry has of a bundle. Tags that are no versions are passed over.
///
/// # Errors
/// [`FetchError`] when there is no such repository, or its tags cannot be read.
pub async fn published(
    place: &RegistryReference,
    registries: &Arc<RegistryClient>,
) -> Result<Vec<TaggedVersion>, FetchError> {
    let registry = Registry::to_read(registries, &place.host, &place.repository).map_err(OciError::from)?;
    let tags = registry.tags().await?;
    let tags = tags.ok_or_else(|| FetchError::NotThere(format!("{}/{}", place.host, place.repository)))?;
    let tagged = |tag: String| {
        let version = version_of(&tag)?;
        // Tags of others may be none by the rules, and name nothing that could be asked for.
        let text = format!("{}/{}:{tag}", place.host, place.repository);
        Some(TaggedVersion { version, reference: text.parse().ok()? })
    };
    Ok(tags.into_iter().filter_map(tagged).collect())
}

/// The versions of the bundle `REGISTRY/NAME` that a layout or archive carries, each under its whole name
/// `REGISTRY/NAME:VERSION`. None are anywhere else.
///
/// # Ambient Authority
/// The path is the operator's own word.
///
/// # Errors
/// [`FetchError`] when it cannot be read.
pub async fn carried(place: &Reference, repository: &str) -> Result<Vec<TaggedVersion>, FetchError> {
    let Some(listing) = listing_of(place).await? else { return Ok(Vec::new()) };
    let tagged = |entry: LayoutEntry<'_>| {
        let tag = entry.tag()?.strip_prefix(repository)?.strip_prefix(':')?;
        let digest = entry.descriptor().ok()?.digest;
        Some(TaggedVersion { version: version_of(tag)?, reference: place.clone().pinned(digest) })
    };
    Ok(listing.entries().filter(|entry| entry::may_be_bundle(*entry)).filter_map(tagged).collect())
}

/// The version that a tag names: `1.2.3`, `v1.2.3`, and `_` where a version has `+`, which no tag may have.
fn version_of(tag: &str) -> Option<Version> {
    Version::parse(&tag.strip_prefix('v').unwrap_or(tag).replace('_', "+")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_versions_or_passed_over() {
        for (tag, expected) in [
            ("1.2.3", Some("1.2.3")),
            ("v1.2.3-rc.1", Some("1.2.3-rc.1")),
            ("1.2.3_build.5", Some("1.2.3+build.5")),
            ("1.2", None),
            ("latest", None),
            ("vv1.2.3", None),
            ("sha256-44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", None),
            ("", None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(version_of(tag), expected, "{tag}");
        }
    }
}
