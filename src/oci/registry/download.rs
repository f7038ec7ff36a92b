//! Streams a blob out of a registry, and goes on where a connection broke.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::CONTENT_RANGE;
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::ask::Ask;
use super::host::Host;
use super::response::Answer;
use super::{Registry, RegistryError};
use crate::oci::{BlobStream, Descriptor, OciError};

/// How often a download goes on after it broke without having got any further.
const MAX_BREAKS: u32 = 4;

/// The slowest rate at which a blob may come, in bytes a second, once some time has passed.
const SLOWEST: u64 = 4 << 10;

impl Registry {
    /// The bytes of a blob that the registry itself has, from `start` on. From another place than the first one on they
    /// cannot be checked, and it is for the caller to add those before.
    pub(super) async fn own_download(
        &self,
        blob: &Descriptor,
        start: u64,
    ) -> Result<Option<BlobStream>, OciError> {
        let ask = self.ask(Method::GET, &format!("blobs/{}", blob.digest));
        let expected = [StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::NOT_FOUND];
        let expected = if start > 0 { &expected[..] } else { &[StatusCode::OK, StatusCode::NOT_FOUND] };
        let answer = self.host.expect(&ask.clone().from(start), expected).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let promised = if answer.status == StatusCode::OK { blob.size } else { blob.size - start };
        if answer.length().is_some_and(|length| length != promised) {
            return Err(OciError::Size { digest: blob.digest, expected: blob.size });
        }
        let allowed = answer.patience().document + Duration::from_secs(blob.size / SLOWEST);
        let mut download = Download {
            host: self.host.clone(),
            ask,
            answer: None,
            got: start,
            size: blob.size,
            breaks: 0,
            until: Instant::now() + allowed,
        };
        let first = download.go_on(answer).await?;
        download.got += first.as_ref().map_or(0, length);
        let first = stream::iter(first.map(Ok));
        Ok(Some(BlobStream::new(blob, first.chain(stream::try_unfold(download, Download::step)))))
    }
}

/// A download that is under way.
struct Download {
    host: Host,
    ask: Ask,
    /// None after it broke.
    answer: Option<Answer>,
    got: u64,
    size: u64,
    /// Since the last byte.
    breaks: u32,
    until: Instant,
}

impl Download {
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, OciError> {
        loop {
            if Instant::now() > self.until {
                let stage = "a blob came too slowly";
                return Err(RegistryError::TimedOut { host: self.host.to_string(), stage }.into());
            }
            let came = match self.answer.as_mut() {
                Some(answer) => answer.next().await,
                None => self.resume().await.map(|resumed| resumed.or(Some(Bytes::new()))),
            };
            match came {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(Some(bytes)) => {
                    self.got = self.got.saturating_add(length(&bytes));
                    self.breaks = 0;
                    return Ok(Some((bytes, self)));
                }
                // An end before all bytes came is one more way in which a connection breaks.
                Ok(None) if self.got < self.size && self.breaks < MAX_BREAKS => self.broke().await,
                Ok(None) => return Ok(None),
                Err(RegistryError::Unreachable { .. }) if self.breaks < MAX_BREAKS => self.broke().await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn broke(&mut self) {
        self.answer = None;
        tokio::time::sleep(Duration::from_millis(20 << self.breaks.min(6))).await;
        self.breaks += 1;
    }

    /// Asks for the rest. Bytes of a registry that sends all from the start again are read and not passed on.
    async fn resume(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let ask = self.ask.clone().from(self.got);
        let answer = self.host.expect(&ask, &[StatusCode::OK, StatusCode::PARTIAL_CONTENT]).await?;
        self.go_on(answer).await
    }

    /// Goes on with an answer, which may begin with bytes that were passed on before.
    async fn go_on(&mut self, mut answer: Answer) -> Result<Option<Bytes>, RegistryError> {
        let mut skip = self.got;
        if answer.status == StatusCode::PARTIAL_CONTENT {
            let start = format!("bytes {}-", self.got);
            if !answer.header(&CONTENT_RANGE).is_some_and(|range| range.starts_with(&start)) {
                return Err(self.host.broken("it sent another part of a blob than it was asked for"));
            }
            skip = 0;
        }
        let mut left = None;
        while skip > 0 {
            let Some(mut bytes) = answer.next().await? else { break };
            let length = length(&bytes);
            if length > skip {
                left = Some(bytes.split_off(usize::try_from(skip).unwrap_or(usize::MAX)));
            }
            skip = skip.saturating_sub(length);
        }
        self.answer = Some(answer);
        Ok(left)
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
