//! What only a server decides: session methods, grace, watchdog, hand-over.

use super::outbox::Keep;
use super::resume::{self, Told};
use super::{Endpoint, Life, Link, Role, Timer};
use crate::id::{Id, is_behind};
use crate::message::{Call, Frame, Message};
use crate::{
    Action, Close, CloseReason, ErrorObject, Instant, Json, MAX_SESSION_ID_BYTES, Received, ServerConfig, SessionId, json, scan, write,
};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// The watchdog's patience with a client that announced no interval.
const SILENCE_WITHOUT_INTERVAL: Duration = Duration::from_secs(20);
/// The watchdog waits this many intervals.
const INTERVALS: u32 = 3;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) config: Arc<ServerConfig>,
    pub(super) grace: Duration,
    /// How long the client may be silent, once it has pinged over this transport.
    pub(super) watch: Option<Duration>,
    /// Unknown sessions that this transport has named.
    guesses: u32,
    /// The id of the newest `connect`, if resumption came of it.
    last_connect: Option<i64>,
    /// The highest id before, while who came back may be another sender.
    pub(super) doubt: Option<i64>,
}

impl Server {
    pub(super) fn new(config: Arc<ServerConfig>) -> Self {
        let grace = config.grace;
        Self { config, grace, watch: None, guesses: 0, last_connect: None, doubt: None }
    }
}

/// What is known of a session that a frame names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// It has not been looked for.
    NotAsked,
    /// There is none.
    Unknown,
}

/// The params of `connect`.
#[derive(Debug, Default)]
struct ConnectParams {
    session: Option<SessionId>,
    /// A session was named, if by a text that no session can have.
    named: bool,
    resume: Option<Told>,
}

impl<T> Endpoint<T> {
    /// The session's reconnection timeout from now on. Kurento: `Session.setReconnectionTimeout`.
    pub fn set_grace(&mut self, now: Instant, grace: Duration) {
        let Role::Server(server) = &mut self.role else { return };
        server.grace = grace;
        if self.life == Life::Open && self.link == Link::Down {
            self.timers.set(Timer::Grace, now, grace);
        }
    }

    /// How long the client may be silent, once it has pinged over this transport; `None` while nobody watches (PROTOCOL 4). That belongs to the transport: ask before it is
    /// handed over ([`Received::HandOver`]), and tell the session's endpoint by [`set_watch`](Self::set_watch).
    #[must_use]
    pub fn watch(&self) -> Option<Duration> {
        match &self.role {
            Role::Server(server) => server.watch,
            Role::Client(_) => None,
        }
    }

    /// How long the client may be silent that has just been attached, if it has pinged before it named this session.
    pub fn set_watch(&mut self, now: Instant, watch: Option<Duration>) {
        let Role::Server(server) = &mut self.role else { return };
        if server.config.watchdog {
            server.watch = watch;
            self.timers.clear(Timer::Watchdog);
            self.timers.clear(Timer::Probe);
            self.heard(now);
        }
    }

    /// Whether a frame for which another endpoint answered [`Received::HandOver`] is a `connect` that was overtaken: the client gave that transport up
    /// and has connected over a newer one since. Ask before [`handle_attached`](Self::handle_attached); if so, close the transport with
    /// [`Close::MOVED`] and leave the session as it is.
    ///
    /// A client that offers resumption never uses an id twice and counts upwards (PROTOCOL 1), so an older `connect` has a smaller one.
    #[must_use]
    pub fn is_overtaken(&self, frame: &[u8]) -> bool {
        let Role::Server(Server { last_connect: Some(newest), .. }) = &self.role else { return false };
        let Ok(Frame::Single(Message::Request(call))) =
            core::str::from_utf8(frame).map_err(drop).and_then(|text| Frame::parse(text, self.dialect()).map_err(drop))
        else {
            return false;
        };
        let offers = call.method == "connect" && call.params.is_some_and(|params| json::member(params.text, "resume").is_some());
        offers && matches!(call.id, Some(Id::Int(id)) if id != *newest && is_behind(id, *newest))
    }

    pub(super) fn server_attached(&mut self, now: Instant) -> Option<Close> {
        self.transport_used = false;
        let moved = self.link != Link::Down;
        if moved {
            self.drop_transport();
        }
        let Role::Server(server) = &mut self.role else { return None };
        server.watch = None;
        server.guesses = 0;
        self.timers.clear(Timer::Grace);
        self.link = Link::Up;
        if self.life == Life::Open {
            // Nothing is sent before the frame that named this session has been read: it may offer resumption.
            self.outbox.hold();
        }
        self.withhold(now);
        moved.then_some(Close::MOVED)
    }

    pub(super) fn server_detached(&mut self, now: Instant) {
        match self.life {
            Life::Fresh => {
                self.link = Link::Down;
                self.life = Life::Closed;
                self.timers.clear_all();
                self.actions.push_back(Action::Closed(CloseReason::NeverOpened));
            }
            Life::Open => {
                self.drop_transport();
                self.actions.push_back(Action::Lost);
                if let Role::Server(server) = &self.role {
                    self.timers.set(Timer::Grace, now, server.grace);
                }
            }
            Life::Closed => self.link = Link::Down,
        }
    }

    /// The frame belongs to this session, or opens it.
    #[cold]
    pub(super) fn identify(&mut self) {
        match self.life {
            Life::Fresh => {
                self.life = Life::Open;
                self.transport_used = false;
                self.actions.push_back(Action::Opened);
            }
            Life::Open if self.outbox.is_held() => {
                // It came back without offering resumption: the session goes on without (PROTOCOL 6). Who had it before and comes without has lost count, so it is the next
                // run of a program that saved its session.
                let counted = self.outbox.keep() == Keep::All;
                self.outbox.set_keep(Keep::Nothing);
                self.outbox.peer_takes = usize::MAX;
                if let Role::Server(server) = &mut self.role {
                    server.last_connect = None;
                }
                if counted {
                    self.owed.disown(self.role.limits());
                    self.outbox.forget_answers();
                }
                self.resumed();
            }
            Life::Open | Life::Closed => {}
        }
    }

    fn resumed(&mut self) {
        self.outbox.release();
        self.actions.push_back(Action::Resumed);
    }

    pub(super) fn server_session_method<'f>(&mut self, now: Instant, call: &Call<'_>, elsewhere: Elsewhere) -> Received<'f> {
        match &*call.method {
            "connect" => return self.connect(now, call, elsewhere),
            "ping" => self.ping(now, call),
            _ => self.close_session(call),
        }
        Received::Handled
    }

    fn connect<'f>(&mut self, now: Instant, call: &Call<'_>, elsewhere: Elsewhere) -> Received<'f> {
        let id = call.id.as_ref();
        let params = match ConnectParams::parse(call.params.map(|raw| raw.text)) {
            Ok(params) => params,
            Err(why) => {
                self.refuse_session_method(id, &ErrorObject::invalid_params(&why));
                return Received::Handled;
            }
        };
        if params.named && (params.session.is_none() || params.session != self.session_if_open()) {
            return match (params.session, elsewhere) {
                (Some(other), Elsewhere::NotAsked) => Received::HandOver(other),
                (Some(_), Elsewhere::Unknown) | (None, _) => {
                    self.unknown_session(id);
                    Received::Handled
                }
            };
        }
        let back = self.outbox.is_held();
        let offer = match params.resume {
            Some(_) if self.transport_used || (!back && self.outbox.keep() == Keep::All) => {
                let why = "resume can only be offered before any other message of a transport";
                self.refuse_session_method(id, &ErrorObject::invalid_request(why));
                return Received::Handled;
            }
            offer => offer.filter(|_| self.config_resume()),
        };
        let resumed = match offer {
            Some(told) if back && self.outbox.keep() == Keep::All => {
                if self.outbox.rewind(told.received, told.acknowledged).is_err() {
                    self.refuse_resumption(id);
                    return Received::Handled;
                }
                self.resumed();
                Some(told)
            }
            Some(told) if !back && self.life == Life::Fresh => {
                if told.received != 0 {
                    self.refuse_session_method(id, &ErrorObject::invalid_params("resume.received: a new session has no messages"));
                    return Received::Handled;
                }
                self.identify();
                self.outbox.set_keep(Keep::All);
                Some(told)
            }
            Some(_) | None => {
                self.identify();
                None
            }
        };
        if let Some(told) = &resumed {
            self.peer_says(now, told);
        }
        if let (true, Some(id)) = (back, id) {
            self.consider_sender(now, id);
        }
        self.answer_connect(id, if params.named { "reconnection successful" } else { "OK" }, resumed.is_some());
        Received::Handled
    }

    fn answer_connect(&mut self, id: Option<&Id>, value: &str, resumed: bool) {
        if let (Role::Server(server), Some(Id::Int(id)), true) = (&mut self.role, id, resumed) {
            server.last_connect = Some(*id);
        }
        let mut result = String::from("{\"value\":\"");
        result.push_str(value);
        result.push('"');
        if let Some(session) = &self.session {
            session.with_text(|text| result.push_str(&format!(",\"sessionId\":{}", quoted(text))));
        }
        if resumed {
            let acknowledged = self.inbox.tell_but(self.owed.excess(self.limits()));
            result.push(',');
            let grace = if let Role::Server(server) = &self.role { Some(server.grace) } else { None };
            result.push_str(&resume::member(self.inbox.received(), acknowledged, self.limits(), grace));
        }
        result.push('}');
        self.answer_session_method(id, &result);
    }

    fn session_if_open(&self) -> Option<SessionId> {
        if self.life == Life::Open { self.session.clone() } else { None }
    }

    fn config_resume(&self) -> bool {
        match &self.role {
            Role::Server(server) => server.config.resume,
            Role::Client(_) => false,
        }
    }

    fn unknown_session(&mut self, id: Option<&Id>) {
        self.refuse_session_method(id, &ErrorObject::new(ErrorObject::UNKNOWN_SESSION, "reconnection error"));
        let Role::Server(server) = &mut self.role else { return };
        server.guesses += 1;
        if server.guesses >= server.config.limits.unknown_sessions {
            self.hang_up(Close::GUESSING);
        }
    }

    fn refuse_resumption(&mut self, id: Option<&Id>) {
        let error =
            ErrorObject::new(ErrorObject::UNKNOWN_SESSION, "reconnection error").with_data(Json::trusted("{\"type\":\"RESUME_MISMATCH\"}"));
        self.refuse_session_method(id, &error);
        self.finish(Close::MISMATCH, CloseReason::ResumeMismatch);
    }

    fn ping(&mut self, now: Instant, call: &Call<'_>) {
        let mut carried = None;
        let mut interval = None;
        let mut received = None;
        if let Some(params) = call.params.map(|raw| raw.text) {
            let count = |name: &str| match json::member(params, name).filter(|raw| *raw != "null").map(json::count_of) {
                None => Ok(None),
                Some(Ok(n)) => Ok(Some(n)),
                Some(Err(why)) => Err(format!("{name}: {why}")),
            };
            match (count("interval"), count("received")) {
                (Ok(i), Ok(r)) => (interval, received) = (i, r),
                (Err(why), _) | (_, Err(why)) => {
                    return self.refuse_session_method(call.id.as_ref(), &ErrorObject::invalid_params(&why));
                }
            }
            // What is longer is no session's id.
            carried = json::member(params, "sessionId")
                .filter(|raw| scan::kind_of(raw) == scan::Kind::String && raw.len() <= MAX_SESSION_ID_BYTES + 2);
        }
        if let Role::Server(server) = &mut self.role
            && server.config.watchdog
        {
            match interval {
                Some(ms) => server.watch = Some(Duration::from_millis(ms.max(1)).saturating_mul(INTERVALS)),
                None => server.watch = server.watch.or(Some(SILENCE_WITHOUT_INTERVAL)),
            }
        }
        self.heard(now);
        if let Some(received) = received
            && self.outbox.acknowledge(received).is_err()
        {
            return self.mismatch(now);
        }
        let mut result = String::from("{\"value\":\"pong\"");
        match (carried, self.session_if_open()) {
            (Some(raw), _) => result.push_str(&format!(",\"sessionId\":{raw}")),
            (None, Some(session)) => session.with_text(|text| result.push_str(&format!(",\"sessionId\":{}", quoted(text)))),
            (None, None) => {}
        }
        if self.outbox.keep() == Keep::All {
            let excess = self.owed.excess(self.limits());
            result.push_str(",\"received\":");
            result.push_str(itoa::Buffer::new().format(self.inbox.tell_but(excess)));
        }
        result.push('}');
        self.answer_session_method(call.id.as_ref(), &result);
    }

    fn close_session(&mut self, call: &Call<'_>) {
        if let Some(id) = &call.id {
            let mut text = Vec::new();
            write::result(&mut text, id, None, &Json::trusted("\"bye\""));
            self.outbox.set_parting(text);
        }
        self.outbox.release();
        let reason = if self.life == Life::Fresh { CloseReason::NeverOpened } else { CloseReason::ClientClosed };
        self.finish(Close::NORMAL, reason);
    }

    /// The client has been silent: ask its WebSocket before giving it up. Some ping every 60 s and announce 5 s (PROTOCOL 4).
    pub(super) fn watchdog_barks(&mut self, now: Instant) {
        let Role::Server(server) = &self.role else { return };
        let Some(silence) = server.watch else { return };
        if self.is_deaf() {
            self.timers.set(Timer::Watchdog, now, silence);
        } else {
            self.actions.push_back(Action::Probe);
            self.timers.set(Timer::Probe, now, silence / INTERVALS);
        }
    }

    pub(super) fn probe_unanswered(&mut self, now: Instant) {
        if self.is_deaf() {
            // The pong may lie unread.
            self.heard(now);
        } else {
            // What is still queued would be lost in a transport that is given up.
            self.outbox.hold();
            self.hang_up(Close::NO_PING);
        }
    }
}

impl ConnectParams {
    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let mut params = Self::default();
        let Some(raw) = raw else { return Ok(params) };
        if let Some(session) = json::member(raw, "sessionId").filter(|raw| *raw != "null") {
            let text = json::text_of(session).map_err(|why| format!("sessionId: {why}"))?;
            params.named = true;
            params.session = SessionId::from_text(&text);
        }
        params.resume = Told::parse(raw)?;
        Ok(params)
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write::string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}
