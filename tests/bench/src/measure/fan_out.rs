use super::{Figure, Figures, micros};
use crate::contender::{Contender, Server};
use crate::stats::Rounds;
use crate::talk;
use anyhow::{Context, Result, bail};
use std::time::Instant;

/// Tells `sessions` the same, a few times.
pub(crate) fn fan_out(contender: &Contender, server: &Server, sessions: usize) -> Result<Figures> {
    const TIMES: usize = 10;
    const BYTES: usize = 100;
    let talk = contender.talk;
    let mut audience = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        let mut member = talk.begin(server, None)?;
        talk.call(&mut member, "join", BYTES)?;
        audience.push(member);
    }
    let mut teller = talk.begin(server, None)?;
    let (mut processor, mut time) = (Rounds::default(), Rounds::default());
    for _ in 0..TIMES {
        let (before, begun) = (server.processor_time()?, Instant::now());
        talk.call(&mut teller, "tell", BYTES)?;
        for member in &mut audience {
            let told = talk::read_text(&mut member.stream).context("a notification")?;
            if memchr::memmem::find(&told, br#""told""#).is_none() {
                bail!("no notification: {}", String::from_utf8_lossy(&told));
            }
        }
        time.push(begun.elapsed().as_secs_f64() * 1000.0);
        processor.push(micros(server.processor_time()?.saturating_sub(before)) / sessions as f64);
    }
    let median = |rounds: &Rounds| rounds.median().unwrap_or(f64::NAN);
    Ok(vec![(Figure::FanOutProcessor, median(&processor)), (Figure::FanOutTime, median(&time))])
}
