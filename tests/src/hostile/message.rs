//! One frame, read by an endpoint of each role and dialect, against the [reference](mod@super::reference).

use super::reference::{self, Id, Message, Verdict};
use crate::raw::{self, checked_frame};
use bowline_core::{
    Action, Call, CallOutcome, ClientConfig, Dialect, Endpoint, ErrorObject, Instant, Json, Outcome, Received, Request, SendError,
    ServerConfig, SessionId, unbox,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const NOW: Instant = Instant::ORIGIN;

/// Checks everything that is known about one frame.
///
/// The verdict of a server (parse error, invalid, request, batch) is the reference's; method, params and ids are the same, params and results byte for byte; what
/// the endpoint writes parses back; only `sessionId` is taken out or put in. The same for the answers that a client gets, and for params that it sends.
///
/// # Panics
///
/// If anything differs.
pub fn check(frame: &[u8]) {
    json_agrees(frame);
    for dialect in [Dialect::Strict, Dialect::Kurento] {
        server_agrees(frame, dialect);
        client_agrees(frame, dialect);
    }
}

fn json_agrees(frame: &[u8]) {
    let Ok(text) = std::str::from_utf8(frame) else { return };
    let parsed = Json::parse(text).ok();
    assert_eq!(parsed.as_ref().map(Json::as_str), reference::valid(text), "{text}");
    let Some(json) = parsed else { return };
    let raw = json.as_str();
    let boxed = reference::members(raw).filter(|members| matches!(&members[..], [(Some(key), _)] if key == "value"));
    let inside = boxed.map(|members| members[0].1).filter(|value| !value.starts_with('{'));
    assert_eq!(unbox(json.borrow(), Dialect::Kurento).as_str(), inside.unwrap_or(raw));
    assert_eq!(unbox(json.borrow(), Dialect::Strict).as_str(), raw);
}

fn server(dialect: Dialect) -> Endpoint<u32> {
    let config = ServerConfig { dialect, ..ServerConfig::default() };
    let mut server = Endpoint::server(Arc::new(config), SessionId::from_random([7; 16]));
    assert!(server.handle_attached(NOW).is_none());
    server
}

fn written(endpoint: &mut Endpoint<u32>) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        let mut frame = Vec::new();
        if endpoint.poll_transmit(&mut frame).is_none() {
            return frames;
        }
        frames.push(checked_frame(&frame));
    }
}

fn is_session_method(method: &str) -> bool {
    matches!(method, "connect" | "ping" | "closeSession")
}

/// Whether an answer goes under this id, as it was written.
fn same_id(answer: &Value, id: &Id<'_>) -> bool {
    match id {
        Id::Null => answer["id"].is_null(),
        Id::Number(raw) => answer["id"] == raw::number(raw),
        Id::Text(text) => answer["id"] == **text,
    }
}

fn one(frames: &[Value]) -> &Value {
    assert_eq!(frames.len(), 1, "{frames:?}");
    &frames[0]
}

fn server_agrees(frame: &[u8], dialect: Dialect) {
    let mut server = server(dialect);
    let verdict = reference::judge(frame, dialect);
    let mut received = server.handle_frame(NOW, frame);
    let first = match &verdict {
        Verdict::Single(Message::Request { method, params, .. }) if !is_session_method(method) => *params,
        Verdict::Batch(members) if (1..=1024).contains(&members.len()) => members
            .iter()
            .find_map(|member| match member {
                Message::Request { method, params, .. } if !is_session_method(method) => Some(*params),
                Message::Request { .. } | Message::Answer { .. } | Message::Invalid(_) => None,
            })
            .flatten(),
        Verdict::Single(Message::Request { method, params, .. }) if method == "connect" => *params,
        Verdict::ParseError | Verdict::Single(_) | Verdict::Batch(_) => None,
    };
    let is_connect = matches!(&verdict, Verdict::Single(Message::Request { method, .. }) if method == "connect");
    let named = first.filter(|_| dialect == Dialect::Kurento || is_connect).and_then(reference::named_session);
    if let Received::HandOver(id) = &received {
        assert_eq!(Some(id.reveal()), named, "another session than the one that is named");
        assert!(written(&mut server).is_empty() && server.poll_action().is_none(), "something was done before the session was looked up");
        received = server.handle_unknown_session(NOW, frame);
    } else if !is_connect {
        assert_eq!(named, None, "the session that is named is not looked up");
    }
    match verdict {
        Verdict::ParseError => {
            assert!(matches!(received, Received::Handled));
            refused(&written(&mut server), &Id::Null, ErrorObject::PARSE_ERROR);
        }
        Verdict::Single(Message::Invalid(id)) => {
            assert!(matches!(received, Received::Handled));
            refused(&written(&mut server), &id, ErrorObject::INVALID_REQUEST);
        }
        Verdict::Single(Message::Answer { .. }) => {
            assert!(matches!(received, Received::Handled));
            assert!(written(&mut server).is_empty(), "an answer is not answered");
        }
        Verdict::Single(Message::Request { id, method, .. }) if is_session_method(&method) => {
            assert!(matches!(received, Received::Handled));
            let frames = written(&mut server);
            assert_eq!(frames.len(), usize::from(id.is_some()), "{frames:?}");
            assert!(id.is_none_or(|id| same_id(&frames[0], &id)));
        }
        Verdict::Single(Message::Request { id, method, params }) => {
            let Received::Request(request) = received else { unreachable!("{received:?}") };
            assert!(matches!(server.poll_action(), Some(Action::Opened)));
            same_request(&request, id.as_ref(), &method, params, dialect);
            server.respond(NOW, request.responder, Outcome::Empty);
            let frames = written(&mut server);
            assert_eq!(frames.len(), usize::from(id.is_some()), "{frames:?}");
            assert!(id.is_none_or(|id| same_id(&frames[0], &id) && frames[0].get("result").is_some()));
        }
        Verdict::Batch(members) => batch_agrees(&mut server, members, dialect),
    }
    assert_eq!(server.usage().in_flight, 0);
}

fn refused(frames: &[Value], id: &Id<'_>, code: i64) {
    let answer = one(frames);
    assert!(same_id(answer, id) && answer["error"]["code"] == code, "{answer}");
}

fn same_request(request: &Request<'_>, id: Option<&Id<'_>>, method: &str, params: Option<&str>, dialect: Dialect) {
    assert_eq!((&*request.method, request.responder.is_notification()), (method, id.is_none()));
    same_value(request.params.as_ref().map(Json::as_str), params, dialect);
}

/// What the application gets is what stands in the frame, byte for byte, but for `sessionId`.
fn same_value(got: Option<&str>, stands: Option<&str>, dialect: Dialect) {
    let (Some(got), Some(stands)) = (got, stands) else { return assert_eq!(got, stands) };
    match reference::without_session(stands).filter(|_| dialect == Dialect::Kurento) {
        Some(kept) => assert_eq!(reference::members(got), Some(kept), "{got} of {stands}"),
        None => assert_eq!(got, stands),
    }
}

fn batch_agrees(server: &mut Endpoint<u32>, members: Vec<Message<'_>>, dialect: Dialect) {
    if !(1..=1024).contains(&members.len()) {
        return refused(&written(server), &Id::Null, ErrorObject::INVALID_REQUEST);
    }
    // Members that are served, and the ids that are answered: a request that stands twice in the batch is a repetition, and served once.
    let mut known: BTreeMap<String, (&str, Option<&str>)> = BTreeMap::new();
    let (mut served, mut answered) = (Vec::new(), Vec::new());
    for member in &members {
        match member {
            Message::Request { id, method, .. } if is_session_method(method) => answered.extend(id),
            Message::Request { id, method, params } => {
                let key = id.as_ref().and_then(|id| id.key(dialect));
                if key.is_some_and(|key| known.insert(key, (method, *params)) == Some((method, *params))) {
                    continue;
                }
                answered.extend(id);
                served.push((id.as_ref(), method, *params));
            }
            Message::Answer { .. } => {}
            Message::Invalid(id) => answered.push(id),
        }
    }
    let opened = server.poll_action();
    assert_eq!(matches!(opened, Some(Action::Opened)), !served.is_empty(), "{opened:?}");
    for (id, method, params) in served {
        let Some(Action::Serve(request)) = server.poll_action() else { unreachable!("{method} is not served") };
        same_request(&request, id, method, params, dialect);
        server.respond(NOW, request.responder, Outcome::Empty);
    }
    assert!(server.poll_action().is_none());
    let frames = written(server);
    if answered.is_empty() {
        return assert_eq!(frames, Vec::<Value>::new());
    }
    let mut answers: Vec<&Value> = one(&frames).as_array().map(|answers| answers.iter().collect()).unwrap_or_default();
    for id in answered {
        let at = answers.iter().position(|answer| same_id(answer, id));
        answers.remove(at.unwrap_or_else(|| unreachable!("{id:?} is not answered: {frames:?}")));
    }
    assert!(answers.is_empty(), "answers that nobody asked for: {answers:?}");
}

/// A client with session "S" and calls 2, 3 and 4.
fn client(dialect: Dialect) -> Endpoint<u32> {
    let config = ClientConfig { dialect, ..ClientConfig::default() };
    let mut client = Endpoint::client(Arc::new(config), 7);
    client.open(NOW);
    assert!(client.handle_attached(NOW).is_none());
    assert_eq!(one(&written(&mut client))["id"], 1);
    let greeting = br#"{"jsonrpc":"2.0","id":1,"result":{"value":"OK","sessionId":"S"}}"#;
    assert!(matches!(client.handle_frame(NOW, greeting), Received::Handled));
    while client.poll_action().is_some() {}
    for tag in 2..=4 {
        assert!(client.call(NOW, Call { method: "m", params: None, deadline: None, tag }).is_ok());
    }
    assert_eq!(written(&mut client).len(), 3);
    client
}

fn client_agrees(frame: &[u8], dialect: Dialect) {
    let verdict = reference::judge(frame, dialect);
    let mut client = client(dialect);
    if let Received::Request(request) = client.handle_frame(NOW, frame) {
        client.respond(NOW, request.responder, Outcome::Empty);
    }
    let members = match verdict {
        Verdict::ParseError => Vec::new(),
        Verdict::Single(member) => {
            if let Message::Request { params: Some(params), .. } = &member {
                what_is_sent_agrees(params, dialect);
            }
            vec![member]
        }
        Verdict::Batch(members) if members.len() > 1024 => Vec::new(),
        Verdict::Batch(members) => members,
    };
    let mut expected: Vec<(u32, Option<&str>, Option<&str>)> = Vec::new();
    for member in members {
        if let Message::Answer { id, result, error } = member
            && let Some(tag) = id.key(dialect).and_then(|key| key.parse::<u32>().ok()).filter(|id| (2..=4).contains(id))
            && expected.iter().all(|(before, ..)| *before != tag)
        {
            expected.push((tag, result, error));
        }
    }
    let mut settled = Vec::new();
    while let Some(action) = client.poll_action() {
        if let Action::Settled { tag, outcome } = action {
            settled.push((tag, outcome));
        } else if let Action::Serve(request) = action {
            client.respond(NOW, request.responder, Outcome::Empty);
        } else {
            unreachable!("{action:?}");
        }
    }
    assert_eq!(settled.len(), expected.len(), "{settled:?}");
    for ((tag, outcome), (expected, result, error)) in settled.into_iter().zip(expected) {
        assert_eq!(tag, expected);
        match (&outcome, result, error) {
            (CallOutcome::Result(json), Some(_), None) => same_value(Some(json.as_str()), result, dialect),
            (CallOutcome::Error(got), None, Some(raw)) => same_error(got, raw),
            (CallOutcome::Malformed(_), Some(_), Some(_)) => {}
            (CallOutcome::Malformed(_), None, Some(raw)) => assert_eq!(code(raw), None),
            other => unreachable!("{other:?}"),
        }
    }
    let _ = written(&mut client);
}

fn code(error: &str) -> Option<i64> {
    reference::member(error, "code")?.parse().ok()
}

fn same_error(got: &ErrorObject, raw: &str) {
    let message = reference::member(raw, "message").and_then(reference::text).unwrap_or_default();
    let data = reference::member(raw, "data").filter(|data| *data != "null");
    assert_eq!((Some(got.code), &*got.message, got.data.as_ref().map(Json::as_str)), (code(raw), &*message, data), "{raw}");
}

/// Params that a client sends arrive as they are, and with the session's id in the Kurento dialect. Only those are not sent that a peer would not read.
fn what_is_sent_agrees(params: &str, dialect: Dialect) {
    let mut client = client(dialect);
    let json = Json::parse(params).unwrap_or_else(|error| unreachable!("{error}: {params}"));
    let boxed = dialect == Dialect::Kurento && reference::members(params).is_none();
    let fits = reference::depth(params) + 1 + usize::from(boxed) <= 127;
    assert_eq!(client.notify(NOW, "m", Some(&json)), if fits { Ok(()) } else { Err(SendError::TooDeep) });
    if !fits {
        return;
    }
    let mut frame = Vec::new();
    assert!(client.poll_transmit(&mut frame).is_some());
    let Verdict::Single(Message::Request { params: Some(sent), .. }) = reference::judge(&frame, Dialect::Strict) else {
        unreachable!("{}", String::from_utf8_lossy(&frame))
    };
    if dialect == Dialect::Strict {
        return assert_eq!(sent, params);
    }
    let mut members = reference::members(sent).unwrap_or_default();
    assert_eq!(members.pop(), Some((Some("sessionId".to_owned()), "\"S\"")));
    match reference::members(params) {
        Some(object) => assert_eq!(members, object),
        None => assert_eq!(members, [(Some("value".to_owned()), params)]),
    }
}
