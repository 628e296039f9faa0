//! Our client against Kurento's own Java server: the demo server of `tests/interop/java`, which `tests/interop/java/run.sh build` makes.
//!
//! Needs the feature `java`; `.ci/run java` runs it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_tests::sockets::{PATIENCE, Proxy, soon, wait_for};
use bowline_tokio::{CallError, Client, ClientBuilder, ConnectionEvent, Context, ErrorObject, Json, Router, SessionKept, TokioRuntime};
use futures_util::future;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

struct Server {
    address: SocketAddr,
    // Dropped, it ends the process.
    _process: Child,
}

impl Server {
    async fn start(flags: &[&str]) -> Self {
        Self::listen("127.0.0.1:0", flags).await
    }

    async fn listen(address: &str, flags: &[&str]) -> Self {
        let jar = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/java/target/demo-server.jar");
        assert!(std::path::Path::new(jar).exists(), "build the server first: tests/interop/java/run.sh build");
        let mut process = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", jar, "serve", "--listen", address])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("java, for the server");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the server says where it listens");
                if let Some(address) = line.strip_prefix("listening on ws://") {
                    break address.parse().unwrap();
                }
            }
        });
        let address = address.await.expect("the server starts within a minute");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, _process: process }
    }

    fn client(&self, path: &str) -> ClientBuilder<TokioRuntime> {
        bowline_tokio::client(&format!("ws://{}{path}", self.address))
    }
}

async fn count(client: &Client) -> Value {
    soon(client.call("count", ())).await.unwrap()
}

/// A client whose notifications come out of the receiver.
fn listening(builder: ClientBuilder<TokioRuntime>) -> (ClientBuilder<TokioRuntime>, mpsc::UnboundedReceiver<Value>) {
    let (send, receive) = mpsc::unbounded_channel();
    let router = Router::new()
        .raw("event", move |params: Option<Json<'static>>, _: Context| {
            let _ = send.send(serde_json::from_str(params.unwrap_or(Json::NULL).as_str()).unwrap());
            async { Ok::<_, ErrorObject>(None) }
        })
        .raw("question", |params: Option<Json<'static>>, _: Context| async move { Ok::<_, ErrorObject>(params) })
        .method("refuse", async |(): ()| Err::<(), _>(ErrorObject::new(1234, "no")));
    (builder.service(router), receive)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_every_kind_are_answered() {
    let server = Server::start(&[]).await;
    let client = server.client("/demo").connect().await.unwrap();
    assert!(client.session_id().is_some());
    // Its JSON library leaves out members that are null.
    let object = json!({"text": "hi", "n": [1, {"a": true}]});
    assert_eq!(soon(client.call::<Value>("echo", &object)).await.unwrap(), object);
    assert_eq!(soon(client.call::<i64>("echo", 7)).await.unwrap(), 7);
    assert_eq!(soon(client.call::<Vec<String>>("echo", ["a", "b"])).await.unwrap(), ["a", "b"]);
    assert_eq!(soon(client.call::<i64>("add", json!({"a": 1, "b": 2}))).await.unwrap(), 3);
    assert_eq!(soon(client.call::<Value>("sleep", json!({"ms": 20}))).await.unwrap(), json!({"slept": 20}));
    soon(client.call::<()>("empty", ())).await.unwrap();
    let first = count(&client).await;
    assert_eq!(first["count"], 1);
    assert_eq!(count(&client).await, json!({"count": 2, "isNew": false}));
    let sums = future::try_join_all((0..1000).map(|n| client.call::<i64>("add", json!({"a": n, "b": 1}))));
    assert_eq!(soon(sums).await.unwrap(), (1..=1000).collect::<Vec<_>>());
    soon(client.close()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_carry_what_the_server_says() {
    let server = Server::start(&[]).await;
    let client = server.client("/demo").connect().await.unwrap();
    let Err(CallError::Peer(error)) = soon(client.call::<Value>("fail", json!({"x": 1}))).await else { panic!("no error") };
    assert_eq!((error.code, &*error.message), (1001, "demo failure"));
    let data: Value = serde_json::from_str(error.data.unwrap().as_str()).unwrap();
    assert_eq!(data["type"], "DEMO_FAILURE");
    for method in ["panic", "no such method"] {
        assert!(matches!(soon(client.call::<Value>(method, ())).await, Err(CallError::Peer(_))), "{method}");
    }
    let wrong = soon(client.call::<i64>("add", json!({"a": "x", "b": 2}))).await;
    assert!(matches!(wrong, Err(CallError::Peer(ErrorObject { code: -32602, .. }))), "{wrong:?}");
    assert_eq!(soon(client.call::<i64>("add", json!({"a": 1, "b": 2}))).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_notify_and_ask() {
    let server = Server::start(&[]).await;
    let (builder, mut events) = listening(server.client("/demo"));
    let client = builder.connect().await.unwrap();
    assert_eq!(soon(client.call::<Value>("notify-me", json!({"n": 3}))).await.unwrap(), json!({"sent": 3}));
    for i in 0..3 {
        assert_eq!(soon(events.recv()).await.unwrap(), json!({"i": i}));
    }
    soon(client.call::<Value>("notify-later", json!({"n": 2, "delay": 10, "every": 10}))).await.unwrap();
    for i in 0..2 {
        assert_eq!(soon(events.recv()).await.unwrap(), json!({"i": i}));
    }
    client.notify("log", json!({"a": 1})).await.unwrap();
    assert_eq!(soon(client.call::<Value>("logged", ())).await.unwrap()["last"]["a"], 1);
    let asked = soon(client.call::<Value>("ask-me", json!({"method": "question", "params": {"q": 1}}))).await.unwrap();
    assert_eq!(asked["answer"]["q"], 1);
    let refused = soon(client.call::<Value>("ask-me", json!({"method": "refuse", "params": {}}))).await.unwrap();
    assert_eq!(refused["error"]["code"], 1234);
    let unknown = soon(client.call::<Value>("ask-me", json!({"method": "unheard", "params": {}}))).await.unwrap();
    assert_eq!(unknown["error"]["code"], -32601);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_keeps_the_session_and_a_restart_makes_a_new_one() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::new(server.address).unwrap();
    let client = bowline_tokio::client(&proxy.url("/demo")).heartbeat(Duration::from_secs(1)).connect().await.unwrap();
    let mut events = client.events();
    let session = client.session_id().unwrap();
    assert_eq!(count(&client).await["count"], 1);
    for round in 0..3 {
        proxy.cut();
        let event = wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(_))).await;
        assert!(matches!(event, ConnectionEvent::Reconnected(SessionKept::Same)), "{event:?}");
        assert_eq!(count(&client).await["count"], 2 + round);
    }
    assert_eq!(client.session_id().unwrap(), session);
    // What was in the air without resumption at the peer is unknown, and said to be.
    let asked = client.clone();
    let call = tokio::spawn(async move { asked.call::<Value>("sleep", json!({"ms": 60_000})).await });
    count(&client).await;
    proxy.cut();
    assert_eq!(soon(call).await.unwrap(), Err(CallError::Interrupted));
    wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(_))).await;
    drop(server);
    let restarted = Server::start(&[]).await;
    proxy.retarget(restarted.address);
    proxy.cut();
    wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(SessionKept::New))).await;
    assert_eq!(count(&client).await["count"], 1);
    assert_ne!(client.session_id().unwrap(), session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_session_is_resumed_by_the_next_client() {
    let server = Server::start(&[]).await;
    let first = server.client("/demo").connect().await.unwrap();
    count(&first).await;
    let saved = first.session_id().unwrap();
    soon(first.close()).await;
    let second = server.client("/demo").session(saved.clone()).connect().await.unwrap();
    assert_eq!(count(&second).await, json!({"count": 2, "isNew": false}));
    assert_eq!(second.session_id(), Some(saved));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_message_ends_the_session() {
    let server = Server::start(&[]).await;
    let first = server.client("/demo").close_message(true).connect().await.unwrap();
    let saved = first.session_id().unwrap();
    soon(first.close()).await;
    let second = server.client("/demo").session(saved.clone()).connect().await.unwrap();
    assert_ne!(second.session_id(), Some(saved), "the server does not know it any more");
    assert_eq!(count(&second).await["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_server_closes_does_not_end_its_client() {
    let server = Server::start(&[]).await;
    let client = server.client("/demo").connect().await.unwrap();
    let mut events = client.events();
    let _ = soon(client.call::<Value>("close-me", ())).await;
    // The server closes the transport before it forgets the session: whoever is quick enough is welcomed back to it.
    wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(_))).await;
    assert_eq!(count(&client).await["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_is_content_with_our_heartbeat_over_reconnections_too() {
    let server = Server::start(&["--ping-watchdog"]).await;
    let proxy = Proxy::new(server.address).unwrap();
    let seen = Arc::new(Mutex::new(0));
    let lost = Arc::clone(&seen);
    let client = bowline_tokio::client(&proxy.url("/demo"))
        .heartbeat(Duration::from_millis(200))
        .on_event(move |event| *lost.lock().unwrap() += u32::from(matches!(event, ConnectionEvent::Reconnecting { .. })))
        .connect()
        .await
        .unwrap();
    let mut events = client.events();
    // Each busy period is longer than three intervals: without pings the watchdog would end it.
    soon(client.call::<Value>("sleep", json!({"ms": 900}))).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), 0);
    proxy.cut();
    wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(SessionKept::Same))).await;
    soon(client.call::<Value>("sleep", json!({"ms": 900}))).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_is_found_by_the_heartbeat() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::new(server.address).unwrap();
    let client = bowline_tokio::client(&proxy.url("/demo")).heartbeat(Duration::from_millis(200)).connect().await.unwrap();
    let mut events = client.events();
    count(&client).await;
    assert_eq!(proxy.stall(), 1);
    wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(SessionKept::Same))).await;
    assert_eq!(count(&client).await["count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_go_both_ways() {
    let server = Server::start(&[]).await;
    let client = server.client("/demo").max_message_size(2 << 20).connect().await.unwrap();
    let text = "x".repeat(1_000_000);
    assert_eq!(soon(client.call::<Value>("echo", json!({"text": text}))).await.unwrap()["text"], text);
    let big = soon(client.call::<Value>("big", json!({"bytes": 1_000_000}))).await.unwrap();
    assert_eq!(big["text"].as_str().unwrap().len(), 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_refuses_and_the_others_go_on() {
    let server = Server::start(&["--max-sessions", "1"]).await;
    let first = server.client("/demo").connect().await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, server.client("/demo").connect()).await.unwrap().is_err());
    assert_eq!(count(&first).await["count"], 1);
}
