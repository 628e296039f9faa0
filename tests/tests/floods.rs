//! A side that sends without end, to one whose handlers ask back before they answer: neither waits for the other longer than it takes to do the work, whatever is cut.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "in a test a panic is the failure")]

use bowline_core::{
    Action, Call, CallOutcome, ClientConfig, Dialect, Endpoint, Instant, Json, Limits, Outcome, Received, Request, Responder, ServerConfig,
    SessionId,
};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds that a handler works before it asks back.
const WORK: u64 = 100;
/// Milliseconds between two looks at the clock.
const STEP: u64 = 50;
/// The tag of calls that nobody asked for.
const FLOOD: u32 = 0;

/// What is sent, and by whom.
#[derive(Clone, Debug)]
struct Load {
    from_server: bool,
    times: usize,
    dialect: Dialect,
    /// Of the server, and of the client.
    limits: [Limits; 2],
    concurrency: usize,
    /// Bytes of a request, and of what is answered when its handler asks back.
    request: usize,
    answer: usize,
    /// Milliseconds that a frame is under way.
    latency: u64,
    /// Milliseconds after which the transport is lost, ten times, and what is under way with it.
    cut_every: Option<u64>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            from_server: false,
            times: 2500,
            dialect: Dialect::Strict,
            limits: [Limits::default(), Limits::default()],
            concurrency: 1,
            request: 10,
            answer: 0,
            latency: 0,
            cut_every: None,
        }
    }
}

struct Side {
    endpoint: Endpoint<u32>,
    /// What it has sent, with when that arrives.
    wire: VecDeque<(u64, Vec<u8>)>,
    /// Handlers that work, and until when.
    working: Vec<(u64, Responder)>,
    /// Those that are to ask back as soon as there is room.
    wanting: VecDeque<Responder>,
    /// Those that have.
    asking: Vec<(u32, Responder)>,
    asked: u32,
    settled: Vec<CallOutcome>,
    /// A frame on a new transport names its session: it is read whatever the session has to do.
    fresh: bool,
}

impl Side {
    fn new(endpoint: Endpoint<u32>) -> Self {
        Self {
            endpoint,
            wire: VecDeque::new(),
            working: Vec::new(),
            wanting: VecDeque::new(),
            asking: Vec::new(),
            asked: FLOOD,
            settled: Vec::new(),
            fresh: false,
        }
    }

    fn call(&mut self, now: u64, method: &str, params: Option<&Json<'_>>, tag: u32) {
        self.endpoint.call(at(now), Call { method, params, deadline: Some(Instant::FAR_FUTURE), tag }).unwrap();
    }

    fn serve(&mut self, now: u64, request: Request<'_>, answer: &Json<'_>) {
        match &*request.method {
            "flood" => self.working.push((now + WORK, request.responder)),
            _ => self.endpoint.respond(at(now), request.responder, Outcome::Result(answer.clone())),
        }
    }

    fn ask_back(&mut self, now: u64) {
        while self.endpoint.has_room()
            && let Some(responder) = self.wanting.pop_front()
        {
            self.asked += 1;
            self.call(now, "confirm", None, self.asked);
            self.asking.push((self.asked, responder));
        }
    }

    /// Returns whether there was anything.
    fn act(&mut self, now: u64, answer: &Json<'_>) -> bool {
        let mut any = false;
        while let Some(action) = self.endpoint.poll_action() {
            any = true;
            match action {
                Action::Dial { .. } => assert_eq!(self.endpoint.handle_attached(at(now)), None),
                Action::Serve(request) => self.serve(now, request, answer),
                Action::Settled { tag: FLOOD, outcome } => self.settled.push(outcome),
                Action::Settled { tag, outcome } => {
                    assert!(matches!(outcome, CallOutcome::Result(_)), "{outcome:?}");
                    let place = self.asking.iter().position(|(asked, _)| *asked == tag).unwrap();
                    let (_, responder) = self.asking.remove(place);
                    self.endpoint.respond(at(now), responder, Outcome::Empty);
                }
                Action::Opened | Action::Lost | Action::Resumed | Action::Renewed => {}
                other => panic!("{other:?}"),
            }
        }
        any
    }

    fn write(&mut self, arrives: u64) {
        let mut out = Vec::new();
        while self.endpoint.poll_transmit(&mut out).is_some() {
            self.wire.push_back((arrives, std::mem::take(&mut out)));
        }
    }

    /// Reads a frame, if one has come and it takes any.
    fn read(&mut self, now: u64, wire: &mut VecDeque<(u64, Vec<u8>)>, answer: &Json<'_>) -> bool {
        if !(self.fresh || self.endpoint.wants_read()) || wire.front().is_none_or(|(arrives, _)| *arrives > now) {
            return false;
        }
        let Some((_, frame)) = wire.pop_front() else { return false };
        self.fresh = false;
        let mut received = self.endpoint.handle_frame(at(now), &frame);
        if let Received::HandOver(_) = received {
            received = self.endpoint.handle_unknown_session(at(now), &frame);
        }
        if let Received::Request(request) = received {
            self.serve(now, request, answer);
        }
        true
    }
}

fn at(millis: u64) -> Instant {
    Instant::after_origin(Duration::from_millis(millis))
}

fn text(bytes: usize) -> Json<'static> {
    Json::parse(&format!("[\"{}\"]", "x".repeat(bytes))).unwrap().into_owned()
}

/// The longest time in which no call was settled, in milliseconds.
fn flood(load: &Load) -> u64 {
    let Load { dialect, concurrency, .. } = *load;
    let [of_server, of_client] = load.limits.clone();
    let server = ServerConfig { concurrency, limits: of_server, dialect, ..ServerConfig::default() };
    let client = ClientConfig { concurrency, limits: of_client, dialect, ..ClientConfig::default() };
    let mut server = Side::new(Endpoint::server(Arc::new(server), SessionId::from_random([7; 16])));
    let mut client = Side::new(Endpoint::client(Arc::new(client), 1));
    assert_eq!(server.endpoint.handle_attached(at(1)), None);
    client.endpoint.open(at(1));
    let (request, answer) = (text(load.request), text(load.answer));
    let (mut now, mut made, mut cuts, mut longest, mut last) = (1, 0, 0, 0, (0, 1));
    let settled = |server: &Side, client: &Side| if load.from_server { server.settled.len() } else { client.settled.len() };
    while settled(&server, &client) < load.times {
        now += STEP;
        for side in [&mut server, &mut client] {
            side.endpoint.handle_timeout(at(now));
            side.wanting.extend(side.working.extract_if(.., |(until, _)| *until <= now).map(|(_, responder)| responder));
        }
        if let Some(every) = load.cut_every
            && cuts < 10
            && now > (cuts + 1) * every
        {
            cuts += 1;
            for side in [&mut server, &mut client] {
                side.wire.clear();
                side.endpoint.handle_detached(at(now));
            }
            assert_eq!(server.endpoint.handle_attached(at(now)), None);
            server.fresh = true;
        }
        loop {
            let source = if load.from_server { &mut server } else { &mut client };
            while source.endpoint.is_open() && made < load.times && source.endpoint.has_room() {
                made += 1;
                source.call(now, "flood", Some(&request), FLOOD);
            }
            let mut any = false;
            for side in [&mut server, &mut client] {
                side.ask_back(now);
                any |= side.act(now, &answer);
                side.write(now + load.latency);
            }
            any |= server.read(now, &mut client.wire, &answer);
            any |= client.read(now, &mut server.wire, &answer);
            if !any {
                break;
            }
        }
        if settled(&server, &client) > last.0 {
            last = (settled(&server, &client), now);
        }
        longest = longest.max(now - last.1);
        let (there, here) = (server.endpoint.usage(), client.endpoint.usage());
        assert!(now - last.1 < 40_000, "{} of {} after 40 s of nothing, {load:?}\n{there:?}\n{here:?}", last.0, load.times);
    }
    assert!(server.settled.iter().chain(&client.settled).all(|outcome| matches!(outcome, CallOutcome::Result(_))), "{load:?}");
    longest
}

#[test]
fn a_servers_calls_do_not_keep_the_clients_handlers_from_asking_it() {
    for (dialect, concurrency, request, answer) in
        [(Dialect::Strict, 1, 10, 0), (Dialect::Kurento, 1, 200, 0), (Dialect::Strict, 1, 1000, 20_000), (Dialect::Kurento, 50, 10, 20_000)]
    {
        let longest = flood(&Load { from_server: true, dialect, concurrency, request, answer, latency: 50, ..Load::default() });
        assert!(longest <= 8000, "{dialect:?} {concurrency} {request} {answer}: {longest} ms");
    }
}

/// A client that has taken in too much says at once when there is room again: not only when it would say what has arrived anyway.
#[test]
fn a_client_that_was_busy_goes_on_at_once() {
    for in_flight in [16, 100] {
        let limits = Limits { in_flight, ..Limits::default() };
        let config = ClientConfig { limits, dialect: Dialect::Strict, ..ClientConfig::default() };
        let server = ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() };
        let mut server = Side::new(Endpoint::server(Arc::new(server), SessionId::from_random([7; 16])));
        let mut client = Side::new(Endpoint::client(Arc::new(config), 1));
        let news = text(8000);
        let mut handled = 0;
        assert_eq!(server.endpoint.handle_attached(at(1)), None);
        client.endpoint.open(at(1));
        // Each takes a millisecond, and so does the way.
        for now in 1..5000 {
            server.endpoint.handle_timeout(at(now));
            client.endpoint.handle_timeout(at(now));
            for (_, responder) in client.working.extract_if(.., |(until, _)| *until < now + WORK).collect::<Vec<_>>() {
                client.endpoint.respond(at(now), responder, Outcome::Empty);
                handled += 1;
            }
            loop {
                while server.endpoint.notify(at(now), "flood", Some(&news)).is_ok() {}
                let mut any = false;
                for side in [&mut server, &mut client] {
                    any |= side.act(now, &news);
                    side.write(now + 1);
                }
                any |= server.read(now, &mut client.wire, &news);
                any |= client.read(now, &mut server.wire, &news);
                if !any {
                    break;
                }
            }
        }
        assert!(handled > 4500, "{in_flight}: {handled} in 5 s");
    }
}

/// Many short messages were acknowledged while there were too many, and the long one behind them was not: it fills the buffer.
#[test]
fn what_was_kept_back_is_acknowledged_when_there_is_room() {
    let config = ClientConfig { concurrency: 2000, heartbeat: Some(Duration::from_secs(60)), ..ClientConfig::default() };
    let mut server = Side::new(Endpoint::server(Arc::new(ServerConfig::default()), SessionId::from_random([7; 16])));
    let mut client = Side::new(Endpoint::client(Arc::new(config), 1));
    assert_eq!(server.endpoint.handle_attached(at(1)), None);
    client.endpoint.open(at(1));
    let (none, long) = (text(0), text(300_000));
    let settle = |server: &mut Side, client: &mut Side| {
        let mut any = true;
        while any {
            any = false;
            for side in [&mut *server, &mut *client] {
                any |= side.act(1, &none);
                side.write(1);
            }
            any |= server.read(1, &mut client.wire, &none);
            any |= client.read(1, &mut server.wire, &none);
        }
    };
    settle(&mut server, &mut client);
    for _ in 0..1023 {
        server.endpoint.notify(at(1), "flood", None).unwrap();
        settle(&mut server, &mut client);
    }
    while server.endpoint.has_room() {
        server.endpoint.notify(at(1), "flood", Some(&long)).unwrap();
        settle(&mut server, &mut client);
    }
    for (_, responder) in std::mem::take(&mut client.working) {
        client.endpoint.respond(at(1), responder, Outcome::Empty);
    }
    settle(&mut server, &mut client);
    assert!(server.endpoint.has_room());
}

/// A server that keeps little for each of many sessions, and clients as they come: each says how large its buffer is.
#[test]
fn a_server_with_a_small_buffer_serves_clients_with_large_ones() {
    for (outbox_messages, outbox_bytes, in_flight) in [(64, 65_536, 64), (64, 65_536, 1024), (8, 10_000, 4)] {
        let limits = [Limits { outbox_messages, outbox_bytes, in_flight, ..Limits::default() }, Limits::default()];
        for (from_server, concurrency, request) in [(false, 1, 10), (false, 8, 1000), (true, 1, 1000), (true, 8, 10)] {
            let limits = limits.clone();
            let longest = flood(&Load { from_server, concurrency, limits, request, latency: 50, times: 1000, ..Load::default() });
            assert!(longest <= 1000, "{outbox_messages} {in_flight} {from_server} {concurrency}: {longest} ms");
        }
    }
}

/// What a client has not served of a session that is lost takes no room that the next one's server counts on.
#[test]
fn a_lost_session_does_not_keep_a_handlers_answer_out() {
    for (concurrency, bytes) in [(1, 10), (3, 10), (1, 2000)] {
        let limits =
            Limits { in_flight: 3, outbox_messages: 4, queued_bytes: 3000, outbox_bytes: 4000, message_bytes: 4000, ..Limits::default() };
        let server_config = Arc::new(ServerConfig { limits: limits.clone(), ..ServerConfig::default() });
        let config = ClientConfig { limits, concurrency, backoff_base: Duration::from_millis(1), ..ClientConfig::default() };
        let mut client = Side::new(Endpoint::client(Arc::new(config), 1));
        client.endpoint.open(at(1));
        let (mut now, news) = (1, text(bytes));
        // The client's handlers do nothing before the third session.
        for session in 1..=3 {
            let mut server = Side::new(Endpoint::server(server_config.clone(), SessionId::from_random([session; 16])));
            assert_eq!(server.endpoint.handle_attached(at(now)), None);
            client.wire.clear();
            if session > 1 {
                client.endpoint.handle_detached(at(now));
            }
            let (end, silence) = if session == 3 { (now + 10_000, 5000) } else { (now + 200, 0) };
            while now < end {
                now += STEP;
                server.endpoint.handle_timeout(at(now));
                client.endpoint.handle_timeout(at(now));
                if session == 3 {
                    let done = client.working.drain(..).map(|(_, responder)| responder);
                    client.wanting.extend(done);
                }
                let mut any = true;
                while any {
                    any = false;
                    while server.endpoint.is_open() && server.endpoint.has_room() && now < end - silence {
                        server.call(now, "flood", Some(&news), FLOOD);
                    }
                    for side in [&mut server, &mut client] {
                        side.ask_back(now);
                        any |= side.act(now, &news);
                        side.write(now);
                    }
                    any |= server.read(now, &mut client.wire, &news);
                    any |= client.read(now, &mut server.wire, &news);
                }
            }
            if session == 3 {
                assert_eq!(
                    (client.asking.len(), client.endpoint.usage().calls),
                    (0, 0),
                    "{concurrency} {bytes}: {:?}",
                    client.endpoint.usage()
                );
            }
        }
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let messages = prop::sample::select(vec![64, 300, 1024]);
    let bytes = prop::sample::select(vec![10_000, 65_536, 262_144]);
    let in_flight = prop::sample::select(vec![4, 16, 1024]);
    let queued = prop::sample::select(vec![100_000, 1024 * 1024]);
    let message = prop::sample::select(vec![100_000, 1024 * 1024]);
    (messages, bytes, in_flight, queued, message).prop_map(|(outbox_messages, outbox_bytes, in_flight, queued_bytes, message_bytes)| {
        Limits { outbox_messages, outbox_bytes, in_flight, queued_bytes, message_bytes, ..Limits::default() }
    })
}

fn load() -> impl Strategy<Value = Load> {
    let dialect = prop::sample::select(vec![Dialect::Kurento, Dialect::Strict]);
    let concurrency = prop::sample::select(vec![1, 3, 50, 1000]);
    let request = prop::sample::select(vec![10, 200, 1000, 8000, 60_000]);
    let answer = prop::sample::select(vec![0, 200, 2000, 20_000]);
    let latency = prop::sample::select(vec![0, 50, 200]);
    let cut_every = prop::sample::select(vec![None, Some(700), Some(5000)]);
    (any::<bool>(), dialect, [limits(), limits()], concurrency, request, answer, latency, cut_every).prop_map(
        |(from_server, dialect, limits, concurrency, request, answer, latency, cut_every)| Load {
            from_server,
            times: 800,
            dialect,
            limits,
            concurrency,
            request,
            answer,
            latency,
            cut_every,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the limits of both sides, if no buffer is larger than the usual.
    #[test]
    fn nobody_waits_for_ever(load in load()) {
        let longest = flood(&load);
        // A client whose connections break waits longer each time before it comes again.
        prop_assert!(load.cut_every.is_some() || longest <= 10_000, "{longest} ms: {load:?}");
    }
}
