//! Sends requests to the API server and takes its answers, within bounds.
//!
//! The server is not trusted with the memory or the patience of this process: an answer is read up to a limit, strictly,
//! and within a time. What is asked here may be asked twice without harm (reads, server-side apply, deletion by UID), so
//! a request whose answer was lost is sent again.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::document;

use super::connect::explain;

/// How often a request is sent before the server counts as unavailable.
const TRIES: u32 = 5;

/// How often a request is sent to a server that is there and says that it has too much to do: as often as kubectl does.
const BUSY_TRIES: u32 = 10;

/// The first pause between two tries; each further one is twice as long, and all are a little longer at random.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest pause that a server may ask for. A longer one would look like a hang.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long one try may take: a little more than the minute after which the API server itself gives up. A try that took
/// that long is not repeated.
const PATIENCE: Duration = Duration::from_secs(75);

const JSON: &str = "application/json";

const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// What the server said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The server's clock.
    pub(super) date: Option<Timestamp>,
    body: Vec<u8>,
    pause: Option<Duration>,
}

/// No answer came. The text names no content.
#[derive(Debug)]
pub(super) struct Silence {
    pub(super) why: String,
    is_final: bool,
}

/// A request that can be sent several times.
pub(super) struct Ask {
    method: Method,
    path: String,
    accept: &'static str,
    content: Option<(&'static str, Vec<u8>)>,
}

impl Ask {
    pub(super) fn get(path: String) -> Self {
        Self { method: Method::GET, path, accept: JSON, content: None }
    }

    /// A list of which only the metadata is wanted.
    pub(super) fn list_names(path: String) -> Self {
        Self { accept: METADATA, ..Self::get(path) }
    }

    /// JSON is YAML, so the body is sent in the one content type that means server-side apply everywhere.
    pub(super) fn apply(path: String, body: &Value) -> Self {
        Self {
            method: Method::PATCH,
            path,
            accept: JSON,
            content: Some(("application/apply-patch+yaml", body.to_string().into_bytes())),
        }
    }

    pub(super) fn delete(path: String, options: &Value) -> Self {
        Self {
            method: Method::DELETE,
            path,
            accept: JSON,
            content: Some((JSON, options.to_string().into_bytes())),
        }
    }

    /// For what has no other form: a token, a question about rights. Both can be asked for twice.
    pub(super) fn post(path: String, body: &Value) -> Self {
        let content = Some((JSON, body.to_string().into_bytes()));
        Self { method: Method::POST, path, accept: JSON, content }
    }

    /// The namespace that the object is in.
    pub(super) fn namespace(&self) -> Option<&str> {
        let (_, rest) = self.path.split_once("/namespaces/")?;
        rest.split_once('/').map(|(namespace, _)| namespace)
    }

    /// What the server says where that namespace is not there.
    pub(super) fn nowhere(&self) -> Answer {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let details = match self.method {
            Method::PATCH => json!({ "kind": "namespaces", "name": self.namespace() }),
            _ => json!({ "name": name.split('?').next() }),
        };
        let body = json!({ "kind": "Status", "details": details }).to_string().into_bytes();
        Answer { status: StatusCode::NOT_FOUND, body, pause: None, date: None }
    }

    /// Sends until there is an answer worth having: everything but "busy" and "broken".
    pub(super) async fn send(&self, client: &Client) -> Result<Answer, Silence> {
        let (mut pause, mut tried) = (PAUSE, 0);
        loop {
            let answer = self.send_once(client).await;
            tried += 1;
            if tried >= most_tries(&answer) {
                return answer;
            }
            let asked = answer.ok().and_then(|answer| answer.pause);
            tokio::time::sleep(scattered(asked.unwrap_or(pause))).await;
            pause *= 2;
        }
    }

    async fn send_once(&self, client: &Client) -> Result<Answer, Silence> {
        let request = self.request().map_err(|error| Silence { why: error.to_string(), is_final: true })?;
        match tokio::time::timeout(PATIENCE, exchange(client, request)).await {
            Ok(result) => result,
            Err(_) => {
                Err(Silence { why: format!("no answer within {} s", PATIENCE.as_secs()), is_final: true })
            }
        }
    }

    fn request(&self) -> http::Result<Request<Body>> {
        let builder = Request::builder().method(&self.method).uri(&self.path).header(ACCEPT, self.accept);
        match &self.content {
            Some((kind, bytes)) => builder.header(CONTENT_TYPE, *kind).body(Body::from(bytes.clone())),
            None => builder.body(Body::empty()),
        }
    }
}

async fn exchange(client: &Client, request: Request<Body>) -> Result<Answer, Silence> {
    let response = client.send(request).await.map_err(|error| match error {
        kube::Error::Auth(_) => Silence { why: explain(&error), is_final: true },
        // Its own text adds nothing but the name of the library's part.
        kube::Error::Service(error) => silence(error.as_ref()),
        error => silence(&error),
    })?;
    let (status, pause) = (response.status(), asked_pause(response.headers()));
    let date = date(response.headers());
    match Limited::new(response.into_body(), document::MAX_BYTES).collect().await {
        Ok(body) => Ok(Answer { status, date, body: body.to_bytes().to_vec(), pause }),
        Err(error) => Err(silence(error.as_ref())),
    }
}

/// How often a request may be sent that was answered so.
fn most_tries(answer: &Result<Answer, Silence>) -> u32 {
    match answer {
        Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => BUSY_TRIES,
        Ok(answer) if answer.may_change() => TRIES,
        Err(silence) if !silence.is_final => TRIES,
        Ok(_) | Err(_) => 1,
    }
}

/// A pause that is up to half as long again, and no longer than the longest. Requests that failed together would otherwise
/// come back together, and fail together again.
fn scattered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    let more = pause.saturating_mul(u32::try_from(random).unwrap_or(0)) / 2000;
    pause.saturating_add(more).min(LONGEST_PAUSE)
}

/// Seconds only: the API server writes no dates there.
fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.timestamp())
}

/// The error and its causes on one line: the outermost alone says only that something went wrong.
fn silence(error: &(dyn std::error::Error + 'static)) -> Silence {
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
    Silence { why: parts.join(": "), is_final: is_too_long }
}

impl Answer {
    /// Whether the same request may find another answer: the server is shutting down, or lost its storage. A 500
    /// without a reason is how it says that a patch cannot be understood, and stays.
    fn may_change(&self) -> bool {
        match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => self.text_at("/reason").is_some(),
            status => status.is_server_error(),
        }
    }

    /// The document, or why it is none.
    pub(super) fn json(&self) -> Result<Value, document::Invalid> {
        document::json(&self.body)
    }

    pub(super) fn text_at(&self, pointer: &str) -> Option<String> {
        self.json().ok()?.pointer(pointer)?.as_str().map(str::to_owned)
    }
}
