use super::websocket::WebSocket;
use crate::clock;
use crate::runtime::{BoxStream, Runtime, timeout};
use bowline_core::Close;
use futures_io::AsyncRead;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How long a closed connection may take to go: Kurento's Java client answers no Close frame (PROTOCOL 4).
const LINGER: Duration = Duration::from_secs(2);

/// So many reads, of a kilobyte, before others get their turn.
const DISCARDS: usize = 16;

/// Closes `transport` beside everything else, after what it has still to write.
pub(crate) fn close_in_background<R: Runtime>(runtime: &R, mut transport: WebSocket, close: Close) {
    transport.write_close(close);
    finish_in_background(runtime, transport);
}

/// Writes what `transport` still has to write, and lets it go.
pub(crate) fn finish_in_background<R: Runtime>(runtime: &R, mut transport: WebSocket) {
    let timer = runtime.timer(clock::std_after(LINGER));
    runtime.spawn(async move {
        let _ = timeout(timer, finish(&mut transport)).await;
    });
}

/// Lets a connection go that is closed in our direction.
pub(crate) async fn linger<R: Runtime>(runtime: &R, stream: &mut BoxStream) {
    let timer = runtime.timer(clock::std_after(LINGER));
    let _ = timeout(timer, discard(|cx, buf| Pin::new(&mut *stream).poll_read(cx, buf))).await;
}

async fn finish(transport: &mut WebSocket) -> io::Result<()> {
    poll_fn(|cx| transport.poll_flush(cx)).await?;
    poll_fn(|cx| transport.poll_shutdown(cx)).await?;
    discard(|cx, buf| transport.poll_discard(cx, buf)).await
}

/// Takes what the peer still sends: closing a socket with unread bytes resets it, and the peer might never see what was said last.
async fn discard(mut read: impl FnMut(&mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>>) -> io::Result<()> {
    let mut scratch = [0; 1024];
    poll_fn(|cx| {
        for _ in 0..DISCARDS {
            if ready!(read(cx, &mut scratch))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        // Who sends without end has no thread to itself, and no more time than others.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Side, TransportInfo, TransportKind};
    use futures_io::AsyncWrite;
    use std::future::Future;
    use std::pin::pin;
    use std::task::Waker;

    /// A peer that sends without end.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }
    }

    impl AsyncWrite for Endless {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn who_sends_without_end_gives_way_to_the_others() {
        let info = TransportInfo::new(TransportKind::WebSocket, None, http::HeaderMap::new());
        let mut transport = WebSocket::new(Box::new(Endless), Vec::new(), Side::Server, 1024, info, None);
        transport.write_close(Close::NORMAL);
        let mut closing = pin!(finish(&mut transport));
        for _ in 0..100 {
            assert!(closing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
}
