use crate::metrics::Occupancy;
use bowline_core::Limits;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// The name of a bound with which no session could do anything.
pub(crate) fn zero_limit(limits: &Limits) -> Option<&'static str> {
    let all = [
        (limits.message_bytes, "max_message_size"),
        (limits.outbox_messages, "outbox_messages"),
        (limits.outbox_bytes, "outbox_bytes"),
        (limits.in_flight, "in_flight"),
        (limits.queued_bytes, "queued_bytes"),
        (limits.calls, "calls"),
    ];
    all.into_iter().find_map(|(bound, name)| (bound == 0).then_some(name))
}

/// Counts those inside, and lets no more in than `max`.
pub(crate) struct Gate {
    inside: AtomicUsize,
    max: usize,
    shown: Occupancy,
    waiting: Mutex<Vec<Waker>>,
}

/// A place inside; given back when dropped.
pub(crate) struct Permit(Arc<Gate>);

impl Gate {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Self::shown(max, Occupancy::default())
    }

    /// One that shows how many are inside.
    pub(crate) fn shown(max: usize, shown: Occupancy) -> Arc<Self> {
        Arc::new(Self { inside: AtomicUsize::new(0), max, shown, waiting: Mutex::default() })
    }

    /// A place, if there is one.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Permit> {
        self.inside.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < self.max).then_some(n + 1)).ok()?;
        self.shown.enter();
        Some(Permit(Arc::clone(self)))
    }

    /// How many are inside.
    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire)
    }

    /// Ready when nobody is inside.
    pub(crate) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.inside.load(Ordering::Acquire) == 0 {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.shown.leave();
        if self.0.inside.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiting = std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_gate_opens_again_when_somebody_leaves() {
        let gate = Gate::new(2);
        let cx = Context::from_waker(Waker::noop());
        assert!(gate.poll_empty(&cx).is_ready());
        let first = gate.enter().unwrap();
        let _second = gate.enter().unwrap();
        assert!(gate.enter().is_none() && gate.poll_empty(&cx).is_pending());
        drop(first);
        assert!(gate.enter().is_some());
    }
}
