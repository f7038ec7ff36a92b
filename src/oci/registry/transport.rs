//! Sends one request to a host, and gets the head of its answer: through a proxy where one is named, and in time.
//!
//! Names are resolved here. What a registry elsewhere sends us on to may have any name, so such a request goes by a
//! client that does not connect to this machine, whatever the name says. Where a proxy resolves the names, only those go
//! to it that no network keeps for itself.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::Service;

use super::RegistryError;
use super::origin::{Origin, is_of_machine};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;
pub(super) type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until a connection is there.
    pub connect: Duration,
    /// Without any byte in either direction.
    pub silence: Duration,
    /// For a small document as a whole. Blobs get more, by their size.
    pub document: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            document: Duration::from_secs(60),
        }
    }
}

/// The proxies of the environment.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// `HTTPS_PROXY`.
    pub https: String,
    /// `HTTP_PROXY`.
    pub http: String,
    /// `NO_PROXY`.
    pub none: String,
}

type Wire = legacy::Client<HttpsConnector<Way>, RequestBody>;

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    /// The registry.
    Registry,
    /// Where its tokens are made, or where a registry on this machine sends us on to.
    Trusted,
    /// Where a registry sends us on to.
    Foreign,
}

/// The clients of all registries of a command.
pub(super) struct Transport {
    /// For the registry itself, which may know us by a certificate.
    own: Wire,
    /// For other hosts that a person named, or that may be on this machine.
    trusted: Wire,
    /// For those that a registry named.
    foreign: Wire,
    patience: Patience,
}

impl Transport {
    /// A transport that shows who we are to the registry alone, by `own`.
    pub(super) fn new(own: &ClientConfig, tls: &ClientConfig, proxies: &Proxies, patience: Patience) -> Self {
        let matcher = Matcher::builder()
            .https(proxies.https.clone())
            .http(proxies.http.clone())
            .no(proxies.none.clone())
            .build();
        let matcher = Arc::new(matcher);
        let wire = |tls, refuses_machine| wire(tls, Arc::clone(&matcher), patience, refuses_machine);
        Self { own: wire(own, false), trusted: wire(tls, false), foreign: wire(tls, true), patience }
    }

    /// Sends a request whose body, if it has one, is in memory or none. Gives the head of the answer.
    pub(super) async fn send(
        &self,
        request: Request<RequestBody>,
        party: Party,
    ) -> Result<Response<Incoming>, RegistryError> {
        let host = host(request.uri());
        let answer = self.wire(party).request(request);
        match tokio::time::timeout(self.patience.connect + self.patience.silence, answer).await {
            Ok(answer) => answer.map_err(|error| failed(host, &error)),
            Err(_) => Err(RegistryError::TimedOut { host, stage: "no answer to a request" }),
        }
    }

    /// Sends a request whose body takes as long as it takes. `is_moving` ends when it stands still for too long.
    pub(super) async fn upload(
        &self,
        request: Request<RequestBody>,
        is_moving: impl Future<Output = ()>,
    ) -> Result<Response<Incoming>, RegistryError> {
        let host = host(request.uri());
        tokio::select! {
            answer = self.own.request(request) => answer.map_err(|error| failed(host, &error)),
            () = is_moving => Err(RegistryError::TimedOut { host, stage: "it takes no more of an upload" }),
        }
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    fn wire(&self, party: Party) -> &Wire {
        match party {
            Party::Registry => &self.own,
            Party::Trusted => &self.trusted,
            Party::Foreign => &self.foreign,
        }
    }
}

fn host(url: &Uri) -> String {
    Origin::of(url).map_or_else(|| "the registry".into(), |origin| origin.to_string())
}

/// Why there is no answer. The innermost cause says most; the libraries' own words around it say where it came up.
pub(super) fn failed(host: String, error: &(dyn Error + 'static)) -> RegistryError {
    let mut innermost = error;
    let mut is_refused = false;
    while let Some(source) = innermost.source() {
        innermost = source;
        is_refused |= innermost.is::<OfThisMachine>();
    }
    if is_refused {
        let why =
            "its name leads to this machine or its own network, where no registry elsewhere may send us";
        return RegistryError::Unreachable { host, why: why.into() };
    }
    RegistryError::Unreachable { host, why: explained(innermost) }
}

fn explained(error: &(dyn Error + 'static)) -> String {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return match tls {
            rustls::Error::InvalidCertificate(_) => "its certificate is not trusted here".into(),
            rustls::Error::InvalidMessage(_) => "it does not speak TLS".into(),
            _ => "the TLS handshake failed".into(),
        };
    }
    if let Some(system) = error.downcast_ref::<std::io::Error>() {
        return crate::document::visible_line(&system.to_string());
    }
    crate::document::visible_line(&error.to_string())
}

fn wire(tls: &ClientConfig, matcher: Arc<Matcher>, patience: Patience, refuses_machine: bool) -> Wire {
    let way = Way {
        tcp: connector(patience, refuses_machine),
        // The proxy was named by the person who called us, and may well be this machine.
        to_proxy: connector(patience, false),
        matcher,
        checks: refuses_machine.then(|| Resolver { refuses_machine: true, system: GaiResolver::new() }),
    };
    let https = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_adaptive_window(true)
        .build(https.enable_all_versions().wrap_connector(way))
}

fn connector(patience: Patience, refuses_machine: bool) -> HttpConnector<Resolver> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver { refuses_machine, system: GaiResolver::new() });
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(patience.connect));
    tcp
}

/// Connects directly or through a proxy.
#[derive(Clone)]
struct Way {
    tcp: HttpConnector<Resolver>,
    to_proxy: HttpConnector<Resolver>,
    matcher: Arc<Matcher>,
    /// Looks names up before a proxy does, where a registry named them.
    checks: Option<Resolver>,
}

impl Service<Uri> for Way {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let is_here = Origin::of(&target).is_some_and(|origin| origin.is_loopback());
        let proxy = if is_here { None } else { self.matcher.intercept(&target) };
        match proxy {
            None => {
                let connecting = self.tcp.call(target);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Some(proxy) => {
                let checked = self.checks.clone().map(|resolver| checked(resolver, target.clone()));
                let through = through(&proxy, self.to_proxy.clone(), with_port(target));
                Box::pin(async move {
                    if let Some(checked) = checked {
                        checked.await?;
                    }
                    through.await
                })
            }
        }
    }
}

/// Checks a name that a proxy is to look up. It may find another address there, or one where there is none here; what is
/// found here is all that can be told.
async fn checked(mut resolver: Resolver, target: Uri) -> Result<(), BoxError> {
    let origin = Origin::of(&target).ok_or("it is no address of the web")?;
    if origin.is_inner_name() {
        return Err(OfThisMachine.into());
    }
    let Ok(name) = origin.host.parse::<Name>() else { return Ok(()) };
    match tokio::time::timeout(LOOK_UP, resolver.call(name)).await {
        Ok(Err(error)) if error.is::<OfThisMachine>() => Err(error),
        _ => Ok(()),
    }
}

/// How long a name is looked up before a proxy does so. Whoever needs a proxy often has nobody to ask.
const LOOK_UP: Duration = Duration::from_secs(1);

/// The target with its port: a tunnel would go to that of TLS otherwise.
fn with_port(target: Uri) -> Uri {
    let host = target.host().filter(|_| target.port_u16().is_none() && target.scheme_str() == Some("http"));
    host.and_then(|host| format!("http://{host}:80/").parse().ok()).unwrap_or(target)
}

fn through(proxy: &Intercept, tcp: HttpConnector<Resolver>, target: Uri) -> <Way as Service<Uri>>::Future {
    let address = proxy.uri().clone();
    match address.scheme_str() {
        Some("http") => {
            let mut tunnel = Tunnel::new(address, tcp);
            if let Some(password) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(password.clone());
            }
            Box::pin(async move { tunnel.call(target).await.map_err(Into::into) })
        }
        Some("socks5" | "socks5h") => {
            let mut socks =
                SocksV5::new(address.clone(), tcp).local_dns(address.scheme_str() == Some("socks5"));
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            Box::pin(async move { socks.call(target).await.map_err(Into::into) })
        }
        _ => Box::pin(async { Err("the proxy speaks neither HTTP nor SOCKS 5".into()) }),
    }
}

/// Asks the system for the addresses of a name.
#[derive(Clone)]
struct Resolver {
    refuses_machine: bool,
    system: GaiResolver,
}

/// A name that leads to this machine.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to this machine")]
struct OfThisMachine;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::poll_ready(&mut self.system, context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, refuses) = (self.system.call(name), self.refuses_machine);
        Box::pin(async move {
            let all: Vec<SocketAddr> = found.await?.collect();
            let kept: Vec<_> = all.iter().copied().filter(|it| !refuses || !is_of_machine(it.ip())).collect();
            if kept.is_empty() && !all.is_empty() { Err(OfThisMachine.into()) } else { Ok(kept.into_iter()) }
        })
    }
}

/// No body.
pub(super) fn no_body() -> RequestBody {
    full(Bytes::new())
}

/// A body that is in memory.
pub(super) fn full(bytes: Bytes) -> RequestBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A header that no log shows.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test is a proxy")]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::oci::registry::settings;

    #[tokio::test]
    async fn a_proxy_is_not_asked_for_names_of_its_own_network_that_a_registry_gave() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut line = vec![0; 64];
            let length = stream.read(&mut line).await.unwrap();
            String::from_utf8_lossy(&line[..length]).lines().next().unwrap_or_default().to_owned()
        });
        let proxies = Proxies { https: proxy.clone(), http: proxy, none: String::new() };
        let tls = settings::tls(&[], None).unwrap();
        let transport = Transport::new(&tls, &tls, &proxies, Patience::default());
        let to = |url: &str| Request::builder().uri(url).body(no_body()).unwrap();
        for name in
            ["metadata.google.internal", "printer.local", "metadata", "x.y.INTERNAL.", "nas.home.arpa"]
        {
            let refused = transport.send(to(&format!("http://{name}/")), Party::Foreign).await.unwrap_err();
            assert!(refused.to_string().contains("no registry elsewhere may send us"), "{name}: {refused}");
        }
        // A person may name them, and the first request that came is this one.
        drop(transport.send(to("http://registry.internal/"), Party::Registry).await);
        assert_eq!(asked.await.unwrap(), "CONNECT registry.internal:80 HTTP/1.1");
    }
}
