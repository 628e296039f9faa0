//! The examples of the core do what they say: they are the manual for writing an adapter (docs/adapters.md).
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

#[path = "../../core/examples/memory.rs"]
mod memory;
#[path = "../../core/examples/threads.rs"]
mod threads;

use bowline_tests::sockets::{Proxy, soon, wait_for};
use bowline_tokio::{ConnectionEvent, SessionKept};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};

#[test]
fn in_memory_a_call_survives_a_cut_and_is_answered_once() {
    let story = memory::story();
    let after = |what: &str| story.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what} is not in {story:#?}"));
    let ended = |call: &str| story.iter().filter(|line| line.contains(&format!("{call}: Result"))).count();
    assert_eq!((ended("first call"), ended("second call")), (1, 1), "{story:#?}");
    assert!(after("-- cut --") < after("Resumed") && after("Resumed") < after("second call: Result"), "{story:#?}");
    // The answer was kept: the request has not run again, so the server has sent the same text twice.
    let answers = story.iter().filter(|line| line.contains("server  sends") && line.contains("\"value\":7")).count();
    assert_eq!(answers, 2, "{story:#?}");
    assert!(story.iter().any(|line| line.contains("server  Closed(GraceExpired)")), "{story:#?}");
}

fn threads() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || threads::serve(&listener));
    address
}

#[tokio::test]
async fn with_threads_a_session_goes_on_over_a_new_connection() {
    let proxy = Proxy::new(threads()).unwrap();
    let client = soon(bowline_tokio::client(&proxy.url("/")).connect()).await.unwrap();
    let mut events = client.events();
    for round in 0..20 {
        let answer: Value = soon(client.call("echo", json!({ "round": round }))).await.unwrap();
        assert_eq!(answer, json!({ "round": round }));
        let session = client.session_id();
        proxy.cut();
        let back = wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(_))).await;
        assert!(matches!(back, ConnectionEvent::Reconnected(SessionKept::Same)), "{back:?}");
        assert_eq!(client.session_id(), session);
    }
    soon(client.close()).await;
}

#[tokio::test]
async fn with_threads_a_client_without_resumption_comes_back_too() {
    let proxy = Proxy::new(threads()).unwrap();
    let client = soon(bowline_tokio::client(&proxy.url("/")).without_resumption().connect()).await.unwrap();
    let mut events = client.events();
    let _: Value = soon(client.call("echo", json!({ "before": true }))).await.unwrap();
    proxy.cut();
    wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(SessionKept::Same))).await;
    let answer: Value = soon(client.call("echo", json!({ "after": true }))).await.unwrap();
    assert_eq!(answer, json!({ "after": true }));
}
