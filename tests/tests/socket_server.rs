//! The server's API end to end: handlers, events, attributes, limits, life, on real sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use async_channel::{Receiver, Sender, unbounded};
use bowline::{
    CloseReason, ConnectionEvent, ErrorObject, Handler, HandlerError, PathOptions, Responder, Router, ServerHandle, ServerLimits, Session,
    SessionKept, Transaction,
};
use bowline_tests::sockets::{Connection, Opener, Peer, Proxy, Rig, Wire, soon, until, wait_for, within};
use serde_json::{Value, json};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the handler was told, in order.
type Told = Receiver<String>;

/// A handler that tells everything, and answers as its methods' names say.
struct Probe {
    tell: Sender<String>,
    /// Sessions that were opened.
    sessions: Mutex<Vec<Session>>,
    /// Requests that somebody else will answer.
    later: Mutex<Vec<Responder>>,
    running: AtomicUsize,
}

impl Handler for Probe {
    async fn handle(self: Arc<Self>, tx: Transaction) -> Result<(), HandlerError> {
        match tx.method() {
            "register" => {
                tx.session().set_register_info(tx.params::<String>()?);
                tx.respond(&tx.session().register_info::<String>())?;
            }
            "registered" => tx.respond(&json!({ "info": tx.session().register_info::<String>(), "new": tx.is_new() }))?,
            "from" => tx.respond(&tx.session().attribute::<String>("from"))?,
            "later" => {
                let responder = tx.start_async();
                self.later.lock().unwrap().push(responder);
                self.told("later");
            }
            "twice" => {
                tx.respond("first")?;
                tx.respond("second")?;
            }
            "panic" => panic!("out of order"),
            "fail" => return Err(std::io::Error::other("disk full").into()),
            "busy" => {
                let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
                self.told(&format!("running {running}"));
                std::future::pending::<()>().await;
            }
            "note" => {
                let params = tx.raw_params();
                self.told(&format!("note {} {}", tx.is_notification(), params.as_ref().map_or("none", |params| params.as_str())));
            }
            "silent" => {}
            other => return Err(ErrorObject::method_not_found(other).into()),
        }
        Ok(())
    }

    fn session_opened(&self, session: &Session) {
        self.sessions.lock().unwrap().push(session.clone());
        self.told("opened");
    }

    fn session_resumed(&self, _: &Session) {
        self.told("resumed");
    }

    fn session_closed(&self, _: &Session, reason: CloseReason) {
        self.told(&format!("closed: {}", reason.as_str()));
    }

    fn uncaught_error(&self, _: &Session, error: &(dyn Error + 'static)) {
        self.told(&format!("uncaught: {error}"));
    }
}

impl Probe {
    fn told(&self, what: &str) {
        let _ = self.tell.try_send(what.to_owned());
    }

    fn session(&self) -> Session {
        self.sessions.lock().unwrap().last().unwrap().clone()
    }
}

/// A `Probe` that the test can look into as well.
struct Shared(Arc<Probe>);

impl Handler for Shared {
    async fn handle(self: Arc<Self>, tx: Transaction) -> Result<(), HandlerError> {
        Arc::clone(&self.0).handle(tx).await
    }

    fn session_opened(&self, session: &Session) {
        self.0.session_opened(session);
    }

    fn session_resumed(&self, session: &Session) {
        self.0.session_resumed(session);
    }

    fn session_closed(&self, session: &Session, reason: CloseReason) {
        self.0.session_closed(session, reason);
    }

    fn uncaught_error(&self, session: &Session, error: &(dyn Error + 'static)) {
        self.0.uncaught_error(session, error);
    }
}

struct Server {
    address: SocketAddr,
    opener: Opener,
    handle: ServerHandle,
    probe: Arc<Probe>,
    told: Told,
}

impl Server {
    async fn start(runtime: &impl Wire, options: PathOptions) -> Self {
        let (tell, told) = unbounded();
        let probe = Arc::new(Probe { tell, sessions: Mutex::default(), later: Mutex::default(), running: AtomicUsize::new(0) });
        let server = runtime
            .server()
            .path_with("/", options, Shared(Arc::clone(&probe)))
            .intercept(|head, attributes| {
                if let Some(from) = head.header("x-from") {
                    attributes.set("from", from.to_owned());
                }
                if head.query() == Some("refuse") { Err(bowline::StatusCode::IM_A_TEAPOT) } else { Ok(()) }
            })
            .limits(ServerLimits::new());
        let (address, handle) = runtime.serve(runtime.listen(server, "127.0.0.1:0").await.unwrap());
        Self { address, opener: runtime.opener(), handle, probe, told }
    }

    async fn expect(&self, wanted: &str) {
        assert_eq!(soon(self.told.recv()).await.unwrap(), wanted);
    }

    fn connect(&self) -> Peer<Box<dyn Connection>> {
        self.connect_through(self.address)
    }

    fn connect_through(&self, address: SocketAddr) -> Peer<Box<dyn Connection>> {
        self.opener.connect(address, "/")
    }
}

async fn a_handler_is_told_of_every_turn_of_a_session(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new().reconnection_timeout(Duration::from_millis(100))).await;
    let mut first = server.connect();
    let session = first.greet();
    server.expect("opened").await;
    let mut second = server.connect();
    second.resume(&session);
    server.expect("resumed").await;
    second.call("closeSession", &json!({}));
    server.expect("closed: Client sent close message").await;
    let mut third = server.connect();
    third.greet();
    server.expect("opened").await;
    drop(third);
    server.expect("closed: reconnection timeout").await;
    let mut fourth = server.connect();
    fourth.greet();
    server.expect("opened").await;
    server.probe.session().close();
    server.expect("closed: Application closed the session").await;
    assert_eq!(fourth.closed().map(|close| close.0), Some(1000));
    assert_eq!(server.handle.session_count(), 0);
}

async fn attributes_and_register_info_belong_to_the_session(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new()).await;
    let mut peer = server.connect();
    let session = peer.greet();
    assert_eq!(peer.call("registered", &json!({}))["result"]["new"], true);
    assert_eq!(peer.call("register", &json!({ "value": "room 1" }))["result"]["value"], "room 1");
    let mut back = server.connect();
    back.resume(&session);
    let registered = back.call("registered", &json!({}));
    assert_eq!((&registered["result"]["info"], &registered["result"]["new"]), (&json!("room 1"), &json!(false)));
    let mut other = server.connect();
    assert_eq!(other.call("registered", &json!({}))["result"]["info"], Value::Null);
}

async fn an_interceptor_adds_attributes_and_refuses(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new()).await;
    let name = bowline::HeaderName::from_static("x-from");
    let client = runtime.dial(&format!("ws://{}/", server.address)).header(name, "here".parse().unwrap());
    assert_eq!(client.connect().await.unwrap().call::<String>("from", ()).await, Ok("here".to_owned()));
    assert_eq!(server.opener.handshake(server.address, "/?refuse", &[]).unwrap().status, 418);
}

async fn an_answer_may_come_from_elsewhere_and_later_than_the_next(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new()).await;
    let mut peer = server.connect();
    peer.greet();
    server.expect("opened").await;
    let (first, second) = (peer.request("later", &json!({})), peer.request("later", &json!({})));
    server.expect("later").await;
    server.expect("later").await;
    let mut responders = std::mem::take(&mut *server.probe.later.lock().unwrap());
    let (two, one) = (responders.pop().unwrap(), responders.pop().unwrap());
    std::thread::spawn(move || {
        two.respond(&json!({ "n": 2 })).unwrap();
        one.respond_error(ErrorObject::new(1, "one"));
    });
    let answers = [peer.read(), peer.read()];
    assert_eq!((&answers[0]["id"], &answers[0]["result"]["n"]), (&json!(second), &json!(2)));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!(first), &json!(1)));
    assert_eq!(peer.call("twice", &json!({}))["result"]["value"], "first");
    assert_eq!(peer.call("silent", &json!({}))["result"]["value"], "");
}

async fn a_handler_that_panics_or_fails_is_an_internal_error_and_is_reported(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new()).await;
    let mut peer = server.connect();
    peer.greet();
    server.expect("opened").await;
    for (method, report) in [("panic", "uncaught: the handler panicked: out of order"), ("fail", "uncaught: disk full")] {
        let answer = peer.call(method, &json!({}));
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert!(!answer.to_string().contains("order") && !answer.to_string().contains("disk"), "{answer}");
        server.expect(report).await;
    }
    assert_eq!(peer.call("nothing", &json!({}))["error"]["code"], -32601);
    peer.text(r#"{"jsonrpc":"2.0","method":"note","params":[1]}"#);
    server.expect("note true [1]").await;
}

async fn the_client_is_told_and_asked_while_it_is_there_and_while_it_is_not(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new()).await;
    let proxy = Proxy::new(server.address).unwrap();
    let (send, received) = unbounded();
    let service = Router::new()
        .method("event", move |number: u64| {
            let _ = send.try_send(number);
            async { Ok::<_, ErrorObject>(()) }
        })
        .method("question", async |(): ()| Ok::<_, ErrorObject>(42));
    let client = runtime.dial(&proxy.url("/")).service(service).connect().await.unwrap();
    let mut events = client.events();
    let session = server.probe.session();
    session.notify("event", 0).await.unwrap();
    assert_eq!(session.call::<u64>("question", ()).await, Ok(42));
    proxy.retarget(std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    proxy.cut();
    wait_for(&mut events, |event| *event == ConnectionEvent::Disconnected).await;
    let asking = runtime.start({
        let session = session.clone();
        async move { session.call::<u64>("question", ()).await }
    });
    for number in 1..100 {
        session.notify("event", number).await.unwrap();
    }
    proxy.retarget(server.address);
    client.reconnect();
    wait_for(&mut events, |event| *event == ConnectionEvent::Reconnected(SessionKept::Same)).await;
    assert_eq!(soon(asking).await, Ok(42));
    for number in 0..100 {
        assert_eq!(soon(received.recv()).await, Ok(number));
    }
}

async fn one_session_too_many_is_told_to_try_again_later(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new().max_sessions(1)).await;
    let mut first = server.connect();
    first.greet();
    let mut second = server.connect();
    second.request("connect", &json!({}));
    assert_eq!(second.closed().map(|close| close.0), Some(1013));
    assert_eq!(first.call("twice", &json!({}))["result"]["value"], "first");
    first.call("closeSession", &json!({}));
    server.connect().greet();
}

async fn as_many_requests_run_at_once_as_the_path_allows(runtime: impl Wire) {
    for allowed in [1, 3] {
        let server = Server::start(&runtime, PathOptions::new().concurrency(allowed)).await;
        let mut peer = server.connect();
        peer.greet();
        server.expect("opened").await;
        for _ in 0..5 {
            peer.request("busy", &json!({}));
        }
        for running in 1..=allowed {
            server.expect(&format!("running {running}")).await;
        }
        // What the session does beside its handlers comes behind all that it has started.
        assert_eq!(peer.call("ping", &json!({}))["result"]["value"], "pong");
        assert_eq!(server.probe.running.load(Ordering::SeqCst), allowed);
    }
}

async fn a_client_that_announced_pings_and_goes_silent_is_cut_and_may_come_back(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new().ping_watchdog()).await;
    let proxy = Proxy::new(server.address).unwrap();
    let mut peer = server.connect_through(proxy.address());
    let session = peer.greet();
    peer.call("ping", &json!({ "interval": 50 }));
    proxy.stall();
    let watched = server.probe.session();
    until(|| !watched.is_attached()).await;
    proxy.wake();
    assert_eq!(peer.closed(), Some((1000, "Close for not receive ping from client".into())));
    assert_eq!(server.connect().resume(&session)["result"]["value"], "reconnection successful");
}

async fn a_server_that_shuts_down_says_so(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new()).await;
    let mut peer = server.connect();
    peer.greet();
    server.expect("opened").await;
    let handle = server.handle.clone();
    let stopping = runtime.start(async move { handle.shutdown(Duration::from_secs(1)).await });
    assert_eq!(peer.closed(), Some((1001, "Server is shutting down".into())));
    drop(peer);
    soon(stopping).await;
    server.expect("closed: Server is shutting down").await;
    assert!(Peer::open(server.address).and_then(|mut stream| Peer::read_head(&mut stream)).is_err());
}

async fn a_reader_that_does_not_read_holds_up_its_own_session_only(runtime: impl Wire) {
    let server = Server::start(&runtime, PathOptions::new()).await;
    let proxy = Proxy::new(server.address).unwrap();
    let mut slow = server.connect_through(proxy.address());
    slow.greet();
    let session = server.probe.session();
    proxy.stall();
    let text = "x".repeat(10_000);
    let mut taken = 0_u64;
    // There is an end to what is taken for it: the sockets' buffers, and the session's own.
    let sending = async {
        loop {
            session.notify("event", json!({ "n": taken, "text": text })).await.unwrap();
            taken += 1;
        }
    };
    assert!(within(Duration::from_secs(1), sending).await.is_none());
    assert!(session.try_notify("event", ()).is_err(), "it is full");
    assert!(taken * 10_000 < 32 << 20, "{taken}");
    let mut other = server.connect();
    assert_eq!(other.call("twice", &json!({}))["result"]["value"], "first");
    proxy.wake();
    for number in 0..taken {
        assert_eq!(slow.read()["params"]["n"], json!(number));
    }
}

bowline_tests::over_both_wires![
    a_handler_is_told_of_every_turn_of_a_session,
    attributes_and_register_info_belong_to_the_session,
    an_interceptor_adds_attributes_and_refuses,
    an_answer_may_come_from_elsewhere_and_later_than_the_next,
    a_handler_that_panics_or_fails_is_an_internal_error_and_is_reported,
    the_client_is_told_and_asked_while_it_is_there_and_while_it_is_not,
    one_session_too_many_is_told_to_try_again_later,
    as_many_requests_run_at_once_as_the_path_allows,
    a_client_that_announced_pings_and_goes_silent_is_cut_and_may_come_back,
    a_server_that_shuts_down_says_so,
    a_reader_that_does_not_read_holds_up_its_own_session_only,
];
