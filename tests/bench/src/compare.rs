//! A whole run: which servers, which parts, in which turns.

use crate::contender::{self, Contender, REFERENCE, Server};
use crate::load::Shape;
use crate::measure::{self, Figures, Part};
use crate::report;
use crate::results::{About, Crowds, Results};
use crate::system::{self, Cores};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EXPLANATION: &str = "\
Each server is a process of its own on one core; the load has another. In a round every server has its turn in every part, one right
after the other, so that what else the machine does meets all of them; only ratios within a run say anything. Tables and the goals go to
stdout, and with the chart to the folder of --out.";

/// Files that a run writes.
const TABLES: &str = "compare.md";
const CHART: &str = "compare.svg";

#[derive(Args)]
#[command(after_help = EXPLANATION)]
pub(crate) struct Compare {
    /// How often each server is measured [default: 7, with --quick 2]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Servers whose names contain one of these; the reference always runs
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Of the echo: CONNECTIONSxPIPELINE or CONNECTIONSxPIPELINExBYTES [default: 1x1,1x64,64x1,64x16,64x16x4096]
    #[arg(long, value_name = "SHAPE", value_delimiter = ',', value_parser = parse_shape)]
    shapes: Vec<Shape>,
    /// What to measure [default: all]
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    parts: Vec<Part>,
    /// Milliseconds of one measurement [default: 600, with --quick 150]
    #[arg(long, value_name = "MS")]
    time: Option<u64>,
    /// Sessions whose memory is measured [default: 10000, with --quick 1000]
    #[arg(long, value_name = "N")]
    sessions: Option<usize>,
    /// Short, to see that everything works, and only the servers in Rust; the figures are rough
    #[arg(long)]
    quick: bool,
    /// Where the tables and the chart go
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    out: PathBuf,
    /// Also write the tables and the chart into the documentation's page on performance
    #[arg(long)]
    docs: bool,
}

/// What is run, once the flags and their defaults are known.
struct Plan {
    cores: Cores,
    contenders: Vec<Contender>,
    parts: Vec<Part>,
    shapes: Vec<Shape>,
    rounds: usize,
    time: Duration,
    crowds: Crowds,
}

/// Rounds of what hardly varies.
const IDLE_ROUNDS: usize = 3;

impl Compare {
    pub(crate) fn run(self) -> Result<()> {
        let plan = self.plan()?;
        let most = plan.shapes.iter().map(|shape| shape.connections).max().unwrap_or(0).max(plan.crowds.idle).max(plan.crowds.cut);
        system::allow_files(most)?;
        if plan.cores.server == plan.cores.load {
            eprintln!("only one core: the load and the server share it, and times say little");
        }
        system::pin(plan.cores.load)?;
        let begun = Instant::now();
        let mut results = Results::default();
        let mut running = Vec::new();
        for round in 0..plan.rounds {
            plan.round(round, begun, &mut running, &mut results)?;
        }
        drop(running);
        results.contenders = plan.contenders.iter().filter(|c| results.knows(c.name)).copied().collect();
        results.about = About {
            machine: system::description(),
            date: system::today(),
            rounds: plan.rounds,
            time: begun.elapsed(),
            each: plan.time,
            crowds: plan.crowds,
            shapes: plan.shapes,
        };
        self.show(&results)
    }

    fn plan(&self) -> Result<Plan> {
        let chosen = |c: &&Contender| {
            let named = self.only.iter().any(|part| c.name.contains(part));
            c.name == REFERENCE || if self.only.is_empty() { !self.quick || c.is_rust() } else { named }
        };
        let contenders: Vec<Contender> = contender::ALL.iter().filter(chosen).copied().collect();
        if contenders.len() < 2 && !self.only.is_empty() {
            let names: Vec<&str> = contender::ALL.iter().map(|c| c.name).collect();
            bail!("no server is called {}; there are: {}", self.only.join(" or "), names.join("; "));
        }
        let small = |connections, pipeline| Shape { connections, pipeline, bytes: 100 };
        let all = [small(1, 1), small(1, 64), small(64, 1), small(64, 16), Shape { bytes: 4096, ..small(64, 16) }];
        let quick = |quick, full| if self.quick { quick } else { full };
        Ok(Plan {
            cores: Cores::find()?,
            contenders,
            parts: if self.parts.is_empty() { Part::value_variants().to_vec() } else { self.parts.clone() },
            shapes: if self.shapes.is_empty() { all.to_vec() } else { self.shapes.clone() },
            rounds: self.rounds.unwrap_or(quick(2, 7)).max(1),
            time: Duration::from_millis(self.time.unwrap_or(if self.quick { 150 } else { 600 })),
            crowds: Crowds { idle: self.sessions.unwrap_or(quick(1000, 10_000)).max(1), cut: quick(200, 2000), told: quick(200, 1000) },
        })
    }

    fn show(&self, results: &Results) -> Result<()> {
        let goals = format!("\n### Goals\n\n{}", report::goals(results));
        let text = report::markdown(results) + &goals;
        let chart = report::chart(results);
        println!("{text}");
        std::fs::create_dir_all(&self.out).with_context(|| format!("making {}", self.out.display()))?;
        std::fs::write(self.out.join(TABLES), &text)?;
        std::fs::write(self.out.join(CHART), &chart)?;
        eprintln!("{} s; written to {}", results.about.time.as_secs(), self.out.display());
        if self.docs {
            write_docs(&text, &chart)?;
        }
        Ok(())
    }
}

/// Between these lines the page has what a run wrote.
const BEGIN: &str = "<!-- compare: begin -->\n";
const END: &str = "<!-- compare: end -->\n";
const IMAGE: &str = "![µs of the server's processor for a request](performance.svg)\n\n";

fn write_docs(text: &str, chart: &str) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = folder.join("performance.md");
    let old = std::fs::read_to_string(&page).with_context(|| format!("reading {}", page.display()))?;
    let (before, rest) = old.split_once(BEGIN).context("the page has no place for the tables")?;
    let (_, after) = rest.split_once(END).context("the page has no end of the tables")?;
    std::fs::write(&page, format!("{before}{BEGIN}{IMAGE}{text}{END}{after}"))?;
    std::fs::write(folder.join("performance.svg"), chart)?;
    Ok(())
}

fn parse_shape(text: &str) -> Result<Shape, String> {
    let numbers: Vec<usize> = text.split('x').map(str::parse).collect::<Result<_, _>>().map_err(|_| "such as 64x16 or 64x16x4096")?;
    let (connections, pipeline, bytes) = match numbers[..] {
        [connections, pipeline] => (connections, pipeline, 100),
        [connections, pipeline, bytes] => (connections, pipeline, bytes),
        _ => return Err("such as 64x16 or 64x16x4096".into()),
    };
    if connections == 0 || !(1..=1024).contains(&pipeline) || !(20..=100_000).contains(&bytes) {
        return Err("connections from 1, requests under way from 1 to 1024, bytes from 20 to 100000".into());
    }
    Ok(Shape { connections, pipeline, bytes })
}

/// One that is running, with what was said of it.
type Running<'a> = (&'a Contender, Server);

impl Plan {
    fn round<'a>(&'a self, round: usize, begun: Instant, running: &mut Vec<Running<'a>>, results: &mut Results) -> Result<()> {
        self.start(running, results)?;
        for part in &self.parts {
            let steps: &[Option<Shape>] = &match part {
                Part::Echo => self.shapes.iter().copied().map(Some).collect::<Vec<_>>(),
                Part::Churn | Part::Resume | Part::FanOut | Part::Slow | Part::Idle => vec![None],
            };
            if *part == Part::Idle && round >= IDLE_ROUNDS {
                continue;
            }
            for step in steps {
                let label = step.map_or_else(|| part.name().to_owned(), report::shape);
                eprintln!("{:4} s  round {} of {}: {label}", begun.elapsed().as_secs(), round + 1, self.rounds);
                self.step(*part, *step, running, results)?;
            }
        }
        Ok(())
    }

    /// Starts every server anew, but for those that take long to warm up, which stay.
    fn start<'a>(&'a self, running: &mut Vec<Running<'a>>, results: &mut Results) -> Result<()> {
        running.retain(|(contender, _)| !contender.warm_up().is_zero());
        let is_there = |running: &[Running<'_>], contender: &Contender| running.iter().any(|(other, _)| other.name == contender.name);
        for contender in &self.contenders {
            let wanted = self.parts.iter().any(|part| part.fits(contender));
            if !wanted || results.absent.contains(&contender.name) || is_there(running, contender) {
                continue;
            }
            match contender.start(self.cores).and_then(|server| self.warm_up(contender, &server).map(|()| server)) {
                Ok(server) => running.push((contender, server)),
                // The others can be measured without it, but not without the reference.
                Err(error) if contender.name != REFERENCE => {
                    eprintln!("        {}: {error:#}", contender.name);
                    results.absent.push(contender.name);
                    results.skipped.push((contender.name, format!("{error:#}")));
                }
                Err(error) => return Err(error.context(REFERENCE)),
            }
        }
        running.sort_by_key(|(contender, _)| self.contenders.iter().position(|c| c.name == contender.name));
        Ok(())
    }

    /// Every server's turn in one part. One that fails has no more turns in it.
    fn step(&self, part: Part, shape: Option<Shape>, running: &[Running<'_>], results: &mut Results) -> Result<()> {
        for (contender, server) in running.iter().filter(|(contender, _)| part.fits(contender)) {
            if results.failed.contains(&(contender.name, part)) {
                continue;
            }
            match self.measure(part, shape, contender, server) {
                Ok(figures) => results.add(contender, figures),
                Err(error) if contender.name != REFERENCE => {
                    eprintln!("        {} failed: {error:#}", contender.name);
                    results.failed.push((contender.name, part));
                    results.skipped.push((contender.name, format!("{} failed: {error:#}", part.name())));
                }
                Err(error) => return Err(error.context(format!("{REFERENCE}, {}", part.name()))),
            }
        }
        Ok(())
    }

    fn measure(&self, part: Part, shape: Option<Shape>, contender: &Contender, server: &Server) -> Result<Figures> {
        match (part, shape) {
            (Part::Echo, Some(shape)) => measure::echo(contender, server, shape, self.time),
            (Part::Echo, None) => Ok(Figures::new()),
            (Part::Churn, _) => measure::churn(contender, server, self.time),
            (Part::Resume, _) => measure::resume(contender, server, self.crowds.cut),
            (Part::FanOut, _) => measure::fan_out(contender, server, self.crowds.told),
            (Part::Slow, _) => measure::slow(contender, server, self.time),
            // Memory is counted from a server's first breath.
            (Part::Idle, _) => measure::idle(contender, || contender.start(self.cores), self.crowds.idle),
        }
    }

    /// Lets a server work until it has had the processor time in which it gets as fast as it gets, or a minute has passed.
    fn warm_up(&self, contender: &Contender, server: &Server) -> Result<()> {
        const SHAPE: Shape = Shape { connections: 64, pipeline: 16, bytes: 100 };
        let begun = Instant::now();
        while server.processor_time()? < contender.warm_up() && begun.elapsed() < Duration::from_secs(60) {
            measure::echo(contender, server, SHAPE, Duration::from_millis(500))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_with_bytes_and_without() {
        let shape = |connections, pipeline, bytes| Ok(Shape { connections, pipeline, bytes });
        assert_eq!(parse_shape("64x16"), shape(64, 16, 100));
        assert_eq!(parse_shape("1x1x4096"), shape(1, 1, 4096));
        assert!(["", "64", "0x1", "1x0", "1x1x1", "1x1x1x1", "ax1"].iter().all(|text| parse_shape(text).is_err()));
    }
}
