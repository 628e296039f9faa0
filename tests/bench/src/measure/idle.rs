use super::{Figure, Figures};
use crate::contender::{Contender, Server};
use crate::talk::Begun;
use anyhow::Result;
use std::thread;
use std::time::Duration;

/// In which state sessions do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Idle {
    /// Just opened.
    Attached,
    /// After a request with 4 KB of params.
    Used,
    /// After that, and with its answer acknowledged before the next session is used.
    Acknowledged,
    /// After that, its connection cut.
    Detached,
}

const USED_BYTES: usize = 4096;
/// A session is idle when nothing has happened for a while: ours gives its buffers back after five seconds.
const UNTIL_IDLE: Duration = Duration::from_secs(7);

/// Opens `sessions` on a server that has done nothing else yet, so `start` is asked for one more than once.
pub(crate) fn idle(contender: &Contender, start: impl Fn() -> Result<Server>, sessions: usize) -> Result<Figures> {
    let mut figures = attached(contender, &start()?, sessions)?;
    if contender.talk.acknowledges() {
        figures.push(acknowledged(contender, &start()?, sessions)?);
    }
    if contender.talk.has_session() {
        figures.push(detached(contender, &start()?, sessions)?);
    }
    Ok(figures)
}

fn attached(contender: &Contender, server: &Server, sessions: usize) -> Result<Figures> {
    let talk = contender.talk;
    let (_first, base) = base(contender, server)?;
    let mut begun = (0..sessions).map(|_| talk.begin(server, None)).collect::<Result<Vec<_>>>()?;
    let attached = each(server, base, sessions)?;
    for session in &mut begun {
        talk.echo(session, USED_BYTES)?;
    }
    thread::sleep(UNTIL_IDLE);
    let used = each(server, base, sessions)?;
    Ok(vec![(Figure::Memory(Idle::Attached), attached), (Figure::Memory(Idle::Used), used)])
}

/// A client acknowledges within seconds, so that of many sessions few have anything to be kept at one time.
fn acknowledged(contender: &Contender, server: &Server, sessions: usize) -> Result<(Figure, f64)> {
    let talk = contender.talk;
    let (_first, base) = base(contender, server)?;
    let mut begun = (0..sessions).map(|_| talk.begin(server, None)).collect::<Result<Vec<_>>>()?;
    for session in &mut begun {
        talk.echo(session, USED_BYTES)?;
        talk.acknowledge(session)?;
    }
    thread::sleep(UNTIL_IDLE);
    Ok((Figure::Memory(Idle::Acknowledged), each(server, base, sessions)?))
}

/// Each is used and detached before the next comes: an allocator does not give back what many connections at once have left.
fn detached(contender: &Contender, server: &Server, sessions: usize) -> Result<(Figure, f64)> {
    let talk = contender.talk;
    let (_first, base) = base(contender, server)?;
    for _ in 0..sessions {
        talk.echo(&mut talk.begin(server, None)?, USED_BYTES)?;
    }
    Ok((Figure::Memory(Idle::Detached), each(server, base, sessions)?))
}

/// A first session, and the memory with it: what a server sets up for its first client is not a session's.
fn base(contender: &Contender, server: &Server) -> Result<(Begun, u64)> {
    let mut first = contender.talk.begin(server, None)?;
    contender.talk.echo(&mut first, USED_BYTES)?;
    Ok((first, server.memory()?))
}

fn each(server: &Server, base: u64, sessions: usize) -> Result<f64> {
    Ok(server.memory()?.saturating_sub(base) as f64 / sessions.max(1) as f64)
}
