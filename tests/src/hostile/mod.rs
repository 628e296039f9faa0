//! What a hostile peer, network or application does, drawn from bytes, and what must hold all the same (docs/fuzzing.md).
//!
//! Each function here takes the bytes of a fuzzer and panics when something does not hold. The targets in `fuzz/` call them; `tests/prop_corpus.rs` runs
//! them over the committed corpora, so that `cargo test` knows every input that was worth keeping.

pub mod crowd;
pub mod frames;
pub mod message;
pub mod reference;
pub mod single;
#[cfg(feature = "sockjs")]
pub mod sockjs;
#[cfg(feature = "websocket")]
pub mod websocket;

use arbitrary::{Arbitrary, Unstructured};

/// Bytes as what a target takes; `None` if they make none.
fn taken<'a, T: Arbitrary<'a>>(bytes: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(bytes)).ok()
}

/// One frame against the reference: see [`message::check`].
pub fn message(bytes: &[u8]) {
    message::check(bytes);
}

/// A server's endpoint: see [`single`].
pub fn server(bytes: &[u8]) {
    if let Some(script) = taken::<single::ServerScript>(bytes) {
        single::run_server(script);
    }
}

/// A client's endpoint: see [`single`].
pub fn client(bytes: &[u8]) {
    if let Some(script) = taken::<single::ClientScript>(bytes) {
        single::run_client(script);
    }
}

/// Clients and a server over a network that these bytes rule: each decision of the simulation takes the next of them.
///
/// # Panics
///
/// If a message is lost, repeated or out of order although its session lives, a call does not end, a timer does not move on, a bound is passed.
pub fn pair(bytes: &[u8]) {
    let (tally, _) = crate::sim::run_tape(bytes, false);
    if !tally.is_clean() {
        let (_, lines) = crate::sim::run_tape(bytes, true);
        let from = lines.len().saturating_sub(200);
        for line in &lines[from..] {
            eprintln!("{line}");
        }
    }
    assert!(tally.is_clean(), "{tally:?}");
}

/// One end of a WebSocket connection: see [`mod@websocket`].
#[cfg(feature = "websocket")]
pub fn websocket(bytes: &[u8]) {
    if let Some(script) = taken::<websocket::Script>(bytes) {
        websocket::check(&script.into_input());
    }
}

/// URLs, payloads and a session of SockJS: see [`mod@sockjs`].
#[cfg(feature = "sockjs")]
pub fn sockjs(bytes: &[u8]) {
    if let Some(script) = taken::<sockjs::Script>(bytes) {
        sockjs::run(script);
    }
}

/// Several sessions and transports on one server: see [`crowd`].
pub fn directory(bytes: &[u8]) {
    if let Some(script) = taken::<crowd::Script>(bytes) {
        crowd::run(script);
    }
}
