mod call_methods;
mod media_objects;
mod media_server;
mod push_methods;
mod request_log;
mod session_methods;
mod signals;
mod tasks;

use crate::failure::Failure;
use crate::remote::DialectName;
use crate::text::say;
use bowline_tokio::{BoundServer, Dialect, PathOptions, Router, ServerHandle, ServerLimits, TokioRuntime};
use clap::Args;
use request_log::RequestLog;
use signals::Signals;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;
use tasks::Tasks;

/// How long a clean stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Run the demo server
///
/// It has the same methods on /echo and /demo, and on /strict in the strict dialect: echo, add, sleep, slow, fail, panic, empty, count,
/// whoami, notify-me, notify-later, ask-me, log, logged, close-me, set-grace, close-transport, big.
/// Ctrl-C stops it cleanly, a second Ctrl-C at once.
///
/// It asks nobody who they are: leave it on an address that only friends can reach.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8888")]
    listen: String,
    /// The dialect of /echo and /demo
    #[arg(long, value_enum, default_value_t)]
    dialect: DialectName,
    /// Close clients that announced pings and fall silent
    #[arg(long)]
    ping_watchdog: bool,
    /// How long a session waits for its client to come back
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    reconnection_timeout: Duration,
    /// How many sessions there may be at once, over all paths
    #[arg(long, value_name = "N")]
    max_sessions: Option<NonZeroUsize>,
    /// Let pages from this origin in, as http://example.org; `*` lets all in. Without it only pages from this host and port get in.
    /// May be given several times
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// The longest message that is taken
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    max_message_size: NonZeroUsize,
    /// Do not offer resumption
    #[arg(long)]
    no_resume: bool,
    /// Serve a pretended Kurento Media Server on /kurento, for clients of one to be tried against
    #[arg(long)]
    fake_media_server: bool,
    /// Log requests to stderr: session (its first characters), method, outcome, duration; never params
    #[arg(long)]
    log_requests: bool,
    /// On how many threads to run [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = crate::thread_count)]
    pub(crate) threads: Option<usize>,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        show_warnings();
        // Before anybody can be told that the server listens, and so might stop it.
        let mut signals = Signals::listen().map_err(|error| Failure::Other(format!("cannot wait for signals: {error}")))?;
        let server = self.bind().await.map_err(|error| Failure::Other(why_not(&self.listen, &error)))?;
        // Nobody may be reading; the server is of use all the same.
        if let Some(address) = server.local_addr().tcp() {
            let _ = self.greet(address);
        }

        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        signals.next().await;
        say("stopping; once more to stop at once");
        let stopped = stop(&handle, &mut signals).await;
        serving.abort();
        stopped
    }

    async fn bind(&self) -> io::Result<BoundServer<TokioRuntime>> {
        let mut limits = ServerLimits::default();
        if let Some(max) = self.max_sessions {
            limits.max_sessions = max.get();
        }
        let tasks = Tasks::default();
        let mut server = bowline_tokio::server().limits(limits);
        for path in ["/echo", "/demo"] {
            server = server.path_with(path, self.options(self.dialect.into()), self.demo(&tasks));
        }
        server = server.path_with("/strict", self.options(Dialect::Strict), self.demo(&tasks));
        if self.fake_media_server {
            let router = self.log().on(media_server::router(&tasks));
            server = server.path_with("/kurento", self.options(Dialect::Kurento), router);
        }
        server.bind(&self.listen).await
    }

    fn demo(&self, tasks: &Tasks) -> Router {
        let router = call_methods::add_to(Router::new());
        let router = session_methods::add_to(router);
        self.log().on(push_methods::add_to(router, tasks))
    }

    fn log(&self) -> RequestLog {
        if self.log_requests { RequestLog::Stderr } else { RequestLog::Off }
    }

    fn options(&self, dialect: Dialect) -> PathOptions {
        let mut options = PathOptions::new()
            .dialect(dialect)
            .reconnection_timeout(self.reconnection_timeout)
            .max_message_size(self.max_message_size.get());
        if self.ping_watchdog {
            options = options.ping_watchdog();
        }
        if self.no_resume {
            options = options.without_resumption();
        }
        self.allow_origin.iter().fold(options, |options, origin| options.allowed_origin(origin))
    }

    /// Says where the server is, and what to try.
    fn greet(&self, address: SocketAddr) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let dialect = self.dialect.as_str();
        writeln!(out, "listening on ws://{address}")?;
        writeln!(out, "paths: /echo and /demo ({dialect}), /strict (strict)")?;
        if self.fake_media_server {
            writeln!(out, "       /kurento (a pretended Kurento Media Server)")?;
        }
        let flag = match self.dialect {
            DialectName::Kurento => "",
            DialectName::Strict => " --dialect strict",
        };
        writeln!(out, "try:   bowline call{flag} ws://{}/echo echo '{{\"text\":\"hi\"}}'", reachable(address))?;
        out.flush()?;
        if !address.ip().is_loopback() {
            say("note: other machines may reach this address, and the demo server lets in whoever asks");
        }
        Ok(())
    }
}

/// Lets the library's warnings and errors be seen: what it cannot tell any client.
fn show_warnings() {
    let log = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::WARN);
    // It fails only if somebody else does this already.
    let _ = log.with_writer(io::stderr).with_target(false).try_init();
}

/// An address of this machine on which `address` can be reached, if that stands for all of them.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn stop(handle: &ServerHandle, signals: &mut Signals) -> Result<(), Failure> {
    tokio::select! {
        _ = handle.shutdown(STOP_WITHIN) => Ok(()),
        () = signals.next() => Err(Failure::Other("stopped before all sessions were closed".into())),
    }
}

/// Why the server cannot listen there, and what helps.
fn why_not(listen: &str, error: &io::Error) -> String {
    let advice = [
        (io::ErrorKind::AddrInUse, "another program has this port; stop it, or take another port: --listen 127.0.0.1:0 finds a free one"),
        (io::ErrorKind::PermissionDenied, "this port is not for everybody; take one above 1023"),
        (io::ErrorKind::AddrNotAvailable, "no network interface of this machine has this address; try 127.0.0.1, or 0.0.0.0 for all"),
    ];
    let advice = advice.into_iter().find(|(kind, _)| *kind == error.kind());
    let advice = advice.map_or("an address is HOST:PORT, as in 127.0.0.1:8888 or [::1]:8888", |(_, advice)| advice);
    format!("cannot listen on {listen}: {error}\n{advice}")
}
