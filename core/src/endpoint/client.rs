//! What only a client decides: connecting, greeting, heartbeat, reconnecting (PROTOCOL 4, 6 and 7).

use super::backoff::Backoff;
use super::inbox::Inbox;
use super::outbox::Keep;
use super::resume::{self, Told};
use super::{Endpoint, Life, Link, Role, Timer};
use crate::config::DEFAULT_GRACE;
use crate::message::{self, Body, Reply};
use crate::{
    Action, CallOutcome, ClientConfig, Close, CloseReason, ErrorObject, FirstConnect, InFlight, Instant, Reconnect, SessionId, json, write,
};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// How long the answer to `closeSession` is waited for.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// So many of the longest waits fit into the time for which the server keeps the session.
const KEPT_WAITS: u32 = 5;

/// A ping that is not answered yet.
#[derive(Debug)]
pub(super) struct Ping {
    pub(super) id: u32,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) config: Arc<ClientConfig>,
    pub(super) heartbeat: Option<Duration>,
    backoff: Backoff,
    /// Dials since the last connection.
    dials: u32,
    greeting: Option<Greeting>,
    pub(super) ping: Option<Ping>,
    /// The interval has changed since the first ping of this transport: the next one carries it again.
    pub(super) announces: bool,
    /// The number of messages sent when the last ping went out.
    pub(super) numbered_at_ping: u64,
    /// The `closeSession` that is to be answered, and why.
    pub(super) closing: Option<Closing>,
    /// The application wants another transport, whatever the policy says.
    redials: bool,
    /// Whether the server speaks of sessions at all.
    pub(super) session_known: bool,
    /// The session was given up since the last connection: the next one is a new one.
    session_lost: bool,
    up_since: Option<Instant>,
    /// When the session's last connection that was of use was lost; `None` before.
    lost_at: Option<Instant>,
    /// How long the server keeps the session then.
    kept: Duration,
    /// How far the session had come when `connect` was last sent.
    progress_at_greeting: u64,
    /// Why the server refused `connect`.
    refusal: Option<ErrorObject>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    id: u32,
    reason: CloseReason,
}

/// A `connect` that is not answered yet.
#[derive(Debug)]
struct Greeting {
    id: u32,
    asked_for: Option<SessionId>,
    offered: bool,
}

impl Client {
    pub(super) fn new(config: Arc<ClientConfig>, seed: u64) -> Self {
        Self {
            heartbeat: config.heartbeat,
            config,
            backoff: Backoff::new(seed),
            dials: 0,
            greeting: None,
            ping: None,
            announces: false,
            numbered_at_ping: 0,
            closing: None,
            redials: false,
            session_known: false,
            session_lost: false,
            up_since: None,
            lost_at: None,
            kept: DEFAULT_GRACE,
            progress_at_greeting: 0,
            refusal: None,
        }
    }
}

// What the application wants.
impl<T> Endpoint<T> {
    /// Client: start connecting. Once.
    pub fn open(&mut self, now: Instant) {
        if self.life == Life::Fresh && self.link == Link::Down && !self.timers.is_set(Timer::Retry) {
            self.dial(now);
        }
    }

    /// Client: pings every `interval` from now on, or never. Kurento: `enableHeartbeat`, `disableHeartbeat`.
    pub fn set_heartbeat(&mut self, now: Instant, interval: Option<Duration>) {
        let Some(client) = self.as_client() else { return };
        client.heartbeat = interval;
        if self.link == Link::Up {
            self.timers.clear(Timer::Ping);
            self.expect_pong(now);
            if interval.is_some() {
                self.heartbeat_starts(now);
            }
            // That timer may have been there to tell the server what has arrived.
            self.consider_telling(now);
        }
    }

    /// Client: drops the transport, or the wait for one, and dials at once. Calls go on as after a lost connection.
    pub fn reconnect(&mut self, now: Instant) {
        let Some(client) = self.as_client() else { return };
        client.backoff.reset();
        client.dials = 0;
        match (self.link, self.life) {
            (Link::Down, Life::Fresh | Life::Open) if self.timers.is_set(Timer::Retry) => {
                self.timers.clear(Timer::Retry);
                self.dial(now);
            }
            (Link::Up, _) => {
                if let Some(client) = self.as_client() {
                    client.redials = true;
                }
                self.outbox.hold();
                self.hang_up(Close::NORMAL);
            }
            (Link::Down | Link::Dialing | Link::Greeting | Link::Leaving, _) => {}
        }
    }

    /// Client: the transport that [`Action::Dial`] asked for could not be opened.
    pub fn handle_dial_failed(&mut self, now: Instant) {
        match self.link {
            Link::Dialing | Link::Leaving => self.handle_detached(now),
            Link::Down | Link::Greeting | Link::Up => {}
        }
    }

    pub(super) fn say_goodbye(&mut self, now: Instant, reason: CloseReason) {
        if self.as_client().is_none_or(|client| client.closing.is_some()) {
            return;
        }
        while let Some(ended) = self.calls.end_any() {
            self.settle(ended, CallOutcome::Closed);
        }
        let id = self.calls.next_id();
        let mut text = Vec::new();
        write::request(&mut text, Some(id), "closeSession", Some("{}"));
        if let Some(session) = &self.session {
            write::insert_session_id(&mut text, session, 1);
        }
        self.outbox.set_parting(text);
        self.timers.set(Timer::Closing, now, GOODBYE_TIMEOUT);
        if let Some(client) = self.as_client() {
            client.closing = Some(Closing { id, reason });
        }
    }

    pub(super) fn as_client(&mut self) -> Option<&mut Client> {
        match &mut self.role {
            Role::Client(client) => Some(client),
            Role::Server(_) => None,
        }
    }
}

// The connection.
impl<T> Endpoint<T> {
    pub(super) fn dial(&mut self, now: Instant) {
        let Some(client) = self.as_client() else { return };
        client.dials = client.dials.saturating_add(1);
        let (attempt, timeout) = (client.dials, client.config.connect_timeout);
        self.link = Link::Dialing;
        self.timers.set(Timer::Connect, now, timeout);
        self.actions.push_back(Action::Dial { attempt });
    }

    pub(super) fn client_attached(&mut self, now: Instant) {
        if self.link != Link::Dialing {
            return;
        }
        self.link = Link::Greeting;
        self.outbox.hold();
        self.greet(now);
    }

    /// Sends `connect`: back to the session that there is, or for a new one.
    fn greet(&mut self, _now: Instant) {
        let id = self.calls.next_id();
        let asked_for = self.session.clone();
        if asked_for.is_none() {
            self.forget_session();
            self.inbox = Inbox::new();
        }
        let (received, acknowledged) = (self.inbox.received(), self.inbox.tellable(self.owed.excess(self.limits())));
        // Then its messages have been counted from the first on, at both ends.
        let keeps = self.outbox.keep() == Keep::All;
        let progress = self.progress();
        let Role::Client(client) = &mut self.role else { return };
        client.progress_at_greeting = progress;
        client.numbered_at_ping = 0;
        let offers = client.config.resume && (asked_for.is_none() || keeps);
        let offer = if offers { resume::member(received, acknowledged, &client.config.limits, None) } else { String::new() };
        let mut params = alloc::format!("{{{offer}}}").into_bytes();
        if let Some(session) = &asked_for {
            write::insert_session_id(&mut params, session, 0);
        }
        client.greeting = Some(Greeting { id, asked_for, offered: offers });
        let mut text = Vec::new();
        write::request(&mut text, Some(id), "connect", Some(core::str::from_utf8(&params).unwrap_or("{}")));
        self.push_control(text);
    }

    pub(super) fn client_detached(&mut self, now: Instant) {
        let was_up = {
            let Some(client) = self.as_client() else { return };
            client.greeting = None;
            client.ping = None;
            client.announces = false;
            client.up_since.take()
        };
        self.drop_transport();
        if self.life == Life::Closed {
            return;
        }
        if self.as_client().is_some_and(|client| client.closing.is_some()) {
            return self.goodbye_said();
        }
        match was_up {
            Some(since) => {
                self.actions.push_back(Action::Lost);
                self.after_loss(now, since);
            }
            None => self.after_failure(now),
        }
    }

    /// A connection was lost: the first retry comes at once, unless connections break as soon as they are made and carry nothing.
    fn after_loss(&mut self, now: Instant, since: Instant) {
        let progress = self.progress();
        let usage = self.usage();
        // Somebody waits for what the server knows of it.
        let waits = usage.calls > 0 || usage.outbox_messages > 0;
        let Some(client) = self.as_client() else { return };
        let lasted = now.saturating_since(since) >= client.config.connect_timeout;
        if lasted || progress > client.progress_at_greeting || client.backoff.attempt() == 1 {
            client.backoff.reset();
            client.lost_at = Some(now);
        } else if client.lost_at.is_none() && waits {
            client.lost_at = Some(now);
        }
        let redials = core::mem::take(&mut client.redials);
        match client.config.reconnect {
            Reconnect::Never if !redials => return self.finish(Close::NORMAL, CloseReason::GaveUp),
            Reconnect::For(total) => self.start_giving_up(now, total),
            Reconnect::Never | Reconnect::Forever => {}
        }
        match self.next_wait(now) {
            Some(wait) => self.timers.set(Timer::Retry, now, wait),
            None => self.dial(now),
        }
    }

    /// Grows with each message that arrives, and with each of ours that is known to have arrived: without resumption that is none.
    fn progress(&self) -> u64 {
        let arrived = if self.outbox.keep() == Keep::All { self.outbox.acknowledged() } else { 0 };
        self.inbox.received() + arrived
    }

    /// The time for reconnecting runs from the loss of the last connection.
    fn start_giving_up(&mut self, now: Instant, total: Duration) {
        if !self.timers.is_set(Timer::GiveUp) {
            self.timers.set(Timer::GiveUp, now, total);
        }
    }

    /// The wait before the next attempt; none before the first.
    fn next_wait(&mut self, now: Instant) -> Option<Duration> {
        let first = self.as_client()?.backoff.attempt() == 1;
        let wait = self.wait_after_failure(now)?;
        (!first).then_some(wait)
    }

    /// Drawn such that a network that is back while the server still has the session is found in time.
    fn wait_after_failure(&mut self, now: Instant) -> Option<Duration> {
        let has_session = self.session.is_some();
        let client = self.as_client()?;
        let may_be_kept = has_session && client.lost_at.is_some_and(|at| now.saturating_since(at) < client.kept);
        let longest = if may_be_kept { client.config.backoff_max.min(client.kept / KEPT_WAITS) } else { client.config.backoff_max };
        Some(client.backoff.after_failure(client.config.backoff_base, longest))
    }

    fn after_failure(&mut self, now: Instant) {
        let first = self.life == Life::Fresh;
        let Some(client) = self.as_client() else { return };
        let error = client.refusal.take();
        let gives_up = match (client.config.reconnect, client.config.first_connect) {
            (_, FirstConnect::FailFast) if first => true,
            (Reconnect::Never, _) => true,
            (Reconnect::For(_) | Reconnect::Forever, _) => false,
        };
        if gives_up {
            self.actions.push_back(Action::ConnectFailed { error, retry_in: None });
            return self.finish(Close::NORMAL, CloseReason::GaveUp);
        }
        if let Reconnect::For(total) = client.config.reconnect {
            self.start_giving_up(now, total);
        }
        let Some(wait) = self.wait_after_failure(now) else { return };
        self.timers.set(Timer::Retry, now, wait);
        self.actions.push_back(Action::ConnectFailed { error, retry_in: Some(wait) });
    }
}

// Answers to session methods.
impl<T> Endpoint<T> {
    pub(super) fn is_answer_to_session_method(&mut self, now: Instant, reply: &Reply<'_>) -> bool {
        let id = self.reply_call(&reply.id);
        let Some(client) = self.as_client() else { return false };
        if client.greeting.as_ref().map(|greeting| greeting.id) == id && id.is_some() {
            if let Some(greeting) = client.greeting.take() {
                self.connect_answered(now, greeting, reply);
            }
            return true;
        }
        if client.ping.as_ref().map(|ping| ping.id) == id && id.is_some() {
            client.ping = None;
            let announces = core::mem::take(&mut client.announces);
            self.timers.clear(Timer::Pong);
            if announces {
                self.heartbeat_starts(now);
            }
            self.pong(now, reply);
            return true;
        }
        if client.closing.map(|closing| closing.id) == id && id.is_some() {
            self.goodbye_said();
            return true;
        }
        false
    }

    /// `closeSession` was answered, or will not be.
    pub(super) fn goodbye_said(&mut self) {
        let reason = self.as_client().and_then(|client| client.closing).map_or(CloseReason::Application, |closing| closing.reason);
        self.finish(Close::NORMAL, reason);
    }

    fn connect_answered(&mut self, now: Instant, greeting: Greeting, reply: &Reply<'_>) {
        let Greeting { asked_for, offered, .. } = greeting;
        let result = match reply.body {
            Body::Result(raw) => raw.text,
            Body::Error(raw) => return self.connect_refused(now, asked_for.is_some(), raw),
            Body::Both => return self.connect_refused(now, asked_for.is_some(), "{}"),
        };
        let named = json::member(result, "sessionId").and_then(|raw| SessionId::from_text(&json::text_of(raw).ok()?));
        let session_known = named.is_some() || asked_for.is_some();
        let same = asked_for.is_some() && named.as_ref().is_none_or(|named| Some(named) == asked_for.as_ref());
        if asked_for.is_some() && !same {
            self.forget_session();
        }
        // Nothing is resumed that was not offered, nor a session that has no name to come back to.
        let told = Told::parse(result).ok().flatten().filter(|_| offered && session_known && (same || asked_for.is_none()));
        match &told {
            Some(told) => {
                self.outbox.set_keep(Keep::All);
                if self.outbox.rewind(told.received, told.acknowledged).is_err() {
                    return self.abandon_session(now, Close::MISMATCH);
                }
            }
            None => self.goes_on_without_resumption(),
        }
        if let Some(told) = &told {
            self.peer_says(now, told);
        }
        self.session = named.or(asked_for);
        let Some(client) = self.as_client() else { return };
        client.kept = told.map_or(DEFAULT_GRACE, |told| told.grace);
        client.session_known = session_known;
        self.is_up(now);
    }

    /// What was sent over the last transport can't be known, unless calls may be repeated.
    fn goes_on_without_resumption(&mut self) {
        let repeats = self.as_client().is_some_and(|client| client.config.in_flight == InFlight::Repeat);
        // Where nothing was kept, they ended with their transport.
        if self.outbox.keep() == Keep::All {
            self.interrupt_sent_calls();
        }
        self.outbox.set_keep(if repeats { Keep::Calls } else { Keep::Nothing });
        self.outbox.peer_takes = usize::MAX;
    }

    fn connect_refused(&mut self, now: Instant, asked: bool, raw: &str) {
        let error = message::error_object(raw).unwrap_or_else(|why| ErrorObject::new(ErrorObject::INTERNAL_ERROR, why));
        match error.code {
            ErrorObject::UNKNOWN_SESSION if asked => {
                self.forget_session();
                self.greet(now);
            }
            // A plain JSON-RPC server: no sessions, but calls.
            ErrorObject::METHOD_NOT_FOUND => {
                if asked {
                    self.forget_session();
                }
                self.goes_on_without_resumption();
                if let Some(client) = self.as_client() {
                    client.session_known = false;
                }
                self.is_up(now);
            }
            _ => {
                if let Some(client) = self.as_client() {
                    client.refusal = Some(error);
                }
                self.hang_up(Close::NORMAL);
            }
        }
    }

    /// The session is gone on the server: what was sent in it is unknown, what was not goes into the next one.
    fn forget_session(&mut self) {
        self.interrupt_sent_calls();
        self.owed.disown(self.role.limits());
        self.duplicates.clear();
        self.session = None;
        self.awaits_first = true;
        self.outbox.restart();
        self.outbox.set_keep(Keep::Nothing);
        if let Some(client) = self.as_client() {
            client.session_lost = true;
        }
    }

    pub(super) fn abandon_session(&mut self, _now: Instant, close: Close) {
        self.forget_session();
        self.outbox.hold();
        self.hang_up(close);
    }

    fn is_up(&mut self, now: Instant) {
        self.link = Link::Up;
        self.outbox.release();
        self.timers.clear(Timer::Connect);
        self.timers.clear(Timer::GiveUp);
        let first = self.life == Life::Fresh;
        self.life = Life::Open;
        let Some(client) = self.as_client() else { return };
        client.up_since = Some(now);
        client.dials = 0;
        let renewed = core::mem::take(&mut client.session_lost);
        if first || renewed {
            client.lost_at = None;
        }
        let beats = client.heartbeat.is_some();
        self.actions.push_back(match (first, renewed) {
            (true, _) => Action::Opened,
            (false, true) => Action::Renewed,
            (false, false) => Action::Resumed,
        });
        self.used(now);
        if beats {
            self.heartbeat_starts(now);
        }
        self.consider_telling(now);
    }

    /// A server that answers no `connect` may name the session in any result (PROTOCOL 2).
    pub(super) fn adopt_session(&mut self, reply: &Reply<'_>) {
        if self.session.is_some() {
            return;
        }
        if let Body::Result(raw) = reply.body
            && let Some(id) = raw.session_id().and_then(|id| SessionId::from_text(&json::text_of(id).ok()?))
            && self.dialect() == crate::Dialect::Kurento
        {
            self.session = Some(id);
        }
    }
}
