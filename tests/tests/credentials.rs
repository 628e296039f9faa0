//! Who comes, and with what: what a server makes of a client's credentials, and what the client learns of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline::{
    ClientBuilder, ConnectError, ConnectionEvent, FirstConnect, HeaderMap, RequestHead, Router, Runtime, Server, ServerHandle, SessionKept,
    StatusCode,
};
use bowline_tests::sockets::{Rig, soon, wait_for};
use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

bowline_tests::both![
    a_client_that_is_refused_is_told_apart_from_one_whose_server_is_away,
    each_attempt_to_connect_has_headers_of_its_own,
    without_headers_there_is_no_first_connection_unless_it_may_be_tried_again,
    headers_that_never_come_take_no_longer_than_connecting_may,
];
