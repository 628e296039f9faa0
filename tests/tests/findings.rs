//! What the fuzz targets and the reading that went with them have found, one scenario each (docs/fuzzing.md lists them).

use bowline_core::{CloseReason, Dialect, Limits, ServerConfig};
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
