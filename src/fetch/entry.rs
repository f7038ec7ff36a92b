//! Turns a tag, a digest or neither into the one bundle that it means in a layout.
//!
//! A layout may hold bundles beside anything else: images, signatures, lists of referrers. What could mean two bundles
//! is refused with their tags.

use std::collections::BTreeSet;

use super::FetchError;
use crate::bundle::index::is_bundle_index;
use crate::digest::Digest;
use crate::document;
use crate::oci::media_type::is_index;
use crate::oci::{Descriptor, LayoutEntry, Listing, MAX_DOCUMENT, Malformed, OciError, Repository};

/// The most bytes of indexes that are looked at for the one that is a bundle's. A layout may list thousands.
const MAX_LOOKED_AT: u64 = 64 << 20;

/// The descriptor of the bundle's index, and its tag.
pub(super) async fn resolve(
    repository: &Repository,
    tag: Option<&str>,
    digest: Option<Digest>,
) -> Result<(Option<String>, Descriptor), FetchError> {
    let listing = repository.listing().ok_or(FetchError::Empty)?;
    let Some(tag) = tag else {
        // What bears the name of a repository elsewhere came with a bundle that depends on it, where there is another.
        let own = untagged(repository, listing, digest, |entry| !is_of_elsewhere(entry)).await;
        return match own {
            Err(FetchError::Empty | FetchError::NoDigest(_)) => {
                untagged(repository, listing, digest, |_| true).await
            }
            own => own,
        };
    };
    let tagged = listing.entries_at(tag);
    let entry = match tagged[..] {
        [] => return Err(FetchError::Tag { tag: tag.into(), tags: tags(listing) }),
        [entry] => entry,
        _ => return Err(FetchError::Ambiguous(vec![tag.into()])),
    };
    if !may_be_bundle(entry) {
        return Err(FetchError::NotABundle(document::visible(tag)));
    }
    let found = entry.descriptor().map_err(OciError::from)?;
    match digest {
        Some(expected) if expected != found.digest => {
            Err(FetchError::OtherDigest { tag: tag.into(), expected, found: found.digest })
        }
        _ => Ok((Some(tag.into()), found.plain())),
    }
}

/// The one bundle of the layout, or the one with this digest.
async fn untagged(
    repository: &Repository,
    listing: &Listing,
    digest: Option<Digest>,
    counts: impl Fn(LayoutEntry<'_>) -> bool,
) -> Result<(Option<String>, Descriptor), FetchError> {
    let mut found: Option<(Option<String>, Descriptor)> = None;
    let mut unread = None;
    let (mut seen, mut left) = (BTreeSet::new(), MAX_LOOKED_AT);
    for entry in listing.entries().filter(|entry| may_be_bundle(*entry) && counts(*entry)) {
        // An entry that cannot be read is not the one that is asked for; those of others may follow rules of theirs.
        let descriptor = match entry.descriptor() {
            Ok(descriptor) => descriptor,
            Err(Malformed::Algorithm(name)) => {
                unread = Some(Malformed::Algorithm(name));
                continue;
            }
            Err(_) => continue,
        };
        if !seen.insert(descriptor.digest) {
            continue;
        }
        let is_wanted = match digest {
            Some(digest) => descriptor.digest == digest,
            None => {
                left = left.checked_sub(descriptor.size).ok_or(OciError::TooMany("`index.json`"))?;
                is_bundle_index(&repository.read(&descriptor, MAX_DOCUMENT).await?)
            }
        };
        match &found {
            _ if !is_wanted => {}
            Some((_, other)) if other.digest != descriptor.digest => {
                return Err(FetchError::Ambiguous(tags(listing)));
            }
            Some(_) => {}
            None => found = Some((entry.tag().map(Into::into), descriptor.plain())),
        }
    }
    let unread = unread.filter(|_| digest.is_none()).map(|unread| OciError::from(unread).into());
    found.ok_or_else(|| unread.unwrap_or_else(|| digest.map_or(FetchError::Empty, FetchError::NoDigest)))
}

/// The tags of possible bundles.
pub(super) fn tags(listing: &Listing) -> Vec<String> {
    let bundles = listing.entries().filter(|entry| may_be_bundle(*entry));
    let mut tags: Vec<String> = bundles.filter_map(LayoutEntry::tag).map(Into::into).collect();
    tags.sort();
    tags
}

/// Whether an entry bears the name of a repository, and not a tag alone.
fn is_of_elsewhere(entry: LayoutEntry<'_>) -> bool {
    entry.tag().is_some_and(|tag| tag.contains('/'))
}

/// Whether an entry is an index, and not a list of referrers.
pub(super) fn may_be_bundle(entry: LayoutEntry<'_>) -> bool {
    entry.media_type().is_some_and(is_index) && !entry.tag().is_some_and(|tag| tag.starts_with("sha256-"))
}
