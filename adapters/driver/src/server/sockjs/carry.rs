//! SockJS over a WebSocket: the session lives as long as the connection, and no other finds it.

use super::{keep, max_payload, settings};
use crate::limits::Permit;
use crate::metrics::Limit;
use crate::runtime::{BoxStream, Runtime};
use crate::server::head::RequestHead;
use crate::server::serving::{ServedPath, Serving};
use crate::server::start::{self, Opened, Place, TRY_AGAIN_LATER};
use crate::session::Attributes;
use crate::transport::sockjs::{Attached, Line, Pipe, Ticket};
use crate::transport::{Incoming, Side, TransportInfo, TransportKind, WebSocket, close_in_background};
use bowline_core::Close;
use bowline_sockjs::{Reception, Transmit};
use http::HeaderMap;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What a client sends is no list of messages.
const BROKEN: Close = Close { code: 1007, reason: "Broken JSON encoding" };
/// The session has ended before all was written.
const INTERRUPTED: Close = Close { code: 1002, reason: "Connection interrupted" };
/// Reads, of 64 KiB at most, before others get their turn.
const TURN: usize = 64;

/// A WebSocket of SockJS after its handshake.
pub(in crate::server) struct Carried {
    pub(in crate::server) path: Arc<ServedPath>,
    pub(in crate::server) head: RequestHead,
    pub(in crate::server) attributes: Attributes,
    pub(in crate::server) stream: BoxStream,
    pub(in crate::server) unread: Vec<u8>,
    pub(in crate::server) place: Permit,
}

/// Serves it, until it ends.
pub(in crate::server) async fn carry<R: Runtime>(serving: &Arc<Serving<R>>, carried: Carried) {
    let Carried { path, head, attributes, stream, unread, place } = carried;
    let max = max_payload(&path);
    let info = TransportInfo::new(TransportKind::SockJs, head.peer(), HeaderMap::new());
    let connection = serving.connections.enter();
    let is_full = connection.is_none();
    let socket = WebSocket::new(stream, unread, Side::Server, max, info, connection.or(Some(place)));
    if is_full {
        tracing::warn!("too many connections");
        serving.metrics.limit_hit(Limit::Connections);
        close_in_background(&serving.runtime, socket, TRY_AGAIN_LATER);
        return;
    }
    let line = Arc::new(Line::new(settings(&path), None));
    let pipe = Box::new(Pipe(Arc::clone(&line)));
    let opened = Opened { path, attributes, kind: TransportKind::SockJs, stream: pipe, unread: Vec::new(), place: Place::Elsewhere };
    if let Some(task) = start::start(serving, &head, opened) {
        serving.runtime.spawn(task);
    }
    let (keeper, kept) = (Arc::clone(serving), Arc::clone(&line));
    serving.runtime.spawn(async move { keep(&keeper.runtime, &kept).await });
    let mut carrier = Carrier { line, socket: Some(socket), last: false };
    let close = carrier.run().await;
    if let Some(socket) = carrier.socket.take() {
        close_in_background(&serving.runtime, socket, close);
    }
}

/// The connection and its session. When it is dropped, the session is over.
struct Carrier {
    line: Arc<Line>,
    socket: Option<WebSocket>,
    /// Whether the last frame has been given to the socket.
    last: bool,
}

impl Carrier {
    /// Until one of the two has ended. Says with what the connection is to be closed.
    async fn run(&mut self) -> Close {
        let applicant = self.line.apply();
        let attached = poll_fn(|cx| applicant.poll_attach(cx, &Reception::WebSocket)).await;
        drop(applicant);
        let Attached::Here(ticket) = attached else {
            // A session that nobody else can find has no other receiver.
            return Close::NORMAL;
        };
        poll_fn(|cx| {
            let Self { line, socket: Some(socket), last } = self else { return Poll::Ready(Close::NORMAL) };
            for _ in 0..TURN {
                if poll_out(cx, (line, ticket), socket, last).is_ready() {
                    // What it was cut off from must not look as if it was all.
                    return Poll::Ready(if *last && socket.is_flushed() { Close::NORMAL } else { INTERRUPTED });
                }
                match poll_in(cx, line, socket) {
                    // What has come may have brought about something to write: pongs.
                    Poll::Ready(None) => {}
                    Poll::Ready(Some(close)) => return Poll::Ready(close),
                    Poll::Pending => return Poll::Pending,
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.line.abort();
    }
}

/// Writes what there is. Ready when the `last` of it has been written, or nothing can be.
fn poll_out(cx: &mut Context<'_>, (line, ticket): (&Line, Ticket), socket: &mut WebSocket, last: &mut bool) -> Poll<io::Result<()>> {
    loop {
        let mut is_empty = false;
        while socket.has_room() && !*last && !is_empty {
            let mut frame = Vec::new();
            match line.poll_transmit(cx, ticket, &mut frame) {
                Poll::Ready(Some(transmit)) => {
                    socket.write_text(|out| {
                        out.extend_from_slice(&frame);
                        Some(frame.len())
                    });
                    *last = transmit == Transmit::Last;
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => is_empty = true,
            }
        }
        if line.take_probe() {
            socket.write_ping();
        }
        let flushed = socket.poll_flush(cx);
        if socket.has_progressed() {
            line.progressed(ticket);
            line.taken(ticket);
        }
        match flushed {
            Poll::Ready(flushed) => flushed?,
            // A session that has been closed for a while says no more.
            Poll::Pending => return line.poll_given_up(cx, ticket).map(Ok),
        }
        line.written(ticket);
        if *last {
            return Poll::Ready(Ok(()));
        }
        if is_empty {
            return Poll::Pending;
        }
    }
}

/// Takes what comes. Ready when something has: with what the connection is to be closed, if nothing more will come, or nothing that makes sense.
fn poll_in(cx: &mut Context<'_>, line: &Line, socket: &mut WebSocket) -> Poll<Option<Close>> {
    if !socket.may_read() || line.poll_room(cx).is_pending() {
        return Poll::Pending;
    }
    let Ok(mut input) = ready!(socket.poll_read(cx)) else { return Poll::Ready(Some(Close::NORMAL)) };
    let mut rest = input.rest();
    let mut ended = None;
    while ended.is_none()
        && let Some(incoming) = socket.decode(&mut rest)
    {
        ended = match incoming {
            // Empty ones mean nothing.
            Incoming::Text(text) if text.is_empty() => None,
            Incoming::Text(text) => line.deliver(&text).is_err().then_some(BROKEN),
            Incoming::Alive => {
                line.alive();
                None
            }
            Incoming::Refused(close) => Some(close),
            Incoming::Closed(_) => Some(Close::NORMAL),
        };
    }
    let left = rest.len();
    input.keep_last(left);
    socket.put_back(input);
    Poll::Ready(ended)
}
