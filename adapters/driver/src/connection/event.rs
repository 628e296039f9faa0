use super::error::ConnectError;
use bowline_core::CloseReason;
use futures_util::stream::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Events that a stream keeps for somebody who does not look; older ones are dropped.
const KEPT: usize = 64;

/// What happens to a client's connection (PROTOCOL 7). Kurento: `JsonRpcWSConnectionListener`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// Connected for the first time. Kurento: `connected`.
    Connected,
    /// An attempt to connect has failed. Kurento: `connectionFailed`.
    ConnectionFailed {
        /// Why. [`ConnectError::status`] tells a refusal, which may be due to the credentials, from a server that is away.
        error: ConnectError,
        /// The time to the next attempt; `None` if there will be none.
        retry_in: Option<Duration>,
    },
    /// The connection is lost.
    Disconnected,
    /// An attempt to connect again begins. Kurento: `reconnecting`.
    Reconnecting {
        /// Which attempt this is since the connection was lost, from 1.
        attempt: u32,
    },
    /// Connected again. Kurento: `reconnected(sameServer)`.
    Reconnected(SessionKept),
    /// It is over, for good. Kurento: `disconnected`.
    Closed(CloseReason),
}

/// With which session a client came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionKept {
    /// The one that it had.
    Same,
    /// A new one: the server did not know the old one any more. Calls that were in flight have ended as
    /// [`CallError::Interrupted`](crate::CallError::Interrupted).
    New,
}

pub(crate) type EventHook = Box<dyn Fn(&ConnectionEvent) + Send + Sync>;

/// Where a client's events go.
pub(crate) struct Hub {
    hook: Option<EventHook>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    streams: Vec<Weak<Queue>>,
    first: First,
    /// Those who wait for the first connection, or for the end.
    waiting: Vec<Waker>,
    ended: bool,
}

/// How the first connection went.
#[derive(Default)]
enum First {
    #[default]
    Pending,
    Connected,
    Failed(ConnectError),
}

type Queue = Mutex<Pending>;

#[derive(Default)]
struct Pending {
    events: VecDeque<ConnectionEvent>,
    waker: Option<Waker>,
    ended: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn new(hook: Option<EventHook>) -> Self {
        Self { hook, state: Mutex::default() }
    }

    /// Tells everybody. A hook's panic is the caller's.
    pub(crate) fn tell(&self, event: &ConnectionEvent) {
        let mut state = lock(&self.state);
        if *event == ConnectionEvent::Connected {
            state.first = First::Connected;
        }
        let mut wakers = std::mem::take(&mut state.waiting);
        state.streams.retain(|stream| match stream.upgrade() {
            Some(queue) => {
                let mut queue = lock(&queue);
                if queue.events.len() == KEPT {
                    queue.events.pop_front();
                }
                queue.events.push_back(event.clone());
                wakers.extend(queue.waker.take());
                true
            }
            None => false,
        });
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if let Some(hook) = &self.hook {
            hook(event);
        }
    }

    /// There will be no first connection.
    pub(crate) fn fail(&self, error: ConnectError) {
        let mut state = lock(&self.state);
        if let First::Pending = state.first {
            state.first = First::Failed(error);
        }
    }

    /// The task has ended: no more events.
    pub(crate) fn end(&self) {
        self.fail(ConnectError::Closed);
        let mut state = lock(&self.state);
        state.ended = true;
        let mut wakers = std::mem::take(&mut state.waiting);
        for queue in state.streams.drain(..).filter_map(|stream| stream.upgrade()) {
            let mut queue = lock(&queue);
            queue.ended = true;
            wakers.extend(queue.waker.take());
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn wait(state: &mut State, cx: &Context<'_>) {
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
    }

    /// Waits for the first connection.
    pub(crate) fn poll_first(&self, cx: &Context<'_>) -> Poll<Result<(), ConnectError>> {
        let mut state = lock(&self.state);
        match std::mem::take(&mut state.first) {
            First::Pending => {
                Self::wait(&mut state, cx);
                Poll::Pending
            }
            First::Connected => {
                state.first = First::Connected;
                Poll::Ready(Ok(()))
            }
            First::Failed(error) => {
                state.first = First::Failed(ConnectError::Closed);
                Poll::Ready(Err(error))
            }
        }
    }

    /// Waits for the task's end.
    pub(crate) fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.ended {
            return Poll::Ready(());
        }
        Self::wait(&mut state, cx);
        Poll::Pending
    }

    pub(crate) fn events(&self) -> Events {
        let queue = Arc::new(Queue::default());
        let mut state = lock(&self.state);
        if state.ended {
            lock(&queue).ended = true;
        } else {
            // A quiet connection tells nothing that would let go of those that nobody has any more.
            if state.streams.len() == state.streams.capacity() {
                state.streams.retain(|stream| stream.strong_count() > 0);
            }
            state.streams.push(Arc::downgrade(&queue));
        }
        Events(queue)
    }
}

/// A client's events from the moment it was asked for them: a stream that ends with the client.
///
/// It keeps the last 64 for somebody who does not look: who is slower loses the oldest, and is not told. What is lost may be the failures of a long outage, and once many have come, that the connection
/// was lost at all; the newest, and the end, are always there. [`Client::is_connected`](crate::Client::is_connected) says how things are;
/// [`ClientBuilder::on_event`](crate::ClientBuilder::on_event) misses nothing.
pub struct Events(Arc<Queue>);

impl Events {
    /// The next event; `None` when the client is closed.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = ConnectionEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ConnectionEvent>> {
        let mut queue = lock(&self.0);
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_keeps_the_last_events_and_ends_with_the_client() {
        let hub = Hub::new(None);
        let mut events = hub.events();
        for attempt in 0..100 {
            hub.tell(&ConnectionEvent::Reconnecting { attempt });
        }
        hub.end();
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = || Pin::new(&mut events).poll_next(&mut cx);
        for attempt in 36..100 {
            assert_eq!(next(), Poll::Ready(Some(ConnectionEvent::Reconnecting { attempt })));
        }
        assert_eq!(next(), Poll::Ready(None));
        assert!(matches!(hub.poll_first(&cx), Poll::Ready(Err(ConnectError::Closed))));
    }

    #[test]
    fn streams_that_nobody_has_any_more_are_forgotten() {
        let hub = Hub::new(None);
        let kept = hub.events();
        for _ in 0..10_000 {
            drop(hub.events());
        }
        assert!(lock(&hub.state).streams.capacity() < 16);
        hub.tell(&ConnectionEvent::Connected);
        assert_eq!(lock(&kept.0).events.len(), 1);
    }
}
