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
