//! PROTOCOL 1: messages and batches.

use bowline_core::{CallOutcome, Dialect, Endpoint, Instant, Limits, Received, ServerConfig, SessionId};
use bowline_tests::raw_client::House;
use serde_json::{Value, json};
use std::sync::Arc;

fn strict() -> House {
    House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() })
}

fn request(id: Value, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

#[test]
fn a_request_is_answered_under_its_own_id_as_it_was_written() {
    let mut house = strict();
    let wire = house.open();
    for id in ["7", "-7", "\"7\"", "\"a\\u00e4\\n\\\"\"", "null", "1.0", "1e3", "9223372036854775807", "18446744073709551616", "-0"] {
        house.send_text(wire, format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"echo","params":[1]}}"#));
        let answer = house.one(wire);
        let want: Value = serde_json::from_str(id).unwrap();
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": want, "result": [1]}), "{id}");
    }
}

#[test]
fn a_responder_knows_whether_anybody_waits_for_it() {
    for (id, waits) in [(r#","id":1"#, true), ("", false)] {
        let mut endpoint = Endpoint::<()>::server(Arc::default(), SessionId::from_random([7; 16]));
        let _ = endpoint.handle_attached(Instant::ORIGIN);
        let frame = format!(r#"{{"jsonrpc":"2.0","method":"m"{id}}}"#);
        let Received::Request(request) = endpoint.handle_text(Instant::ORIGIN, &frame) else { panic!("{frame} is a request") };
        assert_eq!(request.responder.is_notification(), !waits);
    }
}

#[test]
fn a_notification_is_served_and_never_answered() {
    for dialect in [Dialect::Kurento, Dialect::Strict] {
        let mut house = House::new(ServerConfig { dialect, ..ServerConfig::default() });
        let wire = house.open();
        for method in ["echo", "fail", "unknown"] {
            house.send(wire, &json!({"jsonrpc": "2.0", "method": method, "params": {"a": 1}}));
        }
        assert_eq!(house.read(wire), Vec::<Value>::new());
        assert_eq!(house.served, ["echo {\"a\":1}", "fail {\"a\":1}", "unknown {\"a\":1}"]);
        assert_eq!(house.endpoint(house.home(wire)).usage().in_flight, 0);
    }
}

#[test]
fn members_may_come_in_any_order_with_spaces_and_with_strangers_among_them() {
    let mut house = strict();
    let wire = house.open();
    house.send_text(wire, " {\t\"params\" : [ 1 , 2 ],\n\"x\":{\"id\":9}, \"method\" : \"ech\\u006f\", \"id\": 1 , \"jsonrpc\":\"2.0\" } ");
    assert_eq!(house.one(wire), json!({"jsonrpc": "2.0", "id": 1, "result": [1, 2]}));
}

#[test]
fn a_handlers_error_has_code_message_and_data() {
    let mut house = strict();
    let wire = house.open();
    let answer = house.ask(wire, 1, "fail", json!({}));
    assert_eq!(answer["error"], json!({"code": 1234, "message": "It \"failed\"", "data": {"type": "DEMO", "more": [1]}}));
    let answer = house.ask(wire, 2, "no/such", json!({}));
    assert_eq!(answer["error"]["code"], -32601);
}

#[test]
fn a_batch_is_answered_with_one_array() {
    let mut house = strict();
    let wire = house.open();
    house.send(
        wire,
        &json!([
            request(json!(1), "add", json!({"a": 1, "b": 2})),
            {"jsonrpc": "2.0", "method": "echo", "params": [5]},
            request(json!("x"), "unknown", json!({})),
            {"foo": "boo"},
            5,
            request(json!(null), "echo", json!([9])),
        ]),
    );
    let mut answers = house.one(wire).as_array().unwrap().clone();
    assert_eq!(answers.len(), 5, "all but the notification: {answers:?}");
    answers.sort_by_key(|answer| (answer.get("error").is_some(), answer["id"].to_string()));
    assert_eq!(answers[0], json!({"jsonrpc": "2.0", "id": 1, "result": 3}));
    assert_eq!(answers[1], json!({"jsonrpc": "2.0", "id": null, "result": [9]}));
    assert_eq!((&answers[2]["id"], &answers[2]["error"]["code"]), (&json!("x"), &json!(-32601)));
    for invalid in &answers[3..] {
        assert_eq!((&invalid["id"], &invalid["error"]["code"]), (&json!(null), &json!(-32600)));
    }
}

#[test]
fn a_batch_of_notifications_is_answered_with_nothing_at_all() {
    let mut house = strict();
    let wire = house.open();
    house.send(wire, &json!([{"jsonrpc": "2.0", "method": "echo"}, {"jsonrpc": "2.0", "method": "fail"}]));
    assert_eq!(house.read(wire), Vec::<Value>::new());
    assert_eq!(house.served, ["echo ", "fail "]);
}

#[test]
fn an_empty_batch_is_one_invalid_request() {
    let mut house = strict();
    let wire = house.open();
    house.send_text(wire, "[ ]");
    let answer = house.one(wire);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(null), &json!(-32600)));
}

#[test]
fn each_member_of_a_batch_that_is_no_request_is_refused_by_itself() {
    let mut house = strict();
    let wire = house.open();
    house.send_text(wire, "[1,2,3]");
    let answers = house.one(wire);
    assert_eq!(answers.as_array().unwrap().len(), 3);
    for answer in answers.as_array().unwrap() {
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(null), &json!(-32600)));
    }
    house.send_text(wire, "[[]]");
    assert_eq!(house.one(wire)[0]["error"]["code"], -32600, "a batch in a batch is no request");
}

#[test]
fn a_batch_waits_for_its_slowest_member_and_what_comes_after_it_waits_in_line() {
    let mut house = strict();
    let wire = house.open();
    house.send(
        wire,
        &json!([request(json!(1), "later", json!([])), request(json!(2), "busy", json!([])), request(json!(3), "count", json!([]))]),
    );
    house.send(wire, &request(json!(4), "count", json!([])));
    assert_eq!(house.read(wire), Vec::<Value>::new());
    house.finish(1, &json!("second"));
    let answer = house.one(wire);
    assert_eq!((&answer["id"], &answer["result"]), (&json!(4), &json!(2)), "the batch still waits for its first member");
    house.finish(0, &json!("first"));
    assert_eq!(
        house.one(wire),
        json!([
            {"jsonrpc": "2.0", "id": 2, "result": "second"},
            {"jsonrpc": "2.0", "id": 3, "result": 1},
            {"jsonrpc": "2.0", "id": 1, "result": "first"},
        ])
    );
}

#[test]
fn a_batch_that_is_too_long_is_refused_whole() {
    let limits = Limits { batch: 3, ..Limits::default() };
    let mut house = House::new(ServerConfig { limits, ..ServerConfig::default() });
    let wire = house.open();
    let member = json!({"jsonrpc": "2.0", "method": "echo"});
    house.send(wire, &json!([member, member, member]));
    assert_eq!(house.served.len(), 3);
    house.send(wire, &json!([member, member, member, member]));
    let answer = house.one(wire);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(null), &json!(-32600)));
    assert_eq!(house.served.len(), 3, "none of it was served");
}

#[test]
fn a_batch_with_an_answer_settles_the_call_and_serves_the_rest() {
    let mut house = strict();
    let wire = house.open();
    house.ask(wire, 1, "echo", json!([]));
    let home = house.home(wire);
    let (tag, _) = house.call(home, "ask", &json!([]), None).unwrap();
    let asked = house.one(wire);
    house.send(wire, &json!([{"jsonrpc": "2.0", "id": asked["id"], "result": 5}, request(json!(2), "echo", json!([6]))]));
    assert!(matches!(house.outcome(tag), Some(bowline_core::CallOutcome::Result(json)) if json.as_str() == "5"));
    assert_eq!(house.one(wire), json!([{"jsonrpc": "2.0", "id": 2, "result": [6]}]));
}

#[test]
fn two_requests_with_the_same_null_id_are_both_served() {
    let mut house = strict();
    let wire = house.open();
    for n in 1..=2 {
        house.send(wire, &request(json!(null), "count", json!([])));
        assert_eq!(house.one(wire)["result"], n);
    }
}

#[test]
fn members_that_begin_like_those_of_a_message_are_none() {
    let mut house = strict();
    let wire = house.open();
    for name in [
        "i", "ix", "idx", "m", "mx", "methods", "p", "px", "param", "paramsx", "j", "jsonrp", "jsonrpcx", "r", "resultx", "e", "errorx", "",
    ] {
        house.send_text(
            wire,
            format!(r#"{{"jsonrpc":"2.0","{name}":[1],"id":5,"{name}":{{}},"method":"echo","{name}":"x","params":[7],"{name}":null}}"#),
        );
        assert_eq!(house.one(wire), json!({"jsonrpc": "2.0", "id": 5, "result": [7]}), "{name}");
    }
}

#[test]
fn a_message_may_be_spelled_with_spaces_and_escapes() {
    let mut house = strict();
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    for request in [
        r#"{ "jsonrpc" : "2.0" , "id" : 5 , "method" : "echo" , "params" : [7] }"#,
        r#"{"\u006asonrpc":"2.0","\u0069d":5,"\u006dethod":"\u0065cho","\u0070arams":[7]}"#,
    ] {
        house.send_text(wire, request);
        assert_eq!(house.one(wire), json!({"jsonrpc": "2.0", "id": 5, "result": [7]}), "{request}");
    }
    for (answer, error) in [
        (r#"{ "jsonrpc" : "2.0" , "id" : ID , "result" : 1 }"#, false),
        (r#"{"jsonrpc":"2.0","\u0069d":ID,"\u0072esult":1}"#, false),
        (r#"{ "jsonrpc" : "2.0" , "id" : ID , "error" : {"code": 1, "message": "no"} }"#, true),
        (r#"{"jsonrpc":"2.0","\u0069d":ID,"\u0065rror":{"code":1,"message":"no"}}"#, true),
    ] {
        let (tag, _) = house.call(home, "ask", &json!([]), None).unwrap();
        let id = house.one(wire)["id"].to_string();
        house.send_text(wire, answer.replace("ID", &id));
        let outcome = house.outcome(tag);
        assert!(
            if error { matches!(outcome, Some(CallOutcome::Error(_))) } else { matches!(outcome, Some(CallOutcome::Result(_))) },
            "{answer}"
        );
    }
}
