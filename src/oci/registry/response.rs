//! Reads answers of a registry within bounds of length and time, and the reasons in its errors.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use super::RegistryError;
use super::transport::{Patience, failed};
use crate::document;

/// The longest document of an error that is read, in bytes.
const MAX_ERROR: u64 = 64 << 10;

/// Codes of errors that do not say what there is (OCI distribution 1.1), whatever the status is.
const NO_ANSWER: [&str; 4] = ["DENIED", "TOOMANYREQUESTS", "UNAUTHORIZED", "UNSUPPORTED"];

/// The head of an answer, whose body is still to come.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Who answered: not the registry where it sent us on.
    pub(super) host: String,
    /// Whether it was told who asks.
    pub(super) with_credential: bool,
    body: Incoming,
    patience: Patience,
}

/// A body was longer than is read.
pub(super) enum Unread {
    TooLong,
    Failed(RegistryError),
}

impl Answer {
    pub(super) fn new(response: Response<Incoming>, host: String, patience: Patience) -> Self {
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        Self { status, headers, host, with_credential: false, body, patience }
    }

    /// As the answer to a request that said who asks, or did not.
    pub(super) fn asked_by_somebody(self, with_credential: bool) -> Self {
        Self { with_credential, ..self }
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// A header that is text and there once.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?.to_str().ok()?;
        if all.next().is_some() { None } else { Some(first) }
    }

    /// The length that was promised.
    pub(super) fn length(&self) -> Option<u64> {
        self.header(&CONTENT_LENGTH)?.parse().ok()
    }

    /// How long the host asks to be left alone, in seconds.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.header(&RETRY_AFTER)?.trim().parse().ok()?))
    }

    /// The next bytes of the body; none at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            let frame = tokio::time::timeout(self.patience.silence, self.body.frame()).await;
            let late = |_| RegistryError::TimedOut {
                host: self.host.clone(),
                stage: "the rest of an answer never came",
            };
            match frame.map_err(late)?.transpose() {
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    Err(_) => {}
                },
                Err(error) => return Err(failed(self.host.clone(), &error)),
            }
        }
    }

    /// A body of at most `limit` bytes.
    pub(super) async fn read(mut self, limit: u64) -> Result<Vec<u8>, Unread> {
        if self.length().is_some_and(|length| length > limit) {
            return Err(Unread::TooLong);
        }
        let (allowed, host) = (self.patience.document, self.host.clone());
        let reading = async move {
            let mut bytes = Vec::new();
            while let Some(chunk) = self.next().await.map_err(Unread::Failed)? {
                bytes.extend_from_slice(&chunk);
                if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
                    return Err(Unread::TooLong);
                }
            }
            Ok(bytes)
        };
        let late = |_| Unread::Failed(RegistryError::TimedOut { host, stage: "a document came too slowly" });
        tokio::time::timeout(allowed, reading).await.map_err(late)?
    }

    /// Whether an error is a registry's own word that it has not what it was asked for.
    pub(super) async fn names_unknown(self) -> bool {
        let Ok(bytes) = self.read(MAX_ERROR).await else { return false };
        let code = document::json(&bytes).ok();
        let code = code.as_ref().and_then(|it| it.pointer("/errors/0/code")?.as_str());
        code.is_some_and(|code| !NO_ANSWER.contains(&code))
    }

    /// The registry's reason for an error, as it gives it: what it says may repeat what it was sent.
    pub(super) async fn reason(self) -> Option<String> {
        let bytes = self.read(MAX_ERROR).await.ok()?;
        let answer = document::json(&bytes).ok()?;
        let first = answer.pointer("/errors/0")?;
        let text = |name: &str| {
            let text = first.get(name).and_then(Value::as_str)?;
            Some(document::visible_line(text)).filter(|text| !text.is_empty())
        };
        match (text("code"), text("message")) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => None,
        }
    }
}
