//! Two sides whose buffers are full, over real sockets: an answer finds its way, and nobody waits for longer than it takes.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use async_channel::unbounded;
use bowline::{Context, ErrorObject, Limits, PathOptions, Router, Session};
use bowline_tests::sockets::{Rig, Watched, soon};
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often a handler has to be done.
const TIMES: usize = 3000;

/// The service of the side that is flooded, whose handlers ask back, with how many are done.
fn asking() -> (Router, Arc<Watched<usize>>) {
    let done = Arc::new(Watched::new(0));
    let count = Arc::clone(&done);
    let router = Router::new().method_with("flood", move |_: u32, context: Context| {
        let count = Arc::clone(&count);
        async move {
            context.session().call::<u32>("back", ()).await.map_err(|error| ErrorObject::new(1, error.to_string()))?;
            count.update(|done| *done += 1);
            Ok::<_, ErrorObject>(())
        }
    });
    (router, done)
}

fn asked() -> Router {
    Router::new().method("back", async |(): ()| Ok::<_, ErrorObject>(1))
}

/// Notifies without end, until told to stop.
async fn flood(session: Session, stop: Arc<AtomicBool>) {
    let mut n = 0_u32;
    while !stop.load(Ordering::Relaxed) && session.notify("flood", n).await.is_ok() {
        n += 1;
    }
}

async fn a_server_that_floods_a_client_whose_handlers_ask_back<R: Rig>(runtime: R) {
    let (open, opened) = unbounded();
    let router = asked().on_open(move |session| drop(open.try_send(session.clone())));
    let (address, _server) = runtime.serve(runtime.server().path("/", router).bind("127.0.0.1:0").await.unwrap());
    let (service, done) = asking();
    let client = runtime.client(&format!("ws://{address}/")).service(service).connect().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = runtime.start(flood(opened.recv().await.unwrap(), Arc::clone(&stop)));
    soon(done.wait_for(|done| *done >= TIMES)).await;
    stop.store(true, Ordering::Relaxed);
    soon(flooding).await;
    client.close().await;
}

async fn a_client_that_floods_a_server_whose_handlers_ask_back<R: Rig>(runtime: R) {
    let (service, done) = asking();
    let (address, _server) = runtime.serve(runtime.server().path("/", service).bind("127.0.0.1:0").await.unwrap());
    let client = runtime.client(&format!("ws://{address}/")).service(asked()).connect().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = runtime.start(flood(client.session().clone(), Arc::clone(&stop)));
    soon(done.wait_for(|done| *done >= TIMES)).await;
    stop.store(true, Ordering::Relaxed);
    soon(flooding).await;
    client.close().await;
}

async fn both_sides_call_at_once<R: Rig>(runtime: R) {
    for (in_flight, outbox_messages) in [(1024, 1024), (256, 1024), (64, 64), (16, 16)] {
        let limits = Limits { in_flight, outbox_messages, ..Limits::default() };
        let echo = || Router::new().method("echo", async |n: u32| Ok::<_, ErrorObject>(n));
        let (open, opened) = unbounded();
        let router = echo().on_open(move |session| drop(open.try_send(session.clone())));
        let server = runtime.server().path_with("/", PathOptions::new().limits(limits.clone()), router);
        let (address, _server) = runtime.serve(server.bind("127.0.0.1:0").await.unwrap());
        let client = runtime.client(&format!("ws://{address}/")).limits(limits).service(echo()).connect().await.unwrap();
        let mut calls = Vec::new();
        for session in [client.session().clone(), opened.recv().await.unwrap()] {
            calls.extend((0..1000).map(|n| {
                let session = session.clone();
                runtime.start(async move { session.call::<u32>("echo", n).await.unwrap() == n })
            }));
        }
        assert!(soon(join_all(calls)).await.into_iter().all(|right| right));
        client.close().await;
    }
}

async fn one_call_more_than_may_be_out<R: Rig>(runtime: R) {
    let (service, done) = asking();
    let (address, _server) = runtime.serve(runtime.server().path("/", service).bind("127.0.0.1:0").await.unwrap());
    let limits = Limits { calls: 2, ..Limits::default() };
    let client = runtime.client(&format!("ws://{address}/")).limits(limits).service(asked()).connect().await.unwrap();
    soon(join_all((0..3).map(|n| client.call::<()>("flood", n)))).await.into_iter().for_each(Result::unwrap);
    assert_eq!(done.get(), 3);
    client.close().await;
}

bowline_tests::both![
    a_server_that_floods_a_client_whose_handlers_ask_back,
    a_client_that_floods_a_server_whose_handlers_ask_back,
    both_sides_call_at_once,
    one_call_more_than_may_be_out,
];
