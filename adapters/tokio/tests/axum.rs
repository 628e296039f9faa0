//! The example `axum`, as it is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "in a test a panic is the failure; its main is not run"
)]

#[path = "../examples/axum.rs"]
mod example;

use bowline_tokio::{Client, ConnectError, ConnectionEvent, HeaderName, HeaderValue, SessionKept, StatusCode};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn start() -> (SocketAddr, bowline_tokio::ServerHandle) {
    let example::Application { router, sessions } = example::application().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap() });
    (address, sessions.handle())
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn connect(address: SocketAddr, path: &str, key: &'static str) -> Result<Client, ConnectError> {
    let url = format!("ws://{address}{path}");
    let name = HeaderName::from_static("x-api-key");
    bowline_tokio::client(&url).connect_timeout(Duration::from_secs(30)).header(name, HeaderValue::from_static(key)).connect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn http_and_sessions_share_a_port_and_a_middleware() {
    let (address, handle) = start().await;
    assert!(get(address, "/health", "x-api-key: secret\r\n").await.ends_with("all is well\n"));
    assert!(get(address, "/health", "").await.starts_with("HTTP/1.1 401 "));
    assert!(get(address, "/rpc", "x-api-key: secret\r\n").await.starts_with("HTTP/1.1 426 "));
    assert!(matches!(connect(address, "/rpc", "guess").await, Err(ConnectError::Status(StatusCode::UNAUTHORIZED))));

    let client = connect(address, "/rpc", "secret").await.unwrap();
    assert_eq!(client.call::<i64>("add", (40, 2)).await.unwrap(), 42);
    let (before, mut events) = (client.session_id(), client.events());
    client.reconnect();
    loop {
        if let ConnectionEvent::Reconnected(kept) = events.next().await.unwrap() {
            break assert_eq!(kept, SessionKept::Same);
        }
    }
    assert_eq!((client.call::<i64>("add", (1, 1)).await.unwrap(), client.session_id()), (2, before));
    let report = handle.shutdown(Duration::from_secs(30)).await;
    assert_eq!((report.sessions_closed, report.connections_left), (1, 0), "{report:?}");
}
