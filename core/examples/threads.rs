//! Sessions served with blocking sockets and threads, on `bowline-core` alone. `cargo run -p bowline-core --example threads -- 127.0.0.1:8888`
//!
//! Each connection has a thread that reads, each session one that waits for its deadlines. Whoever has something for an endpoint locks its session, says it, and
//! then does what the endpoint asks for ([`State::settle`]). tungstenite is the WebSocket.

use bowline_core::{
    Action, Close, CloseReason, Directory, Endpoint, ErrorObject, Instant, Outcome, Received, Request, ServerConfig, SessionId,
};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tungstenite::protocol::{CloseFrame, Message, Role};
use tungstenite::{Utf8Bytes, WebSocket};

/// A peer that takes nothing for so long is gone. Nobody else is kept waiting but its own session.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a read may take while the handshake is not done.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_SESSIONS: usize = 1000;

/// What all sessions share.
struct Server {
    config: Arc<ServerConfig>,
    directory: Mutex<Directory<Arc<Session>>>,
    started: std::time::Instant,
    transports: AtomicU64,
}

struct Session {
    state: Mutex<State>,
    /// The state has changed.
    changed: Condvar,
}

struct State {
    endpoint: Endpoint<()>,
    transport: Option<Transport>,
}

/// The writing half of a connection; its thread has the reading one.
struct Transport {
    /// By which its thread knows it.
    number: u64,
    socket: WebSocket<Stream>,
}

/// A connection of which both halves write, as tungstenite does: the one answers, the other replies to pings. A lock keeps each write whole.
#[derive(Clone)]
struct Stream {
    tcp: Arc<TcpStream>,
    writing: Arc<Mutex<()>>,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.tcp).read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _writing = lock(&self.writing);
        (&*self.tcp).write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves on `listener` for ever.
pub(crate) fn serve(listener: &TcpListener) -> io::Result<()> {
    let server = Arc::new(Server {
        config: Arc::new(ServerConfig::default()),
        directory: Mutex::new(Directory::new(MAX_SESSIONS)),
        started: std::time::Instant::now(),
        transports: AtomicU64::new(0),
    });
    for stream in listener.incoming() {
        let (server, stream) = (Arc::clone(&server), stream?);
        thread::spawn(move || match server.connection(stream) {
            Ok(()) => {}
            Err(error) => eprintln!("a connection ended: {error}"),
        });
    }
    Ok(())
}

impl Server {
    /// The time of the endpoints, which know no clock.
    fn now(&self) -> Instant {
        Instant::after_origin(self.started.elapsed())
    }

    /// One connection, from its handshake to its end.
    fn connection(self: &Arc<Self>, tcp: TcpStream) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        tcp.set_nodelay(true)?;
        tcp.set_write_timeout(Some(WRITE_TIMEOUT))?;
        tcp.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
        let stream = Stream { tcp: Arc::new(tcp), writing: Arc::default() };
        let mut reading = tungstenite::accept(stream.clone()).map_err(|error| error.to_string())?;
        stream.tcp.set_read_timeout(None)?;
        let number = self.transports.fetch_add(1, Ordering::Relaxed);
        let socket = WebSocket::from_raw_socket(stream, Role::Server, None);

        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let mut session = self.session(SessionId::from_random(random), Transport { number, socket });
        loop {
            let message = reading.read();
            let state = lock(&session.state);
            if state.transport.as_ref().is_none_or(|transport| transport.number != number) {
                // The session has moved to another connection, or has ended: nothing of this one counts any more.
                return Ok(());
            }
            match message {
                Ok(Message::Text(text)) => session = self.text(&session, state, &text),
                Ok(Message::Binary(_)) => self.tell(&session, state, |endpoint, now| endpoint.handle_refused(now, Close::BINARY)),
                Ok(Message::Ping(_) | Message::Pong(_)) => self.tell(&session, state, Endpoint::handle_pong),
                // The reply to a Close frame is on its way already; the next read says that the connection has ended.
                Ok(Message::Close(_) | Message::Frame(_)) => {}
                Err(error) => {
                    let mut state = state;
                    state.transport = None;
                    self.tell(&session, state, Endpoint::handle_detached);
                    return if matches!(error, tungstenite::Error::ConnectionClosed) { Ok(()) } else { Err(error.into()) };
                }
            }
            self.wait_for_room(&session);
        }
    }

    /// A new transport has an endpoint of its own. A frame will open its session, or name another one.
    fn session(self: &Arc<Self>, id: SessionId, transport: Transport) -> Arc<Session> {
        let mut endpoint = Endpoint::server(Arc::clone(&self.config), id);
        let _ = endpoint.handle_attached(self.now());
        let state = Mutex::new(State { endpoint, transport: Some(transport) });
        let session = Arc::new(Session { state, changed: Condvar::new() });
        let (server, kept) = (Arc::clone(self), Arc::clone(&session));
        thread::spawn(move || server.keep_time(&kept));
        session
    }

    /// Calls `input`, and does what comes of it.
    fn tell(&self, session: &Arc<Session>, mut state: MutexGuard<'_, State>, input: impl FnOnce(&mut Endpoint<()>, Instant)) {
        let now = self.now();
        input(&mut state.endpoint, now);
        state.settle(self, session);
    }

    /// A frame came. Returns the session to which the connection belongs from now on.
    fn text(self: &Arc<Self>, session: &Arc<Session>, mut state: MutexGuard<'_, State>, frame: &Utf8Bytes) -> Arc<Session> {
        let now = self.now();
        match state.endpoint.handle_text(now, frame) {
            Received::Handled => {}
            Received::Request(request) => {
                // What the frame has brought about comes first: the session may have been opened by it, or there may be no room for one.
                state.settle(self, session);
                state.answer(now, request);
            }
            Received::HandOver(id) => {
                let other = lock(&self.directory).find(&id, 0).cloned();
                if let Some(other) = other {
                    let Some(transport) = state.transport.take() else { return Arc::clone(session) };
                    state.endpoint.handle_detached(now);
                    state.settle(self, session);
                    drop(state);
                    self.hand_over(&other, transport, frame);
                    return other;
                }
                if let Received::Request(request) = state.endpoint.handle_unknown_session(now, frame.as_bytes()) {
                    state.settle(self, session);
                    state.answer(now, request);
                }
            }
        }
        state.settle(self, session);
        Arc::clone(session)
    }

    /// Gives a session another transport, and the frame that named it.
    fn hand_over(&self, session: &Arc<Session>, mut transport: Transport, frame: &Utf8Bytes) {
        let now = self.now();
        let mut state = lock(&session.state);
        // It has ended in this moment, which the client will learn when it connects again; or the client has connected again since it sent this frame.
        if state.endpoint.is_closed() || state.endpoint.is_overtaken(frame.as_bytes()) {
            return transport.close(Close::MOVED);
        }
        if let Some(close) = state.endpoint.handle_attached(now)
            && let Some(old) = &mut state.transport
        {
            old.close(close);
        }
        state.transport = Some(transport);
        if let Received::Request(request) = state.endpoint.handle_text(now, frame) {
            state.settle(self, session);
            state.answer(now, request);
        }
        state.settle(self, session);
    }

    /// Back-pressure: a connection whose requests are not answered is not read.
    fn wait_for_room(&self, session: &Session) {
        let mut state = lock(&session.state);
        while state.transport.is_some() && !state.endpoint.wants_read() {
            state = session.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The session's second thread: waits for its deadlines, until it is closed.
    fn keep_time(&self, session: &Arc<Session>) {
        let mut state = lock(&session.state);
        while !state.endpoint.is_closed() {
            let now = self.now();
            state = match state.endpoint.poll_timeout() {
                Some(at) if at <= now => {
                    state.endpoint.handle_timeout(now);
                    state.settle(self, session);
                    state
                }
                Some(at) => session.changed.wait_timeout(state, at - now).unwrap_or_else(PoisonError::into_inner).0,
                None => session.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl State {
    /// After each input: does what the endpoint asks for, until there is nothing more. What was written may have made room for a request that waits.
    fn settle(&mut self, server: &Server, session: &Arc<Session>) {
        loop {
            self.act(server, session);
            if !self.write() {
                break;
            }
        }
        session.changed.notify_all();
    }

    fn act(&mut self, server: &Server, session: &Arc<Session>) {
        while let Some(action) = self.endpoint.poll_action() {
            let now = server.now();
            match action {
                Action::Serve(request) => self.answer(now, request),
                Action::Opened => {
                    let Some(id) = self.endpoint.session_id() else { continue };
                    if lock(&server.directory).insert(id, 0, Arc::clone(session)).is_err() {
                        self.endpoint.close(now, CloseReason::Application);
                    }
                }
                Action::Closed(_) => {
                    let Some(id) = self.endpoint.session_id() else { continue };
                    lock(&server.directory).remove(id);
                }
                Action::HangUp(close) => {
                    self.write();
                    if let Some(mut transport) = self.transport.take() {
                        transport.close(close);
                    }
                    self.endpoint.handle_detached(now);
                }
                Action::Probe => {
                    if let Some(transport) = &mut self.transport {
                        // If it fails, the reading thread hears of it too.
                        let _ = transport.socket.send(Message::Ping(Default::default()));
                    }
                }
                // What an application may want to know, and what only clients do.
                Action::Resumed | Action::Lost | Action::Settled { .. } | Action::TooBig { .. } => {}
                Action::Renewed | Action::Dial { .. } | Action::ConnectFailed { .. } => {}
            }
        }
    }

    /// Writes the frames that are to go out. What a transport does not take stays in the endpoint. Returns whether there was any.
    fn write(&mut self) -> bool {
        let mut frame = Vec::new();
        let mut any = false;
        while let Some(transport) = &mut self.transport
            && self.endpoint.poll_transmit(&mut frame).is_some()
        {
            let text = String::from_utf8(std::mem::take(&mut frame)).unwrap_or_default();
            if transport.socket.send(Message::text(text)).is_err() {
                // The reading thread sees the end of the connection, and says that it is lost.
                transport.cut();
                return false;
            }
            any = true;
        }
        any
    }

    /// The application. Its requests come one after the other; one that takes long would be given to a thread of its own, with its responder.
    fn answer(&mut self, now: Instant, request: Request<'_>) {
        let Request { method, params, responder, .. } = request;
        let outcome = match &*method {
            "echo" => params.map_or(Outcome::Empty, Outcome::Result),
            method => Outcome::Error(ErrorObject::method_not_found(method)),
        };
        self.endpoint.respond(now, responder, outcome);
    }
}

impl Transport {
    fn close(&mut self, close: Close) {
        let frame = CloseFrame { code: close.code.into(), reason: close.reason.into() };
        // Whether or not it arrives: some peers never answer a Close frame, so nobody waits for one.
        let _ = self.socket.close(Some(frame));
        let _ = self.socket.flush();
        self.cut();
    }

    fn cut(&self) {
        // It wakes the thread that reads.
        let _ = self.socket.get_ref().tcp.shutdown(Shutdown::Both);
    }
}

#[allow(dead_code, reason = "a test includes this file too")]
fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| String::from("127.0.0.1:8888"));
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    serve(&listener)
}
