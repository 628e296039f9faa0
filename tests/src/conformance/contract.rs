//! What the trait itself promises: tasks, timers, sockets.

use super::Outcome;
use crate::sockets::Rig;
use bowline::{BoxStream, Runtime, Timer};
use futures_util::future::{Either, join, join_all, pending, select, try_join, try_join_all};
use futures_util::{AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt, poll};
use std::future::poll_fn;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

type Tried<T> = Result<T, Box<dyn std::error::Error>>;

const SOON: Duration = Duration::from_millis(20);
/// No test lasts as long.
const NEVER: Duration = Duration::from_secs(24 * 3600);

fn expect(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}

async fn fired(timer: &mut impl Timer) {
    poll_fn(|cx| timer.poll(cx)).await;
}

fn is_ready(timer: &mut impl Timer) -> bool {
    timer.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// A connection of the runtime to itself: both ends.
async fn connection<R: Runtime>(runtime: &R) -> Tried<[BoxStream; 2]> {
    let (listener, address) = runtime.bind("127.0.0.1:0").await?;
    let (near, (far, _)) = try_join(runtime.connect(address), runtime.accept(&listener)).await?;
    Ok([near, far])
}

pub(super) async fn tasks_run_though_nobody_waits_for_them(runtime: impl Runtime) -> Outcome {
    let (send, done) = async_channel::unbounded();
    for number in 0..100_u32 {
        let (inner, send) = (runtime.clone(), send.clone());
        runtime.spawn(async move { inner.spawn(async move { send.try_send(number).unwrap_or_default() }) });
    }
    let mut seen = Vec::new();
    while seen.len() < 100 {
        seen.push(done.recv().await?);
    }
    seen.sort_unstable();
    expect(seen == (0..100).collect::<Vec<_>>(), "a task ran twice, and another never")
}

pub(super) async fn a_task_that_waits_holds_up_no_other(runtime: impl Runtime) -> Outcome {
    let waiting: Vec<_> = (0..50).map(|_| runtime.start(pending::<()>())).collect();
    // Two that need each other.
    let ((ping, pinged), (pong, ponged)) = (async_channel::bounded(1), async_channel::bounded(1));
    let back = runtime.start(async move {
        while let Ok(number @ 0..100_u32) = pinged.recv().await
            && pong.send(number).await.is_ok()
        {}
    });
    for number in 0..100 {
        ping.send(number).await?;
        expect(ponged.recv().await? == number, "a message is another")?;
    }
    ping.send(100).await?;
    back.await;
    drop(waiting);
    Ok(())
}

pub(super) async fn a_timer_fires_at_its_time_and_not_before(runtime: impl Runtime) -> Outcome {
    for time in [Duration::from_millis(1), SOON, Duration::from_millis(70)] {
        let at = Instant::now() + time;
        fired(&mut runtime.timer(at)).await;
        expect(Instant::now() >= at, &format!("a timer for {time:?} fired early"))?;
    }
    Ok(())
}

pub(super) async fn a_timer_whose_time_has_passed_is_ready(runtime: impl Runtime) -> Outcome {
    let now = Instant::now();
    let mut timer = runtime.timer(now);
    fired(&mut timer).await;
    timer.set(now);
    fired(&mut timer).await;
    Ok(())
}

pub(super) async fn a_timer_that_has_fired_stays_ready_until_it_is_set(runtime: impl Runtime) -> Outcome {
    let mut timer = runtime.timer(Instant::now() + SOON);
    for _ in 0..3 {
        fired(&mut timer).await;
        expect(is_ready(&mut timer) && is_ready(&mut timer), "it has fired, and is not ready when it is asked again")?;
        timer.set(Instant::now() + NEVER);
        expect(!is_ready(&mut timer), "it is ready long before the time to which it was set")?;
        timer.set(Instant::now() + SOON);
    }
    Ok(())
}

pub(super) async fn a_timer_can_be_set_to_earlier_and_to_later(runtime: impl Runtime) -> Outcome {
    let mut timer = runtime.timer(Instant::now() + NEVER);
    expect(!is_ready(&mut timer), "it is ready at once")?;
    timer.set(Instant::now() + SOON);
    fired(&mut timer).await;
    timer.set(Instant::now() + SOON);
    // So that it waits.
    let _ = is_ready(&mut timer);
    timer.set(Instant::now() + NEVER);
    // By then the time has come to which it was set before.
    fired(&mut runtime.timer(Instant::now() + 3 * SOON)).await;
    expect(!is_ready(&mut timer), "it fires at the time to which it was set before")
}

pub(super) async fn a_timer_wakes_whoever_polled_it_last(runtime: impl Runtime) -> Outcome {
    let mut timer = runtime.timer(Instant::now() + 2 * SOON);
    // This one cannot be woken.
    let _ = is_ready(&mut timer);
    runtime
        .start(async move {
            fired(&mut timer).await;
            timer
        })
        .await;
    Ok(())
}

pub(super) async fn a_timer_wakes_however_much_its_task_has_done_before(runtime: impl Runtime) -> Outcome {
    let [mut near, _far] = connection(&runtime).await?;
    let at = Instant::now() + 2 * SOON;
    let mut timer = runtime.timer(at);
    let (note, wakes) = async_channel::unbounded();
    let waker = Waker::from(Arc::new(Noted(note.clone())));
    let kept = runtime
        .start(async move {
            poll_fn(|cx| {
                // Some runtimes let a task do so much at once, and then put off whatever it asks for.
                for _ in 0..1000 {
                    if Pin::new(&mut near).poll_write(cx, b"x").is_pending() {
                        break;
                    }
                }
                if timer.poll(&mut Context::from_waker(&waker)).is_ready() {
                    let _ = note.try_send(Instant::now());
                }
                Poll::Ready(())
            })
            .await;
            (near, timer)
        })
        .await;
    // To be woken early does no harm.
    while wakes.recv().await? < at {}
    drop(kept);
    Ok(())
}

/// Notes when it was woken.
struct Noted(async_channel::Sender<Instant>);

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        let _ = self.0.try_send(Instant::now());
    }
}

pub(super) async fn a_timer_may_be_set_to_a_time_that_never_comes(runtime: impl Runtime) -> Outcome {
    let far = Instant::now() + Duration::from_secs(100 * 365 * 24 * 3600);
    let mut timer = runtime.timer(far);
    expect(!is_ready(&mut timer), "a timer for the next century is ready")?;
    timer.set(Instant::now() + SOON);
    fired(&mut timer).await;
    Ok(())
}

pub(super) async fn thousands_of_timers_fire(runtime: impl Runtime) -> Outcome {
    let now = Instant::now();
    let mut timers: Vec<_> =
        (0..2000_u32).map(|number| runtime.timer(now + Duration::from_micros(u64::from(number * 37 % 2000) * 20))).collect();
    join_all(timers.iter_mut().map(fired)).await;
    Ok(())
}

pub(super) async fn port_0_takes_a_free_port_and_says_which(runtime: impl Runtime) -> Outcome {
    let (_one, first) = runtime.bind("127.0.0.1:0").await?;
    let (_two, second) = runtime.bind("127.0.0.1:0").await?;
    expect(first.port() != 0 && first.ip().is_loopback(), &format!("it says {first}"))?;
    expect(first != second, "two listeners have one port")?;
    TcpStream::connect(first).map_err(|error| format!("nobody listens on {first}: {error}"))?;
    Ok(())
}

pub(super) async fn a_port_in_use_is_an_error(runtime: impl Runtime) -> Outcome {
    let (_listener, address) = runtime.bind("127.0.0.1:0").await?;
    expect(runtime.bind(&address.to_string()).await.is_err(), "two listeners have one port")?;
    expect(runtime.bind("no address").await.is_err(), "it listens on what is no address")
}

/// What `number` is the seed of.
fn pattern(number: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at as u64).wrapping_mul(0x9e37_79b9).to_le_bytes()[2] ^ number).collect()
}

pub(super) async fn bytes_arrive_whole_and_in_order_both_ways_at_once(runtime: impl Runtime) -> Outcome {
    const LEN: usize = 2 << 20;
    let ends = connection(&runtime).await?;
    let busy = ends.into_iter().zip([(1, 2), (2, 1)]).map(|(end, (mine, theirs))| {
        let (mut from, mut to) = end.split();
        let sending = async move {
            // In pieces of all sizes.
            let mut size = 1;
            for rest in pattern(mine, LEN).chunks(60_013) {
                for piece in rest.chunks(size) {
                    to.write_all(piece).await?;
                }
                size = size * 7 % 20_011;
            }
            to.flush().await?;
            Ok::<_, io::Error>(to)
        };
        let receiving = async move {
            let mut seen = vec![0; LEN];
            from.read_exact(&mut seen).await?;
            Ok(seen == pattern(theirs, LEN))
        };
        try_join(sending, receiving)
    });
    let same = try_join_all(busy).await?.into_iter().all(|(_, same)| same);
    expect(same, "what arrives is not what was sent")
}

pub(super) async fn a_stream_that_is_closed_ends_in_one_direction(runtime: impl Runtime) -> Outcome {
    let [mut near, mut far] = connection(&runtime).await?;
    near.write_all(b"the last word").await?;
    near.close().await?;
    let mut seen = Vec::new();
    far.read_to_end(&mut seen).await?;
    expect(seen == b"the last word", "what was sent before the end is not what arrived")?;
    far.write_all(b"an answer").await?;
    far.close().await?;
    seen.clear();
    near.read_to_end(&mut seen).await?;
    expect(seen == b"an answer", "what came from the other side was lost")
}

pub(super) async fn a_stream_that_is_dropped_ends(runtime: impl Runtime) -> Outcome {
    for _ in 0..2 {
        let [near, mut far] = connection(&runtime).await?;
        drop(near);
        // In order or by a reset: both are an end.
        let mut seen = Vec::new();
        let _ = far.read_to_end(&mut seen).await;
        expect(seen.is_empty(), "something came out of nothing")?;
    }
    Ok(())
}

pub(super) async fn a_peer_that_does_not_read_makes_the_writer_wait(runtime: impl Runtime) -> Outcome {
    /// More than any socket keeps.
    const TOO_MUCH: usize = 64 << 20;
    let [mut near, far] = connection(&runtime).await?;
    let piece = vec![b'x'; 64 * 1024];
    let mut taken = 0;
    // Ends when it has waited for so long that it must be the peer for whom it waits.
    loop {
        let mut timer = runtime.timer(Instant::now() + 10 * SOON);
        let step = poll_fn(|cx| match near.write(&piece).poll_unpin(cx) {
            Poll::Ready(written) => Poll::Ready(Some(written)),
            Poll::Pending => timer.poll(cx).map(|()| None),
        });
        match step.await {
            Some(written) => taken += written?,
            None => break,
        }
        expect(taken <= TOO_MUCH, "it has taken 64 MiB that nobody reads")?;
    }
    // And nothing of it is lost.
    let reading = async move {
        let mut seen = Vec::new();
        let mut far = far;
        far.read_to_end(&mut seen).await.map(|_| seen.len())
    };
    let (seen, closed) = join(reading, async move { near.close().await.map(|()| near) }).await;
    closed?;
    expect(seen? == taken, "some of what it took was lost")
}

pub(super) async fn accepting_loses_no_connection_when_it_is_dropped(runtime: impl Runtime) -> Outcome {
    const COUNT: usize = 20;
    let (listener, address) = runtime.bind("127.0.0.1:0").await?;
    let mut accepted = 0;
    let mut clients = Vec::new();
    for number in 0..COUNT {
        let nothing_came = poll!(pin!(runtime.accept(&listener))).is_pending();
        expect(nothing_came || accepted < clients.len(), "it accepts what nobody opened")?;
        accepted += usize::from(!nothing_came);
        clients.push(TcpStream::connect(address)?);
        // Dropped at any time while that comes.
        let moment = runtime.sleep(Duration::from_millis(number as u64 % 4));
        if let Either::Left((incoming, _)) = select(pin!(runtime.accept(&listener)), pin!(moment)).await {
            incoming?;
            accepted += 1;
        }
    }
    while accepted < COUNT {
        runtime.accept(&listener).await?;
        accepted += 1;
    }
    Ok(())
}

pub(super) async fn many_connections_are_opened_at_once(runtime: impl Runtime) -> Outcome {
    const COUNT: u8 = 50;
    let (listener, address) = runtime.bind("127.0.0.1:0").await?;
    let accepting = async {
        let mut seen = Vec::new();
        for _ in 0..COUNT {
            let (mut stream, _) = runtime.accept(&listener).await?;
            let mut byte = [0];
            stream.read_exact(&mut byte).await?;
            stream.write_all(&byte).await?;
            stream.flush().await?;
            seen.push((byte[0], stream));
        }
        Ok(seen)
    };
    let opening = try_join_all((0..COUNT).map(async |number| {
        let mut stream = runtime.connect(address).await?;
        stream.write_all(&[number]).await?;
        stream.flush().await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        Ok::<_, io::Error>(byte[0] == number)
    }));
    let (mut accepted, answered) = try_join(accepting, opening).await?;
    accepted.sort_unstable_by_key(|(number, _)| *number);
    expect(answered.into_iter().all(|own| own), "a connection has the answer of another")?;
    expect(accepted.iter().map(|(number, _)| *number).eq(0..COUNT), "a connection came twice, and another never")
}

pub(super) async fn the_address_of_a_peer_is_its_own(runtime: impl Runtime) -> Outcome {
    let (listener, address) = runtime.bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(address)?;
    let (_stream, peer) = runtime.accept(&listener).await?;
    let own: SocketAddr = client.local_addr()?;
    expect(peer == Some(own), &format!("{own} is said to be {peer:?}"))
}

pub(super) async fn a_connection_to_nobody_fails(runtime: impl Runtime) -> Outcome {
    // The port was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    expect(runtime.connect(address).await.is_err(), "it is connected, and nobody listens")?;
    let none = runtime.resolve("no-such-host.invalid", 80).await.is_ok_and(|addresses| !addresses.is_empty());
    expect(!none, "a name that cannot exist has an address")
}

pub(super) async fn a_name_has_addresses(runtime: impl Runtime) -> Outcome {
    let addresses = runtime.resolve("localhost", 1234).await?;
    let loopback = addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 1234);
    expect(loopback && !addresses.is_empty(), &format!("localhost is said to be at {addresses:?}"))
}

pub(super) async fn an_ipv6_address_stands_without_brackets(runtime: impl Runtime) -> Outcome {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        // This machine has no IPv6.
        return Ok(());
    }
    let (listener, address) = runtime.bind("[::1]:0").await?;
    let found = runtime.resolve("::1", address.port()).await?;
    expect(found == [address], &format!("{address} is said to be {found:?}"))?;
    try_join(runtime.connect(address), runtime.accept(&listener)).await?;
    Ok(())
}

#[cfg(unix)]
pub(super) async fn a_unix_socket_is_adopted_or_refused(runtime: impl Runtime) -> Outcome {
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("bowline-conformance-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let listener = UnixListener::bind(&path)?;
    let client = UnixStream::connect(&path);
    std::fs::remove_file(&path)?;
    listener.set_nonblocking(true)?;
    let listener = match runtime.adopt_unix(listener) {
        Ok(listener) => listener,
        Err(error) => return expect(error.kind() == io::ErrorKind::Unsupported, &format!("it is refused: {error}")),
    };
    let (mut stream, peer) = runtime.accept(&listener).await?;
    expect(peer.is_none(), "it has an address")?;
    client?.write_all(b"hello")?;
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen).await?;
    expect(seen == b"hello", "what arrives is not what was sent")
}

#[cfg(not(unix))]
pub(super) async fn a_unix_socket_is_adopted_or_refused(_: impl Runtime) -> Outcome {
    Ok(())
}
