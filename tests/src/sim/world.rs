//! One schedule, from its first dial to the last answer.

use super::model::{Answers, Stream, Tally};
use super::network::{Connection, Side};
use super::plan::Plan;
use super::rng::Rng;
use bowline_core::{Directory, Endpoint, Instant, Responder};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

/// How long after the last fault everything must have come to rest.
const REST: Duration = Duration::from_secs(400);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Client(usize),
    Session(usize),
}

/// A request that is to be answered, by its number and whose stream that is in.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) responder: Responder,
    pub(super) number: u64,
    pub(super) origin: usize,
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
    pub(super) answers: Answers,
    /// Requests whose handlers call back as soon as there is room.
    pub(super) wanting: VecDeque<Owed>,
    /// Requests whose handlers have called back, by the number of their call.
    pub(super) asking: BTreeMap<u64, Owed>,
    /// Server: neither closed nor gone with a restart.
    pub(super) alive: bool,
    /// Client: the session it was last connected to.
    pub(super) session: Option<usize>,
    /// Client: which of its dials counts.
    pub(super) dial: u64,
    /// Client: the session in which it sent its last message.
    pub(super) farewell: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Event {
    Arrive { connection: usize, side: Side },
    Pump(Who),
    Cut { connection: usize },
    Gone { connection: usize, side: Side },
    Dialed { client: usize, dial: u64 },
    Answer { who: Who, owed: Owed },
    AskBack { who: Who, owed: Owed },
    Operation,
    Fault,
    Calm,
    Farewell { client: usize },
}

/// A server, its clients, and what lies between.
pub struct World {
    pub(super) now: Instant,
    pub(super) rng: Rng,
    pub(super) plan: Plan,
    events: BinaryHeap<Reverse<(Instant, u64)>>,
    /// What is to happen, by its number in `events`.
    details: std::collections::HashMap<u64, Event>,
    next_event: u64,
    pub(super) clients: Vec<Peer>,
    pub(super) sessions: Vec<Peer>,
    pub(super) directory: Directory<usize>,
    pub(super) connections: Vec<Connection>,
    pub(super) owners: Vec<[Option<Who>; 2]>,
    pub(super) paused_until: Instant,
    pub(super) calm: Option<Instant>,
    pub(super) tally: Tally,
    trace: Option<Vec<String>>,
}

/// Runs the schedule of `seed`. With `trace`, what happened comes with it, a line each.
#[must_use]
pub fn run(seed: u64, trace: bool) -> (Tally, Vec<String>) {
    run_with(Rng::new(seed), trace)
}

/// Runs the schedule whose decisions these bytes are.
#[must_use]
pub fn run_tape(bytes: &[u8], trace: bool) -> (Tally, Vec<String>) {
    run_with(Rng::from_tape(bytes), trace)
}

fn run_with(mut rng: Rng, trace: bool) -> (Tally, Vec<String>) {
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
            let seed = self.rng.draw();
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

    pub(super) fn at(&mut self, at: Instant, event: Event) {
        self.next_event += 1;
        self.details.insert(self.next_event, event);
        self.events.push(Reverse((at, self.next_event)));
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:?} {}", line()));
        }
    }

    pub(super) fn stuck(&mut self, why: &str) {
        self.note(|| format!("STUCK: {why}"));
        self.tally.stuck += 1;
    }

    pub(super) fn peer(&mut self, who: Who) -> &mut Peer {
        match who {
            Who::Client(client) => &mut self.clients[client],
            Who::Session(session) => &mut self.sessions[session],
        }
    }

    pub(super) fn side(who: Who) -> Side {
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
            Event::Pump(who) | Event::Answer { who, .. } | Event::AskBack { who, .. } => matches!(who, Who::Session(_)),
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
            Event::Answer { who, owed } => self.answer(who, owed),
            Event::AskBack { who, owed } => {
                self.peer(who).wanting.push_back(owed);
                self.pump(who);
            }
            Event::Operation => self.operate(),
            Event::Fault => self.fault(),
            Event::Calm => self.calm_down(),
            Event::Farewell { client } => self.farewell(client),
        }
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
    pub(super) fn new(endpoint: Endpoint<u64>) -> Self {
        Self {
            endpoint,
            connection: None,
            stream: Stream::default(),
            calls: BTreeSet::new(),
            answers: Answers::default(),
            wanting: VecDeque::new(),
            asking: BTreeMap::new(),
            alive: true,
            session: None,
            dial: 0,
            farewell: None,
        }
    }
}
