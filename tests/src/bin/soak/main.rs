//! Minutes of churn on loopback, and what is left of it: clients connect, call, are cut, resume and close at random. Afterwards sessions, tasks, file descriptors
//! and memory must be back where they were, in the server's process and in that of the clients.

mod held;
mod lives;

use bowline_tests::sim::rng::Rng;
use bowline_tests::sockets::{Apart, Fate, Over, Proxy, Rig, Wire, on_smol, on_tokio, stay};
use bowline_tokio::{Client, ClientBuilder, ClientTls, Context, ErrorObject, Json, PathOptions, Router, Runtime, ServerHandle};
use clap::{Parser, ValueEnum};
use futures_util::future::{Either, select};
use held::Held;
use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Lets clients come and go, then counts what is left.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// How long, in minutes.
    #[arg(long, default_value_t = 4.0)]
    minutes: f64,
    /// Seconds of the same before the first count: tables, buffers and the allocator keep the size that they once had.
    #[arg(long, default_value_t = 15)]
    warm_up: u64,
    /// Clients at once.
    #[arg(long, default_value_t = 300)]
    clients: usize,
    /// Where the draws start.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What client and server run on.
    #[arg(long, value_enum, default_value_t = Name::Tokio)]
    runtime: Name,
    /// Over TLS.
    #[arg(long)]
    tls: bool,
    /// Be the server.
    #[arg(long, hide = true)]
    serve: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    Tokio,
    Smol,
}

type Anything<T> = Result<T, Box<dyn Error>>;

/// How long the server keeps a session whose client does not come back.
const GRACE: Duration = Duration::from_secs(2);
/// How often to churn until all is back: a table grows where more was in it at once than ever before, and then no more; what leaks is there each time.
const ROUNDS: u64 = 3;
/// How long to wait for what ends by itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(250);

fn main() -> Anything<ExitCode> {
    let arguments = Arguments::parse();
    rlimit::increase_nofile_limit(u64::try_from(arguments.clients)? * 8 + 1000)?;
    let is_good = match arguments.runtime {
        Name::Tokio => on_tokio(|runtime| begin(runtime, arguments)),
        Name::Smol => on_smol(|runtime| begin(runtime, arguments)),
    }?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn begin<R: Runtime>(runtime: R, arguments: Arguments) -> Anything<bool> {
    let runtime = if arguments.tls { Over::tls(runtime) } else { Over::plain(runtime) };
    if arguments.serve { serve(&runtime).await.map(|()| true) } else { soak(&runtime, &arguments).await }
}

/// The server.
async fn serve<R: Runtime>(runtime: &Over<R>) -> Anything<()> {
    static SERVER: OnceLock<ServerHandle> = OnceLock::new();
    let router = Router::new().raw("echo", async |params: Option<Json<'static>>, _: Context| Ok::<_, ErrorObject>(params)).method_with(
        "cut-me",
        async |(): (), context: Context| {
            context.session().disconnect();
            Ok::<_, ErrorObject>(())
        },
    );
    let asked = runtime.clone();
    let control = Router::new().method("held", move |(): ()| {
        let sessions = SERVER.get().map_or(0, ServerHandle::session_count);
        let held = Held::here(&asked).map_err(|error| ErrorObject::new(1, error.to_string()));
        async move { Ok::<_, ErrorObject>((sessions, held?)) }
    });
    let options = PathOptions::new().reconnection_timeout(GRACE);
    let server = runtime.server().path_with("/", options, router).path("/control", control);
    let (address, handle) = runtime.serve(runtime.listen(server, "127.0.0.1:0").await?);
    SERVER.get_or_init(|| handle);
    Ok(stay(address)?)
}

/// What there is at one moment, on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// Open at the server, with that of whoever asks.
    sessions: usize,
    server: Held,
    clients: Held,
}

impl Standing {
    async fn now<R: Runtime>(runtime: &Over<R>, control: &Client) -> Anything<Self> {
        let (sessions, server) = control.call("held", ()).await?;
        Ok(Self { sessions, server, clients: Held::here(runtime)? })
    }

    fn or_more(self, other: Self) -> Self {
        Self {
            sessions: self.sessions.max(other.sessions),
            server: self.server.or_more(other.server),
            clients: self.clients.or_more(other.clients),
        }
    }

    fn is_quiet(&self, idle: &Self) -> bool {
        self.sessions <= idle.sessions && self.server.is_quiet(&idle.server) && self.clients.is_quiet(&idle.clients)
    }

    fn is_back_at(&self, before: &Self, most: &Self) -> bool {
        self.sessions <= before.sessions
            && self.server.is_back_at(&before.server, &most.server)
            && self.clients.is_back_at(&before.clients, &most.clients)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  server:  sessions {}, {}\n  clients: {}", self.sessions, self.server, self.clients)
    }
}

/// Whether all is back after it.
async fn soak<R: Runtime>(runtime: &Over<R>, arguments: &Arguments) -> Anything<bool> {
    let Arguments { minutes, warm_up, clients, seed, tls, .. } = *arguments;
    let again: Vec<String> = std::env::args().skip(1).collect();
    let server = Apart::start(&std::env::current_exe()?, &again.iter().map(String::as_str).collect::<Vec<_>>())?;
    // Every third connection breaks by itself, in the middle of whatever it carries.
    let proxy = Proxy::with_fates(server.address(), move |number| {
        let at = 500 + Rng::new(seed ^ number).below(20_000);
        Fate { to_server: (number % 3 == 0).then_some(at), to_client: (number % 3 == 1).then_some(at) }
    })?;
    let control = client(runtime, tls, &format!("ws://{}/control", server.address())).connect().await?;
    let idle = Standing::now(runtime, &control).await?;
    println!("idle, nobody has come yet\n{idle}");
    let (at, url) = (runtime.clone(), proxy.url("/"));
    let one = move || client(&at, tls, &url);
    let warming = lives::churn(runtime, one.clone(), clients, seed, Instant::now() + Duration::from_secs(warm_up));
    let (_, most_at_first) = watch(runtime, &control, warming).await?;
    let before = settled(runtime, &control, &idle).await?;
    println!("before, after {warm_up} s to warm up\n{before}");
    let (mut before, mut most) = (before, most_at_first);
    for round in 1..=ROUNDS {
        let cuts = proxy.cuts();
        let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
        let churning = lives::churn(runtime, one.clone(), clients, seed + round * 1_000_000, end);
        let (counts, most_of_it) = watch(runtime, &control, churning).await?;
        most = most.or_more(most_of_it);
        println!(
            "churned {minutes} minutes: {} cuts by the network; {counts:?}\nat most, of what was looked at\n{most}",
            proxy.cuts() - cuts
        );
        let after = settled(runtime, &control, &idle).await?;
        println!("after\n{after}");
        let wrong = counts.wrong.load(Ordering::Relaxed);
        let is_back = after.is_back_at(&before, &most);
        println!("{}, {wrong} wrong answers", if is_back { "all is back" } else { "NOT BACK" });
        if is_back || wrong > 0 {
            return Ok(wrong == 0);
        }
        before = after;
    }
    Ok(false)
}

/// A client for `url`. The server's certificate is one of its own process, which nobody trusts.
fn client<R: Runtime>(runtime: &Over<R>, tls: bool, url: &str) -> ClientBuilder<Over<R>> {
    if tls {
        let secure = ClientBuilder::new(runtime.clone(), &url.replacen("ws://", "wss://", 1));
        secure.tls(ClientTls::new().danger_accept_invalid_certs())
    } else {
        ClientBuilder::new(runtime.clone(), url)
    }
}

/// What `churning` gives, and the most that there was meanwhile.
async fn watch<R: Runtime, T>(runtime: &Over<R>, control: &Client, churning: impl Future<Output = T>) -> Anything<(T, Standing)> {
    let mut most = Standing::now(runtime, control).await?;
    let looking = async {
        loop {
            runtime.sleep(LOOK_EVERY).await;
            match Standing::now(runtime, control).await {
                Ok(now) => most = most.or_more(now),
                Err(error) => return error,
            }
        }
    };
    let outcome = match select(pin!(churning), pin!(looking)).await {
        Either::Left((outcome, _)) => Ok(outcome),
        Either::Right((error, _)) => Err(error),
    }?;
    Ok((outcome, most))
}

/// What there is when nothing goes on any more, or after [`PATIENCE`].
async fn settled<R: Runtime>(runtime: &Over<R>, control: &Client, idle: &Standing) -> Anything<Standing> {
    let begun = Instant::now();
    let mut last = Standing::now(runtime, control).await?;
    loop {
        runtime.sleep(LOOK_EVERY).await;
        let standing = Standing::now(runtime, control).await?;
        // Of what ends at last the memory goes a moment after it: two looks must see the same.
        if standing.is_quiet(idle) && standing == last || begun.elapsed() > PATIENCE {
            return Ok(standing);
        }
        last = standing;
    }
}
