mod load;
mod report;

use crate::failure::Failure;
use crate::remote::Remote;
use bowline_tokio::{Client, Json, Reconnect};
use clap::Args;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use load::{Load, Quota, Tally};
use report::Report;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

const EXIT_CODES: &str = "\
Exit codes:
  0  every request was answered with a result
  1  some were not; the table tells how many
  2  wrong usage
  3  no connection";

/// Handshakes at the same time: a server bounds them, and so does the system.
const CONNECTING: usize = 32;

/// Measure how fast a server answers
///
/// Each connection keeps a number of requests in flight: a new one goes out when an answer has come. Latency is the time from giving a
/// request to the client until its answer is there. A table goes to stdout; Ctrl-C ends the measurement early.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Bench {
    #[command(flatten)]
    remote: Remote,
    /// Connections, each with a session of its own
    #[arg(long, short, value_name = "N", default_value = "1")]
    connections: NonZeroUsize,
    /// Requests in flight on each connection
    #[arg(long, short, value_name = "N", default_value = "1")]
    pipeline: NonZeroUsize,
    /// Requests altogether [default: 10000, if there is no --duration]
    #[arg(long, short = 'n', value_name = "N")]
    requests: Option<NonZeroU64>,
    /// Go on for this long
    #[arg(long, short, value_name = "DURATION", value_parser = some_time)]
    duration: Option<Duration>,
    /// The text in the params of each request is this long
    #[arg(long, short, value_name = "BYTES", default_value = "16")]
    size: usize,
    /// The method; its params are {"text":"xxx…"}
    #[arg(long, short, default_value = "echo")]
    method: String,
    /// How long an answer may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// On how many threads to run [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = crate::thread_count)]
    pub(crate) threads: Option<usize>,
}

impl Bench {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let params = serde_json::json!({"text": "x".repeat(self.size)});
        let params = Json::from_value(&params).map_err(|error| Failure::Other(error.to_string()))?;
        let requests = match (self.requests, self.duration) {
            (None, None) => 10_000,
            (None, Some(_)) => u64::MAX,
            (Some(requests), _) => requests.get(),
        };

        let (clients, connecting) = self.connect().await?;
        let quota = Arc::new(Quota::new(requests, self.duration));
        let load = Arc::new(Load { method: self.method.clone(), params, pipeline: self.pipeline.get(), quota: Arc::clone(&quota) });
        let since = Instant::now();
        let running: Vec<_> = clients.iter().map(|client| tokio::spawn(load::run(client.clone(), Arc::clone(&load)))).collect();
        let watching = tokio::spawn(watch(progress_bar(requests, self.duration), Arc::clone(&quota)));
        let mut tally = Tally::default();
        for task in running {
            tally += task.await.map_err(|error| Failure::Other(format!("a connection's task has failed: {error}")))?;
        }
        let took = since.elapsed();
        watching.abort();
        close(clients).await;

        let failed = tally.failed();
        crate::call::print(&Report { tally, connecting, took }.to_string())?;
        match failed {
            0 => Ok(()),
            n => Err(Failure::Other(format!("{n} requests were not answered with a result"))),
        }
    }

    /// All connections, and the times that they took in nanoseconds.
    async fn connect(&self) -> Result<(Vec<Client>, Histogram<u64>), Failure> {
        let mut times = load::histogram();
        let connecting = stream::iter(0..self.connections.get()).map(|_| async {
            let since = Instant::now();
            let builder = self.remote.builder()?.request_timeout(self.timeout).reconnect(Reconnect::Never).close_message(true);
            let client = self.remote.connect(builder).await?;
            Ok::<_, Failure>((client, since.elapsed()))
        });
        let connected: Vec<_> = connecting.buffer_unordered(CONNECTING).try_collect().await?;
        let clients = connected.into_iter().map(|(client, took)| {
            load::record(&mut times, took);
            client
        });
        Ok((clients.collect(), times))
    }
}

/// A duration in which something can be measured.
fn some_time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing can be measured in no time".into()),
        read => read.map_err(|error| error.to_string()),
    }
}

/// Closes the sessions, so that they do not wait on the server for somebody to come back.
async fn close(clients: Vec<Client>) {
    stream::iter(clients).for_each_concurrent(CONNECTING, async |client| client.close().await).await;
}

/// Of the requests if their number is known, else of the time.
fn progress_bar(requests: u64, duration: Option<Duration>) -> ProgressBar {
    const TEMPLATE: &str = "{bar:40} {percent}% {msg}";
    let length = match duration {
        Some(duration) if requests == u64::MAX => millis(duration),
        Some(_) | None => requests,
    };
    // Draws only where stderr is a terminal.
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The exit code of a program that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// Shows how far the measurement has come, and ends it on Ctrl-C, at the second one at once. Dropped, it takes its bar away.
async fn watch(bar: ProgressBar, quota: Arc<Quota>) {
    let since = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let bar = ClearedWhenDropped(bar);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let done = quota.taken();
                bar.0.set_position(if quota.counts_requests() { done } else { millis(since.elapsed()) });
                bar.0.set_message(format!("{done} requests"));
            }
            pressed = tokio::signal::ctrl_c() => {
                if pressed.is_ok() {
                    quota.end();
                    drop(bar);
                    // What is under way ends first, unless somebody is in a hurry.
                    if tokio::signal::ctrl_c().await.is_ok() {
                        std::process::exit(INTERRUPTED);
                    }
                }
                return;
            }
        }
    }
}

struct ClearedWhenDropped(ProgressBar);

impl Drop for ClearedWhenDropped {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
