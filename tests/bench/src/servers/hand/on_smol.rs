use super::{Shared, Socket, connection};
use crate::servers::{ANY_PORT, check_head, say};
use anyhow::Result;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, LocalExecutor, Timer};
use std::io::{ErrorKind, Read, Result as IoResult, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The reference on smol, each connection a task.
pub(crate) fn serve() -> Result<()> {
    let shared = Shared::new();
    let executor = Rc::new(LocalExecutor::new());
    let accepting = async {
        let listener = Async::<TcpListener>::bind(ANY_PORT)?;
        say(listener.get_ref().local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.get_ref().set_nodelay(true)?;
            executor.spawn(connection(SmolSocket { stream, drained: false }, Rc::clone(&shared))).detach();
        }
    };
    smol::block_on(executor.run(accepting))
}

struct SmolSocket {
    stream: Async<TcpStream>,
    /// The last read took all that there was: another one would be in vain. tokio does the same.
    drained: bool,
}

impl Socket for SmolSocket {
    async fn upgrade(&mut self) -> Result<()> {
        let (mut head, mut chunk) = (Vec::with_capacity(512), [0; 512]);
        let answer = loop {
            let n = self.stream.read(&mut chunk).await?;
            head.extend_from_slice(&chunk[..n]);
            if let Some(answer) = check_head(&head, n)? {
                break answer;
            }
        };
        Ok(self.stream.write_all(answer.as_bytes()).await?)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<IoResult<usize>> {
        loop {
            if self.drained {
                ready!(self.stream.poll_readable(cx))?;
            }
            match self.stream.get_ref().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.drained = true,
                read => {
                    self.drained = read.as_ref().is_ok_and(|n| *n < buffer.len());
                    return Poll::Ready(read);
                }
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.stream.poll_writable(cx))?,
                written => return Poll::Ready(written),
            }
        }
    }

    fn try_write(&self, bytes: &[u8]) -> IoResult<usize> {
        self.stream.get_ref().write(bytes)
    }

    fn sleep(time: Duration) -> impl Future {
        Timer::after(time)
    }
}
