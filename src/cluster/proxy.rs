//! The way through a proxy: its address, and who asks there.
//!
//! Apart from the connection since a proxy has its own rules: how its URL is written, which port it has when none is named,
//! and a name and password that are percent-encoded there and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};

/// The schemes of proxies that kubectl knows.
pub(super) const SCHEMES: [&str; 3] = ["http", "https", "socks5"];

/// The port of a SOCKS proxy that names none.
const SOCKS_PORT: u16 = 1080;

/// A proxy, and who asks it.
pub(super) struct Proxy {
    pub(super) url: Uri,
    pub(super) user: Option<(String, String)>,
}

impl Proxy {
    /// The proxy of a URL, which has a scheme and a host.
    pub(super) fn of(url: &Uri) -> Self {
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let (userinfo, host) =
            authority.rsplit_once('@').map_or((None, authority), |(it, rest)| (Some(it), rest));
        let user = userinfo.map(|userinfo| {
            let (name, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            (decoded(name), decoded(password))
        });
        let scheme = url.scheme_str().unwrap_or("http");
        let is_portless = url.port_u16().is_none() && scheme == "socks5";
        let port = if is_portless { format!(":{SOCKS_PORT}") } else { String::new() };
        Self { url: format!("{scheme}://{host}{port}").parse().unwrap_or_else(|_| url.clone()), user }
    }

    /// The header that says who asks, for a proxy that speaks HTTP.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let (name, password) = self.user.as_ref()?;
        let mut value =
            HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
                .ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A text whose `%XX` are the bytes that they stand for. What is no such pair stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let pair = more.first_chunk::<2>().and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str) -> Proxy {
        Proxy::of(&url.parse().unwrap())
    }

    #[test]
    fn a_proxy_is_asked_by_its_address_alone_and_on_the_usual_port() {
        for (written, asked) in [
            ("socks5://proxy.example", "socks5://proxy.example:1080/"),
            ("socks5://me:x@proxy.example:99", "socks5://proxy.example:99/"),
            ("socks5://[fd00::1]", "socks5://[fd00::1]:1080/"),
            ("http://me:x%40y@proxy.example", "http://proxy.example/"),
            ("https://proxy.example:3128/", "https://proxy.example:3128/"),
        ] {
            assert_eq!(proxy(written).url.to_string(), asked);
        }
    }

    #[test]
    fn who_asks_a_proxy_is_written_with_percent_signs() {
        let user = |url: &str| proxy(url).user;
        assert_eq!(user("socks5://proxy.example"), None);
        assert_eq!(user("socks5://me@proxy.example"), Some(("me".into(), String::new())));
        assert_eq!(
            user("socks5://m%65:p%40ss%3Aword%2@proxy.example"),
            Some(("me".into(), "p@ss:word%2".into()))
        );
        assert_eq!(user("http://a:%C3%A9%ff@b").unwrap().1, "é\u{fffd}");
        let header = proxy("http://me:a%20b@b").authorization().unwrap();
        assert_eq!((header.to_str().unwrap(), header.is_sensitive()), ("Basic bWU6YSBi", true));
        assert_eq!(proxy("http://b").authorization(), None);
    }
}
