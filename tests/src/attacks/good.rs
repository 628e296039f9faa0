//! Sessions that do nothing but what they should, and what they notice of an attack.

use super::{Anything, Stopped};
use crate::sockets::{PATIENCE, within};
use bowline_tokio::Client;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How many there are.
const SESSIONS: usize = 4;
/// From an answer to the next call: they are to notice others, not to be a load themselves.
const PAUSE: Duration = Duration::from_millis(1);

/// How long calls took.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// How many there were.
    pub calls: usize,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
}

impl Latency {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |hundredths: usize| took.get(took.len() * hundredths / 100).copied().unwrap_or_default();
        Self { calls: took.len(), p50: at(50), p99: at(99) }
    }
}

#[derive(Debug, Default)]
struct Seen {
    answered: [AtomicU64; SESSIONS],
    wrong: AtomicU64,
    took: Mutex<Vec<Duration>>,
}

/// Sessions that call `echo`, one call after the other, until this is stopped.
#[derive(Debug)]
pub(super) struct Good {
    seen: Arc<Seen>,
    stopped: Stopped,
    tasks: Vec<JoinHandle<()>>,
}

impl Good {
    pub(super) async fn start(address: SocketAddr) -> Anything<Self> {
        let (seen, stopped) = (Arc::<Seen>::default(), Stopped::default());
        let mut tasks = Vec::new();
        for number in 0..SESSIONS {
            let client = bowline_tokio::client(&format!("ws://{address}/")).connect_timeout(PATIENCE).connect().await?;
            tasks.push(tokio::spawn(keep_calling(client, number, Arc::clone(&seen), stopped.clone())));
        }
        Ok(Self { seen, stopped, tasks })
    }

    /// Waits until each has been answered so many times more.
    pub(super) async fn are_served(&self, times: u64) -> Anything<()> {
        let counts = || self.seen.answered.iter().map(|count| count.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let before = counts();
        let all = async {
            while counts().iter().zip(&before).any(|(now, before)| *now < before + times) {
                tokio::time::sleep(PAUSE).await;
            }
        };
        within(PATIENCE, all).await.ok_or_else(|| format!("a good session is not served: {before:?} answers, then {:?}", counts()).into())
    }

    /// How long the calls took that were answered since this was asked last.
    pub(super) fn latency(&self) -> Latency {
        Latency::of(std::mem::take(&mut *self.seen.took.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Ends them. Returns how many calls had a wrong answer, or none.
    pub(super) async fn stop(self) -> Anything<u64> {
        self.stopped.set();
        for task in self.tasks {
            task.await?;
        }
        Ok(self.seen.wrong.load(Ordering::Relaxed))
    }
}

async fn keep_calling(client: Client, number: usize, seen: Arc<Seen>, stopped: Stopped) {
    let mut call = 0_u64;
    while !stopped.is_set() {
        call += 1;
        let (sent, text) = (Instant::now(), format!("{number}, {call}"));
        let answer = client.call::<String>("echo", &text).await;
        let took = sent.elapsed();
        if answer.is_ok_and(|answer| answer == text) {
            seen.took.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            if let Some(count) = seen.answered.get(number) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            seen.wrong.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(PAUSE).await;
    }
    client.close().await;
}

/// A session that is opened when all is over, and served.
pub(super) async fn a_new_one_is_served(address: SocketAddr) -> Anything<()> {
    let client = bowline_tokio::client(&format!("ws://{address}/")).connect_timeout(PATIENCE).connect().await?;
    let answer = client.call::<String>("echo", "new").await.map_err(|error| error.to_string())?;
    client.close().await;
    if answer == "new" { Ok(()) } else { Err(format!("a new session got {answer:?}").into()) }
}
