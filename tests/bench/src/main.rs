//! What a request and a session cost with Bowline and with others, side by side: docs/performance.md.

mod compare;
mod contender;
mod frame;
mod gate;
mod load;
mod measure;
mod report;
mod results;
mod servers;
mod stats;
mod system;
mod talk;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures Bowline's server against others
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run servers in turns under the same load, and print what each request and session costs
    Compare(compare::Compare),
    Gate(gate::Gate),
    /// Be a server
    #[command(hide = true)]
    Server {
        kind: servers::Kind,
        /// The core to run on
        #[arg(long)]
        core: usize,
    },
}

fn main() -> ExitCode {
    let done: Result<()> = match Arguments::parse().command {
        Command::Compare(compare) => compare.run(),
        Command::Gate(gate) => gate.run(),
        Command::Server { kind, core } => kind.serve(core),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bowline-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
