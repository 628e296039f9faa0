use super::{Figure, Figures, THREADS, processor_of};
use crate::contender::{Contender, Server};
use crate::talk::Begun;
use anyhow::{Context, Result};
use std::time::Instant;

const BYTES: usize = 100;

/// Cuts `sessions` at once and brings all of them back; with a server that has no sessions, their connections.
pub(crate) fn resume(contender: &Contender, server: &Server, sessions: usize) -> Result<Figures> {
    let talk = contender.talk;
    let open = || -> Result<Begun> {
        let mut begun = talk.begin(server, None)?;
        talk.echo(&mut begun, BYTES)?;
        Ok(begun)
    };
    let opened = (0..sessions).map(|_| open()).collect::<Result<Vec<_>>>()?;
    let since = Instant::now();
    let (processor, done) = processor_of(server, || {
        let ids: Vec<Option<String>> = opened.into_iter().map(|begun| begun.session).collect();
        let bring_back = |ids: &[Option<String>]| -> Result<Vec<Begun>> {
            ids.iter()
                .map(|id| {
                    // The answer to the one request is what was received.
                    let mut begun = talk.begin(server, id.as_deref().map(|id| (id, 1)))?;
                    talk.echo(&mut begun, BYTES)?;
                    Ok(begun)
                })
                .collect()
        };
        let back: Vec<Begun> = std::thread::scope(|scope| {
            let threads: Vec<_> = ids.chunks(ids.len().div_ceil(THREADS).max(1)).map(|ids| scope.spawn(move || bring_back(ids))).collect();
            threads.into_iter().map(super::join).collect::<Result<Vec<_>>>().map(|back| back.into_iter().flatten().collect())
        })
        .context("bringing sessions back")?;
        Ok(back.len())
    })?;
    Ok(vec![(Figure::ResumeProcessor, processor), (Figure::ResumeRate, done as f64 / since.elapsed().as_secs_f64())])
}
