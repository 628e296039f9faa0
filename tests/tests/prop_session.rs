//! The life of a server's sessions against a model of it: who is attached where, who waits, who is gone.
#![allow(missing_docs, reason = "the macro writes the test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_core::ServerConfig;
use bowline_tests::raw_client::{House, Wire};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use serde_json::{Value, json};
use std::time::Duration;

const GRACE: u64 = 10_000;
const GUESSES: u32 = 8;

/// What the model knows.
#[derive(Clone, Debug, Default)]
struct Model {
    now: u64,
    wires: Vec<ModelWire>,
    sessions: Vec<ModelSession>,
    /// What the last transition is answered with.
    reply: Option<Reply>,
}

#[derive(Clone, Debug)]
struct ModelWire {
    open: bool,
    session: Option<usize>,
    guesses: u32,
}

#[derive(Clone, Debug)]
struct ModelSession {
    alive: bool,
    used: bool,
    wire: Option<usize>,
    ends: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Connected,
    Reconnected,
    Unknown,
    First(bool),
    Bye,
}

#[derive(Clone, Debug)]
enum Transition {
    Open,
    /// Over a transport, to a session (its number) or to none.
    Connect(usize, Option<usize>),
    Call(usize),
    CloseSession(usize),
    Cut(usize),
    Pass(u64),
}

impl Model {
    /// The session of a transport, made if it has none.
    fn session_of(&mut self, wire: usize) -> usize {
        let next = self.sessions.len();
        let session = *self.wires[wire].session.get_or_insert(next);
        if session == next {
            self.sessions.push(ModelSession { alive: true, used: false, wire: Some(wire), ends: None });
        }
        session
    }

    fn leave(&mut self, wire: usize) {
        if let Some(session) = self.wires[wire].session.take() {
            self.sessions[session].wire = None;
            self.sessions[session].ends = Some(self.now + GRACE);
        }
    }

    fn connect(&mut self, wire: usize, to: Option<usize>) -> Reply {
        let Some(to) = to else {
            self.session_of(wire);
            return Reply::Connected;
        };
        if !self.sessions[to].alive {
            self.wires[wire].guesses += 1;
            if self.wires[wire].guesses == GUESSES {
                self.wires[wire].open = false;
                self.leave(wire);
            }
            return Reply::Unknown;
        }
        if self.wires[wire].session != Some(to) {
            self.leave(wire);
            if let Some(old) = self.sessions[to].wire.replace(wire) {
                self.wires[old] = ModelWire { open: false, session: None, guesses: 0 };
            }
            self.sessions[to].ends = None;
            self.wires[wire] = ModelWire { open: true, session: Some(to), guesses: 0 };
        }
        Reply::Reconnected
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Transition> {
        let wires = state.wires.len();
        if wires == 0 {
            return Just(Transition::Open).boxed();
        }
        let sessions = state.sessions.len();
        let to = if sessions == 0 {
            Just(None).boxed()
        } else {
            prop_oneof![Just(None), (0..sessions).prop_map(Some), (0..sessions).prop_map(Some)].boxed()
        };
        prop_oneof![
            1 => Just(Transition::Open),
            4 => (0..wires, to).prop_map(|(wire, to)| Transition::Connect(wire, to)),
            2 => (0..wires).prop_map(Transition::Call),
            1 => (0..wires).prop_map(Transition::CloseSession),
            2 => (0..wires).prop_map(Transition::Cut),
            2 => (0..GRACE).prop_map(Transition::Pass),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, transition: &Transition) -> bool {
        let is_open = |wire: &usize| state.wires.get(*wire).is_some_and(|wire| wire.open);
        match transition {
            Transition::Open | Transition::Pass(_) => true,
            Transition::Connect(wire, to) => is_open(wire) && to.is_none_or(|to| to < state.sessions.len()),
            Transition::Call(wire) | Transition::CloseSession(wire) | Transition::Cut(wire) => is_open(wire),
        }
    }

    fn apply(mut state: Self, transition: &Transition) -> Self {
        state.reply = match *transition {
            Transition::Open => {
                state.wires.push(ModelWire { open: true, session: None, guesses: 0 });
                None
            }
            Transition::Connect(wire, to) => Some(state.connect(wire, to)),
            Transition::Call(wire) => {
                let session = state.session_of(wire);
                Some(Reply::First(!std::mem::replace(&mut state.sessions[session].used, true)))
            }
            Transition::CloseSession(wire) => {
                if let Some(session) = state.wires[wire].session.take() {
                    state.sessions[session] = ModelSession { alive: false, used: true, wire: None, ends: None };
                }
                state.wires[wire].open = false;
                Some(Reply::Bye)
            }
            Transition::Cut(wire) => {
                state.wires[wire].open = false;
                state.leave(wire);
                None
            }
            Transition::Pass(ms) => {
                state.now += ms;
                for session in &mut state.sessions {
                    session.alive &= session.ends.is_none_or(|ends| ends > state.now);
                }
                None
            }
        };
        state
    }
}

/// The server under test, and the names of its sessions in the order in which they were made.
struct Subject {
    house: House,
    wires: Vec<Wire>,
    names: Vec<String>,
    last_id: u32,
}

impl Subject {
    fn ask(&mut self, wire: usize, method: &str, params: Value) -> Value {
        self.last_id += 1;
        self.house.ask(self.wires[wire], self.last_id, method, params)
    }
}

impl StateMachineTest for Subject {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        let config = ServerConfig { grace: Duration::from_millis(GRACE), ..ServerConfig::default() };
        Self { house: House::new(config), wires: Vec::new(), names: Vec::new(), last_id: 0 }
    }

    fn apply(mut subject: Self, model: &Model, transition: Transition) -> Self {
        let answer = match transition {
            Transition::Open => {
                let wire = subject.house.open();
                subject.wires.push(wire);
                None
            }
            Transition::Connect(wire, to) => {
                let params = to.map_or(json!({}), |to| json!({"sessionId": subject.names[to]}));
                Some(subject.ask(wire, "connect", params))
            }
            Transition::Call(wire) => Some(subject.ask(wire, "is_first", json!({}))),
            Transition::CloseSession(wire) => Some(subject.ask(wire, "closeSession", json!({}))),
            Transition::Cut(wire) => {
                subject.house.cut(subject.wires[wire]);
                None
            }
            Transition::Pass(ms) => {
                subject.house.advance(Duration::from_millis(ms));
                None
            }
        };
        if let Some(name) = answer.as_ref().and_then(|answer| answer["result"]["sessionId"].as_str())
            && !subject.names.iter().any(|known| known == name)
        {
            subject.names.push(name.to_owned());
        }
        let reply = answer.as_ref().map(|answer| match (&answer["result"], &answer["result"]["value"], &answer["error"]["code"]) {
            (_, Value::String(value), _) if value == "OK" => Reply::Connected,
            (_, Value::String(value), _) if value == "reconnection successful" => Reply::Reconnected,
            (_, Value::Bool(first), _) => Reply::First(*first),
            (Value::String(value), ..) if value == "bye" => Reply::Bye,
            (.., code) if *code == 40007 => Reply::Unknown,
            _ => panic!("{answer}"),
        });
        assert_eq!(reply, model.reply, "{answer:?}");
        subject
    }

    fn check_invariants(subject: &Self, model: &Model) {
        subject.house.check();
        assert_eq!(subject.names.len(), model.sessions.len());
        assert_eq!(subject.house.sessions(), model.sessions.iter().filter(|session| session.alive).count());
        for (wire, expected) in subject.wires.iter().zip(&model.wires) {
            let endpoint = subject.house.endpoint(subject.house.home(*wire));
            let name = endpoint.session_id().map(|id| id.reveal());
            if let Some(session) = expected.session {
                assert_eq!((endpoint.is_attached(), name.as_ref()), (true, Some(&subject.names[session])));
            }
            assert!(expected.open || !endpoint.is_attached() || !subject.house.is_open(*wire));
            assert_eq!(subject.house.is_open(*wire), expected.open);
        }
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sessions_live_as_the_model_says(sequential 1..60 => Subject);
}
