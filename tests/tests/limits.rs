//! The bounds of a server as a whole, under load.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use async_channel::{Receiver, Sender, unbounded};
use bowline::{CloseReason, ErrorObject, Handler, HandlerError, Limits, PathOptions, Router, Runtime, ServerLimits, Session, Transaction};
use bowline_tests::sockets::{Over, Peer, Rig, masked_frame, on_smol_in_one_thread, on_tokio_in_one_thread, soon, until};
use serde_json::json;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tungstenite::Message;

const NOBODY: &str = "6d4f0d2e-6ab1-4b5e-9c1e-1f0d2e6ab14b";

fn echo() -> Router {
    Router::new().method("echo", async |text: String| Ok::<_, ErrorObject>(text))
}

fn answers(peer: &mut Peer) {
    assert_eq!(peer.call("echo", &json!({ "value": "hi" }))["result"]["value"], "hi");
}

async fn an_address_that_guesses_is_shut_out(runtime: impl Runtime) {
    let mut limits = ServerLimits::new();
    (limits.failed_connects, limits.failed_connects_per_second) = (3, 1);
    let server = runtime.server().path("/", echo()).limits(limits).bind("127.0.0.1:0").await.unwrap();
    let (address, _server) = runtime.serve(server);
    let mut peers: Vec<_> = (0..40).map(|_| Peer::connect(address, "/")).collect();
    for peer in &mut peers {
        peer.request("connect", &json!({ "sessionId": NOBODY }));
    }
    let (mut let_in, mut shut_out) = (Vec::new(), 0);
    for mut peer in peers {
        match peer.message_in() {
            Message::Text(text) => {
                assert!(text.contains("40007"), "{text}");
                let_in.push(peer);
            }
            Message::Close(close) => {
                assert_eq!(u16::from(close.unwrap().code), 1008);
                shut_out += 1;
            }
            other @ (Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => panic!("{other:?}"),
        }
    }
    // Some are forgiven while the test runs.
    assert!(let_in.len() >= 3 && shut_out > 0, "{} and {shut_out}", let_in.len());
    // Who may still guess, and who does not, has a session as before.
    answers(let_in.first_mut().unwrap());
    answers(&mut Peer::connect(address, "/"));
}

/// Tells of its sessions.
struct Telling {
    opened: Sender<Session>,
    closed: Sender<CloseReason>,
}

impl Handler for Telling {
    async fn handle(self: Arc<Self>, _: Transaction) -> Result<(), HandlerError> {
        Ok(())
    }

    fn session_opened(&self, session: &Session) {
        let _ = self.opened.try_send(session.clone());
    }

    fn session_closed(&self, _: &Session, reason: CloseReason) {
        let _ = self.closed.try_send(reason);
    }
}

struct Crowd {
    address: SocketAddr,
    opened: Receiver<Session>,
    closed: Receiver<CloseReason>,
}

impl Crowd {
    /// A peer that offers resumption and acknowledges nothing, and its session.
    async fn join(&self) -> (Peer, Session) {
        let mut peer = Peer::connect(self.address, "/");
        peer.call("connect", &json!({ "resume": { "received": 0 } }));
        (peer, soon(self.opened.recv()).await.unwrap())
    }

    /// The session of a peer that is gone.
    async fn leave(&self) -> Session {
        let (peer, session) = self.join().await;
        drop(peer);
        until(|| !session.is_attached()).await;
        session
    }
}

async fn push(session: &Session, bytes: usize) {
    soon(session.notify("push", "x".repeat(bytes))).await.unwrap();
}

async fn who_keeps_the_most_is_let_go_when_all_together_keep_too_much(runtime: impl Runtime) {
    let ((opened, opened_rx), (closed, closed_rx)) = (unbounded(), unbounded());
    let mut limits = ServerLimits::new();
    limits.max_replay_bytes = 100_000;
    let options = PathOptions::new().reconnection_timeout(Duration::from_secs(3600));
    let server = runtime.server().path_with("/", options, Telling { opened, closed }).limits(limits);
    let (address, handle) = runtime.serve(server.bind("127.0.0.1:0").await.unwrap());
    let crowd = Crowd { address, opened: opened_rx, closed: closed_rx };

    let (large, small) = (crowd.leave().await, crowd.leave().await);
    push(&large, 60_000).await;
    push(&small, 20_000).await;
    let (mut peer, attached) = crowd.join().await;
    push(&attached, 70_000).await;
    assert_eq!(soon(crowd.closed.recv()).await.unwrap(), CloseReason::TooMuchToReplay);
    assert!(large.is_closed() && !small.is_closed() && !attached.is_closed(), "the larger of those without a transport");

    push(&attached, 30_000).await;
    assert_eq!(soon(crowd.closed.recv()).await.unwrap(), CloseReason::TooMuchToReplay);
    assert!(small.is_closed() && !attached.is_closed(), "those without a transport first");

    push(&attached, 30_000).await;
    assert_eq!(soon(crowd.closed.recv()).await.unwrap(), CloseReason::TooMuchToReplay);
    assert_eq!(peer.closed(), Some((1013, "Too much to replay".into())));

    let fresh = crowd.leave().await;
    push(&fresh, 90_000).await;
    assert!(!fresh.is_closed(), "there is room again");
    assert_eq!(handle.session_count(), 1);
}

/// Each `connect` has all sent again that its session keeps.
async fn who_goes_from_session_to_session_and_reads_nothing_is_sent_away(runtime: impl Runtime) {
    let router = Router::new().method("long", async |length: usize| Ok::<_, ErrorObject>("x".repeat(length)));
    let (address, _server) = runtime.serve(runtime.server().path("/", router).bind("127.0.0.1:0").await.unwrap());
    let keeping = || {
        let mut peer = Peer::connect(address, "/");
        let answer = peer.call("connect", &json!({ "resume": { "received": 0 } }));
        (0..4).for_each(|_| drop(peer.call("long", &json!({ "value": 60_000 }))));
        (peer, answer["result"]["sessionId"].as_str().unwrap().to_owned())
    };
    let ((_first, a), (mut peer, b)) = (keeping(), keeping());
    let sessions = [a, b];
    let connect = |n: usize| {
        let params = json!({ "sessionId": sessions[n % 2], "resume": { "received": 0 } });
        Message::text(json!({ "jsonrpc": "2.0", "id": 1000 + n, "method": "connect", "params": params }).to_string())
    };
    // All of them would be sent 144 MB.
    let _ = (0..600).all(|n| peer.message(connect(n)));
    let mut bytes = 0;
    let close = loop {
        match peer.message_in() {
            Message::Text(text) => bytes += text.len(),
            Message::Close(close) => break close.unwrap(),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1013, "Too much is unread for another session"));
    // What the system keeps on the way is a part of it.
    assert!(bytes < 30_000_000, "{bytes}");
    assert_eq!(Peer::connect(address, "/").resume(&sessions[0])["result"]["value"], "reconnection successful");
}

async fn errors_of_accept_do_not_end_the_server(runtime: impl Runtime) {
    // Without file descriptors, at first.
    let failures = Arc::new(AtomicUsize::new(4));
    let left = Arc::clone(&failures);
    let runtime = Over::plain(runtime).before_accept(move || {
        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if fails.is_ok() { Err(io::Error::other("too many open files")) } else { Ok(()) }
    });
    let (address, _server) = runtime.serve(runtime.server().path("/", echo()).bind("127.0.0.1:0").await.unwrap());
    answers(&mut Peer::connect(address, "/"));
    assert_eq!(failures.load(Ordering::SeqCst), 0);
}

async fn a_full_server_tells_who_comes_to_try_again_later(runtime: impl Runtime) {
    for (connections, sessions, reason) in [(2, 1, "Too many sessions"), (1, 2, "Too many connections")] {
        let mut limits = ServerLimits::new();
        (limits.max_connections, limits.max_sessions) = (connections, sessions);
        // Two paths: the bound is that of all together.
        let server = runtime.server().path("/", echo()).path("/other", echo()).limits(limits).bind("127.0.0.1:0").await.unwrap();
        let (address, _server) = runtime.serve(server);
        let mut first = Peer::connect(address, "/");
        answers(&mut first);
        let mut second = Peer::connect(address, "/other");
        second.message(Message::text(r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":"hi"}}"#));
        assert_eq!(second.closed(), Some((1013, reason.into())));
        answers(&mut first);
    }
}

async fn a_bound_of_zero_is_refused(runtime: impl Runtime) {
    let why = |limits: ServerLimits| runtime.server().path("/", echo()).limits(limits).build().unwrap_err().to_string();
    let mut limits = ServerLimits::new();
    limits.max_sessions = 0;
    assert!(why(limits.clone()).contains("`max_sessions` is zero"), "{}", why(limits));
    let options = PathOptions::new().max_message_size(0);
    let refused = runtime.server().path_with("/rpc", options, echo()).build().unwrap_err();
    assert!(refused.kind() == io::ErrorKind::InvalidInput && refused.to_string().contains("`max_message_size` of `/rpc`"), "{refused}");
    let none = Limits { calls: 0, ..Limits::default() };
    let refused = runtime.server().path_with("/", PathOptions::new().limits(none.clone()), echo()).build().unwrap_err();
    assert!(refused.to_string().contains("`calls` of `/`"), "{refused}");
    let refused = runtime.client("ws://127.0.0.1:1/").limits(none).connect().await.unwrap_err();
    assert_eq!(refused.to_string(), "the limit `calls` is zero: no session could do anything");
}

bowline_tests::both![
    who_goes_from_session_to_session_and_reads_nothing_is_sent_away,
    an_address_that_guesses_is_shut_out,
    who_keeps_the_most_is_let_go_when_all_together_keep_too_much,
    errors_of_accept_do_not_end_the_server,
    a_full_server_tells_who_comes_to_try_again_later,
    a_bound_of_zero_is_refused,
];

/// Says that it is over when it is dropped, whether all went well or not.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends notifications without a pause until it is over: there is always something more to read.
fn flood(address: SocketAddr, over: &AtomicBool) {
    let mut peer = Peer::connect(address, "/");
    peer.greet();
    let mut stream = peer.stream();
    let frames = masked_frame(0x81, br#"{"jsonrpc":"2.0","method":"echo","params":{"value":"busy"}}"#).repeat(1000);
    while !over.load(Ordering::Relaxed) {
        stream.write_all(&frames).unwrap();
    }
}

/// On one thread: there are no others to make up for it.
async fn a_busy_session_lets_the_others_have_their_turn(runtime: impl Runtime) {
    let (address, _server) = runtime.serve(runtime.server().path("/", echo()).bind("127.0.0.1:0").await.unwrap());
    let over = Arc::new(AtomicBool::new(false));
    // Every thread drops its sender when it ends. The thread of the server, which is this one, must not be blocked meanwhile.
    let (ends, have_ended) = unbounded::<()>();
    let start = |work: Box<dyn FnOnce() + Send>| {
        let ends = ends.clone();
        thread::spawn(move || {
            let _ends = ends;
            work();
        })
    };
    let ended = Ends(Arc::clone(&over));
    let threads = [
        start(Box::new({
            let over = Arc::clone(&over);
            move || flood(address, &over)
        })),
        start(Box::new({
            let over = Arc::clone(&over);
            move || flood(address, &over)
        })),
        start(Box::new(move || {
            let _ended = ended;
            let mut peer = Peer::connect(address, "/");
            (0..20).for_each(|_| answers(&mut peer));
        })),
    ];
    drop(ends);
    assert!(have_ended.recv().await.is_err());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_busy_session_lets_the_others_have_their_turn_on_tokio() {
    on_tokio_in_one_thread(a_busy_session_lets_the_others_have_their_turn);
}

#[test]
fn a_busy_session_lets_the_others_have_their_turn_on_smol() {
    on_smol_in_one_thread(a_busy_session_lets_the_others_have_their_turn);
}

/// Set in a process of its own, which may use up its file descriptors.
const CHILD: &str = "BOWLINE_TEST_WITHOUT_DESCRIPTORS";

#[cfg(unix)]
#[test]
fn without_file_descriptors_the_server_waits_for_some() {
    if std::env::var_os(CHILD).is_none() {
        let name = "without_file_descriptors_the_server_waits_for_some";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let outcome = child.args(["--exact", name]).env(CHILD, "1").output().unwrap();
        assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
        return;
    }
    bowline_tests::sockets::on_tokio(async |runtime| {
        let (address, _server) = runtime.serve(runtime.server().path("/", echo()).bind("127.0.0.1:0").await.unwrap());
        answers(&mut Peer::connect(address, "/"));
        rlimit::setrlimit(rlimit::Resource::NOFILE, 64, 64).unwrap();
        // Both ends are in this process: when there is none left for us, there is none for the server.
        let mut connections = Vec::new();
        let error = loop {
            match TcpStream::connect(address) {
                Ok(connection) => connections.push(connection),
                Err(error) => break error,
            }
        };
        assert_eq!(error.raw_os_error(), Some(24), "{error}");
        drop(connections);
        answers(&mut Peer::connect(address, "/"));
    });
}
