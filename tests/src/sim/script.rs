//! One scripted conversation, cut at every byte, and at every pair of bytes.
//!
//! The script has everything in it that can be lost, repeated or reordered: calls and notifications both ways, answers at once and later. A run
//! cuts its first connection after a given number of bytes in one direction, and the second one likewise if there are two cuts.

use super::model::{Answers, Stream, Tally};
use super::network::Side;
use bowline_core::{
    Action, Call, CallOutcome, ClientConfig, Endpoint, FirstConnect, Instant, Json, Outcome, Received, Request, Responder, ServerConfig,
    SessionId,
};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A place to cut: after so many bytes in one direction.
type Place = (Side, u64);

/// How many runs there are: one for each byte in each direction, or for each pair of such places.
#[must_use]
pub fn jobs(pairs: bool) -> u64 {
    let n = places();
    if pairs { n * n } else { n }
}

fn places() -> u64 {
    let (to_server, to_client) = lengths();
    to_server + to_client
}

/// The bytes that the uncut conversation takes in each direction.
fn lengths() -> (u64, u64) {
    static LENGTHS: OnceLock<(u64, u64)> = OnceLock::new();
    *LENGTHS.get_or_init(|| {
        let mut conversation = Conversation::new(Vec::new());
        conversation.run();
        (conversation.written[Side::Server as usize], conversation.written[Side::Client as usize])
    })
}

fn place(index: u64) -> Place {
    let (to_server, _) = lengths();
    if index < to_server { (Side::Server, index) } else { (Side::Client, index - to_server) }
}

/// The run number `job`. With `trace`, its frames come with it.
#[must_use]
pub fn run(job: u64, pairs: bool, trace: bool) -> (Tally, Vec<String>) {
    let cuts = if pairs { vec![place(job / places()), place(job % places())] } else { vec![place(job)] };
    let mut conversation = Conversation::new(cuts);
    conversation.trace = trace.then(Vec::new);
    conversation.run();
    (conversation.tally, conversation.trace.unwrap_or_default())
}

struct End {
    endpoint: Endpoint<u64>,
    connected: bool,
    incoming: Vec<Vec<u8>>,
    stream: Stream,
    answers: Answers,
    open: u64,
    later: Vec<(Responder, u64)>,
}

impl End {
    fn new(endpoint: Endpoint<u64>) -> Self {
        Self {
            endpoint,
            connected: false,
            incoming: Vec::new(),
            stream: Stream::default(),
            answers: Answers::default(),
            open: 0,
            later: Vec::new(),
        }
    }
}

struct Conversation {
    now: Instant,
    ends: [End; 2],
    cuts: Vec<Place>,
    /// Bytes written towards each side over the present connection.
    written: [u64; 2],
    tally: Tally,
    trace: Option<Vec<String>>,
    sessions: u8,
}

impl Conversation {
    fn new(mut cuts: Vec<Place>) -> Self {
        cuts.reverse();
        let client =
            ClientConfig { heartbeat: Some(Duration::from_secs(1)), first_connect: FirstConnect::Retry, ..ClientConfig::default() };
        let server = Endpoint::server(Arc::new(ServerConfig::default()), SessionId::from_random([0; 16]));
        Self {
            now: Instant::ORIGIN,
            ends: [End::new(Endpoint::client(Arc::new(client), 1)), End::new(server)],
            cuts,
            written: [0; 2],
            tally: Tally { schedules: 1, ..Tally::default() },
            trace: None,
            sessions: 0,
        }
    }

    fn run(&mut self) {
        self.ends[0].endpoint.open(self.now);
        for round in 0..3 {
            self.settle_down();
            for side in [Side::Client, Side::Server] {
                self.speak(side, round);
            }
        }
        // What a cut in the last round left over is told by a later ping, or by reconnecting.
        for _ in 0..400 {
            self.settle_down();
            self.answer_later();
            let rest = self.ends.iter().all(|end| end.open == 0 && end.stream.outstanding() == 0 && end.later.is_empty());
            if rest {
                return;
            }
            let next = self.ends.iter().filter_map(|end| end.endpoint.poll_timeout()).min();
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            for end in &mut self.ends {
                end.endpoint.handle_timeout(self.now);
            }
        }
        for end in &self.ends {
            self.tally.stuck += end.open;
            self.tally.lost += end.stream.outstanding();
        }
    }

    /// What each side says in a round: a notification, a call answered at once, one answered later.
    fn speak(&mut self, side: Side, round: u32) {
        let now = self.now;
        let end = &mut self.ends[side as usize];
        // A server may not have a session yet, or not any more.
        for method in ["note", "call", "later"] {
            let number = end.stream.send();
            let text = format!("{{\"k\":{number},\"r\":{round}}}");
            let Ok(params) = Json::parse(&text) else { continue };
            let sent = if method == "note" {
                end.endpoint.notify(now, method, Some(&params)).is_ok()
            } else {
                let called = end.endpoint.call(now, Call { method, params: Some(&params), deadline: None, tag: number }).is_ok();
                end.open += u64::from(called);
                called
            };
            if !sent {
                end.stream.unsend();
            }
        }
        self.settle_down();
        if round % 2 == 1 {
            self.answer_later();
        }
    }

    fn answer_later(&mut self) {
        for side in 0..2 {
            for (responder, number) in std::mem::take(&mut self.ends[side].later) {
                self.answer(side, responder, number);
            }
        }
        self.settle_down();
    }

    fn answer(&mut self, side: usize, responder: Responder, number: u64) {
        if !responder.is_notification() {
            self.ends[1 - side].answers.give(number);
        }
        let text = format!("{{\"k\":{number}}}");
        let outcome = Json::parse(&text).map_or(Outcome::Empty, Outcome::Result);
        self.ends[side].endpoint.respond(self.now, responder, outcome);
    }

    /// Lets everything happen that can happen now.
    fn settle_down(&mut self) {
        loop {
            let mut any = false;
            for side in 0..2 {
                while let Some(action) = self.ends[side].endpoint.poll_action() {
                    any = true;
                    self.act(side, action);
                }
                any |= self.transmit(side);
                if !self.ends[side].incoming.is_empty() {
                    any = true;
                    let frame = self.ends[side].incoming.remove(0);
                    self.receive(side, &frame);
                }
            }
            if !any {
                return;
            }
        }
    }

    fn transmit(&mut self, side: usize) -> bool {
        let mut frame = Vec::new();
        if !self.ends[side].connected || self.ends[side].endpoint.poll_transmit(&mut frame).is_none() {
            return false;
        }
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{side} -> {}", String::from_utf8_lossy(&frame)));
        }
        let to = 1 - side;
        self.written[to] += frame.len() as u64 + 2;
        let broken = self.cuts.last().is_some_and(|(at, bytes)| *at as usize == to && self.written[to] > *bytes);
        if broken {
            self.cut();
        } else {
            self.ends[to].incoming.push(frame);
        }
        true
    }

    fn cut(&mut self) {
        self.cuts.pop();
        self.tally.cuts += 1;
        self.written = [0; 2];
        if let Some(trace) = &mut self.trace {
            trace.push("cut".to_owned());
        }
        for end in &mut self.ends {
            end.connected = false;
            end.incoming.clear();
            end.endpoint.handle_detached(self.now);
        }
    }

    fn receive(&mut self, side: usize, frame: &[u8]) {
        let now = self.now;
        match self.ends[side].endpoint.handle_frame(now, frame) {
            Received::Handled => {}
            Received::Request(request) => {
                let request = request.into_owned();
                while let Some(action) = self.ends[side].endpoint.poll_action() {
                    self.act(side, action);
                }
                self.serve(side, request);
            }
            // The one session there is has been lost: its first `connect` was never answered.
            Received::HandOver(_) => self.tally.stuck += 1,
        }
    }

    fn act(&mut self, side: usize, action: Action<u64>) {
        match action {
            Action::Serve(request) => self.serve(side, request),
            Action::Settled { tag, outcome } => {
                self.ends[side].open -= 1;
                match outcome {
                    CallOutcome::Result(_) => {
                        let Self { ends, tally, .. } = self;
                        ends[side].answers.arrive(tag, tally);
                    }
                    CallOutcome::Error(_)
                    | CallOutcome::Malformed(_)
                    | CallOutcome::TooBig(_)
                    | CallOutcome::TooDeep
                    | CallOutcome::TimedOut
                    | CallOutcome::Interrupted
                    | CallOutcome::Closed => self.tally.lost += 1,
                }
            }
            Action::Dial { .. } => self.connect(),
            Action::HangUp(_) => self.cut(),
            Action::Closed(_) | Action::Opened | Action::Resumed | Action::Renewed | Action::Lost | Action::Probe => {}
            Action::ConnectFailed { .. } | Action::TooBig { .. } => {}
        }
    }

    fn connect(&mut self) {
        let now = self.now;
        self.written = [0; 2];
        // A `connect` whose answer was lost made a session of which the client never learns: the next one is another.
        let known = self.ends[0].endpoint.session_id().is_some();
        if !known {
            self.sessions += 1;
            let id = SessionId::from_random([self.sessions; 16]);
            // What the server said in the one before was said to nobody.
            self.ends[1] = End::new(Endpoint::server(Arc::new(ServerConfig::default()), id));
        }
        for side in [1, 0] {
            self.ends[side].connected = true;
            let old = self.ends[side].endpoint.handle_attached(now);
            assert!(old.is_none(), "both sides have seen the cut");
        }
    }

    fn serve(&mut self, side: usize, request: Request<'static>) {
        let params = request.params.as_ref().map_or("", Json::as_str);
        let number = params.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty()).and_then(|part| part.parse().ok());
        let Some(number) = number else {
            self.tally.stuck += 1;
            return;
        };
        let Self { ends, tally, .. } = self;
        ends[1 - side].stream.arrive(number, 0, tally);
        if request.method == "later" {
            self.ends[side].endpoint.defer(self.now, &request.responder);
            self.ends[side].later.push((request.responder, number));
        } else {
            self.answer(side, request.responder, number);
        }
    }
}
