//! A request to a registry, as it is before anybody knows where it ends up.

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};

use super::transport::{RequestBody, full};

/// A request that can be sent more than once.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: bytes::Bytes,
    /// `repository:NAME:ACTIONS`, for which a token is made.
    pub(super) scope: String,
}

impl Ask {
    pub(super) fn new(method: Method, url: String, scope: String) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: bytes::Bytes::new(), scope }
    }

    pub(super) fn accepting(mut self, types: &'static str) -> Self {
        self.headers.insert(ACCEPT, HeaderValue::from_static(types));
        self
    }

    /// Only the bytes from `start` on.
    pub(super) fn from(mut self, start: u64) -> Self {
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={start}-"))
            && start > 0
        {
            self.headers.insert(RANGE, range);
        }
        self
    }

    /// Whether sending it twice does what sending it once does.
    pub(super) fn is_repeatable(&self) -> bool {
        [Method::GET, Method::HEAD].contains(&self.method)
    }

    pub(super) fn request(&self, url: &str, identity: Option<&HeaderValue>) -> Option<Request<RequestBody>> {
        let mut request = Request::builder().method(self.method.clone()).uri(url);
        let headers = request.headers_mut()?;
        headers.extend(self.headers.clone());
        headers.insert(USER_AGENT, agent());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(identity) = identity {
            headers.insert(AUTHORIZATION, identity.clone());
        }
        request.body(full(self.body.clone())).ok()
    }
}

pub(super) fn agent() -> HeaderValue {
    HeaderValue::from_static(concat!("carnet/", env!("CARGO_PKG_VERSION")))
}
