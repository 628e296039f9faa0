//! PROTOCOL 4: the client's pings.

use bowline_core::{ClientConfig, Close, Limits};
use bowline_tests::raw::Event;
use bowline_tests::raw_server::RawServer;
use serde_json::{Value, json};
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn beating() -> ClientConfig {
    ClientConfig { heartbeat: Some(seconds(5)), resume: false, ..ClientConfig::default() }
}

fn back() -> Value {
    json!({"value": "reconnection successful", "sessionId": "S"})
}

#[test]
fn it_is_off_until_enabled() {
    let mut server = RawServer::connected(ClientConfig { resume: false, ..ClientConfig::default() });
    server.advance(seconds(299));
    assert_eq!(server.read(), Vec::<Value>::new());
}

#[test]
fn a_ping_goes_out_at_once_and_then_every_interval() {
    let mut server = RawServer::connected(beating());
    let first = server.one();
    assert_eq!((&first["method"], &first["params"]), (&json!("ping"), &json!({"interval": 5000})));
    server.answer(&first, json!({"value": "pong", "sessionId": "S"}));
    for _ in 0..100 {
        server.advance(seconds(5) - MOMENT);
        assert_eq!(server.read(), Vec::<Value>::new());
        server.advance(MOMENT);
        let ping = server.one();
        assert_eq!((&ping["method"], ping.get("params")), (&json!("ping"), None), "later ones carry no params");
        server.answer(&ping, json!({"value": "pong"}));
    }
    assert_eq!((server.events(), server.client().usage().calls), (vec![], 0));
}

#[test]
fn a_server_is_not_judged_while_the_client_does_not_read() {
    let limits = Limits { in_flight: 2, ..Limits::default() };
    let mut server = RawServer::connected(ClientConfig { limits, ..beating() });
    let ping = server.one();
    server.answer(&ping, json!({"value": "pong", "sessionId": "S"}));
    for n in 0..3 {
        server.send(&json!({"jsonrpc": "2.0", "id": n, "method": "busy", "params": {}}));
    }
    server.advance(seconds(5));
    let ping = server.one();
    // It lies behind a request that is not taken in before one of the others is answered.
    server.answer(&ping, json!({"value": "pong"}));
    for _ in 0..200 {
        server.advance(seconds(5));
        assert_eq!(server.events(), [], "the client gives up nobody to whom it does not listen");
    }
    server.finish(0, &json!(null));
    server.finish(1, &json!(null));
    server.advance(seconds(4));
    assert!(server.events().is_empty() && server.client().is_attached());
}

#[test]
fn an_unanswered_ping_drops_the_transport_and_reconnects() {
    let mut server = RawServer::connected(beating());
    server.advance(seconds(5) - MOMENT);
    assert_eq!(server.events(), []);
    server.advance(MOMENT);
    assert_eq!(server.events(), [Event::HungUp(Close::NORMAL), Event::Lost, Event::Dial(1)]);
}

#[test]
fn a_ping_has_its_own_time_if_it_is_given_one() {
    for (timeout, unanswered) in [(seconds(2), 1), (seconds(12), 1)] {
        let mut server = RawServer::connected(ClientConfig { ping_timeout: Some(timeout), ..beating() });
        server.advance(timeout - MOMENT);
        assert_eq!((server.events(), server.read().len()), (vec![], unanswered), "one ping at a time");
        server.advance(MOMENT);
        assert_eq!(server.events().first(), Some(&Event::HungUp(Close::NORMAL)));
    }
}

#[test]
fn pings_come_back_after_every_reconnection_and_only_once_connect_has_succeeded() {
    let mut server = RawServer::connected(beating());
    for n in 0..20 {
        let ping = server.one();
        assert_eq!(ping["params"], json!({"interval": 5000}), "the first of transport {n} announces the interval");
        server.answer(&ping, json!({"value": "pong"}));
        server.advance(seconds(7));
        server.read();
        if n % 2 == 0 {
            server.cut()
        } else {
            server.advance(seconds(3))
        }
        server.accept();
        let connect = server.expect("connect");
        server.advance(seconds(4));
        assert_eq!(server.read(), Vec::<Value>::new(), "no ping before the answer");
        server.answer(&connect, back());
    }
}

#[test]
fn pings_go_on_in_a_new_session_and_at_a_plain_server() {
    for code in [40007, -32601] {
        let mut server = RawServer::connected(beating());
        server.read();
        server.cut();
        server.accept();
        let connect = server.expect("connect");
        server.refuse(&connect, code);
        if code == 40007 {
            server.greet(json!({"value": "OK", "sessionId": "T"}));
        }
        assert_eq!(server.one()["params"], json!({"interval": 5000}));
    }
}

#[test]
fn an_error_answer_is_a_sign_of_life() {
    let mut server = RawServer::connected(beating());
    let ping = server.one();
    server.refuse(&ping, -32601);
    server.advance(seconds(5));
    assert_eq!(server.events(), []);
    assert_eq!(server.one()["method"], "ping");
}

#[test]
fn pings_are_not_sent_while_there_is_no_transport() {
    let mut server = RawServer::connected(beating());
    server.cut();
    server.read();
    server.fail_dial();
    for _ in 0..5 {
        server.wait_for_dial();
        server.fail_dial();
    }
    server.wait_for_dial();
    server.accept();
    assert_eq!(server.one()["method"], "connect");
}

#[test]
fn it_can_be_enabled_and_disabled_at_any_time() {
    let mut server = RawServer::connected(ClientConfig { resume: false, ..ClientConfig::default() });
    server.with(|client, now| client.set_heartbeat(now, Some(seconds(1))));
    let ping = server.one();
    assert_eq!(ping["params"], json!({"interval": 1000}));
    server.answer(&ping, json!({"value": "pong"}));
    server.with(|client, now| client.set_heartbeat(now, None));
    server.advance(seconds(200));
    assert_eq!((server.read(), server.events()), (vec![], vec![]));
    server.cut();
    server.with(|client, now| client.set_heartbeat(now, Some(seconds(2))));
    server.accept();
    server.greet(back());
    assert_eq!(server.one()["params"], json!({"interval": 2000}));
}

#[test]
fn an_interval_changed_while_a_ping_is_out_is_announced_and_confuses_nobody() {
    let mut server = RawServer::resumable(ClientConfig { heartbeat: Some(seconds(5)), ..ClientConfig::default() });
    let first = server.one();
    server.with(|client, now| client.set_heartbeat(now, Some(seconds(10))));
    let mut pings = server.read();
    server.answer(&first, json!({"value": "pong", "received": 0}));
    pings.extend(server.read());
    server.advance(seconds(1));
    pings.extend(server.read());
    assert_eq!(pings.len(), 1, "{pings:?}");
    assert_eq!(pings[0]["params"], json!({"interval": 10000, "received": 0}));
    server.answer(&pings[0], json!({"value": "pong", "received": 0}));
    server.advance(seconds(10));
    assert_eq!(server.one()["params"], json!({"received": 0}), "a pong is no application message");
}

#[test]
fn a_ping_that_is_out_has_the_time_that_the_new_interval_gives() {
    for (interval, patience) in [(60, 60), (2, 2)] {
        let mut server = RawServer::connected(beating());
        server.advance(seconds(1));
        server.with(|client, now| client.set_heartbeat(now, Some(seconds(interval))));
        server.advance(seconds(patience) - MOMENT);
        assert!(server.is_up(), "{interval}");
        server.advance(MOMENT);
        assert!(!server.is_up(), "{interval}");
    }
}

#[test]
fn a_heartbeat_keeps_an_idle_connection() {
    let mut server = RawServer::connected(ClientConfig { idle_timeout: Some(seconds(20)), ..beating() });
    server.pongs = true;
    let ping = server.one();
    server.answer(&ping, json!({"value": "pong"}));
    server.advance(seconds(3600));
    assert_eq!(server.events(), []);
}

#[test]
fn a_server_that_does_not_take_what_it_brings_about_is_judged_all_the_same() {
    // It has written more than the client has room to answer, so that nothing is read...
    for heartbeat in [Some(seconds(5)), None] {
        let mut server = RawServer::resumable(ClientConfig { heartbeat, ..ClientConfig::default() });
        server.read();
        for _ in 0..8 {
            server.send(&json!(vec![json!(5); 1024]));
        }
        server.read();
        assert!(!server.client().wants_read());
        server.advance(seconds(60));
        assert!(server.client().wants_read() || !server.client().is_attached());
    }
    // ... and nothing is taken either.
    let mut server = RawServer::connected(beating());
    server.stalled = true;
    for id in 0..1100 {
        server.send(&json!({"jsonrpc": "2.0", "id": id, "method": 5}));
    }
    server.advance(seconds(60));
    assert!(!server.client().is_attached());
}
