//! A server whose every frame is written by the test.

use super::{PATIENCE, Peer};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tungstenite::{Message, WebSocket};

/// A server that does with each connection what the test says. Each has a thread of its own.
#[derive(Debug)]
pub struct BadServer {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

/// One connection of a [`BadServer`] after its handshake.
#[derive(Debug)]
pub struct Conversation {
    socket: WebSocket<TcpStream>,
}

impl BadServer {
    /// Gives `script` each connection as it was accepted, and its number from 0.
    ///
    /// # Errors
    ///
    /// If there is no socket to listen on.
    pub fn on_tcp(script: impl Fn(u64, TcpStream) -> io::Result<()> + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, stopping) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let (script, stop) = (Arc::new(script), Arc::clone(&stopping));
        thread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming()) {
                let (false, Ok(stream)) = (stop.load(Ordering::Acquire), stream) else { return };
                let script = Arc::clone(&script);
                // A script whose client has gone has done its part.
                thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    let _ = script(number, stream);
                });
            }
        });
        Ok(Self { address, stopping })
    }

    /// As [`on_tcp`](Self::on_tcp), after the handshake.
    ///
    /// # Errors
    ///
    /// If there is no socket to listen on.
    pub fn on_websocket(
        script: impl Fn(u64, &mut Conversation) -> Result<(), tungstenite::Error> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::on_tcp(move |number, stream| {
            let socket = tungstenite::accept(stream).map_err(io::Error::other)?;
            script(number, &mut Conversation { socket }).map_err(io::Error::other)
        })
    }

    /// One that answers every handshake with `answer`, and hangs up.
    ///
    /// # Errors
    ///
    /// If there is no socket to listen on.
    pub fn answering(answer: &'static [u8]) -> io::Result<Self> {
        Self::on_tcp(move |_, mut stream| {
            read_request(&mut stream)?;
            stream.write_all(answer)
        })
    }

    /// `ws://` and its address and `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for BadServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Lets it see that.
        let _ = TcpStream::connect(self.address);
    }
}

impl Conversation {
    /// The next text frame of the client.
    ///
    /// # Errors
    ///
    /// If the client has gone.
    pub fn read(&mut self) -> Result<Value, tungstenite::Error> {
        loop {
            if let Message::Text(text) = self.socket.read()? {
                return serde_json::from_str(&text).map_err(|error| io::Error::other(error).into());
            }
        }
    }

    /// Sends a text frame.
    ///
    /// # Errors
    ///
    /// If the client has gone.
    pub fn text(&mut self, text: &str) -> Result<(), tungstenite::Error> {
        self.socket.send(Message::text(text))
    }

    /// Answers `request` with `result`.
    ///
    /// # Errors
    ///
    /// If the client has gone.
    pub fn answer(&mut self, request: &Value, result: &Value) -> Result<(), tungstenite::Error> {
        self.text(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string())
    }

    /// Answers `request` with an error.
    ///
    /// # Errors
    ///
    /// If the client has gone.
    pub fn refuse(&mut self, request: &Value, code: i64, message: &str) -> Result<(), tungstenite::Error> {
        self.text(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": code, "message": message } }).to_string())
    }

    /// Answers the client's `connect` with session `id`, without resumption.
    ///
    /// # Errors
    ///
    /// If the client has gone.
    pub fn greet(&mut self, id: &str) -> Result<(), tungstenite::Error> {
        let connect = self.read()?;
        self.answer(&connect, &json!({ "value": "OK", "sessionId": id }))
    }

    /// Sends any message.
    ///
    /// # Errors
    ///
    /// If the client has gone.
    pub fn message(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.socket.send(message)
    }

    /// Sends bytes that need not be a frame.
    ///
    /// # Errors
    ///
    /// If the client has gone.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.get_mut().write_all(bytes)
    }

    /// Reads up to the Close frame of the client, and says with which code it comes; `None` if the connection ends without one.
    pub fn closed(&mut self) -> Option<u16> {
        loop {
            if let Message::Close(close) = self.socket.read().ok()? {
                return close.map(|close| u16::from(close.code));
            }
        }
    }

    /// Reads until the client has gone.
    ///
    /// # Errors
    ///
    /// How it went.
    pub fn until_gone(&mut self) -> Result<(), tungstenite::Error> {
        loop {
            self.socket.read()?;
        }
    }
}

fn read_request(stream: &mut TcpStream) -> io::Result<()> {
    // A request's head ends as an answer's does, and has a second word too; that it is no status does not matter.
    match Peer::read_head(stream) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(()),
        Err(error) => Err(error),
    }
}
