//! An HTTP client that is not ours, for requests that ours never makes.

use super::peer::Peer;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its head, as it came.
    pub head: String,
    /// Its body, as text.
    pub body: String,
}

impl Answer {
    /// The value of header `name`, which is given in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// A blocking connection for one request after the other. Everything it waits for, it waits for within [`PATIENCE`](super::PATIENCE).
#[derive(Debug)]
pub struct Http<S = TcpStream> {
    /// The connection.
    pub stream: S,
    /// What a request says beside its first line and its length.
    pub headers: String,
}

impl Http {
    /// Connects.
    ///
    /// # Panics
    ///
    /// If that fails.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(Peer::open(address).expect("the server is there"))
    }

    /// One request on a connection of its own, and the answer to it.
    #[must_use]
    pub fn once(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
        Self::connect(address).ask(method, path, body)
    }
}

impl<S: Read + Write> Http<S> {
    /// On any connection.
    pub fn over(stream: S) -> Self {
        Self { stream, headers: "Host: localhost\r\n".into() }
    }

    /// Says `name: value` with each request from now on.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Sends a request.
    ///
    /// # Panics
    ///
    /// If the connection does not take it.
    pub fn send(&mut self, method: &str, path: &str, body: &str) {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.bytes(format!("{method} {path} HTTP/1.1\r\n{}{length}\r\n{body}", self.headers).as_bytes());
    }

    /// Sends bytes that need not be a request.
    ///
    /// # Panics
    ///
    /// If the connection does not take them.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the connection takes it");
    }

    /// Sends a request, and reads the answer.
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, path, body);
        self.answer()
    }

    /// Reads an answer, whole.
    ///
    /// # Panics
    ///
    /// If there is none, or it has no end.
    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        self.body(head)
    }

    /// Reads the body of an answer whose head was read.
    ///
    /// # Panics
    ///
    /// If it has no end.
    pub fn body(&mut self, mut answer: Answer) -> Answer {
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                answer.body.push_str(&chunk);
            }
        } else if !matches!(answer.status, 100 | 204 | 304) {
            let length = answer.header("content-length").expect("a length").parse().expect("a number");
            answer.body = self.take(length);
        }
        answer
    }

    /// Reads the head of an answer.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn head(&mut self) -> Answer {
        let head = Peer::read_head(&mut self.stream).expect("an answer");
        Answer { status: head.status, head: head.text, body: String::new() }
    }

    /// The next chunk of a body; `None` behind the last.
    ///
    /// # Panics
    ///
    /// If the connection breaks, or that is none.
    pub fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        while !size.ends_with("\r\n") {
            size.push_str(&self.take(1));
        }
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
        let chunk = self.take(size);
        assert_eq!(self.take(2), "\r\n");
        (size > 0).then_some(chunk)
    }

    /// Whether the connection ends without another byte.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0))
    }

    /// How many bytes there are up to the end of the connection, however that comes.
    pub fn rest(&mut self) -> usize {
        let (mut rest, mut chunk) = (0, vec![0; 64 * 1024]);
        while let Ok(n @ 1..) = self.stream.read(&mut chunk) {
            rest += n;
        }
        rest
    }

    /// The length of the next answer, of which no more than the head is read.
    pub fn length(&mut self) -> usize {
        self.head().header("content-length").and_then(|length| length.parse().ok()).expect("a length")
    }

    /// So many bytes.
    pub fn take(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("the rest of the answer");
        String::from_utf8(bytes).expect("text")
    }
}
