//! What is measured of a server. Each part gives figures of one round.

mod churn;
mod echo;
mod fan_out;
mod idle;
mod resume;
mod slow;

pub(crate) use churn::churn;
pub(crate) use echo::echo;
pub(crate) use fan_out::fan_out;
pub(crate) use idle::{Idle, idle};
pub(crate) use resume::resume;
pub(crate) use slow::slow;

use crate::contender::{Contender, Program, Server};
use crate::load::Shape;
use crate::servers::Kind;
use anyhow::Result;
use clap::ValueEnum;
use std::time::Duration;

/// What can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Requests answered at once, in several shapes
    Echo,
    /// Sessions opened and closed
    Churn,
    /// Sessions resumed after all were cut at once
    Resume,
    /// One notification to many sessions
    FanOut,
    /// What a handler that waits 2 ms does to the other sessions
    Slow,
    /// Memory of sessions that do nothing
    Idle,
}

impl Part {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Churn => "churn",
            Self::Resume => "resume",
            Self::FanOut => "fan-out",
            Self::Slow => "slow",
            Self::Idle => "idle",
        }
    }

    /// Whether there is anything to measure of this server. Those who only echo frames have no methods; kurento's and npm's lack ours, and
    /// their memory is what a garbage collector makes of it.
    pub(crate) fn fits(self, contender: &Contender) -> bool {
        let kind = match contender.program {
            Program::Own(kind) => Some(kind),
            Program::RpcWebsockets | Program::KurentoJava => None,
        };
        match self {
            Self::Echo | Self::Churn => true,
            Self::Idle => kind.is_some(),
            Self::Resume => contender.talk.has_session() || kind == Some(Kind::HandJson),
            Self::FanOut => contender.is_bowline() || kind == Some(Kind::HandJson),
            Self::Slow => contender.is_bowline() || matches!(kind, Some(Kind::HandJson | Kind::Jsonrpsee)),
        }
    }
}

/// A number that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// µs of the server's processor for a request.
    Processor(Shape),
    /// µs of the load's processor for a request.
    Load(Shape),
    /// Requests a second.
    Rate(Shape),
    /// µs from request to answer that half of the requests, or 99 of 100, keep to.
    Latency(Shape, Quantile),
    /// Bytes for each session.
    Memory(Idle),
    /// µs of the server's processor for a session that is opened, used once and closed.
    ChurnProcessor,
    /// Such sessions a second.
    ChurnRate,
    /// µs of the server's processor for a session that is cut, resumed and used once.
    ResumeProcessor,
    /// Such sessions a second.
    ResumeRate,
    /// µs of the server's processor for one notification to one session.
    FanOutProcessor,
    /// ms from the request for it until the last session has it.
    FanOutTime,
    /// As `Latency`, of the sessions beside one in which a handler waits, or does not.
    Beside(SlowOne, Quantile),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantile {
    Half,
    NinetyNine,
}

impl Quantile {
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::Half => 0.5,
            Self::NinetyNine => 0.99,
        }
    }
}

/// Whether the handler in the one session waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SlowOne {
    Absent,
    Present,
}

/// The figures of one part.
pub(crate) type Figures = Vec<(Figure, f64)>;

/// The server's processor time while `work` is done, in µs for each of what it counts.
fn processor_of(server: &Server, work: impl FnOnce() -> Result<usize>) -> Result<(f64, usize)> {
    let before = server.processor_time()?;
    let count = work()?;
    Ok((micros(server.processor_time()?.saturating_sub(before)) / count.max(1) as f64, count))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Connections that are worked on at once, where each is worked on by a thread.
const THREADS: usize = 16;

/// What a thread gave; a panic goes on here.
fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
