//! A server on real sockets, seen by a client that is not ours.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "in a test a panic is the failure")]

use bowline::{
    BoundServer, Context, Dialect, ErrorObject, Handler, HandlerError, Json, PathOptions, Router, Runtime, Server, ServerLimits, Session,
    StatusCode, Transaction,
};
use bowline_tests::sockets::{Connection, Opener, Rig, Wire, soon};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::Request;
use tungstenite::{Error, Message, WebSocket};

#[derive(Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

static EXECUTIONS: AtomicU32 = AtomicU32::new(0);

fn router(runtime: &impl Runtime) -> Router {
    type Ok_<T> = Result<T, ErrorObject>;
    let (later, slow) = (runtime.clone(), runtime.clone());
    Router::new()
        .method("add", async |p: Add| Ok::<_, ErrorObject>(p.a + p.b))
        .method("executed", async |(): ()| -> Ok_<u32> { Ok(EXECUTIONS.fetch_add(1, Ordering::SeqCst)) })
        .method("fail", async |(): ()| -> Result<(), HandlerError> { Err(std::io::Error::other("secret").into()) })
        .method("panic", async |(): ()| -> Ok_<()> { panic!("secret") })
        .method_with("notify-me", async |n: u32, cx: Context| -> Result<u32, HandlerError> {
            for i in 0..n {
                cx.session().notify("event", json!({ "i": i })).await?;
            }
            Ok(n)
        })
        .method_with("ask-me", async |(): (), cx: Context| -> Result<Value, HandlerError> {
            Ok(json!({ "answer": cx.session().call::<Value>("question", ()).await? }))
        })
        .method_with("sleep", move |ms: u64, cx: Context| {
            let sleep = later.sleep(Duration::from_millis(ms));
            async move {
                cx.start_async();
                sleep.await;
                Ok::<_, ErrorObject>(ms)
            }
        })
        .method_with("slow", move |ms: u64, _: Context| {
            let sleep = slow.sleep(Duration::from_millis(ms));
            async move {
                sleep.await;
                Ok::<_, ErrorObject>(ms)
            }
        })
        .method_with("count", async |(): (), cx: Context| -> Ok_<Value> {
            cx.session().update_attribute("n", |n: Option<u32>| Some(n.unwrap_or(0) + 1));
            Ok(json!({ "count": cx.session().attribute::<u32>("n"), "isNew": cx.is_new() }))
        })
        .method_with("close-me", async |(): (), cx: Context| -> Ok_<Value> {
            cx.session().close();
            Ok(json!({ "closing": true }))
        })
        .method_with("close-transport", async |(): (), cx: Context| -> Ok_<Value> {
            cx.session().disconnect();
            Ok(json!({ "cut": true }))
        })
        .raw("echo", async |params: Option<Json<'static>>, _: Context| Ok::<_, ErrorObject>(params))
}

async fn serve<R: Wire>(runtime: &R, options: PathOptions) -> BoundServer<R> {
    bind(runtime, runtime.server().path_with("/demo", options, router(runtime))).await
}

async fn bind<R: Wire>(runtime: &R, server: Server<R>) -> BoundServer<R> {
    runtime.listen(server, "127.0.0.1:0").await.unwrap()
}

type Stream = Box<dyn Connection>;

/// Where a server is, and how to connect.
#[derive(Clone, Copy)]
struct At {
    address: SocketAddr,
    opener: Opener,
}

impl At {
    fn ask(self, request: Request) -> Result<WebSocket<Stream>, Box<Error>> {
        match tungstenite::client(request, self.opener.open(self.address).unwrap()) {
            Ok((socket, _)) => Ok(socket),
            Err(HandshakeError::Failure(error)) => Err(Box::new(error)),
            Err(HandshakeError::Interrupted(_)) => panic!("the connection blocks"),
        }
    }

    fn request(self, path: &str) -> Request {
        format!("ws://{}{path}", self.address).into_client_request().unwrap()
    }
}

/// Runs `client` against a server, and ends that.
async fn against<R: Wire>(runtime: &R, server: BoundServer<R>, client: impl FnOnce(At)) {
    let (address, handle) = (server.local_addr().tcp().unwrap(), server.handle());
    let serving = runtime.start(server.serve());
    client(At { address, opener: runtime.opener() });
    handle.shutdown(Duration::from_secs(5)).await;
    soon(serving).await;
    assert_eq!(handle.session_count(), 0);
}

struct Peer(WebSocket<Stream>);

impl Peer {
    fn connect(at: At) -> Self {
        Self(at.ask(at.request("/demo")).unwrap())
    }

    fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    fn receive(&mut self) -> Value {
        loop {
            match self.0.read().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    fn call(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let answer = self.receive();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// The code with which the server closes.
    fn close_code(&mut self) -> u16 {
        loop {
            match self.0.read() {
                Ok(Message::Close(close)) => return close.map_or(0, |close| close.code.into()),
                Ok(_) => {}
                Err(error) => panic!("no close frame: {error}"),
            }
        }
    }
}

fn strict() -> PathOptions {
    PathOptions::new().dialect(Dialect::Strict)
}

async fn calls_are_answered_in_the_dialect_of_the_path(runtime: impl Wire) {
    against(&runtime, serve(&runtime, PathOptions::new()).await, |at| {
        let mut peer = Peer::connect(at);
        let session = peer.call(1, "connect", json!({}))["result"]["sessionId"].clone();
        assert_eq!(peer.call(2, "add", json!({ "a": 1, "b": 2 }))["result"], json!({ "value": 3, "sessionId": session }));
        assert_eq!(peer.call(3, "echo", json!({ "x": [1] }))["result"], json!({ "x": [1], "sessionId": session }));
        let error = peer.call(4, "add", json!({ "a": "x", "b": 2 }))["error"].clone();
        assert_eq!(error["code"], -32602);
        assert!(error["message"].as_str().unwrap().contains("`a`: invalid type"), "{error}");
        assert_eq!(peer.call(5, "nothing", json!({}))["error"]["code"], -32601);
        for method in ["fail", "panic"] {
            let error = peer.call(6, method, json!({}))["error"].clone();
            assert!(error["code"] == -32603 && !error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(peer.call(7, "count", json!({}))["result"]["isNew"], false);
    })
    .await;
    against(&runtime, serve(&runtime, strict()).await, |at| {
        let mut peer = Peer::connect(at);
        assert_eq!(peer.call(1, "count", json!({}))["result"], json!({ "count": 1, "isNew": true }));
        assert_eq!(peer.call(2, "count", json!({}))["result"], json!({ "count": 2, "isNew": false }));
        assert_eq!(peer.call(3, "add", json!({ "a": 1, "b": 2 })), json!({ "jsonrpc": "2.0", "id": 3, "result": 3 }));
    })
    .await;
}

async fn the_server_talks_too(runtime: impl Wire) {
    against(&runtime, serve(&runtime, strict()).await, |at| {
        let mut peer = Peer::connect(at);
        // More than the mailbox holds, and in order, before the answer.
        peer.send(json!({ "jsonrpc": "2.0", "id": 1, "method": "notify-me", "params": 1000 }));
        for i in 0..1000 {
            assert_eq!(peer.receive(), json!({ "jsonrpc": "2.0", "method": "event", "params": { "i": i } }));
        }
        assert_eq!(peer.receive()["result"], 1000);
        peer.send(json!({ "jsonrpc": "2.0", "id": 2, "method": "ask-me" }));
        let question = peer.receive();
        assert_eq!(question["method"], "question");
        peer.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": 42 }));
        assert_eq!(peer.receive()["result"], json!({ "answer": 42 }));
    })
    .await;
}

async fn a_handler_that_answers_later_lets_the_next_one_start(runtime: impl Wire) {
    against(&runtime, serve(&runtime, strict()).await, |at| {
        let mut peer = Peer::connect(at);
        peer.send(json!({ "jsonrpc": "2.0", "id": 1, "method": "sleep", "params": 200 }));
        assert_eq!(peer.call(2, "add", json!({ "a": 1, "b": 2 }))["result"], 3);
        assert_eq!(peer.receive()["id"], 1);
        peer.send(json!({ "jsonrpc": "2.0", "id": 3, "method": "slow", "params": 100 }));
        peer.send(json!({ "jsonrpc": "2.0", "id": 4, "method": "echo", "params": [1] }));
        assert_eq!((peer.receive()["id"].clone(), peer.receive()["id"].clone()), (json!(3), json!(4)));
    })
    .await;
}

async fn a_session_moves_to_a_new_transport_and_goes_on(runtime: impl Wire) {
    against(&runtime, serve(&runtime, PathOptions::new()).await, |at| {
        let mut first = Peer::connect(at);
        let session = first.call(1, "connect", json!({}))["result"]["sessionId"].clone();
        assert_eq!(first.call(2, "count", json!({}))["result"]["count"], 1);
        // While the old transport lives: it is closed with 4104.
        let mut second = Peer::connect(at);
        // With an id above all others: with a lower one it would be another program, whose requests are its own.
        let answer = second.call(3, "connect", json!({ "sessionId": session }));
        assert_eq!(answer["result"], json!({ "value": "reconnection successful", "sessionId": session }));
        assert_eq!(first.close_code(), 4104);
        assert_eq!(second.call(2, "count", json!({}))["result"]["count"], 1, "the same id is the same request");
        assert_eq!(second.call(7, "count", json!({}))["result"]["count"], 2);
        // After a cut by the server: the answer comes over the next transport.
        second.send(json!({ "jsonrpc": "2.0", "id": 8, "method": "close-transport" }));
        assert!(second.0.read().is_err());
        let mut third = Peer::connect(at);
        assert_eq!(third.call(9, "connect", json!({ "sessionId": session }))["result"]["sessionId"], session);
        assert_eq!(third.receive()["result"]["cut"], true);
        assert_eq!(third.call(10, "count", json!({}))["result"]["count"], 3);
        // A session that nobody has.
        assert_eq!(third.call(11, "connect", json!({ "sessionId": "guess" }))["error"]["code"], 40007);
    })
    .await;
}

async fn a_session_ends_by_its_peer_by_its_application_and_by_its_grace(runtime: impl Wire) {
    let server = serve(&runtime, PathOptions::new().reconnection_timeout(Duration::from_millis(100))).await;
    let handle = server.handle();
    against(&runtime, server, move |at| {
        let mut peer = Peer::connect(at);
        peer.call(1, "connect", json!({}));
        assert_eq!(peer.call(2, "closeSession", json!({}))["result"], "bye");
        assert_eq!(peer.close_code(), 1000);
        let mut peer = Peer::connect(at);
        assert_eq!(peer.call(1, "close-me", json!({}))["result"]["closing"], true);
        assert_eq!(peer.close_code(), 1000);
        let mut peer = Peer::connect(at);
        peer.call(1, "connect", json!({}));
        assert_eq!(handle.session_count(), 1);
        drop(peer);
        let patience = Instant::now();
        while handle.session_count() > 0 {
            assert!(patience.elapsed() < Duration::from_secs(3), "the session outlives its grace");
            std::thread::sleep(Duration::from_millis(10));
        }
    })
    .await;
}

async fn what_cannot_be_accepted_ends_the_transport_and_not_the_session(runtime: impl Wire) {
    against(&runtime, serve(&runtime, PathOptions::new().max_message_size(1000)).await, |at| {
        let mut peer = Peer::connect(at);
        let session = peer.call(1, "connect", json!({}))["result"]["sessionId"].clone();
        for (message, code) in [(Message::text("x".repeat(1001)), 1009), (Message::binary(vec![1]), 1003)] {
            peer.0.send(message).unwrap();
            assert_eq!(peer.close_code(), code);
            peer = Peer::connect(at);
            assert_eq!(peer.call(2, "connect", json!({ "sessionId": session }))["result"]["sessionId"], session);
        }
        peer.0.send(Message::text("{")).unwrap();
        assert_eq!(peer.receive()["error"]["code"], -32700);
    })
    .await;
}

async fn a_full_server_refuses_the_next_session_and_keeps_the_others(runtime: impl Wire) {
    against(&runtime, serve(&runtime, PathOptions::new().max_sessions(1)).await, |at| {
        let mut first = Peer::connect(at);
        let session = first.call(1, "connect", json!({}))["result"]["sessionId"].clone();
        let mut second = Peer::connect(at);
        second.send(json!({ "jsonrpc": "2.0", "id": 1, "method": "connect" }));
        assert_eq!(second.close_code(), 1013);
        // Its first request would have opened it: it is not executed.
        let mut second = Peer::connect(at);
        second.send(json!({ "jsonrpc": "2.0", "id": 1, "method": "executed" }));
        assert_eq!(second.close_code(), 1013);
        assert_eq!(first.call(7, "echo", json!({ "executions": EXECUTIONS.load(Ordering::SeqCst) }))["result"]["executions"], 0);
        assert_eq!(first.call(2, "count", json!({}))["result"]["count"], 1);
        let mut third = Peer::connect(at);
        assert_eq!(third.call(3, "connect", json!({ "sessionId": session }))["result"]["sessionId"], session);
    })
    .await;
}

async fn a_request_that_is_no_handshake_gets_a_status(runtime: impl Wire) {
    let server = runtime.server().path("/demo", router(&runtime)).intercept(|head, attributes| {
        attributes.set("agent", head.header("user-agent").unwrap_or("none").to_owned());
        if head.query() == Some("no") { Err(StatusCode::UNAUTHORIZED) } else { Ok(()) }
    });
    against(&runtime, bind(&runtime, server).await, |at| {
        for (path, origin, status) in
            [("/other", None, 404), ("/demo?no", None, 401), ("/demo", Some("http://evil.org"), 403), ("/demo", Some("null"), 403)]
        {
            let mut request = at.request(path);
            if let Some(origin) = origin {
                request.headers_mut().insert("origin", origin.parse().unwrap());
            }
            let error = at.ask(request).unwrap_err();
            let Error::Http(response) = *error else { panic!("{path}: {error}") };
            assert_eq!(response.status().as_u16(), status, "{path} {origin:?}");
        }
        let mut request = at.request("/demo");
        request.headers_mut().insert("origin", at.address.to_string().parse().unwrap());
        at.ask(request).unwrap();
    })
    .await;
}

async fn a_handler_by_hand_answers_now_later_or_not_at_all(runtime: impl Wire) {
    struct ByHand<R>(R);
    impl<R: Runtime> Handler for ByHand<R> {
        async fn handle(self: Arc<Self>, tx: Transaction) -> Result<(), HandlerError> {
            match tx.method() {
                "now" => {
                    tx.session().notify("before", ()).await?;
                    tx.respond("now")?;
                    tx.session().notify("after", ()).await?;
                }
                "later" => {
                    let responder = tx.start_async();
                    let sleep = self.0.sleep(Duration::from_millis(50));
                    self.0.spawn(async move {
                        sleep.await;
                        let _ = responder.respond("later");
                    });
                }
                "dropped" => drop(tx.start_async()),
                "wrong" => return Err(ErrorObject::new(7, "seven").into()),
                _ => {}
            }
            Ok(())
        }

        fn session_opened(&self, session: &Session) {
            session.set_attribute("seen", true);
            panic!("an event's panic harms nobody");
        }
    }
    let server = bind(&runtime, runtime.server().path_with("/demo", strict(), ByHand(runtime.clone()))).await;
    against(&runtime, server, |at| {
        let mut peer = Peer::connect(at);
        peer.send(json!({ "jsonrpc": "2.0", "id": 1, "method": "now" }));
        assert_eq!(peer.receive()["method"], "before");
        assert_eq!(peer.receive()["result"], "now");
        assert_eq!(peer.receive()["method"], "after");
        peer.send(json!({ "jsonrpc": "2.0", "id": 2, "method": "later" }));
        assert_eq!(peer.call(3, "dropped", json!({}))["result"], Value::Null);
        assert_eq!(peer.receive(), json!({ "jsonrpc": "2.0", "id": 2, "result": "later" }));
        assert_eq!(peer.call(4, "nothing", json!({}))["result"], Value::Null);
        assert_eq!(peer.call(5, "wrong", json!({}))["error"]["code"], 7);
    })
    .await;
}

/// What a handler holds while it runs: it is dropped badly.
struct Fragile(Arc<AtomicU32>);

impl Drop for Fragile {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("a handler's values may panic when they are dropped");
    }
}

async fn handlers_that_are_dropped_with_their_session_harm_nobody(runtime: impl Wire) {
    let dropped = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&dropped);
    let methods = router(&runtime).method("never", move |(): ()| {
        let fragile = Fragile(Arc::clone(&counter));
        async move {
            std::future::pending::<()>().await;
            drop(fragile);
            Ok::<_, ErrorObject>(())
        }
    });
    let server = bind(&runtime, runtime.server().path_with("/demo", strict().concurrency(8), methods)).await;
    against(&runtime, server, |at| {
        let (mut peer, mut other) = (Peer::connect(at), Peer::connect(at));
        for id in 1..=3 {
            peer.send(json!({ "jsonrpc": "2.0", "id": id, "method": "never" }));
        }
        assert_eq!(peer.call(4, "closeSession", json!({}))["result"], "bye");
        assert_eq!(peer.close_code(), 1000);
        assert_eq!(other.call(1, "add", json!({ "a": 1, "b": 2 }))["result"], 3);
    })
    .await;
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}

/// An error that can neither be told nor dropped.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("an error that does not say what it is")
    }
}

impl std::error::Error for Unspeakable {}

impl Drop for Unspeakable {
    fn drop(&mut self) {
        panic!("an error that does not go");
    }
}

async fn an_error_that_panics_is_an_error_like_others(runtime: impl Wire) {
    let methods = || router(&runtime).method("fail-badly", async |(): ()| -> Result<(), HandlerError> { Err(Unspeakable.into()) });
    let server = runtime.server().path_with("/demo", strict(), methods());
    let server = bind(&runtime, server.path_with("/open", strict().expose_errors(), methods())).await;
    against(&runtime, server, |at| {
        for (path, data) in [("/demo", Value::Null), ("/open", json!("the handler panicked: an error that does not say what it is"))] {
            let mut peer = Peer(at.ask(at.request(path)).unwrap());
            let answer = peer.call(1, "fail-badly", json!({}));
            assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(-32603), &data));
            assert_eq!(peer.call(2, "add", json!({ "a": 1, "b": 2 }))["result"], 3);
        }
    })
    .await;
}

async fn a_transport_that_nobody_uses_is_closed(runtime: impl Wire) {
    let mut limits = ServerLimits::new();
    limits.silence_timeout = Duration::from_millis(20);
    let server = bind(&runtime, runtime.server().limits(limits).path_with("/demo", strict(), router(&runtime))).await;
    against(&runtime, server, |at| assert_eq!(Peer::connect(at).close_code(), 1008)).await;
}

bowline_tests::over_both_wires![
    calls_are_answered_in_the_dialect_of_the_path,
    the_server_talks_too,
    a_handler_that_answers_later_lets_the_next_one_start,
    a_session_moves_to_a_new_transport_and_goes_on,
    a_session_ends_by_its_peer_by_its_application_and_by_its_grace,
    what_cannot_be_accepted_ends_the_transport_and_not_the_session,
    a_full_server_refuses_the_next_session_and_keeps_the_others,
    a_request_that_is_no_handshake_gets_a_status,
    a_handler_by_hand_answers_now_later_or_not_at_all,
    handlers_that_are_dropped_with_their_session_harm_nobody,
    an_error_that_panics_is_an_error_like_others,
    a_transport_that_nobody_uses_is_closed,
];
