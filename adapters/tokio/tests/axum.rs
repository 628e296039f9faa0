//! The example `axum`, as it is; and what a middleware hands over.
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

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::any;
use bowline_tokio::{
    Acceptor, Client, ConnectError, ConnectionEvent, Context, ErrorObject, HeaderName, HeaderValue, SessionKept, StatusCode, TokioRuntime,
};
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

#[derive(Clone)]
struct User(String);

/// What an application finds out, which may take it a while.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let user = request.headers().get("x-api-key").map(|key| User(key.to_str().unwrap().to_owned()));
    tokio::task::yield_now().await;
    if let Some(user) = user {
        request.extensions_mut().insert(user);
    }
    next.run(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interceptor_sees_what_a_middleware_found_out() {
    let who = async |(): (), cx: Context| Ok::<_, ErrorObject>(cx.session().attribute::<String>("user"));
    let server = bowline_tokio::server().path("/rpc", bowline_tokio::Router::new().method_with("who", who));
    let server = server.intercept(|head, attributes| {
        let User(name) = head.extensions().get().ok_or(StatusCode::UNAUTHORIZED)?;
        attributes.set("user", name.clone());
        Ok(())
    });
    let sessions = server.build().unwrap();
    let rpc =
        async |State(sessions): State<Acceptor<TokioRuntime>>, mut request: Request| bowline_tokio::upgrade(&sessions, &mut request, None);
    let router = axum::Router::new().route("/rpc", any(rpc)).with_state(sessions.clone()).layer(from_fn(authenticate));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let client = connect(address, "/rpc", "ada").await.unwrap();
    assert_eq!(client.call::<String>("who", ()).await.unwrap(), "ada");
    let nobody = bowline_tokio::client(&format!("ws://{address}/rpc")).connect().await.unwrap_err();
    assert_eq!(nobody.status(), Some(StatusCode::UNAUTHORIZED));
    client.close().await;

    // A request that the server reads itself has none.
    let server = bowline_tokio::server().path("/rpc", bowline_tokio::Router::new());
    let server = server.intercept(|head, _| if head.extensions().is_empty() { Ok(()) } else { Err(StatusCode::CONFLICT) });
    let server = server.bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().tcp().unwrap();
    tokio::spawn(server.serve());
    connect(address, "/rpc", "ada").await.unwrap();
}
