//! Two endpoints and their applications, which wait for each other: no more than they have to.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "in a test a panic is the failure")]

use bowline_core::{
    Action, Call, CallOutcome, ClientConfig, Dialect, Endpoint, InFlight, Instant, Json, Limits, Outcome, Received, Request, Responder,
    ServerConfig, SessionId,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long a handler of the server works.
const WORK: u64 = 100;
/// Milliseconds between two looks at the clock.
const STEP: u64 = 50;

/// A client that calls, a server whose handlers ask the client before they answer, and a transport between them that is there again at once when it is lost.
struct Both {
    now: u64,
    server: Endpoint<u32>,
    client: Endpoint<u32>,
    to_server: VecDeque<Vec<u8>>,
    /// With when its last byte arrives.
    to_client: VecDeque<(u64, Vec<u8>)>,
    /// Bytes of a millisecond on the way to the client, if that is slow.
    rate: Option<usize>,
    /// Handlers of the server that work, and until when.
    working: Vec<(u64, Responder)>,
    /// Those that have asked the client, and how often they will do it again.
    asking: Vec<(u32, Responder, usize)>,
    /// How often each asks before it answers.
    questions: usize,
    /// What the client answers to that.
    confirmation: Json<'static>,
    /// Those that end when the test says so.
    busy: Vec<Responder>,
    asked: u32,
    callbacks: Vec<CallOutcome>,
    settled: Vec<CallOutcome>,
    lost: u32,
    /// A frame on a new transport names its session: it is read whatever the session has to do.
    fresh: bool,
}

impl Both {
    fn new(server: ServerConfig, client: ClientConfig) -> Self {
        let mut both = Self {
            now: 1,
            server: Endpoint::server(Arc::new(server), SessionId::from_random([7; 16])),
            client: Endpoint::client(Arc::new(client), 1),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            rate: None,
            working: Vec::new(),
            asking: Vec::new(),
            questions: 1,
            confirmation: text(0),
            busy: Vec::new(),
            asked: 0,
            callbacks: Vec::new(),
            settled: Vec::new(),
            lost: 0,
            fresh: false,
        };
        assert_eq!(both.server.handle_attached(both.at()), None);
        both.client.open(both.at());
        both.settle();
        both
    }

    fn at(&self) -> Instant {
        Instant::after_origin(Duration::from_millis(self.now))
    }

    fn call(&mut self, method: &str, bytes: usize) {
        let params = text(bytes);
        let far = Some(Instant::after_origin(Duration::from_secs(1_000_000)));
        self.client.call(self.at(), Call { method, params: Some(&params), deadline: far, tag: 0 }).unwrap();
        self.settle();
    }

    /// What is under way is lost.
    fn cut(&mut self) {
        self.to_server.clear();
        self.to_client.clear();
        self.server.handle_detached(self.at());
        assert_eq!(self.server.handle_attached(self.at()), None);
        self.fresh = true;
        self.client.handle_detached(self.at());
        self.settle();
    }

    fn serve(&mut self, request: Request<'static>) {
        match &*request.method {
            "ask later" => {
                self.server.defer(self.at(), &request.responder);
                self.working.push((self.now + WORK, request.responder));
            }
            "ask" => self.working.push((self.now + WORK, request.responder)),
            "busy" => self.busy.push(request.responder),
            _ => self.server.respond(self.at(), request.responder, Outcome::Empty),
        }
    }

    fn ask_back(&mut self, responder: Responder, more: usize) {
        self.asked += 1;
        self.server.call(self.at(), Call { method: "confirm", params: None, deadline: None, tag: self.asked }).unwrap();
        self.asking.push((self.asked, responder, more));
    }

    fn act(&mut self) -> bool {
        let mut any = false;
        while let Some(action) = self.server.poll_action() {
            any = true;
            match action {
                Action::Serve(request) => self.serve(request),
                Action::Settled { tag, outcome } => {
                    self.callbacks.push(outcome);
                    let at = self.asking.iter().position(|(asked, ..)| *asked == tag).unwrap();
                    match self.asking.remove(at) {
                        (_, responder, 0) => self.server.respond(self.at(), responder, Outcome::Empty),
                        (_, responder, more) => self.ask_back(responder, more - 1),
                    }
                }
                Action::Opened | Action::Resumed | Action::Lost | Action::HangUp(_) => {}
                other => panic!("{other:?}"),
            }
        }
        while let Some(action) = self.client.poll_action() {
            any = true;
            match action {
                Action::Serve(request) => self.client.respond(self.at(), request.responder, Outcome::Result(self.confirmation.clone())),
                Action::Settled { outcome, .. } => self.settled.push(outcome),
                Action::Dial { .. } => drop(self.client.handle_attached(self.at())),
                Action::HangUp(_) => {
                    self.lost += 1;
                    self.to_server.clear();
                    self.to_client.clear();
                    self.client.handle_detached(self.at());
                    self.server.handle_detached(self.at());
                    assert_eq!(self.server.handle_attached(self.at()), None);
                    self.fresh = true;
                }
                Action::Opened | Action::Resumed | Action::Lost => {}
                other => panic!("{other:?}"),
            }
        }
        any
    }

    fn carry(&mut self) -> bool {
        let mut any = false;
        let mut out = Vec::new();
        while self.server.poll_transmit(&mut out).is_some() {
            any = true;
            let begins = self.to_client.back().map_or(self.now, |(arrives, _)| self.now.max(*arrives));
            let takes = self.rate.map_or(0, |rate| out.len() / rate);
            self.to_client.push_back((begins + takes as u64, std::mem::take(&mut out)));
        }
        while self.client.poll_transmit(&mut out).is_some() {
            any = true;
            self.to_server.push_back(std::mem::take(&mut out));
        }
        if (self.server.wants_read() || self.fresh)
            && let Some(frame) = self.to_server.pop_front()
        {
            any = true;
            self.fresh = false;
            if let Received::Request(request) = self.server.handle_frame(self.at(), &frame) {
                let request = request.into_owned();
                self.serve(request);
            }
        }
        if self.client.wants_read()
            && self.to_client.front().is_some_and(|(arrives, _)| *arrives <= self.now)
            && let Some((_, frame)) = self.to_client.pop_front()
        {
            any = true;
            if let Received::Request(request) = self.client.handle_frame(self.at(), &frame) {
                self.client.respond(self.at(), request.responder, Outcome::Result(self.confirmation.clone()));
            }
        }
        any
    }

    /// Does all that there is to do now.
    fn settle(&mut self) {
        let mut rounds = 0;
        while self.act() | self.carry() {
            rounds += 1;
            assert!(rounds < 100_000, "it goes on for ever");
        }
    }

    fn advance(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            self.now = (self.now + STEP).min(end);
            if !self.to_client.is_empty() {
                // A part of a message came.
                self.client.handle_progress(self.at());
            }
            self.server.handle_timeout(self.at());
            self.client.handle_timeout(self.at());
            let now = self.now;
            for (_, responder) in self.working.extract_if(.., |(until, _)| *until <= now).collect::<Vec<_>>() {
                self.ask_back(responder, self.questions - 1);
            }
            self.settle();
        }
    }

    /// Calls so many times, as fast as there is room.
    fn calls(&mut self, method: &str, bytes: usize, times: usize) {
        let mut made = 0;
        // Each takes its handler's work, and some time of waiting for acknowledgements.
        let end = self.now + 3 * WORK * times as u64;
        while self.settled.len() < times && self.now < end {
            while made < times && self.client.has_room() {
                self.call(method, bytes);
                made += 1;
            }
            self.advance(WORK);
        }
        assert_eq!(self.settled.len(), times, "{:?} {:?}", self.server.usage(), self.client.usage());
        assert!(self.settled.iter().chain(&self.callbacks).all(|outcome| matches!(outcome, CallOutcome::Result(_))));
        assert_eq!((self.lost, self.callbacks.len()), (0, times * self.questions));
    }
}

/// A result of so many bytes.
fn text(bytes: usize) -> Json<'static> {
    Json::parse(&format!("[\"{}\"]", "x".repeat(bytes))).unwrap().into_owned()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The server has more requests than it may, and acknowledges none; the client's buffer is full, and the server's handlers wait for answers of the client.
#[test]
fn handlers_call_back_while_their_session_has_too_many_requests() {
    for (bytes, times, questions, confirmation) in
        [(10_000, 400, 1, 0), (10, 3000, 1, 0), (10, 3000, 5, 0), (10, 3000, 1, 10_000), (2000, 2000, 3, 20_000)]
    {
        let mut both = Both::new(ServerConfig::default(), ClientConfig::default());
        assert!(both.client.is_resumable());
        both.questions = questions;
        both.confirmation = text(confirmation);
        both.calls("ask", bytes, times);
    }
}

/// The buffer holds a Kurento client's requests without the session's id, with which they come.
#[test]
fn a_buffer_is_full_for_both_sides_at_once() {
    for bytes in [170, 220] {
        let mut both = Both::new(ServerConfig::default(), ClientConfig::default());
        both.calls("ask", bytes, 3000);
    }
}

/// Many small answers stand behind few long requests: they are too many messages long before they are as many bytes.
#[test]
fn a_handler_asks_often_while_long_requests_wait() {
    let mut both = Both::new(ServerConfig::default(), ClientConfig::default());
    both.questions = 300;
    both.calls("ask", 10_000, 300);
}

/// Long answers fill more than a buffer between two pings.
#[test]
fn handlers_that_run_at_once_ask_for_long_answers() {
    for (concurrency, bytes) in [(300, 20_000), (50, 100_000)] {
        let mut both = Both::new(ServerConfig { concurrency, ..ServerConfig::default() }, ClientConfig::default());
        both.confirmation = text(bytes);
        both.calls("ask", 10, 2000);
    }
}

/// What `connect` says has come is not acknowledged with it: the client would send as much again.
#[test]
fn a_cut_does_not_empty_a_buffer_that_is_full_on_purpose() {
    for concurrency in [1, 16] {
        let mut both = Both::new(ServerConfig { concurrency, ..ServerConfig::default() }, ClientConfig::default());
        let (mut made, mut cuts) = (0, 0);
        while both.settled.len() < 3000 {
            while made < 3000 && both.client.has_room() {
                both.call("ask", 10);
                made += 1;
            }
            both.advance(WORK);
            if both.now > 2000 * (cuts + 1) && cuts < 5 {
                cuts += 1;
                both.cut();
            }
            assert!(both.now < 3 * WORK * 3000, "{} of 3000, {:?}", both.settled.len(), both.server.usage());
        }
        assert!(both.callbacks.iter().chain(&both.settled).all(|outcome| matches!(outcome, CallOutcome::Result(_))));
        assert_eq!((both.lost, both.callbacks.len()), (0, 3000));
    }
}

/// An answer acknowledges all that was sent before its request, answered or not.
#[test]
fn handlers_that_answer_later_are_no_more_than_may_be_in_flight() {
    let mut both = Both::new(ServerConfig::default(), ClientConfig::default());
    let mut made = 0;
    while both.settled.len() < 5000 {
        while made < 5000 && both.client.has_room() {
            both.call(if made % 50 == 49 { "quick" } else { "ask later" }, 10);
            made += 1;
            assert!(both.working.len() + both.asking.len() <= 1024);
        }
        both.advance(WORK);
        assert!(both.now < 60_000, "{} of 5000, {:?}", both.settled.len(), both.server.usage());
    }
    assert!(both.callbacks.iter().chain(&both.settled).all(|outcome| matches!(outcome, CallOutcome::Result(_))));
    assert_eq!((both.lost, both.callbacks.len()), (0, 4900));
}

#[test]
fn calls_that_are_kept_to_be_repeated_leave_room_for_answers() {
    for (in_flight, bytes, outbox_messages) in
        [(InFlight::Interrupt, 10_000, 1024), (InFlight::Repeat, 10_000, 1024), (InFlight::Repeat, 10, 16)]
    {
        let server = ServerConfig { resume: false, ..ServerConfig::default() };
        let limits = Limits { outbox_messages, ..Limits::default() };
        let mut both = Both::new(server, ClientConfig { resume: false, in_flight, limits, ..ClientConfig::default() });
        both.calls("ask", bytes, 60);
    }
}

/// The second message crosses the line up to which the server takes messages in: pings behind it are read all the same.
#[test]
fn a_server_that_is_busy_and_has_taken_long_messages_is_not_given_up() {
    let mut both = Both::new(ServerConfig::default(), ClientConfig { heartbeat: Some(seconds(5)), ..ClientConfig::default() });
    both.call("busy", 0);
    for _ in 0..2 {
        while !both.client.has_room() {
            both.advance(STEP);
        }
        both.call("later", 700_000);
    }
    both.advance(45_000);
    assert_eq!((both.lost, both.settled.len()), (0, 0));
    let busy = both.busy.pop().unwrap();
    both.server.respond(both.at(), busy, Outcome::Empty);
    both.advance(1000);
    assert_eq!((both.lost, both.settled.len()), (0, 3));
}

/// A message takes longer than an answer to a ping is waited for, which stands behind it.
#[test]
fn a_slow_link_is_not_taken_for_a_dead_one() {
    let mut both = Both::new(ServerConfig::default(), ClientConfig { heartbeat: Some(seconds(5)), ..ClientConfig::default() });
    both.rate = Some(80);
    both.call("busy", 0);
    let busy = both.busy.pop().unwrap();
    both.server.respond(both.at(), busy, Outcome::Result(text(1_000_000)));
    both.advance(20_000);
    assert_eq!((both.lost, both.settled.len()), (0, 1));
}

/// A batch waits for its last member, that for the request before it, and that for room, which the batch's other answers have taken.
#[test]
fn requests_before_a_batch_whose_answers_take_all_the_room_are_served() {
    for (resume, outbox_bytes, members) in [(false, 100, 2), (false, 256 * 1024, 1000), (true, 256 * 1024, 1000)] {
        let limits = Limits { outbox_bytes, ..Limits::default() };
        let config = ServerConfig { limits, dialect: Dialect::Strict, ..ServerConfig::default() };
        let mut server: Endpoint<()> = Endpoint::server(Arc::new(config), SessionId::from_random([7; 16]));
        let now = Instant::after_origin(seconds(1));
        assert_eq!(server.handle_attached(now), None);
        let offer = if resume { r#"{"resume":{"received":0}}"# } else { "{}" };
        let _ = server.handle_text(now, &format!(r#"{{"jsonrpc":"2.0","id":1,"method":"connect","params":{offer}}}"#));
        let Received::Request(busy) = server.handle_text(now, r#"{"jsonrpc":"2.0","id":2,"method":"busy"}"#) else { panic!() };
        let busy = busy.responder;
        let _ = server.handle_text(now, r#"{"jsonrpc":"2.0","id":3,"method":"next"}"#);
        let wrong = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"connect"}},"#, "i".repeat(250)).repeat(members);
        let _ = server.handle_text(now, &format!(r#"[{wrong}{{"jsonrpc":"2.0","id":4,"method":"last"}}]"#));
        server.respond(now, busy, Outcome::Empty);
        let mut served = Vec::new();
        let mut out = Vec::new();
        loop {
            while server.poll_transmit(&mut out).is_some() {}
            match server.poll_action() {
                Some(Action::Serve(request)) => {
                    served.push(request.method.to_string());
                    server.respond(now, request.responder, Outcome::Empty);
                }
                Some(_) => {}
                None => break,
            }
        }
        assert_eq!(served, ["next", "last"], "{resume} {outbox_bytes}");
    }
}
