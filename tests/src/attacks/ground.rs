//! The server under attack: a process of its own, so that its memory is its own.

use super::Anything;
use crate::sockets::{own_memory, own_time, run};
use bowline_tokio::{Context, ErrorObject, Json, Limits, PathOptions, Router, ServerLimits};
use serde::Deserialize;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How a program is told to be the server: [`serve`].
pub const SERVE: &str = "--serve";

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

/// Serves until the standard input ends: with whoever started this process it ends, too. Prints its port first.
///
/// # Errors
///
/// If there is no port to listen on.
pub async fn serve() -> Anything<()> {
    let in_force = InForce::new();
    rlimit::increase_nofile_limit(4096)?;
    let attacked = Router::new()
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
        });
    let options = PathOptions::new().limits(in_force.session).reconnection_timeout(in_force.grace);
    let server = bowline_tokio::server().limits(in_force.server).path_with("/", options, attacked);
    let (sessions, handle) = tokio::sync::watch::channel(None::<bowline_tokio::ServerHandle>);
    let control = Router::new().method("sessions", move |(): ()| {
        let open = handle.borrow().as_ref().map(bowline_tokio::ServerHandle::session_count);
        async move { Ok::<_, ErrorObject>(open) }
    });
    let (address, server) = run(server.path("/control", control).bind("127.0.0.1:0").await?);
    sessions.send_replace(Some(server));
    println!("{}", address.port());
    tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await??;
    Ok(())
}

/// The process in which the server runs. It ends with this value.
#[derive(Debug)]
pub(super) struct Ground {
    _child: Child,
    pub(super) process: u32,
    pub(super) address: SocketAddr,
}

impl Ground {
    /// Runs `program` as the server.
    pub(super) async fn start(program: &Path) -> Anything<Self> {
        let mut command = Command::new(program);
        let mut child = command.arg(SERVE).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let out = child.stdout.take().ok_or("the server has no output")?;
        let line = BufReader::new(out).lines().next_line().await?.ok_or("the server did not start")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, line.parse()?));
        Ok(Self { process: child.id().ok_or("the server has ended")?, _child: child, address })
    }

    pub(super) fn memory(&self) -> Anything<u64> {
        Ok(own_memory(self.process)?)
    }

    pub(super) fn time(&self) -> Anything<Duration> {
        Ok(own_time(self.process)?)
    }
}
