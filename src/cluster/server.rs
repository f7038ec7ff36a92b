//! One API server, and who asks it: the one way in which requests leave this process.
//!
//! Whoever sends a request to a cluster is a user of this: the target for objects, the records of the state, the
//! identity of a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use secrecy::SecretString;

use super::clock::ServerClock;
use super::connect::{self, ConnectOptions, Connection, Unconfigured};
use super::credential::RequestCredential;
use super::endpoint::Endpoint;
use super::request::{ApiRequest, Unanswered};
use super::response::{ApiResponse, TransportError, TransportFault};
use super::status::Error;

/// An API server, and somebody who asks it.
#[derive(Clone)]
pub struct Server {
    client: Client,
    /// The way to the server, without who asks.
    endpoint: Arc<Endpoint>,
    address: Arc<str>,
    namespace: Arc<str>,
    context: Option<Arc<str>>,
    clock: Arc<ServerClock>,
}

impl Server {
    /// Prepares to talk to the cluster that kubectl would talk to, as kubectl would. Sends nothing; must be called
    /// within a runtime.
    ///
    /// # Ambient Authority
    /// Reads the kubeconfig files and the environment as kubectl does, and runs the credential plugin that they name.
    ///
    /// # Errors
    /// [`Unconfigured`] where no cluster is configured, or the configuration is wrong.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, Unconfigured> {
        let Connection { client, endpoint, namespace, address, context } = connect::connect(options).await?;
        Ok(Self {
            client,
            endpoint: Arc::new(endpoint),
            address: address.into(),
            namespace: namespace.into(),
            context: context.map(Into::into),
            clock: Arc::default(),
        })
    }

    /// This server, asked with a token and nothing of the caller's.
    pub(super) fn with_token(&self, token: SecretString) -> Result<Self, Unconfigured> {
        Ok(Self { client: self.endpoint.client(RequestCredential::token(&token)?)?, ..self.clone() })
    }

    /// The namespace of the context, else `default`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The context of the kubeconfig that leads here. None: the cluster is that of the pod that we run in.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The address of the server.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The time by the server's clock, which all who use it agree on, to about a second.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How long ago something was that the server has noted the time of (RFC 3339). None: that is no time.
    pub(crate) fn time_since(&self, time: &str) -> Option<Duration> {
        let time: Timestamp = time.parse().ok()?;
        Some(Duration::try_from(self.now().duration_since(time)).unwrap_or_default())
    }

    /// The version of the server.
    ///
    /// # Errors
    /// [`Error`] when it does not say.
    pub async fn version(&self) -> Result<String, Error> {
        let response = self.send(&ApiRequest::get("/version".into())).await?;
        response.text_at("/gitVersion").ok_or_else(|| Error::unusable("its version", "it is none"))
    }

    /// Sends a request. Where the server does not respond, the error says which one that is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is no response. A refusal by the server is a response, too.
    pub(crate) async fn send(&self, request: &ApiRequest) -> Result<ApiResponse, Error> {
        let response = request.send(&self.client).await.map_err(|unanswered| match unanswered {
            Unanswered::Held(error) => error,
            Unanswered::Lost(TransportError { kind: TransportFault::TooLong, .. }) => Error::TooLong,
            Unanswered::Lost(TransportError { kind: TransportFault::Credential, why }) => {
                Error::Credential(why)
            }
            Unanswered::Lost(error) => Error::Unavailable(format!("{}: {}", self.address, error.why)),
        })?;
        if let Some(date) = response.date {
            self.clock.set(date);
        }
        Ok(response)
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
