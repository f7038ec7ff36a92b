//! Makes a client of a configuration: one connection for all requests, where the server speaks HTTP/2.
//!
//! Apart from finding the configuration, because an identity that was made for a run needs a client of its own.
//! kube's own client speaks HTTP/1.1 only, so it would open a connection for each request in flight. A proxy is another
//! way to connect and nothing else: also through one, requests share a connection.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt as _, RustlsTlsError};
use kube::{Client, Config};
use tokio::sync::{Mutex, MutexGuard};
use tower::filter::AsyncFilterLayer;
use tower::{BoxError, ServiceBuilder, service_fn};

use super::credential::RequestCredential;
use super::proxy::Proxy;

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
    let tcp = tcp(&config);
    let Some(proxy) = config.proxy_url.as_ref().map(Proxy::of) else { return over(tcp, config, credential) };
    let authorization = proxy.authorization();
    match proxy.url.scheme_str() {
        Some("socks5") => {
            let socks = SocksV5::new(proxy.url, tcp);
            let socks = match proxy.user {
                Some((name, password)) => socks.with_auth(name, password),
                None => socks,
            };
            over(socks, config, credential)
        }
        Some("https") => {
            let tls =
                HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_only();
            let tunnel = Tunnel::new(proxy.url, tls.enable_http1().wrap_connector(tcp));
            over(with_authorization(tunnel, authorization), config, credential)
        }
        _ => over(with_authorization(Tunnel::new(proxy.url, tcp), authorization), config, credential),
    }
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

fn with_authorization<C>(tunnel: Tunnel<C>, authorization: Option<HeaderValue>) -> Tunnel<C> {
    match authorization {
        Some(authorization) => tunnel.with_auth(authorization),
        None => tunnel,
    }
}

/// The client whose connections are made by this connector: straight to the server, or through a proxy.
fn over<C>(connector: C, config: Config, credential: Option<RequestCredential>) -> kube::Result<Client>
where
    HttpsConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let wire: Wire<C> = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(SILENCE)
        .http2_keep_alive_timeout(PING)
        .build(encrypted(connector, &config)?);
    let door = Arc::new(Door::default());
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(credential.map(AsyncFilterLayer::new))
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(service_fn(move |request| {
            let (door, wire) = (Arc::clone(&door), wire.clone());
            async move { door.pass(wire.request(request)).await }
        }));
    Ok(Client::new(service, config.default_namespace))
}

type Wire<C> = legacy::Client<HttpsConnector<C>, Body>;

fn tcp(config: &Config) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Otherwise small requests wait for the answers to those before them, 40 ms each.
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    // What was sent and never arrived must not arrive when somebody else has taken over: a Lease counts for longer.
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNHEARD));
    tcp
}

/// TLS with the offer of HTTP/2, or plain HTTP/1.1 for an address that says so.
fn encrypted<C>(connector: C, config: &Config) -> kube::Result<HttpsConnector<C>> {
    let tls = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    let tls = match config.tls_server_name.clone() {
        Some(name) => {
            let name = name.try_into().map_err(RustlsTlsError::InvalidServerName);
            tls.with_server_name_resolver(FixedServerNameResolver::new(name.map_err(kube::Error::RustlsTls)?))
        }
        None => tls,
    };
    Ok(tls.enable_all_versions().wrap_connector(connector))
}

/// Sends the first request alone. Once it was answered, there is an HTTP/2 connection that the others can share; sent
/// at once, each would open a connection of its own.
#[derive(Default)]
struct Door {
    is_open: AtomicBool,
    first: Mutex<()>,
}

impl Door {
    /// Waits for the answer to a request, which goes out when this is polled.
    async fn pass<T, E>(&self, request: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let alone = if self.is_open.load(Ordering::Relaxed) { None } else { self.wait().await };
        let answer = request.await;
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
