//! Requests to the API server, and how often they are sent.
//!
//! All requests here are idempotent (reads, server-side apply, deletion by UID), so one whose response was lost is sent
//! again, within bounds of number and time.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::connection::explain;
use super::credential::CredentialError;
use super::response::{ApiResponse, TransportError, TransportFault};
use super::status::Error;
use super::write_right::WriteRight;

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

const LIST_METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// Metadata alone, from servers that can; the whole object from others.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// A request that can be sent several times.
pub(crate) struct ApiRequest {
    method: Method,
    path: String,
    accept: &'static str,
    content: Option<(&'static str, Vec<u8>)>,
    /// Proved before each try.
    right: Option<Arc<dyn WriteRight>>,
    /// Whether the response goes on.
    is_watch: bool,
}

/// Why a request has no response.
pub(super) enum Unanswered {
    /// It was not sent: the right to do so is not proved.
    Held(Error),
    /// It was sent, as often as it may be.
    Lost(TransportError),
}

impl ApiRequest {
    /// Reads an object, or a list of them.
    pub(crate) fn get(path: String) -> Self {
        Self { method: Method::GET, path, accept: JSON, content: None, right: None, is_watch: false }
    }

    /// Watches objects.
    pub(crate) fn watch(path: String) -> Self {
        Self { is_watch: true, ..Self::get(path) }
    }

    /// This request, of whose answer only the metadata is wanted.
    pub(crate) fn of_metadata(self) -> Self {
        Self { accept: METADATA, ..self }
    }

    /// Reads a list of which only the metadata is wanted.
    pub(crate) fn list_names(path: String) -> Self {
        Self { accept: LIST_METADATA, ..Self::get(path) }
    }

    /// Applies an object. JSON is YAML, so the body is sent in the one content type that means server-side apply
    /// everywhere.
    pub(crate) fn apply(path: String, body: &Value) -> Self {
        Self::with(Method::PATCH, path, "application/apply-patch+yaml", body)
    }

    /// Changes members of an object: those that no server-side apply can set.
    pub(crate) fn merge(path: String, body: &Value) -> Self {
        Self::with(Method::PATCH, path, "application/merge-patch+json", body)
    }

    /// Removes an object.
    pub(crate) fn delete(path: String, options: &Value) -> Self {
        Self::with(Method::DELETE, path, JSON, options)
    }

    /// A POST: a token request or an access review. Both can be sent twice without harm.
    pub(crate) fn post(path: String, body: &Value) -> Self {
        Self::with(Method::POST, path, JSON, body)
    }

    fn with(method: Method, path: String, kind: &'static str, body: &Value) -> Self {
        Self { method, content: Some((kind, body.to_string().into_bytes())), ..Self::get(path) }
    }

    /// This request, sent only while this right is held.
    pub(crate) fn under(self, right: Option<&Arc<dyn WriteRight>>) -> Self {
        Self { right: right.cloned(), ..self }
    }

    /// The namespace that the object is in.
    pub(super) fn namespace(&self) -> Option<&str> {
        let (_, rest) = self.path.split_once("/namespaces/")?;
        rest.split_once('/').map(|(namespace, _)| namespace)
    }

    /// The response to it where that namespace is not there.
    pub(super) fn without_namespace(&self) -> ApiResponse {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        ApiResponse::not_found(&match self.method {
            Method::PATCH => json!({ "kind": "namespaces", "name": self.namespace() }),
            _ => json!({ "name": name.split('?').next() }),
        })
    }

    /// Sends until there is a response other than a transient error of the server.
    pub(super) async fn send(&self, client: &Client) -> Result<ApiResponse, Unanswered> {
        let (mut pause, mut tried) = (PAUSE, 0);
        loop {
            // Invariant: what was interrupted is finished or undone by one run at a time. A try may come long after the
            // first one: the network was away, or the process was stopped.
            if let Some(right) = &self.right {
                right.proved().await.map_err(Unanswered::Held)?;
            }
            let response = self.send_once(client).await;
            tried += 1;
            if tried >= most_tries(&response) {
                return response.map_err(Unanswered::Lost);
            }
            let asked = response.ok().and_then(|response| response.retry_after);
            tokio::time::sleep(scattered(asked.unwrap_or(pause))).await;
            pause *= 2;
        }
    }

    async fn send_once(&self, client: &Client) -> Result<ApiResponse, TransportError> {
        let request = self.request().map_err(|error| TransportError::final_one(error.to_string()))?;
        match tokio::time::timeout(PATIENCE, exchange(client, request, self.is_watch)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::final_one(format!("no answer within {} s", PATIENCE.as_secs()))),
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

async fn exchange(
    client: &Client,
    request: Request<Body>,
    is_watch: bool,
) -> Result<ApiResponse, TransportError> {
    let response = client.send(request).await.map_err(|error| match error {
        kube::Error::Auth(_) => TransportError::of_credential(explain(&error)),
        kube::Error::Service(cause) if cause.is::<CredentialError>() => {
            TransportError::of_credential(cause.to_string())
        }
        kube::Error::Service(error) => TransportError::of(error.as_ref()),
        error => TransportError::of(&error),
    })?;
    if is_watch { ApiResponse::read_on(response).await } else { ApiResponse::read(response).await }
}

/// How often a request may be sent that had this response.
fn most_tries(response: &Result<ApiResponse, TransportError>) -> u32 {
    match response {
        Ok(response) if response.status == StatusCode::TOO_MANY_REQUESTS => BUSY_TRIES,
        Ok(response) if response.may_change() => TRIES,
        Err(error) if error.kind == TransportFault::Transient => TRIES,
        Ok(_) | Err(_) => 1,
    }
}

/// A pause that is up to half as long again, and no longer than the longest. Requests that failed together would
/// otherwise come back together, and fail together again.
fn scattered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    let more = pause.saturating_mul(u32::try_from(random).unwrap_or(0)) / 2000;
    pause.saturating_add(more).min(LONGEST_PAUSE)
}
