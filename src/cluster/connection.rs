//! Makes a client of a configuration: one connection for all requests, where the server speaks HTTP/2.
//!
//! Apart from finding the configuration, because an identity that was made for a run needs a client of its own.
//! kube's own client speaks HTTP/1.1 only, so it would open a connection for each request in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderValue, Request};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt as _, RustlsTlsError};
use kube::{Client, Config};
use tokio::sync::{Mutex, MutexGuard};
use tower::filter::{AsyncFilterLayer, AsyncPredicate as _};
use tower::{BoxError, Service, ServiceBuilder, service_fn};

use super::credential::RequestCredential;

/// How long a connection may be silent while something is asked of it, before it is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(10);

/// How long that may take to answer. A machine that has too much to do must not lose its connection over it.
const PING: Duration = Duration::from_secs(15);

/// How long what was sent may go on being sent again by the operating system, without a word from the other side.
#[cfg(target_os = "linux")]
const UNHEARD: Duration = Duration::from_secs(20);

/// The client of a configuration, which holds address, certificates and proxy, and of who asks. Sends nothing; must be
/// called within a runtime.
pub(super) fn client(mut config: Config, credential: Option<RequestCredential>) -> kube::Result<Client> {
    let agent = HeaderValue::from_static(concat!("carnet/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    // Requests are repeated in `request`, where it is known which ones may be.
    config.default_retry = false;
    // kube knows the ways through proxies, by HTTP/1.1.
    if config.proxy_url.is_none() {
        return direct(config, credential);
    }
    let namespace = config.default_namespace.clone();
    let through = Client::try_from(config)?;
    let Some(credential) = credential else { return Ok(through) };
    let ask = move |request| {
        let (through, mut credential) = (through.clone(), credential.clone());
        async move { through.send(credential.check(request).await?).await.map_err(BoxError::from) }
    };
    Ok(Client::new(service_fn(ask), namespace))
}

/// Explains why a connection failed. What kube says of keys may quote them.
pub(super) fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::InferKubeconfig(_) | kube::Error::RustlsTls(_) => {
            "the certificates or the key of the kubeconfig cannot be used".into()
        }
        error => error.to_string(),
    }
}

fn direct(config: Config, credential: Option<RequestCredential>) -> kube::Result<Client> {
    let wire: Wire = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(SILENCE)
        .http2_keep_alive_timeout(PING)
        .build(connector(&config)?);
    let door = Arc::new(Door::default());
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(credential.map(AsyncFilterLayer::new))
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(service_fn(move |request| Arc::clone(&door).pass(wire.clone(), request)));
    Ok(Client::new(service, config.default_namespace))
}

type Wire = legacy::Client<HttpsConnector<HttpConnector>, Body>;

/// TLS with the offer of HTTP/2, or plain HTTP/1.1 for an address that says so.
fn connector(config: &Config) -> kube::Result<HttpsConnector<HttpConnector>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Otherwise small requests wait for the answers to those before them, 40 ms each.
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    // What was sent and never arrived must not arrive when somebody else has taken over: a Lease counts for longer.
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNHEARD));
    let tls = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    let tls = match config.tls_server_name.clone() {
        Some(name) => {
            let name = name.try_into().map_err(RustlsTlsError::InvalidServerName);
            tls.with_server_name_resolver(FixedServerNameResolver::new(name.map_err(kube::Error::RustlsTls)?))
        }
        None => tls,
    };
    Ok(tls.enable_all_versions().wrap_connector(tcp))
}

/// Sends the first request alone. Once it was answered, there is an HTTP/2 connection that the others can share; sent
/// at once, each would open a connection of its own.
#[derive(Default)]
struct Door {
    is_open: AtomicBool,
    first: Mutex<()>,
}

/// A response whose body is still to be read.
type Answered = Result<<Wire as Service<Request<Body>>>::Response, legacy::Error>;

impl Door {
    async fn pass(self: Arc<Self>, wire: Wire, request: Request<Body>) -> Answered {
        let alone = if self.is_open.load(Ordering::Relaxed) { None } else { self.wait().await };
        let answer = wire.request(request).await;
        self.is_open.store(answer.is_ok(), Ordering::Relaxed);
        drop(alone);
        answer
    }

    /// A lock for the first request. The others wait until it is released, and do not take it: if the first request
    /// fails, they do not queue behind each other.
    async fn wait(&self) -> Option<MutexGuard<'_, ()>> {
        if let Ok(alone) = self.first.try_lock() {
            return Some(alone);
        }
        drop(self.first.lock().await);
        None
    }
}
