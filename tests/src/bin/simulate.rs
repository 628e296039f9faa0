//! Runs schedules of the simulation, or the scripted conversation cut at every byte.

use bowline_tests::sim::{self, Tally};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

/// Proves, schedule by schedule, that sessions lose, repeat and reorder nothing.
///
/// Each schedule is drawn from its seed alone: run it again with `--seed SEED --schedules 1 --trace`.
#[derive(Parser)]
struct Arguments {
    /// How many schedules to run.
    #[arg(long, default_value_t = 10_000)]
    schedules: u64,
    /// The seed of the first; the others follow it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads to run them on; all processors by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Print what happens in the schedule, line by line.
    #[arg(long)]
    trace: bool,
    /// Instead of schedules: one conversation, cut at every byte, and at every pair of bytes with `--pairs`.
    #[arg(long)]
    exhaustive: bool,
    /// With `--exhaustive`: two cuts instead of one.
    #[arg(long, requires = "exhaustive")]
    pairs: bool,
    /// With `--exhaustive`: take only every N-th place, or pair of places.
    #[arg(long, default_value_t = 1, requires = "exhaustive", value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Go on after a schedule that fails.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let jobs = if arguments.exhaustive { sim::script::jobs(arguments.pairs).div_ceil(arguments.every) } else { arguments.schedules };
    let run = move |job: u64, trace: bool| {
        if arguments.exhaustive {
            sim::script::run(job * arguments.every, arguments.pairs, trace)
        } else {
            sim::run(arguments.seed.wrapping_add(job), trace)
        }
    };
    let threads = arguments.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let bar = ProgressBar::new(jobs);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} schedules, {per_sec}, {eta} left {msg}") {
        bar.set_style(style);
    }
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let (send, receive) = mpsc::channel::<Tally>();
    let total = thread::scope(|scope| {
        for _ in 0..threads {
            let (send, bar, next, failed) = (send.clone(), &bar, &next, &failed);
            scope.spawn(move || {
                let mut total = Tally::default();
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= jobs || (failed.load(Ordering::Relaxed) != u64::MAX && !arguments.keep_going) {
                        break;
                    }
                    let (tally, lines) = run(job, arguments.trace);
                    for line in lines {
                        println!("{line}");
                    }
                    if !tally.is_clean() {
                        failed.fetch_min(job, Ordering::Relaxed);
                    }
                    total += tally;
                    if job % 64 == 0 {
                        bar.set_position(job);
                    }
                }
                // The receiver lives until all threads are done.
                let _ = send.send(total);
            });
        }
        drop(send);
        let mut total = Tally::default();
        for tally in receive {
            total += tally;
        }
        total
    });
    bar.finish_and_clear();
    let failed = failed.into_inner();
    if failed != u64::MAX {
        let (tally, lines) = run(failed, true);
        let from = lines.len().saturating_sub(if arguments.trace { 0 } else { 60 });
        for line in &lines[from..] {
            eprintln!("{line}");
        }
        let again = if arguments.exhaustive { format!("offset {failed}") } else { format!("seed {}", arguments.seed.wrapping_add(failed)) };
        eprintln!("failed first: {again}: {tally:?}");
        if !arguments.exhaustive {
            eprintln!(
                "again: cargo run --release -p bowline-tests --bin simulate -- --schedules 1 --trace --seed {}",
                arguments.seed.wrapping_add(failed)
            );
        }
    }
    println!(
        "schedules {}, messages {}, cuts {}: lost {}, repeated {}, reordered {}, stuck {}",
        total.schedules, total.messages, total.cuts, total.lost, total.repeated, total.reordered, total.stuck
    );
    if total.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
