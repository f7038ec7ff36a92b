//! Responses of the API server, read within bounds, and the reasons why there is none.
//!
//! The server is not trusted with the memory of this process: a body is read up to a limit, and as strict JSON.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use kube::client::Body;
use serde_json::Value;

use crate::document;

/// A response of the server.
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    /// The time by the server's clock.
    pub(crate) date: Option<Timestamp>,
    /// How long the server asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// No response came. The text names no content.
#[derive(Debug)]
pub(super) struct TransportError {
    pub(super) why: String,
    /// Whether the request would fail again.
    pub(super) is_final: bool,
}

impl ApiResponse {
    /// Reads a response to its end.
    pub(super) async fn read(response: Response<Body>) -> Result<Self, TransportError> {
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let date = date(response.headers());
        match Limited::new(response.into_body(), document::MAX_BYTES).collect().await {
            Ok(body) => Ok(Self { status, date, retry_after, body: body.to_bytes().to_vec() }),
            Err(error) => Err(TransportError::of(error.as_ref())),
        }
    }

    /// The response about an object that is not there.
    pub(super) fn not_found(details: &Value) -> Self {
        let body = serde_json::json!({ "kind": "Status", "details": details }).to_string().into_bytes();
        Self { status: StatusCode::NOT_FOUND, date: None, retry_after: None, body }
    }

    /// Whether the same request may have another response: the server is shutting down, or lost its storage. A 500
    /// without a reason is how it says that a patch cannot be understood, and stays.
    pub(super) fn may_change(&self) -> bool {
        match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => self.text_at("/reason").is_some(),
            status => status.is_server_error(),
        }
    }

    /// The document, or why it is none.
    pub(crate) fn json(&self) -> Result<Value, document::InvalidDocument> {
        document::json(&self.body)
    }

    /// The text at a place of the document.
    pub(crate) fn text_at(&self, pointer: &str) -> Option<String> {
        self.json().ok()?.pointer(pointer)?.as_str().map(str::to_owned)
    }
}

impl TransportError {
    /// The error and its causes on one line: the outermost alone says only that something went wrong.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let is_too_long = error.is::<http_body_util::LengthLimitError>();
        let mut parts: Vec<String> = Vec::new();
        let mut next = Some(error);
        while let Some(error) = next {
            let text = document::visible(&error.to_string());
            // Several of the libraries repeat their cause in their own text.
            parts.retain(|part| !text.contains(part.as_str()));
            if !parts.iter().any(|part| part.contains(&text)) {
                parts.push(text);
            }
            next = error.source();
        }
        Self { why: parts.join(": "), is_final: is_too_long }
    }
}

/// Seconds only: the API server writes no dates there.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.timestamp())
}
