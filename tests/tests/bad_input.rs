//! What a server answers to input that is wrong, and that it goes on afterwards.

use bowline_core::{CallOutcome, ClientConfig, Dialect, Json, SendError, ServerConfig};
use bowline_tests::raw_client::House;
use bowline_tests::raw_server::RawServer;
use serde_json::{Value, json};

/// The frame, the id of the answer (`None`: there is no answer), the code, and what the message says.
type Case = (&'static str, Option<Value>, i64, &'static str);

fn cases() -> Vec<Case> {
    let null = || Some(Value::Null);
    vec![
        // No JSON.
        ("", null(), -32700, "at byte 0"),
        (" ", null(), -32700, "at byte 1"),
        ("{", null(), -32700, "at byte 1"),
        ("rubbish", null(), -32700, "at byte 0"),
        ("\u{feff}{}", null(), -32700, "at byte 0"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo"}}"#, null(), -32700, "at byte 40"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo",}"#, null(), -32700, "at byte"),
        (r#"{"jsonrpc":"2.0","id":01,"method":"echo"}"#, null(), -32700, "at byte"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":}}"#, null(), -32700, "at byte"),
        (r#"{'jsonrpc':'2.0'}"#, null(), -32700, "at byte 1"),
        (r#"[{"jsonrpc":"2.0","method":"echo","id":1},{"jsonrpc":"2.0","method"]"#, null(), -32700, "at byte"),
        ("\"\u{1}\"", null(), -32700, "control"),
        // JSON, but no request.
        ("5", null(), -32600, "object"),
        ("\"text\"", null(), -32600, "object"),
        ("null", null(), -32600, "object"),
        ("[]", null(), -32600, "empty"),
        ("{}", null(), -32600, ""),
        (r#"{"jsonrpc":"2.0"}"#, null(), -32600, "method"),
        (r#"{"jsonrpc":"2.0","id":1}"#, Some(json!(1)), -32600, "method"),
        (r#"{"jsonrpc":"1.0","id":1,"method":"echo"}"#, Some(json!(1)), -32600, "jsonrpc"),
        (r#"{"jsonrpc":2.0,"id":1,"method":"echo"}"#, Some(json!(1)), -32600, "jsonrpc"),
        (r#"{"jsonrpc":null,"id":1,"method":"echo"}"#, Some(json!(1)), -32600, "jsonrpc"),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, Some(json!(1)), -32600, "method"),
        (r#"{"jsonrpc":"2.0","id":1,"method":null}"#, Some(json!(1)), -32600, "method"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#, Some(json!(1)), -32600, "method"),
        // Ids of wrong types.
        (r#"{"jsonrpc":"2.0","id":{},"method":"echo"}"#, null(), -32600, "id"),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"echo"}"#, null(), -32600, "id"),
        (r#"{"jsonrpc":"2.0","id":true,"method":"echo"}"#, null(), -32600, "id"),
        (r#"{"jsonrpc":"2.0","id":"\udc00","method":"echo"}"#, null(), -32600, "id"),
        // Requests that cannot be done.
        (r#"{"jsonrpc":"2.0","id":1,"method":"no such"}"#, Some(json!(1)), -32601, "no such"),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, Some(json!(1)), -32601, ""),
        (r#"{"jsonrpc":"2.0","id":1,"method":"Connect"}"#, Some(json!(1)), -32601, "Connect"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"add","params":{"a":"x"}}"#, Some(json!(1)), -32602, "`a`"),
        (r#"{"jsonrpc":"2.0","id":2,"method":"add","params":{"a":1,"b":1.5}}"#, Some(json!(2)), -32602, "`b`"),
        (r#"{"jsonrpc":"2.0","id":3,"method":"add","params":[1,2]}"#, Some(json!(3)), -32602, "map"),
        (r#"{"jsonrpc":"2.0","id":4,"method":"add","params":{"a":99999999999}}"#, Some(json!(4)), -32602, "`a`"),
        // Answers to nothing that was asked.
        (r#"{"jsonrpc":"2.0","id":1,"result":1}"#, None, 0, ""),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#, None, 0, ""),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":1}"#, None, 0, ""),
        (r#"{"jsonrpc":"2.0","result":1}"#, None, 0, ""),
    ]
}

#[test]
fn each_is_answered_as_the_specification_says_and_the_transport_stays_open() {
    for dialect in [Dialect::Kurento, Dialect::Strict] {
        let mut house = House::new(ServerConfig { dialect, ..ServerConfig::default() });
        let (wire, _) = house.connect(json!({}));
        for (frame, id, code, says) in cases() {
            house.send_text(wire, frame);
            match id {
                None => assert_eq!(house.read(wire), Vec::<Value>::new(), "{frame}"),
                Some(id) => {
                    let answer = house.one(wire);
                    assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{frame}");
                    assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{frame}: {answer}");
                }
            }
            assert_eq!(house.closed_with(wire), None, "{frame}");
        }
        assert_eq!(house.ask(wire, 1000, "echo", json!({"a": 1}))["result"]["a"], 1, "and it goes on");
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_no_json() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    house.send_text(wire, b"{\"a\":\"\xff\"}".to_vec());
    let answer = house.one(wire);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(null), &json!(-32700)));
}

#[test]
fn rubbish_opens_no_session() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    for frame in
        ["rubbish", "5", "[]", "[5]", "{}", r#"{"jsonrpc":"2.0","id":1,"result":1}"#, r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#]
    {
        house.send_text(wire, frame);
    }
    assert_eq!(house.sessions(), 0);
}

#[test]
fn an_error_that_was_not_written_yet_survives_the_opening_of_the_session() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    house.stall(wire, true);
    house.send_text(wire, "rubbish");
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "echo"}));
    house.stall(wire, false);
    let frames = house.read(wire);
    assert_eq!(frames.len(), 2, "{frames:?}");
    assert_eq!((&frames[0]["error"]["code"], &frames[1]["id"]), (&json!(-32700), &json!(1)));
}

#[test]
fn session_methods_may_not_stand_in_a_batch() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    let member = |id: u32, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    house.send(wire, &json!([member(1, "connect"), member(2, "ping"), member(3, "closeSession"), member(4, "count"), {"method": "ping"}]));
    let answers = house.one(wire);
    let codes: Vec<_> = answers.as_array().unwrap().iter().map(|a| (a["id"].clone(), a["error"]["code"].clone())).collect();
    assert_eq!(codes, [(json!(1), json!(-32600)), (json!(2), json!(-32600)), (json!(3), json!(-32600)), (json!(4), json!(null))]);
    assert_eq!((house.closed_with(wire), house.sessions()), (None, 1));
}

#[test]
fn ids_are_taken_up_to_256_bytes() {
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let wire = house.open();
    let fits = "i".repeat(254);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": fits, "method": "echo"}));
    assert_eq!(house.one(wire)["id"], json!(fits));
    for long in [json!("i".repeat(300)).to_string(), "1".repeat(300), format!("1{}", "0".repeat(300))] {
        house.send_text(wire, format!(r#"{{"jsonrpc":"2.0","id":{long},"method":"echo"}}"#));
        let answer = house.one(wire);
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(null), &json!(-32600)));
    }
}

#[test]
fn ten_thousand_levels_of_nesting_are_refused_without_a_stack() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    let object = "{\"a\":".repeat(10_000);
    for deep in
        [format!("{open}{close}"), open.clone(), object, format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":{open}{close}}}"#)]
    {
        house.send_text(wire, deep);
        let answer = house.one(wire);
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(null), &json!(-32700)));
    }
    // What is taken is what the handler can decode.
    let (open, close) = ("[".repeat(126), "]".repeat(126));
    house.send_text(wire, format!(r#"{{"jsonrpc":"2.0","id":1,"method":"nothing","params":{open}{close}}}"#));
    assert!(house.one(wire).get("result").is_some());
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn an_answer_that_no_peer_would_read_is_an_error() {
    let request = |id: u32, levels: usize| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"echo","params":{}}}"#, nested(levels));
    for (dialect, deepest) in [(Dialect::Strict, 126), (Dialect::Kurento, 125)] {
        let mut house = House::new(ServerConfig { dialect, ..ServerConfig::default() });
        let wire = house.open();
        house.send_text(wire, request(1, deepest));
        assert!(house.one(wire).get("result").is_some(), "{dialect:?}");
        // In a batch there is a level more around the request, and around its answer.
        house.send_text(wire, format!("[{},{}]", request(3, deepest - 1), request(4, 2)));
        let answers = house.one(wire);
        assert!(answers[0].get("result").is_some() && answers[1].get("result").is_some(), "{answers}");
        if dialect == Dialect::Strict {
            // What is deeper is no request any more.
            continue;
        }
        // The object around the array is one level too many.
        house.send_text(wire, request(5, deepest + 1));
        house.send_text(wire, format!("[{},{}]", request(6, deepest), request(7, 2)));
        let [alone, batch] = &house.read(wire)[..] else { panic!("two answers") };
        for error in [&alone["error"], &batch[0]["error"]] {
            assert_eq!(error["code"], -32603);
            assert!(error["message"].as_str().unwrap().contains("127 levels"), "{error}");
        }
        assert!(batch[1].get("result").is_some());
    }
}

#[test]
fn an_error_with_data_that_no_peer_would_read_is_another() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    for (levels, code) in [(125, 1), (126, -32603)] {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": levels, "method": "fail_deep", "params": {"levels": levels}}));
        assert_eq!(house.one(wire)["error"]["code"], code, "{levels}");
    }
}

#[test]
fn params_that_no_peer_would_read_are_not_sent() {
    for (levels, fits) in [(126, true), (127, false), (200, false)] {
        let params = (0..levels).fold(json!(null), |inner, _| if inner.is_null() { json!([]) } else { json!([inner]) });
        let mut house = House::new(ServerConfig::default());
        let (wire, _) = house.connect(json!({}));
        let home = house.home(wire);
        let (tag, _) = house.call(home, "ask", &params, None).unwrap();
        assert_eq!(house.outcome(tag), if fits { None } else { Some(&CallOutcome::TooDeep) }, "{levels}");
        let params = Json::from_value(&params).unwrap();
        let notified = house.with(home, |endpoint, now| endpoint.notify(now, "note", Some(&params)));
        assert_eq!(notified, if fits { Ok(()) } else { Err(SendError::TooDeep) }, "{levels}");
        assert_eq!(house.read(wire).len(), if fits { 2 } else { 0 });
    }
    assert!(SendError::TooDeep.to_string().contains("127 levels"));
}

#[test]
fn what_a_kurento_client_puts_around_its_params_counts_as_a_level() {
    for (levels, fits) in [(125, true), (126, false)] {
        let params = (1..levels).fold(json!([]), |inner, _| json!([inner]));
        let mut server = RawServer::connected(ClientConfig::default());
        let (tag, _) = server.call("ask", &params, None).unwrap();
        assert_eq!(server.outcome(tag), if fits { None } else { Some(&CallOutcome::TooDeep) }, "{levels}");
        assert_eq!(server.read().iter().filter(|frame| frame["method"] == "ask").count(), usize::from(fits));
    }
}

#[test]
fn two_megabytes_are_echoed() {
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let wire = house.open();
    let long = "ü".repeat(1 << 20);
    assert_eq!(house.ask(wire, 1, "echo", json!([long]))["result"][0], json!(long));
    house.send_text(wire, " ".repeat(2 << 20));
    assert_eq!(house.one(wire)["error"]["code"], -32700);
}

#[test]
fn a_long_method_is_not_repeated_whole() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "m".repeat(100_000)}));
    let answer = house.one(wire);
    assert_eq!(answer["error"]["code"], -32601);
    assert!(answer.to_string().len() < 300);
}

#[test]
fn the_last_of_two_members_with_one_name_counts() {
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let wire = house.open();
    house.send_text(wire, r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"fail","method":"echo","params":[1],"params":[2]}"#);
    assert_eq!(house.one(wire), json!({"jsonrpc": "2.0", "id": 2, "result": [2]}));
}

#[test]
fn numbers_that_no_machine_holds_pass_through_untouched() {
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
    let wire = house.open();
    house.send_text(wire, r#"{"jsonrpc":"2.0","id":1,"method":"nothing","params":[1e400,123456789012345678901234567890]}"#);
    assert_eq!(house.served, ["nothing [1e400,123456789012345678901234567890]"]);
}

#[test]
fn every_prefix_of_a_message_and_every_single_byte_is_survived() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    let whole = r#"[{"jsonrpc":"2.0","id":"\u00fc","method":"add","params":{"a":[1,-2.5e3,true,null,"x"],"sessionId":"S"}}]"#;
    for end in 0..whole.len() {
        house.send_text(wire, &whole.as_bytes()[..end]);
        assert_eq!(house.one(wire)["error"]["code"], -32700, "{}", &whole[..end]);
    }
    for byte in 0..=255_u8 {
        house.send_text(wire, vec![byte]);
        assert!(house.one(wire)["error"]["code"].is_i64());
    }
    assert_eq!(house.closed_with(wire), None);
    assert!(Json::parse(whole).is_ok());
}
