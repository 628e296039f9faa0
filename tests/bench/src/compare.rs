use crate::contender::{self, Contender, Server};
use crate::load::{Load, Shape};
use crate::system::{self, Cores};
use anyhow::Result;
use clap::Args;
use std::time::Duration;

#[derive(Args)]
pub(crate) struct Compare {
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

impl Compare {
    pub(crate) fn run(self) -> Result<()> {
        let cores = Cores::find()?;
        system::pin(cores.load)?;
        for _ in 0..self.rounds {
            for c in contender::ALL {
                let server = match c.start(cores) { Ok(s) => s, Err(e) => { eprintln!("{}: {e:#}", c.name); continue } };
                for (n, p, b) in [(1,1,100),(1,64,100),(64,1,100),(64,16,100),(64,16,4096)] {
                    if let Err(e) = one(c, &server, Shape { connections: n, pipeline: p, bytes: b }) { eprintln!("{} {n}x{p}: {e:#}", c.name); }
                }
            }
        }
        Ok(())
    }
}

fn one(c: &Contender, server: &Server, shape: Shape) -> Result<()> {
    let mut load = Load::open(server, c.talk, shape)?;
    load.run(Duration::from_millis(200))?;
    let (before, own) = (server.processor_time()?, system::processor_time(std::process::id())?);
    let tally = load.run(Duration::from_millis(500))?;
    let (after, own2) = (server.processor_time()?, system::processor_time(std::process::id())?);
    load.drain()?;
    println!("{:36} {:?} {:.2} µs server, {:.2} µs load, p50 {} p99 {}", c.name, shape, (after-before).as_secs_f64()*1e6/tally.answers as f64, (own2-own).as_secs_f64()*1e6/tally.answers as f64, tally.latency.value_at_quantile(0.5), tally.latency.value_at_quantile(0.99));
    Ok(())
}
