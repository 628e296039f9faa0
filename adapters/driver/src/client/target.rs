use crate::connection::ConnectError;
use http::Uri;
use http::uri::Authority;

/// Where a client connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// A name or an address, without the brackets of an IPv6 address.
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// Whether it is spoken to by TLS.
    pub(super) secure: bool,
    /// As the `Host` header has it.
    pub(super) authority: Box<str>,
    /// Path and query.
    pub(super) path: Box<str>,
}

impl Target {
    /// Reads `ws://host[:port][/path][?query]`, or the same with `wss`.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let invalid = |why: &str| ConnectError::InvalidUrl(format!("`{url}`: {why}"));
        let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| invalid(&error.to_string()))?;
        // Schemes are the same in capitals (RFC 3986 section 3.1).
        let secure = match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("ws") => false,
            Some(scheme) if scheme.eq_ignore_ascii_case("wss") => true,
            Some(_) | None => return Err(invalid("it has to begin with ws:// or wss://")),
        };
        let authority: &Authority = uri.authority().ok_or_else(|| invalid("the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("a name or password cannot be sent"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(invalid("the host is missing"));
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str().len() == authority.host().len() => {
                if secure {
                    443
                } else {
                    80
                }
            }
            None => return Err(invalid("the port is no number up to 65535")),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: host.into(),
            port,
            secure,
            authority: authority.as_str().into(),
            // `ws://host?query` has no slash of its own.
            path: if path.starts_with('/') { path.into() } else { format!("/{path}").into() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (url, host, port, authority, path) in [
            ("ws://example.org", "example.org", 80, "example.org", "/"),
            ("wss://example.org", "example.org", 443, "example.org", "/"),
            ("wss://h:80/x", "h", 80, "h:80", "/x"),
            ("ws://example.org:8888/kurento?a=b", "example.org", 8888, "example.org:8888", "/kurento?a=b"),
            ("ws://[::1]:1/x", "::1", 1, "[::1]:1", "/x"),
            ("ws://h?q", "h", 80, "h", "/?q"),
            ("WS://h/X", "h", 80, "h", "/X"),
            ("Wss://h", "h", 443, "h", "/"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!((&*target.host, target.port, &*target.authority, &*target.path), (host, port, authority, path), "{url}");
            assert_eq!(target.secure, url.to_lowercase().starts_with("wss:"), "{url}");
        }
        for url in ["", "h", "/x", "http://h", "ws://", "ws:///x", "ws://u:p@h", "ws://h:99999"] {
            assert!(matches!(Target::parse(url), Err(ConnectError::InvalidUrl(_))), "{url}");
        }
    }
}
