//! Reads what mirrors of a registry have from them, in their order, and the rest from the registry itself.
//!
//! A mirror can give nothing that the registry could not: bytes are checked by their digests, and what a tag means is
//! decided by a signature. So all that a mirror may do is to have something or not. Where the registry itself cannot be
//! reached, that a mirror answered and has nothing is the answer: whoever is cut off has only the mirror.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde_json::Value;

use super::{Registry, RegistryError};
use crate::digest::Digest;
use crate::oci::{BlobStream, Descriptor, OciError};

/// Whether somebody was asked in vain, and is left alone for the rest of a command.
#[derive(Default)]
pub(super) struct Standing(AtomicBool);

impl Standing {
    fn is_down(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note<T>(&self, answer: &Result<T, OciError>) -> bool {
        let silent = RegistryError::is_silence;
        let is_silent = matches!(answer, Err(OciError::Registry(error)) if silent(error));
        self.0.fetch_or(is_silent, Ordering::Relaxed);
        is_silent
    }
}

/// What the mirrors said so far.
#[derive(Default)]
struct Mirrors {
    has_answered: bool,
}

impl Mirrors {
    /// What one of them has, if that ends the search.
    fn told<T>(
        &mut self,
        mirror: &Registry,
        answer: Result<Option<T>, OciError>,
    ) -> Result<Option<T>, OciError> {
        mirror.standing.note(&answer);
        match answer {
            Ok(None) => {
                self.has_answered = true;
                Ok(None)
            }
            Err(OciError::Registry(_)) => Ok(None),
            answer => answer,
        }
    }

    /// Whether the registry itself is not worth asking.
    fn are_all(&self, registry: &Registry) -> bool {
        self.has_answered && registry.standing.is_down()
    }

    /// The answer, with that of the registry itself.
    fn or<T>(&self, registry: &Registry, answer: Result<Option<T>, OciError>) -> Result<Option<T>, OciError> {
        let is_silent = registry.standing.note(&answer);
        if is_silent && self.has_answered { Ok(None) } else { answer }
    }
}

impl Registry {
    fn up(&self) -> impl Iterator<Item = &Self> {
        self.mirrors.iter().filter(|mirror| !mirror.standing.is_down())
    }

    /// The document at a tag or digest, which is kept for whoever asks for it next.
    pub(super) async fn document_at(
        &self,
        reference: &str,
        expected: Option<Digest>,
    ) -> Result<Option<(Descriptor, Bytes)>, OciError> {
        let mut mirrors = Mirrors::default();
        for mirror in self.up() {
            let answer = mirror.own_document_at(reference, expected).await;
            if let Some(found) = mirrors.told(mirror, answer)? {
                return Ok(Some(self.kept(found)));
            }
        }
        if mirrors.are_all(self) {
            return Ok(None);
        }
        let found = mirrors.or(self, self.own_document_at(reference, expected).await)?;
        Ok(found.map(|found| self.kept(found)))
    }

    fn kept(&self, (document, bytes): (Descriptor, Bytes)) -> (Descriptor, Bytes) {
        self.keep(&document, &bytes);
        (document, bytes)
    }

    pub(super) async fn download(&self, blob: &Descriptor) -> Result<BlobStream, OciError> {
        let mut mirrors = Mirrors::default();
        for mirror in self.up() {
            if let Some(found) = mirrors.told(mirror, mirror.own_download(blob).await)? {
                return Ok(found);
            }
        }
        let absent = || OciError::Absent(blob.digest);
        if mirrors.are_all(self) {
            return Err(absent());
        }
        mirrors.or(self, self.own_download(blob).await)?.ok_or_else(absent)
    }

    /// The entries that the registry or a mirror lists as referrers of a document; none where there is no list of that
    /// kind. An empty list of a mirror says nothing: most of them do not keep such lists.
    pub(in crate::oci) async fn referrers(
        &self,
        subject: Digest,
        name: &'static str,
    ) -> Result<Option<Vec<Value>>, OciError> {
        let mut mirrors = Mirrors::default();
        for mirror in self.up() {
            let answer = mirror.own_referrers(subject, name).await;
            // An empty list is one that it does not have.
            let answer = answer.map(|found| found.filter(|found| !found.is_empty()));
            if let Some(found) = mirrors.told(mirror, answer)? {
                return Ok(Some(found));
            }
        }
        if mirrors.are_all(self) {
            return Ok(None);
        }
        mirrors.or(self, self.own_referrers(subject, name).await)
    }

    /// The tags of the repository, of which the registry or a mirror tells. None: there is no such repository.
    ///
    /// # Errors
    /// [`OciError`] when nobody answers, or against the rules, and when there are too many.
    pub async fn tags(&self) -> Result<Option<Vec<String>>, OciError> {
        let mut mirrors = Mirrors::default();
        for mirror in self.up() {
            // A mirror that lists nothing may have what is asked of it all the same.
            let answer = mirror.own_tags().await.map(|found| found.filter(|found| !found.is_empty()));
            if let Some(found) = mirrors.told(mirror, answer)? {
                return Ok(Some(found));
            }
        }
        if mirrors.are_all(self) {
            return Ok(None);
        }
        mirrors.or(self, self.own_tags().await)
    }
}
