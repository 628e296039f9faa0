//! What resumption costs while nothing breaks: pipelined echo with and without it, in turns.

use bowline_tests::sockets::run;
use bowline_tokio::{Client, Context, ErrorObject, Json, Router};
use clap::Parser;
use futures_util::StreamExt;
use futures_util::stream;
use std::error::Error;
use std::time::{Duration, Instant};

/// Compares pipelined echo with resumption on and off, in one run.
#[derive(Parser)]
struct Arguments {
    /// Rounds of each kind; they take turns.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Calls in one round.
    #[arg(long, default_value_t = 20_000)]
    calls: u64,
    /// Calls under way at once.
    #[arg(long, default_value_t = 64)]
    window: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { rounds, calls, window } = Arguments::parse();
    let router = Router::new().raw("echo", async |params: Option<Json<'static>>, _: Context| Ok::<_, ErrorObject>(params));
    let (address, _server) = run(bowline_tokio::server().path("/", router).bind("127.0.0.1:0").await?);
    let client = || bowline_tokio::client(&format!("ws://{address}/"));
    let (with, without) = (client().connect().await?, client().without_resumption().connect().await?);
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        echo(&with, calls, window).await?;
        echo(&without, calls, window).await?;
    }
    for _ in 0..rounds {
        on.push(echo(&with, calls, window).await?);
        off.push(echo(&without, calls, window).await?);
    }
    let (on, off) = (median(on), median(off));
    let rate = |took: Duration| calls as f64 / took.as_secs_f64();
    println!("on {:.0} calls/s, off {:.0} calls/s, time on/off {:.3}", rate(on), rate(off), on.as_secs_f64() / off.as_secs_f64());
    Ok(())
}

/// How long `calls` calls take.
async fn echo(client: &Client, calls: u64, window: usize) -> Result<Duration, Box<dyn Error>> {
    let params = Json::from_value(
        &serde_json::json!({ "text": "a hundred bytes or so, as calls of this kind are: not long, and not empty either" }),
    )?;
    let begun = Instant::now();
    let mut answers = stream::iter(0..calls).map(|_| client.call_raw("echo", Some(params.clone()))).buffer_unordered(window);
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(begun.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
