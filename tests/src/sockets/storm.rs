//! One client and one server over a network that breaks every few milliseconds, while both send all they can.

use super::{Fate, Proxy, Rig, Wire};
use crate::sim::Tally;
use crate::sim::model::Stream;
use crate::sim::rng::Rng;
use bowline::{CallError, Client, ConnectionEvent, Context, ErrorObject, FirstConnect, Router, Runtime, Session, SessionKept};
use futures_util::future::select;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Calls that wait for their answers at once.
const WINDOW: usize = 512;
/// Without any message for this long the storm is over, and what has not arrived is lost.
const SILENCE: Duration = Duration::from_secs(30);

/// How often is looked whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What to send, and how often to cut.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Calls of the client.
    pub calls: u64,
    /// Notifications each way.
    pub notifications: u64,
    /// When the network breaks.
    pub cuts: Cuts,
}

/// When the network breaks.
#[derive(Clone, Copy, Debug)]
pub enum Cuts {
    /// Again and again: every so often on average, and every other connection at a byte of its own.
    Every {
        /// The time from cut to cut, on average.
        mean: Duration,
        /// What the cuts are drawn from.
        seed: u64,
    },
    /// The first connection so, the second so, and no other.
    At([Fate; 2]),
}

/// How it went.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Calls that were answered, each with the result that is its own.
    pub answered: u64,
    /// Calls that ended otherwise, or with the answer of another.
    pub wrong: u64,
    /// What arrived and what did not. `cuts` are connections that broke under way.
    pub tally: Tally,
    /// Messages that arrived at the server and at the client.
    pub arrived: [u64; 2],
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Whether everything arrived once, in order, in one session.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.tally.is_clean() && self.wrong == 0 && self.tally.sessions_lost == 0
    }
}

#[derive(Default)]
struct Ledger {
    to_server: Stream,
    to_client: Stream,
    tally: Tally,
    arrived: [u64; 2],
    begun: u64,
    answered: u64,
    wrong: u64,
}

impl Ledger {
    // A second session is a failure anyway, so all is counted as one.
    fn arrived_at_server(&mut self, number: u64) {
        self.arrived[0] += 1;
        self.to_server.arrive(number, 0, &mut self.tally);
    }

    fn arrived_at_client(&mut self, number: u64) {
        self.arrived[1] += 1;
        self.to_client.arrive(number, 0, &mut self.tally);
    }

    fn settle(&mut self, number: u64, outcome: Result<u64, CallError>) {
        if outcome == Ok(number) {
            self.answered += 1;
        } else {
            self.wrong += 1;
        }
    }
}

type Shared = Arc<Mutex<Ledger>>;

fn lock(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends everything, and waits for it. `progress` is told from time to time how many messages have arrived.
///
/// # Errors
///
/// If there are no sockets, or the client cannot connect at all.
pub async fn storm(runtime: &impl Wire, plan: Plan, progress: impl Fn(u64)) -> io::Result<Report> {
    let ledger = Shared::default();
    let (address, server) =
        runtime.serve(runtime.listen(runtime.server().path("/", serving(runtime, plan, &ledger)), "127.0.0.1:0").await?);
    let proxy = Proxy::with_fates(address, move |number| fate(plan.cuts, number))?;
    let begun = Instant::now();
    let client = connect(runtime, &proxy, &ledger).await?;
    let sending = runtime.start(send(runtime.clone(), plan, client.clone(), Arc::clone(&ledger)));
    let total = plan.calls + 2 * plan.notifications;
    let (cutting, watching) = (cut_again_and_again(runtime, plan, &proxy), watch(runtime, plan, total, &ledger, progress));
    select(pin!(cutting), pin!(watching)).await;
    let took = begun.elapsed();
    drop(sending);
    client.close().await;
    server.shutdown(Duration::from_secs(1)).await;
    let mut ledger = lock(&ledger);
    ledger.tally.cuts = proxy.cuts();
    // What the model has not seen sent is missing as well.
    ledger.tally.lost += total.saturating_sub(ledger.tally.messages);
    ledger.tally.repeated += ledger.begun.saturating_sub(1);
    ledger.tally.stuck = plan.calls.saturating_sub(ledger.answered + ledger.wrong);
    Ok(Report { answered: ledger.answered, wrong: ledger.wrong, tally: ledger.tally, arrived: ledger.arrived, took })
}

/// Every other connection of a storm breaks at a byte of its own, wherever in a frame that is.
fn fate(cuts: Cuts, number: u64) -> Fate {
    let seed = match cuts {
        Cuts::At(fates) => return usize::try_from(number).ok().and_then(|number| fates.get(number).copied()).unwrap_or_default(),
        Cuts::Every { seed, .. } => seed,
    };
    let mut random = Rng::new(seed ^ number.wrapping_mul(0x9e37_79b9));
    let at = random.between(1, 64 * 1024);
    match random.below(4) {
        0 => Fate { to_server: Some(at), to_client: None },
        1 => Fate { to_server: None, to_client: Some(at) },
        _ => Fate::default(),
    }
}

fn serving(runtime: &impl Runtime, plan: Plan, ledger: &Shared) -> Router {
    let receive = |ledger: &Shared| {
        let ledger = Arc::clone(ledger);
        move |number: u64| {
            lock(&ledger).arrived_at_server(number);
            async move { Ok::<_, ErrorObject>(number) }
        }
    };
    let (runtime, begin) = (runtime.clone(), Arc::clone(ledger));
    // A session of which the client never learned has nothing to say.
    let begin = move |(): (), context: Context| {
        lock(&begin).begun += 1;
        runtime.spawn(notify(plan, context.session().clone(), Arc::clone(&begin)));
        async { Ok::<_, ErrorObject>(()) }
    };
    Router::new().method("call", receive(ledger)).method("note", receive(ledger)).method_with("begin", begin)
}

/// The server's notifications.
async fn notify(plan: Plan, session: Session, ledger: Shared) {
    for _ in 0..plan.notifications {
        let number = lock(&ledger).to_client.send();
        if session.notify("note", number).await.is_err() {
            return;
        }
    }
}

async fn connect(runtime: &impl Wire, proxy: &Proxy, ledger: &Shared) -> io::Result<Client> {
    let (received, renewed) = (Arc::clone(ledger), Arc::clone(ledger));
    let service = Router::new().method("note", move |number: u64| {
        lock(&received).arrived_at_client(number);
        async { Ok::<_, ErrorObject>(()) }
    });
    let client = runtime
        .dial(&proxy.url("/"))
        .service(service)
        .on_event(move |event| {
            if *event == ConnectionEvent::Reconnected(SessionKept::New) {
                lock(&renewed).tally.sessions_lost += 1;
            }
        })
        .first_connect(FirstConnect::Retry)
        .request_timeout(Duration::from_secs(3600))
        .backoff(Duration::from_millis(1), Duration::from_millis(4));
    client.connect().await.map_err(io::Error::other)
}

/// The client's calls and notifications, in turn.
async fn send(runtime: impl Runtime, plan: Plan, client: Client, ledger: Shared) {
    if client.call::<()>("begin", ()).await.is_err() {
        return;
    }
    let (enter, leave) = async_channel::bounded(WINDOW);
    for round in 0..plan.calls.max(plan.notifications) {
        if round < plan.calls {
            if enter.send(()).await.is_err() {
                return;
            }
            let number = lock(&ledger).to_server.send();
            let session = client.session().clone();
            let mut call = Box::pin(async move { session.call::<u64>("call", number).await });
            // The first poll gives it its place in the order, and may find it answered already.
            match futures_util::poll!(&mut call) {
                Poll::Ready(outcome) => {
                    lock(&ledger).settle(number, outcome);
                    let _ = leave.try_recv();
                }
                Poll::Pending => {
                    let (ledger, leave) = (Arc::clone(&ledger), leave.clone());
                    runtime.spawn(async move {
                        let outcome = call.await;
                        lock(&ledger).settle(number, outcome);
                        let _ = leave.try_recv();
                    });
                }
            }
        }
        if round < plan.notifications {
            let number = lock(&ledger).to_server.send();
            if client.notify("note", number).await.is_err() {
                return;
            }
        }
    }
}

/// Cuts until it is dropped.
async fn cut_again_and_again(runtime: &impl Runtime, plan: Plan, proxy: &Proxy) {
    let Cuts::Every { mean, seed } = plan.cuts else { return pending().await };
    let mut random = Rng::new(seed);
    let mean = u64::try_from(mean.as_micros()).unwrap_or(u64::MAX / 4).max(1);
    loop {
        runtime.sleep(Duration::from_micros(random.between(mean / 2, mean + mean / 2))).await;
        proxy.cut();
    }
}

/// Ends when all has arrived, or nothing arrives any more.
async fn watch(runtime: &impl Runtime, plan: Plan, total: u64, ledger: &Shared, progress: impl Fn(u64)) {
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        let (messages, settled) = {
            let ledger = lock(ledger);
            (ledger.tally.messages, ledger.answered + ledger.wrong)
        };
        progress(messages);
        if messages >= total && settled >= plan.calls {
            return;
        }
        if messages + settled != seen {
            (seen, since) = (messages + settled, Instant::now());
        } else if since.elapsed() > SILENCE {
            return;
        }
        runtime.sleep(LOOK_EVERY).await;
    }
}
