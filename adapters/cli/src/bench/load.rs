use bowline_tokio::{CallError, Client, Json};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What every connection does.
pub(super) struct Load {
    pub(super) method: String,
    pub(super) params: Json<'static>,
    /// Requests in flight on each connection.
    pub(super) pipeline: usize,
    pub(super) quota: Arc<Quota>,
}

/// How much is still to be done, for all connections together.
pub(super) struct Quota {
    requests: u64,
    taken: AtomicU64,
    until: Option<Instant>,
    ended: AtomicBool,
}

impl Quota {
    /// `u64::MAX` requests are no bound.
    pub(super) fn new(requests: u64, duration: Option<Duration>) -> Self {
        // A time that the clock cannot hold is none.
        let until = duration.and_then(|duration| Instant::now().checked_add(duration));
        Self { requests, taken: AtomicU64::new(0), until, ended: AtomicBool::new(false) }
    }

    /// Whether another request may go out; it counts as taken.
    fn take(&self) -> bool {
        if self.ended.load(Ordering::Relaxed) || self.until.is_some_and(|until| Instant::now() >= until) {
            return false;
        }
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < self.requests).then_some(n + 1)).is_ok()
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    pub(super) fn counts_requests(&self) -> bool {
        self.requests != u64::MAX
    }

    /// Lets no more requests out.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// What came of the requests.
pub(super) struct Tally {
    /// From request to result, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// How often each error came.
    pub(super) errors: BTreeMap<String, u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { latency: histogram(), errors: BTreeMap::new() }
    }
}

impl Tally {
    pub(super) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        // It grows by itself: there is no value that it cannot take.
        let _ = self.latency.add(&other.latency);
        for (error, n) in other.errors {
            *self.errors.entry(error).or_default() += n;
        }
    }
}

/// One of times in nanoseconds, exact to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    const DIGITS: u8 = 3;
    Histogram::new(DIGITS).unwrap_or_else(|_| unreachable!("up to five digits are allowed"))
}

pub(super) fn record(times: &mut Histogram<u64>, time: Duration) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    // It grows as far as it has to; `saturating_record` would not let it.
    if times.record(nanos).is_err() {
        times.saturating_record(nanos);
    }
}

/// Keeps one connection busy until the quota is used up.
pub(super) async fn run(client: Client, load: Arc<Load>) -> Tally {
    let mut tally = Tally::default();
    let request = || async {
        let since = Instant::now();
        let answer = client.call_raw(&load.method, Some(load.params.clone())).await;
        (since.elapsed(), answer)
    };
    let mut running = FuturesUnordered::new();
    while running.len() < load.pipeline && load.quota.take() {
        running.push(request());
    }
    while let Some((time, answer)) = running.next().await {
        let closed = matches!(answer, Err(CallError::Closed));
        match answer {
            Ok(_) => record(&mut tally.latency, time),
            Err(error) => *tally.errors.entry(error.to_string()).or_default() += 1,
        }
        // A session that is closed would fail whatever is left of the quota at once.
        if !closed && load.quota.take() {
            running.push(request());
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_ends_with_its_requests_its_time_or_when_told() {
        let counted = Quota::new(2, None);
        assert_eq!([(); 3].map(|()| counted.take()), [true, true, false]);
        assert!(!Quota::new(u64::MAX, Some(Duration::ZERO)).take());
        let endless = Quota::new(u64::MAX, Some(Duration::MAX));
        assert!(endless.take());
        endless.end();
        assert!(!endless.take());
    }
}
