//! The client's side of the WebSocket handshake (RFC 6455 section 4.1).

use super::target::Target;
use crate::connection::ConnectError;
use crate::runtime::BoxStream;
use bowline_websocket::{accept_key, request_key};
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use http::{HeaderMap, HeaderName, StatusCode, header::HOST};

/// Bytes of the answer's head.
const MAX_HEAD: usize = 16 * 1024;
/// What a server answers that expected TLS: an alert (RFC 8446 section 5.1).
const TLS_ALERT: [u8; 2] = [0x15, 3];
/// Answers that say that another one comes (RFC 9110 section 15.2).
const MAX_INTERIM: usize = 8;
/// Headers of the answer.
const MAX_HEADERS: usize = 96;

/// Asks for a WebSocket. Returns the bytes that came behind the answer.
pub(super) async fn shake_hands(stream: &mut BoxStream, target: &Target, headers: &HeaderMap) -> Result<Vec<u8>, ConnectError> {
    let mut random = [0; 16];
    // It is no secret: it only keeps caches and others that are no WebSocket servers from answering (RFC 6455 section 1.3).
    let _ = getrandom::fill(&mut random);
    let key = request_key(random);
    let lost = ConnectError::unreachable;
    stream.write_all(&request(target, headers, &key)).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let n = stream.read(&mut chunk).await.map_err(lost)?;
        if n == 0 {
            return Err(ConnectError::Handshake("the server hung up".into()));
        }
        bytes.extend_from_slice(&chunk[..n]);
        if bytes.starts_with(&TLS_ALERT) {
            return Err(ConnectError::Handshake("the server speaks TLS there: the address has to begin with wss://".into()));
        }
        if let Some(length) = check(&bytes, &key)? {
            return Ok(bytes.split_off(length));
        }
        if bytes.len() > MAX_HEAD {
            return Err(ConnectError::Handshake("the answer's head is too large".into()));
        }
    }
}

/// Whether the handshake itself says this header, and nobody else.
pub(super) fn is_own(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "upgrade" | "connection" | "content-length" | "transfer-encoding") || name.starts_with("sec-websocket-")
}

fn request(target: &Target, headers: &HeaderMap, key: &str) -> Vec<u8> {
    let Target { path, authority, .. } = target;
    // `Host` is the first line, as RFC 9110 section 7.2 recommends.
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: ").into_bytes();
    request.extend_from_slice(headers.get(HOST).map_or(authority.as_bytes(), |host| host.as_bytes()));
    let rest = format!("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n");
    request.extend_from_slice(rest.as_bytes());
    for (name, value) in headers.iter().filter(|&(name, _)| name != HOST) {
        request.extend_from_slice(name.as_str().as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// Checks the answer at the start of `bytes`; its length, `None` if it is not complete.
fn check(bytes: &[u8], key: &str) -> Result<Option<usize>, ConnectError> {
    let mut begins = 0;
    for _ in 0..=MAX_INTERIM {
        match check_one(&bytes[begins..], key)? {
            None => return Ok(None),
            Some(Answer::Upgraded(length)) => return Ok(Some(begins + length)),
            Some(Answer::Interim(length)) => begins += length,
        }
    }
    Err(ConnectError::Handshake("the answer does not come to its end".into()))
}

enum Answer {
    /// It has so many bytes, as the other.
    Upgraded(usize),
    /// Another one follows.
    Interim(usize),
}

fn check_one(bytes: &[u8], key: &str) -> Result<Option<Answer>, ConnectError> {
    let wrong = |why: String| ConnectError::Handshake(why);
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| wrong("a status is missing".into()))?;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Some(Answer::Interim(length)));
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(ConnectError::Status(status));
    }
    // A header may stand in several lines (RFC 9110 section 5.3).
    let lines = |name: &'static str| {
        let named = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.filter_map(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    };
    let has_token = |name, token: &str| lines(name).flat_map(|line| line.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token));
    if !has_token("upgrade", "websocket") || !has_token("connection", "upgrade") {
        return Err(wrong("the connection was not upgraded".into()));
    }
    if !lines("sec-websocket-accept").eq([accept_key(key).as_str()]) {
        return Err(wrong("the key is not answered".into()));
    }
    for unasked in ["sec-websocket-extensions", "sec-websocket-protocol"] {
        if lines(unasked).any(|value| !value.is_empty()) {
            return Err(wrong(format!("{unasked} was not asked for")));
        }
    }
    Ok(Some(Answer::Upgraded(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nconnection: upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    #[test]
    fn an_answer_is_read_up_to_its_end() {
        for cut in 0..GOOD.len() {
            assert!(check(&GOOD.as_bytes()[..cut], KEY).unwrap().is_none(), "{cut}");
        }
        assert_eq!(check(format!("{GOOD}\u{1}").as_bytes(), KEY).unwrap(), Some(GOOD.len()));
        let lines = GOOD.replacen("connection: upgrade", "Connection: keep-alive\r\nConnection: Upgrade", 1);
        assert_eq!(check(lines.as_bytes(), KEY).unwrap(), Some(lines.len()));
        let late = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{GOOD}");
        assert_eq!(check(&late.as_bytes()[..40], KEY).unwrap(), None);
        assert_eq!(check(late.as_bytes(), KEY).unwrap(), Some(late.len()));
        assert!(matches!(check("HTTP/1.1 100 \r\n\r\n".repeat(1000).as_bytes(), KEY), Err(ConnectError::Handshake(_))));
    }

    #[test]
    fn what_is_no_handshake_is_an_error() {
        for (from, to) in [
            ("WebSocket", "h2c"),
            ("upgrade", "close"),
            ("s3pP", "s3pp"),
            ("HTTP", "SMTP"),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: x\r\n\r\n"),
        ] {
            let answer = GOOD.replacen(from, to, 1);
            assert!(matches!(check(answer.as_bytes(), KEY), Err(ConnectError::Handshake(_))), "{answer}");
        }
        let status = check(GOOD.replacen("101", "404", 1).as_bytes(), KEY);
        assert!(matches!(status, Err(ConnectError::Status(StatusCode::NOT_FOUND))));
    }

    #[test]
    fn the_request_is_one_that_a_server_takes() {
        let target = Target::parse("ws://h:1/demo?x").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-own", http::HeaderValue::from_static("1"));
        let text = String::from_utf8(request(&target, &headers, KEY)).unwrap();
        assert!(text.starts_with("GET /demo?x HTTP/1.1\r\nHost: h:1\r\n") && text.ends_with("x-own: 1\r\n\r\n"), "{text}");

        headers.insert(HOST, http::HeaderValue::from_static("virtual"));
        let text = String::from_utf8(request(&target, &headers, KEY)).unwrap();
        assert!(text.starts_with("GET /demo?x HTTP/1.1\r\nHost: virtual\r\n") && text.matches("ost: ").count() == 1, "{text}");
    }
}
