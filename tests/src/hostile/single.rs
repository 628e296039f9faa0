//! One endpoint in the hands of a script: a peer that sends anything, a transport that comes and goes, an application that calls, answers, forgets and closes,
//! a driver that is late or whose socket takes nothing.
//!
//! After every step: each bound of [`Limits`] is kept; a call is settled once, a forgotten one never; an answer has a request that wanted one; nothing is
//! written without a transport; no more requests run at once than may; once time was handled the next deadline lies ahead; what was refused or made no
//! sense has changed nothing at all; no request waits when there is nothing to wait for; after `Closed` nothing happens any more. In the end the session is closed, and every call has been settled.

use super::frames::{Frame, Known};
use super::reference::{self, Id, Verdict};
use crate::raw::checked_frame;
use arbitrary::Arbitrary;
use bowline_core::{
    Action, Call, CallId, ClientConfig, Close, CloseReason, Dialect, Endpoint, ErrorObject, FirstConnect, InFlight, Instant, Json, Limits,
    Outcome, Received, Reconnect, Request, Responder, ServerConfig, SessionId, Usage,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A server's endpoint and what befalls it.
#[derive(Arbitrary, Clone, Debug)]
pub struct ServerScript {
    bounds: Bounds,
    strict: bool,
    grace: u16,
    watchdog: bool,
    resume: bool,
    steps: Vec<Step>,
}

/// A client's endpoint and what befalls it.
#[derive(Arbitrary, Clone, Debug)]
pub struct ClientScript {
    bounds: Bounds,
    strict: bool,
    resume: bool,
    repeat: bool,
    retry: bool,
    close_message: bool,
    saved: bool,
    heartbeat: Option<u16>,
    idle: Option<u16>,
    reconnect: Option<u16>,
    steps: Vec<Step>,
}

/// Small bounds, so that they are met.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Bounds {
    outbox_messages: u8,
    outbox_bytes: u16,
    in_flight: u8,
    queued_bytes: u16,
    calls: u8,
    batch: u8,
    duplicate_bytes: u16,
    message_bytes: Option<u16>,
    concurrency: u8,
}

impl Bounds {
    fn limits(self) -> Limits {
        let small = |n: u8| usize::from(n) % 16 + 1;
        Limits {
            message_bytes: self.message_bytes.map_or(1 << 20, |bytes| usize::from(bytes) + 64),
            outbox_messages: small(self.outbox_messages),
            outbox_bytes: usize::from(self.outbox_bytes) + 1,
            in_flight: small(self.in_flight),
            queued_bytes: usize::from(self.queued_bytes) + 1,
            calls: small(self.calls),
            batch: small(self.batch),
            duplicate_bytes: usize::from(self.duplicate_bytes),
            ..Limits::default()
        }
    }

    fn concurrency(self) -> usize {
        usize::from(self.concurrency % 4)
    }
}

#[derive(Arbitrary, Clone, Debug)]
enum Step {
    Open,
    Attach,
    Detach,
    DialFailed,
    Frame(Frame),
    Pong,
    Refuse,
    /// To the next deadline, and past it.
    Wait,
    /// So many milliseconds, from deadline to deadline.
    Pass(u16),
    /// The same, and nobody looks at the clock.
    Oversleep(u16),
    Call {
        size: u8,
        timeout: Option<u16>,
    },
    Notify {
        size: u8,
    },
    Reserved,
    Forget(u8),
    Answer {
        which: u8,
        with: Answer,
    },
    Close(bool),
    Grace(u16),
    Heartbeat(Option<u16>),
    Reconnect,
    Stall(bool),
    Shrink,
}

#[derive(Arbitrary, Clone, Debug)]
enum Answer {
    Nothing,
    Text(u8),
    Object(u8),
    Error,
}

/// Runs a server's script.
///
/// # Panics
///
/// If anything does not hold.
pub fn run_server(script: ServerScript) {
    let limits = script.bounds.limits();
    let concurrency = script.bounds.concurrency();
    let config = ServerConfig {
        dialect: if script.strict { Dialect::Strict } else { Dialect::Kurento },
        limits: limits.clone(),
        grace: Duration::from_millis(script.grace.into()),
        watchdog: script.watchdog,
        concurrency,
        resume: script.resume,
    };
    let endpoint = Endpoint::server(Arc::new(config), SessionId::from_random([7; 16]));
    Harness::new(endpoint, limits, concurrency, Role::Server).run(script.steps);
}

/// Runs a client's script.
///
/// # Panics
///
/// If anything does not hold.
pub fn run_client(script: ClientScript) {
    let limits = script.bounds.limits();
    let concurrency = script.bounds.concurrency();
    let ms = |ms: u16| Duration::from_millis(ms.into());
    let config = ClientConfig {
        dialect: if script.strict { Dialect::Strict } else { Dialect::Kurento },
        limits: limits.clone(),
        session: script.saved.then(|| SessionId::from_text("saved")).flatten(),
        resume: script.resume,
        concurrency,
        in_flight: if script.repeat { InFlight::Repeat } else { InFlight::Interrupt },
        idle_timeout: script.idle.map(ms),
        heartbeat: script.heartbeat.map(ms),
        close_message: script.close_message,
        reconnect: match script.reconnect {
            None => Reconnect::Forever,
            Some(0) => Reconnect::Never,
            Some(time) => Reconnect::For(ms(time)),
        },
        first_connect: if script.retry { FirstConnect::Retry } else { FirstConnect::FailFast },
        ..ClientConfig::default()
    };
    Harness::new(Endpoint::client(Arc::new(config), 7), limits, concurrency, Role::Client).run(script.steps);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Server,
    Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Down,
    Dialled,
    Up,
}

struct Harness {
    endpoint: Endpoint<u32>,
    limits: Limits,
    concurrency: usize,
    role: Role,
    now: Instant,
    line: Line,
    stalled: bool,
    closed: bool,
    opened: bool,
    unread: VecDeque<Vec<u8>>,
    longest: usize,
    known: Known,
    calls: BTreeMap<u32, CallId>,
    last_tag: u32,
    held: Vec<Responder>,
    /// Requests that run and hold up the next one.
    running: BTreeSet<usize>,
    next_held: usize,
    keys: Vec<usize>,
    /// Frames that could still be written as answers, and ids under which they could go.
    answerable: usize,
    ids: BTreeSet<Option<String>>,
}

impl Harness {
    fn new(endpoint: Endpoint<u32>, limits: Limits, concurrency: usize, role: Role) -> Self {
        let mut known = Known::default();
        known.sessions.extend(endpoint.session_id().map(SessionId::reveal));
        known.sessions.push("saved".to_owned());
        Self {
            endpoint,
            limits,
            concurrency,
            role,
            now: Instant::ORIGIN + Duration::from_secs(1),
            line: Line::Down,
            stalled: false,
            closed: false,
            opened: false,
            unread: VecDeque::new(),
            longest: 0,
            known,
            calls: BTreeMap::new(),
            last_tag: 0,
            held: Vec::new(),
            running: BTreeSet::new(),
            next_held: 0,
            keys: Vec::new(),
            answerable: 0,
            ids: BTreeSet::new(),
        }
    }

    fn run(mut self, steps: Vec<Step>) {
        for step in steps.into_iter().take(400) {
            self.step(step);
            self.settle();
            self.check();
        }
        self.finish();
    }

    fn finish(mut self) {
        self.stalled = false;
        self.settle();
        self.endpoint.close(self.now, CloseReason::Application);
        self.settle();
        // A client that is kept from reading, with a heartbeat of a millisecond, has that many deadlines before its goodbye is over.
        self.pass_by(Duration::from_secs(10), 20_000);
        self.check();
        assert!(self.endpoint.is_closed() && self.closed, "it does not close");
        assert!(self.calls.is_empty(), "calls that were never settled: {:?}", self.calls);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Open if self.role == Role::Server || self.opened => self.unchanged(|endpoint, now| endpoint.open(now)),
            Step::Open => {
                self.opened = true;
                self.endpoint.open(self.now);
            }
            Step::Attach => self.attach(),
            Step::Detach if self.line == Line::Up => self.lose(),
            Step::Detach if self.line == Line::Down => self.unchanged(Endpoint::handle_detached),
            Step::DialFailed if self.line == Line::Dialled => {
                self.line = Line::Down;
                self.endpoint.handle_dial_failed(self.now);
            }
            Step::DialFailed if self.line == Line::Down => self.unchanged(Endpoint::handle_dial_failed),
            Step::Detach | Step::DialFailed => {}
            Step::Frame(frame) => self.receive(&frame),
            Step::Pong if self.line == Line::Up => self.endpoint.handle_pong(self.now),
            Step::Refuse if self.line == Line::Up => self.endpoint.handle_refused(self.now, Close::BINARY),
            Step::Pong | Step::Refuse => {}
            Step::Wait => {
                if let Some(at) = self.endpoint.poll_timeout() {
                    self.now = self.now.max(at);
                    self.time();
                    self.unchanged(|endpoint, now| endpoint.handle_timeout(now));
                }
            }
            Step::Pass(ms) => self.pass(Duration::from_millis(ms.into())),
            Step::Oversleep(ms) => self.now += Duration::from_millis(ms.into()),
            Step::Call { size, timeout } => self.call(size, timeout),
            Step::Notify { size } => self.notify(size),
            Step::Reserved => {
                self.unchanged(|endpoint, now| assert!(endpoint.notify(now, "ping", None).is_err()));
                let call = Call { method: "connect", params: None, deadline: None, tag: 0 };
                self.unchanged(|endpoint, now| assert!(endpoint.call(now, call).is_err()));
            }
            Step::Forget(which) => {
                let tag = self.calls.keys().nth(usize::from(which) % self.calls.len().max(1)).copied();
                if let Some(id) = tag.and_then(|tag| self.calls.remove(&tag)) {
                    self.endpoint.forget(id);
                }
            }
            Step::Answer { which, with } => self.answer(which.into(), &with),
            Step::Close(shutdown) => {
                self.endpoint.close(self.now, if shutdown { CloseReason::Shutdown } else { CloseReason::Application });
            }
            Step::Grace(ms) if self.role == Role::Server => self.endpoint.set_grace(self.now, Duration::from_millis(ms.into())),
            Step::Grace(_) => self.unchanged(|endpoint, now| endpoint.set_grace(now, Duration::from_millis(1))),
            Step::Heartbeat(ms) if self.role == Role::Client => {
                self.endpoint.set_heartbeat(self.now, ms.map(|ms| Duration::from_millis(ms.into())));
            }
            Step::Heartbeat(_) => self.unchanged(|endpoint, now| endpoint.set_heartbeat(now, None)),
            Step::Reconnect if self.role == Role::Client => self.endpoint.reconnect(self.now),
            Step::Reconnect => self.unchanged(Endpoint::reconnect),
            Step::Stall(stalled) => self.stalled = stalled,
            Step::Shrink => self.endpoint.shrink(),
        }
    }
}

// What the transport does.
impl Harness {
    fn attach(&mut self) {
        match (self.role, self.line) {
            _ if self.closed => {
                self.unchanged(|endpoint, now| assert_eq!(endpoint.handle_attached(now), None));
            }
            (Role::Server, Line::Up) => {
                // Its session was named over another transport.
                self.replays();
                assert_eq!(self.endpoint.handle_attached(self.now), Some(Close::MOVED));
                self.unread.clear();
            }
            (Role::Server, Line::Down | Line::Dialled) | (Role::Client, Line::Dialled) => {
                self.line = Line::Up;
                self.replays();
                assert_eq!(self.endpoint.handle_attached(self.now), None);
            }
            (Role::Client, Line::Down | Line::Up) => {
                self.unchanged(|endpoint, now| assert_eq!(endpoint.handle_attached(now), None));
            }
        }
    }

    /// What the last transport had may be written again.
    fn replays(&mut self) {
        self.answerable += self.endpoint.usage().unacknowledged;
    }

    fn lose(&mut self) {
        self.line = Line::Down;
        self.unread.clear();
        self.endpoint.handle_detached(self.now);
    }

    fn receive(&mut self, frame: &Frame) {
        let bytes = frame.write(&mut self.known);
        if self.line != Line::Up {
            return self.unchanged(|endpoint, now| assert!(matches!(endpoint.handle_frame(now, &bytes), Received::Handled)));
        }
        if self.unread.len() < 32 {
            self.unread.push_back(bytes);
        }
    }

    fn feed(&mut self, frame: &[u8]) {
        self.longest = self.longest.max(frame.len());
        self.expect_answers(frame);
        // As a driver does whose WebSocket has looked at the text already.
        let mut received = match std::str::from_utf8(frame) {
            Ok(text) => self.endpoint.handle_text(self.now, text),
            Err(_) => self.endpoint.handle_frame(self.now, frame),
        };
        if let Received::HandOver(id) = received {
            assert_eq!(self.role, Role::Server);
            assert!(self.endpoint.session_id() != Some(&id) || !self.endpoint.is_open(), "its own session is looked for elsewhere");
            received = self.endpoint.handle_unknown_session(self.now, frame);
        }
        let request = match received {
            Received::Handled => None,
            Received::Request(request) => Some(request.into_owned()),
            Received::HandOver(_) => unreachable!("asked twice where a session lives"),
        };
        self.actions();
        if let Some(request) = request {
            self.serve(request);
        }
    }

    /// A frame brings one frame of answers at most, and only if something in it wants one.
    fn expect_answers(&mut self, frame: &[u8]) {
        let dialect = self.endpoint.dialect();
        let mut ids = Vec::new();
        let mut want = |message: &reference::Message<'_>| match message {
            reference::Message::Request { id, .. } => ids.extend(id.as_ref().map(|id| id.key(dialect))),
            reference::Message::Invalid(id) => ids.push(id.key(dialect)),
            reference::Message::Answer { .. } => {}
        };
        match reference::judge(frame, dialect) {
            Verdict::ParseError => ids.push(None),
            Verdict::Single(message) => want(&message),
            Verdict::Batch(members) => {
                members.iter().for_each(&mut want);
                if members.is_empty() || members.len() > self.limits.batch.min(self.limits.in_flight) {
                    ids.push(None);
                }
            }
        }
        self.answerable += usize::from(!ids.is_empty());
        self.ids.extend(ids);
    }

    fn written(&mut self, bytes: &[u8]) {
        let dialect = self.endpoint.dialect();
        let frame = checked_frame(bytes);
        if let Some(method) = frame["method"].as_str() {
            if frame.get("id").is_some() {
                self.known.asked.push(frame["id"].to_string());
            }
            self.known.sent += u64::from(!matches!(method, "connect" | "ping" | "closeSession"));
            return;
        }
        self.known.sent += 1;
        assert!(self.answerable > 0, "an answer that nobody wants: {frame}");
        self.answerable -= 1;
        let answers = frame.as_array().map_or_else(|| std::slice::from_ref(&frame), Vec::as_slice);
        for answer in answers {
            let raw = answer["id"].to_string();
            let key = Id::read(&raw).and_then(|id| id.key(dialect));
            let rounded = answer["id"].is_f64();
            assert!(rounded || self.ids.contains(&key), "an id that was not asked under: {frame}");
        }
    }
}

// What the application does.
impl Harness {
    fn call(&mut self, size: u8, timeout: Option<u16>) {
        let text = format!("{{\"pad\":\"{}\"}}", "x".repeat(size.into()));
        let params = Json::parse(&text).ok();
        let deadline = timeout.map(|ms| self.now + Duration::from_millis(ms.into()));
        self.last_tag += 1;
        let tag = self.last_tag;
        let before = self.state();
        match self.endpoint.call(self.now, Call { method: "ask", params: params.as_ref(), deadline, tag }) {
            Ok(id) => assert!(self.calls.insert(tag, id).is_none()),
            Err((_, back)) => assert_eq!((back, self.state()), (tag, before), "a refused call has changed something"),
        }
    }

    fn notify(&mut self, size: u8) {
        let text = format!("[\"{}\"]", "x".repeat(size.into()));
        let params = Json::parse(&text).ok();
        let before = self.state();
        if self.endpoint.notify(self.now, "note", params.as_ref()).is_err() {
            assert_eq!(self.state(), before, "a refused notification has changed something");
        }
    }

    fn serve(&mut self, request: Request<'static>) {
        let key = self.next_held;
        self.next_held += 1;
        let Request { method, params, responder, .. } = request;
        let outcome = match &*method {
            "busy" | "later" => {
                if method == "later" {
                    self.endpoint.defer(self.now, &responder);
                } else {
                    self.running.insert(key);
                }
                self.held.push(responder);
                self.keys.push(key);
                assert!(self.running.len() <= self.concurrency.max(1), "more requests run than may");
                return;
            }
            "echo" => Outcome::Result(params.unwrap_or(Json::NULL)),
            "nothing" => Outcome::Empty,
            "fail" => Outcome::Error(ErrorObject::internal().with_data(params.unwrap_or(Json::NULL))),
            _ => Outcome::Error(ErrorObject::method_not_found(&method)),
        };
        self.endpoint.respond(self.now, responder, outcome);
    }

    fn answer(&mut self, which: usize, with: &Answer) {
        if self.held.is_empty() {
            return;
        }
        let which = which % self.held.len();
        let responder = self.held.swap_remove(which);
        let key = self.keys.swap_remove(which);
        self.running.remove(&key);
        let text = match with {
            Answer::Text(size) => format!("\"{}\"", "y".repeat(usize::from(*size) * 8)),
            Answer::Object(size) => format!("{{\"sessionId\":\"mine\",\"y\":\"{}\"}}", "y".repeat((*size).into())),
            Answer::Nothing | Answer::Error => String::new(),
        };
        let outcome = match with {
            Answer::Nothing => Outcome::Empty,
            Answer::Error => Outcome::Error(ErrorObject::internal()),
            Answer::Text(_) | Answer::Object(_) => Json::parse(&text).map_or(Outcome::Empty, Outcome::Result),
        };
        if self.closed {
            let before = self.state();
            self.endpoint.respond(self.now, responder, outcome);
            assert_eq!(self.state(), before, "an answer to a closed session has changed something");
        } else {
            self.endpoint.respond(self.now, responder, outcome);
        }
    }
}

// The driver's part.
impl Harness {
    fn settle(&mut self) {
        loop {
            let acted = self.actions();
            let wrote = self.transmit();
            let mut read = false;
            if self.line == Line::Up
                && self.endpoint.wants_read()
                && let Some(frame) = self.unread.pop_front()
            {
                self.feed(&frame);
                read = true;
            }
            if !(acted || wrote || read) {
                return;
            }
        }
    }

    fn actions(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.endpoint.poll_action() {
            acted = true;
            assert!(!self.closed, "something happens after the end: {action:?}");
            self.act(action);
        }
        acted
    }

    fn act(&mut self, action: Action<u32>) {
        match action {
            Action::Serve(request) => self.serve(request),
            Action::Settled { tag, .. } => assert!(self.calls.remove(&tag).is_some(), "call {tag} is settled, and nobody waits for it"),
            Action::Dial { .. } => {
                assert_eq!((self.role, self.line), (Role::Client, Line::Down), "one transport at a time");
                self.line = Line::Dialled;
            }
            Action::HangUp(_) => {
                assert_ne!(self.line, Line::Down, "there is nothing to close");
                self.stalled = false;
                self.transmit();
                self.lose();
            }
            Action::Closed(_) => {
                self.closed = true;
                assert!(self.calls.is_empty(), "calls outlive the session: {:?}", self.calls);
            }
            Action::Opened | Action::Resumed | Action::Renewed => {
                self.known.sessions.extend(self.endpoint.session_id().map(SessionId::reveal));
                if matches!(action, Action::Renewed) {
                    self.known.sent = 0;
                }
            }
            Action::Lost | Action::ConnectFailed { .. } => {}
            Action::TooBig { bytes, peer_takes } => assert!(bytes > peer_takes, "{bytes} bytes are not too many for {peer_takes}"),
            Action::Probe => assert_eq!(self.role, Role::Server),
        }
    }

    fn transmit(&mut self) -> bool {
        let mut wrote = false;
        if self.line != Line::Up {
            assert_eq!(self.endpoint.poll_transmit(&mut Vec::new()), None, "nothing is written without a transport");
            return false;
        }
        while !self.stalled {
            let mut frame = vec![b'!'];
            let wants_write = self.endpoint.wants_write();
            let len = self.endpoint.poll_transmit(&mut frame);
            assert_eq!(wants_write, len.is_some());
            let Some(len) = len else { break };
            assert_eq!((frame[0], frame.len()), (b'!', len + 1), "a frame is appended, and its length told");
            self.written(&frame[1..]);
            wrote = true;
        }
        wrote
    }

    fn time(&mut self) {
        self.endpoint.handle_timeout(self.now);
        self.settle();
        let next = self.endpoint.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a deadline that is due after it was handled: {next:?} at {:?}", self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.pass_by(time, 200);
    }

    /// Lets time pass, with so many deadlines at most.
    fn pass_by(&mut self, time: Duration, deadlines: usize) {
        let end = self.now + time;
        for _ in 0..deadlines {
            let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.time();
        }
        self.now = end.max(self.now);
    }

    /// All that the endpoint is, but for the time of the last input.
    fn state(&self) -> String {
        let text = format!("{:?}", self.endpoint);
        text.rsplit_once("clock:").map_or(text.clone(), |(before, _)| before.to_owned())
    }

    /// What makes no sense now changes nothing.
    fn unchanged(&mut self, act: impl FnOnce(&mut Endpoint<u32>, Instant)) {
        let before = self.state();
        act(&mut self.endpoint, self.now);
        assert_eq!(self.state(), before, "misuse has changed something");
    }

    /// Requests wait only for something that can come.
    fn check_waits(&self, usage: &Usage) {
        if usage.in_flight == 0 || !self.held.is_empty() || self.line != Line::Up || self.stalled {
            return;
        }
        assert_ne!(usage.outbox_messages, 0, "requests wait, and for nothing: {usage:?}");
        // What is kept is not written before it is known what the peer has of it.
        let all_written = usage.outbox_messages == usage.unacknowledged && !self.state().contains("held: true");
        let limits = &self.limits;
        let has_reserve = usage.outbox_messages < limits.in_flight + 2 * limits.outbox_messages
            && usage.outbox_bytes < 3 * limits.outbox_bytes + limits.queued_bytes + 2 * limits.message_bytes;
        assert!(
            !all_written || (self.endpoint.is_resumable() && !has_reserve),
            "requests wait, although all was written: {usage:?} {limits:?}"
        );
    }

    fn check(&mut self) {
        let usage = self.endpoint.usage();
        let limits = &self.limits;
        // A peer with resumption may keep as much as is usual, if it does not say.
        let usual = Limits::default();
        let in_flight = 2 * limits.in_flight + limits.outbox_messages.max(usual.outbox_messages);
        assert!(usage.in_flight <= in_flight, "{usage:?} {limits:?}");
        assert!(
            usage.queued_bytes <= limits.queued_bytes + limits.outbox_bytes.max(usual.outbox_bytes) + limits.message_bytes + self.longest,
            "{usage:?} {limits:?}"
        );
        assert!(usage.calls <= limits.calls, "{usage:?} {limits:?}");
        assert!(usage.duplicate_bytes <= limits.duplicate_bytes, "{usage:?} {limits:?}");
        assert!(usage.outbox_messages <= 2 * limits.outbox_messages + limits.in_flight + in_flight, "{usage:?} {limits:?}");
        assert!(usage.unacknowledged <= usage.outbox_messages);
        assert_eq!(usage.actions, 0);
        self.check_waits(&usage);
        assert_eq!((self.closed, self.endpoint.is_open() && self.closed), (self.endpoint.is_closed(), false));
        if self.closed {
            assert_eq!((self.line, self.endpoint.poll_timeout()), (Line::Down, None), "something goes on after the end");
        }
        if self.line != Line::Up {
            assert!(!self.endpoint.wants_read() && !self.endpoint.is_attached());
        }
    }
}
