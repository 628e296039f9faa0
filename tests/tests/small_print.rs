//! Corners that the other scenarios pass by: what a peer can take, repetitions within batches, heirs of a session, what types decode from, what texts say.

use bowline_core::{
    CallOutcome, ClientConfig, CloseReason, Dialect, Directory, DirectoryFull, Endpoint, ErrorObject, Instant, Json, Limits, Received,
    SendError, ServerConfig, SessionId, decode_params, decode_result,
};
use bowline_tests::raw_client::House;
use bowline_tests::raw_server::RawServer;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn request(id: u32, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

#[test]
fn what_is_longer_than_the_peer_takes_is_not_sent() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({"resume": {"received": 0, "max": 200}}));
    let home = house.home(wire);
    assert_eq!(house.endpoint(home).peer_takes(), 200);
    let long = json!(["x".repeat(200)]);
    let (tag, _) = house.call(home, "ask", &long, None).unwrap();
    assert_eq!(house.outcome(tag), Some(&CallOutcome::TooBig(200)));
    let params = Json::from_value(&long).unwrap();
    let sent = house.with(home, |endpoint, now| endpoint.notify(now, "note", Some(&params)));
    assert_eq!(sent, Err(SendError::TooBig(200)));
    assert_eq!((house.read(wire).len(), house.endpoint(home).usage().calls), (0, 0));
    let answer = house.ask(wire, 1, "echo", long);
    assert_eq!((&answer["error"]["code"], answer.get("result")), (&json!(-32603), None));
    assert!(answer["error"]["message"].as_str().unwrap().contains("longer than the 200 bytes"), "{answer}");
}

#[test]
fn a_message_as_long_as_the_peer_takes_is_sent() {
    let (mut longest, mut refused) = (0, 0);
    for pad in 0..100 {
        let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
        let (wire, _) = house.connect(json!({"resume": {"received": 0, "max": 100}}));
        let (tag, _) = house.call(house.home(wire), "ask", &json!(["x".repeat(pad)]), None).unwrap();
        match house.outcome(tag) {
            None => longest = house.one(wire).to_string().len(),
            Some(_) => refused += 1,
        }
    }
    assert_eq!(longest, 100);
    assert!(refused > 0);
}

#[test]
fn an_answer_as_long_as_the_peer_takes_is_sent_whatever_waits_before_it() {
    let (mut longest, mut refused) = (0, 0);
    for pad in 0..200 {
        let mut house = House::new(ServerConfig { dialect: Dialect::Strict, ..ServerConfig::default() });
        let (wire, _) = house.connect(json!({"resume": {"received": 0, "max": 200}}));
        house.stall(wire, true);
        for id in 2..5 {
            house.send(wire, &request(id, "echo", json!(["x".repeat(pad)])));
        }
        house.stall(wire, false);
        let answers = house.read(wire);
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(|answer| answer.get("result").is_some() == answers[0].get("result").is_some()), "{answers:?}");
        for answer in answers {
            if answer.get("result").is_some() {
                longest = longest.max(answer.to_string().len());
            } else {
                refused += 1;
            }
        }
    }
    assert_eq!(longest, 200);
    assert!(refused > 0);
}

#[test]
fn what_a_client_sends_fits_with_the_id_of_its_session() {
    // Each takes two bytes.
    let session = "\"".repeat(128);
    let (mut sent, mut refused) = (0, 0);
    for pad in 0..600 {
        let mut server = RawServer::new(ClientConfig { dialect: Dialect::Kurento, ..ClientConfig::default() });
        server.accept();
        server.greet(json!({"value": "OK", "sessionId": session, "resume": {"received": 0, "max": 600}}));
        let (tag, _) = server.call("ask", &json!({"text": "x".repeat(pad)}), None).unwrap();
        match server.outcome(tag) {
            None => {
                let call = server.expect("ask");
                assert_eq!(call["params"]["sessionId"], session.as_str());
                assert!(call.to_string().len() <= 600, "{pad}");
                sent += 1;
            }
            Some(outcome) => {
                assert_eq!(outcome, &CallOutcome::TooBig(600));
                refused += 1;
            }
        }
    }
    assert!(sent > 100 && refused > 100, "{sent} {refused}");
}

#[test]
fn resumption_cannot_be_offered_once_the_server_has_sent_something() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    house.notify(house.home(wire), "note", 1).unwrap();
    house.read(wire);
    let answer = house.ask(wire, 1, "connect", json!({"resume": {"received": 0}}));
    assert_eq!(answer["error"]["code"], -32600);
}

#[test]
fn answers_that_are_too_long_together_give_way_to_an_error() {
    let limits = Limits { message_bytes: 400, ..Limits::default() };
    let mut house = House::new(ServerConfig { dialect: Dialect::Strict, limits, ..ServerConfig::default() });
    let wire = house.open();
    let long = json!(["x".repeat(120)]);
    house.send(wire, &json!([request(1, "echo", long.clone()), request(2, "echo", long.clone()), request(3, "echo", long)]));
    let answers = house.one(wire);
    let codes: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [None, None, Some(-32603)]);
}

#[test]
fn a_member_of_a_batch_that_is_asked_again_alone_leaves_its_batch() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    house.send(wire, &json!([request(1, "later", json!({})), request(2, "count", json!({}))]));
    assert_eq!(house.read(wire), Vec::<Value>::new());
    house.send(wire, &request(1, "later", json!({})));
    let batch = house.one(wire);
    assert_eq!((batch.as_array().unwrap().len(), &batch[0]["id"]), (1, &json!(2)), "the batch waits no longer");
    house.finish(0, &json!(7));
    assert_eq!(house.one(wire)["result"]["value"], 7);
}

#[test]
fn a_connect_with_an_older_id_comes_from_an_heir_whose_requests_are_new() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    assert_eq!(house.ask(wire, 5, "count", json!({}))["result"]["value"], 1);
    assert_eq!(house.ask(wire, 5, "count", json!({}))["result"]["value"], 1, "a repetition");
    house.cut(wire);
    let wire = house.open();
    house.ask(wire, 6, "connect", json!({"sessionId": id}));
    assert_eq!(house.ask(wire, 5, "count", json!({}))["result"]["value"], 1, "still a repetition");
    house.cut(wire);
    let wire = house.open();
    house.ask(wire, 5, "connect", json!({"sessionId": id}));
    assert_eq!(house.ask(wire, 5, "count", json!({}))["result"]["value"], 2, "another sender's");
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Unit;

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Wrapper(u32);

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Pair(u32, u32);

#[derive(Debug, Deserialize, PartialEq, Eq)]
enum Choice {
    Left,
    #[serde(rename = "right")]
    Right(u32),
}

#[test]
fn every_kind_of_type_decodes_from_its_box_and_without() {
    let json = |text: &'static str| Json::parse(text).unwrap();
    let boxed = |text| decode_params::<Wrapper>(Some(&json(text)), Dialect::Kurento);
    assert_eq!((boxed("7"), boxed(r#"{"value":7}"#)), (Ok(Wrapper(7)), Ok(Wrapper(7))));
    assert_eq!(decode_params::<Pair>(Some(&json(r#"{"value":[1,2]}"#)), Dialect::Kurento), Ok(Pair(1, 2)));
    assert_eq!(decode_params::<Unit>(None, Dialect::Strict), Ok(Unit));
    assert_eq!(decode_result::<Unit>(&json(r#"{"value":""}"#), Dialect::Kurento), Ok(Unit));
    assert_eq!(decode_params::<Choice>(Some(&json(r#"{"value":"Left"}"#)), Dialect::Kurento), Ok(Choice::Left));
    assert_eq!(decode_result::<Choice>(&json(r#"{"right":3}"#), Dialect::Kurento), Ok(Choice::Right(3)));
    assert_eq!(decode_params::<Value>(Some(&json(r#"{"value":1}"#)), Dialect::Kurento), Ok(json!({"value": 1})), "any type: as it is");
    assert_eq!(decode_params::<Choice>(Some(&json(r#"{"right":3}"#)), Dialect::Strict), Ok(Choice::Right(3)));
    assert_eq!(decode_params::<Option<u32>>(Some(&json("3")), Dialect::Strict), Ok(Some(3)));
    let error = decode_result::<Wrapper>(&json("\"x\""), Dialect::Strict).unwrap_err();
    assert!(error.path.is_empty() && !error.to_string().contains("line"), "{error}");
}

#[test]
fn texts_for_people_say_what_happened() {
    assert_eq!(SendError::Full.to_string(), "the session's send buffer is full");
    assert_eq!(SendError::Closed.to_string(), "the session is closed");
    assert!(SendError::ReservedMethod.to_string().contains("sent by the library itself"));
    assert!(SendError::TooBig(7).to_string().contains("7 bytes"));
    assert_eq!(ErrorObject::internal().to_string(), "Internal error (code -32603)");
    let reasons = [
        (CloseReason::ClientClosed, "Client sent close message"),
        (CloseReason::GraceExpired, "reconnection timeout"),
        (CloseReason::Application, "Application closed the session"),
        (CloseReason::Shutdown, "Server is shutting down"),
        (CloseReason::ResumeMismatch, "resumption mismatch"),
        (CloseReason::GaveUp, "reconnection given up"),
        (CloseReason::NeverOpened, "no session was opened"),
    ];
    for (reason, text) in reasons {
        assert_eq!(reason.as_str(), text);
    }
    let error = Json::parse("[1").unwrap_err();
    assert_eq!((error.to_string().as_str(), format!("{}", Json::NULL)), ("expected ',' or ']' at byte 2", "null".to_owned()));
    assert_eq!(DirectoryFull(()).to_string(), "the server has as many sessions as it may");
    assert_eq!(format!("{:?}", Instant::after_origin(Duration::from_millis(5))), "+5ms");
}

#[test]
fn a_session_id_is_the_text_that_it_was() {
    for text in ["00000000-0000-4000-8000-0000000000ab", "00000000-0000-4000-8000-0000000000AB", "000000000000400080000000000000ab", "S"] {
        assert_eq!(SessionId::from_text(text).unwrap().reveal(), text);
    }
    let spelled = ["00000000-0000-4000-8000-0000000000ab", "00000000-0000-4000-8000-0000000000AB"].map(SessionId::from_text);
    assert_ne!(spelled[0], spelled[1]);
}

#[test]
fn a_log_shows_the_beginning_of_a_session_id_and_never_the_whole() {
    for (text, shown) in [("00000000-0000-4000-8000-0000000000ab", "00000000…"), ("0123456789ab", "012345…"), ("abc", "a…"), ("S", "…")]
    {
        assert_eq!(format!("{:?}", SessionId::from_text(text).unwrap()), shown);
    }
}

#[test]
fn a_directory_shows_all_that_is_in_it() {
    let mut directory = Directory::new(2);
    assert!(directory.is_empty());
    let (a, b) = (SessionId::from_random([1; 16]), SessionId::from_text("B").unwrap());
    assert!(directory.insert(&a, 0, 1).is_ok() && directory.insert(&b, 1, 2).is_ok());
    assert_eq!(directory.insert(&b, 1, 3), Ok(()), "a session that is there takes no new place");
    let mut handles: Vec<_> = directory.iter().map(|(_, handle)| *handle).collect();
    handles.sort_unstable();
    assert_eq!((handles, directory.is_empty()), (vec![1, 3], false));
}

/// What an endpoint says of itself: whether it is open, attached and closed.
fn state(endpoint: &Endpoint<u32>) -> [bool; 3] {
    [endpoint.is_open(), endpoint.is_attached(), endpoint.is_closed()]
}

#[test]
fn an_endpoint_says_where_it_stands() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    let home = house.home(wire);
    assert_eq!(state(house.endpoint(home)), [false, true, false], "nobody has asked for a session");
    house.ask(wire, 1, "connect", json!({}));
    assert_eq!(state(house.endpoint(home)), [true, true, false]);
    house.cut(wire);
    assert_eq!(state(house.endpoint(home)), [true, false, false]);
    house.with(home, |endpoint, now| endpoint.close(now, CloseReason::Application));
    assert_eq!(state(house.endpoint(home)), [false, false, true]);

    let mut server = RawServer::new(ClientConfig::default());
    assert_eq!(state(server.client()), [false; 3]);
    server.accept();
    assert_eq!(state(server.client()), [false; 3], "its `connect` is not answered");
    server.greet(json!({"value": "OK", "sessionId": "S"}));
    assert_eq!(state(server.client()), [true, true, false]);
    server.cut();
    assert_eq!(state(server.client()), [true, false, false]);
    server.with(|client, now| client.close(now, CloseReason::Application));
    assert_eq!(state(server.client()), [false, false, true]);
}

#[test]
fn codes_are_those_of_the_protocol() {
    let codes = [
        (ErrorObject::PARSE_ERROR, -32700),
        (ErrorObject::INVALID_REQUEST, -32600),
        (ErrorObject::METHOD_NOT_FOUND, -32601),
        (ErrorObject::INVALID_PARAMS, -32602),
        (ErrorObject::INTERNAL_ERROR, -32603),
        (ErrorObject::UNKNOWN_SESSION, 40007),
        (ErrorObject::TOO_MANY_REQUESTS, -32000),
        (ErrorObject::SHUTTING_DOWN, -32001),
    ];
    assert!(codes.iter().all(|(code, number)| code == number), "{codes:?}");
}

#[test]
fn a_frame_without_a_transport_is_not_heard() {
    let mut endpoint = Endpoint::<u32>::server(Arc::default(), SessionId::from_random([7; 16]));
    let frame = request(1, "m", json!([])).to_string();
    assert!(matches!(endpoint.handle_text(Instant::ORIGIN, &frame), Received::Handled));
    let _ = endpoint.handle_attached(Instant::ORIGIN);
    assert!(matches!(endpoint.handle_text(Instant::ORIGIN, &frame), Received::Request(_)));
    endpoint.handle_detached(Instant::ORIGIN);
    let frame = request(2, "m", json!([])).to_string();
    assert!(matches!(endpoint.handle_text(Instant::ORIGIN, &frame), Received::Handled));
    assert!(matches!(endpoint.handle_frame(Instant::ORIGIN, b"\xff"), Received::Handled));
    assert_eq!((endpoint.usage().in_flight, endpoint.usage().outbox_messages), (1, 0));
}

#[test]
fn both_sides_say_how_long_a_message_they_take_if_it_is_not_the_usual() {
    for (message_bytes, told) in [(5000, json!({"received": 0, "max": 5000})), (1024 * 1024, json!({"received": 0}))] {
        let limits = Limits { message_bytes, ..Limits::default() };
        let mut house = House::new(ServerConfig { limits: limits.clone(), ..ServerConfig::default() });
        let wire = house.open();
        assert_eq!(house.ask(wire, 1, "connect", json!({"resume": {"received": 0}}))["result"]["resume"], told);
        let mut server = RawServer::new(ClientConfig { limits, ..ClientConfig::default() });
        server.accept();
        assert_eq!(server.expect("connect")["params"]["resume"], told);
    }
}
