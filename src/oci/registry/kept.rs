//! Looks into the store before a registry is asked, and keeps there what it said.
//!
//! What a digest names is the same wherever it is, so it is not asked for again. A tag and a list of referrers are asked for
//! each time, by those who ask at all: who does not gets the last answer, which may be that there is nothing. Without an
//! answer nothing is taken for absent.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::StatusCode;
use serde_json::Value;

use super::documents::is_document;
use super::{Registry, RegistryError};
use crate::digest::Digest;
use crate::oci::store::{Begun, Partial, Store, is_of_disk};
use crate::oci::{BlobStream, CopyObserver, Descriptor, MAX_DOCUMENT, OciError};

/// How the bytes of a blob come.
pub(in crate::oci) enum Source {
    /// From the registry.
    Registry(BlobStream),
    /// From the store, which has all of them.
    Store(Arc<Store>, BlobStream),
}

impl Registry {
    /// The document at a tag or digest, which is kept for whoever asks for it next.
    pub(super) async fn document_at(
        &self,
        reference: &str,
        expected: Option<Digest>,
    ) -> Result<Option<(Descriptor, Bytes)>, OciError> {
        let Some(store) = &self.store else {
            self.may_ask(|| format!("what `{reference}` names"))?;
            return self.asked_document_at(reference, expected).await;
        };
        let question = self.question("manifests", reference);
        if expected.is_some() || self.is_offline {
            match store.answer(&question).await {
                Some(Value::Null) if self.is_offline => return Ok(None),
                Some(answer) => {
                    let named = Descriptor::parse(&answer).ok();
                    let named = named.filter(|it| expected.is_none_or(|expected| it.digest == expected));
                    if let Some(found) = self.document_in(store, named).await {
                        return Ok(Some(found));
                    }
                    let digest = answer.get("digest").and_then(Value::as_str).unwrap_or(reference);
                    self.may_ask(|| format!("`{digest}`"))?;
                }
                None => self.may_ask(|| format!("what `{reference}` names"))?,
            }
        }
        let found = self.asked_document_at(reference, expected).await?;
        let answer = found.as_ref().map_or(Value::Null, |(document, _)| document.to_value());
        if let Some((document, bytes)) = &found {
            self.keep_document(store, document, bytes).await;
            let digest = self.question("manifests", &document.digest.to_string());
            if digest != question {
                store.note(&digest, answer.clone()).await;
            }
        }
        store.note(&question, answer).await;
        Ok(found)
    }

    /// The entries that are listed as referrers of a document; none where there is no list of that kind.
    pub(in crate::oci) async fn referrers(
        &self,
        subject: Digest,
        name: &'static str,
    ) -> Result<Option<Vec<Value>>, OciError> {
        let question = self.question("referrers", &subject.to_string());
        if self.is_offline {
            return match self.answer(&question).await {
                Some(Value::Array(entries)) => Ok(Some(entries)),
                Some(Value::Null) => Ok(None),
                _ => Err(self.offline(format!("the list of what refers to {subject}")).into()),
            };
        }
        let found = self.asked_referrers(subject, name).await?;
        self.note(&question, || found.clone().map_or(Value::Null, Value::Array)).await;
        Ok(found)
    }

    /// The tags of the repository, of which the registry or a mirror tells. None: there is no such repository.
    ///
    /// # Errors
    /// [`OciError`] when nobody answers, or against the rules, and when there are too many.
    pub async fn tags(&self) -> Result<Option<Vec<String>>, OciError> {
        let question = self.question("tags", "all");
        if self.is_offline {
            let told = self.answer(&question).await.and_then(|kept| serde_json::from_value(kept).ok());
            return Ok(told.ok_or_else(|| self.offline("the list of tags".to_owned()))?);
        }
        let found = self.asked_tags().await?;
        self.note(&question, || found.clone().into()).await;
        Ok(found)
    }

    /// The bytes of a blob, from the store where there is one.
    pub(super) async fn blob(&self, blob: &Descriptor) -> Result<BlobStream, OciError> {
        match self.source(blob, None).await? {
            Source::Registry(stream) | Source::Store(_, stream) => Ok(stream),
        }
    }

    /// The bytes of a blob that goes on to another registry: from the store if they are there, and they are not kept.
    pub(in crate::oci) async fn passing(&self, blob: &Descriptor) -> Result<BlobStream, OciError> {
        if is_document(&blob.media_type) {
            return self.document(blob).await;
        }
        if let Some(store) = &self.store
            && store.holds(blob).await.unwrap_or(false)
            && let Some(stream) = store.stream(blob).await?
        {
            return Ok(stream);
        }
        self.may_ask(|| format!("`{}`", blob.digest))?;
        self.download(blob, 0).await
    }

    /// Gets a blob into the store, unless it is there, and gives it from there. `watch` is told what comes.
    pub(in crate::oci) async fn source(
        &self,
        blob: &Descriptor,
        watch: Option<&Arc<dyn CopyObserver>>,
    ) -> Result<Source, OciError> {
        if is_document(&blob.media_type) {
            return Ok(Source::Registry(watched(self.document(blob).await?, watch)));
        }
        if let Some(store) = &self.store {
            let is_there = match self.keep_blob(store, blob, watch).await {
                Ok(is_there) => is_there,
                Err(error) if is_of_disk(&error) => false,
                Err(error) => return Err(error),
            };
            // Whoever makes room may have removed it again.
            if let Some(stream) = if is_there { store.stream(blob).await? } else { None } {
                return Ok(Source::Store(Arc::clone(store), stream));
            }
        }
        self.may_ask(|| format!("`{}`", blob.digest))?;
        Ok(Source::Registry(watched(self.download(blob, 0).await?, watch)))
    }

    /// Says whether the blob is in the store now.
    async fn keep_blob(
        &self,
        store: &Store,
        blob: &Descriptor,
        watch: Option<&Arc<dyn CopyObserver>>,
    ) -> Result<bool, OciError> {
        let mut partial = match store.begin(blob).await? {
            Begun::Partial(partial) => partial,
            Begun::Busy | Begun::TooLong => return Ok(false),
            Begun::Whole => {
                if let Some(watch) = watch {
                    watch.skipped(blob);
                }
                return Ok(true);
            }
        };
        loop {
            let start = partial.length();
            match self.fill(&mut partial, blob, watch).await {
                Ok(()) => return partial.finish().await.map(|()| true),
                // What was there before is not of this blob, or the registry does not go on from there.
                Err(error) if start > 0 && is_of_start(&error) => partial.restart()?,
                Err(error) => {
                    let is_worth_it = matches!(error, OciError::Registry(_)) && partial.length() > 0;
                    if !is_worth_it {
                        partial.discard();
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn fill(
        &self,
        partial: &mut Partial,
        blob: &Descriptor,
        watch: Option<&Arc<dyn CopyObserver>>,
    ) -> Result<(), OciError> {
        let start = partial.length();
        let whole = if start == blob.size {
            BlobStream::new(blob, partial.pieces()?)
        } else {
            self.may_ask(|| format!("`{}`", blob.digest))?;
            let rest = self.download(blob, start).await?;
            if start == 0 { rest } else { BlobStream::new(blob, partial.pieces()?.chain(rest.unchecked())) }
        };
        partial.fill(watched(whole, watch)).await
    }

    async fn document_in(&self, store: &Store, named: Option<Descriptor>) -> Option<(Descriptor, Bytes)> {
        let named = named?;
        let bytes = store.stream(&named).await.ok()??.read(MAX_DOCUMENT).await.ok()?;
        let found = (named, Bytes::from(bytes));
        self.keep(&found.0, &found.1);
        Some(found)
    }

    /// A store that does not take it has it not, and that is all.
    async fn keep_document(&self, store: &Store, document: &Descriptor, bytes: &Bytes) {
        if let Ok(Begun::Partial(mut partial)) = store.begin(document).await {
            let stream = BlobStream::new(document, stream::iter([Ok(bytes.clone())]));
            let is_kept = partial.restart().is_ok() && partial.fill(stream).await.is_ok();
            if is_kept {
                drop(partial.finish().await);
            } else {
                partial.discard();
            }
        }
    }

    /// The last answer to a question, if one is kept.
    async fn answer(&self, question: &str) -> Option<Value> {
        self.store.as_ref()?.answer(question).await
    }

    /// Keeps an answer, where answers are kept.
    async fn note(&self, question: &str, answer: impl FnOnce() -> Value) {
        if let Some(store) = &self.store {
            store.note(question, answer()).await;
        }
    }

    fn question(&self, kind: &str, of: &str) -> String {
        format!("{}/{} {kind} {of}", self.host.name, self.name)
    }

    fn may_ask(&self, missing: impl FnOnce() -> String) -> Result<(), RegistryError> {
        if self.is_offline { Err(self.offline(missing())) } else { Ok(()) }
    }

    fn offline(&self, missing: String) -> RegistryError {
        RegistryError::Offline { missing, place: format!("{}/{}", self.host.name, self.name) }
    }
}

/// Whether a blob may come if it is asked for from its first byte on.
fn is_of_start(error: &OciError) -> bool {
    let unsatisfiable = StatusCode::RANGE_NOT_SATISFIABLE.as_u16();
    match error {
        OciError::Digest(_) | OciError::Size { .. } => true,
        OciError::Registry(RegistryError::Status { status, .. }) => *status == unsatisfiable,
        OciError::Registry(RegistryError::Protocol { .. }) => true,
        _ => false,
    }
}

fn watched(stream: BlobStream, watch: Option<&Arc<dyn CopyObserver>>) -> BlobStream {
    match watch {
        Some(watch) => stream.watched(watch),
        None => stream,
    }
}
