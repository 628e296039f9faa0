//! Servers and clients on the runtime, over a network that breaks.

use super::Outcome;
use crate::sockets::storm::{Cuts, Plan, storm};
use crate::sockets::{BadServer, Fate, Over, Proxy, Rig, until};
use bowline::{
    CallError, CloseReason, ConnectError, ConnectionEvent, Context, ErrorObject, HandlerError, Limits, PathOptions, Router, Runtime,
    ServerHandle, SessionKept,
};
use futures_util::future::{pending, try_join_all};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

async fn serve(runtime: &impl Runtime, options: PathOptions) -> Result<(SocketAddr, ServerHandle), Box<dyn Error>> {
    let router = Router::new()
        .method("double", async |number: u64| Ok::<_, ErrorObject>(2 * number))
        .method("echo", async |text: String| Ok::<_, ErrorObject>(text))
        .method("never", |(): ()| pending::<Result<(), ErrorObject>>())
        .method_with("ask", async |number: u64, cx: Context| -> Result<u64, HandlerError> {
            cx.session().notify("told", number).await?;
            Ok(cx.session().call("half", number).await?)
        });
    Ok(runtime.serve(runtime.server().path_with("/", options, router).bind("127.0.0.1:0").await?))
}

fn url(address: SocketAddr) -> String {
    format!("ws://{address}/")
}

fn expect(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}

pub(super) async fn calls_and_notifications_go_both_ways(runtime: impl Runtime) -> Outcome {
    let (address, server) = serve(&runtime, PathOptions::new()).await?;
    let (tell, told) = async_channel::unbounded();
    let service = Router::new().method("half", async |number: u64| Ok::<_, ErrorObject>(number / 2)).method("told", move |number: u64| {
        let _ = tell.try_send(number);
        async { Ok::<_, ErrorObject>(()) }
    });
    let client = runtime.client(&url(address)).service(service).connect().await?;
    let doubled: Vec<u64> = try_join_all((0..500_u64).map(|number| client.call("double", number))).await?;
    expect(doubled == (0..500).map(|number| 2 * number).collect::<Vec<_>>(), "an answer is another's")?;
    expect(client.call::<u64>("ask", 10).await? == 5, "the server's call was answered wrong")?;
    expect(told.recv().await? == 10, "the server's notification came with something else")?;
    client.close().await;
    server.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

pub(super) async fn long_messages_go_both_ways(runtime: impl Runtime) -> Outcome {
    let (address, _server) = serve(&runtime, PathOptions::new().max_message_size(4 << 20)).await?;
    let client = runtime.client(&url(address)).max_message_size(4 << 20).connect().await?;
    for size in [1, 1 << 16, (1 << 16) + 1, 3 << 20] {
        let text = "x".repeat(size);
        expect(client.call::<String>("echo", &text).await? == text, &format!("{size} bytes came back changed"))?;
    }
    Ok(())
}

pub(super) async fn nothing_is_lost_repeated_or_reordered_over_cuts(runtime: impl Runtime) -> Outcome {
    let wire = Over::plain(runtime);
    for at in [10, 200, 500, 900, 1300] {
        for first in [Fate { to_server: Some(at), to_client: None }, Fate { to_server: None, to_client: Some(at) }] {
            let report = storm(&wire, Plan { calls: 20, notifications: 20, cuts: Cuts::At([first, Fate::default()]) }, |_| {}).await?;
            expect(report.is_clean() && report.answered == 20, &format!("{first:?}: {report:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn two_sides_that_are_full_serve_each_other(runtime: impl Runtime) -> Outcome {
    let limits = Limits { in_flight: 16, outbox_messages: 16, ..Limits::default() };
    let echo = || Router::new().method("echo", async |number: u64| Ok::<_, ErrorObject>(number));
    let (open, opened) = async_channel::unbounded();
    let router = echo().on_open(move |session| drop(open.try_send(session.clone())));
    let (address, _server) =
        runtime.serve(runtime.server().path_with("/", PathOptions::new().limits(limits.clone()), router).bind("127.0.0.1:0").await?);
    // The first connections break while both have more to say than the other takes.
    let proxy = Proxy::with_fates(address, |number| {
        let at = (number < 10).then_some(3000 + 200 * number);
        if number % 2 == 0 { Fate { to_server: at, to_client: None } } else { Fate { to_server: None, to_client: at } }
    })?;
    let client = runtime.client(&proxy.url("/")).limits(limits).service(echo()).connect().await?;
    let sessions = [client.session().clone(), opened.recv().await?];
    let calls = sessions.iter().flat_map(|session| (0..300_u64).map(|number| session.call::<u64>("echo", number)));
    let answers = try_join_all(calls).await?;
    expect(answers.into_iter().eq((0..300).chain(0..300)), "an answer is another's")?;
    expect(proxy.cuts() == 10, &format!("{} cuts", proxy.cuts()))
}

pub(super) async fn a_network_that_says_nothing_is_found(runtime: impl Runtime) -> Outcome {
    let (address, _server) = serve(&runtime, PathOptions::new()).await?;
    let proxy = Proxy::new(address)?;
    let client = runtime.client(&proxy.url("/")).heartbeat(Duration::from_millis(100)).connect().await?;
    let mut events = client.events();
    expect(client.call::<u64>("double", 1).await? == 2, "a wrong answer")?;
    proxy.stall();
    let call = client.call::<u64>("double", 2);
    expect(call.await? == 4, "a wrong answer after the silence")?;
    while let Some(event) = events.next().await {
        if event == ConnectionEvent::Reconnected(SessionKept::Same) {
            return Ok(());
        }
    }
    Err("the client has closed".into())
}

pub(super) async fn a_call_that_is_not_answered_times_out(runtime: impl Runtime) -> Outcome {
    let (address, _server) = serve(&runtime, PathOptions::new()).await?;
    let client = runtime.client(&url(address)).connect().await?;
    let ended = client.call_with_timeout::<()>("never", (), Duration::from_millis(50)).await;
    expect(ended == Err(CallError::TimedOut), &format!("it ended with {ended:?}"))
}

pub(super) async fn a_server_that_does_not_answer_times_out(runtime: impl Runtime) -> Outcome {
    let silent = BadServer::on_tcp(|_, mut stream| io::copy(&mut stream, &mut io::sink()).map(drop))?;
    let ended = runtime.client(&silent.url("/")).connect_timeout(Duration::from_millis(50)).connect().await;
    expect(matches!(ended, Err(ConnectError::TimedOut)), &format!("it ended with {ended:?}"))
}

pub(super) async fn a_session_ends_when_its_client_stays_away(runtime: impl Runtime) -> Outcome {
    let (address, server) = serve(&runtime, PathOptions::new().reconnection_timeout(Duration::from_millis(50))).await?;
    let client = runtime.client(&url(address)).connect().await?;
    expect(server.session_count() == 1, "there is no session")?;
    client.close().await;
    until(|| server.session_count() == 0).await;
    Ok(())
}

pub(super) async fn a_client_that_is_dropped_closes(runtime: impl Runtime) -> Outcome {
    let (address, server) = serve(&runtime, PathOptions::new().reconnection_timeout(Duration::from_millis(50))).await?;
    let client = runtime.client(&url(address)).connect().await?;
    let mut events = client.events();
    drop(client);
    while let Some(event) = events.next().await {
        if event == ConnectionEvent::Closed(CloseReason::Application) {
            until(|| server.session_count() == 0).await;
            return Ok(());
        }
    }
    Err("it says nothing of its end".into())
}

pub(super) async fn a_server_that_is_shut_down_ends(runtime: impl Runtime) -> Outcome {
    let router = Router::new().method("double", async |number: u64| Ok::<_, ErrorObject>(2 * number));
    let bound = runtime.server().path("/", router).bind("127.0.0.1:0").await?;
    let address = bound.local_addr().tcp().ok_or("no port")?;
    let (server, serving) = (bound.handle(), runtime.start(bound.serve()));
    let client = runtime.client(&url(address)).connect().await?;
    let mut events = client.events();
    server.shutdown(Duration::from_secs(5)).await;
    serving.await;
    expect(server.session_count() == 0, "a session is left")?;
    while let Some(event) = events.next().await {
        if event == ConnectionEvent::Disconnected {
            return expect(runtime.connect(address).await.is_err(), "the listening socket is left");
        }
    }
    Err("the client has closed".into())
}
