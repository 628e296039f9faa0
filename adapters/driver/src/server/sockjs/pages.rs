//! What is the same for everybody: the greeting, what the server can do, the page for an iframe, and which origins may read an answer.

use crate::server::admit::Asked;
use crate::server::head::{Refusal, RequestHead};
use crate::server::serving::ServedPath;
use bowline_sockjs::Transport;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What may be kept for a year.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=31536000");
/// What must not be kept at all, in words for every proxy and browser.
pub(super) const NOT_CACHED: HeaderValue = HeaderValue::from_static("no-store, no-cache, no-transform, must-revalidate, max-age=0");
pub(super) const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");

/// The answer to who asks for a page.
pub(super) fn page(path: &ServedPath, head: &RequestHead, asked: &Asked) -> Result<Response<String>, Refusal> {
    if *asked == Asked::Info && *head.method() == Method::OPTIONS {
        return Ok(preflight(head, "OPTIONS, GET"));
    }
    if *head.method() != Method::GET {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into());
    }
    match asked {
        Asked::Greeting => Ok(text(StatusCode::OK, PLAIN, "Welcome to SockJS!\n".into())),
        Asked::Info => info(),
        Asked::Iframe => iframe(path, head),
        Asked::Session { .. } => Err(StatusCode::NOT_FOUND.into()),
    }
}

/// An answer that is one text.
pub(super) fn text(status: StatusCode, content_type: HeaderValue, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// What the server can do. The client draws its ids with the help of a number that it cannot guess.
fn info() -> Result<Response<String>, Refusal> {
    let entropy = getrandom::u32().map_err(|_| Refusal(StatusCode::INTERNAL_SERVER_ERROR))?;
    let body = format!(r#"{{"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":{entropy}}}"#);
    let mut response = text(StatusCode::OK, HeaderValue::from_static("application/json; charset=UTF-8"), body);
    response.headers_mut().insert(CACHE_CONTROL, NOT_CACHED);
    Ok(response)
}

/// The page by which a browser without CORS crosses origins: it loads the client, which does the rest.
fn iframe(path: &ServedPath, head: &RequestHead) -> Result<Response<String>, Refusal> {
    let url = path.sockjs.as_ref().and_then(|options| options.client_url.as_deref()).ok_or(StatusCode::NOT_FOUND)?;
    let url = url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let body = format!(
        "<!DOCTYPE html>\n<html>\n<head>\n  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n  \
        <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n  <script src=\"{url}\"></script>\n  <script>\n    \
        document.domain = document.domain;\n    SockJS.bootstrap_iframe();\n  </script>\n</head>\n<body>\n  <h2>Don't panic!</h2>\n  \
        <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>\n</body>\n</html>"
    );
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    // Digits and quotes are always a header's value.
    let tag = HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish())).ok();
    let is_known = tag.is_some() && head.headers().get(IF_NONE_MATCH) == tag.as_ref();
    let mut response = if is_known {
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        text(StatusCode::OK, HeaderValue::from_static("text/html; charset=UTF-8"), body)
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, CACHED);
    headers.extend(tag.map(|tag| (ETAG, tag)));
    Ok(response)
}

/// The answer to a request for `transport` with another method than its own.
pub(super) fn other_method(head: &RequestHead, transport: Transport) -> Option<Result<Response<String>, Refusal>> {
    let (method, allowed) = if transport.is_posted() { (Method::POST, "OPTIONS, POST") } else { (Method::GET, "OPTIONS, GET") };
    if *head.method() == method {
        return None;
    }
    if *head.method() == Method::OPTIONS {
        return Some(Ok(preflight(head, allowed)));
    }
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    Some(Ok(response))
}

/// The answer to a browser that asks whether it may ask (Fetch Standard, "CORS-preflight fetch").
fn preflight(head: &RequestHead, methods: &'static str) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, CACHED);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("31536000"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    if let Some(wanted) = head.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|wanted| !wanted.is_empty()) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    response
}

/// Lets the page that asked read the answer, cookies and all. Its origin was admitted before.
pub(super) fn cross_origin(head: &RequestHead, headers: &mut HeaderMap) {
    if let Some(origin) = head.headers().get(ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.insert(VARY, HeaderValue::from_static("Origin"));
}
