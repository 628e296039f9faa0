//! The program `bowline`: a demo server and the tools to talk to it, or to any other JSON-RPC server over WebSocket.

mod bench;
mod call;
mod config;
mod connect;
mod failure;
mod json;
mod outage;
mod remote;
mod serve;
mod text;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use config::Arguments;
use failure::Failure;
use std::future::Future;
use std::process::ExitCode;

/// JSON-RPC 2.0 sessions over WebSocket that hold when the connection drops
#[derive(Parser)]
#[command(name = "bowline", version, propagate_version = true, after_help = "`bowline COMMAND --help` tells more about a command.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Call(call::Call),
    Notify(call::Notify),
    Connect(connect::Connect),
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    match read_and_run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.show();
            failure.exit_code()
        }
    }
}

fn read_and_run() -> Result<(), Failure> {
    let matches = match config::read(Cli::command(), std::env::args_os())? {
        Arguments::Run(matches) => matches,
        Arguments::Print(text) => return call::print(text.trim_end()),
    };
    match Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()).command {
        Command::Serve(serve) => run(Threads::Pool(serve.threads), serve.run()),
        Command::Call(call) => run(Threads::One, call.run()),
        Command::Notify(notify) => run(Threads::One, notify.run()),
        Command::Connect(connect) => run(Threads::One, connect.run()),
        Command::Bench(bench) => run(Threads::Pool(bench.threads), bench.run()),
    }
}

/// On how many threads a command runs.
enum Threads {
    /// On the main thread: a single session has no use for another.
    One,
    /// On this many of the runtime's own, or as many as the machine has cores.
    Pool(Option<usize>),
}

/// A number of threads on the command line.
fn thread_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        Ok(_) | Err(_) => Err("a number from 1 to 1024 is needed".into()),
    }
}

fn run(threads: Threads, command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Pool(count) => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            if let Some(count) = count {
                builder.worker_threads(count);
            }
            builder
        }
    };
    let runtime = builder.enable_all().build().map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    let ended = runtime.block_on(command);
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    ended
}
