//! PROTOCOL 2: the two dialects, column by column.

use bowline_core::{CallOutcome, ClientConfig, Dialect, ErrorObject, Json, ServerConfig, decode_result};
use bowline_tests::raw_client::{House, Wire};
use bowline_tests::raw_server::RawServer;
use serde_json::{Value, json};

fn house(dialect: Dialect) -> (House, Wire, String) {
    let mut house = House::new(ServerConfig { dialect, ..ServerConfig::default() });
    let (wire, id) = house.connect(json!({}));
    (house, wire, id)
}

#[test]
fn the_session_id_is_taken_out_of_kurento_params_and_left_in_strict_ones() {
    let (mut kurento, wire, id) = house(Dialect::Kurento);
    kurento.ask(wire, 1, "echo", json!({"a": 1, "sessionId": id}));
    kurento.send_text(wire, format!(r#"{{"jsonrpc":"2.0","id":2,"method":"echo","params":{{"session\u0049d":"{id}"}}}}"#));
    assert_eq!(kurento.served, ["echo {\"a\":1}", "echo {}"]);

    let (mut strict, wire, _) = house(Dialect::Strict);
    let answer = strict.ask(wire, 1, "echo", json!({"a": 1, "sessionId": "anything"}));
    assert_eq!(answer["result"], json!({"a": 1, "sessionId": "anything"}));
}

#[test]
fn a_strict_request_that_names_another_session_stays_where_it_is() {
    let (mut house, _, id) = house(Dialect::Strict);
    let other = house.open();
    house.ask(other, 1, "echo", json!({"sessionId": id}));
    assert_eq!(house.sessions(), 2, "only connect reads it");
}

#[test]
fn params_that_are_scalar_or_array_come_wrapped_in_kurento_and_as_they_are_in_strict() {
    let (mut kurento, wire, id) = house(Dialect::Kurento);
    kurento.ask(wire, 1, "echo", json!({"value": [1, 2], "sessionId": id}));
    assert_eq!(kurento.served, ["echo {\"value\":[1,2]}"], "decode_params unwraps it for a handler that asks for a list");

    let (mut strict, wire, _) = house(Dialect::Strict);
    for (id, params) in [json!([1, 2]), json!(5), json!("x"), json!(true)].into_iter().enumerate() {
        assert_eq!(strict.ask(wire, id as u32 + 1, "echo", params.clone())["result"], params);
    }
}

#[test]
fn a_kurento_result_is_always_an_object_that_carries_the_session() {
    let (mut house, wire, id) = house(Dialect::Kurento);
    for (n, (params, want)) in [
        (json!({"a": 1}), json!({"a": 1, "sessionId": id})),
        (json!({}), json!({"sessionId": id})),
        (json!([1, {}]), json!({"value": [1, {}], "sessionId": id})),
        (json!("x"), json!({"value": "x", "sessionId": id})),
        (json!(false), json!({"value": false, "sessionId": id})),
        (json!({"a": {"sessionId": "mine"}, "sessionId": "forged"}), json!({"a": {"sessionId": "mine"}, "sessionId": id})),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(house.ask(wire, n as u32 + 1, "echo", params)["result"], want);
    }
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 99, "method": "echo", "params": null}));
    assert_eq!(house.one(wire)["result"], json!({"value": null, "sessionId": id}), "a bare null throws in the JavaScript client");
}

#[test]
fn a_session_id_that_a_handler_left_in_its_result_is_replaced() {
    let (mut house, wire, id) = house(Dialect::Kurento);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "later"}));
    house.finish(0, &json!({"sessionId": "forged", "x": 1}));
    assert_eq!(house.one(wire)["result"], json!({"x": 1, "sessionId": id}));
}

#[test]
fn a_handler_that_gives_no_answer_sends_the_empty_one() {
    let (mut kurento, wire, id) = house(Dialect::Kurento);
    assert_eq!(kurento.ask(wire, 1, "nothing", json!({}))["result"], json!({"value": "", "sessionId": id}));
    let (mut strict, wire, _) = house(Dialect::Strict);
    let answer = strict.ask(wire, 1, "nothing", json!({}));
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 1, "result": null}));
}

#[test]
fn what_the_server_sends_carries_no_session_id() {
    for dialect in [Dialect::Kurento, Dialect::Strict] {
        let (mut house, wire, _) = house(dialect);
        let home = house.home(wire);
        house.call(home, "ask", &json!({"a": 1}), None).unwrap();
        let asked = house.one(wire);
        assert_eq!((&asked["method"], &asked["params"]), (&json!("ask"), &json!({"a": 1})));
        house.notify(home, "event", 5).unwrap();
        assert_eq!(house.one(wire), json!({"jsonrpc": "2.0", "method": "event", "params": [5]}));
    }
}

#[test]
fn an_errors_type_is_copied_out_of_its_data_in_kurento() {
    let (mut kurento, wire, _) = house(Dialect::Kurento);
    let data = json!({"type": "DEMO", "more": [1]});
    assert_eq!(
        kurento.ask(wire, 1, "fail", json!({}))["error"],
        json!({"code": 1234, "message": "It \"failed\"", "type": "DEMO", "data": data})
    );
    assert_eq!(kurento.ask(wire, 2, "unknown", json!({}))["error"], json!({"code": -32601, "message": "Method not found: unknown"}));
    let (mut strict, wire, _) = house(Dialect::Strict);
    assert_eq!(strict.ask(wire, 1, "fail", json!({}))["error"], json!({"code": 1234, "message": "It \"failed\"", "data": data}));
}

#[test]
fn a_request_without_jsonrpc_is_served_in_kurento_and_refused_in_strict() {
    let (mut kurento, wire, _) = house(Dialect::Kurento);
    kurento.send(wire, &json!({"id": 1, "method": "count"}));
    assert_eq!(kurento.one(wire)["result"]["value"], 1);
    kurento.send(wire, &json!({"id": 2, "method": "ping"}));
    assert_eq!(kurento.one(wire)["result"]["value"], "pong");

    let (mut strict, wire, _) = house(Dialect::Strict);
    strict.send(wire, &json!({"id": 1, "method": "count"}));
    let answer = strict.one(wire);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32600)));
}

#[test]
fn session_methods_are_answered_alike_in_both() {
    for dialect in [Dialect::Kurento, Dialect::Strict] {
        let (mut house, wire, id) = house(dialect);
        assert_eq!(house.ask(wire, 1, "connect", json!({}))["result"], json!({"value": "OK", "sessionId": id}));
        assert_eq!(house.ask(wire, 2, "ping", json!({"interval": 5000}))["result"], json!({"value": "pong", "sessionId": id}));
        assert_eq!(house.ask(wire, 3, "closeSession", json!({}))["result"], json!("bye"));
    }
}

#[test]
fn a_kurento_client_puts_its_session_into_every_request_and_wraps_what_is_no_object() {
    let mut server = RawServer::connected(ClientConfig::default());
    for (params, want) in [
        (json!({"a": 1}), json!({"a": 1, "sessionId": "S"})),
        (json!([1]), json!({"value": [1], "sessionId": "S"})),
        (json!("x"), json!({"value": "x", "sessionId": "S"})),
        (json!({}), json!({"sessionId": "S"})),
    ] {
        server.call("m", &params, None).unwrap();
        assert_eq!(server.one()["params"], want);
    }
    server.with(|client, now| client.notify(now, "event", None)).unwrap();
    assert_eq!(server.one(), json!({"jsonrpc": "2.0", "method": "event", "params": {"sessionId": "S"}}));
}

#[test]
fn a_strict_client_sends_params_as_they_are() {
    let mut server = RawServer::connected(ClientConfig { dialect: Dialect::Strict, ..ClientConfig::default() });
    for params in [json!({"a": 1}), json!([1]), json!("x")] {
        server.call("m", &params, None).unwrap();
        assert_eq!(server.one()["params"], params);
    }
    server.with(|client, now| client.notify(now, "event", None)).unwrap();
    assert_eq!(server.one(), json!({"jsonrpc": "2.0", "method": "event"}));
}

#[test]
fn a_kurento_client_takes_the_session_out_of_results_and_unwraps_by_what_is_asked_for() {
    let mut server = RawServer::connected(ClientConfig::default());
    let mut result = |raw: Value| {
        let tag = server.call_plain("m");
        let asked = server.one();
        server.answer(&asked, raw);
        match server.outcome(tag) {
            Some(CallOutcome::Result(json)) => json.clone(),
            other => unreachable!("{other:?}"),
        }
    };
    let kurento = Dialect::Kurento;
    assert_eq!(result(json!({"a": 1, "sessionId": "S"})).as_str(), "{\"a\":1}");
    assert_eq!(decode_result::<i32>(&result(json!({"value": 5, "sessionId": "S"})), kurento), Ok(5));
    assert_eq!(decode_result::<String>(&result(json!({"answer": "x", "sessionId": "S"})), kurento), Ok("x".into()));
    assert_eq!(decode_result::<String>(&result(json!("bare")), kurento), Ok("bare".into()));
    assert_eq!(decode_result::<()>(&result(json!({"value": "", "sessionId": "S"})), kurento), Ok(()));
}

#[test]
fn answers_of_a_client_follow_the_dialect_too() {
    for (dialect, want) in [(Dialect::Kurento, json!({"value": [1], "sessionId": "S"})), (Dialect::Strict, json!([1]))] {
        let mut server = RawServer::connected(ClientConfig { dialect, ..ClientConfig::default() });
        server.send(&json!({"jsonrpc": "2.0", "id": 3, "method": "echo", "params": [1]}));
        assert_eq!(server.one(), json!({"jsonrpc": "2.0", "id": 3, "result": want}));
    }
}

#[test]
fn an_error_of_the_server_arrives_whole() {
    let mut server = RawServer::connected(ClientConfig::default());
    let tag = server.call_plain("m");
    let asked = server.one();
    server.send(&json!({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": 40101, "message": "no", "data": {"type": "X"}}}));
    let want = ErrorObject::new(40101, "no").with_data(Json::parse("{\"type\":\"X\"}").unwrap());
    assert_eq!(server.outcome(tag), Some(&CallOutcome::Error(want)));
}
