//! The codec on blocking sockets: an echo server, and a client that asks the fuzzing server of a conformance suite for its cases.
//!
//! ```text
//! echo serve [HOST:PORT]   prints the address on which it serves, a free port unless one is given
//! echo ask HOST:PORT       runs all cases of the suite's server and lets it write its report
//! ```

use bowline_websocket::{Decoder, Draft, Event, Kind, Role, accept_key, close, pong, request_key};
use std::collections::hash_map::RandomState;
use std::error::Error;
use std::hash::BuildHasher;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

type Anything<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MAX_MESSAGE: usize = 64 * 1024 * 1024;
/// Bytes that are read at once.
const READ: usize = 64 * 1024;

fn main() -> Anything<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve("127.0.0.1:0"),
        ["serve", address] => serve(address),
        ["ask", address] => ask(address),
        _ => Err("usage: echo serve [HOST:PORT] | echo ask HOST:PORT".into()),
    }
}

fn serve(address: &str) -> Anything<()> {
    let listener = TcpListener::bind(address)?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        thread::spawn(move || {
            if let Err(error) = accept(stream) {
                eprintln!("a connection has ended: {error}");
            }
        });
    }
}

fn accept(stream: TcpStream) -> Anything<()> {
    let mut reader = BufReader::with_capacity(READ, stream);
    let key = head(&mut reader)?.into_iter().find_map(|(name, value)| (name == "sec-websocket-key").then_some(value));
    let accept = accept_key(&key.ok_or("no key: this is no WebSocket handshake")?);
    let answer =
        format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes())?;
    converse(reader, Role::Server).map(drop)
}

/// Runs every case: their number is a message, then each is a connection on which everything is echoed.
fn ask(address: &str) -> Anything<()> {
    let count = String::from_utf8(open(address, "/getCaseCount")?)?;
    let count: u32 = count.trim().parse()?;
    for case in 1..=count {
        // How a case ends is the server's to judge.
        let _ = open(address, &format!("/runCase?case={case}&agent=bowline-websocket"));
    }
    // It may have done so by itself after the last case, and be gone.
    let _ = open(address, "/updateReports?agent=bowline-websocket");
    println!("{count} cases");
    Ok(())
}

/// Connects, to a server that may have said its address a moment before it listens.
fn connect(address: &str) -> io::Result<TcpStream> {
    let mut tries = 0;
    loop {
        match TcpStream::connect(address) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && tries < 100 => tries += 1,
            connected => return connected,
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn open(address: &str, path: &str) -> Anything<Vec<u8>> {
    let mut stream = connect(address)?;
    let mut random = [0; 16];
    random.as_chunks_mut::<4>().0.iter_mut().for_each(|chunk| *chunk = unpredictable());
    let key = request_key(random);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::with_capacity(READ, stream);
    let wanted = accept_key(&key);
    let answered = head(&mut reader)?.into_iter().any(|(name, value)| name == "sec-websocket-accept" && value == wanted);
    if !answered {
        return Err("the server does not answer the key".into());
    }
    converse(reader, Role::Client)
}

/// The headers of a request or an answer, their names in small letters.
fn head(reader: &mut impl BufRead) -> Anything<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for line in reader.take(16 * 1024).lines() {
        let line = line?;
        match line.split_once(':') {
            _ if line.is_empty() => return Ok(headers),
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => {}
        }
    }
    Err("the head does not end".into())
}

/// Echoes every message until the peer has enough. Returns the last of them.
fn converse(reader: BufReader<TcpStream>, role: Role) -> Anything<Vec<u8>> {
    let mut last = Vec::new();
    let mut decoder = Decoder::new(role, MAX_MESSAGE);
    let mut buffer = vec![0; READ];
    // What came right behind the head.
    let mut n = reader.buffer().len();
    buffer[..n].copy_from_slice(reader.buffer());
    let mut stream = reader.into_inner();
    stream.set_nodelay(true)?;
    loop {
        let mut out = Vec::new();
        let mut rest = &mut buffer[..n];
        let open = loop {
            let mask = (role == Role::Client).then(unpredictable);
            match decoder.decode(&mut rest) {
                Ok(Some(Event::Text(text))) => {
                    echo(&mut out, Kind::Text, text.as_bytes(), mask);
                    last = text.into_owned().into_bytes();
                }
                Ok(Some(Event::Binary(data))) => echo(&mut out, Kind::Binary, &data, mask),
                Ok(Some(Event::Ping(data))) => pong(&mut out, &data, mask),
                Ok(Some(Event::Pong(_))) => {}
                Ok(Some(Event::Close(said))) => {
                    close(&mut out, said.map(|said| (said.code, "")), mask);
                    break false;
                }
                Ok(None) => break true,
                Err(violation) => {
                    close(&mut out, Some((violation.close_code(), &violation.to_string())), mask);
                    break false;
                }
            }
        };
        if let Err(error) = stream.write_all(&out) {
            // Who has said what it had to say may be gone.
            return if last.is_empty() { Err(error.into()) } else { Ok(last) };
        }
        if !open {
            return match end(stream, &mut buffer, role) {
                Err(error) if last.is_empty() => Err(error.into()),
                Err(_) | Ok(()) => Ok(last),
            };
        }
        n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(last);
        }
    }
}

fn echo(out: &mut Vec<u8>, kind: Kind, payload: &[u8], mask: Option<[u8; 4]>) {
    let mut draft = Draft::begin(out, kind, mask);
    draft.payload().extend_from_slice(payload);
    draft.seal();
}

/// Takes what the peer still sends: a socket that is closed with unread bytes is reset, and the close frame might be lost. The server hangs up first
/// (RFC 6455 section 7.1.1).
fn end(mut stream: TcpStream, scratch: &mut [u8], role: Role) -> io::Result<()> {
    if role == Role::Server {
        stream.shutdown(std::net::Shutdown::Write)?;
    }
    while stream.read(scratch)? > 0 {}
    Ok(())
}

/// Four bytes that nobody can guess: the standard library draws the keys of its hash maps from the operating system.
fn unpredictable() -> [u8; 4] {
    let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_ne_bytes();
    [a, b, c, d]
}
