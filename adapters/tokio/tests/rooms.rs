//! The example `rooms`, as it is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "in a test a panic is the failure; its main is not run"
)]

#[path = "../examples/rooms.rs"]
mod example;

use bowline_tests::sockets::{Proxy, soon};
use bowline_tokio::{Client, ConnectError, Context, ErrorObject, Router, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

async fn start() -> SocketAddr {
    let server = example::server(&example::Rooms::default()).bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().tcp().unwrap();
    tokio::spawn(server.serve());
    address
}

/// Somebody who answers offers, but asks the server something first, and what they hear.
async fn user(proxy: &Proxy, name: &str) -> (Client, UnboundedReceiver<Value>) {
    let (tell, heard) = unbounded_channel();
    let mut router = Router::new().method_with("offer", async |offer: Value, context: Context| {
        context
            .session()
            .call::<Value>("join", json!({ "room": "calls" }))
            .await
            .map_err(|error| ErrorObject::new(1, error.to_string()))?;
        Ok::<_, ErrorObject>(json!({ "sdp": format!("answer to {}", offer["sdp"].as_str().unwrap()) }))
    });
    for what in ["joined", "said", "left"] {
        let tell = tell.clone();
        router = router.method(what, move |news: Value| {
            let _ = tell.send(json!([what, news["user"], news["text"]]));
            async { Ok::<_, ErrorObject>(()) }
        });
    }
    let url = proxy.url(&format!("/rooms?token={name}"));
    (soon(bowline_tokio::client(&url).service(router).connect()).await.unwrap(), heard)
}

async fn join(client: &Client) -> Value {
    soon(client.call::<Value>("join", json!({ "room": "r" }))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_heard_in_order_and_once_although_connections_are_cut() {
    let proxy = Proxy::new(start().await).unwrap();
    let (alice, _) = user(&proxy, "alice").await;
    let (bob, mut heard) = user(&proxy, "bob").await;
    assert_eq!(join(&bob).await["members"], json!(["bob"]));
    assert_eq!(join(&alice).await["members"], json!(["alice", "bob"]));
    assert_eq!(soon(heard.recv()).await.unwrap(), json!(["joined", "alice", null]));
    for n in 0..100 {
        if n % 10 == 5 {
            proxy.cut();
        }
        soon(alice.call::<()>("say", json!({ "room": "r", "text": n.to_string() }))).await.unwrap();
    }
    for n in 0..100 {
        assert_eq!(soon(heard.recv()).await.unwrap(), json!(["said", "alice", n.to_string()]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_call_each_other_at_once_are_both_answered_although_both_ask_the_server_first() {
    let proxy = Proxy::new(start().await).unwrap();
    let (alice, _heard) = user(&proxy, "alice").await;
    let (bob, _heard) = user(&proxy, "bob").await;
    let offer = |from: &Client, to: &str| {
        let (from, to) = (from.clone(), to.to_owned());
        async move { from.call::<Value>("offer", json!({ "to": to, "sdp": to })).await.unwrap()["sdp"].clone() }
    };
    let both = soon(async { tokio::join!(offer(&alice, "bob"), offer(&bob, "alice")) }).await;
    assert_eq!(both, (json!("answer to bob"), json!("answer to alice")));
    let nobody = soon(alice.call::<Value>("offer", json!({ "to": "nobody", "sdp": "" }))).await.unwrap_err();
    assert!(nobody.to_string().contains("nobody of that name"), "{nobody}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_missed_and_who_has_no_token_does_not_come_in() {
    let proxy = Proxy::new(start().await).unwrap();
    let (alice, mut heard) = user(&proxy, "alice").await;
    let url = proxy.url("/rooms?token=bob");
    let bob = soon(bowline_tokio::client(&url).close_message(true).connect()).await.unwrap();
    join(&alice).await;
    join(&bob).await;
    assert_eq!(soon(heard.recv()).await.unwrap(), json!(["joined", "bob", null]));
    soon(bob.close()).await;
    assert_eq!(soon(heard.recv()).await.unwrap(), json!(["left", "bob", null]));
    let refused = soon(bowline_tokio::client(&proxy.url("/rooms")).connect()).await;
    assert!(matches!(refused, Err(ConnectError::Status(StatusCode::UNAUTHORIZED))), "{refused:?}");
}
