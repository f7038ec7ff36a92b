//! Turns URLs into origins, and decides where a request may be sent on to.
//!
//! Credentials belong to an origin: scheme, host and port. Addresses that come from a registry (token realms, redirects,
//! upload locations, further pages) are hostile until these rules have let them pass.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use super::RegistryError;
use crate::document::visible_line;

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) is_tls: bool,
    /// In lower case, an IPv6 address without brackets.
    pub(super) host: String,
    port: u16,
}

/// From where a host can be reached, by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Anywhere,
    Private,
    LinkLocal,
    Loopback,
    /// An address in a form of old, which libraries read in different ways.
    Unclear,
}

/// Domains that lead to other places from each network (RFC 6761, 6762, 8375; `internal` is ICANN's, and clouds have their
/// services for their machines there).
const INNER_DOMAINS: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

impl Origin {
    /// The origin of an absolute URL without user and password.
    pub(super) fn of(url: &Uri) -> Option<Self> {
        let is_tls = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let usual = if is_tls { 443 } else { 80 };
        let has_port = authority.as_str().len() > authority.host().len();
        let port = if has_port { authority.port_u16()? } else { usual };
        (!host.is_empty()).then_some(Self { is_tls, host, port })
    }

    /// The origin of a registry, as references name it: `HOST` or `HOST:PORT`.
    pub(super) fn of_registry(authority: &str, is_tls: bool) -> Option<Self> {
        let scheme = if is_tls { "https" } else { "http" };
        Self::of(&format!("{scheme}://{authority}/").parse().ok()?)
    }

    /// Whether this is the machine that we run on, by its name alone.
    pub(super) fn is_loopback(&self) -> bool {
        self.reach() == Reach::Loopback
    }

    /// Whether the name is one that each network has for itself: of one word, or below a domain that is kept for that.
    pub(super) fn is_inner_name(&self) -> bool {
        let name = self.host.trim_end_matches('.');
        let is_below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        !name.contains(['.', ':']) || INNER_DOMAINS.into_iter().any(is_below)
    }

    fn reach(&self) -> Reach {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return reach_of(address);
        }
        let last = self.host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match last {
            "localhost" => Reach::Loopback,
            _ if is_number => Reach::Unclear,
            _ => Reach::Anywhere,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}", visible_line(&self.host))?;
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Whether an address is one that no registry elsewhere may send us to, whatever name leads there: this machine, or the
/// services that clouds and nodes have for their own machines.
pub(super) fn is_of_machine(address: IpAddr) -> bool {
    matches!(reach_of(address), Reach::Loopback | Reach::LinkLocal)
}

fn reach_of(address: IpAddr) -> Reach {
    match address.to_canonical() {
        IpAddr::V4(it) => reach_of_v4(it),
        IpAddr::V6(it) => reach_of_v6(it),
    }
}

fn reach_of_v4(it: Ipv4Addr) -> Reach {
    // "This network", networks of providers and of tests between networks (RFC 6598, 6890, 2544), and what is kept for
    // later: nothing of it is reached through the internet.
    let is_special = match it.octets() {
        [0 | 240.., ..] | [192, 0, 0, _] | [198, 18 | 19, ..] => true,
        [100, second, ..] => second & 0xc0 == 64,
        _ => false,
    };
    if it.is_loopback() || it.is_unspecified() {
        Reach::Loopback
    } else if it.is_link_local() {
        Reach::LinkLocal
    } else if it.is_private() || it.is_multicast() || is_special {
        Reach::Private
    } else {
        Reach::Anywhere
    }
}

fn reach_of_v6(it: Ipv6Addr) -> Reach {
    let inner = |high: u16, low: u16| reach_of_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    if it.is_loopback() || it.is_unspecified() {
        Reach::Loopback
    } else if it.is_unicast_link_local() {
        Reach::LinkLocal
    } else if it.is_unique_local() || it.is_multicast() {
        Reach::Private
    } else {
        // The rest may be a way to an IPv4 address.
        match it.segments() {
            // Translated by a gateway, in the form of old, or as it is within one network (ISATAP).
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => inner(high, low),
            [.., 0 | 0x200, 0x5efe, high, low] => inner(high, low),
            // 6to4.
            [0x2002, high, low, ..] => inner(high, low),
            // Teredo, whose addresses stand there inverted.
            [0x2001, 0, .., high, low] => inner(!high, !low),
            // A gateway of the own network; sites of old; what goes nowhere.
            [0x64, 0xff9b, 1, ..] | [0xfec0..=0xfeff, ..] | [0x100, 0, 0, 0, ..] => Reach::Private,
            _ => Reach::Anywhere,
        }
    }
}

/// The rules of one registry.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) registry: Origin,
    /// Hosts beside the registry's own where it may have tokens made.
    pub(super) token_hosts: Vec<String>,
}

impl Bounds {
    /// Checks where an answer from `from` sends us on to.
    pub(super) fn redirect(&self, from: &Origin, target: &str) -> Result<Uri, RegistryError> {
        let refused = |why| self.refused_redirect(target, why);
        let url: Uri = target.parse().map_err(|_| refused("which is no URL"))?;
        let to = Origin::of(&url).ok_or_else(|| refused("which is no URL of the web"))?;
        if from.is_tls && !to.is_tls {
            return Err(refused("which is not encrypted"));
        }
        self.check_reach(&to).map_err(refused)?;
        Ok(url)
    }

    /// Checks where tokens are made.
    pub(super) fn realm(&self, realm: &str) -> Result<(Uri, Origin), RegistryError> {
        let refused = || RegistryError::Realm {
            registry: self.registry.to_string(),
            realm: host_of(realm).unwrap_or_else(|| visible_line(realm)),
        };
        let url: Uri = realm.parse().map_err(|_| refused())?;
        let origin = Origin::of(&url).ok_or_else(refused)?;
        let is_known = origin.host == self.registry.host
            || self.token_hosts.iter().any(|host| host.trim_matches(['[', ']']) == origin.host);
        // A registry without encryption may have its tokens made without it, at its own host and port.
        let is_safe = origin.is_tls || origin == self.registry;
        if is_known && is_safe { Ok((url, origin)) } else { Err(refused()) }
    }

    /// Checks that a place that the registry names, such as that of an upload, is at the registry itself.
    pub(super) fn own(&self, target: &str) -> Result<Uri, RegistryError> {
        let refused = |why| self.refused_redirect(target, why);
        let url: Uri = target.parse().map_err(|_| refused("which is no URL"))?;
        if Origin::of(&url).as_ref() == Some(&self.registry) {
            Ok(url)
        } else {
            Err(refused("which is not the registry itself"))
        }
    }

    fn check_reach(&self, to: &Origin) -> Result<(), &'static str> {
        match to.reach() {
            Reach::Anywhere => Ok(()),
            Reach::Unclear => Err("whose host is no address in its usual form"),
            reach if reach == self.registry.reach() => Ok(()),
            _ => Err("which is an address of this machine or of a private network"),
        }
    }

    fn refused_redirect(&self, target: &str, why: &'static str) -> RegistryError {
        let to = host_of(target).unwrap_or_else(|| "another place".into());
        RegistryError::SentOn { registry: self.registry.to_string(), to, why }
    }
}

/// The host and port of a URL, for people. Queries of such URLs hold secrets.
fn host_of(url: &str) -> Option<String> {
    Origin::of(&url.parse().ok()?).map(|origin| origin.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::of(&url.parse().unwrap()).unwrap()
    }

    fn bounds(registry: &str) -> Bounds {
        Bounds { registry: origin(registry), token_hosts: vec!["auth.example".into()] }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin("https://A.example/x"), origin("https://a.example:443/y"));
        assert_eq!(origin("http://[::1]:80"), origin("http://[::1]"));
        for other in ["http://a.example:443", "https://a.example:444", "https://b.example"] {
            assert_ne!(origin("https://a.example"), origin(other));
        }
        for none in ["/v2/", "ftp://a.example/", "https://user:secret@a.example/", "https://user@a.example"] {
            assert_eq!(Origin::of(&none.parse().unwrap()), None, "{none}");
        }
        assert_eq!(origin("https://[FD00::1]:5000/").to_string(), "[fd00::1]:5000");
        assert_eq!(Origin::of_registry("a.example:5000", true), Some(origin("https://a.example:5000")));
        assert_eq!(Origin::of_registry("user@a.example", true), None);
    }

    #[test]
    fn a_redirect_stays_encrypted_and_away_from_this_machine_and_private_networks() {
        let (here, from) = (bounds("https://registry.example"), origin("https://registry.example"));
        for good in [
            "https://cdn.example/x?sig=1",
            "https://93.184.216.34/",
            "https://192.0.1.1/",
            "https://198.17.255.255/",
            "https://100.128.0.1/",
            "https://[2606:2800::1]/",
            "https://[2002:5db8:d822::1]/",
            "https://[64:ff9b::5db8:d822]/",
        ] {
            assert!(here.redirect(&from, good).is_ok(), "{good}");
        }
        for bad in [
            "http://cdn.example/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://x.localhost./",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0x7f000001/",
            "https://017700000001/",
            "https://0.0.0.0/",
            "https://10.1.2.3/",
            "https://172.16.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://255.255.255.255/",
            "https://0.1.2.3/",
            "https://192.0.0.192/",
            "https://198.18.0.1/",
            "https://198.19.255.255/",
            "https://100.127.255.255/",
            "https://240.0.0.1/",
            "https://224.0.0.1/",
            "https://[fec0::1]/",
            "https://[feff::1]/",
            "https://[febf::1]/",
            "https://[ff02::1]/",
            "https://[100::1]/",
            "https://[2002:7f00:1::]/",
            "https://[2002:a9fe:a9fe::1]/",
            "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
            "https://[64:ff9b:1::808:808]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[2606:2800::5efe:a00:1]/",
            "https://[2606:2800::200:5efe:7f00:1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[::ffff:198.18.0.1]/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://user:secret@cdn.example/",
            "ftp://cdn.example/",
            "//cdn.example/",
            "https://",
            "",
        ] {
            assert!(here.redirect(&from, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_registry_on_this_machine_may_send_on_to_this_machine_only_and_a_private_one_to_its_network() {
        let (here, from) = (bounds("http://127.0.0.1:5000"), origin("http://127.0.0.1:5000"));
        assert!(here.redirect(&from, "http://127.0.0.1:5001/").is_ok());
        assert!(here.redirect(&from, "http://10.0.0.1/").is_err());
        let (private, from) = (bounds("https://10.0.0.1"), origin("https://10.0.0.1"));
        assert!(private.redirect(&from, "https://192.168.0.1/").is_ok());
        assert!(private.redirect(&from, "https://127.0.0.1/").is_err());
        assert!(private.redirect(&from, "https://169.254.169.254/").is_err());
        // Once the way was encrypted, it stays so.
        assert!(here.redirect(&origin("https://localhost"), "http://127.0.0.1/").is_err());
    }

    #[test]
    fn tokens_are_made_encrypted_by_the_registry_or_by_hosts_that_were_named() {
        let registry = bounds("https://registry.example:8443");
        for good in
            ["https://registry.example/token", "https://auth.example/", "https://AUTH.example:1/t?x=y"]
        {
            assert!(registry.realm(good).is_ok(), "{good}");
        }
        for bad in [
            "http://registry.example/token",
            "http://auth.example/",
            "https://evil.example/",
            "https://auth.example.evil.example/",
            "https://auth.example@evil.example/",
            "https://evilauth.example/",
            "/token",
            "",
        ] {
            assert!(matches!(registry.realm(bad), Err(RegistryError::Realm { .. })), "{bad}");
        }
        let plain = bounds("http://127.0.0.1:5000");
        assert!(plain.realm("http://127.0.0.1:5000/token").is_ok());
        assert!(plain.realm("http://127.0.0.1:5001/token").is_err());
        assert!(plain.realm("http://auth.example/token").is_err());
    }

    #[test]
    fn uploads_and_pages_stay_at_the_registry() {
        let registry = bounds("https://registry.example");
        assert!(registry.own("https://registry.example:443/v2/a/blobs/uploads/1?state=x").is_ok());
        for bad in
            ["http://registry.example/", "https://registry.example:444/", "https://cdn.example/", "/v2/"]
        {
            assert!(registry.own(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_secret_of_a_refused_url_is_told() {
        let registry = bounds("https://registry.example");
        let from = origin("https://registry.example");
        let refused = registry.redirect(&from, "http://cdn.example/p?signature=hunter2").unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("cdn.example") && !refused.contains("hunter2"), "{refused}");
        let refused = registry.own("https://user:hunter2@cdn.example/").unwrap_err().to_string();
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
