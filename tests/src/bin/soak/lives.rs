//! The clients: each lives as the dice fall.

use bowline_tests::sim::rng::Rng;
use bowline_tests::sockets::{Over, Rig};
use bowline_tokio::{CallError, Client, ClientBuilder, ConnectionEvent, Reconnect, Runtime, SessionKept};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What came of them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connected: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) interrupted: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) wrong: AtomicU64,
}

/// Keeps so many clients at it until `end`, and waits for their ends.
pub(crate) async fn churn<R: Runtime>(
    runtime: &Over<R>,
    client: impl Fn() -> ClientBuilder<Over<R>> + Clone + Send + 'static,
    clients: usize,
    seed: u64,
    end: Instant,
) -> Arc<Counts> {
    let counts = Arc::<Counts>::default();
    let start = |number: usize| {
        let (runtime, client, counts) = (runtime.clone(), client.clone(), Arc::clone(&counts));
        async move {
            let mut dice = Rng::new(seed + number as u64 * 7919);
            while Instant::now() < end {
                one_life(&runtime, client(), &mut dice, &counts).await;
            }
        }
    };
    let all: Vec<_> = (0..clients).map(|number| runtime.start(start(number))).collect();
    for one in all {
        one.await;
    }
    counts
}

/// A client from its connect to its end.
async fn one_life<R: Runtime>(runtime: &Over<R>, client: ClientBuilder<Over<R>>, dice: &mut Rng, counts: &Arc<Counts>) {
    let resumed = Arc::clone(counts);
    let client = client.reconnect(Reconnect::For(Duration::from_secs(5))).on_event(move |event| {
        if let ConnectionEvent::Reconnected(SessionKept::Same) = event {
            resumed.resumed.fetch_add(1, Ordering::Relaxed);
        }
    });
    let client = if dice.below(3) == 0 { client.without_resumption() } else { client };
    // The network may break during the handshake too: the next life begins.
    let Ok(client) = client.connect().await else { return };
    counts.connected.fetch_add(1, Ordering::Relaxed);
    for _ in 0..dice.below(40) {
        match dice.below(12) {
            0 => drop(client.call::<serde_json::Value>("cut-me", ()).await),
            1 => client.reconnect(),
            2 => runtime.sleep(Duration::from_millis(dice.below(300))).await,
            _ => call(&client, dice, counts).await,
        }
    }
    match dice.below(3) {
        0 => client.close().await,
        // Without a word: the server's grace passes.
        1 => client.session().disconnect(),
        _ => {}
    }
}

async fn call(client: &Client, dice: &mut Rng, counts: &Counts) {
    let text = "x".repeat(usize::try_from(dice.below(3000)).unwrap_or(0));
    let said = serde_json::json!({ "text": text, "number": dice.draw() });
    match client.call::<serde_json::Value>("echo", &said).await {
        Ok(heard) => {
            counts.calls.fetch_add(1, Ordering::Relaxed);
            counts.wrong.fetch_add(u64::from(heard != said), Ordering::Relaxed);
        }
        // Without resumption nobody can know; a client that was closed by its own end of patience says so.
        Err(CallError::Interrupted | CallError::Closed) => {
            counts.interrupted.fetch_add(1, Ordering::Relaxed);
        }
        Err(error) => {
            counts.wrong.fetch_add(1, Ordering::Relaxed);
            eprintln!("a call ended with {error}");
        }
    }
}
