use bowline_core::{CallId, CallOutcome};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The session task's end of a call, which travels through the endpoint as its tag.
///
/// Dropped without an outcome, the call ends as closed: no caller waits for a task that is gone.
#[derive(Debug)]
pub(crate) struct CallTag(Arc<Slot>);

/// Where it is said that nobody waits for a call any more.
pub(super) trait Forget {
    fn forget(&self, call: CallId);
    /// It has not been sent, as far as its caller knows.
    fn forget_unsent(&self);
}

/// The caller's end. Dropped, the call is forgotten: an answer that comes later is ignored.
pub(super) struct PendingCall<'a, F: Forget> {
    slot: Arc<Slot>,
    task: &'a F,
}

#[derive(Debug)]
struct Slot(Mutex<State>);

#[derive(Debug)]
enum State {
    Waiting {
        caller: Option<Waker>,
        id: Option<CallId>,
    },
    Settled(CallOutcome),
    /// The caller is gone, or has its outcome.
    Over,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two ends of a new call.
pub(super) fn call_ends<F: Forget>(task: &F) -> (CallTag, PendingCall<'_, F>) {
    let slot = Arc::new(Slot(Mutex::new(State::Waiting { caller: None, id: None })));
    (CallTag(Arc::clone(&slot)), PendingCall { slot, task })
}

impl CallTag {
    /// Whether the caller still waits.
    pub(crate) fn is_wanted(&self) -> bool {
        matches!(*self.0.lock(), State::Waiting { .. })
    }

    /// What a caller needs to remember about its call so as to take it back once it has been sent.
    pub(crate) fn watcher(&self) -> CallWatcher {
        CallWatcher(Arc::clone(&self.0))
    }

    /// Ends the call.
    pub(crate) fn settle(self, outcome: CallOutcome) {
        self.end(outcome);
    }

    fn end(&self, outcome: CallOutcome) {
        let mut state = self.0.lock();
        if let State::Waiting { caller, .. } = &mut *state {
            let caller = caller.take();
            *state = State::Settled(outcome);
            drop(state);
            if let Some(caller) = caller {
                caller.wake();
            }
        }
    }
}

impl Drop for CallTag {
    fn drop(&mut self) {
        self.end(CallOutcome::Closed);
    }
}

/// Tells a caller which call of the endpoint is its own.
pub(crate) struct CallWatcher(Arc<Slot>);

impl CallWatcher {
    /// Returns whether the caller still waits. One that has given up in this moment knew of nothing to take back.
    pub(crate) fn sent_as(&self, sent: CallId) -> bool {
        match &mut *self.0.lock() {
            State::Waiting { id, .. } => {
                *id = Some(sent);
                true
            }
            State::Settled(_) => true,
            State::Over => false,
        }
    }
}

impl<F: Forget> Future for PendingCall<'_, F> {
    type Output = CallOutcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallOutcome> {
        let mut state = self.slot.lock();
        match &mut *state {
            State::Waiting { caller, .. } => {
                *caller = Some(cx.waker().clone());
                Poll::Pending
            }
            State::Settled(_) => match std::mem::replace(&mut *state, State::Over) {
                State::Settled(outcome) => Poll::Ready(outcome),
                State::Waiting { .. } | State::Over => Poll::Ready(CallOutcome::Closed),
            },
            // Polled after it was ready.
            State::Over => Poll::Ready(CallOutcome::Closed),
        }
    }
}

impl<F: Forget> Drop for PendingCall<'_, F> {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *self.slot.lock(), State::Over);
        match before {
            State::Waiting { id: Some(id), .. } => self.task.forget(id),
            State::Waiting { id: None, .. } => self.task.forget_unsent(),
            State::Settled(_) | State::Over => {}
        }
    }
}
