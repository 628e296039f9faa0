//! A client on real sockets, against our own server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "in a test a panic is the failure")]

use bowline::{
    CallError, Client, ConnectError, ConnectionEvent, Context, Dialect, ErrorObject, Events, FirstConnect, HandlerError, NotifyError,
    PathOptions, Reconnect, Router, ServerHandle, SessionKept,
};
use bowline_tests::sockets::{BadServer, Rig, Watched, Wire, soon, wait_for, within};
use futures_util::future::join;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn router(runtime: &impl Wire) -> Router {
    let runtime = runtime.clone();
    type Answer<T> = Result<T, ErrorObject>;
    Router::new()
        .method("sum", async |numbers: Vec<i64>| -> Answer<i64> { Ok(numbers.iter().sum()) })
        .method("fail", async |(): ()| -> Answer<()> { Err(ErrorObject::new(7, "seven")) })
        .method("sleep", move |ms: u64| {
            let sleep = runtime.sleep(Duration::from_millis(ms));
            async move {
                sleep.await;
                Ok::<_, ErrorObject>(ms)
            }
        })
        .method_with("ask-me", async |(): (), cx: Context| -> Result<Value, HandlerError> { Ok(cx.session().call("question", ()).await?) })
        .method_with("count", async |(): (), cx: Context| -> Answer<Option<u32>> {
            cx.session().update_attribute("n", |n: Option<u32>| Some(n.unwrap_or(0) + 1));
            Ok(cx.session().attribute("n"))
        })
        .method_with("log", async |text: String, cx: Context| -> Answer<()> {
            cx.session().update_attribute("log", |log: Option<Vec<String>>| Some([log.unwrap_or_default(), vec![text]].concat()));
            Ok(())
        })
        .method_with("logged", async |(): (), cx: Context| -> Answer<Option<Vec<String>>> { Ok(cx.session().attribute("log")) })
        .method_with("cut", async |(): (), cx: Context| -> Answer<&str> {
            cx.session().disconnect();
            Ok("cut")
        })
        .method_with("end", async |(): (), cx: Context| -> Answer<()> {
            cx.session().close();
            Ok(())
        })
}

async fn start(runtime: &impl Wire, options: PathOptions) -> (String, ServerHandle) {
    start_at(runtime, "127.0.0.1:0", options).await
}

async fn start_at(runtime: &impl Wire, address: &str, options: PathOptions) -> (String, ServerHandle) {
    let server = runtime.server().path_with("/demo", options, router(runtime));
    let (addr, handle) = runtime.serve(runtime.listen(server, address).await.unwrap());
    (format!("ws://{addr}/demo"), handle)
}

async fn connect(runtime: &impl Wire, url: &str) -> Client {
    runtime.dial(url).connect().await.unwrap()
}

async fn expect(events: &mut Events, wanted: &ConnectionEvent) {
    wait_for(events, |event| event == wanted).await;
}

async fn calls_and_notifications_go_both_ways_in_both_dialects(runtime: impl Wire) {
    for dialect in [Dialect::Kurento, Dialect::Strict] {
        let (url, server) = start(&runtime, PathOptions::new().dialect(dialect)).await;
        let asked = Router::new().method("question", async |(): ()| Ok::<_, ErrorObject>(json!({ "answer": 42 })));
        let client = runtime.dial(&url).dialect(dialect).service(asked).connect().await.unwrap();
        assert_eq!(client.call::<i64>("sum", [1, 2, 3]).await.unwrap(), 6);
        assert_eq!(client.call::<()>("fail", ()).await.unwrap_err(), CallError::Peer(ErrorObject::new(7, "seven")));
        assert_eq!(client.call::<Value>("ask-me", ()).await.unwrap(), json!({ "answer": 42 }));
        assert!(matches!(client.call::<i64>("sum", "x").await, Err(CallError::Peer(error)) if error.code == -32602));
        assert!(matches!(client.call::<String>("count", ()).await, Err(CallError::Decode(_))));
        assert_eq!(client.call::<()>("ping", ()).await, Err(CallError::ReservedMethod));
        assert_eq!(client.call_with_timeout::<()>("sleep", 5000, Duration::from_millis(50)).await, Err(CallError::TimedOut));
        client.close().await;
        assert_eq!(client.call::<()>("count", ()).await, Err(CallError::Closed));
        assert_eq!(client.notify("log", "x").await, Err(NotifyError::Closed));
        server.shutdown(Duration::from_secs(5)).await;
    }
}

async fn what_is_sent_before_close_arrives(runtime: impl Wire) {
    let (url, server) = start(&runtime, PathOptions::new()).await;
    let client = runtime.dial(&url).connect().await.unwrap();
    let id = client.session_id().unwrap();
    for i in 0..500 {
        client.notify("log", format!("{i}")).await.unwrap();
    }
    client.close().await;
    assert_eq!(server.session_count(), 1, "without a close message the session waits");
    let client = runtime.dial(&url).session(id.clone()).close_message(true).connect().await.unwrap();
    assert_eq!(client.session_id(), Some(id));
    assert_eq!(client.call::<Vec<String>>("logged", ()).await.unwrap().len(), 500);
    client.close().await;
    assert_eq!(server.session_count(), 0, "with one it does not");
}

async fn a_cut_is_healed_and_nothing_is_lost_repeated_or_reordered(runtime: impl Wire) {
    let (url, _server) = start(&runtime, PathOptions::new()).await;
    let client = connect(&runtime, &url).await;
    let mut events = client.events();
    // Not many: after connections that break at once the client waits longer and longer.
    for round in 0..5 {
        let calls: Vec<_> = (0..5).map(|_| client.call::<u32>("count", ())).collect();
        let cut = client.call::<String>("cut", ());
        let mut counts = Vec::new();
        let collect = async {
            for call in calls {
                counts.push(call.await.unwrap());
            }
        };
        let ((), cut) = join(collect, cut).await;
        assert_eq!(cut.unwrap(), "cut");
        counts.sort_unstable();
        assert_eq!(counts, (round * 5 + 1..=round * 5 + 5).collect::<Vec<_>>());
        expect(&mut events, &ConnectionEvent::Disconnected).await;
        expect(&mut events, &ConnectionEvent::Reconnected(SessionKept::Same)).await;
    }
}

async fn without_resumption_calls_in_flight_are_interrupted(runtime: impl Wire) {
    let (url, _server) = start(&runtime, PathOptions::new().without_resumption()).await;
    let client = connect(&runtime, &url).await;
    assert_eq!(client.call::<String>("cut", ()).await, Err(CallError::Interrupted));
    assert_eq!(client.call::<u32>("count", ()).await, Ok(1));
}

async fn a_session_that_is_gone_becomes_a_new_one(runtime: impl Wire) {
    let (url, _server) = start(&runtime, PathOptions::new()).await;
    let client = connect(&runtime, &url).await;
    let mut events = client.events();
    assert_eq!(client.call::<u32>("count", ()).await, Ok(1));
    let before = client.session_id();
    client.call::<()>("end", ()).await.unwrap();
    expect(&mut events, &ConnectionEvent::Reconnected(SessionKept::New)).await;
    assert_ne!(client.session_id(), before);
    assert_eq!(client.call::<u32>("count", ()).await, Ok(1));
}

async fn a_client_outlives_its_server_and_gives_up_when_told(runtime: impl Wire) {
    let (url, server) = start(&runtime, PathOptions::new()).await;
    let client = connect(&runtime, &url).await;
    let brief = runtime.dial(&url).reconnect(Reconnect::For(Duration::from_millis(300))).connect().await.unwrap();
    let (mut events, mut brief_events) = (client.events(), brief.events());
    server.shutdown(Duration::from_secs(5)).await;
    expect(&mut events, &ConnectionEvent::Disconnected).await;
    let late = client.call::<u32>("count", ());
    expect(&mut brief_events, &ConnectionEvent::Closed(bowline::CloseReason::GaveUp)).await;
    assert_eq!(brief_events.next().await, None);
    assert!(brief.is_closed() && !client.is_closed() && !client.is_connected());
    let address = url.trim_start_matches("ws://").trim_end_matches("/demo");
    let (_, _server) = start_at(&runtime, address, PathOptions::new()).await;
    client.reconnect();
    expect(&mut events, &ConnectionEvent::Reconnected(SessionKept::New)).await;
    assert_eq!(late.await, Ok(1));
    assert!(client.is_connected());
}

async fn a_first_connection_that_fails_is_an_error_with_its_cause(runtime: impl Wire) {
    let (url, _server) = start(&runtime, PathOptions::new()).await;
    let client = |url: &str| runtime.dial(url).connect();
    assert!(matches!(client("http://x").await, Err(ConnectError::InvalidUrl(_))));
    assert!(matches!(client("ws://127.0.0.1:1/").await, Err(ConnectError::Unreachable(_))));
    assert!(matches!(client(&url.replace("demo", "other")).await, Err(ConnectError::Status(status)) if status == 404));
    let silent = BadServer::on_tcp(|_, mut stream| std::io::copy(&mut stream, &mut std::io::sink()).map(drop)).unwrap();
    let error = runtime.dial(&silent.url("/")).connect_timeout(Duration::from_millis(100)).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut), "{error}");
}

async fn a_first_connection_may_be_tried_until_it_succeeds(runtime: impl Wire) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failures = Arc::new(Watched::new(0));
    let seen = Arc::clone(&failures);
    let client = runtime
        .dial(&format!("ws://{free}/demo"))
        .first_connect(FirstConnect::Retry)
        .on_event(move |event| {
            if let ConnectionEvent::ConnectionFailed { retry_in: Some(_), .. } = event {
                seen.update(|seen| *seen += 1);
            }
        })
        .connect();
    let late = async {
        failures.wait_for(|failures| *failures > 0).await;
        start_at(&runtime, &free.to_string(), PathOptions::new()).await
    };
    let (client, _) = soon(join(client, late)).await;
    assert_eq!(client.unwrap().call::<u32>("count", ()).await, Ok(1));
}

async fn the_last_handle_dropped_closes_the_client_and_keeps_its_session(runtime: impl Wire) {
    let (url, server) = start(&runtime, PathOptions::new()).await;
    let client = runtime.dial(&url).close_message(true).connect().await.unwrap();
    let (session, mut events) = (client.session().clone(), client.events());
    let clone = client.clone();
    drop(client);
    assert_eq!(clone.call::<u32>("count", ()).await, Ok(1));
    drop(clone);
    expect(&mut events, &ConnectionEvent::Closed(bowline::CloseReason::Application)).await;
    assert!(session.is_closed());
    assert_eq!(server.session_count(), 1);
    let client = runtime.dial(&url).session(session.id().unwrap()).close_message(true).connect().await.unwrap();
    assert_eq!(client.call::<u32>("count", ()).await, Ok(2));
    // Who closes it first has it closed, whoever is dropped then.
    let mut events = client.events();
    client.session().close();
    drop(client);
    expect(&mut events, &ConnectionEvent::Closed(bowline::CloseReason::Application)).await;
    assert_eq!(server.session_count(), 0);
}

async fn what_is_said_before_a_drop_arrives_and_no_goodbye_behind_it(runtime: impl Rig) {
    let (tell, told) = async_channel::unbounded();
    let server = BadServer::on_websocket(move |_, conversation| {
        conversation.greet("00000000-0000-4000-8000-000000000001")?;
        loop {
            let method = conversation.read().map(|message| message["method"].clone());
            let _ = tell.try_send(method.as_ref().ok().cloned());
            method?;
        }
    })
    .unwrap();
    let client = runtime.client(&server.url("/")).close_message(true).connect().await.unwrap();
    for i in 0..200 {
        client.notify("log", i).await.unwrap();
    }
    drop(client);
    for _ in 0..200 {
        assert_eq!(soon(told.recv()).await.unwrap(), Some(json!("log")));
    }
    assert_eq!(soon(told.recv()).await.unwrap(), None, "then the connection ends");
}

async fn a_heartbeat_keeps_a_watched_session_attached(runtime: impl Wire) {
    let (url, _server) = start(&runtime, PathOptions::new().ping_watchdog()).await;
    let client = runtime.dial(&url).heartbeat(Duration::from_millis(50)).connect().await.unwrap();
    let mut events = client.events();
    assert!(within(Duration::from_millis(600), events.next()).await.is_none(), "nothing happens");
    assert!(client.is_connected());
}

bowline_tests::over_both_wires![
    calls_and_notifications_go_both_ways_in_both_dialects,
    what_is_sent_before_close_arrives,
    a_cut_is_healed_and_nothing_is_lost_repeated_or_reordered,
    without_resumption_calls_in_flight_are_interrupted,
    a_session_that_is_gone_becomes_a_new_one,
    a_client_outlives_its_server_and_gives_up_when_told,
    a_first_connection_that_fails_is_an_error_with_its_cause,
    a_first_connection_may_be_tried_until_it_succeeds,
    the_last_handle_dropped_closes_the_client_and_keeps_its_session,
    a_heartbeat_keeps_a_watched_session_attached;
    plain: what_is_said_before_a_drop_arrives_and_no_goodbye_behind_it,
];
