//! PROTOCOL 3: what waits for what.

use bowline_core::ServerConfig;
use bowline_tests::raw_client::{House, Wire};
use serde_json::{Value, json};

fn house(concurrency: usize) -> (House, Wire) {
    let mut house = House::new(ServerConfig { concurrency, ..ServerConfig::default() });
    let (wire, _) = house.connect(json!({}));
    (house, wire)
}

fn send(house: &mut House, wire: Wire, id: u32, method: &str) {
    house.send(wire, &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}}));
}

#[test]
fn requests_of_a_session_run_one_after_the_other_in_order() {
    let (mut house, wire) = house(1);
    send(&mut house, wire, 1, "busy");
    for id in 2..=4 {
        send(&mut house, wire, id, "count");
    }
    house.send(wire, &json!({"jsonrpc": "2.0", "method": "note"}));
    assert_eq!((house.served.len(), house.read(wire)), (1, vec![]));
    house.finish(0, &json!(0));
    let results: Vec<_> = house.read(wire).iter().map(|answer| (answer["id"].clone(), answer["result"]["value"].clone())).collect();
    assert_eq!(results, [(json!(1), json!(0)), (json!(2), json!(1)), (json!(3), json!(2)), (json!(4), json!(3))]);
    assert_eq!(house.served, ["busy {}", "count {}", "count {}", "count {}", "note "]);
}

#[test]
fn a_handler_that_answers_later_lets_the_next_one_start() {
    let (mut house, wire) = house(1);
    send(&mut house, wire, 1, "later");
    send(&mut house, wire, 2, "later");
    send(&mut house, wire, 3, "count");
    assert_eq!(house.one(wire)["id"], 3);
    house.finish(1, &json!("b"));
    house.finish(0, &json!("a"));
    let ids: Vec<_> = house.read(wire).iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [2, 1], "answers come in the order in which they were given");
}

#[test]
fn a_path_may_run_several_at_once() {
    let (mut house, wire) = house(3);
    for id in 1..=5 {
        send(&mut house, wire, id, "busy");
    }
    assert_eq!(house.served.len(), 3);
    house.finish(1, &json!({}));
    assert_eq!(house.served.len(), 4);
    house.finish(0, &json!({}));
    house.finish(2, &json!({}));
    assert_eq!(house.served.len(), 5);
    house.finish(3, &json!({}));
    house.finish(4, &json!({}));
    let ids: Vec<_> = house.read(wire).iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [2, 1, 3, 4, 5]);
}

#[test]
fn members_of_a_batch_run_one_after_the_other_too() {
    let (mut house, wire) = house(1);
    house.send(wire, &json!([{"jsonrpc": "2.0", "id": 1, "method": "busy"}, {"jsonrpc": "2.0", "id": 2, "method": "busy"}]));
    assert_eq!(house.served.len(), 1);
    house.finish(0, &json!(1));
    assert_eq!(house.served.len(), 2);
    house.finish(1, &json!(2));
    assert_eq!(house.one(wire).as_array().unwrap().len(), 2);
}

#[test]
fn session_methods_never_wait_behind_a_busy_handler() {
    let (mut house, wire) = house(1);
    send(&mut house, wire, 1, "busy");
    send(&mut house, wire, 2, "count");
    for (id, method) in [(3, "ping"), (4, "connect")] {
        assert!(house.ask(wire, id, method, json!({}))["result"]["value"].is_string());
    }
    send(&mut house, wire, 5, "closeSession");
    assert_eq!(house.one(wire)["result"], "bye");
    assert_eq!(house.served, ["busy {}"], "what waited for its turn never started");
}

#[test]
fn answers_never_wait_behind_a_busy_handler() {
    let (mut house, wire) = house(1);
    send(&mut house, wire, 1, "busy");
    let home = house.home(wire);
    let (tag, _) = house.call(home, "ask", &json!({}), None).unwrap();
    let asked = house.one(wire);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": asked["id"], "result": 1}));
    assert!(house.outcome(tag).is_some(), "a handler may wait for the client's answer");
}

#[test]
fn the_queue_outlives_the_transport() {
    let (mut house, wire) = house(1);
    send(&mut house, wire, 1, "busy");
    send(&mut house, wire, 2, "count");
    let id = house.ask(wire, 3, "ping", json!({}))["result"]["sessionId"].clone();
    house.cut(wire);
    house.finish(0, &json!("x"));
    assert_eq!(house.served, ["busy {}", "count {}"], "the next one ran while detached");
    let again = house.open();
    house.send(again, &json!({"jsonrpc": "2.0", "id": 4, "method": "connect", "params": {"sessionId": id}}));
    let ids: Vec<_> = house.read(again).iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [4, 1, 2]);
}

#[test]
fn sessions_do_not_wait_for_each_other() {
    let (mut house, wire) = house(1);
    send(&mut house, wire, 1, "busy");
    let (other, _) = house.connect(json!({}));
    assert_eq!(house.ask(other, 1, "count", json!({}))["result"]["value"], 1);
    assert_eq!(house.read(wire), Vec::<Value>::new());
}
