//! Attacks a server in every way that we could think of, and tells what each cost: the server's memory, and the others' time.

use bowline_tests::attacks::{self, ALL, Anything, Attack, Scale};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use std::process::ExitCode;

/// Attacks a server on loopback, which is a process of its own. Fails if its memory passes a bound, or somebody else goes without an answer.
#[derive(Parser)]
struct Arguments {
    /// Only this attack.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(ALL.map(|attack| attack.name)))]
    only: Option<String>,
    /// Be the server.
    #[arg(long, hide = true)]
    serve: bool,
}

#[tokio::main]
async fn main() -> Anything<ExitCode> {
    let Arguments { only, serve } = Arguments::parse();
    if serve {
        attacks::serve().await?;
        return Ok(ExitCode::SUCCESS);
    }
    rlimit::increase_nofile_limit(4096)?;
    let wanted = |attack: &&Attack| only.as_deref().is_none_or(|only| attack.name == only);
    let program = std::env::current_exe()?;
    let mut broken = Vec::new();
    for attack in ALL.iter().filter(wanted) {
        match attacks::run(attack, Scale::Full, &program).await {
            Ok(report) => {
                println!("{report}\n");
                if !report.is_good() {
                    broken.push(attack.name);
                }
            }
            Err(error) => {
                println!("{}\n  failed: {error}\n", attack.name);
                broken.push(attack.name);
            }
        }
    }
    println!("broken: {}", if broken.is_empty() { "none".into() } else { broken.join(", ") });
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
