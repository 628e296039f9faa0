use crate::guesses::Guesses;
use crate::handler::Dispatch;
use crate::metrics::PathMetrics;
use crate::session::{Place, Session, Shared};
use bowline_core::{CloseReason, Directory, ServerConfig, SessionId};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What the sessions of one path have in common.
pub(crate) struct Home {
    pub(crate) registry: Arc<Registry>,
    pub(crate) guesses: Arc<Guesses>,
    /// Which path it is: sessions are found on their own only.
    pub(crate) scope: u32,
    pub(crate) max_sessions: usize,
    /// How long a transport may stay that has no session and says nothing.
    pub(crate) silence: Duration,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) place: Arc<Place>,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) errors: Errors,
    /// Who may take a session over; unless there is one, who knows its id.
    pub(crate) resume_guard: Option<Arc<ResumeGuard>>,
    pub(crate) metrics: PathMetrics,
}

/// Whether the first session may go on over the transport that the second one has.
pub(crate) type ResumeGuard = dyn Fn(&Session, &Session) -> bool + Send + Sync;

/// What a peer learns of an error that is none of its business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    Hidden,
    /// Its text stands in the answer's `data`.
    Exposed,
}

/// What a server left when it stopped: the value of [`ServerHandle::shutdown`](crate::ServerHandle::shutdown).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Sessions that were open when it began, attached or not.
    pub sessions_closed: usize,
    /// Requests and notifications that were in flight when it began, and whose handlers came to their end.
    pub requests_finished: usize,
    /// Those that were given up, because they took longer than they had.
    pub requests_abandoned: usize,
    /// Tasks of sessions that have not ended: a handler blocks its thread.
    pub tasks_left: usize,
    /// Connections that are not gone.
    pub connections_left: usize,
}

/// All sessions of a server: those that are open by their id, and every task that may have one.
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    tally: Tally,
    /// Bytes that all sessions keep for their peers, and how many those may be.
    replay: AtomicUsize,
    max_replay: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Serving,
    Stopping,
}

/// What has become of everything since the server began to stop.
#[derive(Default)]
pub(crate) struct Tally {
    sessions: AtomicUsize,
    finished: AtomicUsize,
    abandoned: AtomicUsize,
}

impl Tally {
    pub(crate) fn finished(&self, requests: usize) {
        self.finished.fetch_add(requests, Ordering::Relaxed);
    }

    pub(crate) fn abandoned(&self, requests: usize) {
        self.abandoned.fetch_add(requests, Ordering::Relaxed);
    }
}

struct Inner {
    directory: Directory<Arc<Shared>>,
    open_in: BTreeMap<u32, usize>,
    tasks: BTreeMap<u64, Arc<Shared>>,
    next_task: u64,
    life: Life,
    /// Those who wait for the last task to end.
    waiting: Vec<Waker>,
}

impl Registry {
    pub(crate) fn new(max_sessions: usize, max_replay: usize) -> Self {
        let inner = Inner {
            directory: Directory::new(max_sessions),
            open_in: BTreeMap::new(),
            tasks: BTreeMap::new(),
            next_task: 0,
            life: Life::Serving,
            waiting: Vec::new(),
        };
        Self { inner: Mutex::new(inner), tally: Tally::default(), replay: AtomicUsize::new(0), max_replay }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task has started; its number. While the server stops, it is told to close at once.
    pub(crate) fn enter(&self, shared: &Arc<Shared>) -> u64 {
        let mut inner = self.lock();
        let number = inner.next_task;
        inner.next_task += 1;
        inner.tasks.insert(number, Arc::clone(shared));
        if inner.life == Life::Stopping {
            shared.mailbox.close(CloseReason::Shutdown);
        }
        number
    }

    /// A task has ended.
    pub(crate) fn leave(&self, number: u64) {
        let mut inner = self.lock();
        inner.tasks.remove(&number);
        let waiting = if inner.tasks.is_empty() { std::mem::take(&mut inner.waiting) } else { Vec::new() };
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready when there is no task.
    pub(crate) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.tasks.is_empty() {
            return Poll::Ready(());
        }
        if !inner.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            inner.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// A session has opened. Returns whether there was room for it.
    pub(crate) fn open(&self, id: &SessionId, home: &Home, shared: &Arc<Shared>) -> bool {
        let mut inner = self.lock();
        let here = inner.open_in.get(&home.scope).copied().unwrap_or(0);
        if here >= home.max_sessions || inner.directory.insert(id, home.scope, Arc::clone(shared)).is_err() {
            return false;
        }
        inner.open_in.insert(home.scope, here + 1);
        true
    }

    /// A session has closed.
    pub(crate) fn close(&self, id: &SessionId, home: &Home) {
        let mut inner = self.lock();
        if inner.directory.remove(id).is_none() {
            return;
        }
        if let Some(here) = inner.open_in.get_mut(&home.scope) {
            *here -= 1;
        }
        if inner.life == Life::Stopping {
            self.tally.sessions.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What has become of everything by now.
    pub(crate) fn report(&self, connections_left: usize) -> ShutdownReport {
        let Tally { sessions, finished, abandoned } = &self.tally;
        ShutdownReport {
            sessions_closed: sessions.load(Ordering::Relaxed),
            requests_finished: finished.load(Ordering::Relaxed),
            requests_abandoned: abandoned.load(Ordering::Relaxed),
            tasks_left: self.lock().tasks.len(),
            connections_left,
        }
    }

    pub(crate) fn find(&self, id: &SessionId, scope: u32) -> Option<Arc<Shared>> {
        self.lock().directory.find(id, scope).cloned()
    }

    pub(crate) fn session_count(&self) -> usize {
        self.lock().directory.len()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().life == Life::Stopping
    }

    /// Tells every session to finish what is in flight and to close; those to come close at once.
    pub(crate) fn stop(&self) {
        self.lock().life = Life::Stopping;
        for task in self.tasks() {
            task.mailbox.wish(|wishes| wishes.wind_up = true);
        }
    }

    /// Tells every session to close, whatever is in flight.
    pub(crate) fn close_all(&self) {
        for task in self.tasks() {
            task.mailbox.close(CloseReason::Shutdown);
        }
    }

    /// A session keeps so many bytes for its peer now. Returns whether all of them together keep more than they may.
    pub(crate) fn keeps(&self, shared: &Shared, bytes: usize) -> bool {
        let before = shared.replay.swap(bytes, Ordering::Relaxed);
        if bytes <= before {
            self.replay.fetch_sub(before - bytes, Ordering::Relaxed);
            return false;
        }
        let more = bytes - before;
        self.replay.fetch_add(more, Ordering::Relaxed).saturating_add(more) > self.max_replay
    }

    /// Closes the sessions that keep the most, those without a transport first, until the others are within the bound. Returns how many.
    pub(crate) fn relieve(&self) -> usize {
        let keeping = |task: &Arc<Shared>| task.replay.load(Ordering::Relaxed);
        let mut tasks = self.tasks();
        tasks.retain(|task| keeping(task) > 0 && !task.mailbox.is_closed());
        let mut total: usize = tasks.iter().map(keeping).sum();
        tasks.sort_by_cached_key(|task| (task.attached.load(Ordering::Acquire), Reverse(keeping(task))));
        let mut closed = 0;
        for task in tasks {
            if total <= self.max_replay {
                break;
            }
            total = total.saturating_sub(keeping(&task));
            closed += 1;
            task.mailbox.close(CloseReason::TooMuchToReplay);
        }
        closed
    }

    fn tasks(&self) -> Vec<Arc<Shared>> {
        self.lock().tasks.values().cloned().collect()
    }

    /// Ends every task where it stands.
    pub(crate) fn kill(&self) {
        for task in self.tasks() {
            task.mailbox.kill();
        }
    }
}
