use super::websocket::WebSocket;
use crate::clock;
use crate::runtime::{Runtime, timeout};
use bowline_core::Close;
use std::future::poll_fn;
use std::io;
use std::task::{Poll, ready};
use std::time::Duration;

/// How long a closed connection may take to go: Kurento's Java client answers no Close frame (PROTOCOL 4).
const LINGER: Duration = Duration::from_secs(2);

/// Closes `transport` beside everything else, after what it has still to write.
pub(crate) fn close_in_background<R: Runtime>(runtime: &R, mut transport: WebSocket, close: Close) {
    transport.write_close(close);
    finish_in_background(runtime, transport);
}

/// Writes what `transport` still has to write, and lets it go.
pub(crate) fn finish_in_background<R: Runtime>(runtime: &R, mut transport: WebSocket) {
    let timer = runtime.timer(clock::to_std(clock::now() + LINGER));
    runtime.spawn(async move {
        let _ = timeout(timer, finish(&mut transport)).await;
    });
}

async fn finish(transport: &mut WebSocket) -> io::Result<()> {
    poll_fn(|cx| transport.poll_flush(cx)).await?;
    poll_fn(|cx| transport.poll_shutdown(cx)).await?;
    // What the peer sends meanwhile has to be taken: closing a socket with unread bytes resets it, and the peer might
    // never see the Close frame.
    let mut scratch = [0; 1024];
    poll_fn(|cx| {
        loop {
            if ready!(transport.poll_discard(cx, &mut scratch))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    })
    .await
}
