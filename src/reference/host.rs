//! The names of registries, in the one spelling that each has: `HOST` or `HOST:PORT`, in lower case.
//!
//! Credentials, rules of a trust policy and settings are found by that name, so two spellings of one registry would be two
//! registries to whoever wrote them. Another spelling is refused, and the right one is told.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A text is not how a registry, or a host, is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not how {kind} is named: write {}", shown(.text), suggestion(.right.as_deref(), .kind))]
pub struct InvalidHost {
    /// `a registry` or `a host`.
    kind: &'static str,
    text: String,
    /// The right spelling, where the text says which one is meant.
    pub(super) right: Option<String>,
}

/// A host, and a port where one is named.
struct Spelled {
    host: String,
    port: Option<u16>,
}

/// Checks the name of a registry, as references have it: with a dot or a port, or `localhost`, which tells it from the
/// first segment of a repository.
///
/// # Errors
/// [`InvalidHost`] with the right spelling, if it can be told.
pub fn check_registry(text: &str) -> Result<(), InvalidHost> {
    let right = Spelled::read(text).filter(Spelled::is_of_registry).map(|spelled| spelled.to_string());
    same("a registry", text, right)
}

/// Checks the name of a host, whatever its port.
///
/// # Errors
/// [`InvalidHost`] with the right spelling, if it can be told.
pub fn check_host(text: &str) -> Result<(), InvalidHost> {
    same("a host", text, Spelled::read(text).map(|spelled| spelled.host))
}

fn same(kind: &'static str, text: &str, right: Option<String>) -> Result<(), InvalidHost> {
    if right.as_deref() == Some(text) { Ok(()) } else { Err(InvalidHost { kind, text: text.into(), right }) }
}

impl Spelled {
    /// Reads a host in any spelling that people use: also as a URL, from which only host and port are taken.
    fn read(text: &str) -> Option<Self> {
        let rest = text.trim().split_once("://").map_or(text.trim(), |(_, rest)| rest);
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let rest = rest.rsplit('@').next().unwrap_or_default();
        if let Ok(address) = rest.parse::<Ipv6Addr>() {
            return Some(Self { host: format!("[{address}]"), port: None });
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), port),
            None => {
                let (name, port) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
                (name_in(name)?, port)
            }
        };
        let port = match port {
            "" => None,
            port => Some(port.strip_prefix(':')?.parse().ok().filter(|port| *port != 0)?),
        };
        Some(Self { host, port })
    }

    fn is_of_registry(&self) -> bool {
        self.port.is_some() || self.host.contains(['.', '[']) || self.host == "localhost"
    }
}

/// A name of the domain name system, or an address of four numbers, in lower case.
fn name_in(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let last = name.rsplit('.').next().unwrap_or_default();
    // `127.1` and `0x7f.1` are addresses to some libraries and names to others.
    let is_number = last.starts_with(|letter: char| letter.is_ascii_digit())
        && (last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x"));
    let fits = name.split('.').all(is_label) && (!is_number || name.parse::<Ipv4Addr>().is_ok());
    fits.then_some(name)
}

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The text, without the user and password that a URL may hold.
fn shown(text: &str) -> String {
    let rest = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    format!("`{}`", rest.escape_debug())
}

fn suggestion(right: Option<&str>, kind: &str) -> String {
    let example = if kind == "a host" {
        "each by its name, such as `auth.example`"
    } else {
        "each by its name, such as `registry.example` or `registry.example:5000`"
    };
    right.map_or_else(|| example.to_owned(), |right| format!("`{right}`"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_registry_has_one_spelling_and_others_are_told_it() {
        for (text, right) in [
            ("registry.example", Some("registry.example")),
            ("registry.example:5000", Some("registry.example:5000")),
            ("localhost", Some("localhost")),
            ("registry:5000", Some("registry:5000")),
            ("127.0.0.1:5000", Some("127.0.0.1:5000")),
            ("[::1]:5000", Some("[::1]:5000")),
            ("[fd00::1]", Some("[fd00::1]")),
            ("Registry.Example", Some("registry.example")),
            ("registry.example.", Some("registry.example")),
            ("registry.example:05000", Some("registry.example:5000")),
            ("http://registry.example", Some("registry.example")),
            ("https://REGISTRY.example:5000/v2/", Some("registry.example:5000")),
            ("oci://registry.example/acme/web", Some("registry.example")),
            ("registry.example/acme", Some("registry.example")),
            ("https://somebody:hunter2@registry.example", Some("registry.example")),
            (" registry.example", Some("registry.example")),
            ("[0:0:0:0:0:0:0:1]:5000", Some("[::1]:5000")),
            ("[FD00::1]:5000", Some("[fd00::1]:5000")),
            ("::1", Some("[::1]")),
            ("registry", None),
            ("*", None),
            ("*.example", None),
            ("", None),
            ("registry.example:", None),
            ("registry.example:0", None),
            ("registry.example:70000", None),
            ("registry..example", None),
            ("regis_try.example", None),
            ("127.1:5000", None),
            ("0x7f.1:5000", None),
            ("[::1", None),
            ("[::1]5000", None),
        ] {
            match check_registry(text) {
                Ok(()) => assert_eq!(Some(text), right),
                Err(error) => {
                    assert_eq!(error.right.as_deref(), right, "{text}");
                    let told = error.to_string();
                    assert!(!told.contains("hunter2"), "{told}");
                    assert!(told.contains(right.map_or("such as", |right| right)), "{told}");
                }
            }
        }
        assert!(check_registry("registry.example").is_ok());
    }

    #[test]
    fn a_host_has_no_port_and_may_be_of_one_word() {
        for text in ["auth.example", "auth", "127.0.0.1", "[::1]"] {
            assert_eq!(check_host(text), Ok(()));
        }
        for (text, right) in [
            ("auth.example:443", Some("auth.example")),
            ("https://Auth.example/token", Some("auth.example")),
            ("*", None),
        ] {
            assert_eq!(check_host(text).unwrap_err().right.as_deref(), right, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_right_spelling_is_right(text in "[a-zA-Z0-9.:/@\\[\\]*-]{0,24}") {
            if let Err(InvalidHost { right: Some(right), .. }) = check_registry(&text) {
                prop_assert_eq!(check_registry(&right), Ok(()));
            }
        }
    }
}
