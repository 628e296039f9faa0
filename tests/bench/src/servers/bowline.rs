//! Ours, as its users write it.

use super::ANY_PORT;
use anyhow::{Context as _, Result};
use bowline_tokio::{Context, Dialect, ErrorObject, Json, PathOptions, Router, Runtime, Server, Session, Timer};
use serde::{Deserialize, Serialize};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) async fn serve(runtime: impl Runtime) -> Result<()> {
    // Detached sessions wait as long as anybody measures.
    let options = |dialect| PathOptions::new().dialect(dialect).reconnection_timeout(Duration::from_secs(3600));
    let server = Server::new(runtime.clone())
        .path_with("/strict", options(Dialect::Strict), router(runtime.clone()))
        .path_with("/kurento", options(Dialect::Kurento), router(runtime))
        .bind(&ANY_PORT.to_string())
        .await?;
    super::say(server.local_addr().tcp().context("a server without a port")?);
    server.serve().await;
    Ok(())
}

fn router(runtime: impl Runtime) -> Router {
    let audience = Arc::<Mutex<Vec<Session>>>::default();
    let joined = Arc::clone(&audience);
    let everybody = move || audience.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Router::new()
        .raw("echo", async |params: Option<Json<'static>>, _: Context| Ok::<_, ErrorObject>(params))
        .raw("slow", move |params: Option<Json<'static>>, _: Context| {
            let mut timer = runtime.timer(Instant::now() + super::SLOW);
            async move {
                poll_fn(|cx| timer.poll(cx)).await;
                Ok::<_, ErrorObject>(params)
            }
        })
        .raw("join", move |params: Option<Json<'static>>, cx: Context| {
            joined.lock().unwrap_or_else(PoisonError::into_inner).push(cx.session().clone());
            async { Ok::<_, ErrorObject>(params) }
        })
        .method("tell", move |told: Told| {
            let refused = everybody().iter().filter(|session| session.try_notify("told", &told).is_err()).count();
            async move { if refused == 0 { Ok(told) } else { Err(ErrorObject::internal()) } }
        })
}

/// What is told to everybody who has joined.
#[derive(Deserialize, Serialize)]
struct Told {
    text: String,
}
