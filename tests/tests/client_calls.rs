//! PROTOCOL 7: what becomes of a client's calls, and of the server's, when the connection breaks.

use bowline_core::{CallOutcome, ClientConfig, InFlight};
use bowline_tests::raw_server::RawServer;
use serde_json::{Value, json};
use std::time::Duration;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn plain() -> ClientConfig {
    ClientConfig { resume: false, ..ClientConfig::default() }
}

fn ok() -> Value {
    json!({"value": "OK", "sessionId": "S"})
}

fn back() -> Value {
    json!({"value": "reconnection successful", "sessionId": "S"})
}

#[test]
fn a_call_that_waits_times_out_like_any_other_and_is_never_sent() {
    let mut server = RawServer::connected(plain());
    server.cut();
    let (short, default) = (server.call("m", &json!({}), Some(seconds(2))).unwrap().0, server.call_plain("n"));
    server.advance(seconds(2));
    assert_eq!(server.outcome(short), Some(&CallOutcome::TimedOut));
    server.accept();
    server.greet(back());
    assert_eq!(server.one()["method"], "n");
    server.advance(seconds(58));
    assert_eq!(server.outcome(default), Some(&CallOutcome::TimedOut), "sixty seconds from the call");
}

#[test]
fn without_resumption_calls_in_flight_end_as_interrupted_and_what_waited_is_sent() {
    let mut server = RawServer::connected(plain());
    let sent = server.call_plain("sent");
    server.read();
    server.cut();
    assert_eq!(server.outcome(sent), Some(&CallOutcome::Interrupted));
    server.call_plain("waiting");
    server.accept();
    server.greet(back());
    assert_eq!(server.one()["method"], "waiting");
}

#[test]
fn a_client_that_was_told_to_repeats_calls_with_the_same_id() {
    let mut server = RawServer::connected(ClientConfig { in_flight: InFlight::Repeat, ..plain() });
    let tags = [server.call_plain("a"), server.call_plain("b")];
    server.notify("event", 1).unwrap();
    let first = server.read();
    server.answer(&first[0], json!({}));
    for _ in 0..2 {
        server.cut();
        server.wait_for_dial();
        server.accept();
        server.greet(back());
        let again = server.one();
        assert_eq!(again, first[1], "only the call that has no answer");
    }
    server.answer(&first[1], json!({}));
    assert!(tags.iter().all(|tag| matches!(server.outcome(*tag), Some(CallOutcome::Result(_)))));
    assert_eq!(server.client().usage().outbox_messages, 0);
}

#[test]
fn not_even_such_a_client_repeats_a_call_in_a_new_session() {
    let mut server = RawServer::connected(ClientConfig { in_flight: InFlight::Repeat, ..plain() });
    let tag = server.call_plain("a");
    server.read();
    server.cut();
    server.accept();
    let asked = server.one();
    server.refuse(&asked, 40007);
    server.greet(json!({"value": "OK", "sessionId": "T"}));
    assert_eq!((server.outcome(tag), server.client().usage().outbox_messages), (Some(&CallOutcome::Interrupted), 0));
    assert_eq!(server.read(), Vec::<Value>::new());
}

#[test]
fn without_resumption_calls_wait_for_the_answer_to_connect_all_the_same() {
    let mut server = RawServer::new(plain());
    server.call_plain("m");
    server.accept();
    let connect = server.one();
    assert_eq!(connect["method"], "connect");
    server.answer(&connect, ok());
    assert_eq!(server.one()["params"], json!({"sessionId": "S"}));
}

#[test]
fn requests_of_the_server_are_served_one_by_one_and_answered_over_the_next_transport() {
    let mut server = RawServer::connected(plain());
    for id in 1..=3 {
        server.send(&json!({"jsonrpc": "2.0", "id": id, "method": "busy", "params": [id]}));
    }
    assert_eq!(server.served, ["busy [1]"]);
    server.cut();
    server.finish(0, &json!(1));
    assert_eq!(server.served, ["busy [1]", "busy [2]"]);
    server.accept();
    server.greet(back());
    assert_eq!(server.one()["id"], 1);
}

#[test]
fn session_methods_are_the_clients_to_call() {
    let mut server = RawServer::connected(plain());
    for (id, method, code) in [(1, "connect", json!(-32601)), (2, "closeSession", json!(-32601)), (3, "ping", json!(null))] {
        server.send(&json!({"jsonrpc": "2.0", "id": id, "method": method}));
        assert_eq!(server.one()["error"]["code"], code, "{method}");
    }
    assert!(server.client().is_attached());
}
