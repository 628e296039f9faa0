//! Whether a request gets what it asks for, and what that is.

use super::head::{self, Refusal, RequestHead};
use super::origin;
use super::paths;
use super::serving::{ServedPath, Serving};
use crate::handler::guarded;
use crate::session::Attributes;
use bowline_sockjs::{Route, Transport};
use http::{Response, StatusCode};
use std::sync::Arc;

/// What a request gets.
pub(super) enum Admitted {
    /// A WebSocket.
    WebSocket(Upgrade),
    /// An answer of SockJS (PROTOCOL 8).
    SockJs { path: Arc<ServedPath>, asked: Asked },
}

/// A handshake that was admitted.
pub(super) struct Upgrade {
    pub(super) path: Arc<ServedPath>,
    pub(super) framing: Framing,
    pub(super) attributes: Attributes,
    /// To be given to the client first.
    pub(super) answer: Response<String>,
}

/// What the messages of a WebSocket are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Those of the session.
    Plain,
    /// Frames of SockJS.
    SockJs,
}

/// What is asked for of SockJS by a request that is no handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Greeting,
    Info,
    Iframe,
    Session { id: Box<str>, transport: Transport },
}

/// Decides (PROTOCOL 9). The interceptors are asked about a handshake here, and about a session of SockJS when that begins.
pub(super) fn admit<R>(serving: &Serving<R>, head: &RequestHead) -> Result<Admitted, Refusal> {
    let (path, route) = find(serving, head).ok_or(StatusCode::NOT_FOUND)?;
    let (framing, asked) = match route {
        None | Some(Route::RawWebSocket) => (Framing::Plain, None),
        Some(Route::Greeting) => (Framing::Plain, Some(Asked::Greeting)),
        Some(Route::Info) => (Framing::Plain, Some(Asked::Info)),
        Some(Route::Iframe) => (Framing::Plain, Some(Asked::Iframe)),
        Some(Route::Session { transport: Transport::WebSocket, .. }) => (Framing::SockJs, None),
        Some(Route::Session { id, transport }) => (Framing::SockJs, Some(Asked::Session { id: id.into(), transport })),
    };
    // What can be asked for without an `Origin` must be meant for all.
    let hides_origin = asked.as_ref().is_some_and(|asked| match asked {
        Asked::Greeting | Asked::Info => false,
        Asked::Iframe => true,
        Asked::Session { transport, .. } => transport.hides_origin(),
    });
    if hides_origin && !origin::allows_all(&path.origins) {
        return Err(StatusCode::NOT_FOUND.into());
    }
    let path = Arc::clone(path);
    let is_allowed = || origin::is_allowed(&path.origins, head.host(), head.origin(), head.is_tls());
    if let Some(asked) = asked {
        return if is_allowed() { Ok(Admitted::SockJs { path, asked }) } else { Err(StatusCode::FORBIDDEN.into()) };
    }
    let answer = head::switching_protocols(head::websocket_key(head)?);
    if !is_allowed() {
        return Err(StatusCode::FORBIDDEN.into());
    }
    let attributes = ask_interceptors(serving, head)?;
    Ok(Admitted::WebSocket(Upgrade { path, framing, attributes, answer }))
}

/// What the interceptors add to the session that a request begins.
pub(super) fn ask_interceptors<R>(serving: &Serving<R>, head: &RequestHead) -> Result<Attributes, Refusal> {
    let mut attributes = Attributes::default();
    for interceptor in &serving.interceptors {
        let decided = guarded(|| interceptor(head, &mut attributes));
        decided.unwrap_or_else(|panicked| {
            tracing::error!(error = %panicked, "an interceptor failed");
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        })?;
    }
    Ok(attributes)
}

/// The path that serves a request, and what it asks for of SockJS there. A path that is named exactly goes before what SockJS has below another one, and that before `/*`.
fn find<'s, 'h, R>(serving: &'s Serving<R>, head: &'h RequestHead) -> Option<(&'s Arc<ServedPath>, Option<Route<'h>>)> {
    let asked = head.path();
    let best = paths::find(serving.paths.iter().map(|(pattern, _)| pattern), asked).and_then(|at| serving.paths.get(at));
    if let Some((pattern, path)) = best
        && pattern.base().is_some()
    {
        // Who wants a WebSocket gets one.
        let greets = path.sockjs.is_some() && !head.wants_upgrade();
        return Some((path, greets.then_some(Route::Greeting)));
    }
    let below = serving.paths.iter().filter(|(_, path)| path.sockjs.is_some()).filter_map(|(pattern, path)| {
        let base = pattern.base()?;
        Some((base.len(), path, Route::parse(asked.strip_prefix(base)?)?))
    });
    let below = below.max_by_key(|(len, ..)| *len).map(|(_, path, route)| (path, Some(route)));
    below.or_else(|| best.map(|(_, path)| (path, None)))
}
