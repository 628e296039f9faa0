//! PROTOCOL 3: `connect`, `ping`, `closeSession`, and how sessions begin and end.

use bowline_core::{Close, CloseReason, Dialect, ServerConfig};
use bowline_tests::raw::Event;
use bowline_tests::raw_client::House;
use serde_json::json;
use std::time::Duration;

#[test]
fn connect_without_a_session_opens_one_and_tells_it_again_when_asked_again() {
    for dialect in [Dialect::Kurento, Dialect::Strict] {
        let mut house = House::new(ServerConfig { dialect, ..ServerConfig::default() });
        let (wire, id) = house.connect(json!({}));
        let home = house.home(wire);
        assert_eq!(house.events(home), [Event::Opened]);
        assert_eq!(house.ask(wire, 1, "connect", json!({}))["result"], json!({"value": "OK", "sessionId": id}));
        assert_eq!((house.events(home), house.sessions()), (vec![], 1));
    }
}

#[test]
fn connect_without_params_or_with_null_for_a_session_opens_one() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "connect"}));
    assert_eq!(house.one(wire)["result"]["value"], "OK");
    let wire = house.open();
    assert_eq!(house.ask(wire, 1, "connect", json!({"sessionId": null}))["result"]["value"], "OK");
    assert_eq!(house.sessions(), 2);
}

#[test]
fn session_ids_are_version_4_uuids() {
    let mut house = House::new(ServerConfig::default());
    let (_, id) = house.connect(json!({}));
    let bytes = id.as_bytes();
    assert_eq!((id.len(), bytes[14], "89ab".contains(char::from(bytes[19]))), (36, b'4', true), "{id}");
}

#[test]
fn connect_with_a_known_session_attaches_it() {
    let mut house = House::new(ServerConfig::default());
    let (first, id) = house.connect(json!({}));
    let home = house.home(first);
    house.cut(first);
    let second = house.open();
    let answer = house.ask(second, 1, "connect", json!({"sessionId": id}));
    assert_eq!(answer["result"], json!({"value": "reconnection successful", "sessionId": id}));
    assert_eq!(house.home(second), home);
    assert_eq!(house.events(home), [Event::Opened, Event::Lost, Event::Resumed]);
    house.advance(Duration::from_secs(60));
    assert!(house.endpoint(home).is_attached(), "the grace timer stopped");
}

#[test]
fn connect_with_the_transports_own_session_is_a_reconnection_that_changes_nothing() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    let answer = house.ask(wire, 1, "connect", json!({"sessionId": id}));
    assert_eq!(answer["result"], json!({"value": "reconnection successful", "sessionId": id}));
    let home = house.home(wire);
    assert_eq!(house.events(home), [Event::Opened]);
}

#[test]
fn connect_with_an_unknown_session_is_40007_and_the_transport_stays_usable() {
    for dialect in [Dialect::Kurento, Dialect::Strict] {
        let mut house = House::new(ServerConfig { dialect, ..ServerConfig::default() });
        let wire = house.open();
        let answer = house.ask(wire, 1, "connect", json!({"sessionId": "00000000-0000-4000-8000-000000000000"}));
        assert_eq!(answer["error"], json!({"code": 40007, "message": "reconnection error"}));
        assert_eq!(house.sessions(), 0);
        assert_eq!(house.ask(wire, 2, "connect", json!({}))["result"]["value"], "OK");
    }
}

#[test]
fn connect_with_a_closed_session_is_40007() {
    let mut house = House::new(ServerConfig::default());
    let (first, id) = house.connect(json!({}));
    house.ask(first, 1, "closeSession", json!({}));
    let second = house.open();
    assert_eq!(house.ask(second, 1, "connect", json!({"sessionId": id}))["error"]["code"], 40007);
}

#[test]
fn ping_is_answered_before_there_is_a_session_and_makes_none() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    assert_eq!(house.ask(wire, 1, "ping", json!({"interval": 5000}))["result"], json!({"value": "pong"}));
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
    assert_eq!(house.one(wire)["result"], json!({"value": "pong"}));
    assert_eq!(house.sessions(), 0);
    let home = house.home(wire);
    assert_eq!(house.events(home), []);
    house.cut(wire);
    assert_eq!(house.events(home), [Event::Closed(CloseReason::NeverOpened)]);
}

#[test]
fn ping_names_the_session_if_the_request_did_or_the_transport_has_one() {
    let mut house = House::new(ServerConfig::default());
    let fresh = house.open();
    assert_eq!(house.ask(fresh, 1, "ping", json!({"sessionId": "X"}))["result"], json!({"value": "pong", "sessionId": "X"}));
    let (wire, id) = house.connect(json!({}));
    assert_eq!(house.ask(wire, 1, "ping", json!({}))["result"], json!({"value": "pong", "sessionId": id}));
}

#[test]
fn a_ping_brings_back_no_more_than_a_session_id() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    let named = "x".repeat(128);
    assert_eq!(house.ask(wire, 1, "ping", json!({"sessionId": named}))["result"]["sessionId"], json!(named));
    assert_eq!(house.ask(wire, 2, "ping", json!({"sessionId": "x".repeat(129)}))["result"], json!({"value": "pong"}));
    let (wire, id) = house.connect(json!({}));
    assert_eq!(house.ask(wire, 3, "ping", json!({"sessionId": "x".repeat(129)}))["result"]["sessionId"], json!(id));
}

#[test]
fn pings_whose_answers_nobody_takes_are_bounded_by_their_bytes() {
    let limits = bowline_core::Limits { outbox_bytes: 1000, ..bowline_core::Limits::default() };
    let mut house = House::new(ServerConfig { limits, ..ServerConfig::default() });
    let wire = house.open();
    house.stall(wire, true);
    for n in 0..100 {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": n, "method": "ping", "params": {"sessionId": "x".repeat(128)}}));
    }
    let unread = house.unread(wire);
    assert!((90..100).contains(&unread), "{unread} of a hundred pings are not read");
    house.stall(wire, false);
    assert_eq!(house.read(wire).len(), 100);
}

#[test]
fn session_methods_sent_as_notifications_work_without_an_answer() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    house.send(wire, &json!({"jsonrpc": "2.0", "method": "ping"}));
    house.send(wire, &json!({"jsonrpc": "2.0", "method": "connect"}));
    house.send(wire, &json!({"jsonrpc": "2.0", "method": "closeSession"}));
    let home = house.home(wire);
    assert_eq!(house.read(wire), Vec::<serde_json::Value>::new());
    assert_eq!(house.events(home), [Event::Opened, Event::HungUp(Close::NORMAL), Event::Closed(CloseReason::ClientClosed)]);
}

#[test]
fn close_session_says_bye_and_closes_at_once() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    house.notify(home, "before", 1).unwrap();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "later"}));
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 5, "method": "closeSession", "params": {}}));
    let frames = house.read(wire);
    assert_eq!(frames.len(), 2, "{frames:?}");
    assert_eq!(frames[0]["method"], "before");
    assert_eq!(frames[1], json!({"jsonrpc": "2.0", "id": 5, "result": "bye"}));
    assert_eq!(house.closed_with(wire), Some(Close::NORMAL));
    assert_eq!(house.events(home), [Event::Opened, Event::HungUp(Close::NORMAL), Event::Closed(CloseReason::ClientClosed)]);
    assert_eq!(CloseReason::ClientClosed.as_str(), "Client sent close message");
    assert_eq!(house.sessions(), 0);
    house.finish(0, &json!("too late"));
    assert_eq!(house.events(home), [], "an answer after the end does nothing");
}

#[test]
fn what_is_queued_is_flushed_before_bye() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    house.stall(wire, true);
    house.notify(home, "event", 1).unwrap();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 4, "method": "echo"}));
    house.stall(wire, false);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 5, "method": "closeSession"}));
    let methods: Vec<_> = house.read(wire).iter().map(|f| f["method"].as_str().map_or(f["id"].to_string(), str::to_owned)).collect();
    assert_eq!(methods, ["event", "4", "5"]);
}

#[test]
fn calls_in_flight_end_as_closed_when_the_session_does() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    let (tag, _) = house.call(home, "ask", &json!({}), None).unwrap();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 9, "method": "closeSession"}));
    assert_eq!(house.outcome(tag), Some(&bowline_core::CallOutcome::Closed));
}

#[test]
fn any_other_request_on_a_transport_without_a_session_opens_one() {
    for dialect in [Dialect::Kurento, Dialect::Strict] {
        let mut house = House::new(ServerConfig { dialect, ..ServerConfig::default() });
        let wire = house.open();
        house.ask(wire, 1, "echo", json!({}));
        let wire = house.open();
        house.send(wire, &json!({"jsonrpc": "2.0", "method": "note"}));
        let wire = house.open();
        house.send(wire, &json!([{"jsonrpc": "2.0", "method": "note"}]));
        assert_eq!(house.sessions(), 3);
    }
}

#[test]
fn a_first_request_with_a_known_session_attaches_it_and_one_with_an_unknown_session_opens_another() {
    let mut house = House::new(ServerConfig::default());
    let (first, id) = house.connect(json!({}));
    let home = house.home(first);
    house.cut(first);
    let second = house.open();
    assert_eq!(house.ask(second, 1, "echo", json!({"sessionId": id}))["result"]["sessionId"], json!(id));
    assert_eq!((house.home(second), house.events(home)), (home, vec![Event::Opened, Event::Lost, Event::Resumed]));

    let third = house.open();
    let answer = house.ask(third, 1, "echo", json!({"sessionId": "gone", "a": 1}));
    assert_eq!(answer["result"]["a"], 1);
    assert_ne!(answer["result"]["sessionId"], json!(id));
    assert_eq!(house.sessions(), 2);
}

#[test]
fn a_batch_may_name_the_session_too() {
    let mut house = House::new(ServerConfig::default());
    let (first, id) = house.connect(json!({}));
    house.cut(first);
    let second = house.open();
    house.send(second, &json!([{"jsonrpc": "2.0", "id": 1, "method": "echo", "params": {"sessionId": id}}]));
    assert_eq!(house.one(second)[0]["result"]["sessionId"], json!(id));
    assert_eq!(house.home(second), house.home(first));
}

#[test]
fn calls_right_behind_connect_are_served_in_order_after_it() {
    let mut house = House::new(ServerConfig::default());
    let (first, id) = house.connect(json!({}));
    house.cut(first);
    let second = house.open();
    house.stall(second, true);
    house.send(second, &json!({"jsonrpc": "2.0", "id": 1, "method": "connect", "params": {"sessionId": id}}));
    house.send(second, &json!({"jsonrpc": "2.0", "id": 2, "method": "echo", "params": {"sessionId": id}}));
    house.send(second, &json!({"jsonrpc": "2.0", "id": 3, "method": "ping"}));
    house.stall(second, false);
    let mut ids: Vec<_> = house.read(second).iter().map(|frame| frame["id"].as_u64().unwrap()).collect();
    assert_eq!(ids[0], 1);
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3]);
}

#[test]
fn only_the_first_request_of_a_session_is_new() {
    let mut house = House::new(ServerConfig::default());
    let (first, id) = house.connect(json!({}));
    assert_eq!(house.ask(first, 1, "is_first", json!({}))["result"]["value"], true);
    assert_eq!(house.ask(first, 2, "is_first", json!({}))["result"]["value"], false);
    house.cut(first);
    let second = house.open();
    house.ask(second, 3, "connect", json!({"sessionId": id}));
    assert_eq!(house.ask(second, 4, "is_first", json!({}))["result"]["value"], false, "a reconnection is no new session");
}

#[test]
fn a_server_that_closes_a_session_says_so_to_both_sides() {
    for (reason, close) in [(CloseReason::Application, Close::NORMAL), (CloseReason::Shutdown, Close::GOING_AWAY)] {
        let mut house = House::new(ServerConfig::default());
        let (wire, _) = house.connect(json!({}));
        let home = house.home(wire);
        house.notify(home, "last words", 1).unwrap();
        house.with(home, |endpoint, now| endpoint.close(now, reason));
        assert_eq!(house.one(wire)["method"], "last words");
        assert_eq!(house.closed_with(wire), Some(close));
        assert_eq!(house.events(home), [Event::Opened, Event::HungUp(close), Event::Closed(reason)]);
        assert_eq!(house.notify(home, "event", 1), Err(bowline_core::SendError::Closed));
    }
}

#[test]
fn params_of_session_methods_that_make_no_sense_are_refused_by_name() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    for (id, (method, params, names)) in [
        ("connect", json!({"sessionId": 5}), "sessionId"),
        ("connect", json!({"resume": {"received": -1}}), "resume.received"),
        ("connect", json!({"resume": {}}), "resume.received"),
        ("connect", json!({"resume": {"received": 3}}), "resume.received"),
        ("ping", json!({"interval": "soon"}), "interval"),
        ("ping", json!({"received": 1.5}), "received"),
    ]
    .into_iter()
    .enumerate()
    {
        let error = house.ask(wire, id as u32, method, params)["error"].clone();
        assert_eq!(error["code"], -32602, "{error}");
        assert!(error["message"].as_str().unwrap().contains(names), "{error} names {names}");
    }
    assert_eq!(house.sessions(), 0);
}
