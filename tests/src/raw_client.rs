//! A server without sockets, for tests that speak to it in raw text on virtual time.
//!
//! A [`House`] has a [`Directory`] and an [`Endpoint`] for each transport that was opened, moves transports between endpoints as the core says, and
//! serves requests with a small demo handler. It settles completely after each call: what can be read is read, what can be written is written.
//!
//! The demo handler: `echo` gives its params back, `count` how often it ran, `add` takes `{a, b}`, `is_first` tells whether it is the session's first
//! request, `nothing` gives no answer, `fail` an error with data, `fail_deep` one with data of so many `levels`; `busy` and `later` are answered by
//! [`House::finish`], and `later` lets the next request start.

use crate::raw::{Event, checked_frame};
use bowline_core::{
    Action, Call, CallId, CallOutcome, Close, CloseReason, Directory, Endpoint, ErrorObject, Instant, Json, Outcome, Received, Request,
    Responder, SendError, ServerConfig, SessionId, decode_params,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A transport that the test opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire(usize);

/// An endpoint of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Home(usize);

/// The server.
#[derive(Debug)]
pub struct House {
    now: Instant,
    paths: Vec<Arc<ServerConfig>>,
    directory: Directory<Home>,
    rooms: Vec<Room>,
    wires: Vec<Transport>,
    held: Vec<Option<(Home, Responder)>>,
    settled: BTreeMap<u32, CallOutcome>,
    last_tag: u32,
    counted: u32,
    /// Each request that was started, as `method params`.
    pub served: Vec<String>,
    /// How often an endpoint's timer ran.
    pub timeouts: u32,
}

#[derive(Debug)]
struct Room {
    endpoint: Endpoint<u32>,
    path: u32,
    wire: Option<Wire>,
    events: Vec<Event>,
}

#[derive(Debug)]
struct Transport {
    home: Home,
    path: u32,
    open: bool,
    closed_with: Option<Close>,
    /// The test does not take what is written.
    stalled: bool,
    to_house: VecDeque<Vec<u8>>,
    from_house: VecDeque<Value>,
}

impl House {
    /// A house with one path.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self::with_paths([config])
    }

    /// A house with several paths and one table of sessions.
    #[must_use]
    pub fn with_paths(configs: impl IntoIterator<Item = ServerConfig>) -> Self {
        Self {
            now: Instant::ORIGIN,
            paths: configs.into_iter().map(Arc::new).collect(),
            directory: Directory::new(1000),
            rooms: Vec::new(),
            wires: Vec::new(),
            held: Vec::new(),
            settled: BTreeMap::new(),
            last_tag: 0,
            counted: 0,
            served: Vec::new(),
            timeouts: 0,
        }
    }
}

// What the peer does.
impl House {
    /// Opens a transport on the first path.
    pub fn open(&mut self) -> Wire {
        self.open_on(0)
    }

    /// Opens a transport on a path.
    pub fn open_on(&mut self, path: usize) -> Wire {
        let (home, wire) = (Home(self.rooms.len()), Wire(self.wires.len()));
        let mut random = [0; 16];
        random[..8].copy_from_slice(&(home.0 as u64 + 1).to_le_bytes());
        let mut endpoint = Endpoint::server(self.paths[path].clone(), SessionId::from_random(random));
        assert_eq!(endpoint.handle_attached(self.now), None);
        self.rooms.push(Room { endpoint, path: path as u32, wire: Some(wire), events: Vec::new() });
        self.wires.push(Transport {
            home,
            path: path as u32,
            open: true,
            closed_with: None,
            stalled: false,
            to_house: VecDeque::new(),
            from_house: VecDeque::new(),
        });
        wire
    }

    /// Sends one text frame. On a transport that is closed it goes nowhere.
    pub fn send(&mut self, wire: Wire, frame: &Value) {
        self.send_text(wire, frame.to_string());
    }

    /// Sends the payload of one text frame as it is.
    pub fn send_text(&mut self, wire: Wire, frame: impl Into<Vec<u8>>) {
        if self.wires[wire.0].open {
            self.wires[wire.0].to_house.push_back(frame.into());
            self.settle();
        }
    }

    /// Sends a request and returns its answer.
    ///
    /// # Panics
    ///
    /// If anything else comes, or nothing.
    pub fn ask(&mut self, wire: Wire, id: u32, method: &str, params: Value) -> Value {
        self.send(wire, &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let answer = self.one(wire);
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Opens a transport and a session on it by `connect` with `params`; returns the session's id too.
    pub fn connect(&mut self, params: Value) -> (Wire, String) {
        let wire = self.open();
        let answer = self.ask(wire, 0, "connect", params);
        let id = answer["result"]["sessionId"].as_str().unwrap_or_else(|| unreachable!("no session: {answer}"));
        (wire, id.to_owned())
    }

    /// Every frame that was written to the transport since the last look.
    pub fn read(&mut self, wire: Wire) -> Vec<Value> {
        self.wires[wire.0].from_house.drain(..).collect()
    }

    /// The one frame that was written.
    ///
    /// # Panics
    ///
    /// If there is none, or there are more.
    pub fn one(&mut self, wire: Wire) -> Value {
        let mut frames = self.read(wire);
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// A WebSocket pong comes.
    pub fn pong(&mut self, wire: Wire) {
        let home = self.home(wire);
        self.rooms[home.0].endpoint.handle_pong(self.now);
        self.settle();
    }

    /// The transport is lost.
    pub fn cut(&mut self, wire: Wire) {
        if std::mem::take(&mut self.wires[wire.0].open) {
            let room = &mut self.rooms[self.wires[wire.0].home.0];
            room.wire = None;
            room.endpoint.handle_detached(self.now);
            self.settle();
        }
    }

    /// The peer takes nothing more of what is written, or takes it again.
    pub fn stall(&mut self, wire: Wire, stalled: bool) {
        self.wires[wire.0].stalled = stalled;
        self.settle();
    }

    /// With what the house closed the transport, if it did.
    #[must_use]
    pub fn closed_with(&self, wire: Wire) -> Option<Close> {
        self.wires[wire.0].closed_with
    }

    /// Whether the transport is open still.
    #[must_use]
    pub fn is_open(&self, wire: Wire) -> bool {
        self.wires[wire.0].open
    }

    /// Frames that the house has not read, because the endpoint did not want to.
    #[must_use]
    pub fn unread(&self, wire: Wire) -> usize {
        self.wires[wire.0].to_house.len()
    }
}

// What the application does and sees.
impl House {
    /// The endpoint to which the transport belongs, or belonged last.
    #[must_use]
    pub fn home(&self, wire: Wire) -> Home {
        self.wires[wire.0].home
    }

    /// An endpoint, to look at.
    #[must_use]
    pub fn endpoint(&self, home: Home) -> &Endpoint<u32> {
        &self.rooms[home.0].endpoint
    }

    /// Does something to an endpoint, and what follows from it.
    pub fn with<R>(&mut self, home: Home, act: impl FnOnce(&mut Endpoint<u32>, Instant) -> R) -> R {
        let result = act(&mut self.rooms[home.0].endpoint, self.now);
        self.settle();
        result
    }

    /// What the endpoint said since the last look.
    pub fn events(&mut self, home: Home) -> Vec<Event> {
        std::mem::take(&mut self.rooms[home.0].events)
    }

    /// Checks that endpoints, transports and the table of sessions agree: every open session is found under its path and under no other, every
    /// open transport belongs to the one endpoint that has it, and to a path of its own.
    ///
    /// # Panics
    ///
    /// If they do not.
    pub fn check(&self) {
        let mut open = 0;
        for (n, room) in self.rooms.iter().enumerate() {
            let id = room.endpoint.session_id().expect("a server's endpoint has an id");
            for path in 0..self.paths.len() as u32 {
                let found = self.directory.find(id, path) == Some(&Home(n));
                assert_eq!(found, room.endpoint.is_open() && path == room.path, "session {n} on path {path}");
            }
            open += usize::from(room.endpoint.is_open());
            if let Some(Wire(wire)) = room.wire {
                let wire = &self.wires[wire];
                assert_eq!((wire.home, wire.open, wire.path), (Home(n), true, room.path), "the transport of session {n}");
            }
        }
        assert_eq!(open, self.directory.len());
        for (n, wire) in self.wires.iter().enumerate().filter(|(_, wire)| wire.open) {
            assert_eq!(self.rooms[wire.home.0].wire, Some(Wire(n)), "transport {n} is open and belongs to nobody");
        }
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.directory.len()
    }

    /// How many requests `busy` and `later` have kept, answered since or not.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.held.len()
    }

    /// Whether the `n`-th of them is still to be answered.
    #[must_use]
    pub fn is_kept(&self, n: usize) -> bool {
        self.held.get(n).is_some_and(Option::is_some)
    }

    /// Answers the `n`-th request that `busy` or `later` kept, from 0.
    pub fn finish(&mut self, n: usize, result: &Value) {
        let (home, responder) = self.held[n].take().expect("it was not answered before");
        let json = Json::from_value(result).expect("a value has a form in JSON");
        self.with(home, |endpoint, now| endpoint.respond(now, responder, Outcome::Result(json)));
    }

    /// Calls the peer; the tag is for [`outcome`](Self::outcome).
    ///
    /// # Errors
    ///
    /// As [`Endpoint::call`].
    pub fn call(&mut self, home: Home, method: &str, params: &Value, timeout: Option<Duration>) -> Result<(u32, CallId), SendError> {
        self.last_tag += 1;
        let tag = self.last_tag;
        let params = Json::from_value(params).expect("a value has a form in JSON");
        let deadline = timeout.map(|timeout| self.now + timeout);
        let made =
            self.with(home, |endpoint, now| endpoint.call(now, Call { method, params: Some(&params), deadline, tag }).map_err(|e| e.0));
        made.map(|id| (tag, id))
    }

    /// Sends the peer a notification with `n` as its params.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::notify`].
    pub fn notify(&mut self, home: Home, method: &str, n: u32) -> Result<(), SendError> {
        let params = Json::from_value(&[n]).expect("a number has a form in JSON");
        self.with(home, |endpoint, now| endpoint.notify(now, method, Some(&params)))
    }

    /// How the call with this tag ended, if it did.
    #[must_use]
    pub fn outcome(&self, tag: u32) -> Option<&CallOutcome> {
        self.settled.get(&tag)
    }
}

// Time.
impl House {
    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass, from one deadline to the next and never past one.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some((at, n)) = self.next_deadline().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.timeouts += 1;
            self.rooms[n].endpoint.handle_timeout(self.now);
            self.settle();
            let next = self.rooms[n].endpoint.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a deadline that is due after it was handled: {next:?} at {:?}", self.now);
        }
        self.now = end;
    }

    fn next_deadline(&self) -> Option<(Instant, usize)> {
        self.rooms.iter().enumerate().filter_map(|(n, room)| Some((room.endpoint.poll_timeout()?, n))).min()
    }
}

// The driver's part.
impl House {
    fn settle(&mut self) {
        while self.settle_once() {}
    }

    fn settle_once(&mut self) -> bool {
        let mut went_on = false;
        for n in 0..self.rooms.len() {
            went_on |= self.drain(Home(n));
        }
        for n in 0..self.wires.len() {
            let Home(home) = self.wires[n].home;
            if self.wires[n].open
                && self.rooms[home].endpoint.wants_read()
                && let Some(frame) = self.wires[n].to_house.pop_front()
            {
                self.feed(Wire(n), &frame);
                went_on = true;
            }
        }
        went_on
    }

    fn feed(&mut self, wire: Wire, frame: &[u8]) {
        let home = self.home(wire);
        let mut received = owned(self.rooms[home.0].endpoint.handle_frame(self.now, frame));
        if let Received::HandOver(id) = received {
            received = match self.directory.find(&id, self.rooms[home.0].path).copied().filter(|other| *other != home) {
                Some(other) if self.rooms[other.0].endpoint.is_overtaken(frame) => {
                    self.hang_up(home, Close::MOVED);
                    Received::Handled
                }
                Some(other) => {
                    self.hand_over(wire, home, other);
                    owned(self.rooms[other.0].endpoint.handle_frame(self.now, frame))
                }
                None => owned(self.rooms[home.0].endpoint.handle_unknown_session(self.now, frame)),
            };
        }
        let home = self.home(wire);
        self.drain_actions(home);
        match received {
            Received::Handled => {}
            Received::Request(request) => self.serve(home, request),
            Received::HandOver(_) => unreachable!("asked twice where a session lives"),
        }
    }

    fn hand_over(&mut self, wire: Wire, from: Home, to: Home) {
        self.rooms[from.0].wire = None;
        let watch = self.rooms[from.0].endpoint.watch();
        self.rooms[from.0].endpoint.handle_detached(self.now);
        self.drain(from);
        let old = self.rooms[to.0].endpoint.handle_attached(self.now);
        self.rooms[to.0].endpoint.set_watch(self.now, watch);
        assert_eq!(old.is_some(), self.rooms[to.0].wire.is_some(), "an old transport is closed, and only that");
        if let (Some(close), Some(old)) = (old, self.rooms[to.0].wire) {
            self.wires[old.0].open = false;
            self.wires[old.0].closed_with = Some(close);
        }
        self.rooms[to.0].wire = Some(wire);
        self.wires[wire.0].home = to;
    }

    /// Takes what the endpoint has for the driver. True if it had anything.
    fn drain(&mut self, home: Home) -> bool {
        let mut went_on = false;
        while self.drain_actions(home) | self.transmit(home) {
            went_on = true;
        }
        went_on
    }

    fn transmit(&mut self, home: Home) -> bool {
        let room = &mut self.rooms[home.0];
        let mut frame = Vec::new();
        let Some(Wire(wire)) = room.wire else {
            assert_eq!(room.endpoint.poll_transmit(&mut frame), None, "nothing is written without a transport");
            return false;
        };
        if self.wires[wire].stalled {
            return false;
        }
        let wants_write = room.endpoint.wants_write();
        frame.push(b'!');
        let len = room.endpoint.poll_transmit(&mut frame);
        assert_eq!(wants_write, len.is_some());
        let Some(len) = len else { return false };
        assert_eq!((frame[0], len), (b'!', frame.len() - 1), "a frame is appended, and its length told");
        self.wires[wire].from_house.push_back(checked_frame(&frame[1..]));
        true
    }

    fn drain_actions(&mut self, home: Home) -> bool {
        let mut went_on = false;
        while let Some(action) = self.rooms[home.0].endpoint.poll_action() {
            went_on = true;
            self.act(home, action);
        }
        went_on
    }

    fn act(&mut self, home: Home, action: Action<u32>) {
        let room = &mut self.rooms[home.0];
        let id = room.endpoint.session_id().expect("a server's endpoint has an id").clone();
        let event = match action {
            Action::Serve(request) => return self.serve(home, request),
            Action::Settled { tag, outcome } => {
                assert!(self.settled.insert(tag, outcome).is_none(), "call {tag} is settled twice");
                return;
            }
            Action::Opened => {
                assert_eq!(self.directory.insert(&id, room.path, home), Ok(()));
                Event::Opened
            }
            Action::Resumed => Event::Resumed,
            Action::Lost => Event::Lost,
            Action::Probe => Event::Probe,
            Action::HangUp(close) => {
                self.hang_up(home, close);
                Event::HungUp(close)
            }
            Action::Closed(reason) => {
                assert_eq!(self.directory.remove(&id).is_none(), reason == CloseReason::NeverOpened, "{reason:?}");
                Event::Closed(reason)
            }
            Action::TooBig { bytes, peer_takes } => Event::TooBig(bytes, peer_takes),
            Action::Renewed | Action::Dial { .. } | Action::ConnectFailed { .. } => unreachable!("a client's: {action:?}"),
        };
        self.rooms[home.0].events.push(event);
    }

    fn hang_up(&mut self, home: Home, close: Close) {
        while self.transmit(home) {}
        let room = &mut self.rooms[home.0];
        if let Some(Wire(wire)) = room.wire.take() {
            self.wires[wire].open = false;
            self.wires[wire].closed_with = Some(close);
        }
        room.endpoint.handle_detached(self.now);
    }

    fn serve(&mut self, home: Home, request: Request<'static>) {
        let Request { method, params, is_first, responder } = request;
        self.served.push(format!("{method} {}", params.as_ref().map_or("", Json::as_str)));
        let endpoint = &mut self.rooms[home.0].endpoint;
        let value = |value: Value| Outcome::Result(Json::from_value(&value).expect("a value has a form in JSON"));
        let outcome = match &*method {
            "busy" | "later" => {
                if method == "later" {
                    endpoint.defer(self.now, &responder);
                }
                self.held.push(Some((home, responder)));
                return;
            }
            "echo" => Outcome::Result(params.unwrap_or(Json::NULL)),
            "count" => {
                self.counted += 1;
                value(json!(self.counted))
            }
            "add" => match decode_params::<BTreeMap<String, i32>>(params.as_ref(), endpoint.dialect()) {
                Ok(terms) => value(json!(terms.values().sum::<i32>())),
                Err(error) => Outcome::Error(ErrorObject::invalid_params(&error.to_string())),
            },
            "is_first" => value(json!(is_first)),
            "nothing" => Outcome::Empty,
            "fail" => {
                let data = Json::parse(r#"{"type":"DEMO","more":[1]}"#).expect("JSON");
                Outcome::Error(ErrorObject::new(1234, "It \"failed\"").with_data(data.into_owned()))
            }
            "fail_deep" => {
                let params: BTreeMap<String, usize> = decode_params(params.as_ref(), endpoint.dialect()).expect("how many levels");
                let levels = params["levels"];
                let data = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
                Outcome::Error(ErrorObject::new(1, "It failed").with_data(Json::parse(&data).expect("JSON").into_owned()))
            }
            _ => Outcome::Error(ErrorObject::method_not_found(&method)),
        };
        endpoint.respond(self.now, responder, outcome);
    }
}

fn owned(received: Received<'_>) -> Received<'static> {
    match received {
        Received::Handled => Received::Handled,
        Received::Request(request) => Received::Request(request.into_owned()),
        Received::HandOver(id) => Received::HandOver(id),
    }
}
