//! Laws of the protocol, over whatever proptest thinks of.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_core::{
    Action, Call, CallOutcome, ClientConfig, Dialect, Endpoint, Instant, Json, Outcome, Received, ServerConfig, SessionId, decode_params,
    decode_result,
};
use bowline_tests::hostile;
use bowline_tests::raw::checked_frame;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// JSON text in every spelling: spaces, escapes, names that mean something to the protocol, some of them twice.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        text(),
        Just("\"\\ud834\\udd1e\\n\\u0000\"".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let spaced = (inner, "[ \n\t\r]{0,2}").prop_map(|(value, space)| format!("{space}{value}{space}"));
        let member = (prop_oneof![name(), text()], spaced.clone()).prop_map(|(key, value)| format!("{key}:{value}"));
        prop_oneof![
            proptest::collection::vec(spaced, 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| Value::from(text).to_string())
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "\"sessionId\"",
        "\"session\\u0049d\"",
        "\"value\"",
        "\"a\"",
        "\"b\"",
        "\"code\"",
        "\"message\"",
        "\"data\"",
        "\"type\"",
    ])
    .prop_map(str::to_owned)
}

/// Something that looks like a message.
fn frame() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        4 => Just("\"jsonrpc\":\"2.0\"".to_owned()),
        3 => prop::sample::select(vec!["1", "2", "3", "\"3\"", "null", "\"x\"", "1.0", "-0", "99999999999999999999", "[]"]).prop_map(|id| format!("\"id\":{id}")),
        3 => prop::sample::select(vec!["\"echo\"", "\"connect\"", "\"ping\"", "\"p\\u0069ng\"", "7"]).prop_map(|method| format!("\"method\":{method}")),
        2 => json_text().prop_map(|json| format!("\"params\" : {json}")),
        1 => json_text().prop_map(|json| format!("\"result\":{json}")),
        1 => json_text().prop_map(|json| format!("\"error\":{json} ")),
        1 => json_text().prop_map(|json| format!("\"other\":{json}")),
    ];
    let message = proptest::collection::vec(member, 1..6).prop_map(|members| format!("{{{}}}", members.join(",")));
    prop_oneof![
        4 => message.clone(),
        1 => proptest::collection::vec(message, 0..4).prop_map(|members| format!("[{}]", members.join(" ,"))),
        1 => json_text(),
    ]
}

const NOW: Instant = Instant::ORIGIN;

/// A client and a server that are connected, and what is on its way between them.
struct Duo {
    now: Instant,
    client: Endpoint<u32>,
    server: Endpoint<u32>,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    up: bool,
    dialled: bool,
    /// What each side's application got.
    at_server: Vec<u32>,
    at_client: Vec<u32>,
    settled: Vec<(u32, CallOutcome)>,
    /// The counts that were told in the last `connect` and its answer.
    told: [u64; 2],
}

impl Duo {
    fn new(dialect: Dialect, resume: bool) -> Self {
        let client = ClientConfig { dialect, resume, ..ClientConfig::default() };
        let server = ServerConfig { dialect, ..ServerConfig::default() };
        let mut duo = Self {
            now: NOW,
            client: Endpoint::client(Arc::new(client), 7),
            server: Endpoint::server(Arc::new(server), SessionId::from_random([7; 16])),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            up: false,
            dialled: false,
            at_server: Vec::new(),
            at_client: Vec::new(),
            settled: Vec::new(),
            told: [0; 2],
        };
        duo.client.open(NOW);
        duo.look();
        duo.connect();
        duo.deliver_all();
        duo
    }

    fn connect(&mut self) {
        while !self.dialled {
            self.now = self.client.poll_timeout().unwrap();
            self.client.handle_timeout(self.now);
            self.look();
        }
        self.dialled = false;
        self.up = true;
        assert!(self.client.handle_attached(self.now).is_none());
        assert!(self.server.handle_attached(self.now).is_none());
        self.look();
    }

    fn cut(&mut self) {
        if std::mem::take(&mut self.up) {
            self.to_server.clear();
            self.to_client.clear();
            self.client.handle_detached(self.now);
            self.server.handle_detached(self.now);
            self.look();
        }
    }

    /// Takes what both have written, and does what they say.
    fn look(&mut self) {
        loop {
            let mut frame = Vec::new();
            if self.client.poll_transmit(&mut frame).is_some() {
                let count = &checked_frame(&frame)["params"]["resume"]["received"];
                self.told[0] = count.as_u64().unwrap_or(self.told[0]);
                self.to_server.push_back(std::mem::take(&mut frame));
            } else if self.server.poll_transmit(&mut frame).is_some() {
                let count = &checked_frame(&frame)["result"]["resume"]["received"];
                self.told[1] = count.as_u64().unwrap_or(self.told[1]);
                self.to_client.push_back(std::mem::take(&mut frame));
            } else if let Some(action) = self.client.poll_action() {
                assert!(!matches!(action, Action::Closed(_) | Action::Renewed), "{action:?}");
                if let Action::Settled { tag, outcome } = action {
                    self.settled.push((tag, outcome));
                } else if let Action::Dial { .. } = action {
                    self.dialled = true;
                }
            } else if self.server.poll_action().is_none() {
                return;
            }
        }
    }

    fn deliver(&mut self, to_server: bool) -> bool {
        let (queue, endpoint, arrived) = if to_server {
            (&mut self.to_server, &mut self.server, &mut self.at_server)
        } else {
            (&mut self.to_client, &mut self.client, &mut self.at_client)
        };
        let Some(frame) = queue.pop_front() else { return false };
        if let Received::Request(request) = endpoint.handle_frame(self.now, &frame) {
            arrived.push(decode_params::<u32>(request.params.as_ref(), endpoint.dialect()).unwrap());
            endpoint.respond(self.now, request.responder, Outcome::Empty);
        }
        self.look();
        true
    }

    fn deliver_all(&mut self) {
        while self.deliver(true) | self.deliver(false) {}
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send { by_server: bool, call: bool },
    Deliver { to_server: bool },
    Cut,
    Connect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), any::<bool>()).prop_map(|(by_server, call)| Step::Send { by_server, call }),
        6 => any::<bool>().prop_map(|to_server| Step::Deliver { to_server }),
        1 => Just(Step::Cut),
        2 => Just(Step::Connect),
    ]
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![Dialect::Kurento, Dialect::Strict])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_frame_means_what_the_reference_says(frame in frame()) {
        hostile::message(frame.as_bytes());
    }

    #[test]
    fn what_one_side_writes_the_other_reads(method in any::<String>(), params in json_text(), result in json_text(), dialect in dialect()) {
        prop_assume!(!matches!(&*method, "connect" | "ping" | "closeSession"));
        let mut duo = Duo::new(dialect, false);
        let (params, result) = (Json::parse(&params).unwrap(), Json::parse(&result).unwrap());
        prop_assume!(serde_json::from_str::<Value>(params.as_str()).is_ok() && serde_json::from_str::<Value>(result.as_str()).is_ok());
        let called = duo.client.call(NOW, Call { method: &method, params: Some(&params), deadline: None, tag: 1 });
        prop_assert!(called.is_ok());
        duo.look();
        let frame = duo.to_server.pop_front().unwrap();
        let Received::Request(request) = duo.server.handle_frame(NOW, &frame) else { panic!() };
        prop_assert_eq!(&*request.method, &*method);
        let same = |got: Value, sent: &Json<'_>| {
            let mut want: Value = serde_json::from_str(sent.as_str()).unwrap();
            if dialect == Dialect::Kurento && let Some(object) = want.as_object_mut() {
                object.remove("sessionId");
            }
            (got, want)
        };
        let got = request.params.as_ref().map_or("null", Json::as_str);
        let got: Value = if dialect == Dialect::Kurento && !params.as_str().starts_with('{') {
            serde_json::from_str::<Value>(got).unwrap()["value"].take()
        } else {
            serde_json::from_str(got).unwrap()
        };
        let (got, want) = same(got, &params);
        prop_assert_eq!(got, want);
        duo.server.respond(NOW, request.responder, Outcome::Result(result.borrow()));
        duo.look();
        duo.deliver_all();
        let [(1, CallOutcome::Result(got))] = &duo.settled[..] else { panic!("{:?}", duo.settled) };
        let got: Value = if dialect == Dialect::Kurento && !result.as_str().starts_with('{') {
            decode_result::<std::collections::BTreeMap<String, Value>>(&Json::parse(got.as_str()).unwrap(), Dialect::Strict).unwrap()["value"].clone()
        } else {
            serde_json::from_str(got.as_str()).unwrap()
        };
        let (got, want) = same(got, &result);
        prop_assert_eq!(got, want);
    }

    #[test]
    fn after_any_interleaving_both_sides_agree(dialect in dialect(), steps in proptest::collection::vec(step(), 0..120)) {
        let mut duo = Duo::new(dialect, true);
        let mut sent = [0, 0];
        let mut calls = Vec::new();
        for step in steps {
            match step {
                Step::Send { by_server, call } => {
                    let (endpoint, n) = if by_server { (&mut duo.server, &mut sent[1]) } else { (&mut duo.client, &mut sent[0]) };
                    let params = Json::from_value(n).unwrap();
                    if call {
                        let deadline = Some(duo.now + Duration::from_secs(100_000));
                        let tag = if by_server { 0 } else { calls.push(*n); *n };
                        let called = endpoint.call(duo.now, Call { method: "m", params: Some(&params), deadline, tag });
                        prop_assert!(called.is_ok());
                    } else {
                        prop_assert_eq!(endpoint.notify(duo.now, "m", Some(&params)), Ok(()));
                    }
                    *n += 1;
                    duo.look();
                }
                Step::Deliver { to_server } => drop(duo.deliver(to_server)),
                Step::Cut => duo.cut(),
                Step::Connect if !duo.up => duo.connect(),
                Step::Connect => {}
            }
        }
        for _ in 0..2 {
            duo.cut();
            duo.connect();
            duo.deliver_all();
        }
        let [from_client, from_server] = sent.map(|n| (0..n).collect::<Vec<u32>>());
        prop_assert_eq!((&duo.at_server, &duo.at_client), (&from_client, &from_server), "each message once, in order");
        let settled: Vec<_> = duo.settled.iter().map(|(tag, outcome)| (*tag, matches!(outcome, CallOutcome::Result(_)))).collect();
        prop_assert_eq!(settled, calls.into_iter().map(|tag| (tag, true)).collect::<Vec<_>>(), "each call once, in order");
        let usage = [duo.client.usage(), duo.server.usage()];
        prop_assert_eq!(usage.map(|usage| (usage.unacknowledged, usage.outbox_messages, usage.calls)), [(0, 0, 0); 2], "everything is acknowledged");
        let answers_of_client = duo.told[1] - u64::from(sent[0]);
        let answers_of_server = duo.told[0] - u64::from(sent[1]);
        prop_assert!(answers_of_client <= u64::from(sent[1]) && answers_of_server <= u64::from(sent[0]));
    }
}
