#![no_std]
#![doc = include_str!("lib.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod action;
mod config;
mod decode;
mod directory;
mod endpoint;
mod error;
mod id;
mod json;
mod message;
mod raw;
mod scan;
mod session_id;
mod special;
mod time;
mod write;

pub use action::{Action, CallId, CallOutcome, Close, CloseReason, Outcome, Received, Request, Responder};
pub use config::{ClientConfig, Dialect, FirstConnect, InFlight, Limits, Reconnect, ServerConfig};
pub use decode::{DecodeError, decode_params, decode_result, unbox};
pub use directory::{Directory, DirectoryFull};
pub use endpoint::{Call, Endpoint, Usage};
pub use error::{ErrorObject, SendError};
pub use json::{InvalidJson, Json};
pub use session_id::{MAX_SESSION_ID_BYTES, SessionId};
pub use time::Instant;
