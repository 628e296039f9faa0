use super::{Figure, Figures};
use crate::contender::{Contender, Server};
use anyhow::Result;

/// In which state sessions do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Idle {
    /// Just opened.
    Attached,
    /// After a request with 4 KB of params.
    Used,
    /// After that, without a connection.
    Detached,
}

/// Opens `sessions` on a server that has done nothing else yet.
pub(crate) fn idle(contender: &Contender, server: &Server, sessions: usize) -> Result<Figures> {
    const USED_BYTES: usize = 4096;
    let talk = contender.talk;
    // What a server sets up for its first client is not a session's.
    let mut first = talk.begin(server, None)?;
    talk.echo(&mut first, USED_BYTES)?;
    let base = server.memory()?;
    let each = |memory: u64| memory.saturating_sub(base) as f64 / sessions.max(1) as f64;
    let mut begun = (0..sessions).map(|_| talk.begin(server, None)).collect::<Result<Vec<_>>>()?;
    let mut figures = vec![(Figure::Memory(Idle::Attached), each(server.memory()?))];
    for session in &mut begun {
        talk.echo(session, USED_BYTES)?;
    }
    figures.push((Figure::Memory(Idle::Used), each(server.memory()?)));
    if talk.has_session() {
        drop(begun);
        figures.push((Figure::Memory(Idle::Detached), each(server.memory()?)));
    }
    Ok(figures)
}
