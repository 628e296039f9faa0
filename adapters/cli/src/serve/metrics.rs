//! `--metrics`: what the library counts, for Prometheus to fetch.

use crate::failure::Failure;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// The upper ends of the classes of a request's duration, in seconds.
const DURATIONS: [f64; 13] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0];
/// How often what was measured is put into its classes: until then each value is kept by itself.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long one who asks may take, and how many may ask at once.
const PATIENCE: Duration = Duration::from_secs(5);
const ASKING: usize = 16;
/// More than the head of any scraper's request.
const MAX_HEAD: usize = 8 * 1024;

/// What was counted, and where it can be asked for.
pub(super) struct Metrics {
    handle: PrometheusHandle,
    listener: TcpListener,
    address: SocketAddr,
}

impl Metrics {
    /// Begins to count. A server counts only if it is built after this.
    ///
    /// # Errors
    ///
    /// If it cannot listen on `address`.
    pub(super) async fn start(address: &str) -> Result<Self, Failure> {
        let cannot = |error: io::Error| Failure::Other(format!("cannot listen on {address} for --metrics: {error}"));
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let name = Matcher::Full("bowline_request_duration_seconds".into());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(name, &DURATIONS);
        let handle = builder.and_then(PrometheusBuilder::install_recorder);
        let handle = handle.map_err(|error| Failure::Other(format!("cannot count for --metrics: {error}")))?;
        Ok(Self { handle, listener, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers, until it is dropped.
    pub(super) async fn serve(self) {
        let Self { handle, listener, .. } = self;
        let places = Arc::new(Semaphore::new(ASKING));
        let mut upkeep = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                _ = upkeep.tick() => handle.run_upkeep(),
                accepted = listener.accept() => {
                    // Without a file descriptor there is no answer; the next tick tries again.
                    let Ok((stream, _)) = accepted else {
                        upkeep.tick().await;
                        continue;
                    };
                    let (Ok(place), handle) = (Arc::clone(&places).try_acquire_owned(), handle.clone()) else { continue };
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(PATIENCE, answer(stream, &handle)).await;
                        drop(place);
                    });
                }
            }
        }
    }
}

async fn answer(mut stream: TcpStream, handle: &PrometheusHandle) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let target = head.strip_prefix(b"GET ").and_then(|rest| rest.split(|byte| *byte == b' ').next());
    let (status, kind, body) = match target {
        Some(b"/metrics") => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", handle.render()),
        Some(_) => ("404 Not Found", "text/plain; charset=utf-8", "The metrics are at /metrics.\n".to_owned()),
        None => ("405 Method Not Allowed\r\nAllow: GET", "text/plain; charset=utf-8", "GET /metrics\n".to_owned()),
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
