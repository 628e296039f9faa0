//! Minutes of churn on loopback, and what is left of it: clients connect, call, are cut, resume and close at random. Afterwards sessions, tasks, file descriptors
//! and memory must be back where they were.

use bowline_tests::sockets::{Fate, Proxy, own_memory, run};
use bowline_tokio::{CallError, Client, Context, ErrorObject, Json, PathOptions, Reconnect, Router, ServerHandle};
use clap::Parser;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Lets clients come and go, then counts what is left.
#[derive(Parser)]
struct Arguments {
    /// How long, in minutes. A tenth of it as well before anything is counted, so that the allocator and the runtime have what they keep.
    #[arg(long, default_value_t = 3.0)]
    minutes: f64,
    /// Clients at once.
    #[arg(long, default_value_t = 300)]
    clients: usize,
    /// Where the draws start.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

type Anything<T> = Result<T, Box<dyn Error>>;

/// How long the server keeps a session whose client does not come back.
const GRACE: Duration = Duration::from_secs(2);
/// How long to wait for what ends by itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// What an allocator may hold back. Far less than one percent of what the churn has allocated.
const MEMORY_SLACK: u64 = 8 * 1024 * 1024;

/// What there is at one moment.
#[derive(Clone, Copy, Debug)]
struct Standing {
    sessions: usize,
    tasks: usize,
    descriptors: usize,
    memory: u64,
}

impl Standing {
    fn now(server: &ServerHandle) -> Anything<Self> {
        Ok(Self {
            sessions: server.session_count(),
            tasks: Handle::current().metrics().num_alive_tasks(),
            descriptors: std::fs::read_dir("/proc/self/fd")?.count(),
            memory: own_memory(std::process::id())?,
        })
    }

    /// Whether nothing is left that was not there `before`.
    fn is_back_at(&self, before: &Self) -> bool {
        self.sessions <= before.sessions
            && self.tasks <= before.tasks
            && self.descriptors <= before.descriptors
            && self.memory <= before.memory + before.memory / 10 + MEMORY_SLACK
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, tasks, descriptors, memory } = self;
        write!(f, "sessions {sessions}, tasks {tasks}, file descriptors {descriptors}, memory {} KiB", memory / 1024)
    }
}

#[derive(Debug, Default)]
struct Counts {
    connected: AtomicU64,
    calls: AtomicU64,
    interrupted: AtomicU64,
    resumed: AtomicU64,
    wrong: AtomicU64,
}

#[tokio::main]
async fn main() -> Anything<()> {
    let Arguments { minutes, clients, seed } = Arguments::parse();
    rlimit::increase_nofile_limit(u64::try_from(clients)? * 8 + 1000)?;
    let router = Router::new().raw("echo", async |params: Option<Json<'static>>, _: Context| Ok::<_, ErrorObject>(params)).method_with(
        "cut-me",
        async |(): (), context: Context| {
            context.session().disconnect();
            Ok::<_, ErrorObject>(())
        },
    );
    let options = PathOptions::new().reconnection_timeout(GRACE);
    let (address, server) = run(bowline_tokio::server().path_with("/", options, router).bind("127.0.0.1:0").await?);
    // Every third connection breaks by itself, in the middle of whatever it carries.
    let proxy = Proxy::with_fates(address, move |number| Fate {
        to_server: (number % 3 == 0).then(|| 500 + draw(seed ^ number, 20_000)),
        to_client: (number % 3 == 1).then(|| 500 + draw(seed ^ number, 20_000)),
    })?;
    let counts = Arc::new(Counts::default());
    let time = Duration::from_secs_f64(minutes * 60.0);
    churn(&proxy, clients, seed, time / 10, &counts).await?;
    let before = settled(&server, |standing| standing.sessions == 0).await?;
    println!("before: {before}");
    churn(&proxy, clients, seed + 1_000_000, time, &counts).await?;
    println!("churned {:.1} minutes: {} cuts by the network; {counts:?}", minutes, proxy.cuts(),);
    let after = settled(&server, |standing| standing.is_back_at(&before)).await?;
    println!("after:  {after}");
    let wrong = counts.wrong.load(Ordering::Relaxed);
    if after.is_back_at(&before) && wrong == 0 { Ok(()) } else { Err(format!("not back, or {wrong} wrong answers").into()) }
}

/// Waits until `is` says so, or for [`PATIENCE`].
async fn settled(server: &ServerHandle, is: impl Fn(&Standing) -> bool) -> Anything<Standing> {
    let begun = Instant::now();
    loop {
        // What is closed is still to be waited for: the last tasks and descriptors go a moment after the sessions.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let standing = Standing::now(server)?;
        if is(&standing) && begun.elapsed() > GRACE * 2 || begun.elapsed() > PATIENCE {
            return Ok(standing);
        }
    }
}

/// Keeps so many clients at it for so long, and waits for their ends.
async fn churn(proxy: &Proxy, clients: usize, seed: u64, time: Duration, counts: &Arc<Counts>) -> Anything<()> {
    let end = Instant::now() + time;
    let mut all = JoinSet::new();
    for number in 0..clients {
        let (url, counts) = (proxy.url("/"), Arc::clone(counts));
        all.spawn(async move {
            let mut dice = seed + number as u64 * 7919;
            while Instant::now() < end {
                one_life(&url, &mut dice, &counts).await;
            }
        });
    }
    while let Some(ended) = all.join_next().await {
        ended?;
    }
    Ok(())
}

/// A client from its connect to its end.
async fn one_life(url: &str, dice: &mut u64, counts: &Arc<Counts>) {
    let resumed = Arc::clone(counts);
    let client = bowline_tokio::client(url).reconnect(Reconnect::For(Duration::from_secs(5))).on_event(move |event| {
        if let bowline_tokio::ConnectionEvent::Reconnected(bowline_tokio::SessionKept::Same) = event {
            resumed.resumed.fetch_add(1, Ordering::Relaxed);
        }
    });
    let client = if roll(dice, 3) == 0 { client.without_resumption() } else { client };
    // The network may break during the handshake too: the next life begins.
    let Ok(client) = client.connect().await else { return };
    counts.connected.fetch_add(1, Ordering::Relaxed);
    for _ in 0..roll(dice, 40) {
        match roll(dice, 12) {
            0 => drop(client.call::<serde_json::Value>("cut-me", ()).await),
            1 => client.reconnect(),
            2 => tokio::time::sleep(Duration::from_millis(roll(dice, 300))).await,
            _ => call(&client, dice, counts).await,
        }
    }
    match roll(dice, 3) {
        0 => client.close().await,
        // Without a word: the server's grace passes.
        1 => client.session().disconnect(),
        _ => {}
    }
}

async fn call(client: &Client, dice: &mut u64, counts: &Counts) {
    let text = "x".repeat(usize::try_from(roll(dice, 3000)).unwrap_or(0));
    let said = serde_json::json!({ "text": text, "number": *dice });
    match client.call::<serde_json::Value>("echo", &said).await {
        Ok(heard) => {
            counts.calls.fetch_add(1, Ordering::Relaxed);
            counts.wrong.fetch_add(u64::from(heard != said), Ordering::Relaxed);
        }
        // Without resumption nobody can know; a client that was closed by its own end of patience says so.
        Err(CallError::Interrupted | CallError::Closed) => {
            counts.interrupted.fetch_add(1, Ordering::Relaxed);
        }
        Err(error) => {
            counts.wrong.fetch_add(1, Ordering::Relaxed);
            eprintln!("a call ended with {error}");
        }
    }
}

/// The next draw of a row, below `bound`.
fn roll(dice: &mut u64, bound: u64) -> u64 {
    *dice = dice.wrapping_add(1);
    draw(*dice, bound)
}

/// A number below `bound` (splitmix64).
fn draw(seed: u64, bound: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % bound
}
