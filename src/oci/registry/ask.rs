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

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(ask: &Ask, identity: Option<&HeaderValue>) -> HeaderMap {
        ask.request("http://r.example/v2/", identity).unwrap().into_parts().0.headers
    }

    #[test]
    fn a_request_says_what_it_wants_and_who_asks_only_where_that_is_given() {
        let ask = Ask::new(Method::GET, "http://r.example/v2/".into(), String::new());
        let plain = sent(&ask, None);
        assert_eq!(plain[ACCEPT_ENCODING], "identity");
        assert!(plain[USER_AGENT].to_str().unwrap().starts_with("carnet/"));
        assert!(
            !plain.contains_key(AUTHORIZATION) && !plain.contains_key(RANGE) && !plain.contains_key(ACCEPT)
        );
        let identity = HeaderValue::from_static("Basic eA==");
        assert_eq!(sent(&ask.clone().accepting("a/b"), Some(&identity))[AUTHORIZATION], "Basic eA==");
        assert_eq!(sent(&ask.clone().accepting("a/b"), None)[ACCEPT], "a/b");
        assert!(ask.request("not a place", None).is_none());
    }

    #[test]
    fn only_a_rest_is_asked_for_as_a_range() {
        let ask = Ask::new(Method::GET, String::new(), String::new());
        for (start, range) in
            [(0, None), (1, Some("bytes=1-")), (u64::MAX, Some("bytes=18446744073709551615-"))]
        {
            let headers = sent(&ask.clone().from(start), None);
            assert_eq!(headers.get(RANGE).map(|it| it.to_str().unwrap()), range);
        }
    }

    #[test]
    fn what_changes_something_is_sent_once() {
        let is_repeatable = |method| Ask::new(method, String::new(), String::new()).is_repeatable();
        assert!([Method::GET, Method::HEAD].into_iter().all(is_repeatable));
        assert!(![Method::POST, Method::PUT, Method::PATCH, Method::DELETE].into_iter().any(is_repeatable));
    }
}
