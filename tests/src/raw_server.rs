//! A client endpoint and a scripted server, for tests that answer it in raw text on virtual time.
//!
//! The test is the server: it accepts or fails dials, reads what the client wrote, answers with whatever it likes, cuts, or says nothing.

use crate::raw::{Event, checked_frame};
use bowline_core::{
    Action, Call, CallId, CallOutcome, Endpoint, ErrorObject, Instant, Json, Outcome, Received, Request, Responder, SendError,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use bowline_core::ClientConfig;

/// The server, and the client under test in its hands.
#[derive(Debug)]
pub struct RawServer {
    now: Instant,
    client: Endpoint<u32>,
    line: Line,
    to_client: VecDeque<Vec<u8>>,
    from_client: VecDeque<Value>,
    events: Vec<Event>,
    settled: BTreeMap<u32, CallOutcome>,
    last_tag: u32,
    held: Vec<Option<Responder>>,
    /// Each request of ours that the client started, as `method params`.
    pub served: Vec<String>,
    /// Whether pings are answered with a plain pong as soon as they come; they are not seen by [`read`](Self::read) then.
    pub pongs: bool,
    /// Whether nothing is taken of what the client writes.
    pub stalled: bool,
    /// How often the client's timer ran.
    pub timeouts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Down,
    Dialled,
    Up,
}

impl RawServer {
    /// A client that has just asked for its first dial.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        let mut server = Self::unopened(config, 7);
        server.with(|client, now| client.open(now));
        server
    }

    /// A client that has not been opened yet.
    #[must_use]
    pub fn unopened(config: ClientConfig, seed: u64) -> Self {
        Self {
            now: Instant::ORIGIN,
            client: Endpoint::client(Arc::new(config), seed),
            line: Line::Down,
            to_client: VecDeque::new(),
            from_client: VecDeque::new(),
            events: Vec::new(),
            settled: BTreeMap::new(),
            last_tag: 0,
            held: Vec::new(),
            served: Vec::new(),
            pongs: false,
            stalled: false,
            timeouts: 0,
        }
    }

    /// A client that is connected to session "S", without resumption.
    #[must_use]
    pub fn connected(config: ClientConfig) -> Self {
        let mut server = Self::new(config);
        server.accept();
        server.greet(json!({"value": "OK", "sessionId": "S"}));
        server.events();
        server
    }

    /// A client that is connected to session "S", with resumption.
    #[must_use]
    pub fn resumable(config: ClientConfig) -> Self {
        let mut server = Self::new(config);
        server.accept();
        server.greet(json!({"value": "OK", "sessionId": "S", "resume": {"received": 0}}));
        server.events();
        server
    }
}

// What the server does.
impl RawServer {
    /// The dial succeeds.
    ///
    /// # Panics
    ///
    /// If none was asked for.
    pub fn accept(&mut self) {
        assert_eq!(self.line, Line::Dialled, "a dial is under way");
        self.line = Line::Up;
        assert_eq!(self.client.handle_attached(self.now), None);
        self.settle();
    }

    /// The dial fails.
    ///
    /// # Panics
    ///
    /// If none was asked for.
    pub fn fail_dial(&mut self) {
        assert_eq!(self.line, Line::Dialled, "a dial is under way");
        self.line = Line::Down;
        self.client.handle_dial_failed(self.now);
        self.settle();
    }

    /// Reads the `connect` and answers it with `result`; returns its params.
    pub fn greet(&mut self, result: Value) -> Value {
        let connect = self.expect("connect");
        self.answer(&connect, result);
        connect["params"].clone()
    }

    /// Sends one text frame.
    pub fn send(&mut self, frame: &Value) {
        self.send_text(frame.to_string());
    }

    /// Sends the payload of one text frame as it is.
    pub fn send_text(&mut self, frame: impl Into<Vec<u8>>) {
        self.to_client.push_back(frame.into());
        self.settle();
    }

    /// Answers a request that the client made.
    pub fn answer(&mut self, request: &Value, result: Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": request["id"], "result": result}));
    }

    /// Answers a request that the client made with an error.
    pub fn refuse(&mut self, request: &Value, code: i64) {
        self.send(&json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": "no"}}));
    }

    /// Every frame that the client wrote since the last look.
    pub fn read(&mut self) -> Vec<Value> {
        self.from_client.drain(..).collect()
    }

    /// The one frame that the client wrote.
    ///
    /// # Panics
    ///
    /// If there is none, or there are more.
    pub fn one(&mut self) -> Value {
        let mut frames = self.read();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// The next frame, which must be a request for `method`.
    ///
    /// # Panics
    ///
    /// If it is anything else.
    pub fn expect(&mut self, method: &str) -> Value {
        let frame = self.from_client.pop_front().unwrap_or_default();
        assert_eq!(frame["method"], method, "{frame}");
        frame
    }

    /// The transport is lost.
    pub fn cut(&mut self) {
        self.drop_line();
        self.client.handle_detached(self.now);
        self.settle();
    }

    /// Whether the client waits for a dial.
    #[must_use]
    pub fn is_dialled(&self) -> bool {
        self.line == Line::Dialled
    }

    /// Whether there is a transport.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.line == Line::Up
    }
}

// What the client's application does and sees.
impl RawServer {
    /// The client, to look at.
    #[must_use]
    pub fn client(&self) -> &Endpoint<u32> {
        &self.client
    }

    /// Does something to the client, and what follows from it.
    pub fn with<R>(&mut self, act: impl FnOnce(&mut Endpoint<u32>, Instant) -> R) -> R {
        let result = act(&mut self.client, self.now);
        self.settle();
        result
    }

    /// What the client said since the last look.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Calls the server; the tag is for [`outcome`](Self::outcome).
    ///
    /// # Errors
    ///
    /// As [`Endpoint::call`].
    pub fn call(&mut self, method: &str, params: &Value, timeout: Option<Duration>) -> Result<(u32, CallId), SendError> {
        self.last_tag += 1;
        let tag = self.last_tag;
        let params = Json::from_value(params).expect("a value has a form in JSON");
        let deadline = timeout.map(|timeout| self.now + timeout);
        let made = self.with(|client, now| client.call(now, Call { method, params: Some(&params), deadline, tag }).map_err(|e| e.0));
        made.map(|id| (tag, id))
    }

    /// A call with nothing special about it: its tag.
    pub fn call_plain(&mut self, method: &str) -> u32 {
        self.call(method, &json!({}), None).expect("there is room").0
    }

    /// Sends a notification with `n` as its params.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::notify`].
    pub fn notify(&mut self, method: &str, n: u32) -> Result<(), SendError> {
        let params = Json::from_value(&json!({ "n": n })).expect("a value has a form in JSON");
        self.with(|client, now| client.notify(now, method, Some(&params)))
    }

    /// How the call with this tag ended, if it did.
    #[must_use]
    pub fn outcome(&self, tag: u32) -> Option<&CallOutcome> {
        self.settled.get(&tag)
    }

    /// Answers the `n`-th request that the client has kept (`busy`, `later`), from 0.
    pub fn finish(&mut self, n: usize, result: &Value) {
        let responder = self.held[n].take().expect("it was not answered before");
        let json = Json::from_value(result).expect("a value has a form in JSON");
        self.with(|client, now| client.respond(now, responder, Outcome::Result(json)));
    }
}

// Time.
impl RawServer {
    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass, from one deadline to the next and never past one.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.timeouts += 1;
            self.client.handle_timeout(self.now);
            self.settle();
            let next = self.client.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a deadline that is due after it was handled: {next:?} at {:?}", self.now);
        }
        self.now = end;
    }

    /// Lets time pass until the client asks for a dial, and returns how long that took.
    ///
    /// # Panics
    ///
    /// If it takes more than an hour.
    pub fn wait_for_dial(&mut self) -> Duration {
        let start = self.now;
        while self.line != Line::Dialled {
            let next = self.client.poll_timeout().expect("the client waits for something");
            assert!(next - start < Duration::from_secs(3600), "no dial within an hour");
            self.advance(next - self.now);
        }
        self.now - start
    }
}

// The driver's part.
impl RawServer {
    fn settle(&mut self) {
        loop {
            let acted = self.drain_actions();
            let wrote = self.transmit();
            let mut read = false;
            if self.line == Line::Up
                && self.client.wants_read()
                && let Some(frame) = self.to_client.pop_front()
            {
                self.feed(&frame);
                read = true;
            }
            if !(acted || wrote || read) {
                return;
            }
        }
    }

    fn feed(&mut self, frame: &[u8]) {
        let request = match self.client.handle_frame(self.now, frame) {
            Received::Handled => None,
            Received::Request(request) => Some(request.into_owned()),
            Received::HandOver(_) => unreachable!("a client hands nothing over"),
        };
        self.drain_actions();
        if let Some(request) = request {
            self.serve(request);
        }
    }

    fn transmit(&mut self) -> bool {
        let mut frame = Vec::new();
        if self.line != Line::Up {
            assert_eq!(self.client.poll_transmit(&mut frame), None, "nothing is written without a transport");
            return false;
        }
        if self.stalled {
            return false;
        }
        let wants_write = self.client.wants_write();
        let len = self.client.poll_transmit(&mut frame);
        assert_eq!(wants_write, len.is_some());
        let Some(len) = len else { return false };
        assert_eq!(len, frame.len());
        let frame = checked_frame(&frame);
        if self.pongs && frame["method"] == "ping" {
            let pong = json!({"jsonrpc": "2.0", "id": frame["id"], "result": {"value": "pong"}});
            self.to_client.push_back(pong.to_string().into());
        } else {
            self.from_client.push_back(frame);
        }
        true
    }

    fn drain_actions(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.client.poll_action() {
            acted = true;
            self.act(action);
        }
        acted
    }

    fn act(&mut self, action: Action<u32>) {
        let event = match action {
            Action::Serve(request) => return self.serve(request),
            Action::Settled { tag, outcome } => {
                assert!(self.settled.insert(tag, outcome).is_none(), "call {tag} is settled twice");
                return;
            }
            Action::Opened => Event::Opened,
            Action::Resumed => Event::Resumed,
            Action::Renewed => Event::Renewed,
            Action::Lost => Event::Lost,
            Action::Dial { attempt } => {
                assert_eq!(self.line, Line::Down, "one transport at a time");
                self.line = Line::Dialled;
                Event::Dial(attempt)
            }
            Action::ConnectFailed { error, retry_in } => Event::ConnectFailed(error.map(|error| error.code), retry_in),
            Action::HangUp(close) => {
                self.hang_up();
                Event::HungUp(close)
            }
            Action::Closed(reason) => Event::Closed(reason),
            Action::TooBig { bytes, peer_takes } => Event::TooBig(bytes, peer_takes),
            Action::Probe => unreachable!("a server's: {action:?}"),
        };
        self.events.push(event);
    }

    fn hang_up(&mut self) {
        while self.transmit() {}
        self.drop_line();
        self.client.handle_detached(self.now);
    }

    fn drop_line(&mut self) {
        self.line = Line::Down;
        self.to_client.clear();
    }

    fn serve(&mut self, request: Request<'static>) {
        let Request { method, params, is_first, responder } = request;
        self.served.push(format!("{method} {}", params.as_ref().map_or("", Json::as_str)));
        let outcome = match &*method {
            "busy" | "later" => {
                if method == "later" {
                    self.client.defer(self.now, &responder);
                }
                self.held.push(Some(responder));
                return;
            }
            "echo" => Outcome::Result(params.unwrap_or(Json::NULL)),
            "is_first" => Outcome::Result(Json::from_value(&is_first).expect("a value has a form in JSON")),
            "nothing" => Outcome::Empty,
            _ => Outcome::Error(ErrorObject::method_not_found(&method)),
        };
        self.client.respond(self.now, responder, outcome);
    }
}
