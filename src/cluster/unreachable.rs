//! Turns errors of the libraries that carry a request into why there was no answer, in words of ours.
//!
//! A module of its own since it is the one place where texts of these libraries are looked at: hyper, rustls and the proxies'
//! connectors tell their errors by nested causes, whose types are for the most part nobody else's to name.

use std::error::Error;
use std::io;

use crate::document::visible_line;

/// Words that such a library says, and what they mean to a person. The first that is found counts.
const MEANINGS: &[(&str, &str)] = &[
    ("credentials not accepted", "the proxy does not accept the name and password of its URL"),
    (
        "server does not support user/pass",
        "the proxy does not take who asks: its URL may have a name and a password",
    ),
    ("proxy authorization required", "the proxy wants a name and a password, which its URL may have"),
    ("tunnel error: failed to create underlying connection", "the proxy cannot be reached"),
    ("SOCKS error: failed to create underlying connection", "the proxy cannot be reached"),
    ("tunnel error", "the proxy does not let it through"),
    ("SOCKS error", "the proxy does not let it through"),
    ("dns error", "no address is known for its name"),
    ("failed to lookup address information", "no address is known for its name"),
    ("UnknownIssuer", "its certificate is signed by an authority that the kubeconfig does not name"),
    ("not valid for name", "its certificate is for another name"),
    ("NotValidForName", "its certificate is for another name"),
    ("certificate expired", "its certificate is over"),
    ("Expired", "its certificate is over"),
    ("not valid yet", "its certificate does not count yet"),
    ("invalid peer certificate", "its certificate cannot be used"),
    ("InvalidContentType", "it does not speak TLS: its address may have to begin with `http://`"),
    (
        "received fatal alert",
        "it ends the TLS handshake: it may not accept the certificate of the kubeconfig",
    ),
];

/// Why a request went nowhere, on one line.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    let causes: Vec<_> = std::iter::successors(Some(error), |&error| error.source()).collect();
    let texts: Vec<_> = causes.iter().map(|cause| cause.to_string()).collect();
    let said = MEANINGS.iter().find(|(words, _)| texts.iter().any(|text| text.contains(words)));
    if let Some((_, meaning)) = said {
        return (*meaning).into();
    }
    let system = causes.iter().find_map(|cause| of_system(cause.downcast_ref::<io::Error>()?.kind()));
    match (system, texts.last()) {
        (Some(meaning), _) => meaning.into(),
        (None, Some(innermost)) => visible_line(innermost),
        (None, None) => String::new(),
    }
}

/// The operating system's reason.
fn of_system(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "nobody listens there",
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {
            "the connection was ended from there"
        }
        io::ErrorKind::UnexpectedEof => "the connection was ended from there, in the middle of an answer",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            "no network leads there"
        }
        io::ErrorKind::TimedOut => "it does not answer",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error with a cause.
    #[derive(Debug)]
    struct Outer(&'static str, Box<dyn Error + Send + Sync>);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.1)
        }
    }

    #[test]
    fn what_libraries_say_is_told_in_our_words() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        for (cause, told) in [
            (refused.into(), "nobody listens there"),
            ("dns error".into(), "no address is known for its name"),
            (
                "invalid peer certificate: UnknownIssuer".into(),
                "its certificate is signed by an authority that the kubeconfig does not name",
            ),
            ("tunnel error: unsuccessful".into(), "the proxy does not let it through"),
            ("SOCKS error: credentials not accepted".into(), MEANINGS[0].1),
            ("something\nelse".into(), "something else"),
        ] {
            assert_eq!(reason(&Outer("client error (Connect)", cause)), told);
        }
    }
}
