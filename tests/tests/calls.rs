//! Calls of the server to its client: deadlines, answers, and what is no answer.

use bowline_core::{CallOutcome, Dialect, ErrorObject, SendError, ServerConfig};
use bowline_tests::raw_client::{Home, House, Wire};
use serde_json::{Value, json};
use std::time::Duration;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn house() -> (House, Wire, Home, String) {
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let (wire, id) = house.connect(json!({}));
    let home = house.home(wire);
    (house, wire, home, id)
}

fn ask(house: &mut House, home: Home, timeout: Option<u64>) -> u32 {
    house.call(home, "ask", &json!({"q": 1}), timeout.map(seconds)).expect("there is room").0
}

fn result(house: &House, tag: u32) -> Option<String> {
    match house.outcome(tag) {
        Some(CallOutcome::Result(json)) => Some(json.as_str().to_owned()),
        Some(_) | None => None,
    }
}

#[test]
fn a_call_is_settled_by_its_answer_whatever_it_is() {
    let (mut house, wire, home, _) = house();
    for raw in ["{\"a\":1}", "[]", "null", "\"x\"", "0"] {
        let tag = ask(&mut house, home, None);
        let id = house.one(wire)["id"].clone();
        house.send_text(wire, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{raw}}}"#));
        assert_eq!(result(&house, tag).as_deref(), Some(raw));
    }
    assert_eq!(house.endpoint(home).usage().calls, 0);
}

#[test]
fn an_answer_to_a_call_that_was_not_sent_yet_settles_nothing() {
    let (mut house, wire, home, _) = house();
    ask(&mut house, home, None);
    let last = house.one(wire)["id"].as_u64().unwrap();
    house.stall(wire, true);
    let tag = ask(&mut house, home, None);
    let answer = json!({"jsonrpc": "2.0", "id": last + 1, "result": 1});
    house.send(wire, &answer);
    assert_eq!(house.outcome(tag), None, "it is a guess");
    house.stall(wire, false);
    assert_eq!(house.one(wire)["id"], last + 1);
    house.send(wire, &answer);
    assert_eq!(result(&house, tag).as_deref(), Some("1"));
}

#[test]
fn an_error_answer_settles_it_as_an_error() {
    let (mut house, wire, home, _) = house();
    let tag = ask(&mut house, home, None);
    let asked = house.one(wire);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -5, "message": "no", "data": null}}));
    assert_eq!(house.outcome(tag), Some(&CallOutcome::Error(ErrorObject::new(-5, "no"))));
}

#[test]
fn ids_are_integers_that_are_never_used_twice_over_a_reconnection_neither() {
    let (mut house, mut wire, home, session) = house();
    let mut ids = Vec::new();
    for n in 0..4 {
        for _ in 0..50 {
            ask(&mut house, home, None);
            ids.extend(house.read(wire).into_iter().filter_map(|frame| frame["id"].as_u64()));
        }
        house.cut(wire);
        wire = house.open();
        house.ask(wire, n, "connect", json!({"sessionId": session}));
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count), (200, 200));
    assert!(ids.iter().all(|id| *id < 1 << 31));
}

#[test]
fn answers_may_come_in_any_order() {
    let (mut house, wire, home, _) = house();
    let tags: Vec<_> = (0..3).map(|_| ask(&mut house, home, None)).collect();
    let asked = house.read(wire);
    for n in [2, 0, 1] {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": asked[n]["id"], "result": n}));
    }
    for (n, tag) in tags.iter().enumerate() {
        assert_eq!(result(&house, *tag), Some(n.to_string()));
    }
}

#[test]
fn a_call_times_out_after_sixty_seconds_or_its_own_time() {
    let (mut house, _, home, _) = house();
    let (default, short, long) = (ask(&mut house, home, None), ask(&mut house, home, Some(5)), ask(&mut house, home, Some(90)));
    house.advance(seconds(5) - Duration::from_millis(1));
    assert_eq!(house.outcome(short), None);
    house.advance(Duration::from_millis(1));
    assert_eq!(house.outcome(short), Some(&CallOutcome::TimedOut));
    house.advance(seconds(55));
    assert_eq!((house.outcome(default), house.outcome(long)), (Some(&CallOutcome::TimedOut), None));
    house.advance(seconds(30));
    assert_eq!(house.outcome(long), Some(&CallOutcome::TimedOut));
}

#[test]
fn a_deadline_that_has_passed_already_is_a_timeout_at_once_and_nothing_is_sent() {
    let (mut house, wire, home, _) = house();
    let tag = ask(&mut house, home, Some(0));
    assert_eq!(house.outcome(tag), Some(&CallOutcome::TimedOut));
    assert_eq!(house.read(wire), Vec::<Value>::new());
}

#[test]
fn an_answer_that_comes_after_the_deadline_is_passed_over() {
    let (mut house, wire, home, _) = house();
    let tag = ask(&mut house, home, Some(1));
    let asked = house.one(wire);
    house.advance(seconds(1));
    house.send(wire, &json!({"jsonrpc": "2.0", "id": asked["id"], "result": 1}));
    assert_eq!(house.outcome(tag), Some(&CallOutcome::TimedOut));
    assert_eq!(house.read(wire), Vec::<Value>::new());
}

#[test]
fn a_call_that_times_out_before_it_was_sent_is_never_sent() {
    let (mut house, wire, home, session) = house();
    house.cut(wire);
    let tag = ask(&mut house, home, Some(3));
    house.advance(seconds(3));
    assert_eq!(house.outcome(tag), Some(&CallOutcome::TimedOut));
    let wire = house.open();
    house.ask(wire, 1, "connect", json!({"sessionId": session}));
    assert_eq!((house.read(wire), house.endpoint(home).usage().outbox_messages), (vec![], 0));
}

#[test]
fn answers_to_nothing_that_was_asked_are_passed_over() {
    let (mut house, wire, home, _) = house();
    let tag = ask(&mut house, home, None);
    let id = house.one(wire)["id"].as_u64().unwrap();
    for stray in
        [json!(id + 1), json!(0), json!(null), json!("x"), json!(-1), json!(1.5), json!(4_294_967_296_u64 + id), json!(id.to_string())]
    {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": stray, "result": 1}));
        house.send(wire, &json!({"jsonrpc": "2.0", "id": stray, "error": {"code": 1, "message": ""}}));
    }
    house.send(wire, &json!({"jsonrpc": "2.0", "result": 1}));
    assert_eq!(house.read(wire), Vec::<Value>::new());
    assert_eq!(house.outcome(tag), None);
}

#[test]
fn in_kurento_an_answer_may_bring_the_id_back_as_a_text() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    let tag = ask(&mut house, home, None);
    let id = house.one(wire)["id"].as_u64().unwrap();
    house.send(wire, &json!({"id": id.to_string(), "result": {"value": 1, "sessionId": "S"}}));
    assert_eq!(result(&house, tag).as_deref(), Some("{\"value\":1}"));
}

#[test]
fn the_first_of_two_answers_counts() {
    let (mut house, wire, home, _) = house();
    let tag = ask(&mut house, home, None);
    let asked = house.one(wire);
    for n in 1..=2 {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": asked["id"], "result": n}));
    }
    assert_eq!(result(&house, tag).as_deref(), Some("1"));
}

#[test]
fn what_is_no_answer_settles_the_call_and_says_what_is_wrong() {
    for (body, says) in [
        (r#""result":1,"error":{"code":1,"message":"x"}"#, "both"),
        (r#""result":1,"error":null"#, "both"),
        (r#""result":null,"error":{"code":1,"message":"x"}"#, "both"),
        (r#""error":null"#, "object"),
        (r#""error":"x""#, "object"),
        (r#""error":{}"#, "code"),
        (r#""error":{"code":"x","message":"x"}"#, "code"),
    ] {
        let (mut house, wire, home, _) = house();
        let tag = ask(&mut house, home, None);
        let id = house.one(wire)["id"].clone();
        house.send_text(wire, format!(r#"{{"jsonrpc":"2.0","id":{id},{body}}}"#));
        assert!(matches!(house.outcome(tag), Some(CallOutcome::Malformed(why)) if why.contains(says)), "{body}: {:?}", house.outcome(tag));
    }
}

#[test]
fn nobody_can_call_before_there_is_a_session_or_after_its_end() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    let home = house.home(wire);
    assert_eq!(house.call(home, "ask", &json!({}), None).unwrap_err(), SendError::Closed);
    house.ask(wire, 1, "connect", json!({}));
    assert!(house.call(home, "ask", &json!({}), None).is_ok());
    house.read(wire);
    house.ask(wire, 2, "closeSession", json!({}));
    assert_eq!(house.call(home, "ask", &json!({}), None).unwrap_err(), SendError::Closed);
}

#[test]
fn the_librarys_own_methods_cannot_be_called() {
    let (mut house, _, home, _) = house();
    for method in ["connect", "ping", "closeSession"] {
        assert_eq!(house.call(home, method, &json!({}), None).unwrap_err(), SendError::ReservedMethod);
        assert_eq!(house.notify(home, method, 1), Err(SendError::ReservedMethod));
    }
}

#[test]
fn a_forgotten_call_is_not_told_and_not_sent_if_it_was_not_yet() {
    let (mut house, wire, home, session) = house();
    let (sent, id) = house.call(home, "sent", &json!({}), Some(seconds(1))).unwrap();
    house.with(home, |endpoint, _| endpoint.forget(id));
    house.read(wire);
    house.cut(wire);
    let (unsent, id) = house.call(home, "unsent", &json!({}), None).unwrap();
    house.with(home, |endpoint, _| endpoint.forget(id));
    let wire = house.open();
    house.ask(wire, 1, "connect", json!({"sessionId": session}));
    assert_eq!(house.read(wire), Vec::<Value>::new());
    house.advance(seconds(100));
    assert_eq!((house.outcome(sent), house.outcome(unsent), house.endpoint(home).usage().calls), (None, None, 0));
}

#[test]
fn a_call_outlives_the_cut_and_is_answered_over_the_next_transport() {
    let (mut house, wire, home, session) = house();
    let tag = ask(&mut house, home, None);
    let asked = house.one(wire);
    house.cut(wire);
    let wire = house.open();
    house.ask(wire, 1, "connect", json!({"sessionId": session}));
    assert_eq!(house.read(wire), Vec::<Value>::new(), "without resumption it is not sent again");
    house.send(wire, &json!({"jsonrpc": "2.0", "id": asked["id"], "result": "late"}));
    assert_eq!(result(&house, tag).as_deref(), Some("\"late\""));
}
