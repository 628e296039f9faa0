//! Holds the memory of idle sessions against what it was: it may not grow silently.

use crate::contender::{self, Contender};
use crate::measure::{self, Figure, Idle};
use crate::system::{self, Cores};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Measures the memory of idle sessions and compares it with the committed baseline
///
/// Exits with 1 if a session has grown by more than a tenth and 256 bytes.
#[derive(Args)]
pub(crate) struct Gate {
    /// How many sessions
    #[arg(long, value_name = "N", default_value_t = 2000)]
    sessions: usize,
    /// Write what was measured as the new baseline
    #[arg(long)]
    update: bool,
}

/// Whose sessions. The other ways to talk have the same session behind them.
const WATCHED: [&str; 3] = ["bowline tokio strict + resumption", "bowline tokio kurento", "bowline smol strict"];

/// A line of the baseline: bytes for each session, its state, the server.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    bytes: u64,
    state: &'static str,
    name: &'static str,
}

impl Gate {
    pub(crate) fn run(&self) -> Result<()> {
        let cores = Cores::find()?;
        system::allow_files(self.sessions)?;
        system::pin(cores.load)?;
        let mut lines = Vec::new();
        for contender in contender::ALL.iter().filter(|c| WATCHED.contains(&c.name)) {
            lines.extend(self.measure(contender, cores)?);
        }
        if self.update {
            std::fs::write(baseline(), write(&lines)).context("writing the baseline")?;
        }
        let old = std::fs::read_to_string(baseline()).context("reading the baseline")?;
        let mut grown = Vec::new();
        for line in &lines {
            let before = find(&old, line).with_context(|| format!("the baseline does not have: {} {}", line.state, line.name))?;
            let Line { bytes, state, name } = line;
            println!("{bytes:>7} bytes, baseline {before:>7}: {state} {name}");
            if *bytes > most(before) {
                grown.push(format!("{name}, {state}: {bytes} bytes, baseline {before}"));
            }
        }
        if !grown.is_empty() {
            bail!(
                "idle sessions have grown:\n{}\nIf that is meant: cargo run --release -p bowline-bench -- gate --update",
                grown.join("\n")
            );
        }
        Ok(())
    }

    fn measure(&self, contender: &Contender, cores: Cores) -> Result<Vec<Line>> {
        let figures = measure::idle(contender, || contender.start(cores), self.sessions)?;
        let line = |(figure, value): (Figure, f64)| {
            let Figure::Memory(idle) = figure else { return None };
            let state = match idle {
                Idle::Attached => "attached",
                Idle::Used => "used",
                Idle::Acknowledged => "acknowledged",
                Idle::Detached => "detached",
            };
            // Not negative, and far from what a u64 holds.
            Some(Line { bytes: value.round() as u64, state, name: contender.name })
        };
        Ok(figures.into_iter().filter_map(line).collect())
    }
}

fn baseline() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("idle.txt")
}

/// What is still the same: pages are counted whole, and an allocator's slack is not always alike.
fn most(before: u64) -> u64 {
    before + before / 10 + 256
}

fn write(lines: &[Line]) -> String {
    let mut text = String::from("# Bytes of an idle session, as `bowline-bench gate --update` wrote them.\n");
    for Line { bytes, state, name } in lines {
        // A string takes everything.
        let _ = writeln!(text, "{bytes} {state} {name}");
    }
    text
}

fn find(baseline: &str, line: &Line) -> Option<u64> {
    let end = format!(" {} {}", line.state, line.name);
    baseline.lines().find_map(|old| old.strip_suffix(&end)).and_then(|bytes| bytes.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let lines = [Line { bytes: 7, state: "attached", name: "bowline, x" }, Line { bytes: 8, state: "used", name: "bowline, x" }];
        assert_eq!(lines.each_ref().map(|line| find(&write(&lines), line)), [Some(7), Some(8)]);
        assert_eq!(find(&write(&lines), &Line { name: "bowline", ..lines[0].clone() }), None);
    }
}
