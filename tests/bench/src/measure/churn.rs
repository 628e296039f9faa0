use super::{Figure, Figures, THREADS, processor_of};
use crate::contender::{Contender, Server};
use anyhow::Result;
use std::time::{Duration, Instant};

/// Opens a connection and its session, asks once, and closes both, on each thread again and again.
pub(crate) fn churn(contender: &Contender, server: &Server, time: Duration) -> Result<Figures> {
    const BYTES: usize = 100;
    let talk = contender.talk;
    let begun = Instant::now();
    let one_thread = || -> Result<usize> {
        let mut done = 0;
        while begun.elapsed() < time {
            let mut session = talk.begin(server, None)?;
            talk.echo(&mut session, BYTES)?;
            talk.end(session)?;
            done += 1;
        }
        Ok(done)
    };
    let (processor, done) = processor_of(server, || {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(one_thread)).collect();
            threads.into_iter().map(super::join).sum()
        })
    })?;
    Ok(vec![(Figure::ChurnProcessor, processor), (Figure::ChurnRate, done as f64 / begun.elapsed().as_secs_f64())])
}
