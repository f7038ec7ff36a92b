//! Streams a blob into a registry, or has the registry take it from another of its repositories.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use futures_util::{Stream, StreamExt as _};
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use super::Registry;
use super::ask::agent;
use super::documents::is_document;
use super::response::Answer;
use super::transport::BoxError;
use crate::digest::Digest;
use crate::oci::{BlobStream, Descriptor, MAX_DOCUMENT, OciError};
use crate::sync::Mutex;

impl Registry {
    /// Stores a blob or document as it comes in.
    pub(in crate::oci) async fn receive(&self, blob: BlobStream) -> Result<(), OciError> {
        if is_document(blob.media_type()) {
            let document = blob.descriptor();
            let bytes = blob.read(MAX_DOCUMENT).await?;
            return self.put_document(&document, bytes.into()).await;
        }
        let place = self.begin_upload(None).await?;
        match place {
            Some(place) => self.upload(&place, blob).await,
            None => Err(self.host.broken("it took an upload that was not sent").into()),
        }
    }

    /// Stores a blob or document that is in memory.
    pub(in crate::oci) async fn add(&self, blob: &Descriptor, bytes: Bytes) -> Result<(), OciError> {
        if is_document(&blob.media_type) {
            return self.put_document(blob, bytes).await;
        }
        if self.has(blob).await? {
            return Ok(());
        }
        self.receive(BlobStream::new(blob, stream::iter([Ok(bytes)]))).await
    }

    /// Has the registry take a blob from another of its repositories. It may refuse, and then has nothing of it.
    pub(in crate::oci) async fn mount(&self, blob: Digest, from: &Self) -> Result<bool, OciError> {
        if from.host.origin != self.host.origin || from.name == self.name {
            return Ok(false);
        }
        Ok(self.begin_upload(Some((blob, &from.name))).await?.is_none())
    }

    /// The place where a blob can be put; none where the registry has taken it from elsewhere.
    async fn begin_upload(&self, mount: Option<(Digest, &str)>) -> Result<Option<String>, OciError> {
        let path = match mount {
            None => "blobs/uploads/".to_owned(),
            Some((blob, from)) => format!("blobs/uploads/?mount={blob}&from={}", from.replace('/', "%2F")),
        };
        let mut ask = self.ask(Method::POST, &path);
        ask.headers.insert(CONTENT_LENGTH, 0.into());
        let answer = self.host.expect(&ask, &[StatusCode::ACCEPTED, StatusCode::CREATED]).await?;
        if answer.status == StatusCode::CREATED && mount.is_some() {
            return Ok(None);
        }
        let place =
            answer.header(&LOCATION).ok_or_else(|| self.host.broken("it names no place for an upload"))?;
        Ok(Some(self.host.own_place(&ask.url, place)?))
    }

    async fn upload(&self, place: &str, blob: BlobStream) -> Result<(), OciError> {
        let size = blob.size();
        let url = format!("{place}{}digest={}", if place.contains('?') { '&' } else { '?' }, blob.digest());
        let mut request = Request::builder()
            .method(Method::PUT)
            .uri(url)
            .header(USER_AGENT, agent())
            .header(ACCEPT_ENCODING, "identity")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, blob.size());
        let identity = self.host.known_as(&self.scope());
        let with_credential = identity.is_some();
        if let Some(identity) = identity {
            request = request.header(AUTHORIZATION, identity);
        }
        let (passed, fault) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
        let body =
            Sent { blob: Some(blob), held: None, passed: Arc::clone(&passed), fault: Arc::clone(&fault) }
                .stream();
        let body = StreamBody::new(body).boxed_unsync();
        let request = request.body(body).map_err(|_| self.host.broken("an address cannot be used"))?;
        let transport = self.host.transport()?;
        let stalled = stands_still(&passed, size, transport.patience().silence);
        let sent = transport.upload(request, stalled).await;
        // The reason why the bytes did not come is the reason, and not that the registry then got no further.
        if let Some(fault) = fault.lock().take() {
            return Err(fault);
        }
        let answer = Answer::new(sent?, self.host.to_string(), transport.patience());
        let answer = answer.asked_by_somebody(with_credential);
        match answer.status {
            StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED => Ok(()),
            _ => Err(self.host.refusal(answer, &self.ask(Method::PUT, "")).await.into()),
        }
    }
}

/// How many times as long a registry that has all bytes may take to store them.
const STORING: u32 = 20;

/// Ends when nothing was passed on for so long, although there is more.
async fn stands_still(passed: &AtomicU64, size: u64, silence: Duration) {
    let mut before = None;
    loop {
        let now = passed.load(Ordering::Relaxed);
        if now >= size {
            return tokio::time::sleep(silence.saturating_mul(STORING)).await;
        }
        if before == Some(now) {
            return;
        }
        before = Some(now);
        tokio::time::sleep(silence).await;
    }
}

/// The bytes of a blob on their way into a request.
///
/// The last of them are held back until it is known that all were the right ones: otherwise a registry would have been
/// sent all of another blob, and only its own check would keep it from storing that.
struct Sent {
    blob: Option<BlobStream>,
    held: Option<Bytes>,
    passed: Arc<AtomicU64>,
    /// Why they did not all come.
    fault: Arc<Mutex<Option<OciError>>>,
}

impl Sent {
    fn stream(self) -> Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, BoxError>> + Send>> {
        stream::unfold(self, |mut sent| async move {
            let next = sent.next().await?;
            Some((next.map(Frame::data), sent))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        while let Some(blob) = self.blob.as_mut() {
            let ready = match blob.next().await {
                Ok(Some(bytes)) => self.held.replace(bytes),
                Ok(None) => {
                    self.blob = None;
                    self.held.take()
                }
                Err(error) => {
                    *self.fault.lock() = Some(error);
                    self.blob = None;
                    return Some(Err("the blob did not come".into()));
                }
            };
            if let Some(bytes) = ready.filter(|bytes| !bytes.is_empty()) {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.passed.fetch_add(length, Ordering::Relaxed);
                return Some(Ok(bytes));
            }
        }
        None
    }
}
