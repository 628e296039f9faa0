//! Frames in and out.

use super::{Role, ServerSide, SessionTask};
use crate::connection::ConnectError;
use crate::handler::guarded;
use crate::metrics::Limit;
use crate::runtime::Runtime;
use crate::session::{Attributes, HandOver, Session, Shared};
use crate::transport::{self, Input, WebSocket};
use bowline_core::{Close, Endpoint, Instant, Received, SessionId};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Frames that are read before what they have caused is written.
const FRAMES: usize = 64;
/// How often the socket is asked for them: a long message takes many reads.
const READS: usize = 16;
/// Bytes that may wait for the others' turn. What is more keeps the processor busy by itself, and would be cold when it is written.
const LITTLE: usize = 8 * 1024;
/// All transports of one address have named too many sessions that do not exist (RFC 6455 section 7.4.1: "policy violation").
const GUESSING: Close = Close { code: 1008, reason: "Too many unknown sessions from this address" };
/// A transport takes too little to go on to another session ("try again later").
const UNREAD: Close = Close { code: 1013, reason: "Too much is unread for another session" };

/// How much of what was there has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Nothing was there, or might be read.
    Nothing,
    /// Something, and not more because of a bound.
    Part,
    /// Something, and the task will be woken when there is more.
    All,
}

impl<R: Runtime> SessionTask<R> {
    /// Reads what is there, within bounds. One who is `patient` and has something to write now leaves it at what came at once.
    pub(super) fn read_frames(&mut self, cx: &mut Context<'_>, now: Instant, patient: bool) -> Read {
        let mut frames = 0;
        let mut so_far = Read::Nothing;
        for _ in 0..READS {
            let Some(transport) = self.readable().filter(|_| frames < FRAMES) else { return so_far };
            let Poll::Ready(read) = transport.poll_read(cx) else {
                return if so_far == Read::Nothing { Read::Nothing } else { Read::All };
            };
            so_far = Read::Part;
            match read {
                Ok(mut input) => {
                    let (full, before) = (input.is_full(), frames);
                    self.take_in(cx, now, &mut input, &mut frames);
                    if frames == before {
                        self.endpoint.handle_progress(now);
                    }
                    match &mut self.transport {
                        Some(transport) => transport.put_back(input),
                        None => input.recycle(),
                    }
                    if patient && !full && self.endpoint.wants_write() {
                        return Read::Part;
                    }
                }
                Err(error) => {
                    self.heard(now);
                    self.fail_transport(cx, now, &error);
                }
            }
        }
        so_far
    }

    /// The transport, if it may be read. One that takes no pongs is not asked for more pings; what else reading brings about is the endpoint's to bound.
    fn readable(&mut self) -> Option<&mut WebSocket> {
        if !self.endpoint.wants_read() {
            return None;
        }
        self.transport.as_mut().filter(|transport| transport.may_read())
    }

    /// Deals with what was read from a transport that is [`readable`](Self::readable), as long as it is, and up to a bound: what is left in `input` then waits its
    /// turn.
    fn take_in(&mut self, cx: &mut Context<'_>, now: Instant, input: &mut Input, frames: &mut usize) {
        let mut rest = input.rest();
        while *frames < FRAMES
            && let Some(transport) = self.transport.as_mut().filter(|transport| transport.may_read())
            && let Some(incoming) = transport.decode(&mut rest)
        {
            *frames += 1;
            self.heard(now);
            match incoming {
                transport::Incoming::Text(text) => self.feed(cx, now, &text, rest),
                transport::Incoming::Alive => {
                    self.endpoint.handle_pong(now);
                    self.drain(cx, now);
                }
                transport::Incoming::Refused(close) => {
                    self.endpoint.handle_refused(now, close);
                    self.drain(cx, now);
                }
                transport::Incoming::Closed(why) => {
                    if let Some((code, reason)) = why {
                        self.blame(ConnectError::ClosedByServer { code, reason });
                    }
                    self.finish_transport();
                    self.lose_transport(cx, now);
                }
            }
            if !self.endpoint.wants_read() {
                break;
            }
        }
        let left = rest.len();
        input.keep_last(left);
    }

    /// Gives the endpoint a frame, and does what comes of it. `behind` is what was read with it and is not decoded yet.
    pub(super) fn feed(&mut self, cx: &mut Context<'_>, now: Instant, frame: &str, behind: &[u8]) {
        let received = self.endpoint.handle_text(now, frame);
        self.received(cx, now, received, frame, behind);
    }

    pub(super) fn received(&mut self, cx: &mut Context<'_>, now: Instant, received: Received<'_>, frame: &str, behind: &[u8]) {
        self.act(cx, now);
        if self.endpoint.is_closed() {
            // There was no room for the session that this request would have opened.
            return self.mirror();
        }
        match received {
            Received::Handled => return self.mirror(),
            Received::Request(request) => self.serve(cx, now, request),
            Received::HandOver(id) => {
                if !self.has_said_all() {
                    self.endpoint.handle_refused(now, UNREAD);
                } else if self.hand_over(&id, frame, behind) {
                    self.endpoint.handle_detached(now);
                } else if self.is_guessing(now) {
                    self.metrics.limit_hit(Limit::FailedConnects);
                    self.endpoint.handle_refused(now, GUESSING);
                } else {
                    match self.endpoint.handle_unknown_session(now, frame.as_bytes()) {
                        Received::Request(request) => {
                            self.act(cx, now);
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

    /// Whether the transport takes what this session has to say to the end: all that goes before what the next one says. Without that one who swings between sessions, and
    /// reads nothing, would make the transport keep what is resumed each time.
    fn has_said_all(&mut self) -> bool {
        if let Some(transport) = &mut self.transport {
            fill(&mut self.endpoint, transport);
        }
        !self.endpoint.wants_write()
    }

    /// Whether the peer's address names too many sessions that do not exist. This was one.
    fn is_guessing(&self, now: Instant) -> bool {
        let (Role::Server(side), Some(transport)) = (&self.role, &self.transport) else { return false };
        transport.info().peer.is_some_and(|peer| side.home.guesses.is_one_too_many(now, peer))
    }

    /// Whether `target` may go on over the transport that is here.
    fn may_resume(&self, target: &Arc<Shared>) -> bool {
        let Role::Server(ServerSide { home, .. }) = &self.role else { return false };
        let Some(guard) = &home.resume_guard else { return true };
        let named = Session::new(Arc::clone(target));
        let may = guarded(|| guard(&named, &self.session)).unwrap_or_else(|panicked| {
            tracing::error!(error = %panicked, "a resume guard failed");
            false
        });
        if !may {
            tracing::debug!(?named, "may not be taken over from here");
        }
        may
    }

    /// Gives the transport, this frame and what was read behind it to the session `id`. Returns whether there is such a session, and it may be had from here.
    fn hand_over(&mut self, id: &SessionId, frame: &str, behind: &[u8]) -> bool {
        let target = match &self.role {
            Role::Server(side) => side.home.registry.find(id, side.home.scope),
            Role::Client(_) => None,
        };
        let Some(target) = target.filter(|target| !Arc::ptr_eq(target, &self.session.shared) && self.may_resume(target)) else {
            return false;
        };
        let Some(mut transport) = self.transport.take() else { return false };
        if !behind.is_empty() {
            transport.set_unread(behind.to_vec());
        }
        let attributes = if self.endpoint.is_open() { Attributes::default() } else { self.session.shared.take_attributes() };
        match target.mailbox.attach(Box::new(HandOver { transport, watch: self.endpoint.watch(), frame: frame.into(), attributes })) {
            Ok(()) => true,
            Err(back) => {
                // It has ended in this moment.
                let mut transport = back.transport;
                if !behind.is_empty() {
                    transport.set_unread(Vec::new());
                }
                self.transport = Some(transport);
                let surplus = self.session.shared.add_attributes(back.attributes);
                self.tell(|| drop(surplus));
                false
            }
        }
    }

    /// Makes frames of what there is to write, and leaves them to be written when the others have had their turn: if it is little. Returns whether it has.
    pub(super) fn write_later(&mut self) -> bool {
        let Some(transport) = &mut self.transport else { return false };
        fill(&mut self.endpoint, transport);
        (1..=LITTLE).contains(&transport.waiting())
    }

    /// Writes what there is to write, as far as the transport takes it. Returns whether there was anything.
    pub(super) fn write_frames(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut any = false;
        while let Some(transport) = &mut self.transport {
            any |= fill(&mut self.endpoint, transport);
            if transport.is_flushed() {
                break;
            }
            let before = transport.waiting();
            let flushed = transport.poll_flush(cx);
            let shorter = transport.waiting() < before;
            if transport.has_progressed() {
                self.endpoint.handle_progress(now);
                if let Some(winding_up) = &mut self.winding_up {
                    winding_up.peer_takes();
                }
            }
            match flushed {
                Poll::Ready(Ok(())) => any = true,
                Poll::Ready(Err(error)) => {
                    self.fail_transport(cx, now, &error);
                    return true;
                }
                Poll::Pending => {
                    // Whatever went out may let the transport be read again, which would not be tried before the next wake-up.
                    any |= shorter;
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

/// Makes frames of what there is to write, as far as there is room. Returns whether there was anything.
fn fill<T>(endpoint: &mut Endpoint<T>, transport: &mut WebSocket) -> bool {
    let mut any = false;
    while endpoint.wants_write() && transport.has_room() && transport.write_text(|out| endpoint.poll_transmit(out)) {
        any = true;
    }
    any
}

/// Writes all that is left, whether the transport takes it at once or not: the endpoint's bounds are its bounds.
pub(super) fn drain_transmit<T>(endpoint: &mut Endpoint<T>, transport: &mut WebSocket) {
    while transport.write_text(|out| endpoint.poll_transmit(out)) {}
}
