use super::{Figure, Figures, Quantile, micros};
use crate::contender::{Contender, Server};
use crate::load::{Load, Shape};
use crate::system;
use anyhow::Result;
use std::time::Duration;

/// Keeps `shape` under way for `time`, after a fifth of it to warm up.
pub(crate) fn echo(contender: &Contender, server: &Server, shape: Shape, time: Duration) -> Result<Figures> {
    let mut load = Load::open(server, contender.talk, shape)?;
    load.run(time / 5)?;
    let own = || system::processor_time(std::process::id());
    let (before, own_before) = (server.processor_time()?, own()?);
    let tally = load.run(time)?;
    let (used, own_used) = (server.processor_time()?.saturating_sub(before), own()?.saturating_sub(own_before));
    load.drain()?;
    let answers = tally.answers.max(1) as f64;
    let latency = |quantile: Quantile| {
        let nanos = tally.latency.value_at_quantile(quantile.value());
        (Figure::Latency(shape, quantile), nanos as f64 / 1000.0)
    };
    Ok(vec![
        (Figure::Processor(shape), micros(used) / answers),
        (Figure::Load(shape), micros(own_used) / answers),
        (Figure::Rate(shape), answers / tally.took.as_secs_f64()),
        latency(Quantile::Half),
        latency(Quantile::NinetyNine),
    ])
}
