//! SockJS over HTTP (PROTOCOL 8): requests that wait for messages, requests that bring them, and the session that they make together.

mod carry;
mod pages;
mod receive;
mod send;

pub(super) use carry::{Carried, carry};

use super::admit::{Asked, ask_interceptors};
use super::head::{Body, Persistence, Refusal, RequestHead};
use super::http1::Http1;
use super::serving::{ServedPath, Serving};
use super::start::{self, Opened, Place};
use crate::clock;
use crate::limits::Permit;
use crate::metrics::Limit;
use crate::runtime::{Runtime, Timer, timeout};
use crate::transport::TransportKind;
use crate::transport::sockjs::{Key, Line, Pipe};
use bowline_sockjs::{Settings, Transport};
use futures_util::io::AsyncWriteExt;
use http::header::EXPECT;
use http::{Method, Response, StatusCode};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Bytes of a body for which a second is enough, whatever the network.
const SLOW: usize = 16 * 1024;
/// Bytes that a list of messages may have beside the longest message.
const MORE: usize = 64 * 1024;

/// A request of SockJS, and what stands around it.
struct Exchange<'e, R: Runtime> {
    serving: &'e Arc<Serving<R>>,
    path: &'e Arc<ServedPath>,
    head: &'e RequestHead,
    http: &'e mut Http1,
    then: Persistence,
}

/// Answers a request. Returns the connection's place among those that bring requests, if there is one, and whether it may bring another.
pub(super) async fn answer<R: Runtime>(
    serving: &Arc<Serving<R>>,
    path: &Arc<ServedPath>,
    head: &RequestHead,
    asked: Asked,
    http: &mut Http1,
    place: Permit,
) -> io::Result<(Option<Permit>, Persistence)> {
    // Connections that wait for another request give way to those that bring one.
    let is_crowded = serving.handshakes.inside() > serving.limits.max_handshakes / 2;
    // The requests of a session may come to their end over the connections that there are: after a stop there are no others.
    let is_of_session = matches!(asked, Asked::Session { .. });
    let then = if head.wants_close() || is_crowded || (serving.registry.is_stopping() && !is_of_session) {
        Persistence::Close
    } else {
        Persistence::KeepAlive(serving.limits.handshake_timeout.as_secs())
    };
    let mut exchange = Exchange { serving, path, head, http, then };
    let mut place = Some(place);
    let reply = exchange.reply(asked, &mut place).await?;
    if let Some(response) = reply {
        exchange.write(response).await?;
    }
    let then = exchange.then;
    // Who has waited for messages has given it up meanwhile. A connection that ends keeps it until it is gone.
    Ok((place.or_else(|| serving.handshakes.enter()), then))
}

impl<R: Runtime> Exchange<'_, R> {
    /// The answer to be written; `None` if it was.
    async fn reply(&mut self, asked: Asked, place: &mut Option<Permit>) -> io::Result<Option<Response<String>>> {
        let Asked::Session { id, transport } = asked else {
            let page = pages::page(self.path, self.head, &asked);
            return Ok(Some(self.whole(page)));
        };
        if let Some(other) = pages::other_method(self.head, transport) {
            return Ok(Some(self.whole(other)));
        }
        let key = Key { scope: self.path.home.scope, id };
        match transport {
            Transport::Receive(receiving) => self.receive(key, receiving, place).await,
            Transport::Send(sending) => self.send(&key, sending, place).await.map(Some),
            // That is a handshake, and was admitted as one.
            Transport::WebSocket => Ok(Some(self.whole(Err(StatusCode::NOT_FOUND.into())))),
        }
    }

    /// An answer for which nobody has looked at the request's body.
    fn whole(&mut self, answer: Result<Response<String>, Refusal>) -> Response<String> {
        if self.head.body() != Ok(Body::Sized(0)) {
            // Nobody knows where the next request begins.
            self.then = Persistence::Close;
        }
        answer.unwrap_or_else(|refusal| self.refuse(refusal))
    }

    /// The request's body, of at most `max` bytes, within a time that a slow network keeps.
    async fn read_body(&mut self, max: usize) -> io::Result<Result<Vec<u8>, Refusal>> {
        let read = match self.head.body() {
            Ok(Body::Sized(0)) => return Ok(Ok(Vec::new())),
            Ok(body) => self.read_some_body(body, max).await?,
            Err(refusal) => Err(refusal),
        };
        if read.is_err() {
            self.then = Persistence::Close;
        }
        Ok(read)
    }

    async fn read_some_body(&mut self, body: Body, max: usize) -> io::Result<Result<Vec<u8>, Refusal>> {
        let most = match body {
            Body::Sized(len) => len.min(max),
            Body::Chunked => max,
        };
        let more = Duration::from_secs(u64::try_from(most / SLOW).unwrap_or(u64::MAX));
        let until = clock::std_after(self.serving.limits.handshake_timeout.saturating_add(more));
        let expected = self.head.headers().get(EXPECT);
        let is_asked = expected.is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let http = &mut *self.http;
        let reading = async {
            if is_asked && http.unread.is_empty() {
                http.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                http.stream.flush().await?;
            }
            http.read_body(body, max).await
        };
        let read = timeout(self.serving.runtime.timer(until), reading).await;
        read.unwrap_or(Ok(Err(StatusCode::REQUEST_TIMEOUT.into())))
    }

    /// The refusal of who has named a session that there is not: who does so again and again guesses. Each guess costs a connection, too.
    fn guessed(&mut self, refusal: Refusal) -> Refusal {
        self.then = Persistence::Close;
        let guesses = &self.path.home.guesses;
        if self.head.peer().is_none_or(|peer| !guesses.is_one_too_many(clock::now(), peer)) {
            return refusal;
        }
        tracing::warn!(peer = ?self.head.peer(), "too many unknown SockJS sessions");
        self.serving.metrics.limit_hit(Limit::FailedConnects);
        StatusCode::TOO_MANY_REQUESTS.into()
    }

    fn refuse(&mut self, refusal: Refusal) -> Response<String> {
        tracing::debug!(peer = ?self.head.peer(), status = refusal.0.as_u16(), "refused");
        self.serving.metrics.refused(refusal.0);
        refusal.response()
    }

    async fn write(&mut self, mut response: Response<String>) -> io::Result<()> {
        pages::cross_origin(self.head, response.headers_mut());
        if *self.head.method() == Method::HEAD {
            response.body_mut().clear();
        }
        let until = clock::std_after(self.serving.limits.handshake_timeout);
        self.http.answer(&self.serving.runtime, until, &response, self.then).await
    }

    /// The session with this key, begun if there is none.
    fn line(&mut self, key: &Key) -> Result<Arc<Line>, Refusal> {
        if let Some(line) = self.serving.sockjs.find(key) {
            return Ok(line);
        }
        self.begin(key).map_err(|refusal| match refusal.0 {
            // That there is no room is nobody's guess.
            StatusCode::SERVICE_UNAVAILABLE => {
                self.then = Persistence::Close;
                refusal
            }
            // Who may not begin one must not learn cheaply which there are.
            _ => self.guessed(refusal),
        })
    }

    fn begin(&self, key: &Key) -> Result<Arc<Line>, Refusal> {
        let table = &self.serving.sockjs;
        if self.serving.registry.is_stopping() {
            return Err(StatusCode::SERVICE_UNAVAILABLE.into());
        }
        let attributes = ask_interceptors(self.serving, self.head)?;
        let Some(places) = table.enter() else {
            tracing::warn!("too many SockJS sessions");
            self.serving.metrics.limit_hit(Limit::Connections);
            return Err(StatusCode::SERVICE_UNAVAILABLE.into());
        };
        let line = Arc::new(Line::new(settings(self.path), Some(places)));
        if !table.add(key, &line) {
            // Somebody else was quicker.
            return table.find(key).ok_or(StatusCode::SERVICE_UNAVAILABLE.into());
        }
        let opened = Opened {
            path: Arc::clone(self.path),
            attributes,
            kind: TransportKind::SockJs,
            stream: Box::new(Pipe(Arc::clone(&line))),
            unread: Vec::new(),
            place: Place::Elsewhere,
        };
        if let Some(task) = start::start(self.serving, self.head, opened) {
            self.serving.runtime.spawn(task);
        }
        let (serving, key, kept) = (Arc::clone(self.serving), key.clone(), Arc::clone(&line));
        self.serving.runtime.spawn(async move {
            keep(&serving.runtime, &kept).await;
            serving.sockjs.remove(&key, &kept);
        });
        Ok(line)
    }
}

/// How `path` serves it.
fn settings(path: &ServedPath) -> Settings {
    path.sockjs.as_ref().map(|options| options.settings).unwrap_or_default()
}

/// Bytes that a client of `path` may send at once. Each message is held to its own limit besides.
fn max_payload(path: &ServedPath) -> usize {
    let set = path.sockjs.as_ref().and_then(|options| options.max_post);
    // The SockJS client writes what is no more than two or four bytes of UTF-8 as one or two escapes of six.
    set.unwrap_or_else(|| path.home.config.limits.message_bytes.saturating_mul(3).saturating_add(MORE))
}

/// Minds the time of `line`, until it can be forgotten.
async fn keep<R: Runtime>(runtime: &R, line: &Line) {
    let mut timer: Option<R::Timer> = None;
    poll_fn(|cx| {
        while let Some(at) = line.keep(cx) {
            let at = clock::to_std(at);
            let timer = match &mut timer {
                Some(timer) => {
                    timer.set(at);
                    timer
                }
                none => none.insert(runtime.timer(at)),
            };
            if timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    })
    .await;
}
