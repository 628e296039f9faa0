//! Requests that wait for messages: a response for each frame, or one that goes on.

use super::{Exchange, pages};
use crate::limits::Permit;
use crate::runtime::{BoxStream, Runtime};
use crate::server::head::{self, Persistence};
use crate::server::http1::Http1;
use crate::transport::sockjs::{Attached, Key, Line, Ticket};
use bowline_sockjs::{Receiving, Reception, Session, Transmit};
use futures_io::{AsyncRead, AsyncWrite};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Bytes that a client may send behind a request whose response has not ended.
const AHEAD: usize = 4096;
/// Bytes that are written before the connection has to have taken them: TLS takes any number, and tells of none before it is rid of all.
const PIECE: usize = 16 * 1024;
/// A proxy that would collect a stream is asked not to.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

impl<R: Runtime> Exchange<'_, R> {
    /// Lets the request wait for messages. Returns an answer if it may not.
    pub(super) async fn receive(
        &mut self,
        key: Key,
        receiving: Receiving,
        place: &mut Option<Permit>,
    ) -> io::Result<Option<Response<String>>> {
        let reception = match Reception::of(receiving, self.head.query()) {
            Ok(reception) => reception,
            Err(bad) => {
                let answer = pages::text(StatusCode::INTERNAL_SERVER_ERROR, pages::PLAIN, bad.as_str().into());
                return Ok(Some(self.whole(Ok(answer))));
            }
        };
        // It has nothing to say.
        if let Err(refusal) = self.read_body(AHEAD).await? {
            return Ok(Some(self.refuse(refusal)));
        }
        // Whether it waits for messages or for another one's end: that is no handshake any more.
        drop(place.take());
        let (line, attached) = loop {
            let line = match self.line(&key) {
                Ok(line) => line,
                Err(refusal) => return Ok(Some(self.refuse(refusal))),
            };
            let http = &mut *self.http;
            let applicant = line.apply();
            let attached = poll_fn(|cx| match applicant.poll_attach(cx, &reception) {
                Poll::Ready(attached) => Poll::Ready(Ok(attached)),
                // Who goes before it is its turn has missed nothing.
                Poll::Pending => poll_gone(cx, http).map(Err),
            });
            let attached = attached.await;
            drop(applicant);
            match attached? {
                Attached::Gone => self.serving.sockjs.remove(&key, &line),
                Attached::Here(ticket) => break (line, Ok(ticket)),
                Attached::Refused(close) => break (line, Err(close)),
            }
        };
        let headers = self.headers(&reception);
        let ticket = match attached {
            Ok(ticket) => ticket,
            Err(close) => {
                let mut body = Vec::new();
                Session::refusal(&reception, &close, &mut body);
                // Frames are text.
                let mut answer = Response::new(String::from_utf8_lossy(&body).into_owned());
                *answer.headers_mut() = headers;
                return Ok(Some(answer));
            }
        };
        let is_stream = reception.is_stream();
        let mut waiting = Waiting { line, ticket, http: &mut *self.http, headers, then: self.then, is_stream, ended: false };
        waiting.run().await?;
        Ok(None)
    }

    fn headers(&self, reception: &Reception) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(reception.content_type()));
        headers.insert(CACHE_CONTROL, pages::NOT_CACHED);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if reception.is_stream() {
            headers.insert(NO_BUFFERING, HeaderValue::from_static("no"));
        }
        pages::cross_origin(self.head, &mut headers);
        headers
    }
}

/// A request that waits. Dropped before its response has ended, it interrupts the session.
struct Waiting<'w> {
    line: Arc<Line>,
    ticket: Ticket,
    http: &'w mut Http1,
    headers: HeaderMap,
    then: Persistence,
    is_stream: bool,
    ended: bool,
}

/// Bytes of a response on their way.
#[derive(Default)]
struct Writing {
    bytes: Vec<u8>,
    written: usize,
    /// Of these, what the connection has passed on.
    flushed: usize,
    /// Whether the head is among what was given out.
    begun: bool,
    /// Whether the end is.
    last: bool,
    /// Whether the connection had no room the last time.
    blocked: bool,
}

impl Waiting<'_> {
    async fn run(&mut self) -> io::Result<()> {
        let mut writing = Writing::default();
        if self.is_stream {
            let framing = (TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            writing.bytes = head::head_bytes(StatusCode::OK, &self.headers, Some(framing), self.then);
            writing.begun = true;
        }
        poll_fn(|cx| self.poll(cx, &mut writing)).await
    }

    /// Ready when the response has ended, or cannot.
    fn poll(&mut self, cx: &mut Context<'_>, writing: &mut Writing) -> Poll<io::Result<()>> {
        loop {
            match writing.poll(cx, &mut self.http.stream, (&self.line, self.ticket)) {
                Poll::Ready(written) => written?,
                Poll::Pending if self.line.poll_given_up(cx, self.ticket).is_ready() => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                Poll::Pending => return poll_gone(cx, self.http).map(Err),
            }
            if writing.begun {
                self.line.written(self.ticket);
            }
            if writing.last {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            // Who has gone takes no messages along.
            if let Poll::Ready(gone) = poll_gone(cx, self.http) {
                return Poll::Ready(Err(gone));
            }
            let mut frame = Vec::new();
            match self.line.poll_transmit(cx, self.ticket, &mut frame) {
                Poll::Ready(Some(transmit)) => self.give(writing, &frame, transmit),
                Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn give(&self, writing: &mut Writing, frame: &[u8], transmit: Transmit) {
        if self.is_stream {
            writing.bytes.extend_from_slice(format!("{:x}\r\n", frame.len()).as_bytes());
            writing.bytes.extend_from_slice(frame);
            writing.bytes.extend_from_slice(b"\r\n");
            if transmit == Transmit::Last {
                writing.bytes.extend_from_slice(b"0\r\n\r\n");
            }
        } else {
            let framing = (CONTENT_LENGTH, HeaderValue::from(frame.len()));
            writing.bytes = head::head_bytes(StatusCode::OK, &self.headers, Some(framing), self.then);
            writing.bytes.extend_from_slice(frame);
        }
        writing.begun = true;
        writing.last = transmit == Transmit::Last;
    }
}

/// Ready when the client has given its request up. What it sends is for later.
fn poll_gone(cx: &mut Context<'_>, http: &mut Http1) -> Poll<io::Error> {
    let mut chunk = [0; 512];
    while http.unread.len() < AHEAD {
        match ready!(Pin::new(&mut http.stream).poll_read(cx, &mut chunk)) {
            Ok(0) => return Poll::Ready(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => http.unread.extend_from_slice(&chunk[..n]),
            Err(error) => return Poll::Ready(error),
        }
    }
    Poll::Pending
}

impl Writing {
    /// Ready when the connection has taken all.
    fn poll(&mut self, cx: &mut Context<'_>, stream: &mut BoxStream, receiver: (&Line, Ticket)) -> Poll<io::Result<()>> {
        let polled = self.poll_write(cx, stream, receiver);
        self.blocked = polled.is_pending();
        polled
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, stream: &mut BoxStream, (line, ticket): (&Line, Ticket)) -> Poll<io::Result<()>> {
        loop {
            let piece = &self.bytes[self.written..self.bytes.len().min(self.flushed + PIECE)];
            if piece.is_empty() && self.flushed == self.written {
                break;
            }
            if piece.is_empty() {
                ready!(Pin::new(&mut *stream).poll_flush(cx))?;
                self.flushed = self.written;
            } else {
                match ready!(Pin::new(&mut *stream).poll_write(cx, piece))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    n => self.written += n,
                }
            }
            line.progressed(ticket);
            // Some bytes a system takes for a client that is gone, too.
            if std::mem::take(&mut self.blocked) {
                line.taken(ticket);
            }
        }
        (self.bytes, self.written, self.flushed) = (Vec::new(), 0, 0);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.line.receiver_gone(self.ticket);
        }
    }
}
