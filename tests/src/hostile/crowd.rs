//! Several peers, sessions and transports on one server with two paths: ids are guessed, stolen, raced, taken to the wrong path.
//!
//! It runs on the server of the scenarios ([`House`]), which itself checks what is written, that calls end once and that deadlines lie ahead. After every step:
//! endpoints, transports and the table of sessions agree; an open session is found on its own path only; what a transport gets is of the session that it
//! belongs to; no transport guesses more often than it may.

use super::frames::{Frame, Known};
use crate::raw_client::{House, Wire};
use arbitrary::Arbitrary;
use bowline_core::{CloseReason, Dialect, Limits, ServerConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What happens.
#[derive(Arbitrary, Clone, Debug)]
pub struct Script {
    strict: [bool; 2],
    grace: u16,
    watchdog: bool,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Clone, Debug)]
enum Step {
    /// A transport to one of the paths.
    Open(bool),
    /// A frame over the n-th transport.
    Send(u8, Frame),
    /// The same frame over two transports, one right after the other.
    Race(u8, u8, Frame),
    Cut(u8),
    Pass(u16),
    Answer(u8),
    Stall(u8, bool),
    Call(u8, u16),
    Notify(u8),
    Close(u8),
    Pong(u8),
}

const MOST_WIRES: usize = 12;
const GUESSES: u32 = 8;

/// Runs it.
///
/// # Panics
///
/// If anything does not hold.
pub fn run(script: Script) {
    let config = |strict| ServerConfig {
        dialect: if strict { Dialect::Strict } else { Dialect::Kurento },
        grace: Duration::from_millis(script.grace.into()),
        watchdog: script.watchdog,
        limits: Limits { outbox_messages: 8, in_flight: 4, calls: 8, unknown_sessions: GUESSES, ..Limits::default() },
        ..ServerConfig::default()
    };
    let mut crowd =
        Crowd { house: House::with_paths(script.strict.map(config)), wires: Vec::new(), known: Known::default(), guesses: BTreeMap::new() };
    for step in script.steps.into_iter().take(200) {
        crowd.step(step);
        crowd.look();
        crowd.house.check();
    }
}

struct Crowd {
    house: House,
    wires: Vec<Wire>,
    known: Known,
    guesses: BTreeMap<usize, u32>,
}

impl Crowd {
    fn step(&mut self, step: Step) {
        match step {
            Step::Open(second) if self.wires.len() < MOST_WIRES => {
                let wire = self.house.open_on(usize::from(second));
                self.wires.push(wire);
                self.known.sessions.extend(self.house.endpoint(self.house.home(wire)).session_id().map(bowline_core::SessionId::reveal));
            }
            Step::Open(_) => {}
            Step::Send(n, frame) => self.send(n, &frame),
            Step::Race(first, second, frame) => {
                self.send(first, &frame);
                self.send(second, &frame);
            }
            Step::Cut(n) => self.on(n, House::cut),
            Step::Pass(ms) => self.house.advance(Duration::from_millis(ms.into())),
            Step::Answer(n) => {
                let n = usize::from(n) % self.house.kept().max(1);
                if self.house.is_kept(n) {
                    self.house.finish(n, &json!({"answer": n}));
                }
            }
            Step::Stall(n, stalled) => self.on(n, |house, wire| house.stall(wire, stalled)),
            Step::Call(n, ms) => self.on(n, |house, wire| {
                let _ = house.call(house.home(wire), "ask", &json!([]), Some(Duration::from_millis(ms.into())));
            }),
            Step::Notify(n) => self.on(n, |house, wire| {
                let _ = house.notify(house.home(wire), "note", 1);
            }),
            Step::Close(n) => {
                self.on(n, |house, wire| house.with(house.home(wire), |endpoint, now| endpoint.close(now, CloseReason::Application)))
            }
            Step::Pong(n) => self.on(n, House::pong),
        }
    }

    fn on(&mut self, n: u8, act: impl FnOnce(&mut House, Wire)) {
        if let Some(wire) = self.wires.get(usize::from(n) % self.wires.len().max(1)) {
            act(&mut self.house, *wire);
        }
    }

    fn send(&mut self, n: u8, frame: &Frame) {
        let bytes = frame.write(&mut self.known);
        self.on(n, |house, wire| house.send_text(wire, bytes));
        self.look();
    }

    /// Everything that was written goes to the session that the transport belongs to.
    fn look(&mut self) {
        for n in 0..self.wires.len() {
            let wire = self.wires[n];
            for frame in self.house.read(wire) {
                if frame["error"]["code"] == 40007 && frame["error"]["data"].is_null() {
                    let guesses = self.guesses.entry(n).or_default();
                    *guesses += 1;
                    assert!(*guesses <= GUESSES, "a transport goes on guessing");
                }
                if frame["result"]["value"] == "reconnection successful" {
                    self.guesses.remove(&n);
                }
                if let Some(asked) = frame.get("method").and_then(|_| frame.get("id")) {
                    self.known.asked.push(asked.to_string());
                }
                self.belongs(wire, &frame);
            }
        }
    }

    fn belongs(&self, wire: Wire, frame: &Value) {
        let endpoint = self.house.endpoint(self.house.home(wire));
        let answers = frame.as_array().map_or_else(|| std::slice::from_ref(frame), Vec::as_slice);
        for result in answers.iter().filter_map(|answer| answer.get("result")) {
            let names = result["value"] != "pong" && (endpoint.dialect() == Dialect::Kurento || result["value"] == "OK");
            if let Some(named) = result["sessionId"].as_str().filter(|_| names) {
                assert_eq!(
                    endpoint.session_id().map(bowline_core::SessionId::reveal).as_deref(),
                    Some(named),
                    "an answer of another session"
                );
            }
        }
    }
}
