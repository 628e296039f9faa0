//! One schedule, from its first dial to the last answer.

use super::model::{Answers, Stream, Tally};
use super::network::{Connection, Side};
use super::plan::Plan;
use super::rng::Rng;
use bowline_core::{
    Action, Call, CallOutcome, CloseReason, Directory, Endpoint, Instant, Json, Outcome, Received, Request, Responder, SendError, SessionId,
};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

/// How long after the last fault everything must have come to rest.
const REST: Duration = Duration::from_secs(400);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Client(usize),
    Session(usize),
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) endpoint: Endpoint<u64>,
    pub(super) connection: Option<usize>,
    /// What this side sends.
    pub(super) stream: Stream,
    /// Calls of this side that have not ended.
    pub(super) calls: BTreeSet<u64>,
    /// Answers that the other side gave to this side's calls.
    answers: Answers,
    /// Server: neither closed nor gone with a restart.
    pub(super) alive: bool,
    /// Client: the session it was last connected to.
    session: Option<usize>,
    /// Client: which of its dials counts.
    dial: u64,
    /// Client: the session in which it sent its last message.
    farewell: Option<usize>,
}

#[derive(Debug)]
enum Event {
    Arrive { connection: usize, side: Side },
    Pump(Who),
    Cut { connection: usize },
    Gone { connection: usize, side: Side },
    Dialed { client: usize, dial: u64 },
    Answer { who: Who, responder: Responder, number: u64, origin: usize },
    Operation,
    Fault,
    Calm,
    Farewell { client: usize },
}

/// A server, its clients, and what lies between.
pub struct World {
    pub(super) now: Instant,
    rng: Rng,
    plan: Plan,
    events: BinaryHeap<Reverse<(Instant, u64)>>,
    /// What is to happen, by its number in `events`.
    details: std::collections::HashMap<u64, Event>,
    next_event: u64,
    pub(super) clients: Vec<Peer>,
    pub(super) sessions: Vec<Peer>,
    directory: Directory<usize>,
    connections: Vec<Connection>,
    owners: Vec<[Option<Who>; 2]>,
    paused_until: Instant,
    calm: Option<Instant>,
    pub(super) tally: Tally,
    trace: Option<Vec<String>>,
}

/// Runs the schedule of `seed`. With `trace`, what happened comes with it, a line each.
#[must_use]
pub fn run(seed: u64, trace: bool) -> (Tally, Vec<String>) {
    let mut rng = Rng::new(seed);
    let plan = Plan::draw(&mut rng);
    let mut world = World::new(plan, rng, trace);
    world.start();
    world.go();
    world.finish()
}

impl World {
    /// A world in which nothing has happened.
    #[must_use]
    pub fn new(plan: Plan, rng: Rng, trace: bool) -> Self {
        Self {
            now: Instant::ORIGIN + Duration::from_secs(1),
            rng,
            events: BinaryHeap::new(),
            details: std::collections::HashMap::new(),
            next_event: 0,
            clients: Vec::new(),
            sessions: Vec::new(),
            directory: Directory::new(1000),
            connections: Vec::new(),
            owners: Vec::new(),
            paused_until: Instant::ORIGIN,
            calm: None,
            tally: Tally { schedules: 1, ..Tally::default() },
            trace: trace.then(Vec::new),
            plan,
        }
    }

    fn start(&mut self) {
        let lines = format!("{:?}", self.plan);
        self.note(|| lines);
        for client in 0..self.plan.clients {
            let seed = self.rng.next();
            self.clients.push(Peer::new(Endpoint::client(self.plan.client.clone(), seed)));
            self.clients[client].endpoint.open(self.now);
            self.pump(Who::Client(client));
        }
        for _ in 0..self.plan.operations {
            let at = self.some_time();
            self.at(at, Event::Operation);
        }
        for _ in 0..self.plan.faults {
            let at = self.some_time();
            self.at(at, Event::Fault);
        }
        let end = self.now + self.plan.span;
        self.at(end, Event::Calm);
    }

    fn some_time(&mut self) -> Instant {
        self.now + Duration::from_micros(self.rng.below(self.plan.span.as_micros() as u64))
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.next_event += 1;
        self.details.insert(self.next_event, event);
        self.events.push(Reverse((at, self.next_event)));
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:?} {}", line()));
        }
    }

    fn stuck(&mut self, why: &str) {
        self.note(|| format!("STUCK: {why}"));
        self.tally.stuck += 1;
    }

    fn peer(&mut self, who: Who) -> &mut Peer {
        match who {
            Who::Client(client) => &mut self.clients[client],
            Who::Session(session) => &mut self.sessions[session],
        }
    }

    fn side(who: Who) -> Side {
        match who {
            Who::Client(_) => Side::Client,
            Who::Session(_) => Side::Server,
        }
    }

    /// Runs until all is at rest, or nothing moves any more.
    fn go(&mut self) {
        let mut spins = 0_u32;
        loop {
            let Some(next) = self.next_time() else { return };
            if self.calm.is_some_and(|calm| next > calm + REST || self.is_at_rest()) {
                return;
            }
            spins = if next > self.now { 0 } else { spins + 1 };
            if spins > 20_000 {
                return self.stuck("time stands still");
            }
            self.now = self.now.max(next);
            self.fire_timers();
            while let Some(Reverse((at, id))) = self.events.peek().copied() {
                if at > self.now {
                    break;
                }
                self.events.pop();
                if let Some(event) = self.details.remove(&id) {
                    self.happen(event);
                }
            }
        }
    }

    fn next_time(&self) -> Option<Instant> {
        let event = self.events.peek().map(|Reverse((at, _))| *at);
        let clients = self.clients.iter().filter_map(|peer| peer.endpoint.poll_timeout());
        let sessions = self.sessions.iter().filter(|peer| peer.alive).filter_map(|peer| peer.endpoint.poll_timeout());
        event.into_iter().chain(clients).chain(sessions.map(|at| at.max(self.paused_until))).min()
    }

    fn is_at_rest(&self) -> bool {
        let told = self.details.values().any(|event| matches!(event, Event::Farewell { .. }));
        let quiet = |peer: &Peer| peer.calls.is_empty() && peer.stream.outstanding() == 0;
        !told && self.clients.iter().all(|peer| quiet(peer) && peer.endpoint.is_attached()) && self.served().all(quiet)
    }

    /// The sessions that a client is connected to.
    fn served(&self) -> impl Iterator<Item = &Peer> {
        self.clients.iter().filter_map(|peer| peer.session).map(|session| &self.sessions[session]).filter(|peer| peer.alive)
    }

    fn fire_timers(&mut self) {
        let now = self.now;
        let everyone = (0..self.clients.len()).map(Who::Client).chain((0..self.sessions.len()).map(Who::Session));
        for who in everyone.collect::<Vec<_>>() {
            let waits = who != Who::Client(0) && matches!(who, Who::Session(_)) && now < self.paused_until;
            let peer = self.peer(who);
            if waits || !peer.alive || peer.endpoint.poll_timeout().is_none_or(|at| at > now) {
                continue;
            }
            peer.endpoint.handle_timeout(now);
            self.pump(who);
            if self.peer(who).endpoint.poll_timeout().is_some_and(|at| at <= now) {
                self.stuck("a timer does not move on");
            }
        }
    }

    fn happen(&mut self, event: Event) {
        let on_server = match &event {
            Event::Arrive { side, .. } | Event::Gone { side, .. } => *side == Side::Server,
            Event::Pump(who) | Event::Answer { who, .. } => matches!(who, Who::Session(_)),
            Event::Cut { .. } | Event::Dialed { .. } | Event::Operation | Event::Fault | Event::Calm | Event::Farewell { .. } => false,
        };
        if on_server && self.now < self.paused_until {
            return self.at(self.paused_until, event);
        }
        match event {
            Event::Arrive { connection, side } => {
                self.connections[connection].advance(self.now);
                if let Some(who) = self.owners[connection][side as usize] {
                    self.pump(who);
                }
            }
            Event::Pump(who) => self.pump(who),
            Event::Cut { connection } => self.cut(connection),
            Event::Gone { connection, side } => self.gone(connection, side),
            Event::Dialed { client, dial } => self.dialed(client, dial),
            Event::Answer { who, responder, number, origin } => self.answer(who, responder, number, origin),
            Event::Operation => self.operate(),
            Event::Fault => self.fault(),
            Event::Calm => self.calm_down(),
            Event::Farewell { client } => self.farewell(client),
        }
    }

    // ── The network ──────────────────────────────────────────────────────────────────────────────────────────────

    fn dialed(&mut self, client: usize, dial: u64) {
        if self.clients[client].dial != dial {
            return;
        }
        if self.calm.is_none() && self.rng.chance(15) {
            self.note(|| format!("client {client}: dial fails"));
            self.clients[client].endpoint.handle_dial_failed(self.now);
            return self.pump(Who::Client(client));
        }
        let connection = self.connections.len();
        let session = self.sessions.len();
        self.note(|| format!("client {client}: connection {connection}, endpoint {session}"));
        self.connections.push(Connection::new());
        self.owners.push([Some(Who::Client(client)), Some(Who::Session(session))]);
        let id = SessionId::from_random(self.rng.bytes());
        let mut peer = Peer::new(Endpoint::server(self.plan.server.clone(), id));
        peer.connection = Some(connection);
        assert!(peer.endpoint.handle_attached(self.now).is_none(), "a fresh endpoint has no transport");
        self.sessions.push(peer);
        self.clients[client].connection = Some(connection);
        let old = self.clients[client].endpoint.handle_attached(self.now);
        assert!(old.is_none(), "a client dials when it has no transport");
        self.pump(Who::Client(client));
    }

    fn cut(&mut self, connection: usize) {
        if !self.connections[connection].is_up() {
            return;
        }
        self.note(|| format!("connection {connection}: cut"));
        self.tally.cuts += 1;
        let unread = self.rng.chance(50);
        self.connections[connection].cut(unread);
        for side in [Side::Client, Side::Server] {
            let blind = self.calm.is_none() && self.rng.chance(self.plan.half_open);
            if !blind {
                let at = self.now + Duration::from_micros(self.rng.below(self.plan.notice.as_micros() as u64));
                self.at(at, Event::Gone { connection, side });
            }
        }
    }

    fn gone(&mut self, connection: usize, side: Side) {
        let Some(who) = self.owners[connection][side as usize] else { return };
        self.pump(who);
        if self.owners[connection][side as usize] != Some(who) {
            return;
        }
        self.note(|| format!("{who:?}: sees connection {connection} gone"));
        self.owners[connection][side as usize] = None;
        let now = self.now;
        let peer = self.peer(who);
        peer.connection = None;
        peer.endpoint.handle_detached(now);
        self.pump(who);
    }

    /// Closes this side's connection in order: what was written still arrives.
    fn hang_up(&mut self, who: Who) {
        let now = self.now;
        if let Some(connection) = self.peer(who).connection.take() {
            self.owners[connection][Self::side(who) as usize] = None;
            self.close_after_the_rest(connection, Self::side(who));
        }
        let peer = self.peer(who);
        peer.dial += 1;
        peer.endpoint.handle_detached(now);
    }

    fn close_after_the_rest(&mut self, connection: usize, by: Side) {
        let to = by.other();
        let at = self.connections[connection].drained_at(to, self.now) + Duration::from_nanos(1);
        self.at(at, Event::Gone { connection, side: to });
    }

    fn transmit(&mut self, who: Who) -> bool {
        let Some(connection) = self.peer(who).connection else { return false };
        let to = Self::side(who).other();
        let mut any = false;
        let mut frame = Vec::new();
        while self.connections[connection].has_window(to, self.plan.window) {
            frame.clear();
            let Some(len) = self.peer(who).endpoint.poll_transmit(&mut frame) else { break };
            any = true;
            if len == 0 || len != frame.len() {
                self.stuck("an empty frame");
            }
            self.put(who, connection, to, frame.clone());
        }
        any
    }

    fn put(&mut self, who: Who, connection: usize, to: Side, frame: Vec<u8>) {
        self.note(|| format!("{who:?} -> {}", String::from_utf8_lossy(&frame)));
        let is_ping = self.plan.mute && self.calm.is_none() && to == Side::Server && frame.windows(13).any(|w| w == b"\"method\":\"pin");
        if is_ping {
            return;
        }
        if let Some((at, breaks)) = self.connections[connection].write(self.now, to, frame, self.plan.latency, &mut self.rng) {
            self.at(at, if breaks { Event::Cut { connection } } else { Event::Arrive { connection, side: to } });
        }
    }

    // ── The drivers ──────────────────────────────────────────────────────────────────────────────────────────────

    fn pump(&mut self, who: Who) {
        loop {
            let mut any = false;
            while let Some(action) = self.peer(who).endpoint.poll_action() {
                any = true;
                self.act(who, action);
            }
            any |= self.transmit(who);
            any |= self.read(who);
            if !any {
                break;
            }
        }
        self.check_bounds(who);
    }

    fn read(&mut self, who: Who) -> bool {
        let now = self.now;
        let side = Self::side(who);
        let Some(connection) = self.peer(who).connection else { return false };
        if !self.peer(who).endpoint.wants_read() {
            return false;
        }
        let Some(frame) = self.connections[connection].read(side) else { return false };
        if let Some(writer) = self.owners[connection][side.other() as usize] {
            // It may have waited for this room.
            if self.plan.window < 1 << 20 {
                self.at(now + Duration::from_nanos(1), Event::Pump(writer));
            }
        }
        let received = self.peer(who).endpoint.handle_frame(now, &frame);
        match received {
            Received::Handled => {}
            Received::Request(request) => {
                let request = request.into_owned();
                while let Some(action) = self.peer(who).endpoint.poll_action() {
                    self.act(who, action);
                }
                self.serve(who, request);
            }
            Received::HandOver(id) => self.hand_over(who, connection, &id, &frame),
        }
        true
    }

    fn hand_over(&mut self, from: Who, connection: usize, id: &SessionId, frame: &[u8]) {
        let now = self.now;
        let Some(session) = self.directory.find(id, 0).copied() else {
            if let Received::Request(request) = self.peer(from).endpoint.handle_unknown_session(now, frame) {
                let request = request.into_owned();
                self.serve(from, request);
            }
            return;
        };
        let to = Who::Session(session);
        if self.sessions[session].endpoint.is_overtaken(frame) {
            self.note(|| format!("{from:?}: too late for session {session}"));
            return self.hang_up(from);
        }
        self.note(|| format!("{from:?}: handed over to session {session}"));
        let old = self.sessions[session].connection.replace(connection);
        self.owners[connection][Side::Server as usize] = Some(to);
        let close = self.sessions[session].endpoint.handle_attached(now);
        if let Some(old) = old {
            assert!(close.is_some(), "the endpoint knew of its transport");
            self.owners[old][Side::Server as usize] = None;
            self.close_after_the_rest(old, Side::Server);
        }
        self.peer(from).connection = None;
        self.peer(from).endpoint.handle_detached(now);
        if let Received::Request(request) = self.sessions[session].endpoint.handle_frame(now, frame) {
            let request = request.into_owned();
            while let Some(action) = self.peer(to).endpoint.poll_action() {
                self.act(to, action);
            }
            self.serve(to, request);
        }
        self.at(now + Duration::from_nanos(1), Event::Pump(to));
    }

    fn act(&mut self, who: Who, action: Action<u64>) {
        match action {
            Action::Serve(request) => self.serve(who, request),
            Action::Settled { tag, outcome } => self.settled(who, tag, &outcome),
            Action::Opened | Action::Resumed | Action::Renewed => self.opened(who),
            Action::Lost | Action::ConnectFailed { .. } | Action::Probe => {}
            Action::Dial { .. } => {
                if let Who::Client(client) = who {
                    self.clients[client].dial += 1;
                    let dial = self.clients[client].dial;
                    let at = self.now + Duration::from_micros(self.rng.below(self.plan.latency.as_micros() as u64));
                    self.at(at, Event::Dialed { client, dial });
                }
            }
            Action::HangUp(close) => {
                self.note(|| format!("{who:?}: hangs up, {close:?}"));
                self.transmit(who);
                self.hang_up(who);
            }
            Action::Closed(reason) => self.closed(who, reason),
        }
    }

    fn opened(&mut self, who: Who) {
        let id = self.peer(who).endpoint.session_id().cloned();
        let Some(id) = id else { return };
        match who {
            Who::Session(session) => {
                assert!(self.directory.insert(&id, 0, session).is_ok(), "the directory has room");
            }
            // A session that died since is not in the directory; its number is not needed then.
            Who::Client(client) => self.clients[client].session = self.directory.find(&id, 0).copied(),
        }
    }

    fn closed(&mut self, who: Who, reason: CloseReason) {
        self.note(|| format!("{who:?}: closed, {reason:?}"));
        let Who::Session(session) = who else { return self.stuck("a client closed by itself") };
        if let Some(id) = self.sessions[session].endpoint.session_id().cloned()
            && self.directory.find(&id, 0) == Some(&session)
        {
            self.directory.remove(&id);
            self.tally.sessions_lost += 1;
        }
        match reason {
            CloseReason::NeverOpened | CloseReason::GraceExpired => {}
            _ => self.stuck("a session closed for no reason"),
        }
        self.sessions[session].alive = false;
    }

    fn check_bounds(&mut self, who: Who) {
        let limits = &self.plan.server.limits;
        let in_flight = limits.in_flight + limits.outbox_messages;
        // Whatever is in flight may be answered, room or not.
        let most = limits.outbox_messages + in_flight;
        let usage = self.peer(who).endpoint.usage();
        if usage.outbox_messages > most || usage.in_flight > in_flight {
            self.stuck("a bound is passed");
        }
    }

    // ── The applications ─────────────────────────────────────────────────────────────────────────────────────────

    fn serve(&mut self, who: Who, request: Request<'static>) {
        let params = request.params.as_ref().map_or("", Json::as_str);
        let (Some(number), Some(origin)) = (field(params, "\"k\":"), field(params, "\"s\":")) else {
            return self.stuck("a request that nobody made");
        };
        let origin = origin as usize;
        let before = self.tally;
        match who {
            Who::Session(session) => self.clients[origin].stream.arrive(number, session as u64, &mut self.tally),
            Who::Client(_) => self.sessions[origin].stream.arrive(number, origin as u64, &mut self.tally),
        }
        if (before.lost, before.repeated, before.reordered) != (self.tally.lost, self.tally.repeated, self.tally.reordered) {
            self.note(|| format!("WRONG: message {number} arrives at {who:?}"));
        }
        let now = self.now;
        let delay = Duration::from_micros(self.rng.below(500_000));
        match &*request.method {
            "later" => {
                self.peer(who).endpoint.defer(now, &request.responder);
                self.at(now + delay, Event::Answer { who, responder: request.responder, number, origin });
            }
            "slow" => self.at(now + delay, Event::Answer { who, responder: request.responder, number, origin }),
            _ => self.answer(who, request.responder, number, origin),
        }
    }

    fn answer(&mut self, who: Who, responder: Responder, number: u64, origin: usize) {
        if !self.peer(who).alive {
            return;
        }
        let now = self.now;
        if !responder.is_notification() {
            match who {
                // A session that its client has left answers into the void.
                Who::Session(session) => {
                    if let Some(client) = self.clients.iter_mut().find(|peer| peer.session == Some(session)) {
                        client.answers.give(number);
                    }
                }
                Who::Client(client) if self.clients[client].session == Some(origin) => self.sessions[origin].answers.give(number),
                Who::Client(_) => {}
            }
        }
        let text = format!("{{\"k\":{number}}}");
        let outcome = Json::parse(&text).map_or(Outcome::Empty, Outcome::Result);
        self.peer(who).endpoint.respond(now, responder, outcome);
        self.pump(who);
    }

    fn settled(&mut self, who: Who, number: u64, outcome: &CallOutcome) {
        self.note(|| format!("{who:?}: call {number} settled, {outcome:?}"));
        if !self.peer(who).calls.remove(&number) {
            self.tally.repeated += 1;
        }
        let before = self.tally;
        match outcome {
            CallOutcome::Result(json) => {
                let World { clients, sessions, tally, .. } = self;
                let peer = match who {
                    Who::Client(client) => &mut clients[client],
                    Who::Session(session) => &mut sessions[session],
                };
                peer.answers.arrive(number, tally);
                if field(json.as_str(), "\"k\":") != Some(number) {
                    tally.reordered += 1;
                }
            }
            CallOutcome::TimedOut => {
                self.peer(who).answers.give_up(number);
                self.peer(who).stream.withdraw(number);
            }
            CallOutcome::Interrupted | CallOutcome::Closed => {
                self.peer(who).answers.give_up(number);
                let alive = match who {
                    Who::Client(client) => self.clients[client].session.is_some_and(|session| self.sessions[session].alive),
                    Who::Session(_) => *outcome == CallOutcome::Interrupted,
                };
                if alive {
                    self.note(|| "LOST: the session lives".to_owned());
                    self.tally.lost += 1;
                }
            }
            CallOutcome::Error(_) | CallOutcome::Malformed(_) => self.stuck("an answer that nobody gave"),
        }
        if (before.repeated, before.reordered) != (self.tally.repeated, self.tally.reordered) {
            self.note(|| format!("WRONG: the answer to {number} arrives at {who:?}"));
        }
    }

    fn operate(&mut self) {
        let client = self.rng.below(self.clients.len() as u64) as usize;
        let who = match (self.rng.chance(50), self.clients[client].session.filter(|session| self.sessions[*session].alive)) {
            (true, Some(session)) => Who::Session(session),
            _ => Who::Client(client),
        };
        if self.rng.chance(3) {
            self.clients[client].endpoint.reconnect(self.now);
            return self.pump(Who::Client(client));
        }
        for _ in 0..self.rng.between(1, 8) {
            if self.send(who).is_err() {
                break;
            }
        }
        self.pump(who);
    }

    fn send(&mut self, who: Who) -> Result<(), SendError> {
        let now = self.now;
        let origin = match who {
            Who::Client(index) | Who::Session(index) => index,
        };
        let kind = self.rng.below(8);
        let pad = if self.rng.chance(10) { self.rng.below(3000) as usize } else { 0 };
        let peer = self.peer(who);
        let number = peer.stream.send();
        let text = format!("{{\"k\":{number},\"s\":{origin},\"pad\":\"{}\"}}", "x".repeat(pad));
        let params = Json::parse(&text).ok();
        let params = params.as_ref();
        let sent = match kind {
            0..3 => peer.endpoint.notify(now, "note", params),
            _ => {
                let method = ["call", "call", "later", "later", "slow"][kind as usize - 3];
                peer.calls.insert(number);
                let called = peer.endpoint.call(now, Call { method, params, deadline: None, tag: number });
                called.map(|_| ()).map_err(|(error, _)| {
                    peer.calls.remove(&number);
                    error
                })
            }
        };
        if sent.is_err() {
            peer.stream.unsend();
        }
        sent
    }

    fn fault(&mut self) {
        if self.rng.chance(self.plan.restarts) {
            return self.restart();
        }
        if self.rng.chance(15) {
            self.paused_until = self.now + Duration::from_micros(self.rng.below(4_000_000));
            return self.note(|| "the server pauses".to_owned());
        }
        let up: Vec<usize> =
            (0..self.connections.len()).filter(|c| self.connections[*c].is_up() && self.owners[*c] != [None, None]).collect();
        if up.is_empty() {
            return;
        }
        let connection = up[self.rng.below(up.len() as u64) as usize];
        if self.rng.chance(50) {
            return self.cut(connection);
        }
        let side = if self.rng.chance(50) { Side::Client } else { Side::Server };
        let after = self.connections[connection].written_to(side) + self.rng.below(400);
        self.connections[connection].break_after(side, after);
    }

    fn restart(&mut self) {
        self.note(|| "the server restarts".to_owned());
        self.tally.sessions_lost += self.directory.len() as u64;
        self.directory = Directory::new(1000);
        for session in &mut self.sessions {
            session.alive = false;
            session.connection = None;
        }
        for connection in 0..self.connections.len() {
            self.owners[connection][Side::Server as usize] = None;
            self.cut(connection);
        }
    }

    fn calm_down(&mut self) {
        self.note(|| "calm".to_owned());
        self.calm = Some(self.now);
        for connection in 0..self.connections.len() {
            if !self.connections[connection].is_up() {
                for side in [Side::Client, Side::Server] {
                    self.at(self.now + self.plan.notice, Event::Gone { connection, side });
                }
            }
        }
        for client in 0..self.clients.len() {
            self.at(self.now, Event::Farewell { client });
        }
    }

    /// A last message in the client's last session, so that a gap before it can be seen.
    fn farewell(&mut self, client: usize) {
        let peer = &self.clients[client];
        let connected = peer.endpoint.is_attached() && peer.connection.is_some_and(|connection| self.connections[connection].is_up());
        if connected && peer.farewell != peer.session && self.send(Who::Client(client)).is_ok() {
            self.clients[client].farewell = self.clients[client].session;
        }
        let peer = &self.clients[client];
        if peer.farewell.is_none() || peer.farewell != peer.session || peer.stream.outstanding() > 0 {
            self.at(self.now + Duration::from_secs(1), Event::Farewell { client });
        }
        self.pump(Who::Client(client));
    }

    fn finish(mut self) -> (Tally, Vec<String>) {
        let now = self.now;
        for client in 0..self.clients.len() {
            let (open, outstanding) = (self.clients[client].calls.len(), self.clients[client].stream.outstanding());
            if open > 0 || !self.clients[client].endpoint.is_attached() {
                self.note(|| format!("STUCK: client {client} at {now:?}: {open} calls open"));
                self.tally.stuck += open.max(1) as u64;
            }
            if outstanding > 0 {
                self.note(|| format!("LOST: {outstanding} messages of client {client}"));
            }
            self.tally.lost += outstanding;
        }
        let (stuck, lost) = self.served().fold((0, 0), |(s, l), peer| (s + peer.calls.len() as u64, l + peer.stream.outstanding()));
        self.tally.stuck += stuck;
        self.tally.lost += lost;
        (self.tally, self.trace.unwrap_or_default())
    }
}

impl Peer {
    fn new(endpoint: Endpoint<u64>) -> Self {
        Self {
            endpoint,
            connection: None,
            stream: Stream::default(),
            calls: BTreeSet::new(),
            answers: Answers::default(),
            alive: true,
            session: None,
            dial: 0,
            farewell: None,
        }
    }
}

/// The number behind `name` in a text that we made.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.split_once(name)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
