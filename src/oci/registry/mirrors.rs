//! Reads what mirrors of a registry have from them, in their order, and the rest from the registry itself.
//!
//! A mirror can give nothing that the registry could not: bytes are checked by their digests, and what a tag means is
//! decided by a signature. So all that a mirror may do is to have something. That there is nothing, the registry itself
//! says, or nobody: where signatures are looked for, a mirror that has none would hide those that there are.

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

    fn note<T>(&self, answer: &Result<T, OciError>) {
        let silent = RegistryError::is_silence;
        let is_silent = matches!(answer, Err(OciError::Registry(error)) if silent(error));
        self.0.fetch_or(is_silent, Ordering::Relaxed);
    }
}

/// What a mirror has, if it has it. That it has nothing, will not say or cannot be reached comes to the same.
fn told<T>(mirror: &Registry, answer: Result<Option<T>, OciError>) -> Result<Option<T>, OciError> {
    mirror.standing.note(&answer);
    match answer {
        Err(OciError::Registry(_)) => Ok(None),
        answer => answer,
    }
}

impl Registry {
    fn up(&self) -> impl Iterator<Item = &Self> {
        self.mirrors.iter().filter(|mirror| !mirror.standing.is_down())
    }

    /// The answer of the registry itself. One that did not answer before is not waited for once more.
    async fn itself<T>(
        &self,
        asked: impl Future<Output = Result<Option<T>, OciError>>,
    ) -> Result<Option<T>, OciError> {
        if self.standing.is_down() {
            let (host, why) = (self.host.to_string(), "it did not answer before".to_owned());
            return Err(RegistryError::Unreachable { host, why }.into());
        }
        let answer = asked.await;
        self.standing.note(&answer);
        answer
    }

    /// The document that a mirror or the registry has at a tag or digest, which is kept for the next who asks for it.
    pub(super) async fn asked_document_at(
        &self,
        reference: &str,
        expected: Option<Digest>,
    ) -> Result<Option<(Descriptor, Bytes)>, OciError> {
        for mirror in self.up() {
            let answer = mirror.own_document_at(reference, expected).await;
            if let Some(found) = told(mirror, answer)? {
                return Ok(Some(self.kept(found)));
            }
        }
        let found = self.itself(self.own_document_at(reference, expected)).await?;
        Ok(found.map(|found| self.kept(found)))
    }

    fn kept(&self, (document, bytes): (Descriptor, Bytes)) -> (Descriptor, Bytes) {
        self.keep(&document, &bytes);
        (document, bytes)
    }

    /// The bytes of a blob from `start` on.
    pub(super) async fn download(&self, blob: &Descriptor, start: u64) -> Result<BlobStream, OciError> {
        for mirror in self.up() {
            if let Some(found) = told(mirror, mirror.own_download(blob, start).await)? {
                return Ok(found);
            }
        }
        self.itself(self.own_download(blob, start)).await?.ok_or(OciError::Absent(blob.digest))
    }

    /// The entries that the registry or a mirror lists as referrers of a document; none where there is no list of that
    /// kind. An empty list of a mirror says nothing: most of them do not keep such lists.
    pub(super) async fn asked_referrers(
        &self,
        subject: Digest,
        name: &'static str,
    ) -> Result<Option<Vec<Value>>, OciError> {
        for mirror in self.up() {
            let answer = mirror.own_referrers(subject, name).await;
            // An empty list is one that it does not have.
            let answer = answer.map(|found| found.filter(|found| !found.is_empty()));
            if let Some(found) = told(mirror, answer)? {
                return Ok(Some(found));
            }
        }
        self.itself(self.own_referrers(subject, name)).await
    }

    /// The tags of the repository, of which the registry or a mirror tells. None: there is no such repository.
    pub(super) async fn asked_tags(&self) -> Result<Option<Vec<String>>, OciError> {
        for mirror in self.up() {
            // A mirror that lists nothing may have what is asked of it all the same.
            let answer = mirror.own_tags().await.map(|found| found.filter(|found| !found.is_empty()));
            if let Some(found) = told(mirror, answer)? {
                return Ok(Some(found));
            }
        }
        self.itself(self.own_tags()).await
    }
}
