//! Bowline inside an axum application: a JSON-RPC path beside an HTTP route, on one port and behind the same middleware.
//!
//! ```sh
//! cargo run -p bowline-tokio --features hyper --example axum
//! curl http://127.0.0.1:3000/health -H 'x-api-key: secret'
//! ```

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use bowline_tokio::{Acceptor, ErrorObject, TokioRuntime};
use std::net::SocketAddr;
use std::time::Duration;

/// The application, and the sessions inside it.
pub struct Application {
    /// All routes.
    pub router: Router,
    /// What is behind one of them.
    pub sessions: Acceptor<TokioRuntime>,
}

/// Puts both together.
///
/// # Errors
///
/// If a path of Bowline's is none.
pub fn application() -> std::io::Result<Application> {
    let methods = bowline_tokio::Router::new().method("add", async |(a, b): (i64, i64)| Ok::<_, ErrorObject>(a + b));
    let sessions = bowline_tokio::server().path("/rpc", methods).build()?;
    let router = Router::new()
        .route("/health", get(async || "all is well\n"))
        .route("/rpc", any(rpc))
        .with_state(sessions.clone())
        // Whatever is outside of the routes is outside of this one too.
        .layer(middleware::from_fn(let_in));
    Ok(Application { router, sessions })
}

/// Hands the request over; from here on the connection belongs to Bowline.
async fn rpc(
    State(sessions): State<Acceptor<TokioRuntime>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> axum::http::Response<String> {
    bowline_tokio::upgrade(&sessions, &mut request, Some(peer))
}

async fn let_in(request: Request, next: Next) -> Result<Response, StatusCode> {
    match request.headers().get("x-api-key") {
        Some(key) if key == "secret" => Ok(next.run(request).await),
        Some(_) | None => Err(StatusCode::UNAUTHORIZED),
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let Application { router, sessions } = application()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{0}/health and ws://{0}/rpc", listener.local_addr()?);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            // Without Ctrl-C it runs until it is killed.
            if tokio::signal::ctrl_c().await.is_ok() {
                println!("{:?}", sessions.handle().shutdown(Duration::from_secs(10)).await);
            }
        })
        .await
}
