//! One frame, from its bytes to what it means.

use super::commands::is_session_method;
use super::duplicates::Print;
use super::outbox::{Keep, Kind};
use super::owed::{Patience, Queued};
use super::server::Elsewhere;
use super::{Endpoint, Life, Link, Role};
use crate::id::Id;
use crate::message::{self, Body, Call, Frame, Message, Reply};
use crate::raw::Raw;
use crate::{CallOutcome, Close, Dialect, ErrorObject, Instant, Json, Received, Request, Responder, SessionId, json, write};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

impl<T> Endpoint<T> {
    /// A transport is there. If the endpoint still had one, that one is to be closed with the value returned, and never read again.
    ///
    /// On a server: a new transport's fresh endpoint, or one whose session was named over a new transport
    /// ([`Received::HandOver`]); the frame that named it comes next. On a client: the dial has succeeded. A closed endpoint takes no transport: ask
    /// [`is_closed`](Self::is_closed) first.
    #[must_use]
    pub fn handle_attached(&mut self, now: Instant) -> Option<Close> {
        match (&self.role, self.life) {
            (_, Life::Closed) => None,
            (Role::Server(_), Life::Fresh | Life::Open) => self.server_attached(now),
            (Role::Client(_), Life::Fresh | Life::Open) => {
                self.client_attached(now);
                None
            }
        }
    }

    /// The transport is lost, was closed as [`Action::HangUp`](crate::Action::HangUp) said, or was given to another endpoint. Nothing
    /// happens if there was none.
    pub fn handle_detached(&mut self, now: Instant) {
        match (self.link, &self.role) {
            (Link::Down, _) => {}
            (Link::Dialing | Link::Greeting | Link::Up | Link::Leaving, Role::Server(_)) => self.server_detached(now),
            (Link::Dialing | Link::Greeting | Link::Up | Link::Leaving, Role::Client(_)) => self.client_detached(now),
        }
    }

    /// The transport carried something that ends it: a binary frame ([`Close::BINARY`]), a message over the limit ([`Close::TOO_BIG`]).
    /// The session goes on without it.
    pub fn handle_refused(&mut self, _now: Instant, close: Close) {
        self.outbox.hold();
        self.hang_up(close);
    }

    /// A WebSocket ping or pong came: the peer is alive.
    pub fn handle_pong(&mut self, now: Instant) {
        self.heard(now);
    }

    /// The transport is slow and not dead: bytes came that are no whole message yet, or it took some of those for which it had no room before.
    ///
    /// Over a slow link a single message may take longer than a ping is waited for, which stands behind it. Do not call this when a transport takes bytes that
    /// it always had room for: a system takes some for a peer that is gone.
    pub fn handle_progress(&mut self, now: Instant) {
        if self.hears() {
            self.heard(now);
        }
    }

    /// A text frame came: its whole payload, whatever it is.
    ///
    /// Ignored when there is no transport, or one that is being closed. If the transport has checked already that the payload is UTF-8, as WebSocket libraries
    /// do, [`handle_text`](Self::handle_text) saves doing so again.
    pub fn handle_frame<'f>(&mut self, now: Instant, frame: &'f [u8]) -> Received<'f> {
        self.receive_bytes(now, frame, Elsewhere::NotAsked)
    }

    /// The same as [`handle_frame`](Self::handle_frame), for a payload that is known to be UTF-8.
    pub fn handle_text<'f>(&mut self, now: Instant, frame: &'f str) -> Received<'f> {
        self.receive(now, frame, Elsewhere::NotAsked)
    }

    /// The frame for which [`handle_frame`](Self::handle_frame) answered [`Received::HandOver`], when no such session lives here.
    pub fn handle_unknown_session<'f>(&mut self, now: Instant, frame: &'f [u8]) -> Received<'f> {
        self.receive_bytes(now, frame, Elsewhere::Unknown)
    }

    fn receive_bytes<'f>(&mut self, now: Instant, frame: &'f [u8], elsewhere: Elsewhere) -> Received<'f> {
        match core::str::from_utf8(frame) {
            Ok(text) => self.receive(now, text, elsewhere),
            Err(error) => {
                if self.hears() {
                    self.heard(now);
                    if self.is_kept_waiting() {
                        self.hang_up(Close::NO_GREETING);
                        return Received::Handled;
                    }
                    self.unreadable(now, frame.len(), format_args!("not UTF-8 at byte {}", error.valid_up_to()));
                    self.consider_telling(now);
                }
                Received::Handled
            }
        }
    }

    /// Whether there is a transport from which anything is taken.
    fn hears(&self) -> bool {
        match self.link {
            Link::Greeting | Link::Up => true,
            Link::Down | Link::Dialing | Link::Leaving => false,
        }
    }

    /// Whether there is room for what stands before that which is waited for.
    pub(super) fn wants_read_on(&self) -> bool {
        // What the peer has taken it acknowledges, by a message that stands behind.
        let times = 1 + usize::from(self.outbox.withholds() || self.outbox.has_only_kept());
        self.is_drained(times) && self.owed.has_room(self.limits(), self.patience())
    }

    fn patience(&self) -> Patience {
        if self.outbox.keep() == Keep::All { Patience::Resumable(self.inbox.peer()) } else { Patience::Waiting }
    }

    /// Whether the server has sent more than enough instead of answering `connect`: answers are not written before that, and a client that has no room for
    /// more, of answers or of requests, must read on until then.
    fn is_kept_waiting(&self) -> bool {
        self.link == Link::Greeting && !(self.is_drained(1) && self.owed.has_room(self.limits(), self.patience()))
    }

    fn unreadable(&mut self, now: Instant, bytes: usize, why: fmt::Arguments<'_>) {
        self.count(bytes);
        self.push_error(now, &Id::Null, &ErrorObject::new(ErrorObject::PARSE_ERROR, alloc::format!("Parse error: {why}")));
    }

    fn receive<'f>(&mut self, now: Instant, frame: &'f str, elsewhere: Elsewhere) -> Received<'f> {
        match self.role {
            Role::Server(_) => self.take(now, frame, elsewhere),
            Role::Client(_) => {
                let received = self.take(now, frame, elsewhere);
                // Not before what came is among what is owed: it may be too much to be acknowledged.
                self.consider_telling(now);
                received
            }
        }
    }

    fn take<'f>(&mut self, now: Instant, frame: &'f str, elsewhere: Elsewhere) -> Received<'f> {
        if !self.hears() {
            return Received::Handled;
        }
        self.heard(now);
        let parsed = Frame::parse(frame, self.dialect());
        if self.is_kept_waiting() && !matches!(parsed, Ok(Frame::Single(Message::Response(_)))) {
            self.hang_up(Close::NO_GREETING);
            return Received::Handled;
        }
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                self.unreadable(now, frame.len(), format_args!("{error}"));
                return Received::Handled;
            }
        };
        match parsed {
            Frame::Single(Message::Request(call)) if is_session_method(&call.method) => self.session_method(now, &call, elsewhere),
            Frame::Single(Message::Request(call)) => self.single_request(now, call, frame.len(), elsewhere),
            Frame::Single(Message::Response(reply)) => {
                if !self.is_answer_to_session_method(now, &reply) {
                    self.count(frame.len());
                    self.settle_reply(now, &reply);
                }
                Received::Handled
            }
            Frame::Single(Message::Invalid { id, why }) => {
                self.count(frame.len());
                self.push_error(now, &id, &ErrorObject::invalid_request(why));
                Received::Handled
            }
            Frame::Batch(batch) => {
                let members: Vec<_> = batch.take(self.batch_limit().saturating_add(1)).collect();
                self.batch(now, members, frame.len(), elsewhere)
            }
        }
    }

    /// Counts an application message, when it is processed (PROTOCOL 6).
    fn count(&mut self, bytes: usize) {
        self.inbox.count(bytes);
        self.transport_used = true;
    }

    fn session_method<'f>(&mut self, now: Instant, call: &Call<'_>, elsewhere: Elsewhere) -> Received<'f> {
        match &self.role {
            Role::Server(_) => self.server_session_method(now, call, elsewhere),
            Role::Client(_) => {
                // Session methods are the client's to call. A ping is answered all the same.
                if call.method == "ping" {
                    self.answer_session_method(call.id.as_ref(), "{\"value\":\"pong\"}");
                } else {
                    self.refuse_session_method(call.id.as_ref(), &ErrorObject::method_not_found(&call.method));
                }
                Received::Handled
            }
        }
    }

    /// The session that a request names, if this endpoint's transport has none yet (PROTOCOL 3).
    fn named_session(&self, params: Option<Raw<'_>>) -> Option<SessionId> {
        if self.life != Life::Fresh || self.dialect() == Dialect::Strict {
            return None;
        }
        SessionId::from_text(&json::text_of(params?.session_id()?).ok()?)
    }

    /// A server's request belongs to its transport's session, which it may open. Or to another that it names, which is returned. Without room for it nothing more is taken
    /// from the transport.
    #[inline]
    fn find_session(&mut self, call: &Call<'_>, elsewhere: Elsewhere) -> Option<SessionId> {
        let Role::Server(_) = self.role else { return None };
        if self.life != Life::Open || self.outbox.is_held() {
            return self.identify_by(call, elsewhere);
        }
        self.mind_sender(call.id.as_ref());
        None
    }

    #[cold]
    fn identify_by(&mut self, call: &Call<'_>, elsewhere: Elsewhere) -> Option<SessionId> {
        if elsewhere == Elsewhere::NotAsked
            && let Some(other) = self.named_session(call.params)
        {
            return Some(other);
        }
        // It came over a transport that nobody asked whether it should be read.
        if self.outbox.is_held() && !(self.is_drained(2) && self.owed.has_room(self.limits(), self.patience())) {
            self.hang_up(Close::BUSY);
            return None;
        }
        self.identify();
        self.mind_sender(call.id.as_ref());
        None
    }

    #[inline]
    fn single_request<'f>(&mut self, now: Instant, call: Call<'f>, bytes: usize, elsewhere: Elsewhere) -> Received<'f> {
        if let Some(other) = self.find_session(&call, elsewhere) {
            return Received::HandOver(other);
        }
        if self.link == Link::Leaving {
            return Received::Handled;
        }
        self.count(bytes);
        self.accept(now, call, None)
    }

    fn batch_limit(&self) -> usize {
        let limits = self.limits();
        limits.batch.min(limits.in_flight)
    }

    fn batch<'f>(&mut self, now: Instant, members: Vec<Message<'_>>, bytes: usize, elsewhere: Elsewhere) -> Received<'f> {
        let refusal = match members.len() {
            0 => Some("an empty batch"),
            n if n > self.batch_limit() => Some("too many messages in one batch"),
            _ => None,
        };
        if let Some(why) = refusal {
            self.count(bytes);
            self.push_error(now, &Id::Null, &ErrorObject::invalid_request(why));
            return Received::Handled;
        }
        let first = members.iter().find_map(|member| match member {
            Message::Request(call) if !is_session_method(&call.method) => Some(call),
            Message::Request(_) | Message::Response(_) | Message::Invalid { .. } => None,
        });
        if let Some(other) = first.and_then(|call| self.find_session(call, elsewhere)) {
            return Received::HandOver(other);
        }
        if self.link == Link::Leaving {
            return Received::Handled;
        }
        for member in &members {
            if let Message::Request(call) = member {
                self.mind_sender(call.id.as_ref());
            }
        }
        self.count(bytes);
        let batch = self.owed.open_batch();
        for member in members {
            self.member(now, batch, member);
        }
        if let Some(answer) = self.owed.close_member(batch) {
            self.push_batch(now, Kind::Refusal, answer);
        }
        Received::Handled
    }

    fn member(&mut self, now: Instant, batch: usize, member: Message<'_>) {
        match member {
            Message::Request(call) if is_session_method(&call.method) => {
                if let Some(id) = call.id {
                    let why = alloc::format!("{} may not stand in a batch", call.method);
                    self.add_error(batch, &id, &ErrorObject::invalid_request(&why));
                }
            }
            Message::Request(call) => {
                let received = self.accept(now, call, Some(batch));
                debug_assert!(matches!(received, Received::Handled), "members of a batch wait for their turn");
            }
            Message::Response(reply) => self.settle_reply(now, &reply),
            Message::Invalid { id, why } => self.add_error(batch, &id, &ErrorObject::invalid_request(why)),
        }
    }

    /// An error without data, which is the same in both dialects.
    fn add_error(&mut self, batch: usize, id: &Id, error: &ErrorObject) {
        let mut text = Vec::new();
        write::error(&mut text, id, false, error);
        self.owed.add_to_batch(batch, &text);
    }

    /// Takes a request in: it is returned if it is to be served at once, else it waits, or was answered before.
    #[inline]
    fn accept<'f>(&mut self, now: Instant, call: Call<'f>, batch: Option<usize>) -> Received<'f> {
        let remembers = self.outbox.keep() != Keep::All;
        let key = call.id.as_ref().filter(|id| remembers && **id != Id::Null).map(|id| id.key(self.dialect()));
        let print = key.as_ref().map(|key| Print::new(key, &call.method, call.params.map(|raw| raw.text)));
        if let (Some(key), Some(print)) = (&key, print)
            && self.is_repetition(now, key, print, batch)
        {
            return Received::Handled;
        }
        // Out of reach for whoever reads only while `wants_read` says so.
        if !self.owed.has_room(self.limits(), Patience::Batch) {
            if let Some(id) = &call.id {
                let error = ErrorObject::new(ErrorObject::TOO_MANY_REQUESTS, "Too many requests in flight");
                match batch {
                    None => self.push_error(now, id, &error),
                    Some(batch) => self.add_error(batch, id, &error),
                }
            }
            return Received::Handled;
        }
        let params = call.params.map(|raw| match self.dialect() {
            Dialect::Kurento => {
                let params = raw.without_session_id();
                // Its sender adds that when it writes the request, and does not keep it.
                self.inbox.discount(raw.text.len().saturating_sub(params.as_str().len()));
                params
            }
            Dialect::Strict => raw.whole(),
        });
        let notification = call.id.is_none();
        let is_first = core::mem::take(&mut self.awaits_first);
        let at_once = batch.is_none()
            && self.owed.may_start(self.concurrency(), self.limits().in_flight)
            && (notification || self.has_room_for_answer());
        if let (Some(key), Some(print)) = (&key, print) {
            if !self.duplicates.is_new(key) {
                self.owed.supersede(print);
            }
            self.duplicates.started(key, print);
        }
        let number = self.owed.accept(call.id, batch, print);
        if at_once {
            self.owed.start(number);
            let responder = Responder { key: number, notification };
            return Received::Request(Request { method: call.method, params, is_first, responder });
        }
        self.owed.enqueue(Queued {
            key: number,
            notification,
            method: owned(call.method).into(),
            params: params.map(Json::into_owned),
            is_first,
        });
        Received::Handled
    }

    /// Whether the request came before: then it gets the answer that it got, or the one that it will get (PROTOCOL 5).
    fn is_repetition(&mut self, now: Instant, key: &Id, print: Print, batch: Option<usize>) -> bool {
        if self.duplicates.is_new(key) {
            return false;
        }
        if let Some(number) = self.owed.find(print) {
            if let Some(answer) = self.owed.redirect(number, batch) {
                self.push_batch(now, Kind::Answer, answer);
            }
            return true;
        }
        let Self { role, duplicates, .. } = self;
        duplicates.expire(now, role.limits());
        let Some(text) = duplicates.answer(print) else { return false };
        match batch {
            None => self.push_refusal(now, |out| out.extend_from_slice(&text)),
            Some(batch) => self.add_to_batch(batch, key, &text),
        }
        true
    }

    /// An answer of the peer. One that nobody waits for is passed over.
    fn settle_reply(&mut self, now: Instant, reply: &Reply<'_>) {
        let asked = self.reply_call(&reply.id).filter(|id| self.calls.is_sent(*id));
        let Some(ended) = asked.and_then(|id| self.calls.end(id)) else { return };
        let outcome = match reply.body {
            Body::Result(raw) => match self.dialect() {
                Dialect::Kurento => CallOutcome::Result(raw.without_session_id().into_owned()),
                Dialect::Strict => CallOutcome::Result(raw.whole().into_owned()),
            },
            Body::Error(raw) => match message::error_object(raw) {
                Ok(error) => CallOutcome::Error(error),
                Err(why) => CallOutcome::Malformed(String::from(why)),
            },
            Body::Both => CallOutcome::Malformed(String::from("both result and error")),
        };
        if let Role::Client(_) = self.role {
            self.adopt_session(reply);
        }
        let (id, number) = (ended.id, ended.number);
        self.outbox.forget_call(id, number.is_some());
        self.settle(ended, outcome);
        // Whoever answers a request has processed everything up to it.
        if let Some(number) = number
            && self.outbox.acknowledge(number).is_err()
        {
            self.mismatch(now);
        }
    }

    /// The call that an answer's id names.
    pub(super) fn reply_call(&self, id: &Id) -> Option<u32> {
        match id.key(self.dialect()) {
            Id::Int(n) => u32::try_from(n).ok(),
            Id::Null | Id::Number(_) | Id::Text(_) => None,
        }
    }
}

fn owned(text: Cow<'_, str>) -> String {
    text.into_owned()
}
