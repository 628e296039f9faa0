//! What a server logs of its sessions, and what it never does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_tests::sockets::{PATIENCE, Peer, run, soon};
use bowline_tokio::{ClientTls, ErrorObject, PathOptions, Router};
use serde_json::json;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What has been logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What a session with a secret in its params has logged down to `level`, and its id.
///
/// The subscriber is the thread's, and the runtime has no other thread.
async fn logged(level: LevelFilter) -> (String, String) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(log.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let methods = Router::new()
        .method("echo", async |text: String| Ok::<_, ErrorObject>(text))
        .method("fail", async |(): ()| Err::<(), _>(ErrorObject::new(7, "no")))
        .method("panic", async |(): ()| -> Result<(), ErrorObject> { panic!("out of order") });
    let server = bowline_tokio::server().path_with("/demo", PathOptions::new().label("shop"), methods);
    let (address, handle) = run(server.bind("127.0.0.1:0").await.unwrap());
    let talk = tokio::task::spawn_blocking(move || {
        let mut peer = Peer::connect(address, "/demo");
        let id = peer.greet();
        peer.call("echo", &json!("geheim"));
        peer.call("fail", &json!([]));
        peer.call("panic", &json!([]));
        peer.text(r#"{"jsonrpc":"2.0","method":"echo","params":"geheim"}"#);
        peer.call("closeSession", &json!({}));
        id
    });
    let id = soon(talk).await.unwrap();
    soon(handle.shutdown(PATIENCE)).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains(&id), "the whole id:\n{text}");
    (text, id)
}

fn assert_line(log: &str, words: &[&str]) {
    assert!(log.lines().any(|line| words.iter().all(|word| line.contains(word))), "{words:?} is not in:\n{log}");
}

#[tokio::test]
async fn a_client_that_checks_no_certificate_says_so_at_warn() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_ansi(false).with_writer(log.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    // Nobody is there: it is said before anything is sent.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = |tls| bowline_tokio::client(&format!("wss://{nowhere}/")).tls(tls).connect();
    soon(client(ClientTls::new().trust_only(a_certificate().as_bytes()).unwrap())).await.unwrap_err();
    assert_eq!(String::from_utf8(log.0.lock().unwrap().clone()).unwrap(), "");
    soon(client(ClientTls::new().danger_accept_invalid_certs())).await.unwrap_err();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_line(&text, &["WARN", "certificate is not checked", "127.0.0.1"]);
    assert_eq!(text.lines().count(), 1, "{text}");
}

fn a_certificate() -> String {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem()
}

#[tokio::test]
async fn at_debug_a_session_and_its_requests_can_be_followed() {
    let (log, id) = logged(LevelFilter::DEBUG).await;
    let session = format!("id={}…", &id[..8]);
    for words in [
        &["opened"][..],
        &["bowline::request", "method=echo", "outcome=\"ok\"", "elapsed="],
        &["method=fail", "outcome=\"error\"", "code=7"],
        &["method=panic", "outcome=\"error\"", "code=-32603"],
        &["method=echo", "outcome=\"notified\""],
        &["closed", "Client sent close message"],
    ] {
        assert_line(&log, &[words, &["session{", "label=\"shop\"", &session]].concat());
    }
    assert!(!log.contains("geheim"), "params at DEBUG:\n{log}");
}

#[tokio::test]
async fn params_are_logged_at_trace_only() {
    let (log, _) = logged(LevelFilter::TRACE).await;
    assert_line(&log, &["TRACE", "bowline::request", "method=echo", "geheim"]);
    let others: Vec<_> = log.lines().filter(|line| !line.contains("TRACE") && line.contains("geheim")).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn at_warn_a_failed_handler_names_its_session() {
    let (log, id) = logged(LevelFilter::WARN).await;
    assert_line(&log, &["ERROR", "out of order", "label=\"shop\"", &id[..8]]);
    assert_eq!(log.lines().count(), 1, "{log}");
}
