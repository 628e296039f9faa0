//! Who comes, and with what: what a server makes of a client's credentials, and what the client learns of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline::{
    ClientBuilder, ConnectError, ConnectionEvent, Context, ErrorObject, FirstConnect, HeaderMap, PathOptions, RequestHead, Router, Runtime,
    Server, ServerHandle, ServerLimits, Session, SessionKept, SockJsOptions, StatusCode,
};
use bowline_tests::sockets::{Http, Peer, Rig, soon, wait_for};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tungstenite::Message;

const BACK: ConnectionEvent = ConnectionEvent::Reconnected(SessionKept::Same);

/// A server that lets in whom `lets_in` does, and refuses the others with 401.
async fn guarded<R: Runtime>(runtime: &R, lets_in: impl Fn(&RequestHead) -> bool + Send + Sync + 'static) -> (SocketAddr, ServerHandle) {
    let server: Server<R> = runtime.server().path("/", Router::new());
    let server = server.intercept(move |head, _| if lets_in(head) { Ok(()) } else { Err(StatusCode::UNAUTHORIZED) });
    runtime.serve(server.bind("127.0.0.1:0").await.unwrap())
}

fn failure(event: ConnectionEvent) -> ConnectError {
    let ConnectionEvent::ConnectionFailed { error, retry_in: Some(_) } = event else { panic!("{event:?}") };
    error
}

fn is_failure(event: &ConnectionEvent) -> bool {
    matches!(event, ConnectionEvent::ConnectionFailed { .. })
}

async fn a_client_that_is_refused_is_told_apart_from_one_whose_server_is_away(runtime: impl Rig) {
    let revoked = Arc::new(Mutex::new(false));
    let seen = Arc::clone(&revoked);
    let (address, handle) = guarded(&runtime, move |_| !*seen.lock().unwrap()).await;
    let quick = runtime.client(&format!("ws://{address}/")).backoff(Duration::from_millis(1), Duration::from_millis(5));
    let client = quick.connect().await.unwrap();
    let mut events = client.events();
    *revoked.lock().unwrap() = true;
    client.reconnect();
    let refused = failure(wait_for(&mut events, is_failure).await);
    assert_eq!(refused.status(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(refused, ConnectError::Status(StatusCode::UNAUTHORIZED));
    let _ = soon(handle.shutdown(Duration::ZERO)).await;
    let away = wait_for(&mut events, |event| matches!(event, ConnectionEvent::ConnectionFailed { error, .. } if error.status().is_none()));
    let away = failure(away.await);
    assert!(matches!(&away, ConnectError::Unreachable(_)), "{away}");
    client.close().await;
}

/// A client whose attempts to connect take one token after the other.
fn with_tokens<R: Runtime>(runtime: &R, address: SocketAddr, tokens: &Arc<Mutex<VecDeque<io::Result<&'static str>>>>) -> ClientBuilder<R> {
    let tokens = Arc::clone(tokens);
    let client = runtime.client(&format!("ws://{address}/")).backoff(Duration::from_millis(1), Duration::from_millis(5));
    client.header("x-token".parse().unwrap(), "fixed".parse().unwrap()).headers_with(move || {
        let token = tokens.lock().unwrap().pop_front().unwrap();
        async {
            let mut headers = HeaderMap::new();
            headers.insert("x-token", token?.parse().unwrap());
            headers.insert("connection", "close".parse().unwrap());
            Ok::<_, io::Error>(headers)
        }
    })
}

async fn each_attempt_to_connect_has_headers_of_its_own(runtime: impl Rig) {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let seeing = Arc::clone(&seen);
    let (address, _server) = guarded(&runtime, move |head| {
        let tokens: Vec<_> = head.headers().get_all("x-token").iter().map(|token| token.to_str().unwrap().to_owned()).collect();
        seeing.lock().unwrap().extend(tokens.iter().cloned());
        tokens != ["old"]
    })
    .await;
    let tokens = Arc::new(Mutex::new(VecDeque::from([Ok("first"), Ok("old"), Err(io::Error::other("no token to be had")), Ok("new")])));
    let client = with_tokens(&runtime, address, &tokens).connect().await.unwrap();
    let mut events = client.events();
    client.reconnect();
    assert_eq!(failure(wait_for(&mut events, is_failure).await).status(), Some(StatusCode::UNAUTHORIZED));
    let error = failure(wait_for(&mut events, is_failure).await);
    assert!(matches!(&error, ConnectError::Headers(_)), "{error:?}");
    assert_eq!(error.to_string(), "no headers for the handshake: no token to be had");
    wait_for(&mut events, |event| *event == BACK).await;
    assert_eq!(*seen.lock().unwrap(), ["first", "old", "new"]);
    client.close().await;
}

async fn without_headers_there_is_no_first_connection_unless_it_may_be_tried_again(runtime: impl Rig) {
    let (address, _server) = guarded(&runtime, |head| head.header("x-token") == Some("good")).await;
    let none = || Err(io::Error::other("no token to be had"));
    let tokens = Arc::new(Mutex::new(VecDeque::from([none(), none(), Ok("good")])));
    let error = with_tokens(&runtime, address, &tokens).connect().await.unwrap_err();
    assert!(matches!(&error, ConnectError::Headers(_)), "{error:?}");
    let client = soon(with_tokens(&runtime, address, &tokens).first_connect(FirstConnect::Retry).connect()).await.unwrap();
    client.close().await;
}

async fn headers_that_never_come_take_no_longer_than_connecting_may(runtime: impl Rig) {
    let (address, _server) = guarded(&runtime, |_| true).await;
    let client = runtime.client(&format!("ws://{address}/")).headers_with(pending::<io::Result<HeaderMap>>);
    let error = soon(client.connect_timeout(Duration::from_millis(50)).connect()).await.unwrap_err();
    assert_eq!(error, ConnectError::TimedOut);
}

/// A server whose sessions each belong to a user, whom the query names: `user` may resume their own, and a guard that is asked about `panics` does.
async fn with_users<R: Runtime>(runtime: &R, limits: ServerLimits) -> (SocketAddr, ServerHandle) {
    let router = Router::new().method_with("who", async |_: Value, cx: Context| Ok::<_, ErrorObject>(user(cx.session())));
    let options = PathOptions::new().sockjs(SockJsOptions::new());
    let server = runtime.server().limits(limits).path_with("/rpc", options, router).intercept(|head, attributes| {
        attributes.set("user", head.query().unwrap_or("nobody").to_owned());
        Ok(())
    });
    let server = server.resume_guard(|session, by| {
        assert_ne!(user(by).as_deref(), Some("panics"));
        user(session) == user(by)
    });
    runtime.serve(server.bind("127.0.0.1:0").await.unwrap())
}

fn user(session: &Session) -> Option<String> {
    session.attribute("user")
}

async fn only_who_may_takes_a_session_over(runtime: impl Rig) {
    let (address, handle) = with_users(&runtime, ServerLimits::new()).await;
    let client = |user: &str| runtime.client(&format!("ws://{address}/rpc?{user}"));
    let ada = client("ada").connect().await.unwrap();
    let (id, mut events) = (ada.session_id().unwrap(), ada.events());
    for other in ["eve", "panics"] {
        let eve = client(other).session(id.clone()).connect().await.unwrap();
        assert_ne!(eve.session_id().unwrap(), id);
        assert_eq!(eve.call::<String>("who", ()).await.unwrap(), other);
        // Nor from a session of one's own.
        eve.reconnect();
        assert_eq!(eve.call::<String>("who", ()).await.unwrap(), other);
        eve.close().await;
    }
    // It is where it was, and comes back.
    assert!(events.next().now_or_never().is_none());
    assert_eq!(ada.call::<String>("who", ()).await.unwrap(), "ada");
    ada.reconnect();
    wait_for(&mut events, |event| *event == BACK).await;
    let elsewhere = client("ada").session(id.clone()).connect().await.unwrap();
    assert_eq!(elsewhere.session_id().unwrap(), id);
    assert_eq!(elsewhere.call::<String>("who", ()).await.unwrap(), "ada");
    let _ = soon(handle.shutdown(Duration::ZERO)).await;
}

async fn a_session_that_may_not_be_had_is_none_in_every_answer(runtime: impl Rig) {
    let mut limits = ServerLimits::new();
    (limits.failed_connects, limits.failed_connects_per_second) = (5, 1);
    let (address, handle) = with_users(&runtime, limits).await;
    let mut ada = Peer::connect(address, "/rpc?ada");
    let id = ada.greet();
    // A request that names it opens another one.
    let mut asks = Peer::connect(address, "/rpc?eve");
    let answer = asks.call("who", &json!({ "sessionId": id }));
    assert_eq!(answer["result"]["value"], "eve");
    assert_ne!(answer["result"]["sessionId"], json!(id));
    // `connect` fails, with a session of one's own and without, and says no more than for one that never was.
    let mut fresh = Peer::connect(address, "/rpc?eve");
    let [held, unknown] = [&*id, "00000000-0000-4000-8000-000000000000"].map(|id| fresh.resume(id)["error"].clone());
    assert_eq!((&held["code"], &held), (&json!(40007), &unknown));
    assert_eq!(asks.resume(&id)["error"], held);
    assert_eq!(asks.resume(&id)["error"], held);
    // Each was a guess; some are forgiven while the test runs.
    let guess = json!({ "jsonrpc": "2.0", "id": 9, "method": "connect", "params": { "sessionId": id } }).to_string();
    for _ in 0..10 {
        fresh.message(Message::text(&*guess));
    }
    assert_eq!(fresh.closed().map(|(code, _)| code), Some(1008));
    assert_eq!(ada.call("who", &json!({}))["result"], json!({ "value": "ada", "sessionId": id }));
    // From one's own session to another one's own it goes.
    let mut own = Peer::connect(address, "/rpc?ada");
    own.greet();
    assert_eq!(own.resume(&id)["result"]["sessionId"], json!(id));
    assert_eq!(ada.closed().map(|(code, _)| code), Some(4104));
    assert_eq!(handle.session_count(), 3);
}

/// The session of SockJS' transport that `user` polls, with the last answer to `connect`.
fn connect_by_sockjs(address: SocketAddr, user: &str, session: &str) -> Value {
    let (mut http, path) = (Http::connect(address), format!("/rpc/000/{user}"));
    assert_eq!(http.ask("POST", &format!("{path}/xhr?{user}"), "").body, "o\n");
    let connect = json!({ "jsonrpc": "2.0", "id": 1, "method": "connect", "params": { "sessionId": session } });
    assert_eq!(http.ask("POST", &format!("{path}/xhr_send?{user}"), &json!([connect.to_string()]).to_string()).status, 204);
    let frame = http.ask("POST", &format!("{path}/xhr?{user}"), "").body;
    let messages: Vec<String> = serde_json::from_str(frame.trim_end().strip_prefix('a').unwrap()).unwrap();
    serde_json::from_str(&messages[0]).unwrap()
}

async fn who_comes_by_sockjs_is_asked_about_too(runtime: impl Rig) {
    let (address, _handle) = with_users(&runtime, ServerLimits::new()).await;
    let mut ada = Peer::connect(address, "/rpc?ada");
    let id = ada.greet();
    assert_eq!(connect_by_sockjs(address, "eve", &id)["error"]["code"], 40007);
    assert_eq!(ada.call("who", &json!({}))["result"]["value"], "ada");
    assert_eq!(connect_by_sockjs(address, "ada", &id)["result"]["sessionId"], json!(id));
    assert_eq!(ada.closed().map(|(code, _)| code), Some(4104));
}

bowline_tests::both![
    a_client_that_is_refused_is_told_apart_from_one_whose_server_is_away,
    each_attempt_to_connect_has_headers_of_its_own,
    without_headers_there_is_no_first_connection_unless_it_may_be_tried_again,
    headers_that_never_come_take_no_longer_than_connecting_may,
    only_who_may_takes_a_session_over,
    a_session_that_may_not_be_had_is_none_in_every_answer,
    who_comes_by_sockjs_is_asked_about_too,
];
