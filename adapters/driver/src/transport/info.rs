use http::HeaderMap;
use std::net::SocketAddr;

/// Over what a session's messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// A WebSocket (RFC 6455).
    WebSocket,
}

impl TransportKind {
    /// Its name, in small letters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
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
    pub headers: HeaderMap,
}
