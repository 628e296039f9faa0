//! Every metric that docs/observability.md names is really there, and says what the page says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_tests::sockets::{PATIENCE, Peer, run, soon};
use bowline_tokio::{Context, ErrorObject, Limits, PathOptions, Router, Server, ServerHandle, ServerLimits, Session, TokioRuntime};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

const PAGE: &str = include_str!("../../docs/observability.md");

/// Servers whose metrics go to a recorder of the test's own.
struct Recorded(PrometheusRecorder);

impl Recorded {
    fn new() -> Self {
        Self(PrometheusBuilder::new().set_buckets(&[0.001, 1.0, 1000.0]).unwrap().build_recorder())
    }

    async fn serve(&self, server: Server<TokioRuntime>) -> (SocketAddr, ServerHandle) {
        // A server takes its handles when it is built, in the first poll: the recorder need be there no longer.
        let bound = {
            let _recorder = metrics::set_default_local_recorder(&self.0);
            server.bind("127.0.0.1:0").await.unwrap()
        };
        run(bound)
    }

    fn text(&self) -> String {
        self.0.handle().render()
    }

    /// The sum of the values of `name` whose labels hold all of `labels`.
    fn value(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.text();
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (this, with) = series.split_once('{').unwrap_or((series, ""));
            (this == name && labels.iter().all(|label| with.contains(label))).then(|| value.parse::<f64>().unwrap())
        });
        values.sum()
    }

    /// Waits until `name` has this value.
    async fn comes_to(&self, name: &str, labels: &[&str], expected: f64) {
        let come = tokio::time::timeout(PATIENCE, async {
            while (self.value(name, labels) - expected).abs() > f64::EPSILON {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert!(come.await.is_ok(), "{name} {labels:?} does not come to {expected}:\n{}", self.text());
    }

    #[track_caller]
    fn is(&self, name: &str, labels: &[&str], expected: f64) {
        let value = self.value(name, labels);
        assert!((value - expected).abs() < f64::EPSILON, "{name} {labels:?} is {value}, not {expected}:\n{}", self.text());
    }
}

/// The names in the tables' first column.
fn names_on_the_page(of: &str) -> BTreeSet<&'static str> {
    let table = PAGE.split_once(of).unwrap().1.split("\n\n").next().unwrap();
    table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect()
}

fn router() -> Router {
    Router::new()
        .method("add", async |(a, b): (i64, i64)| Ok::<_, ErrorObject>(a + b))
        .method("fail", async |(): ()| Err::<(), _>(ErrorObject::new(7, "no")))
        .method_with("forever", async |(): (), context: Context| -> Result<(), ErrorObject> {
            context.start_async();
            std::future::pending().await
        })
}

/// Blocks beside the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    soon(tokio::task::spawn_blocking(work)).await.unwrap()
}

#[tokio::test]
async fn requests_are_counted_by_method_and_outcome() {
    let recorded = Recorded::new();
    let (address, handle) = recorded.serve(bowline_tokio::server().path_with("/calc", PathOptions::new().label("calc"), router())).await;
    blocking(move || {
        let mut peer = Peer::connect(address, "/calc");
        for made_up in ["x", "y", "z"] {
            peer.call(made_up, &json!([]));
        }
        peer.call("add", &json!([1, 2]));
        peer.call("add", &json!(["1", 2]));
        peer.call("fail", &json!([]));
        peer.text(r#"{"jsonrpc":"2.0","method":"add","params":[1,2]}"#);
        peer.request("forever", &json!([]));
        peer.call("add", &json!([1, 2]));
        peer
    })
    .await;
    soon(handle.shutdown(PATIENCE)).await;

    let requests = |labels: &[&str], expected: f64| recorded.is("bowline_requests_total", labels, expected);
    requests(&[r#"label="calc""#, r#"method="add""#, r#"outcome="ok""#], 2.0);
    requests(&[r#"method="add""#, r#"outcome="error""#], 1.0);
    requests(&[r#"method="add""#, r#"outcome="notified""#], 1.0);
    requests(&[r#"method="fail""#, r#"outcome="error""#], 1.0);
    requests(&[r#"method="forever""#, r#"outcome="dropped""#], 1.0);
    requests(&[r#"method="other""#, r#"outcome="error""#], 3.0);
    recorded.is("bowline_request_duration_seconds_count", &[r#"method="add""#], 4.0);
    assert!(!recorded.text().contains(r#"method="x""#), "a peer can make up any number of methods");
}

#[tokio::test]
async fn sessions_are_counted_through_their_life() {
    let recorded = Recorded::new();
    let (send, mut opened) = tokio::sync::mpsc::unbounded_channel::<Session>();
    let router = router().on_open(move |session| send.send(session.clone()).unwrap());
    let (address, handle) = recorded.serve(bowline_tokio::server().path("/demo", router)).await;
    let sessions = "bowline_sessions";
    let (attached, detached) = (&[r#"label="/demo""#, r#"state="attached""#][..], &[r#"state="detached""#][..]);

    let (peer, id) = blocking(move || {
        let mut peer = Peer::connect(address, "/demo");
        let id = peer.call("connect", &json!({"resume": {"received": 0}}))["result"]["sessionId"].as_str().unwrap().to_owned();
        peer.call("add", &json!([1, 2]));
        (peer, id)
    })
    .await;
    recorded.is(sessions, attached, 1.0);
    recorded.is("bowline_connections", &[], 1.0);
    drop(peer);
    recorded.comes_to(sessions, detached, 1.0).await;
    recorded.is(sessions, attached, 0.0);
    recorded.comes_to("bowline_connections", &[], 0.0).await;

    // The answer is kept, and so is what is sent meanwhile.
    let kept = recorded.value("bowline_replay_bytes", &[]);
    assert!(kept > 0.0);
    let session = opened.recv().await.unwrap();
    session.notify("event", "x".repeat(1000)).await.unwrap();
    let waiting = json!({"jsonrpc": "2.0", "method": "event", "params": "x".repeat(1000)}).to_string().len();
    recorded.comes_to("bowline_replay_bytes", &[], kept + waiting as f64).await;

    blocking(move || {
        let mut peer = Peer::connect(address, "/demo");
        peer.request("connect", &json!({"sessionId": id, "resume": {"received": 0}}));
        while peer.read()["method"] != "event" {}
        peer.call("closeSession", &json!({}));
    })
    .await;
    recorded.comes_to("bowline_sessions_closed_total", &[r#"reason="client-closed""#], 1.0).await;
    recorded.is("bowline_sessions_opened_total", &[r#"label="/demo""#], 1.0);
    recorded.is("bowline_resumes_total", &[], 1.0);
    recorded.is("bowline_replayed_messages_total", &[], 1.0);
    recorded.is("bowline_replayed_bytes_total", &[], kept);
    soon(handle.shutdown(PATIENCE)).await;
    recorded.is(sessions, &[], 0.0);
    recorded.is("bowline_replay_bytes", &[], 0.0);
    recorded.is("bowline_connections_total", &[], 2.0);
}

#[tokio::test]
async fn a_watchdog_that_closes_is_counted() {
    let recorded = Recorded::new();
    let options = PathOptions::new().ping_watchdog().label("watched");
    let (address, handle) = recorded.serve(bowline_tokio::server().path_with("/demo", options, router())).await;
    let closed = blocking(move || {
        let mut peer = Peer::connect(address, "/demo");
        peer.greet();
        peer.call("ping", &json!({"interval": 10}));
        // It answers no probe: nobody reads.
        let mut bytes = Vec::new();
        let _ = peer.stream().read_to_end(&mut bytes);
    });
    closed.await;
    soon(handle.shutdown(PATIENCE)).await;
    recorded.is("bowline_watchdog_closings_total", &[r#"label="watched""#], 1.0);
}

/// Runs into one bound of a server of its own.
async fn hits(
    recorded: &Recorded,
    limit: &str,
    limits: ServerLimits,
    options: PathOptions,
    run_into: impl FnOnce(SocketAddr) + Send + 'static,
) {
    let (address, handle) = recorded.serve(bowline_tokio::server().limits(limits).path_with("/demo", options, router())).await;
    blocking(move || run_into(address)).await;
    soon(handle.shutdown(PATIENCE)).await;
    recorded.is("bowline_limit_hits_total", &[&format!(r#"limit="{limit}""#)], 1.0);
}

fn limits(change: impl FnOnce(&mut ServerLimits)) -> ServerLimits {
    let mut limits = ServerLimits::default();
    change(&mut limits);
    limits
}

fn status(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> u16 {
    Peer::handshake(address, path, headers).unwrap().0.status
}

#[tokio::test]
async fn a_session_at_a_bound_is_counted_when_it_gets_there() {
    let recorded = Recorded::new();
    let (release, released) = async_channel::unbounded::<()>();
    let router = Router::new().method("wait", move |(): ()| {
        let released = released.clone();
        async move { released.recv().await.map_err(|error| ErrorObject::new(1, error.to_string())) }
    });
    let bounds = Limits { in_flight: 1, outbox_messages: 2, ..Limits::default() };
    let server = bowline_tokio::server().path_with("/demo", PathOptions::new().limits(bounds), router);
    let (address, handle) = recorded.serve(server).await;
    let limit = "bowline_limit_hits_total";
    let (in_flight, outbox) = (&[r#"limit="in-flight""#][..], &[r#"limit="outbox""#][..]);
    let mut peer = blocking(move || {
        let mut peer = Peer::connect(address, "/demo");
        peer.call("connect", &json!({"resume": {"received": 0}}));
        peer
    })
    .await;
    for times in [1.0, 2.0] {
        recorded.is(limit, outbox, 0.0);
        peer = blocking(move || {
            peer.request("wait", &json!([]));
            peer
        })
        .await;
        recorded.comes_to(limit, in_flight, times).await;
        release.send(()).await.unwrap();
        peer = blocking(move || {
            assert!(peer.read().get("id").is_some());
            peer
        })
        .await;
    }
    // It has acknowledged neither of the answers.
    recorded.comes_to(limit, outbox, 1.0).await;
    recorded.is(limit, in_flight, 2.0);
    drop(peer);
    soon(handle.shutdown(Duration::ZERO)).await;
}

#[tokio::test]
async fn every_bound_and_every_name_on_the_page_is_counted() {
    const SHORT: Duration = Duration::from_millis(20);
    let recorded = Recorded::new();
    let path = PathOptions::new;
    hits(&recorded, "connections", limits(|limits| limits.max_connections = 1), path(), |address| {
        let _first = Peer::connect(address, "/demo");
        assert_eq!(Peer::connect(address, "/demo").closed().unwrap().0, 1013);
    })
    .await;
    hits(&recorded, "sessions", limits(|limits| limits.max_sessions = 1), path(), |address| {
        Peer::connect(address, "/demo").greet();
        let mut second = Peer::connect(address, "/demo");
        second.request("connect", &json!({}));
        assert_eq!(second.closed().unwrap().0, 1013);
    })
    .await;
    hits(&recorded, "handshakes", limits(|limits| limits.max_handshakes = 1), path(), |address| {
        // Both say nothing; there is no place for one of them, whichever comes first.
        let silent = [Peer::open(address).unwrap(), Peer::open(address).unwrap()];
        silent.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
        while silent.iter().all(|mut stream| stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)) {
            std::thread::yield_now();
        }
    })
    .await;
    hits(&recorded, "handshake-time", limits(|limits| limits.handshake_timeout = SHORT), path(), |address| {
        assert_eq!(Peer::read_head(&mut Peer::open(address).unwrap()).unwrap().status, 408);
    })
    .await;
    hits(&recorded, "head-bytes", limits(|limits| limits.max_head_bytes = 200), path(), |address| {
        assert_eq!(status(address, "/demo", &[("x-long", &"x".repeat(200))]), 431);
    })
    .await;
    hits(&recorded, "message-bytes", limits(|_| ()), path().max_message_size(100), |address| {
        let mut peer = Peer::connect(address, "/demo");
        peer.text(&"x".repeat(101));
        assert_eq!(peer.closed().unwrap().0, 1009);
    })
    .await;
    hits(&recorded, "silence", limits(|limits| limits.silence_timeout = SHORT), path(), |address| {
        assert_eq!(Peer::connect(address, "/demo").closed().unwrap().0, 1008);
    })
    .await;
    hits(&recorded, "unknown-sessions", limits(|_| ()), path(), |address| {
        let mut peer = Peer::connect(address, "/demo");
        for n in 0..8 {
            peer.request("connect", &json!({"sessionId": format!("guess {n}")}));
        }
        assert_eq!(peer.closed().unwrap().0, 1008);
    })
    .await;
    let one = |limits: &mut ServerLimits| (limits.failed_connects, limits.failed_connects_per_second) = (1, 1);
    hits(&recorded, "failed-connects", limits(one), path(), |address| {
        let mut peer = Peer::connect(address, "/demo");
        for n in 0..7 {
            peer.request("connect", &json!({"sessionId": format!("guess {n}")}));
        }
        assert_eq!(peer.closed().unwrap().0, 1008);
    })
    .await;
    hits(&recorded, "replay-bytes", limits(|limits| limits.max_replay_bytes = 4000), path(), |address| {
        let mut peer = Peer::connect(address, "/demo");
        peer.call("connect", &json!({"resume": {"received": 0}}));
        for _ in 0..200 {
            peer.request("add", &json!([1, 2]));
        }
        assert_eq!(peer.closed().unwrap().0, 1013);
    })
    .await;
    let (address, handle) = recorded.serve(bowline_tokio::server().path("/demo", router())).await;
    blocking(move || {
        assert_eq!(status(address, "/nothing", &[]), 404);
        assert_eq!(status(address, "/demo", &[("Origin", "http://elsewhere.example")]), 403);
        let mut bad = Peer::open(address).unwrap();
        bad.write_all(b"What?\r\n\r\n").unwrap();
        assert_eq!(Peer::read_head(&mut bad).unwrap().status, 400);
    })
    .await;
    soon(handle.shutdown(PATIENCE)).await;

    for status in ["404", "403", "400", "408", "431", "503"] {
        recorded.is("bowline_handshakes_refused_total", &[&format!(r#"status="{status}""#)], 1.0);
    }
    let text = recorded.text();
    let emitted: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(emitted, names_on_the_page("| name |"), "the page names them all, and no other");
    let limits: BTreeSet<_> = text.lines().filter_map(|line| line.split_once("limit=\"")?.1.split('"').next()).collect();
    assert_eq!(limits, names_on_the_page("| `limit` | hit"));
}
