//! Attacks on what a server has: memory, places, time. Each is run against a server in a process of its own, beside sessions that do nothing
//! but what they should; its cost is measured and held against what the bounds in force allow.
//!
//! An attacker has blocking sockets and threads of its own: nothing of it belongs to the runtime under test.

mod bound;
mod connections;
mod good;
mod ground;
mod messages;
mod sockjs;

pub use bound::Bound;
pub use good::Latency;
pub use ground::{InForce, serve};

use crate::sockets::{Apart, own_memory};
use good::Good;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// What may go wrong here is for people to read.
pub type Anything<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How often the server's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Answers that each good session must have before the attack, and once more at its worst moment.
const SERVED: u64 = 20;

/// How hard to attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As a test has time for.
    Short,
    /// What is measured.
    Full,
}

/// One attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// What it is called.
    pub name: &'static str,
    /// How many peers attack, and how often each, in short and in full.
    size: [(usize, usize); 2],
    bound: fn(usize, &InForce) -> Bound,
    begin: fn(&Field) -> Anything<Hold>,
}

/// All there are.
pub const ALL: [Attack; 13] = {
    use connections as c;
    use messages as m;
    use sockjs as s;
    [
        attack("slow-handshakes", [(320, 1), (320, 1)], c::slow_handshakes_bound, c::slow_handshakes),
        attack("half-open", [(576, 1), (576, 1)], c::half_open_bound, c::half_open),
        attack("session-ids", [(160, 1), (1000, 1)], c::session_ids_bound, c::session_ids),
        attack("compression", [(32, 1), (200, 1)], c::compression_bound, c::compression),
        attack("stopped-reader", [(2, 1), (32, 1)], m::stopped_reader_bound, m::stopped_reader),
        attack("never-acknowledges", [(72, 1), (200, 1)], m::never_acknowledges_bound, m::never_acknowledges),
        attack("pings", [(2, 1), (16, 1)], m::pings_bound, m::pings),
        attack("batches", [(1, 1), (8, 20)], m::batches_bound, m::batches),
        attack("repetitions", [(1, 2), (8, 20)], m::repetitions_bound, m::repetitions),
        attack("deep-json", [(1, 1), (8, 20)], m::json_bound, m::deep_json),
        attack("wide-json", [(1, 1), (8, 5)], m::json_bound, m::wide_json),
        attack("sockjs-sessions", [(1000, 1), (4000, 1)], s::sessions_bound, s::sessions),
        attack("sockjs-bodies", [(8, 1), (64, 1)], s::bodies_bound, s::bodies),
    ]
};

const fn attack(
    name: &'static str,
    size: [(usize, usize); 2],
    bound: fn(usize, &InForce) -> Bound,
    begin: fn(&Field) -> Anything<Hold>,
) -> Attack {
    Attack { name, size, bound, begin }
}

/// What an attack has to know.
#[derive(Clone, Debug)]
struct Field {
    address: SocketAddr,
    peers: usize,
    rounds: usize,
    in_force: InForce,
}

/// An attack at its worst moment.
struct Hold {
    /// What was done.
    done: String,
    finish: Box<dyn FnOnce() -> Anything<String> + Send>,
}

impl Hold {
    /// `finish` ends it, and says what the attackers got.
    fn new(done: String, finish: impl FnOnce() -> Anything<String> + Send + 'static) -> Self {
        Self { done, finish: Box::new(finish) }
    }
}

/// A word to stop.
#[derive(Clone, Debug, Default)]
struct Stopped(Arc<AtomicBool>);

impl Stopped {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an attack cost.
#[derive(Clone, Debug)]
pub struct Report {
    /// The attack's.
    pub name: &'static str,
    /// What was done, and what the attackers got.
    pub story: String,
    /// Bytes of the server's memory before it, at most, and when all attackers had gone.
    pub memory: [u64; 3],
    /// How many bytes of growth are allowed.
    pub bound: Bound,
    /// The processors' time that the server used, up to the attack's worst moment: for the attackers and for the good sessions.
    pub time: Duration,
    /// Of the good sessions, before and during it.
    pub latency: [Latency; 2],
    /// Calls of the good sessions that had a wrong answer, or none.
    pub wrong: u64,
}

impl Report {
    /// By how many bytes the memory has grown.
    #[must_use]
    pub fn growth(&self) -> u64 {
        self.memory[1].saturating_sub(self.memory[0])
    }

    /// Whether the memory stayed within its bound, and every good session had its answers.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.growth() <= self.bound.bytes() && self.wrong == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
        let [before, peak, after] = self.memory.map(mib);
        let verdict = if self.growth() <= self.bound.bytes() { "within it" } else { "BROKEN" };
        writeln!(f, "{}", self.name)?;
        writeln!(f, "  {}", self.story)?;
        writeln!(f, "  memory   before {before:.1}, peak {peak:.1}, after {after:.1} MiB")?;
        writeln!(f, "  bound    {:.1} MiB more: {}", mib(self.bound.bytes()), self.bound)?;
        writeln!(f, "  verdict  {:.1} MiB more, {verdict}", mib(self.growth()))?;
        writeln!(f, "  time     {:.2} s of a processor", self.time.as_secs_f64())?;
        for (when, Latency { calls, p50, p99 }) in ["before", "during"].iter().zip(self.latency) {
            writeln!(f, "  echo     {when}: p50 {:.2} ms, p99 {:.2} ms, {calls} calls", p50.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3)?;
        }
        write!(f, "  wrong or missing answers of the good sessions: {}", self.wrong)
    }
}

/// Attacks a server, which `program` is when it is called with [`SERVE`](crate::sockets::SERVE).
///
/// # Errors
///
/// If the server ends, if a good session is not served, or if the attackers get what they must not.
pub async fn run(attack: &Attack, scale: Scale, program: &Path) -> Anything<Report> {
    let ground = Apart::start(program, &[])?;
    let good = Good::start(ground.address()).await?;
    let control = bowline_tokio::client(&format!("ws://{}/control", ground.address())).connect().await?;
    let standing = async || control.call::<usize>("sessions", ()).await.map_err(|error| error.to_string());
    let opened = standing().await?;
    good.are_served(SERVED * if scale == Scale::Full { 20 } else { 1 }).await?;
    let (before, used, calm) = (ground.memory()?, ground.time()?, good.latency());

    let (peak, stopped) = (Arc::new(AtomicU64::new(before)), Stopped::default());
    let looking = watch(ground.process(), Arc::clone(&peak), stopped.clone());
    let in_force = InForce::new();
    let (peers, rounds) = attack.size[usize::from(scale == Scale::Full)];
    let bound = (attack.bound)(peers, &in_force);
    let field = Field { address: ground.address(), peers, rounds, in_force };
    let begin = attack.begin;
    let hold = tokio::task::spawn_blocking(move || begin(&field)).await??;
    let time = ground.time()?.saturating_sub(used);
    good.are_served(SERVED).await?;
    let got = tokio::task::spawn_blocking(hold.finish).await??;
    let attacked = good.latency();

    // What the attackers leave is there for the time of grace, no longer.
    let gone = async {
        while standing().await? > opened {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok::<_, String>(())
    };
    crate::sockets::within(crate::sockets::PATIENCE, gone).await.ok_or("the attackers' sessions stay")??;
    let after = ground.memory()?;
    stopped.set();
    looking.join().map_err(|_| "nobody looked at the memory")??;
    good::a_new_one_is_served(ground.address()).await?;
    control.close().await;
    let wrong = good.stop().await?;
    let memory = [before, peak.load(Ordering::Relaxed).max(after), after];
    Ok(Report { name: attack.name, story: format!("{}: {got}", hold.done), memory, bound, time, latency: [calm, attacked], wrong })
}

/// Notes the most that the process has, until it is told to stop.
fn watch(process: u32, peak: Arc<AtomicU64>, stopped: Stopped) -> thread::JoinHandle<Anything<()>> {
    thread::spawn(move || {
        while !stopped.is_set() {
            peak.fetch_max(own_memory(process)?, Ordering::Relaxed);
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    })
}
