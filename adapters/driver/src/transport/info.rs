use http::HeaderMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

/// Over what a session's messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// A WebSocket (RFC 6455).
    WebSocket,
    /// A SockJS session (PROTOCOL 8), over whichever of its transports.
    SockJs,
}

impl TransportKind {
    /// Its name, in small letters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::SockJs => "sockjs",
        }
    }
}

/// The transport that a session has, or had last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportInfo {
    /// What kind it is.
    pub kind: TransportKind,
    /// The peer's address, if the stream has one.
    pub peer: Option<SocketAddr>,
    /// Those of the request's headers that the path keeps: [`PathOptions::keep_header`](crate::PathOptions::keep_header).
    pub headers: Arc<HeaderMap>,
}

/// Most paths keep no headers, and many connections need not each have room for none.
static NO_HEADERS: LazyLock<Arc<HeaderMap>> = LazyLock::new(Arc::default);

impl TransportInfo {
    pub(crate) fn new(kind: TransportKind, peer: Option<SocketAddr>, headers: HeaderMap) -> Self {
        let headers = if headers.is_empty() { Arc::clone(&NO_HEADERS) } else { Arc::new(headers) };
        Self { kind, peer, headers }
    }
}
