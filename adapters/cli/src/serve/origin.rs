//! What `--allow-origin` takes.

use std::net::Ipv6Addr;

const FORMS: &str =
    "an origin is SCHEME://HOST or SCHEME://HOST:PORT, as in http://example.org:8080, the same without the scheme, or * for all";

/// Reads an origin that a page could have, or `*`.
///
/// # Errors
///
/// If no page's origin is ever like that.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let text = text.trim();
    let wrong = |what: &str| Err(format!("{what}; {FORMS}"));
    if text == "*" {
        return Ok(text.to_owned());
    }
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    if scheme.is_some_and(|scheme| !is_scheme(scheme)) {
        return wrong("there is no such scheme");
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return wrong("an origin has no path");
    }
    // The colons inside an IPv6 address stand before its bracket.
    let (host, port) = match rest.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (rest, None),
    };
    if host.is_empty() {
        return wrong("the host is missing");
    }
    if !is_host(host) {
        return wrong("that is no host as browsers name it, without wildcards and in ASCII");
    }
    // Origins are compared as texts.
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |number| number.to_string() != port)) {
        return wrong("the port is a number up to 65535");
    }
    Ok(text.to_owned())
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_that_a_page_could_have_is_taken() {
        for origin in [
            "*",
            "http://example.org",
            "https://example.org:8443/",
            "http://[::1]:80",
            "http://[::1]",
            "chrome-extension://abcdef",
            // As Kurento's client sends it, and what the pages of files have.
            "localhost:8080",
            "localhost",
            "null",
        ] {
            assert_eq!(parse(&format!(" {origin}")).as_deref(), Ok(origin));
        }
    }

    #[test]
    fn what_no_page_could_have_is_told_with_what_is_wrong() {
        for (text, told) in [
            ("", "host is missing"),
            ("http://", "host is missing"),
            ("http://:80", "host is missing"),
            ("://example.org", "no such scheme"),
            ("http://example.org/page", "no path"),
            ("http:example.org", "port"),
            ("http://*.example.org", "no host"),
            ("http://user@example.org", "no host"),
            ("http://bücher.example", "no host"),
            ("::1", "no host"),
            ("http://[::g]", "no host"),
            ("http://a b", "no host"),
            ("http://example.org:", "port"),
            ("http://example.org:080", "port"),
            ("http://example.org:65536", "port"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(told) && error.ends_with(FORMS), "{text}: {error}");
        }
    }
}
