use crate::handler::Dispatch;
use crate::metrics::PathMetrics;
use crate::session::{Place, Shared};
use bowline_core::{CloseReason, Directory, ServerConfig, SessionId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What the sessions of one path have in common.
pub(crate) struct Home {
    pub(crate) registry: Arc<Registry>,
    /// Which path it is: sessions are found on their own only.
    pub(crate) scope: u32,
    pub(crate) max_sessions: usize,
    /// How long a transport may stay that has no session and says nothing.
    pub(crate) silence: Duration,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) place: Arc<Place>,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) errors: Errors,
    pub(crate) metrics: PathMetrics,
}

/// What a peer learns of an error that is none of its business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    Hidden,
    /// Its text stands in the answer's `data`.
    Exposed,
}

/// All sessions of a server: those that are open by their id, and every task that may have one.
pub(crate) struct Registry(Mutex<Inner>);

struct Inner {
    directory: Directory<Arc<Shared>>,
    open_in: BTreeMap<u32, usize>,
    tasks: BTreeMap<u64, Arc<Shared>>,
    next_task: u64,
    stopping: bool,
    /// Those who wait for the last task to end.
    waiting: Vec<Waker>,
}

impl Registry {
    pub(crate) fn new(max_sessions: usize) -> Self {
        Self(Mutex::new(Inner {
            directory: Directory::new(max_sessions),
            open_in: BTreeMap::new(),
            tasks: BTreeMap::new(),
            next_task: 0,
            stopping: false,
            waiting: Vec::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task has started; its number. While the server stops, it is told to close at once.
    pub(crate) fn enter(&self, shared: &Arc<Shared>) -> u64 {
        let mut inner = self.lock();
        let number = inner.next_task;
        inner.next_task += 1;
        inner.tasks.insert(number, Arc::clone(shared));
        if inner.stopping {
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
        if inner.directory.remove(id).is_some()
            && let Some(here) = inner.open_in.get_mut(&home.scope)
        {
            *here -= 1;
        }
    }

    pub(crate) fn find(&self, id: &SessionId, scope: u32) -> Option<Arc<Shared>> {
        self.lock().directory.find(id, scope).cloned()
    }

    pub(crate) fn session_count(&self) -> usize {
        self.lock().directory.len()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Tells every session to close, those to come too.
    pub(crate) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopping = true;
        let tasks: Vec<_> = inner.tasks.values().cloned().collect();
        drop(inner);
        for task in tasks {
            task.mailbox.close(CloseReason::Shutdown);
        }
    }

    /// Ends every task where it stands.
    pub(crate) fn kill(&self) {
        let tasks: Vec<_> = self.lock().tasks.values().cloned().collect();
        for task in tasks {
            task.mailbox.kill();
        }
    }
}
