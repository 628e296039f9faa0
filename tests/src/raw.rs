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
    /// A message was not sent, which has more bytes than the peer takes.
    TooBig(usize, usize),
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
    let value = read(text.to_owned());
    match value.as_array() {
        None => check_message(&value),
        Some(members) => {
            assert!(!members.is_empty(), "an empty batch");
            members.iter().for_each(check_message);
        }
    }
    value
}

/// The value of a number, as [`checked_frame`] has it.
///
/// # Panics
///
/// If it is none.
#[must_use]
pub fn number(text: &str) -> Value {
    read(text.to_owned())
}

/// The value of a text. JSON's numbers have no bounds (RFC 8259 section 6), and an endpoint gives back those that it was given; a `Value` holds doubles. A number that is
/// out of their range reads as a half.
fn read(mut text: String) -> Value {
    loop {
        let error = match serde_json::from_str(&text) {
            Ok(value) => return value,
            Err(error) => error,
        };
        assert!(error.to_string().starts_with("number out of range"), "{error}: {text}");
        let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let at = error.column() - 1;
        let (before, behind) = text.as_bytes().split_at(at);
        let start = at - before.iter().rev().take_while(|byte| is_of_number(byte)).count();
        let end = at + behind.iter().take_while(|byte| is_of_number(byte)).count();
        assert!(start < end, "{error}: {text}");
        text.replace_range(start..end, "0.5");
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_double_holds_are_numbers() {
        let frame = checked_frame(br#"{"jsonrpc":"2.0","id":-56425334813e9980495,"result":[1e999,2,{"a":9E9999}]}"#);
        assert_eq!(frame["result"].to_string(), r#"[0.5,2,{"a":0.5}]"#);
        assert!(frame["id"].is_f64());
    }

    #[test]
    #[should_panic(expected = "expected value")]
    fn what_is_no_json_is_none() {
        let _ = checked_frame(br#"{"jsonrpc":"2.0","id":1,"result":+1}"#);
    }
}
