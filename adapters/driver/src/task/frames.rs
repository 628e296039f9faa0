//! Frames in and out.

use super::{Role, SessionTask};
use crate::metrics::Limit;
use crate::runtime::Runtime;
use crate::session::{Attributes, HandOver};
use crate::transport::{self, WebSocket};
use bowline_core::{Close, Endpoint, Instant, Received, SessionId};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use tungstenite::Utf8Bytes;

/// Frames that are read before what they have caused is written.
const FRAMES: usize = 64;
/// All transports of one address have named too many sessions that do not exist (RFC 6455 section 7.4.1: "policy violation").
const GUESSING: Close = Close { code: 1008, reason: "Too many unknown sessions from this address" };

impl<R: Runtime> SessionTask<R> {
    /// Reads what is there, within bounds. Returns whether there was anything.
    pub(super) fn read_frames(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        for done in 0..FRAMES {
            if !self.endpoint.wants_read() {
                return done > 0;
            }
            // A transport that takes no pongs is not asked for more pings. What else reading brings about is the endpoint's to bound.
            let Some(transport) = self.transport.as_mut().filter(|transport| transport.may_read()) else { return done > 0 };
            let Poll::Ready(incoming) = transport.poll_incoming(cx) else { return done > 0 };
            self.heard(now);
            match incoming {
                transport::Incoming::Text(text) => self.feed(cx, now, &text),
                transport::Incoming::Alive => {
                    self.endpoint.handle_pong(now);
                    self.drain(cx, now);
                }
                transport::Incoming::Refused(close) => {
                    self.endpoint.handle_refused(now, close);
                    self.drain(cx, now);
                }
                transport::Incoming::Closed => {
                    self.finish_transport();
                    self.lose_transport(cx, now);
                }
                transport::Incoming::Lost(error) => self.fail_transport(cx, now, &error),
            }
        }
        true
    }

    /// Gives the endpoint a frame, and does what comes of it.
    pub(super) fn feed(&mut self, cx: &mut Context<'_>, now: Instant, frame: &Utf8Bytes) {
        let received = self.endpoint.handle_text(now, frame.as_str());
        self.received(cx, now, received, frame);
    }

    pub(super) fn received(&mut self, cx: &mut Context<'_>, now: Instant, received: Received<'_>, frame: &Utf8Bytes) {
        self.drain(cx, now);
        if self.endpoint.is_closed() {
            // There was no room for the session that this request would have opened.
            return;
        }
        match received {
            Received::Handled => return,
            Received::Request(request) => self.serve(cx, now, request),
            Received::HandOver(id) => {
                if self.hand_over(&id, frame) {
                    self.endpoint.handle_detached(now);
                } else if self.is_guessing(now) {
                    self.metrics.limit_hit(Limit::FailedConnects);
                    self.endpoint.handle_refused(now, GUESSING);
                } else {
                    match self.endpoint.handle_unknown_session(now, frame.as_bytes()) {
                        Received::Request(request) => {
                            self.drain(cx, now);
                            if !self.endpoint.is_closed() {
                                self.serve(cx, now, request);
                            }
                        }
                        Received::Handled | Received::HandOver(_) => {}
                    }
                }
            }
        }
        self.drain(cx, now);
    }

    /// Whether the peer's address names too many sessions that do not exist. This was one.
    fn is_guessing(&self, now: Instant) -> bool {
        let (Role::Server(side), Some(transport)) = (&self.role, &self.transport) else { return false };
        transport.info().peer.is_some_and(|peer| side.home.guesses.is_one_too_many(now, peer))
    }

    /// Gives the transport and this frame to the session `id`. Returns whether there is such a session.
    fn hand_over(&mut self, id: &SessionId, frame: &Utf8Bytes) -> bool {
        let target = match &self.role {
            Role::Server(side) => side.home.registry.find(id, side.home.scope),
            Role::Client(_) => None,
        };
        let Some(target) = target.filter(|target| !Arc::ptr_eq(target, &self.session.shared)) else { return false };
        let Some(mut transport) = self.transport.take() else { return false };
        // What this endpoint has answered so far goes first.
        drain_transmit(&mut self.endpoint, &mut transport);
        let attributes = if self.endpoint.is_open() { Attributes::default() } else { self.session.shared.take_attributes() };
        match target.mailbox.attach(Box::new(HandOver { transport, frame: frame.clone(), attributes })) {
            Ok(()) => true,
            Err(back) => {
                // It has ended in this moment.
                self.transport = Some(back.transport);
                self.session.shared.add_attributes(back.attributes);
                false
            }
        }
    }

    /// Writes what there is to write, as far as the transport takes it. Returns whether there was anything.
    pub(super) fn write_frames(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut any = false;
        while let Some(transport) = &mut self.transport {
            while transport.has_room() && transport.write_text(|out| self.endpoint.poll_transmit(out)) {
                any = true;
            }
            let before = transport.waiting();
            if before == 0 && transport.is_flushed() {
                break;
            }
            match transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => any = true,
                Poll::Ready(Err(error)) => {
                    self.fail_transport(cx, now, &error);
                    return true;
                }
                Poll::Pending => {
                    // Whatever went out may let the transport be read again, which would not be tried before the next wake-up.
                    any |= transport.waiting() < before;
                    break;
                }
            }
        }
        any
    }

    fn fail_transport(&mut self, cx: &mut Context<'_>, now: Instant, error: &io::Error) {
        tracing::debug!(%error, "the transport is lost");
        // A connection that just ends is the everyday case; what else happens to it may interest the application.
        if error.kind() != io::ErrorKind::UnexpectedEof && self.endpoint.is_open() {
            self.tell(|| self.dispatch.transport_error(&self.session, error));
        }
        self.lose_transport(cx, now);
    }
}

/// Writes all that is left, whether the transport takes it at once or not: the endpoint's bounds are its bounds.
pub(super) fn drain_transmit<T>(endpoint: &mut Endpoint<T>, transport: &mut WebSocket) {
    while transport.write_text(|out| endpoint.poll_transmit(out)) {}
}
