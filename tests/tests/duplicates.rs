//! PROTOCOL 5: the same request again.

use bowline_core::{Dialect, Limits, ServerConfig};
use bowline_tests::raw_client::{House, Wire};
use serde_json::{Value, json};
use std::time::Duration;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn house() -> (House, Wire, String) {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    (house, wire, id)
}

fn reconnected(house: &mut House, session: &str) -> Wire {
    let wire = house.open();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": "reconnect", "method": "connect", "params": {"sessionId": session}}));
    wire
}

fn send(house: &mut House, wire: Wire, id: Value, method: &str) {
    house.send(wire, &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}}));
}

#[test]
fn an_answered_request_gets_the_stored_answer_and_is_not_executed() {
    let (mut house, wire, session) = house();
    let first = house.ask(wire, 5, "count", json!({}));
    assert_eq!(house.ask(wire, 5, "count", json!({})), first);
    house.cut(wire);
    let wire = reconnected(&mut house, &session);
    house.read(wire);
    assert_eq!(house.ask(wire, 5, "count", json!({})), first, "on a new transport too");
    assert_eq!(house.ask(wire, 6, "count", json!({}))["result"]["value"], 2);
}

#[test]
fn an_error_is_an_answer_like_any_other() {
    let (mut house, wire, _) = house();
    let first = house.ask(wire, 5, "fail", json!({}));
    assert_eq!(house.ask(wire, 5, "fail", json!({})), first);
    assert_eq!(house.served.len(), 1);
}

#[test]
fn a_request_that_runs_is_answered_once_on_the_newest_transport() {
    let (mut house, wire, session) = house();
    send(&mut house, wire, json!(5), "busy");
    send(&mut house, wire, json!(5), "busy");
    house.cut(wire);
    let wire = reconnected(&mut house, &session);
    house.read(wire);
    send(&mut house, wire, json!(5), "busy");
    assert_eq!((house.served.len(), house.read(wire)), (1, vec![]));
    house.finish(0, &json!("once"));
    assert_eq!(house.one(wire)["result"]["value"], "once");
}

#[test]
fn requests_that_differ_in_their_ids_only_are_told_apart() {
    let (mut house, wire, _) = house();
    let ids: Vec<_> = (0..300).flat_map(|n| [json!(n), json!(format!("{n} times")), json!(f64::from(n) + 0.5)]).collect();
    send(&mut house, wire, json!("first"), "busy");
    for id in ids.iter().chain(&ids) {
        send(&mut house, wire, id.clone(), "count");
    }
    house.finish(0, &json!({}));
    // As many as are still kept.
    for id in ids.iter().rev().take(300) {
        send(&mut house, wire, id.clone(), "count");
    }
    let answers: Vec<_> = house.read(wire).iter().map(|answer| (answer["id"].clone(), answer["result"]["value"].clone())).collect();
    let once: Vec<_> = ids.iter().cloned().zip((1..).map(Value::from)).collect();
    assert_eq!(answers[1..=ids.len()], once);
    assert_eq!(answers[ids.len() + 1..], once.iter().rev().take(300).cloned().collect::<Vec<_>>());
}

#[test]
fn a_request_that_waits_for_its_turn_is_not_queued_twice() {
    let (mut house, wire, _) = house();
    send(&mut house, wire, json!(1), "busy");
    send(&mut house, wire, json!(2), "count");
    send(&mut house, wire, json!(2), "count");
    house.finish(0, &json!({}));
    let ids: Vec<_> = house.read(wire).iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn one_and_the_text_one_are_the_same_id_in_kurento_and_two_in_strict() {
    let (mut kurento, wire, _) = house();
    for id in [json!(1), json!("1"), json!(1)] {
        send(&mut kurento, wire, id, "count");
    }
    let results: Vec<_> = kurento.read(wire).iter().map(|answer| answer["result"]["value"].clone()).collect();
    assert_eq!(results, [1, 1, 1]);

    let mut strict = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let (wire, _) = strict.connect(json!({}));
    for id in [json!(1), json!("1"), json!(1)] {
        send(&mut strict, wire, id, "count");
    }
    let results: Vec<_> = strict.read(wire).iter().map(|answer| answer["result"].clone()).collect();
    assert_eq!(results, [1, 2, 1]);
}

#[test]
fn an_answer_is_kept_for_sixty_seconds_and_the_id_is_free_after_that() {
    let (mut house, wire, _) = house();
    house.ask(wire, 5, "count", json!({}));
    house.advance(seconds(60) - Duration::from_millis(1));
    assert_eq!(house.ask(wire, 5, "count", json!({}))["result"]["value"], 1);
    house.advance(Duration::from_millis(1));
    assert_eq!(house.ask(wire, 5, "count", json!({}))["result"]["value"], 2);
    house.advance(seconds(61));
    assert_eq!(house.endpoint(house.home(wire)).usage().duplicate_bytes, 0, "and it costs nothing any more");
    assert_eq!(house.endpoint(house.home(wire)).poll_timeout(), None);
}

#[test]
fn the_sixty_seconds_run_from_the_answer_and_not_from_the_request() {
    let (mut house, wire, _) = house();
    send(&mut house, wire, json!(5), "busy");
    house.advance(seconds(300));
    send(&mut house, wire, json!(5), "busy");
    house.finish(0, &json!("slow"));
    assert_eq!(house.one(wire)["result"]["value"], "slow");
    house.advance(seconds(59));
    send(&mut house, wire, json!(5), "busy");
    assert_eq!(house.one(wire)["result"]["value"], "slow");
}

#[test]
fn an_answer_leaves_the_memory_in_time_though_others_follow() {
    let (mut house, wire, _) = house();
    let home = house.home(wire);
    let kept = |house: &House| house.endpoint(home).usage().duplicate_bytes;
    assert_eq!((house.endpoint(home).poll_timeout(), kept(&house)), (None, 0));
    house.send(wire, &json!({"jsonrpc": "2.0", "method": "count"}));
    assert_eq!((house.endpoint(home).poll_timeout(), kept(&house)), (None, 0), "there is nothing to keep of a notification");
    house.ask(wire, 1, "count", json!({}));
    let one = kept(&house);
    house.advance(seconds(40));
    house.ask(wire, 2, "count", json!({}));
    assert_eq!(kept(&house), 2 * one);
    house.advance(seconds(20));
    assert_eq!(kept(&house), one, "the first goes after its own minute");
    house.advance(seconds(40));
    assert_eq!((house.endpoint(home).poll_timeout(), kept(&house)), (None, 0));
}

#[test]
fn answers_are_kept_within_a_bound_in_bytes_and_the_oldest_go_first() {
    let limits = Limits { duplicate_bytes: 1000, ..Limits::default() };
    let mut house = House::new(ServerConfig { limits, ..ServerConfig::default() });
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    for id in 1..=100 {
        house.ask(wire, id, "count", json!({}));
        assert!(house.endpoint(home).usage().duplicate_bytes <= 1000);
    }
    assert_eq!(house.ask(wire, 100, "count", json!({}))["result"]["value"], 100);
    assert_eq!(house.ask(wire, 1, "count", json!({}))["result"]["value"], 101, "the oldest was forgotten");
    // One that is over the bound by itself is not kept, and costs the others nothing.
    let long = "x".repeat(2000);
    house.ask(wire, 200, "echo", json!({"long": long}));
    house.ask(wire, 200, "echo", json!({"long": long}));
    assert_eq!(house.served.iter().filter(|served| served.starts_with("echo")).count(), 2);
    assert_eq!(house.ask(wire, 1, "count", json!({}))["result"]["value"], 101);
}

#[test]
fn without_room_for_answers_only_what_runs_is_known() {
    let limits = Limits { duplicate_bytes: 0, ..Limits::default() };
    let mut house = House::new(ServerConfig { limits, ..ServerConfig::default() });
    let (wire, _) = house.connect(json!({}));
    house.ask(wire, 1, "count", json!({}));
    assert_eq!(house.ask(wire, 1, "count", json!({}))["result"]["value"], 2);
    send(&mut house, wire, json!(2), "busy");
    send(&mut house, wire, json!(2), "busy");
    assert_eq!(house.served.len(), 3);
}

#[test]
fn another_request_under_an_old_id_is_no_repetition() {
    let (mut house, wire, _) = house();
    house.ask(wire, 1, "count", json!({}));
    assert_eq!(house.ask(wire, 1, "echo", json!({"a": 1}))["result"]["a"], 1);
    assert_eq!(house.ask(wire, 1, "echo", json!({"a": 2}))["result"]["a"], 2);
    assert_eq!(house.ask(wire, 1, "count", json!({}))["result"]["value"], 2, "and it takes the place of the old one");
}

#[test]
fn an_answer_that_fits_to_the_byte_is_kept() {
    let mut cost = usize::MAX;
    for kept in [true, true, false] {
        let limits = Limits { duplicate_bytes: cost, ..Limits::default() };
        let mut house = House::new(ServerConfig { limits, ..ServerConfig::default() });
        let (wire, _) = house.connect(json!({}));
        let answer = house.ask(wire, 1, "count", json!({}));
        let bytes = house.endpoint(house.home(wire)).usage().duplicate_bytes;
        assert_eq!(bytes, if kept { answer.to_string().len() + 64 } else { 0 });
        cost = if cost == usize::MAX { bytes } else { cost - 1 };
    }
}

#[test]
fn a_request_in_flight_whose_id_another_has_taken_is_asked_for_anew() {
    let (mut house, wire, _) = house();
    send(&mut house, wire, json!(5), "later");
    assert_eq!(house.ask(wire, 5, "count", json!({}))["result"]["value"], 1);
    send(&mut house, wire, json!(5), "later");
    assert_eq!(house.served.iter().filter(|served| served.starts_with("later")).count(), 2);
}

#[test]
fn members_of_a_batch_are_known_again_too() {
    let (mut house, wire, _) = house();
    let count = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "count"});
    house.send(wire, &json!([count(1), count(1), count(2)]));
    let first = house.one(wire);
    assert_eq!(first.as_array().unwrap().len(), 2, "one request, one answer: {first}");
    house.send(wire, &json!([count(2), count(3)]));
    let answers = house.one(wire);
    let mut values: Vec<_> = answers.as_array().unwrap().iter().map(|a| (a["id"].as_u64(), a["result"]["value"].as_u64())).collect();
    values.sort_unstable();
    assert_eq!(values, [(Some(2), Some(2)), (Some(3), Some(3))]);
    house.send(wire, &count(1));
    assert_eq!(house.one(wire)["result"]["value"], 1);
}

#[test]
fn a_request_that_was_sent_in_a_batch_and_again_alone_is_answered_alone() {
    let (mut house, wire, _) = house();
    let busy = json!({"jsonrpc": "2.0", "id": 1, "method": "busy"});
    house.send(wire, &json!([busy, {"jsonrpc": "2.0", "id": 2, "method": "count"}]));
    house.send(wire, &busy);
    house.finish(0, &json!("once"));
    let frames = house.read(wire);
    assert_eq!(frames.len(), 2, "{frames:?}");
    assert_eq!(frames[0]["result"]["value"], "once");
    assert_eq!((frames[1].as_array().unwrap().len(), &frames[1][0]["id"]), (1, &json!(2)));
}

#[test]
fn each_session_has_its_own_table() {
    let (mut house, wire, _) = house();
    house.ask(wire, 1, "count", json!({}));
    let (other, _) = house.connect(json!({}));
    assert_eq!(house.ask(other, 1, "count", json!({}))["result"]["value"], 2);
}

#[test]
fn none_is_kept_for_a_peer_with_resumption() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({"resume": {"received": 0}}));
    house.ask(wire, 1, "count", json!({}));
    assert_eq!(house.endpoint(house.home(wire)).usage().duplicate_bytes, 0);
    assert_eq!(house.ask(wire, 1, "count", json!({}))["result"]["value"], 2);
}

#[test]
fn the_table_ends_with_the_session() {
    let (mut house, wire, _) = house();
    house.ask(wire, 1, "count", json!({}));
    let home = house.home(wire);
    house.cut(wire);
    house.advance(seconds(10));
    assert_eq!((house.endpoint(home).usage().duplicate_bytes, house.endpoint(home).poll_timeout()), (0, None));
}
