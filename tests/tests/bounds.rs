//! Every bound in `Limits`, and when the transport is read.

use bowline_core::{ClientConfig, Dialect, Limits, SendError, ServerConfig};
use bowline_tests::raw_client::{Home, House, Wire};
use bowline_tests::raw_server::RawServer;
use serde_json::{Value, json};
use std::time::Duration;

fn house(limits: Limits) -> (House, Wire, Home) {
    let mut house = House::new(ServerConfig { limits, dialect: Dialect::Strict, ..ServerConfig::default() });
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    (house, wire, home)
}

fn request(id: u32, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method})
}

#[test]
fn the_defaults_are_the_protocols() {
    let limits = Limits::default();
    assert_eq!((limits.message_bytes, limits.queued_bytes), (1024 * 1024, 1024 * 1024));
    assert_eq!((limits.in_flight, limits.batch, limits.calls), (1024, 1024, 65_536));
    assert_eq!((limits.outbox_messages, limits.outbox_bytes), (1024, 256 * 1024));
    assert_eq!((limits.duplicate_bytes, limits.duplicate_time), (64 * 1024, Duration::from_secs(60)));
    assert_eq!(limits.unknown_sessions, 8);
}

#[test]
fn messages_that_wait_to_be_sent_are_bounded() {
    let (mut house, wire, home) = house(Limits { outbox_messages: 3, ..Limits::default() });
    house.stall(wire, true);
    for n in 0..3 {
        assert!(house.endpoint(home).has_room());
        house.notify(home, "event", n).unwrap();
    }
    assert!(!house.endpoint(home).has_room());
    assert_eq!(house.notify(home, "event", 3), Err(SendError::Full));
    assert_eq!(house.call(home, "ask", &json!({}), None).unwrap_err(), SendError::Full);
    house.stall(wire, false);
    assert!(house.endpoint(home).has_room());
    house.notify(home, "event", 3).unwrap();
    let sent: Vec<_> = house.read(wire).iter().map(|frame| frame["params"][0].clone()).collect();
    assert_eq!(sent, [0, 1, 2, 3]);
}

#[test]
fn bytes_that_wait_to_be_sent_are_bounded_and_the_message_that_crosses_the_line_is_taken() {
    let (mut house, wire, home) = house(Limits { outbox_bytes: 1000, ..Limits::default() });
    house.stall(wire, true);
    let long = json!(["x".repeat(600)]);
    house.call(home, "ask", &long, None).unwrap();
    house.call(home, "ask", &long, None).unwrap();
    assert_eq!(house.call(home, "ask", &json!([]), None).unwrap_err(), SendError::Full);
    assert!(house.endpoint(home).usage().outbox_bytes < 1600);
}

#[test]
fn the_buffer_is_bounded_while_the_session_is_detached_too() {
    let (mut house, wire, home) = house(Limits { outbox_messages: 5, ..Limits::default() });
    house.cut(wire);
    let taken = (0..100).take_while(|n| house.notify(home, "event", *n).is_ok()).count();
    assert_eq!(taken, 5);
}

#[test]
fn at_the_limit_of_requests_in_flight_the_transport_is_not_read() {
    let (mut house, wire, home) = house(Limits { in_flight: 3, ..Limits::default() });
    for id in 1..=10 {
        house.send(wire, &request(id, "busy"));
    }
    assert_eq!((house.endpoint(home).usage().in_flight, house.unread(wire)), (3, 7));
    for n in 0..10 {
        house.finish(n, &json!(n));
        assert!(house.endpoint(home).usage().in_flight <= 3);
    }
    let results: Vec<_> = house.read(wire).iter().map(|answer| answer["result"].clone()).collect();
    assert_eq!(results, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "none is lost and none refused");
}

#[test]
fn notifications_count_among_the_requests_in_flight() {
    let (mut house, wire, _) = house(Limits { in_flight: 3, ..Limits::default() });
    for _ in 0..10 {
        house.send(wire, &json!({"jsonrpc": "2.0", "method": "busy"}));
    }
    assert_eq!(house.unread(wire), 7);
}

#[test]
fn bytes_of_requests_that_wait_for_their_turn_are_bounded() {
    let (mut house, wire, home) = house(Limits { queued_bytes: 1000, ..Limits::default() });
    house.send(wire, &request(0, "busy"));
    for id in 1..=10 {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": id, "method": "echo", "params": ["x".repeat(400)]}));
    }
    let usage = house.endpoint(home).usage();
    assert!((1000..1500).contains(&usage.queued_bytes), "{usage:?}");
    assert_eq!(house.unread(wire), 7);
    house.finish(0, &json!({}));
    assert_eq!((house.read(wire).len(), house.endpoint(home).usage().queued_bytes), (11, 0));
}

#[test]
fn a_peer_that_takes_no_answers_gets_no_more_work_done() {
    let limits = Limits { outbox_messages: 3, in_flight: 4, ..Limits::default() };
    let (mut house, wire, home) = house(limits);
    house.stall(wire, true);
    for id in 1..=50 {
        house.send(wire, &request(id, "count"));
    }
    assert_eq!(house.served.len(), 3, "no more start than there is room for");
    let usage = house.endpoint(home).usage();
    assert!(usage.in_flight <= 2 * 4 + 3 && usage.outbox_messages <= 3 + 4, "{usage:?}");
    assert!(house.unread(wire) > 30);
    house.stall(wire, false);
    let results: Vec<_> = house.read(wire).iter().map(|answer| answer["result"].as_u64().unwrap()).collect();
    assert_eq!(results, (1..=50).collect::<Vec<_>>());
}

#[test]
fn a_peer_that_sends_rubbish_and_takes_no_answers_is_not_read_for_ever() {
    let limits = Limits { outbox_messages: 3, in_flight: 4, ..Limits::default() };
    let (mut house, wire, home) = house(limits);
    house.stall(wire, true);
    for _ in 0..100 {
        house.send_text(wire, "rubbish");
    }
    let usage = house.endpoint(home).usage();
    assert!(usage.outbox_messages <= 7, "{usage:?}");
    assert!(house.unread(wire) >= 93);
}

#[test]
fn errors_that_the_peer_takes_count_no_longer() {
    for limits in [Limits { outbox_messages: 3, ..Limits::default() }, Limits { outbox_bytes: 300, ..Limits::default() }] {
        for resume in [json!({}), json!({"resume": {"received": 0}})] {
            let mut house = House::new(ServerConfig { limits: limits.clone(), dialect: Dialect::Strict, ..ServerConfig::default() });
            let (wire, _) = house.connect(resume);
            let home = house.home(wire);
            for n in 1..=20 {
                house.send_text(wire, "rubbish");
                assert_eq!(house.one(wire)["error"]["code"], -32700);
                house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"received": n}}));
                house.read(wire);
                assert!(house.endpoint(home).wants_read(), "{n}");
            }
        }
    }
}

#[test]
fn a_peer_that_pings_and_takes_no_pongs_is_not_read_for_ever() {
    let (mut house, wire, home) = house(Limits { in_flight: 4, outbox_messages: 4, ..Limits::default() });
    house.stall(wire, true);
    for id in 0..100 {
        house.send(wire, &request(id, "ping"));
    }
    assert_eq!((house.unread(wire), house.endpoint(home).wants_read()), (96, false));
    house.stall(wire, false);
    assert_eq!(house.read(wire).len(), 100);
}

#[test]
fn while_a_call_of_ours_is_out_we_read_on_so_that_its_answer_can_arrive() {
    let limits = Limits { in_flight: 2, outbox_messages: 10, ..Limits::default() };
    let (mut house, wire, home) = house(limits);
    let (tag, _) = house.call(home, "ask", &json!([]), None).unwrap();
    let asked = house.one(wire);
    for id in 1..=5 {
        house.send(wire, &request(id, "busy"));
    }
    house.send(wire, &json!({"jsonrpc": "2.0", "id": asked["id"], "result": 1}));
    assert!(house.outcome(tag).is_some());
}

#[test]
fn even_then_what_is_taken_in_is_bounded() {
    let limits = Limits { in_flight: 2, outbox_messages: 3, ..Limits::default() };
    let (mut house, wire, home) = house(limits);
    house.call(home, "ask", &json!([]), None).unwrap();
    for id in 1..=100 {
        house.send(wire, &request(id, "busy"));
    }
    let usage = house.endpoint(home).usage();
    assert!(usage.in_flight <= 2 * 2 + 3 && usage.outbox_messages <= 2 + 3, "{usage:?}");
}

#[test]
fn a_batch_is_bounded_by_the_requests_in_flight_too() {
    let (mut house, wire, home) = house(Limits { in_flight: 4, ..Limits::default() });
    let members = |n: u32| Value::from((0..n).map(|id| request(id, "later")).collect::<Vec<_>>());
    house.send(wire, &members(5));
    assert_eq!(house.one(wire)["error"]["code"], -32600);
    house.send(wire, &members(4));
    assert_eq!(house.endpoint(home).usage().in_flight, 4);
}

#[test]
fn a_buffer_that_is_full_to_the_byte_is_full() {
    let mut bytes = 1;
    for full in [true, true, false] {
        let (mut house, wire, home) = house(Limits { outbox_bytes: bytes, ..Limits::default() });
        house.stall(wire, true);
        house.notify(home, "event", 0).unwrap();
        bytes = house.endpoint(home).usage().outbox_bytes + usize::from(bytes > 1);
        assert_eq!(house.endpoint(home).has_room(), !full);
    }
}

#[test]
fn no_request_starts_behind_a_buffer_that_is_full_to_the_byte() {
    for batch in [false, true] {
        let mut bytes = 10_000;
        for starts in [true, false] {
            let (mut house, wire, home) = house(Limits { outbox_bytes: bytes, ..Limits::default() });
            if batch {
                house.send(wire, &json!([request(1, "busy"), request(2, "count")]));
            }
            house.stall(wire, true);
            house.notify(home, "event", 0).unwrap();
            if batch {
                house.finish(0, &json!(1));
            } else {
                house.send(wire, &request(2, "count"));
            }
            assert_eq!(house.served.iter().any(|served| served.starts_with("count")), starts, "{batch} {bytes}");
            house.stall(wire, false);
            assert_eq!(house.read(wire).len(), 2);
            house.stall(wire, true);
            house.notify(home, "event", 0).unwrap();
            bytes = house.endpoint(home).usage().outbox_bytes;
        }
    }
}

#[test]
fn errors_that_the_peer_does_not_take_are_bounded_exactly() {
    let (mut house, wire, home) = house(Limits { outbox_messages: 3, ..Limits::default() });
    house.stall(wire, true);
    for wants_read in [true, true, false] {
        house.send_text(wire, "rubbish");
        assert_eq!(house.endpoint(home).wants_read(), wants_read);
    }
    let bytes = house.endpoint(home).usage().outbox_bytes;
    for (bound, wants_read) in [(bytes, false), (bytes + 1, true)] {
        let (mut house, wire, home) = self::house(Limits { outbox_bytes: bound, ..Limits::default() });
        house.stall(wire, true);
        (0..3).for_each(|_| house.send_text(wire, "rubbish"));
        assert_eq!(house.endpoint(home).wants_read(), wants_read);
    }
}

#[test]
fn usage_tells_who_runs_and_who_waits() {
    let (mut house, wire, home) = house(Limits::default());
    for id in 1..=3 {
        house.send(wire, &request(id, "busy"));
    }
    let usage = house.endpoint(home).usage();
    assert_eq!((usage.in_flight, usage.queued), (3, 2));
    let each = usage.queued_bytes / 2;
    assert!(each > 0);
    for left in [1, 0] {
        house.finish(1 - left, &json!(1));
        let usage = house.endpoint(home).usage();
        assert_eq!((usage.queued, usage.queued_bytes), (left, left * each));
    }
    for (bound, wants_read) in [(2 * each, false), (2 * each + 1, true)] {
        let (mut house, wire, home) = self::house(Limits { queued_bytes: bound, ..Limits::default() });
        (1..=3).for_each(|id| house.send(wire, &request(id, "busy")));
        assert_eq!(house.endpoint(home).wants_read(), wants_read);
    }
}

#[test]
fn calls_are_bounded() {
    let (mut house, _, home) = house(Limits { calls: 3, ..Limits::default() });
    for _ in 0..3 {
        house.call(home, "ask", &json!([]), Some(Duration::from_secs(1))).unwrap();
    }
    assert_eq!(house.call(home, "ask", &json!([]), None).unwrap_err(), SendError::Full);
    house.advance(Duration::from_secs(1));
    assert!(house.call(home, "ask", &json!([]), None).is_ok());
}

#[test]
fn a_client_that_is_not_open_yet_takes_calls_into_the_bounded_queue() {
    let limits = Limits { outbox_messages: 2, ..Limits::default() };
    let mut server = RawServer::new(ClientConfig { limits, ..ClientConfig::default() });
    let (first, second) = (server.call_plain("a"), server.call_plain("b"));
    assert_eq!(server.call("c", &json!({}), None).unwrap_err(), SendError::Full);
    server.accept();
    assert_eq!(server.read().len(), 1, "only connect");
    server.send(&json!({"jsonrpc": "2.0", "id": 3, "result": {"value": "OK", "sessionId": "S"}}));
    let asked = server.read();
    assert_eq!((&asked[0]["method"], &asked[1]["method"]), (&json!("a"), &json!("b")));
    for call in &asked {
        server.answer(call, json!({}));
    }
    assert!(server.outcome(first).is_some() && server.outcome(second).is_some());
}

#[test]
fn a_client_whose_buffer_is_full_still_reads_the_answer_to_its_connect() {
    let limits = Limits { outbox_messages: 2, in_flight: 2, ..Limits::default() };
    let mut server = RawServer::resumable(ClientConfig { limits, ..ClientConfig::default() });
    for (id, method) in [(1, "later"), (2, "later")] {
        server.send(&request(id, method));
    }
    server.notify("event", 1).unwrap();
    server.notify("event", 2).unwrap();
    server.finish(0, &json!({}));
    server.finish(1, &json!({}));
    assert_eq!(server.client().usage().outbox_messages, 4);
    server.cut();
    server.read();
    server.accept();
    server.greet(json!({"value": "reconnection successful", "sessionId": "S", "resume": {"received": 4}}));
    assert!(server.client().is_attached() && server.client().wants_read());
    assert_eq!(server.client().usage().outbox_messages, 0);
}

#[test]
fn answers_that_wait_for_their_batch_leave_no_room_for_other_requests() {
    for alone in [true, false] {
        let (mut house, wire, _) = house(Limits { outbox_bytes: 300, ..Limits::default() });
        house.send(wire, &json!([request(1, "later"), {"jsonrpc": "2.0", "id": 2, "method": "echo", "params": ["x".repeat(400)]}]));
        house.send(wire, &if alone { request(3, "count") } else { json!([request(3, "count")]) });
        assert!(!house.served.iter().any(|served| served.starts_with("count")), "{:?}", house.served);
        house.finish(0, &json!(1));
        let frames = house.read(wire);
        let next = if alone { &frames[1] } else { &frames[1][0] };
        assert_eq!((frames[0].as_array().map(Vec::len), &next["id"]), (Some(2), &json!(3)));
    }
}
