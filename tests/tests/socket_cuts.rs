//! Nothing is lost, repeated or reordered when the network breaks: real sockets, through a proxy that breaks them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use async_channel::{Receiver, Sender, unbounded};
use bowline::{CallError, Client, ConnectionEvent, Context, ErrorObject, PathOptions, Router, ServerHandle, SessionKept};
use bowline_tests::sockets::storm::{Cuts, Plan, storm};
use bowline_tests::sockets::{Connection, Direction, Fate, Opener, Peer, Proxy, Rig, Wire, soon, wait_for};
use futures_util::future;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tungstenite::Message;

const LOST: ConnectionEvent = ConnectionEvent::Disconnected;
const BACK: ConnectionEvent = ConnectionEvent::Reconnected(SessionKept::Same);

/// A server that remembers what arrived, and answers `hold` only when it is told.
struct Server {
    address: SocketAddr,
    opener: Opener,
    handle: ServerHandle,
    seen: Arc<Mutex<Vec<u64>>>,
    go: Sender<()>,
    held: Receiver<()>,
}

impl Server {
    async fn start(runtime: &impl Wire) -> Self {
        let seen = Arc::<Mutex<Vec<u64>>>::default();
        let ((go, wait), (reached, held)) = (unbounded(), unbounded());
        let receive = || {
            let seen = Arc::clone(&seen);
            move |number: u64| {
                seen.lock().unwrap().push(number);
                async move { Ok::<_, ErrorObject>(number) }
            }
        };
        let router =
            Router::new().method("call", receive()).method("note", receive()).method_with("hold", move |number: u64, cx: Context| {
                let wait: Receiver<()> = wait.clone();
                let _ = reached.try_send(());
                async move {
                    cx.start_async();
                    let _ = wait.recv().await;
                    Ok::<_, ErrorObject>(number)
                }
            });
        let server = runtime.server().path_with("/", PathOptions::new(), router);
        let server = runtime.listen(server, "127.0.0.1:0").await.unwrap();
        let (address, handle) = runtime.serve(server);
        Self { address, opener: runtime.opener(), handle, seen, go, held }
    }

    fn peer(&self) -> Peer<Box<dyn Connection>> {
        self.opener.connect(self.address, "/")
    }

    fn seen(&self) -> Vec<u64> {
        self.seen.lock().unwrap().clone()
    }
}

async fn connect(runtime: &impl Wire, url: &str) -> Client {
    runtime.dial(url).connect().await.unwrap()
}

/// A small conversation both ways, whose first two connections break as `fates` says.
async fn converse(runtime: &impl Wire, fates: [Fate; 2]) {
    let report = soon(storm(runtime, Plan { calls: 8, notifications: 8, cuts: Cuts::At(fates) }, |_| {})).await.unwrap();
    assert!(report.is_clean() && report.answered == 8, "{fates:?}: {report:?}");
}

fn to_server(at: u64) -> Fate {
    Fate { to_server: Some(at), to_client: None }
}

fn to_client(at: u64) -> Fate {
    Fate { to_server: None, to_client: Some(at) }
}

/// Where connections are cut. Over TLS a conversation is longer and a handshake takes its time: fewer of them.
fn places(runtime: &impl Wire) -> impl Iterator<Item = u64> {
    let (end, step) = if runtime.certificate().is_some() { (4000, 97) } else { (1600, 9) };
    (1..end).step_by(step)
}

async fn a_cut_at_any_byte_towards_the_server_costs_nothing(runtime: impl Wire) {
    for at in places(&runtime) {
        converse(&runtime, [to_server(at), Fate::default()]).await;
    }
}

async fn a_cut_at_any_byte_towards_the_client_costs_nothing(runtime: impl Wire) {
    for at in places(&runtime) {
        converse(&runtime, [to_client(at), Fate::default()]).await;
    }
}

async fn a_second_cut_while_the_session_comes_back_costs_nothing(runtime: impl Wire) {
    for first in (300..1300).step_by(101) {
        for second in (150..600).step_by(47) {
            for fates in
                [[to_server(first), to_client(second)], [to_client(first), to_server(second)], [to_server(first), to_server(second)]]
            {
                converse(&runtime, fates).await;
            }
        }
    }
}

async fn a_short_storm_loses_repeats_and_reorders_nothing(runtime: impl Wire) {
    for seed in [1, 2] {
        let cuts = Cuts::Every { mean: Duration::from_millis(5), seed };
        let report = storm(&runtime, Plan { calls: 2000, notifications: 2000, cuts }, |_| {}).await.unwrap();
        assert!(report.is_clean() && report.answered == 2000 && report.tally.cuts > 0, "{report:?}");
    }
}

async fn an_answer_given_while_the_client_is_away_waits_for_it(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let proxy = Proxy::new(server.address).unwrap();
    let client = connect(&runtime, &proxy.url("/")).await;
    let mut events = client.events();
    let call = runtime.start({
        let client = client.clone();
        async move { client.call::<u64>("hold", 7).await }
    });
    soon(server.held.recv()).await.unwrap();
    // New connections lead nowhere for the time being.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    proxy.retarget(nowhere);
    assert_eq!(proxy.cut(), 1);
    wait_for(&mut events, |event| *event == LOST).await;
    server.go.try_send(()).unwrap();
    proxy.retarget(server.address);
    assert_eq!(soon(call).await, Ok(7));
    wait_for(&mut events, |event| *event == BACK).await;
}

async fn a_silent_network_is_found_by_the_heartbeat(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let proxy = Proxy::new(server.address).unwrap();
    let client = runtime.dial(&proxy.url("/")).heartbeat(Duration::from_millis(100)).connect().await.unwrap();
    let mut events = client.events();
    assert_eq!(client.call::<u64>("call", 0).await, Ok(0));
    assert_eq!(proxy.stall(), 1);
    let calls: Vec<_> = (1..100).map(|number| client.call::<u64>("call", number)).collect();
    let numbers: Vec<u64> = soon(future::try_join_all(calls)).await.unwrap();
    wait_for(&mut events, |event| *event == BACK).await;
    assert_eq!(numbers, (1..100).collect::<Vec<_>>());
    assert_eq!(server.seen(), (0..100).collect::<Vec<_>>());
}

async fn an_old_connection_that_wakes_up_late_changes_nothing(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let proxy = Proxy::new(server.address).unwrap();
    let client = connect(&runtime, &proxy.url("/")).await;
    let mut events = client.events();
    assert_eq!(client.call::<u64>("call", 0).await, Ok(0));
    proxy.stall();
    // These go into the old connection, and are held there.
    let calls: Vec<_> = (1..50).map(|number| client.call::<u64>("call", number)).collect();
    let others = async {
        client.notify("note", 50).await.unwrap();
        client.reconnect();
        wait_for(&mut events, |event| *event == BACK).await;
    };
    let (answers, ()) = soon(future::join(future::join_all(calls), others)).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    proxy.wake();
    assert_eq!(client.call::<u64>("call", 51).await, Ok(51));
    let mut seen = server.seen();
    seen.sort_unstable();
    assert_eq!(seen, (0..52).collect::<Vec<_>>(), "each once");
    assert_eq!(server.handle.session_count(), 1);
}

async fn half_a_connection_is_no_connection(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let proxy = Proxy::new(server.address).unwrap();
    let client = connect(&runtime, &proxy.url("/")).await;
    let mut events = client.events();
    for (number, direction) in [(0, Direction::ToServer), (1, Direction::ToClient)] {
        assert_eq!(client.call::<u64>("call", number).await, Ok(number));
        assert_eq!(proxy.half_close(direction), 1, "{direction:?}");
        wait_for(&mut events, |event| *event == BACK).await;
    }
    assert_eq!(client.call::<u64>("call", 2).await, Ok(2));
    assert_eq!(server.seen(), [0, 1, 2]);
}

async fn a_session_belongs_to_whoever_named_it_last(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let mut first = server.peer();
    let session = first.greet();
    let held = first.request("hold", &json!({ "value": 1 }));
    soon(server.held.recv()).await.unwrap();
    let mut second = server.peer();
    assert_eq!(second.resume(&session)["result"]["value"], "reconnection successful");
    assert_eq!(first.closed(), Some((4104, "Connection closed for reconnection".into())));
    server.go.try_send(()).unwrap();
    let answer = second.read();
    assert_eq!((&answer["id"], &answer["result"]["value"]), (&json!(held), &json!(1)), "the answer follows the session");
}

async fn many_connections_that_claim_one_session_at_once_leave_it_one(runtime: impl Wire) {
    let server = Server::start(&runtime).await;
    let session = server.peer().greet();
    let threads: Vec<_> = (0..16)
        .map(|number| {
            let (opener, address, session) = (server.opener, server.address, session.clone());
            std::thread::spawn(move || {
                let mut peer = opener.connect(address, "/");
                peer.text(&json!({ "jsonrpc": "2.0", "id": number, "method": "connect", "params": { "sessionId": session } }).to_string());
                // It has had the session, and may have lost it to the next one before it could be told.
                match peer.message_in() {
                    Message::Close(close) => {
                        assert_eq!(close.map(|close| u16::from(close.code)), Some(4104));
                        None
                    }
                    Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Some(peer),
                }
            })
        })
        .collect();
    let peers: Vec<_> = threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
    let mut last = server.peer();
    assert_eq!(last.resume(&session)["result"]["sessionId"], json!(session));
    for mut peer in peers {
        assert_eq!(peer.closed().map(|close| close.0), Some(4104));
    }
    assert_eq!(last.call("call", &json!({ "value": 9 }))["result"]["value"], 9);
    assert_eq!(server.handle.session_count(), 1);
}

async fn a_restart_of_the_server_is_a_new_session_and_calls_in_flight_are_interrupted(runtime: impl Wire) {
    let before = Server::start(&runtime).await;
    let proxy = Proxy::new(before.address).unwrap();
    let client = connect(&runtime, &proxy.url("/")).await;
    let (mut events, session) = (client.events(), client.session_id());
    let call = runtime.start({
        let client = client.clone();
        async move { client.call::<u64>("hold", 1).await }
    });
    soon(before.held.recv()).await.unwrap();
    let after = Server::start(&runtime).await;
    proxy.retarget(after.address);
    before.handle.shutdown(Duration::ZERO).await;
    assert_eq!(soon(call).await, Err(CallError::Interrupted));
    wait_for(&mut events, |event| *event == ConnectionEvent::Reconnected(SessionKept::New)).await;
    assert_ne!(client.session_id(), session);
    assert_eq!(client.call::<u64>("call", 5).await, Ok(5));
    assert_eq!((before.seen(), after.seen()), (vec![], vec![5]));
}

// In a storm the cuts come faster than a debug build's TLS handshakes end.
bowline_tests::over_both_wires![
    a_cut_at_any_byte_towards_the_server_costs_nothing,
    a_cut_at_any_byte_towards_the_client_costs_nothing,
    an_answer_given_while_the_client_is_away_waits_for_it,
    a_silent_network_is_found_by_the_heartbeat,
    an_old_connection_that_wakes_up_late_changes_nothing,
    half_a_connection_is_no_connection,
    a_session_belongs_to_whoever_named_it_last,
    many_connections_that_claim_one_session_at_once_leave_it_one,
    a_restart_of_the_server_is_a_new_session_and_calls_in_flight_are_interrupted;
    plain: a_short_storm_loses_repeats_and_reorders_nothing,
    a_second_cut_while_the_session_comes_back_costs_nothing,
];
