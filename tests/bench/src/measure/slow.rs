use super::{Figure, Figures, Quantile, SlowOne};
use crate::contender::{Contender, Server};
use crate::load::{Load, Shape};
use anyhow::Result;
use std::time::Duration;

/// One request under way in each of 64 sessions: with a handler that waits 2 ms in one of them, and without.
pub(crate) fn slow(contender: &Contender, server: &Server, time: Duration) -> Result<Figures> {
    const SHAPE: Shape = Shape { connections: 63, pipeline: 1, bytes: 100 };
    let mut figures = Figures::new();
    for (one, method) in [(SlowOne::Absent, "echo"), (SlowOne::Present, "slow")] {
        let mut load = Load::open(server, contender.talk, SHAPE)?;
        load.add_unwatched(server, contender.talk, method, SHAPE)?;
        load.run(time / 5)?;
        let tally = load.run(time)?;
        load.drain()?;
        for quantile in [Quantile::Half, Quantile::NinetyNine] {
            figures.push((Figure::Beside(one, quantile), tally.latency.value_at_quantile(quantile.value()) as f64 / 1000.0));
        }
    }
    Ok(figures)
}
