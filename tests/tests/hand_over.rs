//! PROTOCOL 3: a transport that turns out to belong to another session.

use bowline_core::{Close, CloseReason, Dialect, ServerConfig};
use bowline_tests::raw::Event;
use bowline_tests::raw_client::House;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn the_old_transport_is_closed_with_4104_and_the_session_does_not_notice_its_end() {
    let mut house = House::new(ServerConfig::default());
    let (old, id) = house.connect(json!({}));
    let home = house.home(old);
    let new = house.open();
    house.ask(new, 1, "connect", json!({"sessionId": id}));
    assert_eq!(house.closed_with(old), Some(Close { code: 4104, reason: "Connection closed for reconnection" }));
    assert_eq!(house.events(home), [Event::Opened, Event::Resumed]);
    house.cut(old);
    house.advance(Duration::from_secs(60));
    assert_eq!(house.events(home), []);
    assert!(house.endpoint(home).is_attached());
}

#[test]
fn the_endpoint_that_the_new_transport_had_closes_without_ever_having_opened() {
    let mut house = House::new(ServerConfig::default());
    let (old, id) = house.connect(json!({}));
    let new = house.open();
    let fresh = house.home(new);
    house.ask(new, 1, "connect", json!({"sessionId": id}));
    assert_eq!(house.events(fresh), [Event::Closed(CloseReason::NeverOpened)]);
    assert_eq!((house.sessions(), house.home(new)), (1, house.home(old)));
}

#[test]
fn transports_that_race_for_a_session_leave_it_to_the_last() {
    let mut house = House::new(ServerConfig::default());
    let (first, id) = house.connect(json!({}));
    let home = house.home(first);
    house.cut(first);
    let racers: Vec<_> = (0..5).map(|_| house.open()).collect();
    for round in 0..3 {
        for (n, racer) in racers.iter().enumerate() {
            house.send(*racer, &json!({"jsonrpc": "2.0", "id": round * 10 + n, "method": "connect", "params": {"sessionId": id}}));
        }
    }
    for racer in &racers[..4] {
        assert_eq!(house.closed_with(*racer), Some(Close::MOVED));
        assert_eq!(house.read(*racer).len(), 1, "what it sent after it had lost was not read");
    }
    let last = racers[4];
    assert_eq!((house.closed_with(last), house.home(last), house.read(last).len()), (None, home, 3));
    assert_eq!(house.sessions(), 1);
    assert_eq!(house.ask(last, 99, "count", json!({}))["result"]["value"], 1);
}

#[test]
fn an_old_transport_that_wakes_up_late_is_not_heard() {
    let mut house = House::new(ServerConfig::default());
    let (old, id) = house.connect(json!({}));
    let new = house.open();
    house.ask(new, 1, "connect", json!({"sessionId": id}));
    house.read(old);
    house.send(old, &json!({"jsonrpc": "2.0", "id": 2, "method": "count"}));
    house.send(old, &json!({"jsonrpc": "2.0", "id": 3, "method": "closeSession"}));
    assert_eq!((house.read(old), house.read(new)), (vec![], vec![]));
    assert_eq!((house.served.len(), house.sessions()), (0, 1));
}

#[test]
fn an_answer_goes_to_the_newest_transport() {
    let mut house = House::new(ServerConfig::default());
    let (old, id) = house.connect(json!({}));
    house.send(old, &json!({"jsonrpc": "2.0", "id": 1, "method": "busy"}));
    let new = house.open();
    house.ask(new, 2, "connect", json!({"sessionId": id}));
    house.finish(0, &json!("done"));
    assert_eq!(house.read(old), Vec::<Value>::new());
    assert_eq!(house.one(new)["result"]["value"], "done");
}

#[test]
fn a_transport_that_has_a_session_can_move_to_another_and_the_first_waits_its_grace() {
    let mut house = House::new(ServerConfig::default());
    let (a, a_id) = house.connect(json!({}));
    let (b, b_id) = house.connect(json!({}));
    let (home_a, home_b) = (house.home(a), house.home(b));
    let answer = house.ask(b, 1, "connect", json!({"sessionId": a_id}));
    assert_eq!(answer["result"]["sessionId"], json!(a_id));
    assert_eq!((house.home(b), house.closed_with(a)), (home_a, Some(Close::MOVED)));
    assert_eq!(house.events(home_b), [Event::Opened, Event::Lost]);
    assert_eq!(house.ask(b, 2, "echo", json!({}))["result"]["sessionId"], json!(a_id));
    // And back, while its grace lasts.
    house.advance(Duration::from_secs(9));
    assert_eq!(house.ask(b, 3, "connect", json!({"sessionId": b_id}))["result"]["sessionId"], json!(b_id));
    assert_eq!(house.events(home_b), [Event::Resumed]);
    house.advance(Duration::from_secs(11));
    assert_eq!(house.events(home_a).last(), Some(&Event::Closed(CloseReason::GraceExpired)));
}

#[test]
fn a_request_that_names_another_session_moves_nothing_once_the_transport_has_one() {
    let mut house = House::new(ServerConfig::default());
    let (_, a_id) = house.connect(json!({}));
    let (b, b_id) = house.connect(json!({}));
    assert_eq!(house.ask(b, 1, "echo", json!({"sessionId": a_id}))["result"]["sessionId"], json!(b_id));
}

#[test]
fn connect_on_another_path_does_not_find_the_session() {
    for other in [ServerConfig::default(), ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() }] {
        let mut house = House::with_paths([ServerConfig::default(), other]);
        let (first, id) = house.connect(json!({}));
        let home = house.home(first);
        let second = house.open_on(1);
        assert_eq!(house.ask(second, 1, "connect", json!({"sessionId": id}))["error"]["code"], 40007);
        house.ask(second, 2, "echo", json!({"sessionId": id}));
        assert_ne!(house.home(second), home);
        assert_eq!((house.closed_with(first), house.sessions()), (None, 2));
        // On its own path it is still there.
        let third = house.open_on(0);
        assert_eq!(house.ask(third, 1, "connect", json!({"sessionId": id}))["result"]["sessionId"], json!(id));
    }
}

#[test]
fn a_transport_that_keeps_guessing_is_closed_with_1008_at_the_eighth_wrong_guess() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    for n in 0..40 {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": n, "method": "connect", "params": {"sessionId": format!("guess {n}")}}));
        assert_eq!(house.closed_with(wire), (n >= 7).then_some(Close::GUESSING), "guess {n}");
    }
    let answers = house.read(wire);
    assert_eq!(answers.len(), 8, "the last answer is written too");
    assert!(answers.iter().all(|answer| answer["error"]["code"] == 40007));
    assert_eq!(Close::GUESSING.code, 1008);
}

#[test]
fn texts_that_no_session_can_have_are_guesses_too() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    for n in 0..8 {
        let guess = if n % 2 == 0 { String::new() } else { "x".repeat(129) };
        assert_eq!(house.ask(wire, n, "connect", json!({"sessionId": guess}))["error"]["code"], 40007);
    }
    assert_eq!(house.closed_with(wire), Some(Close::GUESSING));
}

#[test]
fn a_session_whose_transport_was_closed_for_guessing_lives_on() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    for n in 1..9 {
        house.ask(wire, n, "connect", json!({"sessionId": "guess"}));
    }
    assert_eq!(house.closed_with(wire), Some(Close::GUESSING));
    let again = house.open();
    assert_eq!(house.ask(again, 1, "connect", json!({"sessionId": id}))["result"]["value"], "reconnection successful");
    assert_eq!(house.ask(again, 2, "connect", json!({"sessionId": "guess"}))["error"]["code"], 40007);
    assert_eq!(house.closed_with(again), None, "each transport has its own count");
}

#[test]
fn what_is_sent_while_detached_comes_after_connect_in_order() {
    let mut house = House::new(ServerConfig::default());
    let (old, id) = house.connect(json!({}));
    let home = house.home(old);
    house.send(old, &json!({"jsonrpc": "2.0", "id": 1, "method": "later"}));
    house.cut(old);
    house.notify(home, "event", 1).unwrap();
    house.finish(0, &json!("answer"));
    house.notify(home, "event", 2).unwrap();
    let (tag, _) = house.call(home, "ask", &json!({}), None).unwrap();
    let new = house.open();
    house.send(new, &json!({"jsonrpc": "2.0", "id": 2, "method": "connect", "params": {"sessionId": id}}));
    let frames = house.read(new);
    assert_eq!(frames.len(), 5, "{frames:?}");
    assert_eq!(frames[0]["result"]["value"], "reconnection successful");
    assert_eq!((&frames[1]["params"], &frames[2]["result"]["value"]), (&json!([1]), &json!("answer")));
    assert_eq!((&frames[3]["params"], &frames[4]["method"]), (&json!([2]), &json!("ask")));
    house.send(new, &json!({"jsonrpc": "2.0", "id": frames[4]["id"], "result": {}}));
    assert!(matches!(house.outcome(tag), Some(bowline_core::CallOutcome::Result(_))));
}
