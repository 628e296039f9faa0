//! How every TCP connection is set, whatever the runtime.

use socket2::{SockRef, TcpKeepalive};
use std::time::Duration;

/// After this long without a byte the kernel asks whether the peer is still there, and then this often; three to ten times, as the system has it.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));

/// Sets what each TCP connection should have: no delay, and keepalive. A [`Runtime`](crate::Runtime) calls it with every one it accepts or opens.
///
/// A socket that refuses is no worse than before, so that is no error.
pub fn tune_tcp<'s>(socket: impl Into<SockRef<'s>>) {
    let socket = socket.into();
    // Answers are small and awaited.
    let _ = socket.set_tcp_nodelay(true);
    // A peer that is gone without a word would keep an idle connection for ever.
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1));
}
