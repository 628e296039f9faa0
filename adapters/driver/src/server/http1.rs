//! A connection that carries requests of HTTP/1.1 (RFC 9112).

use super::head::{self, Body, Caller, Persistence, Refusal, RequestHead};
use crate::runtime::{BoxStream, Runtime, timeout};
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use http::{Response, StatusCode};
use std::io;
use std::time::Instant;

/// Bytes of what stands behind the last chunk of a body, which nobody wants.
const MAX_TRAILERS: usize = 4096;

pub(super) struct Http1 {
    pub(super) stream: BoxStream,
    /// What was read and is not used up.
    pub(super) unread: Vec<u8>,
}

impl Http1 {
    pub(super) fn new(stream: BoxStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Reads more. An error if nothing more will come.
    async fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 2048];
        let n = self.stream.read(&mut chunk).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&chunk[..n]);
        Ok(())
    }

    /// The head of the next request, of at most `max` bytes.
    pub(super) async fn read_head(&mut self, max: usize, caller: &Caller) -> io::Result<Result<RequestHead, Refusal>> {
        loop {
            // Empty lines may stand in front of it, and nothing else (RFC 9112 section 2.2), but not without end.
            match head::parse(&self.unread, caller) {
                Ok(Some((head, length))) if length <= max => {
                    self.unread.drain(..length);
                    return Ok(Ok(head));
                }
                Ok(None) if self.unread.len() < max => {}
                Ok(_) => return Ok(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into())),
                Err(refusal) => return Ok(Err(refusal)),
            }
            self.fill().await?;
        }
    }

    /// The body of a request, of at most `max` bytes.
    pub(super) async fn read_body(&mut self, body: Body, max: usize) -> io::Result<Result<Vec<u8>, Refusal>> {
        match body {
            Body::Sized(len) if len > max => Ok(Err(StatusCode::PAYLOAD_TOO_LARGE.into())),
            Body::Sized(len) => self.take(len).await.map(Ok),
            Body::Chunked => self.read_chunks(max).await,
        }
    }

    /// The next `len` bytes.
    async fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < len {
            self.fill().await?;
        }
        let behind = self.unread.split_off(len);
        Ok(std::mem::replace(&mut self.unread, behind))
    }

    /// A body in chunks (RFC 9112 section 7.1).
    async fn read_chunks(&mut self, max: usize) -> io::Result<Result<Vec<u8>, Refusal>> {
        const BAD: Refusal = Refusal(StatusCode::BAD_REQUEST);
        let mut body = Vec::new();
        loop {
            // What a proxy might read in another way is no size: none at all, or a line that ends in the middle of an extension.
            let line_ends = self.unread.iter().position(|byte| *byte == b'\n');
            let is_odd = self.unread.first().is_some_and(|byte| !byte.is_ascii_hexdigit())
                || line_ends.is_some_and(|at| !self.unread[..at].ends_with(b"\r"));
            if is_odd {
                return Ok(Err(BAD));
            }
            let size = match httparse::parse_chunk_size(&self.unread) {
                Ok(httparse::Status::Complete((at, size))) => {
                    self.unread.drain(..at);
                    size
                }
                Ok(httparse::Status::Partial) if self.unread.len() < MAX_TRAILERS => {
                    self.fill().await?;
                    continue;
                }
                Ok(httparse::Status::Partial) | Err(_) => return Ok(Err(BAD)),
            };
            if size == 0 {
                return Ok(self.skip_trailers().await?.map(|()| body));
            }
            let Some(size) = usize::try_from(size).ok().filter(|size| *size <= max - body.len()) else {
                return Ok(Err(StatusCode::PAYLOAD_TOO_LARGE.into()));
            };
            body.append(&mut self.take(size).await?);
            if self.take(2).await? != b"\r\n" {
                return Ok(Err(BAD));
            }
        }
    }

    async fn skip_trailers(&mut self) -> io::Result<Result<(), Refusal>> {
        let mut skipped = 0;
        while skipped < MAX_TRAILERS {
            let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') else {
                if self.unread.len() > MAX_TRAILERS {
                    break;
                }
                self.fill().await?;
                continue;
            };
            let Some(line) = self.unread[..end].strip_suffix(b"\r") else { return Ok(Err(StatusCode::BAD_REQUEST.into())) };
            let is_last = line.is_empty();
            self.unread.drain(..=end);
            if is_last {
                return Ok(Ok(()));
            }
            skipped += end + 1;
        }
        Ok(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into()))
    }

    /// Writes an answer, by `until`. An error if the connection does not take it.
    pub(super) async fn answer<R: Runtime>(
        &mut self,
        runtime: &R,
        until: Instant,
        answer: &Response<String>,
        then: Persistence,
    ) -> io::Result<()> {
        self.write(runtime, until, &head::to_bytes(answer, then)).await
    }

    /// Writes `bytes`, by `until`.
    pub(super) async fn write<R: Runtime>(&mut self, runtime: &R, until: Instant, bytes: &[u8]) -> io::Result<()> {
        let writing = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(runtime.timer(until), writing).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_io::{AsyncRead, AsyncWrite};
    use futures_util::FutureExt;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// What comes in pieces of so many bytes, and then nothing more.
    struct Pieces(Vec<u8>, usize);

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            let n = self.1.min(self.0.len()).min(buf.len());
            let rest = self.0.split_off(n);
            buf[..n].copy_from_slice(&std::mem::replace(&mut self.0, rest));
            Poll::Ready(Ok(n))
        }
    }

    impl AsyncWrite for Pieces {
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

    /// The bodies of the requests in `text`, each of at most 10 bytes, and how that ends: with a status, or with the connection.
    fn bodies(text: &str, piece: usize) -> (Vec<String>, Option<u16>) {
        let mut http = Http1::new(Box::new(Pieces(text.into(), piece)));
        let mut read = Vec::new();
        let end = loop {
            let one = async {
                let head = http.read_head(1000, &Caller::default()).await?;
                let body = match head.and_then(|head| head.body()) {
                    Ok(body) => http.read_body(body, 10).await?,
                    Err(refusal) => Err(refusal),
                };
                io::Result::Ok(body)
            };
            match one.now_or_never().unwrap() {
                Ok(Ok(body)) => read.push(String::from_utf8(body).unwrap()),
                Ok(Err(Refusal(status))) => break Some(status.as_u16()),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                    break None;
                }
            }
        };
        (read, end)
    }

    #[test]
    fn requests_come_one_behind_the_other_in_pieces_of_any_size() {
        let text = "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n\
            4;x=y\r\n12\r\n\r\n6\r\n567890\r\n0\r\nTrailer: x\r\n\r\nPOST /d HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(bodies(text, piece), (vec!["abc".into(), String::new(), "12\r\n567890".into(), String::new()], None), "{piece}");
        }
    }

    #[test]
    fn what_is_no_body_is_refused() {
        for (headers, body, status) in [
            ("Content-Length: 11", "", 413),
            ("Content-Length: 99999999999999999999", "", 400),
            ("Content-Length: -1", "", 400),
            ("Content-Length: +1", "a", 400),
            ("Content-Length: 1\r\nContent-Length: 2", "ab", 400),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", "1\r\na\r\n0\r\n\r\n", 400),
            ("Transfer-Encoding: gzip, chunked", "", 501),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "", 501),
            ("Transfer-Encoding: chunked", "x\r\n", 400),
            ("Transfer-Encoding: chunked", "\r\n", 400),
            ("Transfer-Encoding: chunked", ";x\r\n", 400),
            ("Transfer-Encoding: chunked", "1;x\ny\r\na\r\n0\r\n\r\n", 400),
            ("Transfer-Encoding: chunked", "b\r\n", 413),
            ("Transfer-Encoding: chunked", "5\r\n12345\r\n6\r\n123456\r\n", 413),
            ("Transfer-Encoding: chunked", "ffffffffffffffff\r\n", 413),
            ("Transfer-Encoding: chunked", "1\r\nabc", 400),
            ("Transfer-Encoding: chunked", "0\r\nX: y\n\r\n", 400),
            ("Transfer-Encoding: chunked", "0\r\n\n", 400),
        ] {
            for piece in [1, 1000] {
                let text = format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n{body}");
                assert_eq!(bodies(&text, piece), (vec![], Some(status)), "{headers} {body}");
            }
        }
        let endless = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}", "X: y\r\n".repeat(MAX_TRAILERS));
        assert_eq!(bodies(&endless, 100), (vec![], Some(431)));
        let endless = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}", "X".repeat(3 * MAX_TRAILERS));
        assert_eq!(bodies(&endless, 100), (vec![], Some(431)));
    }
}
