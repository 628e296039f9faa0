//! The conformance kit catches what it is for: runtimes that are sound but for one planted fault.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "in a test a panic is the failure")]

use bowline::{BoxStream, Runtime, Timer};
use bowline_tests::conformance::{ThreadRuntime, ThreadTimer, scenarios};
use futures_util::{AsyncRead, AsyncWrite, FutureExt};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    TasksAreForgotten,
    TasksArePolledOnce,
    TimersNeverFire,
    TimersFireEarly,
    TimersFireOnce,
    TimersCannotBeSetAnew,
    PortsAreNotSaid,
    BytesAreLost,
    BytesAreSwapped,
    ClosingIsOnlyFlushing,
    DroppedStreamsStayOpen,
    EverythingIsTaken,
    AcceptLosesWhatItDropped,
    ConnectingNeverFails,
    PeersAreConfused,
}

/// A sound runtime with a fault.
#[derive(Clone)]
struct Faulty {
    fault: Fault,
    count: Arc<AtomicU64>,
    kept: Arc<Mutex<Vec<BoxStream>>>,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        Self { fault, count: Arc::default(), kept: Arc::default() }
    }

    fn wrap(&self, stream: BoxStream) -> BoxStream {
        Box::new(FaultyStream { runtime: self.clone(), stream: Some(stream) })
    }
}

impl Runtime for Faulty {
    type Listener = <ThreadRuntime as Runtime>::Listener;
    type Timer = FaultyTimer;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        match self.fault {
            Fault::TasksAreForgotten if self.count.fetch_add(1, Ordering::Relaxed) % 7 == 6 => {}
            Fault::TasksArePolledOnce => {
                // As far as it goes at once, and no further.
                let _ = future.now_or_never();
            }
            _ => ThreadRuntime.spawn(future),
        }
    }

    fn timer(&self, at: Instant) -> FaultyTimer {
        let at = if self.fault == Fault::TimersFireEarly { at - Duration::from_millis(10) } else { at };
        FaultyTimer { fault: self.fault, timer: ThreadRuntime.timer(at), fired: false }
    }

    async fn bind(&self, address: &str) -> io::Result<(Self::Listener, SocketAddr)> {
        let (listener, local) = ThreadRuntime.bind(address).await?;
        let said = if self.fault == Fault::PortsAreNotSaid { address.parse().unwrap() } else { local };
        Ok((listener, said))
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<(BoxStream, Option<SocketAddr>)> {
        let (stream, peer) = ThreadRuntime.accept(listener).await?;
        if self.fault == Fault::AcceptLosesWhatItDropped {
            // What it has taken waits here, where it may be dropped.
            let mut timer = ThreadRuntime.timer(Instant::now() + Duration::from_millis(5));
            std::future::poll_fn(|cx| timer.poll(cx)).await;
        }
        let peer = if self.fault == Fault::PeersAreConfused { Some(([127, 0, 0, 1], 1).into()) } else { peer };
        Ok((self.wrap(stream), peer))
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        ThreadRuntime.resolve(host, port).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<BoxStream> {
        match ThreadRuntime.connect(address).await {
            Err(_) if self.fault == Fault::ConnectingNeverFails => std::future::pending().await,
            outcome => outcome.map(|stream| self.wrap(stream)),
        }
    }
}

struct FaultyTimer {
    fault: Fault,
    timer: ThreadTimer,
    fired: bool,
}

impl Timer for FaultyTimer {
    fn set(&mut self, at: Instant) {
        self.fired = false;
        if self.fault != Fault::TimersCannotBeSetAnew {
            self.timer.set(at);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.fault == Fault::TimersNeverFire || (self.fault == Fault::TimersFireOnce && self.fired) {
            return Poll::Pending;
        }
        ready!(self.timer.poll(cx));
        self.fired = true;
        Poll::Ready(())
    }
}

struct FaultyStream {
    runtime: Faulty,
    stream: Option<BoxStream>,
}

impl FaultyStream {
    fn inner(&mut self) -> Pin<&mut BoxStream> {
        Pin::new(self.stream.as_mut().unwrap())
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(self.inner().poll_read(cx, buffer))?;
        if self.runtime.fault == Fault::BytesAreSwapped && read > 1 {
            buffer.swap(0, 1);
        }
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.runtime.fault {
            // It says that it wrote one more than it did.
            Fault::BytesAreLost if buffer.len() > 1 => self.inner().poll_write(cx, &buffer[1..]).map_ok(|written| written + 1),
            Fault::EverythingIsTaken => match self.inner().poll_write(cx, buffer) {
                Poll::Pending => Poll::Ready(Ok(buffer.len())),
                written => written,
            },
            _ => self.inner().poll_write(cx, buffer),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.runtime.fault {
            Fault::ClosingIsOnlyFlushing => self.inner().poll_flush(cx),
            _ => self.inner().poll_close(cx),
        }
    }
}

impl Drop for FaultyStream {
    fn drop(&mut self) {
        if self.runtime.fault == Fault::DroppedStreamsStayOpen {
            self.runtime.kept.lock().unwrap().extend(self.stream.take());
        }
    }
}

/// Whether the scenario of this name fails on a runtime with `fault`.
fn catches(name: &str, fault: Fault) -> bool {
    let scenario = scenarios::<Faulty>().into_iter().find(|scenario| scenario.name() == name).unwrap();
    // What hangs hangs for ever: how long one looks on is a matter of taste.
    let patience = if fault == Fault::None { Duration::from_secs(30) } else { Duration::from_secs(2) };
    scenario.run(&Faulty::new(fault), patience).is_err()
}

#[test]
fn each_fault_is_caught_by_the_scenario_that_is_there_for_it() {
    for (fault, name) in [
        (Fault::TasksAreForgotten, "tasks_run_though_nobody_waits_for_them"),
        (Fault::TasksArePolledOnce, "a_task_that_waits_holds_up_no_other"),
        (Fault::TimersNeverFire, "a_timer_fires_at_its_time_and_not_before"),
        (Fault::TimersFireEarly, "a_timer_fires_at_its_time_and_not_before"),
        (Fault::TimersFireOnce, "a_timer_that_has_fired_stays_ready_until_it_is_set"),
        (Fault::TimersCannotBeSetAnew, "a_timer_can_be_set_to_earlier_and_to_later"),
        (Fault::PortsAreNotSaid, "port_0_takes_a_free_port_and_says_which"),
        (Fault::BytesAreLost, "bytes_arrive_whole_and_in_order_both_ways_at_once"),
        (Fault::BytesAreSwapped, "bytes_arrive_whole_and_in_order_both_ways_at_once"),
        (Fault::ClosingIsOnlyFlushing, "a_stream_that_is_closed_ends_in_one_direction"),
        (Fault::DroppedStreamsStayOpen, "a_stream_that_is_dropped_ends"),
        (Fault::EverythingIsTaken, "a_peer_that_does_not_read_makes_the_writer_wait"),
        (Fault::AcceptLosesWhatItDropped, "accepting_loses_no_connection_when_it_is_dropped"),
        (Fault::ConnectingNeverFails, "a_connection_to_nobody_fails"),
        (Fault::PeersAreConfused, "the_address_of_a_peer_is_its_own"),
    ] {
        assert!(!catches(name, Fault::None), "{name} fails without a fault");
        assert!(catches(name, fault), "{name} does not catch {fault:?}");
    }
}

#[test]
fn a_failure_says_what_is_wrong() {
    let scenario = scenarios::<Faulty>().into_iter().find(|scenario| scenario.name() == "the_address_of_a_peer_is_its_own").unwrap();
    let why = scenario.run(&Faulty::new(Fault::PeersAreConfused), Duration::from_secs(30)).unwrap_err();
    assert!(why.contains("is said to be Some(127.0.0.1:1)"), "{why}");
}
