//! The servers that this program can be. Each is a process of its own on one core, says its port on stdout, and serves until it is killed.

mod bowline;
mod fast;
mod hand;
mod jsonrpsee;
mod tungstenite;

use crate::system;
use anyhow::Result;
use bowline_smol::SmolRuntime;
use bowline_tokio::TokioRuntime;
use clap::ValueEnum;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Ours on tokio's current-thread runtime.
    BowlineTokio,
    /// Ours on tokio's multi-thread runtime: as many workers as it may use cores, so one.
    BowlineTokioMulti,
    /// Ours on smol, its executor on the one thread.
    BowlineSmol,
    /// The reference: what a careful hand writes for this one purpose.
    HandJson,
    /// The same on smol.
    HandJsonSmol,
    /// Frames go back as they came, by tokio-tungstenite.
    Tungstenite,
    /// Frames go back as they came, by fastwebsockets.
    Fastwebsockets,
    /// jsonrpsee's server.
    Jsonrpsee,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BowlineTokio => "bowline-tokio",
            Self::BowlineTokioMulti => "bowline-tokio-multi",
            Self::BowlineSmol => "bowline-smol",
            Self::HandJson => "hand-json",
            Self::HandJsonSmol => "hand-json-smol",
            Self::Tungstenite => "tungstenite",
            Self::Fastwebsockets => "fastwebsockets",
            Self::Jsonrpsee => "jsonrpsee",
        }
    }

    pub(crate) fn is_bowline(self) -> bool {
        matches!(self, Self::BowlineTokio | Self::BowlineTokioMulti | Self::BowlineSmol)
    }

    /// Is this server, until killed. All run on one thread, but for the one that says otherwise.
    pub(crate) fn serve(self, core: usize) -> Result<()> {
        system::pin(core)?;
        system::end_with_parent()?;
        let tokio = |mut builder: Builder| builder.enable_all().build();
        let single = || tokio(Builder::new_current_thread());
        match self {
            Self::BowlineTokio => single()?.block_on(bowline::serve(TokioRuntime::new())),
            Self::BowlineTokioMulti => tokio(Builder::new_multi_thread())?.block_on(bowline::serve(TokioRuntime::new())),
            Self::BowlineSmol => {
                let executor = Arc::new(smol::Executor::new());
                smol::block_on(executor.run(bowline::serve(SmolRuntime::on(Arc::clone(&executor)))))
            }
            Self::HandJson => single()?.block_on(hand::serve_on_tokio()),
            Self::HandJsonSmol => hand::serve_on_smol(),
            Self::Tungstenite => single()?.block_on(tungstenite::serve()),
            Self::Fastwebsockets => single()?.block_on(fast::serve()),
            Self::Jsonrpsee => single()?.block_on(jsonrpsee::serve()),
        }
    }
}

/// How long the method `slow` waits.
const SLOW: std::time::Duration = std::time::Duration::from_millis(2);

/// Every server listens here.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Tells the load where we are.
fn say(address: SocketAddr) {
    println!("{}", address.port());
}

/// Accepts for ever; a connection's failure ends that connection.
async fn accept<Fut: Future<Output = Result<()>> + Send + 'static>(serve: impl Fn(TcpStream) -> Fut) -> Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    say(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let serving = serve(stream);
        tokio::spawn(async move { drop(serving.await) });
    }
}

/// Answers an upgrade, for the servers that do nothing but WebSocket.
async fn upgrade(stream: &mut TcpStream) -> Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut head = Vec::with_capacity(512);
    let answer = loop {
        let read = stream.read_buf(&mut head).await?;
        if let Some(answer) = check_head(&head, read)? {
            break answer;
        }
    };
    Ok(stream.write_all(answer.as_bytes()).await?)
}

/// What an upgrade is answered with; `None` if more of it has to come. The last read gave so many bytes of it.
fn check_head(head: &[u8], last_read: usize) -> Result<Option<String>> {
    if head.ends_with(b"\r\n\r\n") {
        return crate::frame::accept(head).map(Some).ok_or_else(|| anyhow::anyhow!("no upgrade"));
    }
    anyhow::ensure!(head.len() <= 16 * 1024 && last_read > 0, "no request");
    Ok(None)
}
