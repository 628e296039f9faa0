//! Which web pages may connect (PROTOCOL 9).

/// Whether a request with these `Host` and `Origin` headers may come in. With none `allowed`, only pages of the same host and port may; on a listener `with_tls`, those
/// that came over TLS themselves.
pub(super) fn is_allowed(allowed: &[Box<str>], host: Option<&str>, origin: Option<&str>, with_tls: bool) -> bool {
    // Only browsers send it, and what is not a browser could send anything.
    let Some(origin) = origin else { return true };
    let origin = Origin::parse(origin);
    if allowed.is_empty() {
        // Without TLS here, there may be some before us.
        let scheme = with_tls.then_some("https");
        return host.is_some_and(|host| Origin { scheme, ..Origin::parse(host) }.matches(&origin));
    }
    allows_all(allowed) || allowed.iter().any(|entry| Origin::parse(entry).matches(&origin))
}

/// Whether pages of every origin may come in.
pub(super) fn allows_all(allowed: &[Box<str>]) -> bool {
    allowed.iter().any(|entry| &**entry == "*")
}

/// `scheme://host:port`, of which the scheme may be missing: the real kurento-client leaves it out.
#[derive(Clone, Copy, Debug)]
struct Origin<'a> {
    scheme: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Self {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // The colons inside an IPv6 address stand before its bracket.
        let port_at = rest.rfind(':').filter(|at| rest.rfind(']').is_none_or(|bracket| bracket < *at));
        match port_at {
            Some(at) => Self { scheme, host: &rest[..at], port: Some(&rest[at + 1..]) },
            None => Self { scheme, host: rest, port: None },
        }
    }

    /// The port that it has, or that its scheme, or the other's, implies.
    fn port(&self, other: Option<&'a str>) -> Option<&'a str> {
        self.port.or_else(|| self.scheme.or(other).and_then(default_port))
    }

    fn matches(&self, other: &Self) -> bool {
        let schemes = match (self.scheme, other.scheme) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (None, _) | (_, None) => true,
        };
        schemes && self.host.eq_ignore_ascii_case(other.host) && self.port(other.scheme) == other.port(self.scheme)
    }
}

fn default_port(scheme: &str) -> Option<&'static str> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("http") || is("ws") {
        Some("80")
    } else if is("https") || is("wss") {
        Some("443")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_only_the_same_host_and_port_may_come() {
        for (host, origin, expected) in [
            ("127.0.0.1:8888", None, true),
            ("127.0.0.1:8888", Some("http://127.0.0.1:8888"), true),
            ("127.0.0.1:8888", Some("127.0.0.1:8888"), true),
            ("127.0.0.1:8888", Some("http://127.0.0.1:8889"), false),
            ("127.0.0.1:8888", Some("http://127.0.0.1"), false),
            ("127.0.0.1:8888", Some("127.0.0.1"), false),
            ("Example.com", Some("https://example.com"), true),
            ("example.com", Some("https://example.com:443"), true),
            ("example.com:443", Some("https://example.com"), true),
            ("example.com", Some("https://example.com:8443"), false),
            ("example.com", Some("https://example.com.evil.org"), false),
            ("[::1]:80", Some("http://[::1]"), true),
            ("[::1]", Some("http://[::1]:81"), false),
            ("example.com", Some("null"), false),
            ("example.com", Some(""), false),
        ] {
            assert_eq!(is_allowed(&[], Some(host), origin, false), expected, "{host} {origin:?}");
        }
        assert!(!is_allowed(&[], None, Some("http://example.com"), false));
        for (host, origin, expected) in [
            ("example.com", Some("https://example.com"), true),
            ("example.com", Some("http://example.com"), false),
            ("example.com", Some("http://example.com:443"), false),
            ("example.com:8443", Some("https://example.com:8443"), true),
            ("example.com:8443", None, true),
        ] {
            assert_eq!(is_allowed(&[], Some(host), origin, true), expected, "{host} {origin:?}");
        }
    }

    #[test]
    fn a_list_says_who_may_come() {
        let list = |entries: &[&str]| entries.iter().map(|entry| Box::from(*entry)).collect::<Vec<Box<str>>>();
        for (allowed, origin, expected) in [
            (list(&["*"]), "http://anything", true),
            (list(&["https://a.org", "http://b.org:81"]), "https://A.org:443", true),
            (list(&["https://a.org"]), "http://a.org", false),
            (list(&["https://a.org"]), "http://a.org:443", false),
            (list(&["http://b.org:81"]), "http://b.org", false),
            (list(&["a.org:8080"]), "https://a.org:8080", true),
            (list(&["https://a.org"]), "https://host", false),
        ] {
            assert_eq!(is_allowed(&allowed, Some("host"), Some(origin), false), expected, "{allowed:?} {origin}");
        }
    }
}
