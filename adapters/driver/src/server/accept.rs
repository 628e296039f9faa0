//! One accepted connection: from its first byte to the session task.

use super::head::{self, Caller, Refusal, RequestHead, Security};
use super::origin;
use super::paths::{self, Pattern};
use super::serving::{ServedPath, Serving};
use crate::clock;
use crate::handler::guarded;
use crate::limits::Permit;
use crate::metrics::{Limit, ServerMetrics};
use crate::runtime::{BoxStream, Runtime, timeout};
use crate::session::Attributes;
use crate::task::{Arrival, SessionTask};
use crate::tls::ServerTls;
use crate::transport::{Side, TransportInfo, TransportKind, WebSocket, close_in_background, linger};
use bowline_core::Close;
use futures_util::future::FutureExt;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use http::{HeaderMap, Request, Response, StatusCode};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A connection over the limit of the server (RFC 6455 section 7.4.1 and its registry).
const TRY_AGAIN_LATER: Close = Close { code: 1013, reason: "Too many connections" };

/// A connection that became a transport.
struct Upgraded {
    path: Arc<ServedPath>,
    head: RequestHead,
    attributes: Attributes,
    /// What came behind the request's head.
    unread: Vec<u8>,
}

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
        let Some(handshake) = serving.handshakes.enter() else {
            refuse_at_once(&mut connection, &serving.metrics);
            return None;
        };
        let (upgraded, stream) = upgrade(&serving, connection).await?;
        start(&serving, upgraded, stream, handshake)
    }))
}

/// Answers a request that somebody else has read, and serves the connection that comes of it.
pub(super) fn serve_upgrade<R: Runtime, B>(
    serving: &Arc<Serving<R>>,
    request: &Request<B>,
    peer: Option<SocketAddr>,
    upgrade: impl Future<Output = io::Result<BoxStream>> + Send + 'static,
) -> Response<String> {
    let Some(handshake) = serving.handshakes.enter() else {
        tracing::warn!("too many handshakes");
        serving.metrics.limit_hit(Limit::Handshakes);
        serving.metrics.refused(StatusCode::SERVICE_UNAVAILABLE);
        return Refusal(StatusCode::SERVICE_UNAVAILABLE).response();
    };
    let head = RequestHead::of(request, Caller { peer, security: Security::Unknown });
    let (path, attributes, answer) = match admit(serving, &head) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            tracing::debug!(?peer, status = refusal.0.as_u16(), "refused");
            note_refusal(&serving.metrics, refusal);
            return refusal.response();
        }
    };
    let upgraded = Upgraded { path, head, attributes, unread: Vec::new() };
    let timer = serving.runtime.timer(clock::std_after(serving.limits.handshake_timeout));
    let task = Arc::clone(serving);
    serving.runtime.spawn(Served::Handshake(Box::pin(async move {
        match timeout(timer, upgrade).await {
            Some(Ok(stream)) => return start(&task, upgraded, stream, handshake),
            Some(Err(error)) => tracing::debug!(?peer, %error, "an upgrade failed"),
            None => tracing::debug!(?peer, "an upgrade took too long"),
        }
        None
    })));
    answer
}

/// The handshakes, within their time.
async fn upgrade<R: Runtime>(serving: &Serving<R>, connection: Connection) -> Option<(Upgraded, BoxStream)> {
    let Connection { mut stream, peer, tls } = connection;
    let until = clock::std_after(serving.limits.handshake_timeout);
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
    let upgraded = upgrade_http(serving, &mut stream, &caller, until).await?;
    Some((upgraded, stream))
}

async fn upgrade_http<R: Runtime>(serving: &Serving<R>, stream: &mut BoxStream, caller: &Caller, until: Instant) -> Option<Upgraded> {
    let peer = caller.peer;
    match timeout(serving.runtime.timer(until), shake_hands(serving, stream, caller)).await {
        Some(Ok(Some(upgraded))) => Some(upgraded),
        Some(Ok(None)) => {
            linger(&serving.runtime, stream).await;
            None
        }
        Some(Err(error)) => {
            tracing::debug!(?peer, %error, "a handshake failed");
            None
        }
        None => {
            tracing::debug!(?peer, "a handshake took too long");
            serving.metrics.limit_hit(Limit::HandshakeTime);
            // Kurento's Java client waits for ever for an answer that never comes.
            say(stream, &serving.metrics, StatusCode::REQUEST_TIMEOUT);
            None
        }
    }
}

/// `None` after a refusal that was said.
async fn shake_hands<R: Runtime>(serving: &Serving<R>, stream: &mut BoxStream, caller: &Caller) -> io::Result<Option<Upgraded>> {
    let refusal = match read_head(stream, serving.limits.max_head_bytes, caller).await? {
        Ok((head, unread)) => match admit(serving, &head) {
            Ok((path, attributes, answer)) => {
                stream.write_all(&head::to_bytes(&answer)).await?;
                stream.flush().await?;
                return Ok(Some(Upgraded { path, head, attributes, unread }));
            }
            Err(refusal) => refusal,
        },
        Err(refusal) => refusal,
    };
    tracing::debug!(peer = ?caller.peer, status = refusal.0.as_u16(), "refused");
    note_refusal(&serving.metrics, refusal);
    stream.write_all(&head::to_bytes(&refusal.response())).await?;
    stream.close().await?;
    Ok(None)
}

/// The request's head, and what came behind it.
async fn read_head(stream: &mut BoxStream, max: usize, caller: &Caller) -> io::Result<Result<(RequestHead, Vec<u8>), Refusal>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 2048];
    loop {
        let n = stream.read(&mut chunk).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..n]);
        match head::parse(&bytes, caller) {
            Ok(Some((head, length))) if length <= max => return Ok(Ok((head, bytes.split_off(length)))),
            Ok(None) if bytes.len() < max => {}
            Ok(_) => return Ok(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into())),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
}

/// Decides whether a request gets a transport (PROTOCOL 9), and with which answer.
fn admit<R: Runtime>(serving: &Serving<R>, head: &RequestHead) -> Result<(Arc<ServedPath>, Attributes, Response<String>), Refusal> {
    let path = find(&serving.paths, head.path()).ok_or(StatusCode::NOT_FOUND)?;
    let key = head::websocket_key(head)?;
    if !origin::is_allowed(&path.origins, head.host(), head.origin(), head.is_tls()) {
        return Err(StatusCode::FORBIDDEN.into());
    }
    let mut attributes = Attributes::default();
    for interceptor in &serving.interceptors {
        let decided = guarded(|| interceptor(head, &mut attributes));
        decided.unwrap_or_else(|panicked| {
            tracing::error!(error = %panicked, "an interceptor failed");
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        })?;
    }
    Ok((Arc::clone(path), attributes, head::switching_protocols(key)))
}

fn find<'a>(paths: &'a [(Pattern, Arc<ServedPath>)], path: &str) -> Option<&'a Arc<ServedPath>> {
    let at = paths::find(paths.iter().map(|(pattern, _)| pattern), path)?;
    paths.get(at).map(|(_, served)| served)
}

/// The session task of a new transport; `None` if there is no randomness to be had for its id.
fn start<R: Runtime>(serving: &Serving<R>, upgraded: Upgraded, stream: BoxStream, handshake: Permit) -> Option<SessionTask<R>> {
    let Upgraded { path, head, attributes, unread } = upgraded;
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
    let info = TransportInfo::new(TransportKind::WebSocket, head.peer(), headers);
    let asked = if *head.path() == *path.name { Arc::clone(&path.name) } else { head.path().into() };
    let connection = serving.connections.enter();
    let is_full = connection.is_none();
    // One that is refused lingers on its handshake's place: those that are refused are not without bounds either.
    let permit = connection.or(Some(handshake));
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
    let arrival = Arrival { transport, path: asked, attributes };
    Some(SessionTask::server(serving.runtime.clone(), Arc::clone(&path.home), arrival, random))
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
    let _ = stream.write(&head::to_bytes(&Refusal(status).response())).now_or_never();
    let _ = stream.close().now_or_never();
}
