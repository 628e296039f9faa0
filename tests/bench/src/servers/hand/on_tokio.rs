use super::{Shared, Socket, connection};
use crate::servers::{ANY_PORT, say, upgrade};
use anyhow::Result;
use std::io::Result as IoResult;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// The reference on tokio, each connection a task.
pub(crate) async fn serve() -> Result<()> {
    let shared = Shared::new();
    let accepting = async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        say(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(connection(stream, Rc::clone(&shared)));
        }
    };
    LocalSet::new().run_until(accepting).await
}

impl Socket for TcpStream {
    async fn upgrade(&mut self) -> Result<()> {
        upgrade(self).await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<IoResult<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(AsyncRead::poll_read(Pin::new(self), cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        AsyncWrite::poll_write(Pin::new(self), cx, bytes)
    }

    fn try_write(&self, bytes: &[u8]) -> IoResult<usize> {
        Self::try_write(self, bytes)
    }

    fn sleep(time: Duration) -> impl Future {
        tokio::time::sleep(time)
    }
}
