//! What the fuzz targets and the reading that went with them have found, one scenario each (docs/fuzzing.md lists them).

use bowline_core::{Close, CloseReason, Dialect, Limits, ServerConfig};
use bowline_tests::raw::Event;
use bowline_tests::raw_client::House;
use bowline_tests::raw_server::{ClientConfig, RawServer};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_version_that_is_spelled_with_escapes_is_the_same_version() {
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let wire = house.open();
    house.send_text(wire, r#"{"jsonrpc":"2\u002e0","id":1,"method":"echo","params":[1]}"#);
    assert_eq!(house.one(wire)["result"], json!([1]));
    house.send_text(wire, r#"{"jsonrpc":"2\u002e1","id":1,"method":"echo","params":[1]}"#);
    assert_eq!(house.one(wire)["error"]["code"], -32600);
}

#[test]
fn a_transport_closed_before_it_had_a_session_has_closed_none() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    let home = house.home(wire);
    house.with(home, |endpoint, now| endpoint.close(now, CloseReason::Shutdown));
    let closed = house.closed_with(wire).unwrap();
    assert_eq!((closed.code, house.events(home)), (1001, vec![Event::HungUp(closed), Event::Closed(CloseReason::NeverOpened)]));
}

#[test]
fn a_client_that_stops_its_heartbeat_still_tells_what_has_arrived() {
    let mut server = RawServer::resumable(ClientConfig::default());
    server.send(&json!({"jsonrpc": "2.0", "method": "nothing"}));
    server.with(|client, now| client.set_heartbeat(now, None));
    server.advance(Duration::from_secs(5));
    assert_eq!(server.expect("ping")["params"], json!({"received": 1}));
}

#[test]
fn a_client_that_is_told_of_a_transport_which_it_has_stays_as_it_is() {
    let mut server = RawServer::connected(ClientConfig::default());
    let tag = server.call_plain("ask");
    let before = server.with(|client, now| {
        let before = format!("{client:?}");
        assert_eq!(client.handle_attached(now), None);
        before
    });
    assert_eq!(format!("{:?}", server.client()), before);
    let asked = server.expect("ask");
    server.answer(&asked, json!({}));
    assert!(server.outcome(tag).is_some());
}

#[test]
fn a_server_that_talks_on_instead_of_answering_connect_is_left() {
    let limits = Limits { outbox_messages: 4, in_flight: 2, ..Limits::default() };
    for method in ["busy", "connect", "\"rubbish"] {
        let mut server = RawServer::new(ClientConfig { limits: limits.clone(), ..ClientConfig::default() });
        server.accept();
        server.stalled = true;
        for id in 1..=100 {
            server.send_text(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#));
        }
        let usage = server.client().usage();
        assert!(usage.outbox_messages <= 2 * 4 && usage.in_flight <= 2 * 2 + 4, "{method}: {usage:?}");
        assert!(!server.is_up(), "{method}");
    }
    let mut server = RawServer::new(ClientConfig { limits, ..ClientConfig::default() });
    server.accept();
    server.stalled = true;
    (0..100).for_each(|_| server.send_text(b"\xff".to_vec()));
    assert!(!server.is_up(), "what is no text is no answer either");
}

#[test]
fn a_few_words_before_the_answer_to_connect_are_heard() {
    let mut server = RawServer::new(ClientConfig::default());
    server.accept();
    server.send(&json!({"jsonrpc": "2.0", "method": "nothing"}));
    server.greet(json!({"value": "OK", "sessionId": "S"}));
    assert_eq!(server.served, ["nothing "]);
    assert!(server.client().is_attached());
}

#[test]
fn a_batch_before_the_answer_to_connect_is_served_as_a_request_would_be() {
    let mut server = RawServer::new(ClientConfig::default());
    server.accept();
    server.send(&json!([{"jsonrpc": "2.0", "id": 1, "method": "echo", "params": [1]}, {"jsonrpc": "2.0", "method": "nothing"}]));
    assert_eq!(server.served, ["echo [1]", "nothing "]);
    server.greet(json!({"value": "OK", "sessionId": "S"}));
    assert_eq!(server.served.len(), 2);
    assert!(server.client().is_attached());
}

#[test]
fn a_batch_goes_on_after_an_answer_that_fills_the_buffer_by_itself() {
    for params in [json!({}), json!({"resume": {"received": 0}})] {
        let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
        let (wire, _) = house.connect(params);
        let long = json!(["x".repeat(300 * 1024)]);
        let batch = [(1, "echo", &long), (2, "echo", &long), (3, "count", &json!([]))];
        let batch = batch.map(|(id, method, params)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        house.send(wire, &json!(batch));
        assert_eq!(house.one(wire).as_array().unwrap().len(), 3);
        house.ask(wire, 5, "ping", json!({"received": 1}));
        assert_eq!(house.ask(wire, 4, "count", json!([]))["result"], 2);
    }
}

#[test]
fn answers_that_wait_for_the_rest_of_their_batch_are_bounded() {
    let limits = Limits { queued_bytes: 10_000, outbox_bytes: 5_000, message_bytes: 2_000, ..Limits::default() };
    let mut house = House::new(ServerConfig { limits, ..ServerConfig::default() });
    let wire = house.open();
    let home = house.home(wire);
    for id in 0..1000 {
        let mut members = vec![json!({"jsonrpc": "2.0", "id": id, "method": "busy"})];
        members.resize(20, json!(1));
        house.send(wire, &json!(members));
        let usage = house.endpoint(home).usage();
        assert!(usage.outbox_bytes < 10_000 + 5_000 + 2_000 + 20 * 200, "{usage:?}");
    }
    assert!(house.unread(wire) > 900, "{}", house.unread(wire));
    assert!(house.endpoint(home).usage().outbox_bytes >= 10_000, "and it says what it holds");
    for n in 0..1000 {
        house.finish(n, &json!(n));
    }
    assert_eq!((house.read(wire).len(), house.endpoint(home).usage().outbox_bytes), (1000, 0));
}

#[test]
fn answers_that_wait_for_the_rest_of_their_batch_are_bounded_by_the_reserve_too() {
    let limits = Limits { queued_bytes: 10_000, outbox_bytes: 5_000, message_bytes: 2_000, ..Limits::default() };
    let mut house = House::new(ServerConfig { limits, dialect: Dialect::Strict, ..ServerConfig::default() });
    let wire = house.open();
    house.ask(wire, 1, "connect", json!({"resume": {"received": 0}}));
    let home = house.home(wire);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 2, "method": "busy"}));
    for id in 0..400 {
        let long = json!({"jsonrpc": "2.0", "id": 10 + 2 * id, "method": "fail_deep", "params": {"levels": 100}});
        let later = json!({"jsonrpc": "2.0", "id": 11 + 2 * id, "method": "later"});
        house.send(wire, &json!([long, later]));
    }
    // Now one after the other starts.
    house.finish(0, &json!(0));
    let usage = house.endpoint(home).usage();
    assert!((20_000..3 * 5_000 + 10_000 + 2 * 2_000 + 2_000).contains(&usage.outbox_bytes), "{usage:?}");
}

#[test]
fn requests_instead_of_the_answer_to_connect_are_taken_within_their_bound() {
    let limits = Limits { queued_bytes: 1000, outbox_bytes: 500, message_bytes: 500, ..Limits::default() };
    let mut server = RawServer::new(ClientConfig { limits, ..ClientConfig::default() });
    server.accept();
    server.expect("connect");
    let mut sent = 0;
    while server.is_up() {
        sent += 1;
        server.send(&json!({"jsonrpc": "2.0", "id": sent, "method": "busy", "params": ["x".repeat(400)]}));
        let queued = server.client().usage().queued_bytes;
        assert!(queued < 2500, "{queued} after {sent}");
    }
    assert_eq!(sent, 7, "one runs, five are more than the bound, the next is one too many");
    assert!(server.events().contains(&Event::HungUp(Close::NO_GREETING)));
}

/// What names a session over a new transport comes whether the session reads or not.
#[test]
fn what_names_a_busy_session_over_one_transport_after_the_other_stays_within_its_bounds() {
    let limits = Limits::default();
    let bound = limits.queued_bytes + limits.outbox_bytes + 2 * limits.message_bytes;
    for batch in [false, true] {
        let mut house = House::new(ServerConfig::default());
        let (wire, session) = house.connect(json!({}));
        let home = house.home(wire);
        house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "busy"}));
        let long = "x".repeat(1_000_000);
        let mut wires = Vec::new();
        for n in 0..10 {
            let wire = house.open();
            let request = json!({"jsonrpc": "2.0", "id": 10 + n, "method": "echo", "params": {"sessionId": session, "long": long}});
            house.send(wire, &if batch { json!([request]) } else { request });
            wires.push(wire);
        }
        let usage = house.endpoint(home).usage();
        assert!(usage.queued_bytes <= bound, "{usage:?}");
        assert_eq!(house.closed_with(wires[9]), Some(Close::BUSY));
        assert_eq!(house.events(home).iter().filter(|event| matches!(event, Event::Closed(_))).count(), 0);
        house.finish(0, &json!(1));
        let back = house.open();
        house.send(back, &json!({"jsonrpc": "2.0", "id": 99, "method": "connect", "params": {"sessionId": session}}));
        let ids: Vec<_> = house
            .read(back)
            .into_iter()
            .flat_map(|frame| if batch { frame.as_array().cloned().unwrap_or(vec![frame]) } else { vec![frame] })
            .collect();
        assert_eq!((&ids[0]["id"], &ids[1]["id"], &ids[2]["id"]), (&json!(99), &json!(1), &json!(10)), "it goes on");
    }
}

/// An answer that is kept comes again and again, over transports whose peer takes nothing.
#[test]
fn what_is_answered_again_over_one_transport_after_the_other_stays_within_its_bounds() {
    let mut house = House::new(ServerConfig::default());
    let (wire, session) = house.connect(json!({}));
    let home = house.home(wire);
    let request = json!({"jsonrpc": "2.0", "id": 5, "method": "echo", "params": {"long": "x".repeat(60_000), "sessionId": session}});
    house.send(wire, &request);
    for _ in 0..200 {
        let wire = house.open();
        house.stall(wire, true);
        house.send(wire, &request);
    }
    let usage = house.endpoint(home).usage();
    assert!(usage.outbox_bytes < 1_000_000, "{usage:?}");
}

#[test]
fn errors_do_not_stop_the_reading_of_the_ping_that_acknowledges_them() {
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let (wire, _) = house.connect(json!({"resume": {"received": 0}}));
    let mut received = 0;
    for _ in 0..1024 {
        house.send_text(wire, "rubbish");
        received += house.read(wire).len();
    }
    assert_eq!(received, 1024);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"received": received}}));
    assert_eq!(house.one(wire)["id"], 7);
}

#[test]
fn errors_that_a_peer_does_not_take_stop_the_reading() {
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let (wire, _) = house.connect(json!({"resume": {"received": 0}}));
    house.stall(wire, true);
    (0..3000).for_each(|_| house.send_text(wire, "rubbish"));
    assert_eq!(house.unread(wire), 3000 - 1024);
}

/// The answers of a batch grow after all was acknowledged, and the peer fills its buffer: what its answer stands behind is read all the same.
#[test]
fn answers_of_a_batch_take_no_room_that_the_peer_counts_on() {
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let (wire, _) = house.connect(json!({"resume": {"received": 0}}));
    let home = house.home(wire);
    let busy = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "busy"});
    let long = |id: u32, bytes: usize| json!({"jsonrpc": "2.0", "id": id, "method": "echo", "params": ["x".repeat(bytes)]});
    house.send(wire, &busy(1));
    house.send(wire, &json!((100..113).map(busy).collect::<Vec<_>>()));
    (300..320).for_each(|id| house.send(wire, &long(id, 50_000)));
    assert_eq!(house.ask(wire, 900, "ping", json!({"received": 0}))["result"]["received"], 22, "all of it is acknowledged");
    house.finish(0, &json!(1));
    (1..13).for_each(|n| house.finish(n, &json!("y".repeat(80_000))));
    // The last member is at work. The peer's buffer takes 256 KiB, and the message that crosses the line.
    (400..405).for_each(|id| house.send(wire, &long(id, 50_000)));
    house.send(wire, &long(405, 1_000_000));
    let (tag, _) = house.call(home, "confirm", &json!([]), Some(Duration::from_secs(60))).unwrap();
    let question = house.read(wire).into_iter().find(|frame| frame["method"] == "confirm").unwrap();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": question["id"], "result": 1}));
    assert!(house.outcome(tag).is_some(), "{} unread, {:?}", house.unread(wire), house.endpoint(home).usage());
}

#[test]
fn resumption_is_not_offered_twice_over_one_transport() {
    let mut house = House::new(ServerConfig::default());
    let (wire, session) = house.connect(json!({"resume": {"received": 0}}));
    let home = house.home(wire);
    let again = house.ask(wire, 2, "connect", json!({"sessionId": session, "resume": {"received": 0}}));
    assert_eq!((&again["error"]["code"], house.endpoint(home).is_resumable()), (&json!(-32600), true));
}

/// A server that dies of each first call, and an application that calls again each time.
#[test]
fn what_was_written_and_not_known_to_have_arrived_ends_no_back_off() {
    let mut server = RawServer::connected(ClientConfig { resume: false, ..ClientConfig::default() });
    let mut waited = Duration::ZERO;
    for _ in 0..20 {
        server.call_plain("deadly");
        assert_eq!(server.one()["method"], "deadly");
        server.cut();
        waited += server.wait_for_dial();
        server.accept();
        server.greet(json!({"value": "OK", "sessionId": "S"}));
    }
    assert!(waited > Duration::from_secs(10), "{waited:?}");
}

#[test]
fn a_session_that_waits_without_end_can_be_told_to_wait_no_longer() {
    for grace in [Duration::MAX, Duration::from_secs(10)] {
        let mut house = House::new(ServerConfig { grace, ..ServerConfig::default() });
        let (wire, _) = house.connect(json!({}));
        let home = house.home(wire);
        house.cut(wire);
        house.with(home, |endpoint, now| endpoint.set_grace(now, Duration::MAX));
        house.advance(Duration::from_secs(1000));
        assert_eq!(house.sessions(), 1);
        house.with(home, |endpoint, now| endpoint.set_grace(now, Duration::from_secs(1)));
        house.advance(Duration::from_secs(1));
        assert_eq!(house.sessions(), 0);
    }
}

#[test]
fn a_rare_heartbeat_tells_no_later_than_none() {
    for heartbeat in [None, Some(Duration::from_secs(3600)), Some(Duration::MAX)] {
        let mut server = RawServer::resumable(ClientConfig { heartbeat, idle_timeout: None, ..ClientConfig::default() });
        if heartbeat.is_some() {
            let ping = server.expect("ping");
            assert!(ping["params"]["interval"].as_u64().is_some(), "{ping}");
            server.answer(&ping, json!({"value": "pong", "sessionId": "S"}));
        }
        server.send(&json!({"jsonrpc": "2.0", "method": "nothing"}));
        server.advance(Duration::from_secs(5));
        assert_eq!(server.expect("ping")["params"]["received"], json!(1), "{heartbeat:?}");
    }
}
