//! The head of an HTTP request, and the answers to it.

use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{Extensions, Method, Response, StatusCode, Uri};
use std::net::SocketAddr;
use std::sync::Arc;

/// More headers than any client sends.
const MAX_HEADERS: usize = 96;

/// The head of the request with which a client asks for a transport, as interceptors see it.
#[derive(Clone, Debug)]
pub struct RequestHead {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
    caller: Caller,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    pub(super) peer: Option<SocketAddr>,
    pub(super) security: Security,
}

/// What is known of a connection's secrecy.
#[derive(Clone, Debug, Default)]
pub(super) enum Security {
    /// Nothing: there is none, or somebody else sees to it.
    #[default]
    Unknown,
    /// It is TLS of ours.
    Tls {
        /// The one that the client has shown.
        certificate: Option<Arc<[u8]>>,
    },
}

impl RequestHead {
    /// That of a request that somebody else has read.
    pub(super) fn of<B>(request: &http::Request<B>, caller: Caller) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
            caller,
        }
    }

    /// The path that was asked for, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// What follows the path behind a `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The value of header `name`, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What the application's middleware has put into the request before it came to [`Acceptor::upgrade`](crate::Acceptor::upgrade), such as who the user is; empty for a request that the server
    /// has read itself.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The peer's address, if the stream has one.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.caller.peer
    }

    /// Whether the connection came in by a listener with TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self.caller.security {
            Security::Unknown => false,
            Security::Tls { .. } => true,
        }
    }

    /// The certificate (DER) that the client has shown, after it was verified; only listeners that ask for one have it.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        match &self.caller.security {
            Security::Unknown => None,
            Security::Tls { certificate } => certificate.as_deref(),
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// Whether it is meant to turn the connection into a WebSocket.
    pub(super) fn wants_upgrade(&self) -> bool {
        has_token(self, &UPGRADE, "websocket")
    }

    /// Whether the connection is to end with the answer.
    pub(super) fn wants_close(&self) -> bool {
        has_token(self, &CONNECTION, "close")
    }

    /// Where its body ends (RFC 9112 section 6.3). What can be understood in two ways is refused.
    pub(super) fn body(&self) -> Result<Body, Refusal> {
        const BAD: Refusal = Refusal(StatusCode::BAD_REQUEST);
        let mut lengths = self.headers.get_all(CONTENT_LENGTH).iter();
        let length = lengths.next();
        let mut encodings = self.headers.get_all(TRANSFER_ENCODING).iter();
        if let Some(encoding) = encodings.next() {
            let is_chunked = encoding.as_bytes().eq_ignore_ascii_case(b"chunked") && encodings.next().is_none();
            return match length {
                Some(_) => Err(BAD),
                None if is_chunked => Ok(Body::Chunked),
                None => Err(StatusCode::NOT_IMPLEMENTED.into()),
            };
        }
        let Some(length) = length else { return Ok(Body::Sized(0)) };
        if lengths.any(|other| other != length) || !length.as_bytes().iter().all(u8::is_ascii_digit) {
            return Err(BAD);
        }
        length.to_str().ok().and_then(|length| length.parse().ok()).map(Body::Sized).ok_or(BAD)
    }

    pub(super) fn host(&self) -> Option<&str> {
        self.header(HOST.as_str())
    }

    pub(super) fn origin(&self) -> Option<&str> {
        // One that is no text fits no host either.
        self.headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or(""))
    }
}

/// How long a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Sized(usize),
    /// It tells as it goes.
    Chunked,
}

/// What becomes of a connection behind an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It ends.
    Close,
    /// It waits so many seconds for the next request.
    KeepAlive(u64),
}

/// A request that gets no transport: the status that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) StatusCode);

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self(status)
    }
}

/// The request at the start of `bytes` and its length, `None` if it is not complete.
pub(super) fn parse(bytes: &[u8], caller: &Caller) -> Result<Option<(RequestHead, usize)>, Refusal> {
    const BAD: Refusal = Refusal(StatusCode::BAD_REQUEST);
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into()),
        Err(_) => return Err(BAD),
    };
    let (Some(method), Some(target)) = (request.method, request.path) else { return Err(BAD) };
    if request.version != Some(1) {
        return Err(StatusCode::HTTP_VERSION_NOT_SUPPORTED.into());
    }
    let mut map = HeaderMap::with_capacity(request.headers.len());
    for header in request.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| BAD)?;
        map.append(name, HeaderValue::from_bytes(header.value).map_err(|_| BAD)?);
    }
    let head = RequestHead {
        method: Method::from_bytes(method.as_bytes()).map_err(|_| BAD)?,
        uri: target.parse().map_err(|_| BAD)?,
        headers: map,
        extensions: Extensions::new(),
        caller: caller.clone(),
    };
    Ok(Some((head, length)))
}

/// The key of a WebSocket handshake (RFC 6455 section 4.2.1).
pub(super) fn websocket_key(head: &RequestHead) -> Result<&str, Refusal> {
    if head.method != Method::GET {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into());
    }
    if !has_token(head, &UPGRADE, "websocket") || !has_token(head, &CONNECTION, "upgrade") {
        return Err(StatusCode::UPGRADE_REQUIRED.into());
    }
    if head.header("sec-websocket-version") != Some("13") {
        return Err(StatusCode::UPGRADE_REQUIRED.into());
    }
    // 16 bytes in base64.
    head.header("sec-websocket-key").filter(|key| key.len() == 24 && head.host().is_some()).ok_or(StatusCode::BAD_REQUEST.into())
}

fn has_token(head: &RequestHead, name: &HeaderName, token: &str) -> bool {
    let values = head.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// The answer that turns the connection into a WebSocket.
pub(super) fn switching_protocols(key: &str) -> Response<String> {
    let accept = bowline_websocket::accept_key(key);
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    // Base64 is always a header's value.
    headers.extend(HeaderValue::from_str(&accept).ok().map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
    response
}

impl Refusal {
    /// The answer to a request that gets no transport.
    pub(super) fn response(self) -> Response<String> {
        let Self(status) = self;
        let text = match status {
            StatusCode::UPGRADE_REQUIRED => "This path speaks JSON-RPC 2.0 over WebSocket (version 13).\n",
            StatusCode::NOT_FOUND => "Nothing is served here.\n",
            StatusCode::FORBIDDEN => "This origin may not connect.\n",
            _ => status.canonical_reason().unwrap_or("Refused"),
        };
        let mut response = Response::new(text.to_owned());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        response
    }
}

/// An answer of ours as it is written on a connection of ours.
pub(super) fn to_bytes(response: &Response<String>, then: Persistence) -> Vec<u8> {
    let (status, body) = (response.status(), response.body());
    // These have no body, and must not say how long it is (RFC 9110 section 8.6).
    let length = (!matches!(status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
        .then(|| HeaderValue::from(body.len()));
    let mut bytes = head_bytes(status, response.headers(), length.map(|length| (CONTENT_LENGTH, length)), then);
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// The head of an answer, with the header by which its end is known.
pub(super) fn head_bytes(status: StatusCode, headers: &HeaderMap, ends: Option<(HeaderName, HeaderValue)>, then: Persistence) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or("Refused")).into_bytes();
    let mut write = |name: &HeaderName, value: &HeaderValue| {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    };
    headers.iter().for_each(|(name, value)| write(name, value));
    if let Some((name, value)) = &ends {
        write(name, value);
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        match then {
            Persistence::Close => bytes.extend_from_slice(b"connection: close\r\n"),
            Persistence::KeepAlive(seconds) => bytes.extend_from_slice(format!("keep-alive: timeout={seconds}\r\n").as_bytes()),
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /demo?x=1 HTTP/1.1\r\nHost: h:1\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: h:1\r\n\r\n";

    fn key_of(text: &str) -> Result<String, Refusal> {
        let (head, _) = parse(text.as_bytes(), &Caller::default())?.expect("complete");
        websocket_key(&head).map(str::to_owned)
    }

    #[test]
    fn a_handshake_is_read_up_to_its_end() {
        let mut bytes = GOOD.as_bytes().to_vec();
        for cut in 0..GOOD.len() {
            assert!(parse(&bytes[..cut], &Caller::default()).unwrap().is_none(), "{cut}");
        }
        bytes.extend_from_slice(b"\x81\x00");
        let (head, length) = parse(&bytes, &Caller::default()).unwrap().unwrap();
        assert_eq!(
            (head.path(), head.query(), head.host(), head.origin(), length),
            ("/demo", Some("x=1"), Some("h:1"), Some("h:1"), GOOD.len())
        );
        let answer = String::from_utf8(to_bytes(&switching_protocols(websocket_key(&head).unwrap()), Persistence::Close)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "RFC 6455 section 1.3: {answer}");
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        for (from, to, status) in [
            ("GET", "POST", StatusCode::METHOD_NOT_ALLOWED),
            ("Upgrade: WebSocket\r\n", "", StatusCode::UPGRADE_REQUIRED),
            ("keep-alive, Upgrade", "keep-alive", StatusCode::UPGRADE_REQUIRED),
            ("Version: 13", "Version: 8", StatusCode::UPGRADE_REQUIRED),
            ("ZQ==", "", StatusCode::BAD_REQUEST),
            ("Host: h:1\r\n", "", StatusCode::BAD_REQUEST),
            ("GET /demo", "GET demo demo", StatusCode::BAD_REQUEST),
            ("HTTP/1.1", "HTTP/9", StatusCode::BAD_REQUEST),
            ("HTTP/1.1", "HTTP/1.0", StatusCode::HTTP_VERSION_NOT_SUPPORTED),
        ] {
            assert_eq!(key_of(&GOOD.replacen(from, to, 1)), Err(Refusal(status)), "{from} -> {to}");
        }
        let many = GOOD.replacen("Host", &"X: y\r\n".repeat(MAX_HEADERS).add("Host"), 1);
        assert_eq!(key_of(&many), Err(Refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)));
    }

    #[test]
    fn a_refusal_is_a_whole_answer() {
        let text = String::from_utf8(to_bytes(&Refusal(StatusCode::UPGRADE_REQUIRED).response(), Persistence::Close)).unwrap();
        assert!(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n") && text.contains("\r\nsec-websocket-version: 13\r\n"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
    }

    use std::ops::Add;
}
