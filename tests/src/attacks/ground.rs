//! The server under attack: a process of its own, so that its memory is its own.

use super::Anything;
use crate::sockets::{run, stay};
use bowline_tokio::{Context, ErrorObject, Json, Limits, PathOptions, Router, ServerLimits, SockJsOptions};
use serde::Deserialize;
use std::time::Duration;

/// The bounds in force. Those of the server are smaller than its defaults, so that an attack reaches them.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Of the server as a whole.
    pub server: ServerLimits,
    /// Of each session.
    pub session: Limits,
    /// How long a session without a transport is kept.
    pub grace: Duration,
}

impl InForce {
    /// What [`serve`] sets.
    #[must_use]
    pub fn new() -> Self {
        let mut server = ServerLimits::new();
        server.max_connections = 512;
        server.max_sockjs_sessions = 512;
        server.max_handshakes = 256;
        server.handshake_timeout = Duration::from_secs(4);
        server.silence_timeout = Duration::from_secs(4);
        server.max_replay_bytes = 16 * 1024 * 1024;
        Self { server, session: Limits::default(), grace: Duration::from_secs(1) }
    }
}

impl Default for InForce {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Deserialize)]
struct Push {
    messages: usize,
    bytes: usize,
}

/// Serves as long as [`stay`] stays.
///
/// # Errors
///
/// If there is no port to listen on.
pub async fn serve() -> Anything<()> {
    let in_force = InForce::new();
    rlimit::increase_nofile_limit(4096)?;
    let attacked = || {
        Router::new()
            .raw("echo", async |params: Option<Json<'static>>, _: Context| Ok::<_, ErrorObject>(params))
            .method("blob", async |bytes: usize| Ok::<_, ErrorObject>("x".repeat(bytes)))
            .method_with("wait", async |(): (), context: Context| {
                while !context.session().is_closed() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Ok::<_, ErrorObject>(())
            })
            .method_with("push", async |push: Push, context: Context| {
                let text = "x".repeat(push.bytes);
                for _ in 0..push.messages {
                    // A session that ends meanwhile takes nothing more.
                    if context.session().notify("pushed", &text).await.is_err() {
                        break;
                    }
                }
                Ok::<_, ErrorObject>(())
            })
    };
    let options = PathOptions::new().limits(in_force.session).reconnection_timeout(in_force.grace);
    let sockjs = options.clone().sockjs(SockJsOptions::new());
    let server =
        bowline_tokio::server().limits(in_force.server).path_with("/", options, attacked()).path_with("/sockjs", sockjs, attacked());
    let (sessions, handle) = tokio::sync::watch::channel(None::<bowline_tokio::ServerHandle>);
    let control = Router::new().method("sessions", move |(): ()| {
        let open = handle.borrow().as_ref().map(bowline_tokio::ServerHandle::session_count);
        async move { Ok::<_, ErrorObject>(open) }
    });
    let (address, server) = run(server.path("/control", control).bind("127.0.0.1:0").await?);
    sessions.send_replace(Some(server));
    Ok(tokio::task::spawn_blocking(move || stay(address)).await??)
}
