//! The catalogue of bad input, docs/catalogue.md: each row is a test, on tokio and on smol, and the page says what the rows say.
//!
//! `BOWLINE_WRITE=1 cargo test -p bowline-tests --test socket_catalogue` writes the page anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

mod rows;

use bowline::{ConnectionEvent, Context, ErrorObject, Json, Router, Runtime, ServerLimits, SessionKept};
use bowline_tests::sockets::{BadServer, Peer, Rig, on_smol, on_tokio, soon};
use libtest_mimic::{Arguments, Trial};
use rows::{Gets, Input, Row, sections};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/catalogue.md");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("the_page_says_what_the_rows_say", compare)];
    for row in sections().into_iter().flat_map(|(_, rows)| rows) {
        let row = std::sync::Arc::new(row);
        let again = std::sync::Arc::clone(&row);
        trials.push(Trial::test(format!("tokio::{}", row.name), move || {
            on_tokio(async |runtime| check(runtime, &row).await);
            Ok(())
        }));
        trials.push(Trial::test(format!("smol::{}", again.name), move || {
            on_smol(async |runtime| check(runtime, &again).await);
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn compare() -> Result<(), libtest_mimic::Failed> {
    let page = page();
    if std::env::var_os("BOWLINE_WRITE").is_some() {
        std::fs::write(PAGE, &page)?;
    }
    if std::fs::read_to_string(PAGE).unwrap_or_default() == page {
        return Ok(());
    }
    Err("docs/catalogue.md is not what the rows say; write it anew: BOWLINE_WRITE=1 cargo test -p bowline-tests --test socket_catalogue"
        .into())
}

fn page() -> String {
    let mut page = "# What bad input gets\n\nEach row is a test, on tokio and on smol: `cargo test -p bowline-tests --test socket_catalogue NAME`. After \
         each the session goes on, or can\nbe resumed where the connection was closed, and other sessions are served as if nothing had happened. The page is written \
         from the rows in\n`tests/tests/socket_catalogue/rows.rs`.\n"
        .to_owned();
    for (title, rows) in sections() {
        write!(page, "\n## {title}\n\n| test | input | what it gets | rule |\n|---|---|---|---|\n").unwrap();
        for Row { name, shown, gets, rule, .. } in rows {
            writeln!(page, "| `{name}` | {} | {} | {rule} |", shown.replace('|', "\\|"), told(gets)).unwrap();
        }
    }
    page
}

fn told(gets: Gets) -> String {
    match gets {
        Gets::Error(id, code, "") => format!("error {code}, `id` {id}"),
        Gets::Error(id, code, says) => format!("error {code}, `id` {id}: \"… {says} …\""),
        Gets::Nothing => "no answer".into(),
        Gets::Served(_) => "its answer".into(),
        Gets::Closed(code, "") => format!("Close {code}"),
        Gets::Closed(code, reason) => format!("Close {code} \"{reason}\""),
        Gets::Ended => "the end of the connection".into(),
        Gets::Status(status) => format!("status {status}"),
        Gets::Refused("") => "an error of `connect`".into(),
        Gets::Refused(says) => format!("an error of `connect`: \"… {says} …\""),
        Gets::Reconnected(code) => format!("Close {code}, and the client comes back to its session"),
        Gets::ReconnectedSilently => "the client comes back to its session".into(),
        Gets::PassedOver => "nothing: the client goes on".into(),
    }
}

async fn check(runtime: impl Runtime, row: &Row) {
    match &row.input {
        Input::Text(frame) => {
            let address = serve(&runtime).await;
            let (mut peer, session) = greeted(address);
            peer.text(frame);
            check_answer(address, peer, &session, row.gets);
        }
        Input::Frames(bytes) => {
            let address = serve(&runtime).await;
            let (mut peer, session) = greeted(address);
            // The server may hang up before it has read all of them.
            peer.bytes(bytes);
            check_answer(address, peer, &session, row.gets);
        }
        Input::Head(bytes) => {
            let address = serve(&runtime).await;
            let mut stream = Peer::open(address).unwrap();
            // The server may answer before it has read all.
            let _ = stream.write_all(bytes.as_bytes());
            let Gets::Status(status) = row.gets else { panic!("a handshake gets a status") };
            assert_eq!(Peer::read_head(&mut stream).unwrap().status, status);
            let _ = stream.read_to_end(&mut Vec::new());
            greeted(address);
        }
        Input::Answer(bytes) => {
            let server = BadServer::answering(bytes).unwrap();
            let error = soon(runtime.client(&server.url("/")).connect()).await.unwrap_err();
            let Gets::Refused(says) = row.gets else { panic!("a handshake is refused") };
            assert!(error.to_string().contains(says), "{error}");
        }
        Input::Served(bytes) => check_client(&runtime, bytes.clone(), row.gets).await,
    }
}

#[derive(Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

async fn serve(runtime: &impl Runtime) -> SocketAddr {
    let router = Router::new()
        .method("add", async |p: Add| Ok::<_, ErrorObject>(p.a + p.b))
        .raw("echo", async |params: Option<Json<'static>>, _: Context| Ok::<_, ErrorObject>(params));
    let mut limits = ServerLimits::new();
    limits.handshake_timeout = Duration::from_millis(500);
    runtime.serve(runtime.server().path("/", router).limits(limits).bind("127.0.0.1:0").await.unwrap()).0
}

/// A peer with a session that works.
fn greeted(address: SocketAddr) -> (Peer, String) {
    let mut peer = Peer::connect(address, "/");
    let session = peer.greet();
    works(&mut peer);
    (peer, session)
}

fn works(peer: &mut Peer) {
    assert_eq!(peer.call("add", &json!({ "a": 1, "b": 2 }))["result"]["value"], 3);
}

fn check_answer(address: SocketAddr, mut peer: Peer, session: &str, gets: Gets) {
    match gets {
        Gets::Error(id, code, says) => {
            let answer = peer.read();
            let id: Value = serde_json::from_str(id).unwrap();
            assert_eq!((&answer["error"]["code"], &answer["id"], &answer["jsonrpc"]), (&json!(code), &id, &json!("2.0")), "{answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{answer}");
            works(&mut peer);
        }
        Gets::Served(id) => {
            let answer = peer.read();
            assert_eq!(answer["id"], serde_json::from_str::<Value>(id).unwrap(), "{answer}");
            assert!(answer.get("result").is_some(), "{answer}");
            works(&mut peer);
        }
        Gets::Nothing => {
            // The next frame is the answer to what comes next.
            let id = peer.request("add", &json!({ "a": 1, "b": 2 }));
            assert_eq!(peer.read()["id"], id);
        }
        Gets::Closed(code, reason) => {
            let (seen, said) = peer.closed().expect("a Close frame");
            assert_eq!(seen, code, "{said}");
            assert!(reason.is_empty() || said == reason, "{said}");
            assert_eq!(Peer::connect(address, "/").resume(session)["result"]["value"], "reconnection successful");
        }
        Gets::Ended => {
            assert_eq!(peer.closed(), None);
            assert_eq!(Peer::connect(address, "/").resume(session)["result"]["value"], "reconnection successful");
        }
        Gets::Status(_) | Gets::Refused(_) | Gets::Reconnected(_) | Gets::ReconnectedSilently | Gets::PassedOver => panic!("no such thing"),
    }
    greeted(address);
}

async fn check_client(runtime: &impl Runtime, bytes: Vec<u8>, gets: Gets) {
    let (tell, told) = async_channel::unbounded();
    let passed_over = matches!(gets, Gets::PassedOver);
    let server = BadServer::on_websocket(move |number, conversation| {
        conversation.greet("00000000-0000-4000-8000-000000000001")?;
        if number == 0 {
            conversation.bytes(&bytes)?;
            if bytes.is_empty() {
                return Ok(());
            }
            if !passed_over {
                let _ = tell.try_send(conversation.closed());
                return Ok(());
            }
        }
        loop {
            let request = conversation.read()?;
            conversation.answer(&request, &json!({ "value": 5 }))?;
        }
    })
    .unwrap();
    // A hook misses nothing: the connection may be back before anybody can ask for a stream of events.
    let (send, events) = async_channel::unbounded();
    let client = runtime.client(&server.url("/")).on_event(move |event| drop(send.try_send(event.clone()))).connect();
    let client = soon(client).await.unwrap();
    if let Gets::Reconnected(code) = gets {
        assert_eq!(soon(told.recv()).await.unwrap(), Some(code));
    }
    if !passed_over {
        while soon(events.recv()).await.unwrap() != ConnectionEvent::Reconnected(SessionKept::Same) {}
    }
    assert_eq!(soon(client.call::<u64>("five", ())).await, Ok(5));
    if passed_over {
        while let Ok(event) = events.try_recv() {
            assert_eq!(event, ConnectionEvent::Connected);
        }
    }
}
