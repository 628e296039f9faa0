//! A hundred thousand calls and notifications over real sockets that are cut every few milliseconds.

use bowline_smol::SmolRuntime;
use bowline_tests::sockets::storm::{Cuts, Plan, storm};
use bowline_tokio::TokioRuntime;
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;
use std::time::Duration;

/// Counts what is lost, repeated or reordered when the network breaks again and again.
#[derive(Parser)]
struct Arguments {
    /// Calls of the client.
    #[arg(long, default_value_t = 100_000)]
    calls: u64,
    /// Notifications each way.
    #[arg(long, default_value_t = 100_000)]
    notifications: u64,
    /// The time from cut to cut, on average: `5ms`.
    #[arg(long, default_value = "5ms", value_parser = duration)]
    cut_every: Duration,
    /// What the cuts are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The runtime of both sides.
    #[arg(long, default_value = "tokio")]
    runtime: Runtime,
}

#[derive(Clone, Copy, ValueEnum)]
enum Runtime {
    Tokio,
    Smol,
}

fn duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().map_err(|_| "a number and a unit, as in `5ms`".to_owned())?;
    match unit {
        "us" => Ok(Duration::from_micros(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err("the unit is `us`, `ms` or `s`".to_owned()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { calls, notifications, cut_every, seed, runtime } = Arguments::parse();
    let bar = ProgressBar::new(calls + 2 * notifications);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} messages, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let plan = Plan { calls, notifications, cuts: Cuts::Every { mean: cut_every, seed } };
    let progress = |arrived| bar.set_position(arrived);
    let report = match runtime {
        Runtime::Tokio => storm(&TokioRuntime::new(), plan, progress).await,
        Runtime::Smol => storm(&SmolRuntime::new(), plan, progress).await,
    };
    bar.finish_and_clear();
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            eprintln!("it did not begin: {error}");
            return ExitCode::FAILURE;
        }
    };
    let tally = report.tally;
    if !report.is_clean() {
        let [at_server, at_client] = report.arrived;
        eprintln!(
            "sessions lost {}, calls unanswered {}, calls wrong {}, arrived {at_server} and {at_client}",
            tally.sessions_lost, tally.stuck, report.wrong
        );
    }
    println!(
        "calls {}, notifications {notifications}+{notifications}, cuts {}: lost {}, repeated {}, reordered {}; {:.1} s",
        report.answered,
        tally.cuts,
        tally.lost,
        tally.repeated,
        tally.reordered,
        report.took.as_secs_f64()
    );
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
