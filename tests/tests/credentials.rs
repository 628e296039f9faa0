//! Who comes, and with what: what a server makes of a client's credentials, and what the client learns of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline::{ConnectError, ConnectionEvent, RequestHead, Router, Runtime, Server, ServerHandle, StatusCode};
use bowline_tests::sockets::{Rig, soon, wait_for};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

bowline_tests::both![a_client_that_is_refused_is_told_apart_from_one_whose_server_is_away];
