//! A value that tasks wait for.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A value whose changes can be waited for, from any thread and on any runtime.
#[derive(Debug, Default)]
pub struct Watched<T>(Mutex<State<T>>);

#[derive(Debug, Default)]
struct State<T> {
    value: T,
    waiting: Vec<Waker>,
}

impl<T> Watched<T> {
    /// With a first value.
    pub fn new(value: T) -> Self {
        Self(Mutex::new(State { value, waiting: Vec::new() }))
    }

    /// Changes it, and wakes whoever waits.
    pub fn update(&self, change: impl FnOnce(&mut T)) {
        let mut state = self.lock();
        change(&mut state.value);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until it fits. A value that is there only between two looks is not seen.
    pub async fn wait_for(&self, fits: impl Fn(&T) -> bool) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if fits(&state.value) {
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// What it is now.
    pub fn get(&self) -> T
    where
        T: Copy,
    {
        self.lock().value
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
