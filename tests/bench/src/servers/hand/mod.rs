//! The reference: framing of its own, serde_json for the envelope only, one write for each read; on tokio, and on smol to tell what the runtime costs.
//!
//! It has what a JSON-RPC server owes its peer (fragments, pings, Close, bad JSON, unknown methods, bounds, back-pressure) and no session.
//! Buffers belong to the thread: an idle connection has a socket and a task.

mod on_smol;
mod on_tokio;

pub(super) use on_smol::serve as serve_on_smol;
pub(super) use on_tokio::serve as serve_on_tokio;

use crate::frame;
use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Result as IoResult};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// Read at once.
const READ_BYTES: usize = 64 * 1024;
/// The longest message.
const MAX_MESSAGE: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// A socket of a runtime's.
trait Socket: 'static {
    async fn upgrade(&mut self) -> Result<()>;
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<IoResult<usize>>;
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>>;
    fn try_write(&self, bytes: &[u8]) -> IoResult<usize>;
    fn sleep(time: Duration) -> impl Future;
}

/// What all connections share.
struct Shared<S> {
    input: Vec<u8>,
    output: Vec<u8>,
    audience: Vec<Weak<RefCell<Wire<S>>>>,
}

/// One connection's socket, and what it would not take yet.
struct Wire<S> {
    stream: S,
    unsent: Vec<u8>,
    /// Of the connection's task, while somebody else left something to send.
    owner: Option<Waker>,
}

/// What is left of a connection between two reads.
#[derive(Default)]
struct Kept {
    /// The beginning of a frame.
    bytes: Vec<u8>,
    /// The beginning of a fragmented message.
    fragments: Option<Vec<u8>>,
}

/// What a read asks for beyond its answers.
enum Next {
    Read,
    /// Wait, then answer this.
    Sleep(Vec<u8>),
    Close,
}

impl<S> Shared<S> {
    fn new() -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self { input: vec![0; READ_BYTES], output: Vec::new(), audience: Vec::new() }))
    }
}

async fn connection<S: Socket>(mut stream: S, shared: Rc<RefCell<Shared<S>>>) {
    if Box::pin(stream.upgrade()).await.is_err() {
        return;
    }
    let wire = Rc::new(RefCell::new(Wire { stream, unsent: Vec::new(), owner: None }));
    let mut kept = Kept::default();
    loop {
        let next = poll_fn(|cx| round(cx, &wire, &mut kept, &mut shared.borrow_mut())).await;
        match next {
            Ok(Next::Read) => {}
            Ok(Next::Sleep(answer)) => {
                Box::pin(S::sleep(super::SLOW)).await;
                wire.borrow_mut().send(&answer);
            }
            Ok(Next::Close) | Err(_) => return,
        }
    }
}

/// Writes what is left over, else reads once, answers all of it, and writes once.
fn round<S: Socket>(cx: &mut Context<'_>, wire: &Rc<RefCell<Wire<S>>>, kept: &mut Kept, shared: &mut Shared<S>) -> Poll<Result<Next>> {
    let mut own = wire.borrow_mut();
    ready!(own.flush(cx))?;
    let from = kept.bytes.len();
    if shared.input.len() < from + READ_BYTES / 2 {
        shared.input.resize(from + READ_BYTES, 0);
    }
    shared.input[..from].copy_from_slice(&kept.bytes);
    let Poll::Ready(read) = own.stream.poll_read(cx, &mut shared.input[from..])? else {
        if own.owner.as_ref().is_none_or(|owner| !owner.will_wake(cx.waker())) {
            own.owner = Some(cx.waker().clone());
        }
        return Poll::Pending;
    };
    if read == 0 {
        return Poll::Ready(Ok(Next::Close));
    }
    drop(own);
    let mut input = std::mem::take(&mut shared.input);
    let taken = take(&mut input[..from + read], kept, wire, shared);
    shared.input = input;
    let (used, next) = taken?;
    kept.bytes.clear();
    kept.bytes.extend_from_slice(&shared.input[used..from + read]);
    if kept.bytes.is_empty() {
        // An idle connection keeps no buffer.
        kept.bytes = Vec::new();
    }
    let mut own = wire.borrow_mut();
    own.send(&shared.output);
    shared.output.clear();
    Poll::Ready(Ok(next))
}

/// Takes every whole frame; how many bytes that were.
fn take<S: Socket>(bytes: &mut [u8], kept: &mut Kept, wire: &Rc<RefCell<Wire<S>>>, shared: &mut Shared<S>) -> Result<(usize, Next)> {
    let mut at = 0;
    loop {
        let found = match frame::find(bytes, at) {
            Ok(found) => found,
            Err(needed) if needed > MAX_MESSAGE + frame::MAX_HEADER => bail!("too long"),
            Err(_) => return Ok((at, Next::Read)),
        };
        at = found.payload.end;
        let payload = &mut bytes[found.payload];
        let Some(mask) = found.mask else { bail!("a frame without a mask") };
        frame::apply(mask, payload);
        let next = match (found.opcode, &mut kept.fragments) {
            (frame::TEXT, None) if found.last => answer(payload, wire, shared)?,
            (frame::TEXT, fragments @ None) => {
                *fragments = Some(payload.to_vec());
                Next::Read
            }
            (0, Some(fragments)) if fragments.len() + payload.len() <= MAX_MESSAGE => {
                fragments.extend_from_slice(payload);
                match kept.fragments.take_if(|_| found.last) {
                    Some(whole) => answer(&whole, wire, shared)?,
                    None => Next::Read,
                }
            }
            (frame::PING, _) => {
                frame::header(&mut shared.output, frame::PONG, payload.len(), None);
                shared.output.extend_from_slice(payload);
                Next::Read
            }
            (frame::PONG, _) => Next::Read,
            (frame::CLOSE, _) => {
                frame::header(&mut shared.output, frame::CLOSE, payload.len(), None);
                shared.output.extend_from_slice(payload);
                Next::Close
            }
            _ => bail!("a frame that may not come here"),
        };
        match next {
            Next::Read => {}
            Next::Sleep(_) | Next::Close => return Ok((at, next)),
        }
    }
}

fn answer<S: Socket>(text: &[u8], wire: &Rc<RefCell<Wire<S>>>, shared: &mut Shared<S>) -> Result<Next> {
    let text = std::str::from_utf8(text)?;
    let request: Request<'_> = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(error) if error.is_data() => {
            message(&mut shared.output, &[r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request"}}"#]);
            return Ok(Next::Read);
        }
        Err(_) => {
            message(&mut shared.output, &[r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#]);
            return Ok(Next::Read);
        }
    };
    let (id, params) = (request.id.map(RawValue::get), request.params.map_or("null", RawValue::get));
    if request.jsonrpc != "2.0" {
        let id = id.unwrap_or("null");
        let rest = r#","error":{"code":-32600,"message":"Invalid Request"}}"#;
        message(&mut shared.output, &[r#"{"jsonrpc":"2.0","id":"#, id, rest]);
        return Ok(Next::Read);
    }
    match &*request.method {
        "echo" => {}
        "slow" => {
            let mut late = Vec::new();
            result(&mut late, id, params);
            return Ok(Next::Sleep(late));
        }
        "join" => shared.audience.push(Rc::downgrade(wire)),
        "tell" => {
            let mut told = Vec::new();
            message(&mut told, &[r#"{"jsonrpc":"2.0","method":"told","params":"#, params, "}"]);
            shared.audience.retain(|member| member.upgrade().is_some_and(|member| member.borrow_mut().tell(&told)));
        }
        _ => {
            if let Some(id) = id {
                let rest = r#","error":{"code":-32601,"message":"Method not found"}}"#;
                message(&mut shared.output, &[r#"{"jsonrpc":"2.0","id":"#, id, rest]);
            }
            return Ok(Next::Read);
        }
    }
    result(&mut shared.output, id, params);
    Ok(Next::Read)
}

fn result(out: &mut Vec<u8>, id: Option<&str>, result: &str) {
    if let Some(id) = id {
        message(out, &[r#"{"jsonrpc":"2.0","id":"#, id, r#","result":"#, result, "}"]);
    }
}

/// Puts the parts behind `out` as one frame.
fn message(out: &mut Vec<u8>, parts: &[&str]) {
    frame::header(out, frame::TEXT, parts.iter().map(|part| part.len()).sum(), None);
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

impl<S: Socket> Wire<S> {
    /// Sends as much as the socket takes, and keeps the rest.
    fn send(&mut self, mut bytes: &[u8]) {
        while self.unsent.is_empty() && !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The next read finds out.
                Err(_) => return,
            }
        }
        self.unsent.extend_from_slice(bytes);
    }

    /// As `send`, for somebody else than the connection's task. One that does not read is let go.
    fn tell(&mut self, bytes: &[u8]) -> bool {
        self.send(bytes);
        if let Some(owner) = self.owner.take_if(|_| !self.unsent.is_empty()) {
            owner.wake();
        }
        self.unsent.len() <= MAX_MESSAGE
    }

    /// Ready when nothing is left to send.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(self.stream.poll_write(cx, &self.unsent))?;
            self.unsent.drain(..sent);
        }
        self.unsent = Vec::new();
        Poll::Ready(Ok(()))
    }
}
