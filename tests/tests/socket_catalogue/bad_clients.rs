//! A server, and a client that does what it should not.

use crate::rows::{Bound, FromClient, Gets, SESSION};
use bowline::{Context, Dialect, ErrorObject, Json, Limits, PathOptions, Router, Runtime, ServerLimits, SockJsOptions};
use bowline_tests::sockets::{Http, PATIENCE, Peer, Rig, until};
use futures_util::future::pending;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tungstenite::Message;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

pub(crate) async fn check(runtime: &impl Runtime, input: &FromClient, gets: Gets) {
    let mut limits = ServerLimits::new();
    match input {
        FromClient::Text(frame) => in_session(serve(runtime, limits).await, "/", gets, |peer| peer.text(frame)),
        FromClient::Strict(frame) => in_session(serve(runtime, limits).await, "/strict", gets, |peer| peer.text(frame)),
        FromClient::Frames(bytes) => in_session(serve(runtime, limits).await, "/", gets, |peer| {
            // The server may hang up before it has read all of them.
            peer.bytes(bytes);
        }),
        FromClient::Resumable(frame) => {
            let address = serve(runtime, limits).await;
            let (mut peer, session) = resumable(address);
            peer.text(frame);
            check_answer(address, "/", peer, &session, gets);
        }
        FromClient::Anew(path, frames) => {
            let address = serve(runtime, limits).await;
            // It stays where it is: a connection may have been lost that nobody has missed yet.
            let (_old, session) = resumable(address);
            anew(address, path, frames, &session, gets);
        }
        FromClient::Head(bytes) => {
            limits.handshake_timeout = Duration::from_millis(500);
            let address = serve(runtime, limits).await;
            let mut stream = Peer::open(address).unwrap();
            stream.write_all(bytes.as_bytes()).unwrap();
            let Gets::Status(status) = gets else { panic!("a handshake gets a status") };
            assert_eq!(Peer::read_head(&mut stream).unwrap().status, status);
            // It is told all, and not cut off for what it still had to say.
            stream.read_to_end(&mut Vec::new()).unwrap();
            greeted(address, "/");
        }
        FromClient::SockJs(request) => beside_polls(serve(runtime, limits).await, request, gets),
        FromClient::Carried(frame) => carried(serve(runtime, limits).await, frame, gets),
        FromClient::OneMore(bound) => {
            let limits = &mut limits;
            match bound {
                Bound::Handshakes => limits.max_handshakes = 1,
                Bound::Transports => limits.max_connections = 1,
                Bound::Sessions => limits.max_sessions = 1,
                Bound::Silence => limits.silence_timeout = Duration::from_millis(20),
                Bound::Guesses => (limits.failed_connects, limits.failed_connects_per_second) = (1, 1),
                // Those of its path.
                Bound::Requests => {}
            }
            one_more(serve(runtime, limits.clone()).await, *bound, gets).await;
        }
    }
}

#[derive(Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

async fn serve(runtime: &impl Runtime, limits: ServerLimits) -> SocketAddr {
    let router = || {
        Router::new()
            .method("add", async |p: Add| Ok::<_, ErrorObject>(p.a + p.b))
            .raw("echo", async |params: Option<Json<'static>>, _: Context| Ok::<_, ErrorObject>(params))
    };
    let server = runtime.server().path("/", router()).path("/second", router());
    let server = server.path_with("/strict", PathOptions::new().dialect(Dialect::Strict), router());
    let few = Limits { in_flight: 1, outbox_messages: 1, ..Limits::default() };
    let never = Router::new().method("never", |(): ()| pending::<Result<(), ErrorObject>>());
    let server = server.path_with("/busy", PathOptions::new().limits(few), never);
    let server = server.path_with("/sockjs", PathOptions::new().sockjs(SockJsOptions::new()), router());
    runtime.serve(server.limits(limits).bind("127.0.0.1:0").await.unwrap()).0
}

/// A peer with a session that works.
fn greeted(address: SocketAddr, path: &str) -> (Peer, String) {
    let mut peer = Peer::connect(address, path);
    let session = peer.greet();
    works(&mut peer);
    (peer, session)
}

fn works(peer: &mut Peer) {
    let result = &peer.call("add", &json!({ "a": 1, "b": 2 }))["result"];
    assert_eq!(result.get("value").unwrap_or(result), 3);
}

/// A peer with resumption, which has been sent two messages and has acknowledged the first.
fn resumable(address: SocketAddr) -> (Peer, String) {
    let mut peer = Peer::connect(address, "/");
    let result = peer.call("connect", &json!({ "resume": { "received": 0 } }))["result"].clone();
    works(&mut peer);
    assert_eq!(peer.call("ping", &json!({ "received": 1 }))["result"]["value"], "pong");
    works(&mut peer);
    (peer, result["sessionId"].as_str().unwrap().to_owned())
}

/// What a peer gets that comes back to the session.
fn resume(address: SocketAddr, path: &str, session: &str) -> Value {
    Peer::connect(address, path).resume(session)
}

fn is_there(address: SocketAddr, path: &str, session: &str) {
    assert_eq!(resume(address, path, session)["result"]["value"], "reconnection successful");
}

fn in_session(address: SocketAddr, path: &str, gets: Gets, act: impl FnOnce(&mut Peer)) {
    let (mut peer, session) = greeted(address, path);
    act(&mut peer);
    check_answer(address, path, peer, &session, gets);
}

/// The request comes while a session of SockJS goes on, which must not mind.
fn beside_polls(address: SocketAddr, request: &str, gets: Gets) {
    let mut polls = Http::connect(address);
    let mut poll = || polls.ask("POST", "/sockjs/0/s/xhr", "").body;
    assert_eq!(poll(), "o\n");
    let mut ask = |method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let sent = Http::once(address, "POST", "/sockjs/0/s/xhr_send", &json!([request.to_string()]).to_string());
        assert_eq!(sent.status, 204);
        message_of(&poll())
    };
    let session = ask("connect", json!({}))["result"]["sessionId"].as_str().unwrap().to_owned();
    let mut beside = Http::connect(address);
    beside.bytes(request.as_bytes());
    let status = beside.head().status;
    match gets {
        Gets::Status(expected) => assert_eq!(status, expected),
        Gets::Error(id, code, says) => {
            assert_eq!(status, 204);
            is_error(&message_of(&polls.ask("POST", "/sockjs/0/s/xhr", "").body), id, code, says);
        }
        Gets::Closed(code, reason) => {
            assert_eq!(status, 204);
            let frame = polls.ask("POST", "/sockjs/0/s/xhr", "").body;
            assert_eq!(frame, format!("c[{code},\"{reason}\"]\n"));
            return is_there(address, "/sockjs", &session);
        }
        Gets::ErrorInBatch(..)
        | Gets::Served(_)
        | Gets::Nothing
        | Gets::Ended
        | Gets::Mismatch
        | Gets::SessionClosed(..)
        | Gets::Refused(_)
        | Gets::Connected
        | Gets::CallFails(_)
        | Gets::Renewed
        | Gets::Reconnected(_)
        | Gets::ReconnectedSilently
        | Gets::Refuted(..)
        | Gets::PassedOver => panic!("no such thing"),
    }
    let request = json!({ "jsonrpc": "2.0", "id": 2, "method": "add", "params": { "a": 1, "b": 2 } });
    let sent = Http::once(address, "POST", "/sockjs/0/s/xhr_send", &json!([request.to_string()]).to_string());
    assert_eq!(sent.status, 204);
    assert_eq!(message_of(&polls.ask("POST", "/sockjs/0/s/xhr", "").body)["result"]["value"], 3);
}

/// The message in a frame that has one.
fn message_of(frame: &str) -> Value {
    let messages: Vec<String> = serde_json::from_str(frame.strip_prefix('a').unwrap_or_else(|| panic!("no message: {frame}"))).unwrap();
    assert_eq!(messages.len(), 1);
    serde_json::from_str(&messages[0]).unwrap()
}

fn carried(address: SocketAddr, frame: &str, gets: Gets) {
    let mut peer = Peer::connect(address, "/sockjs/0/s/websocket");
    assert_eq!(peer.message_in(), Message::text("o"));
    let connect = json!({ "jsonrpc": "2.0", "id": 1, "method": "connect", "params": {} });
    peer.text(&json!([connect.to_string()]).to_string());
    let Message::Text(text) = peer.message_in() else { panic!("no text") };
    let session = message_of(&text)["result"]["sessionId"].as_str().unwrap().to_owned();
    peer.text(frame);
    let Gets::Closed(code, reason) = gets else { panic!("it is closed") };
    is_closed(&mut peer, code, reason);
    is_there(address, "/sockjs", &session);
}

fn anew(address: SocketAddr, path: &str, frames: &[String], session: &str, gets: Gets) {
    let mut peer = Peer::connect(address, path);
    let (last, others) = frames.split_last().unwrap();
    let wanted = |frame: &str| frame.replace(SESSION, session);
    for frame in others {
        peer.text(&wanted(frame));
        peer.read();
    }
    peer.text(&wanted(last));
    check_answer(address, "/", peer, session, gets);
}

/// `peer` has done it, in `session` or on its way there: what comes next is what it gets.
fn check_answer(address: SocketAddr, path: &str, mut peer: Peer, session: &str, gets: Gets) {
    match gets {
        Gets::Error(id, code, says) => {
            is_error(&peer.read(), id, code, says);
            works(&mut peer);
        }
        Gets::ErrorInBatch(id, code, says) => {
            let answers = peer.read();
            assert_eq!(answers.as_array().map(Vec::len), Some(1), "{answers}");
            is_error(&answers[0], id, code, says);
            works(&mut peer);
        }
        Gets::Served(id) => {
            let answer = peer.read();
            assert_eq!(answer["id"], serde_json::from_str::<Value>(id).unwrap(), "{answer}");
            assert!(answer.get("result").is_some(), "{answer}");
            works(&mut peer);
        }
        Gets::Nothing => {
            // The next frame is the answer to what comes next.
            let id = peer.request("add", &json!({ "a": 1, "b": 2 }));
            assert_eq!(peer.read()["id"], id);
        }
        Gets::Closed(code, reason) => {
            is_closed(&mut peer, code, reason);
            is_there(address, path, session);
        }
        Gets::Ended => {
            assert_eq!(peer.closed(), None);
            is_there(address, path, session);
        }
        Gets::Mismatch => {
            let answer = peer.read();
            is_error(&answer, "1001", 40007, "");
            assert_eq!(answer["error"]["data"]["type"], "RESUME_MISMATCH");
            is_gone(address, peer, session, (1002, "Resumption mismatch"));
        }
        Gets::SessionClosed(code, reason) => is_gone(address, peer, session, (code, reason)),
        Gets::Status(_)
        | Gets::Refused(_)
        | Gets::Connected
        | Gets::CallFails(_)
        | Gets::Renewed
        | Gets::Reconnected(_)
        | Gets::ReconnectedSilently
        | Gets::Refuted(..)
        | Gets::PassedOver => panic!("no such thing"),
    }
    drop(greeted(address, path));
}

fn is_error(answer: &Value, id: &str, code: i64, says: &str) {
    let id: Value = serde_json::from_str(id).unwrap();
    assert_eq!((&answer["error"]["code"], &answer["id"], &answer["jsonrpc"]), (&json!(code), &id, &json!("2.0")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{answer}");
}

fn is_closed(peer: &mut Peer, code: u16, reason: &str) {
    let (seen, said) = peer.closed().expect("a Close frame");
    assert_eq!(seen, code, "{said}");
    assert!(reason.is_empty() || said == reason, "{said}");
}

fn is_gone(address: SocketAddr, mut peer: Peer, session: &str, (code, reason): (u16, &str)) {
    is_closed(&mut peer, code, reason);
    assert_eq!(resume(address, "/", session)["error"]["code"], 40007);
}

async fn one_more(address: SocketAddr, bound: Bound, gets: Gets) {
    match (bound, gets) {
        (Bound::Handshakes, Gets::Status(status)) => one_more_handshake(address, status).await,
        (Bound::Transports, Gets::Closed(code, reason)) => {
            let (mut first, _) = greeted(address, "/");
            is_closed(&mut Peer::connect(address, "/"), code, reason);
            works(&mut first);
        }
        (Bound::Sessions, Gets::Closed(code, reason)) => {
            let (mut first, _) = greeted(address, "/");
            let mut second = Peer::connect(address, "/");
            second.request("connect", &json!({}));
            is_closed(&mut second, code, reason);
            works(&mut first);
        }
        (Bound::Silence, Gets::Closed(code, reason)) => is_closed(&mut Peer::connect(address, "/"), code, reason),
        (Bound::Guesses, Gets::Closed(code, reason)) => {
            let (mut first, _) = greeted(address, "/");
            // So many that what is forgiven meanwhile does not matter.
            let mut peers: Vec<_> = (0..40).map(|_| Peer::connect(address, "/")).collect();
            for peer in &mut peers {
                peer.request("connect", &json!({ "sessionId": NOBODY }));
            }
            let closed = peers.iter_mut().find_map(|peer| match peer.message_in() {
                Message::Close(close) => close,
                Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
            });
            let closed = closed.expect("one of them was one too many");
            assert_eq!(u16::from(closed.code), code);
            assert!(closed.reason.as_str().contains(reason), "{closed:?}");
            works(&mut first);
        }
        (Bound::Requests, Gets::Closed(code, reason)) => one_more_request(address, (code, reason)),
        (Bound::Handshakes | Bound::Transports | Bound::Sessions | Bound::Silence | Bound::Guesses | Bound::Requests, _) => {
            panic!("no such thing")
        }
    }
}

async fn one_more_handshake(address: SocketAddr, status: u16) {
    let waiting = [Peer::open(address).unwrap(), Peer::open(address).unwrap()];
    let (send, answers) = mpsc::channel();
    for stream in &waiting {
        let (mut stream, send) = (stream.try_clone().unwrap(), send.clone());
        thread::spawn(move || send.send(Peer::read_head(&mut stream).map(|head| head.status)));
    }
    // Which of them is one too many they have settled among themselves.
    assert_eq!(answers.recv_timeout(PATIENCE).unwrap().unwrap(), status);
    for stream in waiting {
        // The thread has the other handle.
        let _ = stream.shutdown(Shutdown::Both);
    }
    // The places are free when the server has seen those connections end.
    until(|| Peer::handshake(address, "/", &[]).map_or(0, |(head, _)| head.status) == 101).await;
}

fn one_more_request(address: SocketAddr, wanted: (u16, &str)) {
    let mut first = Peer::connect(address, "/busy");
    let session = first.greet();
    first.request("never", &json!({}));
    let (send, ends) = mpsc::channel();
    let watch = |mut peer: Peer| {
        let send = send.clone();
        thread::spawn(move || send.send(peer.closed()));
    };
    watch(first);
    // Each is taken in, and then the one before it is closed, or is one too many itself.
    let refused = (0..40).find_map(|n| {
        let mut peer = Peer::connect(address, "/busy");
        peer.text(&json!({ "jsonrpc": "2.0", "id": 100 + n, "method": "never", "params": { "sessionId": session } }).to_string());
        watch(peer);
        ends.recv_timeout(PATIENCE).unwrap().filter(|(code, _)| *code == wanted.0)
    });
    assert_eq!(refused, Some((wanted.0, wanted.1.to_owned())));
    is_there(address, "/busy", &session);
}
