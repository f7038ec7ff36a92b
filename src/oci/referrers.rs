//! Referrers: turns the digest of a document into the list of artifacts that refer to it, such as its signatures.
//!
//! A registry may have an API for that. A repository without one keeps the list at a tag that is made from the digest
//! (OCI distribution 1.1). A layout may also have such documents in its own index.

use serde_json::Value;

use super::index::{list, readable, write_list};
use super::media_type::OCI_INDEX;
use super::{Descriptor, MAX_DOCUMENT, OciError, Repository};
use crate::digest::Digest;

/// How often a list is written that others write at the same time.
const MAX_TRIES: u32 = 5;

/// The referrers tag of a digest, for repositories without the referrers API.
pub fn fallback_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// The candidates for referrers of `subject` by its own list: whether a document refers to it, its `subject` member says.
/// `name` is the list's name in errors. A layout may list others in its `index.json`, which may belong to anything.
///
/// # Errors
/// [`OciError`] when the list cannot be read, or something in it is no descriptor.
pub async fn of(
    repository: &Repository,
    subject: Digest,
    name: &'static str,
) -> Result<Vec<Descriptor>, OciError> {
    let noted = match repository {
        Repository::Registry(registry) => registry.referrers(subject, name).await,
        Repository::Archive(_) | Repository::Layout(_) => Ok(None),
    };
    let entries = match noted {
        Ok(Some(noted)) => noted,
        Ok(None) => entries(repository, subject, name).await?,
        // Where the registry itself is silent, a mirror may have the list at its tag. That it has none says nothing.
        Err(error) => match repository.tagged(&fallback_tag(subject)).await {
            Ok(Some(found)) if error.is_silence() => {
                list(&repository.read(&found, MAX_DOCUMENT).await?, name)?
            }
            _ => return Err(error),
        },
    };
    Ok(entries.iter().map(Descriptor::parse).collect::<Result<Vec<_>, _>>()?)
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
    let mut left: Vec<&Descriptor> = referrers.iter().filter(|it| !is_noted(repository, it)).collect();
    for _ in 0..MAX_TRIES {
        let mut entries = entries(repository, subject, name).await?;
        left.retain(|it| !readable(&entries).any(|entry| entry.digest == it.digest));
        if left.is_empty() {
            return Ok(());
        }
        entries.extend(left.iter().map(|it| it.to_value()));
        let bytes = write_list(&entries);
        repository.add(OCI_INDEX, &bytes).await?;
        repository.tag(&fallback_tag(subject), &Descriptor::of(OCI_INDEX, &bytes)).await?;
    }
    // Somebody else wrote the list each time between our reading and our writing, or it is not what was written.
    let entries = entries(repository, subject, name).await?;
    let is_listed = |it: &&Descriptor| readable(&entries).any(|entry| entry.digest == it.digest);
    if left.iter().all(is_listed) { Ok(()) } else { Err(OciError::Unlisted(name)) }
}

/// Whether the repository lists a document by itself, since that names its subject.
fn is_noted(repository: &Repository, document: &Descriptor) -> bool {
    match repository {
        Repository::Registry(registry) => registry.has_noted(document.digest),
        Repository::Archive(_) | Repository::Layout(_) => false,
    }
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
