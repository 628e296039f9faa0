//! One accepted connection: from its first byte to the session task.

use super::admit::{Admitted, Framing, Upgrade, admit};
use super::head::{self, Caller, Persistence, Refusal, RequestHead, Security};
use super::http1::Http1;
use super::serving::{ServedPath, Serving};
use super::sockjs::{self, Carried};
use super::start::{self, Opened, Place};
use crate::clock;
use crate::limits::Permit;
use crate::metrics::{Limit, ServerMetrics};
use crate::runtime::{BoxStream, Runtime, give_way, timeout};
use crate::session::Attributes;
use crate::task::SessionTask;
use crate::tls::ServerTls;
use crate::transport::{TransportKind, linger};
use futures_util::future::FutureExt;
use futures_util::io::AsyncWriteExt;
use http::{Request, Response, StatusCode};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A connection that was accepted.
pub(super) struct Connection {
    pub(super) stream: BoxStream,
    pub(super) peer: Option<SocketAddr>,
    /// What it has to go through first.
    pub(super) tls: Option<ServerTls>,
}

/// A connection being served, and the session that begins there, until that closes or the connection is handed over to another.
///
/// Its two states are written by hand, for there are many idle sessions: what the handshake needs is gone after it, and the session's task stands here only once.
#[expect(clippy::large_enum_variant, reason = "the large one is what it nearly always is; to box it would only cost another allocation")]
pub(super) enum Served<R: Runtime> {
    Handshake(Pin<Box<dyn Future<Output = Option<SessionTask<R>>> + Send>>),
    Session(SessionTask<R>),
}

impl<R: Runtime> Future for Served<R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Handshake(handshake) = &mut *self {
            match ready!(handshake.as_mut().poll(cx)) {
                Some(task) => *self = Self::Session(task),
                None => return Poll::Ready(()),
            }
        }
        match &mut *self {
            Self::Session(task) => Pin::new(task).poll(cx),
            Self::Handshake(_) => Poll::Ready(()),
        }
    }
}

/// Serves a connection, and the session that begins there.
pub(super) fn serve<R: Runtime>(serving: Arc<Serving<R>>, mut connection: Connection) -> Served<R> {
    Served::Handshake(Box::pin(async move {
        let Some(place) = serving.handshakes.enter() else {
            refuse_at_once(&mut connection, &serving.metrics);
            return None;
        };
        let until = clock::std_after(serving.limits.handshake_timeout);
        let (http, caller) = secure(&serving, connection, until).await?;
        serve_requests(&serving, http, &caller, place, until).await
    }))
}

/// Answers a request that somebody else has read, and serves the connection that comes of it.
pub(super) fn serve_upgrade<R: Runtime, B>(
    serving: &Arc<Serving<R>>,
    request: &Request<B>,
    peer: Option<SocketAddr>,
    upgrade: impl Future<Output = io::Result<BoxStream>> + Send + 'static,
) -> Response<String> {
    let Some(place) = serving.handshakes.enter() else {
        tracing::warn!("too many handshakes");
        serving.metrics.limit_hit(Limit::Handshakes);
        serving.metrics.refused(StatusCode::SERVICE_UNAVAILABLE);
        return Refusal(StatusCode::SERVICE_UNAVAILABLE).response();
    };
    let head = RequestHead::of(request, Caller { peer, security: Security::Unknown });
    // Requests of SockJS have bodies and answers of a length that nobody knows: they need a connection of ours.
    let admitted = admit(serving, &head).and_then(|admitted| match admitted {
        Admitted::WebSocket(upgrade) => Ok(upgrade),
        Admitted::SockJs { .. } => Err(StatusCode::NOT_FOUND.into()),
    });
    let (answer, admitted) = match admitted {
        Ok(Upgrade { answer, path, framing, attributes }) => (answer, (path, framing, attributes)),
        Err(refusal) => {
            tracing::debug!(?peer, status = refusal.0.as_u16(), "refused");
            note_refusal(&serving.metrics, refusal);
            return refusal.response();
        }
    };
    let timer = serving.runtime.timer(clock::std_after(serving.limits.handshake_timeout));
    let task = Arc::clone(serving);
    serving.runtime.spawn(Served::Handshake(Box::pin(async move {
        match timeout(timer, upgrade).await {
            Some(Ok(stream)) => return begin(&task, head, admitted, Http1::new(stream), place).await,
            Some(Err(error)) => tracing::debug!(?peer, %error, "an upgrade failed"),
            None => tracing::debug!(?peer, "an upgrade took too long"),
        }
        None
    })));
    answer
}

/// The handshake of TLS, if there is one.
async fn secure<R: Runtime>(serving: &Serving<R>, connection: Connection, until: Instant) -> Option<(Http1, Caller)> {
    let Connection { mut stream, peer, tls } = connection;
    let mut caller = Caller { peer, security: Security::Unknown };
    if let Some(tls) = tls {
        let certificate;
        (stream, certificate) = match timeout(serving.runtime.timer(until), tls.accept(stream)).await {
            Some(Ok(secured)) => secured,
            Some(Err(error)) => {
                tracing::debug!(?peer, %error, "a TLS handshake failed");
                return None;
            }
            None => {
                tracing::debug!(?peer, "a TLS handshake took too long");
                serving.metrics.limit_hit(Limit::HandshakeTime);
                return None;
            }
        };
        caller.security = Security::Tls { certificate };
    }
    Some((Http1::new(stream), caller))
}

/// Serves the requests of a connection, the first one by `until`: one that makes a WebSocket of it, or some of SockJS.
async fn serve_requests<R: Runtime>(
    serving: &Arc<Serving<R>>,
    mut http: Http1,
    caller: &Caller,
    mut place: Permit,
    mut until: Instant,
) -> Option<SessionTask<R>> {
    let mut is_first = true;
    loop {
        let (head, admitted) = next_request(serving, &mut http, caller, is_first, until).await?;
        let (path, asked) = match admitted {
            Admitted::WebSocket(Upgrade { path, framing, attributes, .. }) => {
                return begin(serving, head, (path, framing, attributes), http, place).await;
            }
            Admitted::SockJs { path, asked } => (path, asked),
        };
        match sockjs::answer(serving, &path, &head, asked, &mut http, place).await {
            Ok((Some(again), Persistence::KeepAlive(_))) => place = again,
            // One that ends lingers on its place.
            Ok(_place) => {
                let _ = http.stream.close().now_or_never();
                linger(&serving.runtime, &mut http.stream).await;
                return None;
            }
            Err(error) => {
                tracing::debug!(peer = ?caller.peer, %error, "a request broke off");
                return None;
            }
        }
        until = clock::std_after(serving.limits.handshake_timeout);
        is_first = false;
        // Who asks without end has no thread to itself.
        give_way().await;
    }
}

/// The next request that is admitted; after a handshake, the answer to it has been written. `None` if there is none.
async fn next_request<R: Runtime>(
    serving: &Serving<R>,
    http: &mut Http1,
    caller: &Caller,
    is_first: bool,
    until: Instant,
) -> Option<(RequestHead, Admitted)> {
    let peer = caller.peer;
    match timeout(serving.runtime.timer(until), shake_hands(serving, http, caller)).await {
        Some(Ok(Some(admitted))) => return Some(admitted),
        Some(Ok(None)) => linger(&serving.runtime, &mut http.stream).await,
        // Who has been answered may go, or stay away.
        Some(Err(_)) | None if !is_first && http.unread.is_empty() => {}
        Some(Err(error)) => tracing::debug!(?peer, %error, "a handshake failed"),
        None => {
            tracing::debug!(?peer, "a handshake took too long");
            serving.metrics.limit_hit(Limit::HandshakeTime);
            // Kurento's Java client waits for ever for an answer that never comes.
            say(&mut http.stream, &serving.metrics, StatusCode::REQUEST_TIMEOUT);
        }
    }
    None
}

/// `None` after a refusal that was said.
async fn shake_hands<R: Runtime>(serving: &Serving<R>, http: &mut Http1, caller: &Caller) -> io::Result<Option<(RequestHead, Admitted)>> {
    let refusal = match http.read_head(serving.limits.max_head_bytes, caller).await? {
        Ok(head) => match admit(serving, &head) {
            Ok(admitted) => {
                if let Admitted::WebSocket(Upgrade { answer, .. }) = &admitted {
                    http.stream.write_all(&head::to_bytes(answer, Persistence::Close)).await?;
                    http.stream.flush().await?;
                }
                return Ok(Some((head, admitted)));
            }
            Err(refusal) => refusal,
        },
        Err(refusal) => refusal,
    };
    tracing::debug!(peer = ?caller.peer, status = refusal.0.as_u16(), "refused");
    note_refusal(&serving.metrics, refusal);
    http.stream.write_all(&head::to_bytes(&refusal.response(), Persistence::Close)).await?;
    http.stream.close().await?;
    Ok(None)
}

/// What a WebSocket is for: a session's task, or the frames of SockJS.
async fn begin<R: Runtime>(
    serving: &Arc<Serving<R>>,
    head: RequestHead,
    (path, framing, attributes): (Arc<ServedPath>, Framing, Attributes),
    http: Http1,
    place: Permit,
) -> Option<SessionTask<R>> {
    let Http1 { stream, unread } = http;
    match framing {
        Framing::Plain => {
            let opened = Opened { path, attributes, kind: TransportKind::WebSocket, stream, unread, place: Place::Handshake(place) };
            start::start(serving, &head, opened)
        }
        Framing::SockJs => {
            sockjs::carry(serving, Carried { path, head, attributes, stream, unread, place }).await;
            None
        }
    }
}

/// There is no place for another handshake.
fn refuse_at_once(connection: &mut Connection, metrics: &ServerMetrics) {
    tracing::warn!("too many handshakes");
    metrics.limit_hit(Limit::Handshakes);
    // Without a TLS handshake nothing can be said that would be understood.
    if connection.tls.is_none() {
        say(&mut connection.stream, metrics, StatusCode::SERVICE_UNAVAILABLE);
    }
}

fn note_refusal(metrics: &ServerMetrics, refusal: Refusal) {
    metrics.refused(refusal.0);
    if refusal.0 == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
        metrics.limit_hit(Limit::HeadBytes);
    }
}

/// Answers with a status, if the connection takes it at once: nobody waits for it.
fn say(stream: &mut BoxStream, metrics: &ServerMetrics, status: StatusCode) {
    metrics.refused(status);
    let _ = stream.write(&head::to_bytes(&Refusal(status).response(), Persistence::Close)).now_or_never();
    let _ = stream.close().now_or_never();
}
