//! Where the server listens, and whether with TLS.

use crate::failure::Failure;
use bowline_tokio::{BoundServer, Server, ServerTls, TokioRuntime};
use std::io;

/// What the path of a Unix socket begins with.
const UNIX: &str = "unix:";
/// What may be listened on.
const FORMS: &str =
    "an address is HOST:PORT, as in 127.0.0.1:8888 or [::1]:8888, ws://HOST:PORT without TLS, wss://HOST:PORT with TLS, or unix:/PATH";

/// One value of `--listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// As the library takes it.
    address: String,
    tls: Tls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Never,
    /// If there is a certificate.
    IfPossible,
    Always,
}

impl Place {
    /// Reads `HOST:PORT`, `ws://HOST:PORT`, `wss://HOST:PORT` or `unix:/PATH`.
    ///
    /// # Errors
    ///
    /// If it is none of these.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix(UNIX) {
            return if path.is_empty() { Err(format!("the path is missing; {FORMS}")) } else { Ok(Self::new(text, Tls::Never)) };
        }
        let (address, tls) = match text.split_once("://") {
            // Schemes are the same in capitals (RFC 3986 section 3.1).
            Some((scheme, address)) if scheme.eq_ignore_ascii_case("ws") => (address, Tls::Never),
            Some((scheme, address)) if scheme.eq_ignore_ascii_case("wss") => (address, Tls::Always),
            Some((scheme, _)) => return Err(format!("--listen has no scheme {scheme}://; {FORMS}")),
            None => (text, Tls::IfPossible),
        };
        let address = address.trim_end_matches('/');
        if address.contains('/') {
            return Err(format!("a path cannot be chosen here; {FORMS}"));
        }
        let (host, port) = address.rsplit_once(':').ok_or_else(|| format!("the port is missing; {FORMS}"))?;
        if host.is_empty() {
            return Err(format!("the host is missing: 127.0.0.1 for this machine only, 0.0.0.0 for all; {FORMS}"));
        }
        if port.parse::<u16>().is_err() {
            return Err(format!("the port is a number up to 65535; {FORMS}"));
        }
        Ok(Self::new(address, tls))
    }

    fn new(address: &str, tls: Tls) -> Self {
        Self { address: address.to_owned(), tls }
    }

    /// The name or the IP address of the machine, if there is one.
    pub(super) fn host(&self) -> Option<&str> {
        let (host, _) = self.address.rsplit_once(':').filter(|_| !self.address.starts_with(UNIX))?;
        Some(host.trim_start_matches('[').trim_end_matches(']'))
    }

    pub(super) fn has_tls(&self, certificate: Option<&ServerTls>) -> bool {
        match self.tls {
            Tls::Never => false,
            Tls::IfPossible => certificate.is_some(),
            Tls::Always => true,
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::Other(why_not(&self.address, error))
    }
}

/// Listens at all `places`.
pub(super) async fn bind(
    server: Server<TokioRuntime>,
    places: &[Place],
    certificate: Option<&ServerTls>,
) -> Result<BoundServer<TokioRuntime>, Failure> {
    let tls_of = |place: &Place| match (place.tls, certificate) {
        (Tls::Never, _) | (Tls::IfPossible, None) => Ok(None),
        (Tls::IfPossible | Tls::Always, Some(tls)) => Ok(Some(tls)),
        (Tls::Always, None) => Err(Failure::Usage(format!(
            "--listen wss://{} needs a certificate: --tls-cert and --tls-key, or --tls-self-signed",
            place.address
        ))),
    };
    let (first, more) = places.split_first().ok_or_else(|| Failure::Usage("--listen: there is nothing to listen on".into()))?;
    let bound = match tls_of(first)? {
        Some(tls) => server.bind_tls(&first.address, tls).await,
        None => server.bind(&first.address).await,
    };
    let mut bound = bound.map_err(|error| first.failed(&error))?;
    for place in more {
        let next = match tls_of(place)? {
            Some(tls) => bound.bind_tls(&place.address, tls).await,
            None => bound.bind(&place.address).await,
        };
        bound = next.map_err(|error| place.failed(&error))?;
    }
    Ok(bound)
}

/// Why the server cannot listen there, and what helps.
fn why_not(listen: &str, error: &io::Error) -> String {
    let in_file_system = listen.starts_with(UNIX);
    let advice = if in_file_system {
        [
            (io::ErrorKind::AddrInUse, "another program listens there, or the path is a file of another kind; take another path"),
            (
                io::ErrorKind::PermissionDenied,
                "you may not create a file there; take a directory that is yours, as unix:/run/user/…, unix:/tmp/…",
            ),
            (io::ErrorKind::NotFound, "the directory of the path is missing; create it first"),
        ]
    } else {
        [
            (
                io::ErrorKind::AddrInUse,
                "another program has this port; stop it, or take another port: --listen 127.0.0.1:0 finds a free one",
            ),
            (io::ErrorKind::PermissionDenied, "this port is not for everybody; take one above 1023"),
            (io::ErrorKind::AddrNotAvailable, "no network interface of this machine has this address; try 127.0.0.1, or 0.0.0.0 for all"),
        ]
    };
    let advice = advice.into_iter().find(|(kind, _)| *kind == error.kind());
    let advice = advice.map_or(FORMS, |(_, advice)| advice);
    format!("cannot listen on {listen}: {error}\n{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_whether_it_wants_tls() {
        for (text, address, tls, host) in [
            ("127.0.0.1:0", "127.0.0.1:0", Tls::IfPossible, Some("127.0.0.1")),
            ("ws://[::1]:80", "[::1]:80", Tls::Never, Some("::1")),
            ("wss://example.org:443/", "example.org:443", Tls::Always, Some("example.org")),
            ("WS://localhost:1", "localhost:1", Tls::Never, Some("localhost")),
            ("unix:/run/rpc.sock", "unix:/run/rpc.sock", Tls::Never, None),
        ] {
            let place = Place::parse(text).unwrap();
            assert_eq!((place.address.as_str(), place.tls, place.host()), (address, tls, host), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_told_and_what_is_one() {
        for (text, told) in [
            ("nowhere", "the port is missing"),
            ("", "the port is missing"),
            ("http://127.0.0.1:8888", "http://"),
            ("ws://127.0.0.1:8888/echo", "a path"),
            (":8888", "the host is missing"),
            ("localhost:http", "up to 65535"),
            ("localhost:65536", "up to 65535"),
            ("unix:", "the path is missing"),
        ] {
            let error = Place::parse(text).unwrap_err();
            assert!(error.contains(told) && error.contains(FORMS), "{text}: {error}");
        }
    }
}
