//! Counts what a store holds, looks whether it is whole, and makes room in it.
//!
//! A blob that an installation or a layout has, too, is one file with two names. To remove it here would free nothing, and
//! takes nothing from there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::fs::{Dir, DirEntry};

use super::{ANSWERS, PARTIAL, Store, found, partial_path};
use crate::digest::Digest;
use crate::oci::file::{self, blocking};
use crate::oci::listing::{BLOBS, path};
use crate::oci::{Descriptor, OciError};
use crate::sync::Mutex;

/// A blob in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// When it was last of use.
    pub used: SystemTime,
    /// Whether an installation or a layout has it as well, so that it takes no room of its own here.
    pub is_shared: bool,
    /// Whether not all of it came.
    pub is_partial: bool,
}

/// What was removed from a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Blobs.
    pub blobs: usize,
    /// Bytes that are free now.
    pub bytes: u64,
}

impl Store {
    /// All blobs, the last used ones first.
    ///
    /// # Errors
    /// [`OciError::System`] when the store cannot be read.
    pub async fn list(&self) -> Result<Vec<Kept>, OciError> {
        let directory = Arc::clone(&self.directory);
        blocking(move || listed(&directory)).await
    }

    /// Reads all blobs, removes those that are not what their names say, and gives their digests.
    ///
    /// # Errors
    /// [`OciError`] when the store cannot be read or written.
    pub async fn verify(&self) -> Result<Vec<Digest>, OciError> {
        let mut damaged = Vec::new();
        for kept in self.list().await?.into_iter().filter(|kept| !kept.is_partial) {
            let blob = Descriptor {
                media_type: String::new(),
                digest: kept.digest,
                size: kept.size,
                annotations: BTreeMap::new(),
                artifact_type: None,
            };
            if !self.holds(&blob).await? {
                damaged.push(kept.digest);
            }
        }
        Ok(damaged)
    }

    /// Removes what was not of use for the longest time, until at most so many bytes are left, and blobs that never came
    /// whole. What an installation or a layout has, too, stays: it takes no room.
    ///
    /// # Errors
    /// [`OciError::System`] when the store cannot be read or written.
    pub async fn prune(&self, most: u64) -> Result<Removed, OciError> {
        let (directory, taken) = (Arc::clone(&self.directory), self.taken.clone());
        blocking(move || {
            let removed = within(&directory, most, true)?;
            taken.forget();
            Ok(removed)
        })
        .await
    }

    /// Removes everything but what is on its way at this moment.
    ///
    /// # Errors
    /// [`OciError::System`] when the store cannot be read or written.
    pub async fn clear(&self) -> Result<Removed, OciError> {
        let (directory, taken) = (Arc::clone(&self.directory), self.taken.clone());
        blocking(move || {
            let mut removed = within(&directory, 0, true)?;
            for kept in listed(&directory)?.into_iter().filter(|kept| !kept.is_partial) {
                found(directory.remove_file(path(kept.digest)).map_err(OciError::system(BLOBS)))?;
                removed.blobs += 1;
            }
            for entry in entries(&directory, ANSWERS)? {
                found(entry.remove_file().map_err(OciError::system(ANSWERS)))?;
            }
            taken.forget();
            Ok(removed)
        })
        .await
    }
}

/// How many bytes a store takes, counted when that is first needed.
#[derive(Clone)]
pub(super) struct Taken {
    limit: u64,
    bytes: Arc<Mutex<Option<u64>>>,
}

impl Taken {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, bytes: Arc::default() }
    }

    /// Counts what was added, and makes room where it was too much. A tenth more than that goes, so that it is not done
    /// for each blob.
    pub(super) fn add(&self, directory: &Dir, added: u64) -> Result<(), OciError> {
        let mut bytes = self.bytes.lock();
        let taken = match *bytes {
            Some(before) => before.saturating_add(added),
            None => own(&listed(directory)?),
        };
        *bytes = Some(taken);
        if taken > self.limit {
            within(directory, self.limit - self.limit / 10, false)?;
            *bytes = None;
        }
        Ok(())
    }

    fn forget(&self) {
        *self.bytes.lock() = None;
    }
}

/// The bytes that nothing but the store has.
fn own(kept: &[Kept]) -> u64 {
    kept.iter().filter(|kept| !kept.is_shared).map(|kept| kept.size).fold(0, u64::saturating_add)
}

fn within(directory: &Dir, most: u64, with_partials: bool) -> Result<Removed, OciError> {
    let (mut removed, kept) = (Removed::default(), listed(directory)?);
    let mut left = own(&kept);
    let (partials, whole): (Vec<_>, Vec<_>) = kept.into_iter().partition(|kept| kept.is_partial);
    let oldest = whole.into_iter().rev().filter(|kept| !kept.is_shared);
    for kept in partials.into_iter().filter(|_| with_partials).chain(oldest) {
        let name = if kept.is_partial { partial_path(kept.digest) } else { path(kept.digest) };
        if !kept.is_partial && left <= most {
            break;
        }
        // What somebody adds to at this moment stays.
        if kept.is_partial && !file::open(directory, &name).is_ok_and(|file| file::is_free(&file)) {
            continue;
        }
        found(directory.remove_file(&name).map_err(OciError::system(&*name)))?;
        left = left.saturating_sub(kept.size);
        removed = Removed { blobs: removed.blobs + 1, bytes: removed.bytes.saturating_add(kept.size) };
    }
    Ok(removed)
}

fn listed(directory: &Dir) -> Result<Vec<Kept>, OciError> {
    let mut all = Vec::new();
    for (folder, is_partial) in [(BLOBS, false), (PARTIAL, true)] {
        for entry in entries(directory, folder)? {
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| format!("sha256:{name}").parse().ok());
            let (Some(digest), Some(kept)) = (digest, found(metadata(&entry, folder))?) else { continue };
            let used = kept.modified().map_or(SystemTime::UNIX_EPOCH, cap_std::time::SystemTime::into_std);
            let is_shared = links(&kept) > 1;
            all.push(Kept { digest, size: kept.len(), used, is_shared, is_partial });
        }
    }
    all.sort_by(|one, other| other.used.cmp(&one.used).then(one.digest.cmp(&other.digest)));
    Ok(all)
}

fn metadata(entry: &DirEntry, folder: &str) -> Result<cap_std::fs::Metadata, OciError> {
    entry.metadata().map_err(OciError::system(folder))
}

fn entries(directory: &Dir, folder: &str) -> Result<Vec<DirEntry>, OciError> {
    let entries = directory.read_dir(folder).map_err(OciError::system(folder))?;
    entries.collect::<Result<_, _>>().map_err(OciError::system(folder))
}

#[cfg(unix)]
fn links(file: &cap_std::fs::Metadata) -> u64 {
    use cap_std::fs::MetadataExt as _;
    file.nlink()
}

#[cfg(not(unix))]
fn links(_: &cap_std::fs::Metadata) -> u64 {
    1
}
