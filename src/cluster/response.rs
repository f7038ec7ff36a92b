//! Responses of the API server, read within bounds, and the reasons why there is none.
//!
//! The server is not trusted with the memory of this process: a body is read up to a limit, and as strict JSON.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER, WARNING};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use kube::client::Body;
use serde_json::Value;

use crate::document;

use super::unreachable::reason;
use super::watch::Watch;

/// A response of the server.
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    /// The time by the server's clock.
    pub(crate) date: Option<Timestamp>,
    /// Warnings of the server, for people.
    pub(crate) warnings: Vec<String>,
    /// How long the server asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    body: Vec<u8>,
    /// The stream that follows it, where that was asked for.
    watch: Option<Watch>,
}

/// No response came. The text names no content.
#[derive(Debug)]
pub(super) struct TransportError {
    pub(super) why: String,
    pub(super) kind: TransportFault,
}

/// Where a request failed that has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransportFault {
    /// Before it was sent: nothing says who asks.
    Credential,
    /// It would fail again.
    Final,
    /// Its response is longer than is read.
    TooLong,
    /// On the way; another try may succeed.
    Transient,
}

impl ApiResponse {
    /// Reads a response to its end.
    pub(super) async fn read(response: Response<Body>) -> Result<Self, TransportError> {
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let (date, warnings) = (date(response.headers()), warnings(response.headers()));
        match Limited::new(response.into_body(), document::MAX_BYTES).collect().await {
            Ok(body) => {
                let body = body.to_bytes().to_vec();
                Ok(Self { status, date, warnings, retry_after, body, watch: None })
            }
            Err(error) => Err(TransportError::of(error.as_ref())),
        }
    }

    /// A response that goes on, unless it is a refusal.
    pub(super) async fn read_on(response: Response<Body>) -> Result<Self, TransportError> {
        if !response.status().is_success() {
            return Self::read(response).await;
        }
        let (status, date) = (response.status(), date(response.headers()));
        let watch = Some(Watch::of(response.into_body()));
        Ok(Self { status, date, warnings: Vec::new(), retry_after: None, body: Vec::new(), watch })
    }

    /// The watch that was asked for.
    pub(crate) fn into_watch(self) -> Option<Watch> {
        self.watch
    }

    /// The response about an object that is not there.
    pub(super) fn not_found(details: &Value) -> Self {
        Self::of(StatusCode::NOT_FOUND, &serde_json::json!({ "kind": "Status", "details": details }))
    }

    /// The response that is this document.
    pub(super) fn of(status: StatusCode, document: &Value) -> Self {
        Self::of_text(status, document.to_string())
    }

    /// The response that is this text.
    pub(super) fn of_text(status: StatusCode, text: String) -> Self {
        let body = text.into_bytes();
        Self { status, date: None, warnings: Vec::new(), retry_after: None, body, watch: None }
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
    /// One that would come again.
    pub(super) fn final_one(why: String) -> Self {
        Self { why, kind: TransportFault::Final }
    }

    /// Nothing says who asks.
    pub(super) fn of_credential(why: String) -> Self {
        Self { why, kind: TransportFault::Credential }
    }

    /// An error of the libraries that carry requests, in our words.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let is_too_long = error.is::<http_body_util::LengthLimitError>();
        let kind = if is_too_long { TransportFault::TooLong } else { TransportFault::Transient };
        Self { why: reason(error), kind }
    }
}

/// The most warnings of one response that are read, and the longest text of one, in characters. Anybody whose webhook
/// is asked may add some.
const MAX_WARNINGS: usize = 10;
const MAX_WARNING: usize = 300;

/// The texts of `Warning: 299 - "TEXT"`, as the API server writes them.
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let text = |value: &HeaderValue| {
        let line = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let quoted = line.strip_prefix("299 ")?.split_once(' ')?.1.strip_prefix('"')?;
        let mut text = String::new();
        let mut letters = quoted.chars();
        while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
            text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
        }
        Some(document::visible_line(&text).chars().take(MAX_WARNING).collect())
    };
    headers.get_all(WARNING).iter().filter_map(text).take(MAX_WARNINGS).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_warns_about_is_read_within_bounds() {
        let mut headers = HeaderMap::new();
        for line in [
            r#"299 - "v1 Thing is \"deprecated\"""#,
            r#"199 - "another code""#,
            "299 -",
            "\u{e9}",
            r#"299 - "\u001b never ends"#,
        ] {
            headers.append(WARNING, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        assert_eq!(warnings(&headers), ["v1 Thing is \"deprecated\"", "u001b never ends"]);
        let long = format!("299 - \"{}\"", "x".repeat(5000));
        for _ in 0..50 {
            headers.append(WARNING, HeaderValue::from_str(&long).unwrap());
        }
        let read = warnings(&headers);
        assert_eq!((read.len(), read[9].len()), (MAX_WARNINGS, MAX_WARNING));
    }
}
