//! The client on real sockets: what it promises, and what it makes of servers that keep no promise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use async_channel::{Receiver, unbounded};
use bowline::{
    CallError, Client, ClientBuilder, CloseReason, ConnectError, ConnectionEvent, Context, Dialect, ErrorObject, FirstConnect,
    HandlerError, InFlight, NotifyError, Reconnect, Router, Runtime, ServerHandle, SessionKept,
};
use bowline_tests::sockets::{BadServer, Over, Proxy, Rig, Wire, soon, wait_for};
use futures_util::future::{self, RemoteHandle};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;

const SESSION: &str = "00000000-0000-4000-8000-000000000001";
const BACK: ConnectionEvent = ConnectionEvent::Reconnected(SessionKept::Same);
const RENEWED: ConnectionEvent = ConnectionEvent::Reconnected(SessionKept::New);

struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    closed: Arc<Mutex<Vec<CloseReason>>>,
    /// `hold` has been reached.
    held: Receiver<()>,
}

impl Server {
    async fn start(runtime: &impl Wire) -> Self {
        let closed = Arc::<Mutex<Vec<CloseReason>>>::default();
        let (closing, (reached, held)) = (Arc::clone(&closed), unbounded());
        let router = Router::new()
            .method("sum", async |numbers: Vec<i64>| Ok::<_, ErrorObject>(numbers.iter().sum::<i64>()))
            .method("double", async |number: u64| Ok::<_, ErrorObject>(2 * number))
            .method("fail", async |(): ()| -> Result<(), ErrorObject> {
                Err(ErrorObject::new(1001, "no").with_data(bowline::Json::from_value(&json!({ "type": "NO" })).unwrap()))
            })
            .method_with("ask", async |method: String, cx: Context| -> Result<Value, HandlerError> {
                Ok(json!({ "said": cx.session().call::<u32>(&method, 20).await? }))
            })
            .method_with("count", async |(): (), cx: Context| {
                cx.session().update_attribute("n", |n: Option<u32>| Some(n.unwrap_or(0) + 1));
                Ok::<_, ErrorObject>(cx.session().attribute::<u32>("n"))
            })
            .method_with("hold", move |(): (), cx: Context| {
                cx.start_async();
                let _ = reached.try_send(());
                future::pending::<Result<(), ErrorObject>>()
            })
            .on_close(move |_, reason| closing.lock().unwrap().push(reason));
        let (address, handle) = runtime.serve(runtime.listen(runtime.server().path("/", router), "127.0.0.1:0").await.unwrap());
        Self { address, handle, closed, held }
    }

    fn client<R: Wire>(&self, runtime: &R) -> ClientBuilder<R> {
        runtime.dial(&format!("ws://{}/", self.address))
    }
}

fn to<R: Runtime>(runtime: &R, server: &BadServer) -> ClientBuilder<R> {
    runtime.client(&server.url("/"))
}

/// A call that is under way when this returns.
fn started<T: serde::de::DeserializeOwned + Send + 'static>(
    runtime: &impl Wire,
    client: &Client,
    method: &'static str,
) -> RemoteHandle<Result<T, CallError>> {
    let session = client.session().clone();
    runtime.start(async move { session.call::<T>(method, ()).await })
}

async fn thousands_of_calls_at_once_are_each_answered_with_their_own_result(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let client = server.client(&runtime).connect().await.unwrap();
    let answers: Vec<u64> = soon(future::try_join_all((0..5000_u64).map(|number| client.call("double", number)))).await.unwrap();
    assert_eq!(answers, (0..5000).map(|number| 2 * number).collect::<Vec<_>>());
}

async fn every_kind_of_error_is_told_apart(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let client = server.client(&runtime).connect().await.unwrap();
    let Err(CallError::Peer(error)) = client.call::<()>("fail", ()).await else { panic!("no error") };
    assert_eq!((error.code, &*error.message, error.data.unwrap().as_str()), (1001, "no", r#"{"type":"NO"}"#));
    assert!(matches!(client.call::<()>("nothing", ()).await, Err(CallError::Peer(error)) if error.code == -32601));
    assert!(matches!(client.call::<String>("sum", [1]).await, Err(CallError::Decode(_))));
    assert_eq!(client.call_with_timeout::<()>("hold", (), Duration::from_millis(20)).await, Err(CallError::TimedOut));
    assert_eq!(client.call::<()>("closeSession", ()).await, Err(CallError::ReservedMethod));
    let unwritable = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(matches!(client.call::<()>("sum", &unwritable).await, Err(CallError::Encode(_))));
    assert!(matches!(client.notify("sum", &unwritable).await, Err(NotifyError::Encode(_))));
    assert_eq!(client.notify("ping", ()).await, Err(NotifyError::ReservedMethod));
    assert_eq!(client.call::<i64>("sum", [1, 2]).await, Ok(3), "and it goes on");
    let held = started::<()>(&runtime, &client, "hold");
    soon(server.held.recv()).await.unwrap();
    client.close().await;
    assert_eq!(soon(held).await, Err(CallError::Closed));
    assert_eq!(client.call::<i64>("sum", [1]).await, Err(CallError::Closed));
    assert_eq!(client.try_notify("sum", ()), Err(NotifyError::Closed));
}

async fn the_server_asks_and_the_clients_router_answers(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let service = Router::new()
        .method("half", async |number: u32| Ok::<_, ErrorObject>(number / 2))
        .method("refuse", async |_: u32| -> Result<(), ErrorObject> { Err(ErrorObject::new(77, "no wish to")) });
    let client = server.client(&runtime).service(service).connect().await.unwrap();
    assert_eq!(client.call::<Value>("ask", "half").await.unwrap()["said"], 10);
    // The handler passes on what it got, which is no answer of its own: an internal error.
    for method in ["refuse", "unknown"] {
        assert!(matches!(client.call::<Value>("ask", method).await, Err(CallError::Peer(error)) if error.code == -32603), "{method}");
    }
}

async fn a_saved_session_is_found_again_and_reconnect_keeps_it(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let client = server.client(&runtime).connect().await.unwrap();
    assert_eq!(client.call::<u32>("count", ()).await, Ok(1));
    let id = client.session_id().unwrap();
    client.close().await;
    let client = server.client(&runtime).session(id.clone()).connect().await.unwrap();
    assert_eq!((client.call::<u32>("count", ()).await, client.session_id()), (Ok(2), Some(id)));
    let mut events = client.events();
    client.reconnect();
    wait_for(&mut events, |event| *event == BACK).await;
    assert_eq!(client.call::<u32>("count", ()).await, Ok(3));
    assert_eq!(server.handle.session_count(), 1);
}

async fn the_heartbeat_goes_on_and_off_and_its_pings_look_as_they_should(runtime: impl Runtime) {
    let (send, pings) = unbounded();
    let server = BadServer::on_websocket(move |_, conversation| {
        conversation.greet(SESSION)?;
        loop {
            let message = conversation.read()?;
            if message["method"] == "ping" {
                conversation.answer(&message, &json!({ "value": "pong" }))?;
            } else {
                conversation.answer(&message, &json!({ "value": 1 }))?;
            }
            let _ = send.try_send(message);
        }
    })
    .unwrap();
    let client = to(&runtime, &server).connect().await.unwrap();
    assert_eq!(client.call::<u32>("quiet", ()).await, Ok(1));
    assert_eq!(soon(pings.recv()).await.unwrap()["method"], "quiet", "off by default");
    client.set_heartbeat(Some(Duration::from_millis(30)));
    let first = soon(pings.recv()).await.unwrap();
    assert_eq!((&first["method"], &first["params"]["interval"]), (&json!("ping"), &json!(30)));
    let second = soon(pings.recv()).await.unwrap();
    assert_eq!((&second["method"], &second["params"]["interval"]), (&json!("ping"), &Value::Null));
    client.set_heartbeat(None);
    assert_eq!(client.call::<u32>("last", ()).await, Ok(1));
    while soon(pings.recv()).await.unwrap()["method"] != "last" {}
    assert!(client.is_connected());
}

async fn a_policy_says_whether_and_how_long_it_goes_on(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let proxy = Proxy::new(server.address).unwrap();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = || runtime.dial(&proxy.url("/"));
    let never = client().reconnect(Reconnect::Never).connect().await.unwrap();
    let brief = client().reconnect(Reconnect::For(Duration::from_millis(200))).connect().await.unwrap();
    let forever = client().connect().await.unwrap();
    let mut events = [never.events(), brief.events(), forever.events()];
    proxy.retarget(nowhere);
    proxy.cut();
    for events in &mut events[..2] {
        wait_for(events, |event| *event == ConnectionEvent::Closed(CloseReason::GaveUp)).await;
        assert_eq!(events.next().await, None);
    }
    assert!(never.is_closed() && brief.is_closed() && !forever.is_closed());
    assert_eq!(never.call::<i64>("sum", [1]).await, Err(CallError::Closed));
    proxy.retarget(server.address);
    forever.reconnect();
    wait_for(&mut events[2], |event| *event == BACK).await;
}

async fn it_can_be_closed_in_every_state(runtime: impl Wire) {
    // While it connects.
    let (tell, told) = unbounded();
    let silent = BadServer::on_tcp(move |_, mut stream| {
        let _ = tell.try_send("came");
        let ended = std::io::copy(&mut stream, &mut std::io::sink());
        let _ = tell.try_send("gone");
        ended.map(drop)
    })
    .unwrap();
    let connecting = runtime.start(to(&runtime, &silent).connect_timeout(Duration::from_secs(3600)).connect());
    assert_eq!(soon(told.recv()).await, Ok("came"));
    drop(connecting);
    assert_eq!(soon(told.recv()).await, Ok("gone"));
    // While it is connected, while it waits for the next attempt, and twice.
    let server = Server::start(&runtime).await;
    let proxy = Proxy::new(server.address).unwrap();
    let client = runtime.dial(&proxy.url("/")).connect().await.unwrap();
    let mut events = client.events();
    proxy.retarget(std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    proxy.cut();
    wait_for(&mut events, |event| matches!(event, ConnectionEvent::ConnectionFailed { retry_in: Some(_), .. })).await;
    soon(client.close()).await;
    wait_for(&mut events, |event| *event == ConnectionEvent::Closed(CloseReason::Application)).await;
    assert_eq!(events.next().await, None, "no attempt follows");
    soon(client.close()).await;
    let client = server.client(&runtime).close_message(true).connect().await.unwrap();
    soon(client.close()).await;
    assert_eq!(*server.closed.lock().unwrap(), [CloseReason::ClientClosed]);
    assert_eq!(server.handle.session_count(), 1, "that of the client that could not say goodbye");
}

async fn a_client_that_is_dropped_leaves_no_task_behind(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let counted = Over::same(runtime);
    let client = server.client(&counted).connect().await.unwrap();
    let (mut events, held) = (client.events(), started::<()>(&counted, &client, "hold"));
    soon(server.held.recv()).await.unwrap();
    drop(client);
    wait_for(&mut events, |event| *event == ConnectionEvent::Closed(CloseReason::Application)).await;
    assert_eq!(held.await, Err(CallError::Closed));
    soon(counted.tasks().wait_for(|alive| *alive == 0)).await;
}

async fn a_server_that_never_answers_costs_time_and_nothing_else(runtime: impl Runtime) {
    let server = BadServer::on_websocket(|_, conversation| {
        conversation.greet(SESSION)?;
        conversation.until_gone()
    })
    .unwrap();
    let client = to(&runtime, &server).request_timeout(Duration::from_millis(50)).connect().await.unwrap();
    assert_eq!(client.call::<()>("x", ()).await, Err(CallError::TimedOut));
    soon(client.close()).await;
    let mute = BadServer::on_websocket(|_, conversation| conversation.until_gone()).unwrap();
    let error = to(&runtime, &mute).connect_timeout(Duration::from_millis(50)).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut), "{error}");
}

async fn answers_that_were_not_asked_for_and_garbage_are_passed_over(runtime: impl Runtime) {
    let server = BadServer::on_websocket(|_, conversation| {
        conversation.greet(SESSION)?;
        loop {
            let request = conversation.read()?;
            let id = &request["id"];
            for bad in [
                r#"{"jsonrpc":"2.0","id":4711,"result":{"value":"never asked"}}"#.to_owned(),
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#.to_owned(),
                "{".to_owned(),
                "[]".to_owned(),
                "5".to_owned(),
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"value":"first"}}}}"#),
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"value":"second"}}}}"#),
            ] {
                conversation.text(&bad)?;
            }
        }
    })
    .unwrap();
    let client = to(&runtime, &server).connect().await.unwrap();
    for _ in 0..3 {
        assert_eq!(soon(client.call::<String>("x", ())).await, Ok("first".to_owned()));
    }
    assert!(client.is_connected());
}

async fn an_answer_that_is_none_is_malformed(runtime: impl Runtime) {
    let server = BadServer::on_websocket(|_, conversation| {
        conversation.greet(SESSION)?;
        loop {
            let request = conversation.read()?;
            conversation.text(&format!(r#"{{"jsonrpc":"2.0","id":{},"error":"no object"}}"#, request["id"]))?;
        }
    })
    .unwrap();
    let client = to(&runtime, &server).connect().await.unwrap();
    let answer = soon(client.call::<String>("x", ())).await;
    assert!(matches!(answer, Err(CallError::Malformed(_))), "{answer:?}");
}

async fn a_connection_that_ends_without_a_word_or_with_nonsense_is_opened_again(runtime: impl Runtime) {
    for nonsense in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x83\x00", b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x82\x01x"]
    {
        let server = BadServer::on_websocket(move |number, conversation| {
            conversation.greet(SESSION)?;
            if number == 0 {
                conversation.bytes(nonsense)?;
                return Ok(());
            }
            conversation.until_gone()
        })
        .unwrap();
        // A hook misses nothing: the connection may be back before anybody can ask for a stream of events.
        let (send, events) = unbounded();
        let client = to(&runtime, &server).on_event(move |event| drop(send.try_send(event.clone()))).connect().await;
        let Ok(client) = client else { panic!("{nonsense:?}: {client:?}") };
        while soon(events.recv()).await.unwrap() != BACK {}
        assert!(!client.is_closed());
    }
}

async fn forty_thousand_and_seven_to_everything_is_an_error_and_no_loop(runtime: impl Runtime) {
    let server = BadServer::on_websocket(|_, conversation| {
        loop {
            let request = conversation.read()?;
            conversation.refuse(&request, 40007, "reconnection error")?;
        }
    })
    .unwrap();
    let error = soon(to(&runtime, &server).connect()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Refused(refusal) if refusal.code == 40007), "{error}");
    let saved = bowline::SessionId::from_text(SESSION).unwrap();
    let error = soon(to(&runtime, &server).session(saved).connect()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Refused(refusal) if refusal.code == 40007), "{error}");
}

async fn a_session_that_the_server_has_forgotten_is_replaced(runtime: impl Runtime) {
    let server = BadServer::on_websocket(|number, conversation| {
        if number > 0 {
            let connect = conversation.read()?;
            conversation.refuse(&connect, 40007, "reconnection error")?;
        }
        conversation.greet(&format!("session {number}"))?;
        let request = conversation.read()?;
        if number == 0 {
            return Ok(());
        }
        conversation.answer(&request, &json!({ "value": "done" }))?;
        conversation.until_gone()
    })
    .unwrap();
    let client = to(&runtime, &server).connect().await.unwrap();
    let mut events = client.events();
    assert_eq!(soon(client.call::<String>("x", ())).await, Err(CallError::Interrupted));
    wait_for(&mut events, |event| *event == RENEWED).await;
    assert_eq!(client.session_id().unwrap().reveal(), "session 1");
    assert_eq!(soon(client.call::<String>("x", ())).await, Ok("done".to_owned()));
}

async fn calls_in_flight_are_repeated_with_the_same_id_where_that_is_asked_for(runtime: impl Runtime) {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ids);
    let server = BadServer::on_websocket(move |number, conversation| {
        conversation.greet(SESSION)?;
        let request = conversation.read()?;
        seen.lock().unwrap().push(request["id"].clone());
        if number == 0 {
            return Ok(());
        }
        conversation.answer(&request, &json!({ "value": "done" }))?;
        conversation.until_gone()
    })
    .unwrap();
    let client = to(&runtime, &server).in_flight(InFlight::Repeat).connect().await.unwrap();
    assert_eq!(soon(client.call::<String>("x", ())).await, Ok("done".to_owned()));
    let ids = ids.lock().unwrap();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
}

async fn a_connect_answer_without_a_session_is_a_server_without_sessions(runtime: impl Runtime) {
    for connect in [json!({}), json!({ "value": "OK" }), json!("OK"), json!({ "sessionId": 5 })] {
        let answer = connect.clone();
        let server = BadServer::on_websocket(move |_, conversation| {
            let connect = conversation.read()?;
            conversation.answer(&connect, &answer)?;
            let request = conversation.read()?;
            conversation.answer(&request, &json!({ "value": 1 }))?;
            conversation.until_gone()
        })
        .unwrap();
        let client = soon(to(&runtime, &server).connect()).await;
        let Ok(client) = client else { panic!("{connect}: {client:?}") };
        assert_eq!((soon(client.call::<u32>("x", ())).await, client.session_id()), (Ok(1), None), "{connect}");
    }
}

async fn a_server_that_knows_no_connect_serves_without_a_session(runtime: impl Runtime) {
    let server = BadServer::on_websocket(|_, conversation| {
        let connect = conversation.read()?;
        conversation.refuse(&connect, -32601, "Method not found")?;
        let request = conversation.read()?;
        conversation.answer(&request, &json!(5))?;
        conversation.until_gone()
    })
    .unwrap();
    let client = to(&runtime, &server).dialect(Dialect::Strict).connect().await.unwrap();
    assert_eq!((client.call::<u32>("x", ()).await, client.session_id()), (Ok(5), None));
}

async fn an_http_answer_says_its_status(runtime: impl Runtime) {
    for (answer, status) in [
        (&b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"[..], 502),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", 200),
        (b"HTTP/1.1 301 Moved\r\nLocation: ws://elsewhere/\r\n\r\n", 301),
    ] {
        let server = BadServer::answering(answer).unwrap();
        let error = to(&runtime, &server).connect().await.unwrap_err();
        assert!(matches!(&error, ConnectError::Status(seen) if seen.as_u16() == status), "{error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
    for answer in [&b"220 mail.example ESMTP\r\n\r\n"[..], b"", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"\x16\x03\x01"] {
        let server = BadServer::answering(answer).unwrap();
        let error = to(&runtime, &server).connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::Handshake(_) | ConnectError::Unreachable(_)), "{answer:?}: {error}");
    }
}

async fn a_name_that_does_not_resolve_is_an_error_that_says_so(runtime: impl Runtime) {
    let error = soon(runtime.client("ws://no-such-host.invalid/").connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
    assert!(error.to_string().starts_with("cannot reach the server: "), "{error}");
}

/// The answer takes longer than a ping is waited for, whose answer stands behind it.
async fn an_answer_that_arrives_slowly_is_no_silence(runtime: impl Runtime) {
    const PATIENCE: Duration = Duration::from_secs(1);
    let server = BadServer::on_websocket(|_, conversation| {
        conversation.greet(SESSION)?;
        let mut pings = Vec::new();
        let asked = loop {
            let message = conversation.read()?;
            if message["method"] != "ping" {
                break message;
            }
            pings.push(message);
        };
        let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "value": "x".repeat(10_000) } }).to_string();
        conversation.bytes(&[0x81, 126])?;
        conversation.bytes(&u16::try_from(answer.len()).unwrap().to_be_bytes())?;
        let begun = Instant::now();
        let mut bytes = answer.as_bytes();
        while begun.elapsed() < 2 * PATIENCE {
            conversation.bytes(&bytes[..1])?;
            bytes = &bytes[1..];
            std::thread::sleep(PATIENCE / 100);
        }
        conversation.bytes(bytes)?;
        for ping in pings {
            conversation.answer(&ping, &json!({ "value": "pong" }))?;
        }
        conversation.until_gone()
    })
    .unwrap();
    let client = to(&runtime, &server).heartbeat(PATIENCE).connect().await.unwrap();
    let answer: String = client.call("slow", ()).await.unwrap();
    assert_eq!(answer.len(), 10_000);
}

async fn what_ends_the_first_connection_is_told(runtime: impl Runtime) {
    let binary = BadServer::on_websocket(|_, conversation| {
        conversation.message(Message::binary("hello"))?;
        conversation.until_gone()
    })
    .unwrap();
    let error = to(&runtime, &binary).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Violation("Binary frames are not accepted")), "{error}");
    let full = BadServer::on_websocket(|_, conversation| {
        let frame = CloseFrame { code: 1013.into(), reason: "Too many sessions".into() };
        conversation.message(Message::Close(Some(frame)))?;
        conversation.until_gone()
    })
    .unwrap();
    let error = to(&runtime, &full).connect().await.unwrap_err();
    assert_eq!(error.to_string(), "the server closed the connection before it gave a session: 1013 Too many sessions");
    // Nobody listens there.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let patient = runtime.client(&format!("ws://{address}/")).first_connect(FirstConnect::Retry);
    let error = soon(patient.reconnect(Reconnect::For(Duration::from_millis(200))).connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
}

async fn a_first_connection_may_wait_for_its_server(runtime: impl Runtime) {
    let failing = BadServer::on_websocket(|number, conversation| {
        if number < 3 {
            conversation.message(Message::Close(None))?;
            return Ok(());
        }
        conversation.greet(SESSION)?;
        conversation.until_gone()
    })
    .unwrap();
    let failures = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&failures);
    let client = to(&runtime, &failing)
        .first_connect(FirstConnect::Retry)
        .backoff(Duration::from_millis(1), Duration::from_millis(5))
        .on_event(move |event| {
            if matches!(event, ConnectionEvent::ConnectionFailed { retry_in: Some(_), .. }) {
                *counted.lock().unwrap() += 1;
            }
        });
    let client = soon(client.connect()).await.unwrap();
    assert_eq!((client.session_id().unwrap().reveal(), *failures.lock().unwrap()), (SESSION.to_owned(), 3));
}

bowline_tests::over_both_wires![
    thousands_of_calls_at_once_are_each_answered_with_their_own_result,
    every_kind_of_error_is_told_apart,
    the_server_asks_and_the_clients_router_answers,
    a_saved_session_is_found_again_and_reconnect_keeps_it,
    a_policy_says_whether_and_how_long_it_goes_on,
    a_client_that_is_dropped_leaves_no_task_behind,
    it_can_be_closed_in_every_state;
    plain: the_heartbeat_goes_on_and_off_and_its_pings_look_as_they_should,
    a_server_that_never_answers_costs_time_and_nothing_else,
    answers_that_were_not_asked_for_and_garbage_are_passed_over,
    an_answer_that_is_none_is_malformed,
    a_connection_that_ends_without_a_word_or_with_nonsense_is_opened_again,
    forty_thousand_and_seven_to_everything_is_an_error_and_no_loop,
    a_session_that_the_server_has_forgotten_is_replaced,
    calls_in_flight_are_repeated_with_the_same_id_where_that_is_asked_for,
    a_connect_answer_without_a_session_is_a_server_without_sessions,
    a_server_that_knows_no_connect_serves_without_a_session,
    an_http_answer_says_its_status,
    a_name_that_does_not_resolve_is_an_error_that_says_so,
    an_answer_that_arrives_slowly_is_no_silence,
    what_ends_the_first_connection_is_told,
    a_first_connection_may_wait_for_its_server,
];
