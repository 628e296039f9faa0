//! What the harnesses that speak raw text have in common.

use bowline_core::{Close, CloseReason};
use serde_json::Value;
use std::time::Duration;

/// An action of an endpoint, as a test compares it. Requests and outcomes of calls are kept apart by the harnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The session exists.
    Opened,
    /// It goes on over a new transport.
    Resumed,
    /// The server made a new one.
    Renewed,
    /// The transport is lost.
    Lost,
    /// A dial was asked for: which attempt it is.
    Dial(u32),
    /// An attempt failed: the code of the server's error, if it gave one, and the time to the next attempt.
    ConnectFailed(Option<i64>, Option<Duration>),
    /// The endpoint closed the transport.
    HungUp(Close),
    /// A WebSocket ping was asked for.
    Probe,
    /// The session ended.
    Closed(CloseReason),
}

/// Reads a frame that an endpoint wrote, and checks what every frame must be (PROTOCOL 1).
///
/// # Panics
///
/// If it is empty, no JSON, or no JSON-RPC 2.0.
#[must_use]
pub fn checked_frame(bytes: &[u8]) -> Value {
    assert!(!bytes.is_empty(), "an empty frame crashes the real JavaScript client");
    let text = std::str::from_utf8(bytes).expect("a text frame is UTF-8");
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| unreachable!("{error}: {text}"));
    match value.as_array() {
        None => check_message(&value),
        Some(members) => {
            assert!(!members.is_empty(), "an empty batch");
            members.iter().for_each(check_message);
        }
    }
    value
}

fn check_message(message: &Value) {
    assert_eq!(message["jsonrpc"], "2.0", "{message}");
    if message.get("method").is_some() {
        assert!(message["method"].is_string(), "{message}");
        if let Some(id) = message.get("id") {
            let id = id.as_u64().unwrap_or_else(|| unreachable!("ids of ours are integers: {message}"));
            assert!(id < 1 << 31, "the Java client holds ids in an int: {message}");
        }
    } else {
        assert!(message.get("id").is_some(), "{message}");
        assert_ne!(message.get("result").is_some(), message.get("error").is_some(), "one of result and error: {message}");
    }
}
