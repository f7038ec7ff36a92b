//! Referrers: turns the digest of a document into the list of artifacts that refer to it, such as its signatures.
//!
//! A repository without an API for that keeps the list at a tag that is made from the digest (OCI distribution 1.1). A
//! layout may also have such documents in its own index.

use serde_json::Value;

use super::index::{list, readable, write_list};
use super::media_type::OCI_INDEX;
use super::{Descriptor, MAX_DOCUMENT, OciError, Repository};
use crate::digest::Digest;

/// The referrers tag of a digest, for repositories without the referrers API.
pub fn fallback_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// The candidates for referrers of `subject`: whether a document refers to it, its `subject` member says. `name` is the
/// list's name in errors.
///
/// # Errors
/// [`OciError`] when the list cannot be read, or something in it is no descriptor.
pub async fn of(
    repository: &Repository,
    subject: Digest,
    name: &'static str,
) -> Result<Vec<Descriptor>, OciError> {
    let entries = entries(repository, subject, name).await?;
    let mut found = entries.iter().map(Descriptor::parse).collect::<Result<Vec<_>, _>>()?;
    found.extend(repository.listed());
    Ok(found)
}

/// Adds documents to the list of referrers of `subject`. `name` is the list's name in errors.
///
/// # Errors
/// [`OciError`] when the list cannot be read or written.
pub async fn add(
    repository: &mut Repository,
    subject: Digest,
    referrers: &[Descriptor],
    name: &'static str,
) -> Result<(), OciError> {
    if referrers.is_empty() {
        return Ok(());
    }
    let mut entries = entries(repository, subject, name).await?;
    for referrer in referrers {
        if !readable(&entries).any(|entry| entry.digest == referrer.digest) {
            entries.push(referrer.to_value());
        }
    }
    let bytes = write_list(&entries);
    repository.add(&bytes).await?;
    repository.tag(&fallback_tag(subject), &Descriptor::of(OCI_INDEX, &bytes)).await
}

/// The entries at the fallback tag.
async fn entries(
    repository: &Repository,
    subject: Digest,
    name: &'static str,
) -> Result<Vec<Value>, OciError> {
    let Some(descriptor) = repository.tagged(&fallback_tag(subject)).await? else { return Ok(Vec::new()) };
    list(&repository.read(&descriptor, MAX_DOCUMENT).await?, name)
}
