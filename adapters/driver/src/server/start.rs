//! The session that begins with a transport.

use super::head::RequestHead;
use super::serving::{ServedPath, Serving};
use crate::limits::Permit;
use crate::metrics::Limit;
use crate::runtime::{BoxStream, Runtime};
use crate::session::Attributes;
use crate::task::{Arrival, SessionTask};
use crate::transport::{Side, TransportInfo, TransportKind, WebSocket, close_in_background};
use bowline_core::Close;
use http::HeaderMap;
use std::sync::Arc;

/// A connection over the limit of the server (RFC 6455 section 7.4.1 and its registry).
pub(super) const TRY_AGAIN_LATER: Close = Close { code: 1013, reason: "Too many connections" };

/// A transport that was admitted.
pub(super) struct Opened {
    pub(super) path: Arc<ServedPath>,
    pub(super) attributes: Attributes,
    pub(super) kind: TransportKind,
    pub(super) stream: BoxStream,
    /// What came behind the request's head.
    pub(super) unread: Vec<u8>,
    pub(super) place: Place,
}

/// Where a transport counts.
pub(super) enum Place {
    /// Among the handshakes, until now.
    Handshake(Permit),
    /// Somewhere else, and it will.
    Elsewhere,
}

/// The session task of a new transport, for which `head` has asked; `None` if there is no randomness to be had for its id, or no room.
pub(super) fn start<R: Runtime>(serving: &Serving<R>, head: &RequestHead, opened: Opened) -> Option<SessionTask<R>> {
    let Opened { path, attributes, kind, stream, unread, place } = opened;
    let mut random = [0; 16];
    if let Err(error) = getrandom::fill(&mut random) {
        tracing::error!(%error, "no randomness for a session's id");
        return None;
    }
    let mut headers = HeaderMap::new();
    for name in &path.kept_headers {
        for value in head.headers().get_all(name) {
            headers.append(name, value.clone());
        }
    }
    let info = TransportInfo::new(kind, head.peer(), headers);
    let (permit, is_full) = match place {
        Place::Handshake(waited) => match serving.connections.enter() {
            Some(permit) => (Some(permit), false),
            // One that is refused lingers on its handshake's place: those that are refused are not without bounds either.
            None => (Some(waited), true),
        },
        Place::Elsewhere => (None, false),
    };
    let max_message = path.home.config.limits.message_bytes;
    let transport = WebSocket::new(stream, unread, Side::Server, max_message, info, permit);
    // A refusal that will pass is said by a Close frame: after an HTTP status Kurento's Java client never tries again.
    if is_full {
        tracing::warn!("too many connections");
        serving.metrics.limit_hit(Limit::Connections);
        close_in_background(&serving.runtime, transport, TRY_AGAIN_LATER);
        return None;
    }
    if serving.registry.is_stopping() {
        close_in_background(&serving.runtime, transport, Close::GOING_AWAY);
        return None;
    }
    serving.metrics.connected();
    // What stands behind a path with SockJS is SockJS' own.
    let is_named = path.sockjs.is_some() || *head.path() == *path.name;
    let asked = if is_named { Arc::clone(&path.name) } else { head.path().into() };
    let arrival = Arrival { transport, path: asked, attributes };
    Some(SessionTask::server(serving.runtime.clone(), Arc::clone(&path.home), arrival, random))
}
