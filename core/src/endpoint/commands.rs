//! What the application wants.

use super::outbox::{Entry, Keep, Kind, SESSION_MEMBER_BYTES};
use super::owed::BatchAnswer;
use super::resume::Told;
use super::{Endpoint, Life, Link, Role, Timer};
use crate::id::Id;
use crate::message::{Frame, Message};
use crate::{
    Action, CallId, CallOutcome, Close, CloseReason, Dialect, ErrorObject, Instant, Json, Outcome, Responder, SendError, scan, write,
};
use alloc::string::String;
use alloc::vec::Vec;

/// A call to make: see [`Endpoint::call`].
#[derive(Debug)]
pub struct Call<'a, T> {
    /// The method's name.
    pub method: &'a str,
    /// Its params, any JSON.
    pub params: Option<&'a Json<'a>>,
    /// When it times out; `None` for the default (a client's `request_timeout`, 60 s on a server).
    pub deadline: Option<Instant>,
    /// What comes back with the outcome.
    pub tag: T,
}

/// Why a message is not sent: the peer would not read it.
enum Unfit {
    /// It takes so many bytes.
    TooBig(usize),
    TooDeep,
}

/// Whether `method` belongs to the library (PROTOCOL 3).
pub(super) fn is_session_method(method: &str) -> bool {
    matches!(method, "connect" | "ping" | "closeSession")
}

impl<T> Endpoint<T> {
    /// Calls a method of the peer. The outcome comes as [`Action::Settled`], exactly once, whatever happens to the connection.
    ///
    /// Attached or not: what can't be sent now waits in the bounded buffer.
    ///
    /// # Errors
    ///
    /// With the tag given back: [`SendError::Full`], [`SendError::Closed`] or [`SendError::ReservedMethod`].
    pub fn call(&mut self, now: Instant, call: Call<'_, T>) -> Result<CallId, (SendError, T)> {
        if let Err(error) = self.may_send(call.method) {
            return Err((error, call.tag));
        }
        let id = self.calls.next_id();
        let deadline = call.deadline.unwrap_or_else(|| self.default_deadline(now));
        if deadline <= now {
            self.actions.push_back(Action::Settled { tag: call.tag, outcome: CallOutcome::TimedOut });
            return Ok(CallId(id));
        }
        match self.push_request(now, Some(id), call.method, call.params) {
            Ok(()) => self.calls.insert(id, call.tag, deadline),
            Err(unfit) => {
                let outcome = match unfit {
                    Unfit::TooBig(max) => CallOutcome::TooBig(max),
                    Unfit::TooDeep => CallOutcome::TooDeep,
                };
                self.actions.push_back(Action::Settled { tag: call.tag, outcome });
            }
        }
        Ok(CallId(id))
    }

    /// Sends a notification, attached or not.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`], [`SendError::Closed`], [`SendError::ReservedMethod`], [`SendError::TooBig`] or [`SendError::TooDeep`].
    pub fn notify(&mut self, now: Instant, method: &str, params: Option<&Json<'_>>) -> Result<(), SendError> {
        self.may_send(method)?;
        self.push_request(now, None, method, params).map_err(|unfit| match unfit {
            Unfit::TooBig(max) => SendError::TooBig(max),
            Unfit::TooDeep => SendError::TooDeep,
        })
    }

    /// Nobody waits for this call any more: its outcome will not be told. If it has not been sent it will not be.
    pub fn forget(&mut self, id: CallId) {
        self.calls.forget_tag(id.0);
        if self.outbox.forget_waiting_call(id.0) {
            self.calls.end(id.0);
        }
    }

    /// Ends a request of the peer, or a notification. The next one may start.
    ///
    /// On an endpoint that is closed nothing happens. A responder means something only to the endpoint that gave it: to another, it may be one of its own requests.
    pub fn respond(&mut self, now: Instant, responder: Responder, outcome: Outcome<'_>) {
        let number = responder.key;
        let Some(debt) = self.owed.finish(number) else { return };
        let Some(id) = debt.id else {
            // With the place that it had, the server may be told of more.
            return self.consider_telling(now);
        };
        match debt.batch {
            None => {
                let Self { role, session, outbox, duplicates, .. } = self;
                let (keeps, peer_takes) = (outbox.keep() != Keep::All, outbox.peer_takes);
                let wrap = role.wrap(session.as_ref());
                let entry = Entry { kind: Kind::Answer, add_session_id: false, marked: debt.marked };
                let text = outbox.push(entry, |out| write_answer(out, &id, wrap, outcome, peer_takes, 0));
                if let (true, Some(print)) = (keeps, debt.print) {
                    duplicates.answered(now, print, text, role.limits());
                }
                self.pushed(now);
            }
            Some(batch) => {
                let mut text = Vec::new();
                write_answer(&mut text, &id, self.role.wrap(self.session.as_ref()), outcome, self.outbox.peer_takes, 1);
                let Self { role, outbox, duplicates, .. } = self;
                if let (true, Some(print)) = (outbox.keep() != Keep::All, debt.print) {
                    duplicates.answered(now, print, &text, role.limits());
                }
                self.add_to_batch(batch, &id, &text);
                self.close_member(now, batch);
                self.consider_telling(now);
            }
        }
        if debt.print.is_some() && !self.timers.is_set(Timer::Duplicates) {
            let time = self.limits().duplicate_time;
            self.timers.set(Timer::Duplicates, now, time);
        }
    }

    /// An answer takes its place in a batch, or an error does: the batch is one message, and has its bound like any other.
    pub(super) fn add_to_batch(&mut self, batch: usize, id: &Id, text: &[u8]) {
        let bound = self.outbox.peer_takes.min(self.limits().message_bytes);
        if self.owed.bytes_in_batch(batch).saturating_add(text.len()).saturating_add(2) <= bound {
            return self.owed.add_to_batch(batch, text);
        }
        let mut refusal = Vec::new();
        let error = ErrorObject::new(ErrorObject::INTERNAL_ERROR, "The answers of the batch are too long together");
        // Without data it is the same in both dialects.
        write::error(&mut refusal, id, false, &error);
        self.owed.add_to_batch(batch, &refusal);
    }

    /// The request will be answered later: the next one may start. Kurento: `Transaction.startAsync`.
    pub fn defer(&mut self, _now: Instant, responder: &Responder) {
        self.owed.release(responder.key);
    }

    /// Closes the session. Its open calls end as [`CallOutcome::Closed`]; what is queued is still written if there is a transport. A client
    /// configured so sends `closeSession` first and waits a moment for its answer.
    pub fn close(&mut self, now: Instant, reason: CloseReason) {
        match (&self.role, self.life) {
            (_, Life::Closed) => {}
            (Role::Client(client), _) if client.config.close_message && self.link == Link::Up && client.session_known => {
                self.say_goodbye(now, reason)
            }
            (Role::Client(_) | Role::Server(_), Life::Fresh | Life::Open) => {
                let close = match reason {
                    CloseReason::Shutdown => Close::GOING_AWAY,
                    CloseReason::TooMuchToReplay => Close::NO_ROOM,
                    CloseReason::ClientClosed
                    | CloseReason::GraceExpired
                    | CloseReason::Application
                    | CloseReason::ResumeMismatch
                    | CloseReason::GaveUp
                    | CloseReason::NeverOpened => Close::NORMAL,
                };
                let never_opened = matches!((&self.role, self.life), (Role::Server(_), Life::Fresh));
                self.finish(close, if never_opened { CloseReason::NeverOpened } else { reason });
            }
        }
    }

    fn may_send(&self, method: &str) -> Result<(), SendError> {
        if is_session_method(method) {
            return Err(SendError::ReservedMethod);
        }
        let closing = match &self.role {
            Role::Client(client) => client.closing.is_some(),
            Role::Server(_) => self.life == Life::Fresh,
        };
        if closing || self.life == Life::Closed {
            return Err(SendError::Closed);
        }
        if self.has_room() { Ok(()) } else { Err(SendError::Full) }
    }

    fn push_request(&mut self, now: Instant, id: Option<u32>, method: &str, params: Option<&Json<'_>>) -> Result<(), Unfit> {
        let kurento_client = match &self.role {
            Role::Client(client) => client.config.dialect == Dialect::Kurento,
            Role::Server(_) => false,
        };
        // A Kurento client's params are an object, so that it can carry the session's id (PROTOCOL 2).
        let boxed = kurento_client && params.is_some_and(|json| scan::kind_of(json.as_str()) != scan::Kind::Object);
        if params.is_some_and(|json| !json.fits_within(1 + u32::from(boxed))) {
            return Err(Unfit::TooDeep);
        }
        let params = params.map(Json::as_str);
        let params = if kurento_client { Some(params.unwrap_or("{}")) } else { params };
        let added = if kurento_client { SESSION_MEMBER_BYTES } else { 0 };
        if write::request_len(id, method, params, boxed) + added > self.outbox.peer_takes {
            return Err(Unfit::TooBig(self.outbox.peer_takes));
        }
        let kind = id.map_or(Kind::Notification, Kind::Call);
        self.outbox.push(Entry { kind, add_session_id: kurento_client, marked: false }, |text| match (params, boxed) {
            (Some(raw), true) => write::request_with_value(text, id, method, raw),
            (params, _) => write::request(text, id, method, params),
        });
        self.pushed(now);
        Ok(())
    }

    /// The session begins or goes on with resumption.
    pub(super) fn peer_says(&mut self, now: Instant, told: &Told) {
        self.inbox.set_peer(told.buffer.within(self.limits()));
        self.peer_takes_now(now, told.takes);
    }

    /// The peer has said how long a message may be. What waits and is longer would end each transport over which it was sent.
    fn peer_takes_now(&mut self, now: Instant, max: usize) {
        self.outbox.peer_takes = max;
        for (entry, text) in self.outbox.take_too_long(max) {
            match entry.kind {
                Kind::Call(id) => {
                    if let Some(ended) = self.calls.end(id) {
                        self.settle(ended, CallOutcome::TooBig(max));
                    }
                }
                Kind::Notification => self.actions.push_back(Action::TooBig { bytes: text.len() + entry.added(), peer_takes: max }),
                Kind::Answer | Kind::Refusal => self.push_fitting(now, entry, &text),
            }
        }
    }

    /// The error that stands for an answer that is longer than what the peer takes, if that is shorter; for a batch one for each of its answers, or one for all.
    fn shorter_answer(&self, text: &[u8]) -> Option<Vec<u8>> {
        let peer_takes = self.outbox.peer_takes;
        let error = ErrorObject::new(ErrorObject::INTERNAL_ERROR, too_long(peer_takes));
        let write = |out: &mut Vec<u8>, id: &Id| write::error(out, id, self.dialect() == Dialect::Kurento, &error);
        let mut shorter = Vec::new();
        match Frame::parse(core::str::from_utf8(text).ok()?, self.dialect()).ok()? {
            Frame::Single(Message::Response(reply)) => write(&mut shorter, &reply.id),
            Frame::Single(Message::Request(_) | Message::Invalid { .. }) => return None,
            Frame::Batch(batch) => {
                for member in batch {
                    let Message::Response(reply) = member else { return None };
                    shorter.push(if shorter.is_empty() { b'[' } else { b',' });
                    write(&mut shorter, &reply.id);
                }
                shorter.push(b']');
                if shorter.len() > peer_takes {
                    shorter.clear();
                    write(&mut shorter, &Id::Null);
                }
            }
        }
        (shorter.len() <= peer_takes).then_some(shorter)
    }

    fn push(&mut self, now: Instant, entry: Entry, text: &[u8]) {
        self.outbox.push(entry, |out| out.extend_from_slice(text));
        self.pushed(now);
    }

    /// The answers of a batch are one message, and go out as such.
    pub(super) fn push_batch(&mut self, now: Instant, kind: Kind, answer: BatchAnswer) {
        let BatchAnswer { text, marked } = answer;
        self.push_fitting(now, Entry { kind, add_session_id: false, marked }, &text);
    }

    /// An answer, or the error that stands for it where it is longer than what the peer takes. If that is too long as well, the application is told.
    fn push_fitting(&mut self, now: Instant, entry: Entry, text: &[u8]) {
        let peer_takes = self.outbox.peer_takes;
        if text.len() <= peer_takes {
            return self.push(now, entry, text);
        }
        match self.shorter_answer(text) {
            Some(text) => self.push(now, entry, &text),
            None => self.actions.push_back(Action::TooBig { bytes: text.len(), peer_takes }),
        }
    }

    /// An answer that no handler gave: see [`Kind::Refusal`].
    pub(super) fn push_refusal(&mut self, now: Instant, write: impl FnOnce(&mut Vec<u8>)) {
        self.outbox.push(Entry { kind: Kind::Refusal, add_session_id: false, marked: false }, write);
        self.pushed(now);
    }

    fn pushed(&mut self, now: Instant) {
        if !self.transport_used {
            self.transport_used = self.link == Link::Up && !self.outbox.is_held();
        }
        if let Role::Client(_) = self.role {
            self.used(now);
            self.consider_telling(now);
        }
    }

    /// An error without data, which is the same in both dialects.
    pub(super) fn push_error(&mut self, now: Instant, id: &Id, error: &ErrorObject) {
        self.push_refusal(now, |out| write::error(out, id, false, error));
    }

    /// One member of a batch is done; if it was the last, the answers go out.
    pub(super) fn close_member(&mut self, now: Instant, batch: usize) {
        if let Some(answer) = self.owed.close_member(batch) {
            self.push_batch(now, Kind::Answer, answer);
        }
    }

    /// Writes a message of the library's own: neither numbered nor kept.
    pub(super) fn push_control(&mut self, text: Vec<u8>) {
        self.outbox.push_control(text);
    }

    /// The answer to a session method: written as it is in both dialects (PROTOCOL 3).
    pub(super) fn answer_session_method(&mut self, id: Option<&Id>, result: &str) {
        if let Some(id) = id {
            let mut text = Vec::new();
            write::result(&mut text, id, None, &Json::trusted(result));
            self.push_control(text);
        }
    }

    pub(super) fn refuse_session_method(&mut self, id: Option<&Id>, error: &ErrorObject) {
        if let Some(id) = id {
            let mut text = Vec::new();
            write::error(&mut text, id, self.dialect() == Dialect::Kurento, error);
            self.push_control(text);
        }
    }
}

/// Appends the answer, or an error if the peer would not read it: it takes so many bytes, and no deeper nesting than we do. `around` are the arrays in which the
/// answer will stand.
fn write_answer(out: &mut Vec<u8>, id: &Id, wrap: write::Wrap<'_>, outcome: Outcome<'_>, peer_takes: usize, around: u32) {
    let start = out.len();
    let fits = match outcome {
        Outcome::Result(json) => {
            write::result(out, id, wrap, &json);
            json.fits_within(around + 1 + u32::from(write::is_boxed(wrap, &json)))
        }
        Outcome::Empty => {
            write::result(out, id, wrap, if wrap.is_some() { &Json::EMPTY } else { &Json::NULL });
            true
        }
        Outcome::Error(error) => {
            write::error(out, id, wrap.is_some(), &error);
            error.data.is_none_or(|data| data.fits_within(around + 2))
        }
    };
    let why = if out.len() - start > peer_takes {
        too_long(peer_takes)
    } else if !fits {
        String::from("The answer is nested deeper than the 127 levels that a peer reads")
    } else {
        return;
    };
    out.truncate(start);
    write::error(out, id, wrap.is_some(), &ErrorObject::new(ErrorObject::INTERNAL_ERROR, why));
}

fn too_long(peer_takes: usize) -> String {
    alloc::format!("The answer is longer than the {peer_takes} bytes that the peer takes")
}
