//! A repository in a registry, by the OCI distribution specification 1.1.
//!
//! Whoever runs the registry, or stands between, may answer anything. So bytes are checked against their digests like
//! anywhere else, documents are read up to a limit, credentials go to the registry alone, and nothing that it says
//! leads a request to a place that these rules do not allow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::{BlobStream, Descriptor, OciError, Store};
use crate::digest::Digest;
use crate::sync::Mutex;

mod error;
mod secrets;
mod origin;
mod challenge;
mod credential;
mod helper;
mod auth_file;
mod transport;
mod response;
mod token;
mod mirror;
mod settings;
mod ask;
mod retry;
mod client;
mod host;
mod documents;
mod download;
mod upload;
mod pages;
mod mirrors;
mod kept;

pub use auth_file::AuthFiles;
pub use client::RegistryClient;
pub use credential::{Anonymous, RegistryCredential, RegistryCredentials};
pub use error::RegistryError;
pub use mirror::Mirror;
pub use settings::{ClientIdentity, RegistrySettings};
pub use transport::{Patience, Proxies};

use ask::Ask;
use documents::is_document;
use host::Host;
use mirrors::Standing;

pub(super) use kept::Source;

/// A repository in a registry.
pub struct Registry {
    host: Host,
    /// A path of checked segments.
    name: String,
    /// Whether it is to be written: the registry is asked for that right.
    is_written: bool,
    /// Documents that were read or written, which a tag may be put on.
    documents: Mutex<BTreeMap<Digest, (Descriptor, Bytes)>>,
    /// Documents whose `subject` the registry noted by itself.
    noted: Mutex<BTreeSet<Digest>>,
    /// Registries that are asked before, where it is only read.
    mirrors: Vec<Self>,
    standing: Standing,
    /// Where what is read is kept; none for those who write, and for mirrors.
    store: Option<Arc<Store>>,
    /// Whether nobody is asked.
    is_offline: bool,
}

/// The most bytes of documents that are kept.
const MAX_KEPT: usize = 16 << 20;

impl Registry {
    /// A repository that is only read. Nothing is sent yet.
    ///
    /// # Errors
    /// [`RegistryError`] where `host` cannot be one.
    pub fn to_read(client: &Arc<RegistryClient>, host: &str, name: &str) -> Result<Self, RegistryError> {
        let mut registry = Self::new(client, host, name, false)?;
        for mirror in client.mirrors(host)? {
            registry.mirrors.push(Self::new(client, &mirror.host, &mirror.repository(name), false)?);
        }
        registry.store = client.store()?;
        Ok(registry)
    }

    /// A repository that is written, too. Nothing is sent yet.
    ///
    /// # Errors
    /// [`RegistryError`] where `host` cannot be one.
    pub fn to_write(client: &Arc<RegistryClient>, host: &str, name: &str) -> Result<Self, RegistryError> {
        Self::new(client, host, name, true)
    }

    fn new(
        client: &Arc<RegistryClient>,
        host: &str,
        name: &str,
        is_written: bool,
    ) -> Result<Self, RegistryError> {
        Ok(Self {
            is_offline: client.is_offline()?,
            host: client.host(host)?,
            name: name.to_owned(),
            is_written,
            documents: Mutex::default(),
            noted: Mutex::default(),
            mirrors: Vec::new(),
            standing: Standing::default(),
            store: None,
        })
    }

    /// The descriptor of what is at `tag`.
    ///
    /// # Errors
    /// [`OciError`] when the registry does not answer, or against the rules.
    pub async fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, OciError> {
        Ok(self.document_at(tag, None).await?.map(|(descriptor, _)| descriptor))
    }

    /// The descriptor of the document with this digest: registries tell its type and size.
    ///
    /// # Errors
    /// [`OciError`] when the registry does not answer, or against the rules.
    pub async fn described(&self, digest: Digest) -> Result<Option<Descriptor>, OciError> {
        let found = self.document_at(&digest.to_string(), Some(digest)).await?;
        Ok(found.map(|(descriptor, _)| descriptor))
    }

    /// The bytes of a blob or a document.
    pub(super) async fn stream(&self, blob: &Descriptor) -> Result<BlobStream, OciError> {
        if is_document(&blob.media_type) { self.document(blob).await } else { self.blob(blob).await }
    }

    async fn document(&self, blob: &Descriptor) -> Result<BlobStream, OciError> {
        let kept = self.documents.lock().get(&blob.digest).cloned();
        let found = match kept {
            Some(kept) => Some(kept),
            None => self.document_at(&blob.digest.to_string(), Some(blob.digest)).await?,
        };
        let (found, bytes) = found.ok_or(OciError::Absent(blob.digest))?;
        documents::same_type(blob, &found)?;
        Ok(BlobStream::new(blob, futures_util::stream::iter([Ok(bytes)])))
    }

    /// Where what is read is kept.
    pub(super) fn store(&self) -> Option<&Arc<Store>> {
        self.store.as_ref()
    }

    /// Whether a blob or document is there already.
    pub(super) async fn has(&self, blob: &Descriptor) -> Result<bool, OciError> {
        let kind = if is_document(&blob.media_type) { "manifests" } else { "blobs" };
        let ask = self.ask(http::Method::HEAD, &format!("{kind}/{}", blob.digest));
        let ask = ask.accepting(documents::ACCEPTED);
        let answer = self.host.expect(&ask, &[http::StatusCode::OK, http::StatusCode::NOT_FOUND]).await?;
        Ok(answer.status == http::StatusCode::OK)
    }

    /// Whether the registry lists the document as a referrer by itself.
    pub(super) fn has_noted(&self, document: Digest) -> bool {
        self.noted.lock().contains(&document)
    }

    fn keep(&self, document: &Descriptor, bytes: &Bytes) {
        let mut documents = self.documents.lock();
        let held: usize = documents.values().map(|(_, bytes)| bytes.len()).sum();
        if held + bytes.len() <= MAX_KEPT {
            documents.insert(document.digest, (document.clone(), bytes.clone()));
        }
    }

    fn ask(&self, method: http::Method, path: &str) -> Ask {
        Ask::new(method, self.host.url(&format!("/v2/{}/{path}", self.name)), self.scope())
    }

    fn scope(&self) -> String {
        format!("repository:{}:{}", self.name, if self.is_written { "pull,push" } else { "pull" })
    }
}

#[cfg(test)]
mod tests;
