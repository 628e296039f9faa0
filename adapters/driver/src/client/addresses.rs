//! Which of a host's addresses a client gets its connection from (RFC 8305).

use crate::runtime::{BoxStream, Runtime, Timer};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long an attempt is waited for before the next one begins beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the address of `host` that answers first. One that is silent costs a quarter of a second, and not the time that connecting may take.
pub(super) async fn connect<R: Runtime>(runtime: &R, host: &str, port: u16) -> io::Result<BoxStream> {
    let mut addresses = in_turns(runtime.resolve(host, port).await?).into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut timer = runtime.timer(Instant::now() + HEAD_START);
    let mut failure = None;
    poll_fn(|cx| {
        loop {
            match attempts.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(stream))) => return Poll::Ready(Ok(stream)),
                Poll::Ready(Some(Err(error))) => failure = Some(error),
                Poll::Ready(None) => {}
                Poll::Pending if addresses.as_slice().is_empty() || timer.poll(cx).is_pending() => return Poll::Pending,
                Poll::Pending => {}
            }
            if let Some(address) = addresses.next() {
                attempts.push(runtime.connect(address));
                timer.set(Instant::now() + HEAD_START);
            } else if attempts.is_empty() {
                let none = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
                return Poll::Ready(Err(failure.take().unwrap_or_else(none)));
            }
        }
    })
    .await
}

/// `addresses` so that IPv6 and IPv4 take turns, beginning with the first one's: else all that are tried first might be of a kind that leads nowhere (RFC 8305 section 4).
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let mut numbered = [0_usize; 2];
    let mut turns: Vec<_> = addresses
        .into_iter()
        .map(|address| {
            let other = usize::from(address.is_ipv6() != first_is_v6);
            numbered[other] += 1;
            (numbered[other], other, address)
        })
        .collect();
    turns.sort_by_key(|(number, other, _)| (*number, *other));
    turns.into_iter().map(|(_, _, address)| address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_addresses_take_turns() {
        let list = |text: &str| text.split(' ').map(|ip| SocketAddr::new(ip.parse().unwrap(), 1)).collect::<Vec<_>>();
        for (given, tried) in [
            ("::1 ::2 ::3 1.1.1.1 1.1.1.2", "::1 1.1.1.1 ::2 1.1.1.2 ::3"),
            ("1.1.1.1 ::1 ::2", "1.1.1.1 ::1 ::2"),
            ("1.1.1.1 1.1.1.2", "1.1.1.1 1.1.1.2"),
        ] {
            assert_eq!(in_turns(list(given)), list(tried));
        }
        assert!(in_turns(Vec::new()).is_empty());
    }
}
